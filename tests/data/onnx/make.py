"""Makes the files of this folder with torch 2.13.0, onnx 1.23.2 and onnxruntime 1.32.0."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from torch import nn

HERE = Path(__file__).resolve().parent
INPUTS = ["input_ids", "token_type_ids"]
IDS = torch.arange(32).reshape(2, 16)


class Model(nn.Module):
    """The embeddings of a small BERT, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(32, 16)
        self.position_embeddings = nn.Embedding(64, 16)
        self.token_type_embeddings = nn.Embedding(2, 16)
        self.dense = nn.Linear(16, 4)
        self.register_buffer("position_ids", torch.arange(64).expand(1, -1))

    def forward(self, input_ids: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        """Scores."""
        words = self.word_embeddings(input_ids)
        positions = self.position_embeddings(self.position_ids[:, : input_ids.shape[1]])
        return self.dense(words + positions + self.token_type_embeddings(token_type_ids))


class Calibration(CalibrationDataReader):
    """One batch."""

    def __init__(self) -> None:
        self.batches = iter([{name: (IDS * (name == "input_ids")).numpy() for name in INPUTS}])

    def get_next(self) -> dict | None:
        """It, then nothing."""
        return next(self.batches, None)


def table_of(path: Path, output: str) -> np.ndarray:
    """All rows, as onnxruntime gives them at an output inside the graph."""
    model = onnx.load(path)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    feed = {name: (IDS * (name == "input_ids")).numpy() for name in INPUTS}
    return session.run([output], feed)[0].reshape(32, 16)


def without_traces(path: Path) -> None:
    """Take out the source lines that torch writes beside every node."""
    made = onnx.load(path, load_external_data=False)
    for part in (made, made.graph, *made.graph.node, *made.graph.value_info, *made.graph.initializer):
        del part.metadata_props[:]
    path.write_bytes(made.SerializeToString())


torch.manual_seed(0)
model = Model().eval()
arguments = (IDS, IDS * 0)
axes = {name: {0: "batch", 1: "length"} for name in INPUTS}
exported = {"input_names": INPUTS, "output_names": ["scores"]}
torch.onnx.export(model, arguments, HERE / "traced.onnx", dynamo=False, dynamic_axes=axes, opset_version=17, **exported)
torch.onnx.export(model, arguments, HERE / "exported.onnx", dynamo=True, external_data=False, **exported)
torch.onnx.export(model, arguments, HERE / "external.onnx", dynamo=True, external_data=True, **exported)
without_traces(HERE / "exported.onnx")
without_traces(HERE / "external.onnx")
quantize_dynamic(HERE / "traced.onnx", HERE / "dynamic.onnx")
quantize_static(HERE / "traced.onnx", HERE / "static.onnx", Calibration(), quant_format=QuantFormat.QDQ)
blocks = DefaultWeightOnlyQuantConfig(16, op_types_to_quantize=("Gather",), quant_axes=(("Gather", 1),))
quantizer = MatMulNBitsQuantizer(onnx.load(HERE / "traced.onnx"), algo_config=blocks)
quantizer.process()
quantizer.model.save_model_to_file(str(HERE / "blocks.onnx"))

np.save(HERE / "floats.npy", model.word_embeddings.weight.detach().numpy())
np.save(HERE / "dynamic.npy", table_of(HERE / "dynamic.onnx", "/word_embeddings/Gather_output_0"))
np.save(HERE / "static.npy", table_of(HERE / "static.onnx", "/word_embeddings/Gather_output_0"))
np.save(HERE / "blocks.npy", table_of(HERE / "blocks.onnx", "/word_embeddings/Gather_output_0"))
