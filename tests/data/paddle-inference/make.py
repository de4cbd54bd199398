"""Write the golden inference models with Paddle, once in the new layout and once in the old ones.

Run from the root of the repository::

    python tests/data/paddle-inference/make.py
    FLAGS_enable_pir_api=0 python tests/data/paddle-inference/make.py
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import paddle

HERE = Path(__file__).resolve().parent
A = np.load(HERE.parent / "pytorch" / "A.npy")
OLD = not paddle.get_flags("FLAGS_enable_pir_api")["FLAGS_enable_pir_api"]


class Encoder(paddle.nn.Layer):
    """Words, kinds and places added up, as in BERT; the table of words is not the first."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds = paddle.nn.Embedding(2, A.shape[1])
        self.places = paddle.nn.Embedding(12, A.shape[1])
        self.words = paddle.nn.Embedding(*A.shape)
        self.words.weight.set_value(A)
        self.dense = paddle.nn.Linear(A.shape[1], 3)

    def forward(self, input_ids: paddle.Tensor, token_type_ids: paddle.Tensor) -> paddle.Tensor:
        """Float tensor [batch, length, 3]."""
        ids = paddle.reshape(input_ids, [0, -1]).astype("int64")
        places = paddle.cumsum(paddle.ones_like(ids), axis=1) - 1
        return self.dense(self.words(ids) + self.kinds(token_type_ids) + self.places(places))


def main() -> None:
    """Write the folders ``json``, or ``program``, ``together`` and ``apart``."""
    paddle.seed(3)
    specs = [paddle.static.InputSpec([None, None], "int64", name) for name in ("input_ids", "token_type_ids")]
    model = Encoder()
    model.eval()
    folder = HERE / ("program" if OLD else "json")
    shutil.rmtree(folder, ignore_errors=True)
    paddle.jit.save(paddle.jit.to_static(model, input_spec=specs), str(folder / "inference"))
    if not OLD:
        return
    (folder / "inference.pdiparams.info").unlink()
    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    program, _, _ = paddle.static.load_inference_model(str(folder / "inference"), executor)
    weights = [each for each in program.list_vars() if paddle.framework.io_utils.is_persistable(each)]
    for name, filename in (("together", "__params__"), ("apart", None)):
        shutil.rmtree(HERE / name, ignore_errors=True)
        paddle.static.save_vars(executor, str(HERE / name), program, weights, filename=filename)
        (HERE / name / "__model__").write_bytes(program.desc.serialize_to_string())


if __name__ == "__main__":
    main()
