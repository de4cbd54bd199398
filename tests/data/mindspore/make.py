"""Writes the files of this folder; run it there, with mindspore installed."""

from pathlib import Path

import mindspore
import numpy as np
from mindspore import Tensor, nn
from mindspore.train import serialization

A = np.load("../pytorch/A.npy")
mindspore.set_seed(1)


class Embeddings(nn.Cell):
    def __init__(self):
        super().__init__()
        self.word_embeddings = nn.Embedding(23, 6)
        self.position_embeddings = nn.Embedding(8, 6)
        self.layer_norm = nn.LayerNorm((6,))


class Bert(nn.Cell):
    """As the models of MindFormers name their parts."""

    def __init__(self):
        super().__init__()
        self.word_embedding = nn.Embedding(23, 6)
        self.position_embedding = nn.Embedding(8, 6)
        self.layernorm = nn.LayerNorm((6,))


class Model(nn.Cell):
    def __init__(self):
        super().__init__()
        self.bert = Bert()
        self.classifier = nn.Dense(6, 2)


def save(what, name, **options):
    Path(name).unlink(missing_ok=True)  # files are written read-only
    mindspore.save_checkpoint(what, name, **options)
    Path(name).chmod(0o644)


model = Model()
model.bert.word_embedding.embedding_table.set_data(Tensor(A))
save(model, "bert.ckpt")
save(model, "checked.ckpt", crc_check=True, append_dict={"epoch": 3, "lr": 0.1, "best": True, "note": "文"})
for mode in ("AES-GCM", "AES-CBC", "SM4-CBC"):
    save(model, f"encrypted-{mode}.ckpt", enc_key=b"0123456789abcdef", enc_mode=mode)

for kind in (nn.Adam, nn.Momentum, nn.AdamWeightDecay, nn.Lamb, nn.Adagrad):
    rate = {"learning_rate": 0.1} | ({"momentum": 0.9} if kind is nn.Momentum else {})
    optimizer = kind(model.trainable_params(), **rate)
    save(nn.TrainOneStepCell(nn.WithLossCell(model, nn.MSELoss()), optimizer), f"{kind.__name__.lower()}.ckpt")

kinds = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool_", "complex64")
entries = {kind: Tensor(A, getattr(mindspore, kind)) for kind in (*kinds, "float8_e4m3fn", "float8_e5m2", "qint4x2")}
entries |= {"scalar": Tensor(2.5, mindspore.float32), "cube": Tensor(np.ones((2, 3, 4), "f4"))}
save([{"name": name, "data": each} for name, each in entries.items()], "dtypes.ckpt")


class Hundred:
    """As the number 100 / 1024, but times 1024 it is an integer."""

    def __rmul__(self, other):
        return 100


# tensors above 512 MiB are cut; here above 100 bytes, so within rows
serialization.SLICE_SIZE = Hundred()
save([{"name": "shared", "data": Tensor(A)}, {"name": "half", "data": Tensor(A, mindspore.float16)}], "pieces.ckpt")
