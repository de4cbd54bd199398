"""Makes the files of this folder with openvino 2026.4.1 and nncf 3.4.0, from models in `../onnx`."""

from pathlib import Path

import nncf
import numpy as np
import openvino
from nncf import CompressWeightsMode as Mode

HERE = Path(__file__).resolve().parent
IDS = np.arange(32).reshape(2, 16)


def table_of(path: Path) -> np.ndarray:
    """All rows, as OpenVINO's CPU plugin looks them up."""
    core = openvino.Core()
    model = core.read_model(path)
    (gather,) = (node for node in model.get_ops() if node.get_friendly_name() == "/word_embeddings/Gather")
    behind = gather.output(0)
    while kept := [
        port.get_node().output(0)
        for port in behind.get_target_inputs()
        if port.get_node().get_type_name() in ("Convert", "Subtract", "Multiply")
    ]:
        behind = kept[0]
    model.add_outputs([behind])
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled({"input_ids": IDS, "token_type_ids": IDS * 0})
    return np.asarray(results[len(compiled.outputs) - 1], np.float32).reshape(32, 16)


def save(name: str, model: openvino.Model, **more: bool) -> None:
    """The model, and beside it what is looked up."""
    openvino.save_model(model, HERE / f"{name}.xml", **more)
    np.save(HERE / f"{name}.npy", table_of(HERE / f"{name}.xml"))


traced = HERE.parent / "onnx" / "traced.onnx"
save("float16", openvino.convert_model(traced), compress_to_fp16=True)
save("behind", openvino.convert_model(HERE.parent / "onnx" / "dynamic.onnx"))
save("rows", nncf.compress_weights(openvino.convert_model(traced), mode=Mode.INT8_ASYM))
four_bits = {"mode": Mode.INT4_ASYM, "group_size": 8, "all_layers": True}
save("blocks", nncf.compress_weights(openvino.convert_model(traced), **four_bits))
