"""Writes the files of this folder; run it there, with paddlepaddle installed."""

import inspect
import os
import re
from pathlib import Path

os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - so spelt; graphs as before Paddle 3

import numpy as np
import paddle
from paddle.framework import io, io_utils

A = np.load("../pytorch/A.npy")
paddle.seed(1)


class Embeddings(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.word_embeddings = paddle.nn.Embedding(23, 6)
        self.position_embeddings = paddle.nn.Embedding(8, 6)
        self.layer_norm = paddle.nn.LayerNorm(6)
        self.word_embeddings.weight.set_value(A)

    def forward(self, ids):
        return self.layer_norm(self.word_embeddings(ids) + self.position_embeddings(ids * 0))


class Ernie(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.embeddings = Embeddings()


class Model(paddle.nn.Layer):
    def __init__(self):
        super().__init__()
        self.ernie = Ernie()
        self.classifier = paddle.nn.Linear(6, 2)

    def forward(self, ids):
        return self.classifier(self.ernie.embeddings(ids))


model = Model()
state = model.state_dict()
paddle.save(state, "model_state.pdparams")
paddle.save(state, "protocol2.pdparams", protocol=2)
paddle.save(state, "protocol3.pdparams", protocol=3)

adam = paddle.optimizer.Adam(parameters=model.parameters())
model(paddle.to_tensor([[1, 2, 3]])).sum().backward()
rows = {name: each.numpy() for name, each in state.items()}
adam.step()
for name, each in state.items():
    each.set_value(rows[name])
paddle.save({"epoch": 3, "model": state, "optimizer": adam.state_dict(), "best": None}, "training.pdparams")

kinds = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64")
tensors = {kind: paddle.to_tensor(A).astype(kind) for kind in (*kinds, "float8_e4m3fn")}
tensors |= {"scalar": paddle.to_tensor(2.5), "empty": paddle.zeros([0, 6]), "cube": paddle.ones([2, 3, 4])}
paddle.save(tensors, "dtypes.pdparams")
paddle.save(
    {name: each for name, each in tensors.items() if "1" in name or "3" in name}, "dtypes2.pdparams", protocol=2
)
paddle.save(paddle.to_tensor(A), "tensor.pdtensor")
paddle.save({"columns": np.asfortranarray(A), "big": A.astype(">f4")}, "arrays.pdparams")

dense = paddle.base.core.DenseTensor()
dense.set(A, paddle.CPUPlace())
paddle.save({"model": {"embedding.weight": dense}}, "dense.pdparams")

# arrays of more than 2^30 bytes are cut; here of more than 100
source, count = re.subn(r"2\*\*30", "101", inspect.getsource(io_utils._unpack_saved_dict))
assert count == 1
exec(source, vars(io_utils))  # noqa: S102 - Paddle's own function with one number changed
io._unpack_saved_dict = io_utils._unpack_saved_dict
for protocol in (2, 3):
    paddle.save(state, f"pieces{protocol}.pdparams", protocol=protocol)

paddle.enable_static()
main, startup = paddle.static.Program(), paddle.static.Program()
with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
    ids = paddle.static.data("ids", [None, 3], "int64")
    words = paddle.static.nn.embedding(ids, [23, 6])
    paddle.static.nn.fc(words, 2)
executor = paddle.static.Executor(paddle.CPUPlace())
executor.run(startup)
parameters = main.state_dict()
(name,) = [each for each, value in parameters.items() if value.shape() == [23, 6]]
parameters[name].set(A, paddle.CPUPlace())
main.set_state_dict(parameters)
paddle.static.save(main, "static")
for suffix in ("pdmodel", "pdopt"):
    Path(f"static.{suffix}").unlink()
