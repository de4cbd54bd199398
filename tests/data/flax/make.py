"""Writes the files of this folder; run it there, with flax and optax installed."""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import serialization
from flax.training.train_state import TrainState

A = np.load("../pytorch/A.npy")


class Embeddings(nn.Module):
    @nn.compact
    def __call__(self, ids):
        words = nn.Embed(23, 6, name="word_embeddings")(ids)
        return nn.LayerNorm(name="LayerNorm")(words + nn.Embed(8, 6, name="position_embeddings")(ids * 0))


class Bert(nn.Module):
    @nn.compact
    def __call__(self, ids):
        return Embeddings(name="embeddings")(ids)


class Model(nn.Module):
    @nn.compact
    def __call__(self, ids):
        return nn.Dense(2, name="cls")(Bert(name="bert")(ids))


def write(name, tree):
    Path(name).write_bytes(serialization.to_bytes(tree))


model = Model()
params = jax.tree.map(np.asarray, model.init(jax.random.key(0), jnp.zeros((1, 3), "int32")))["params"]
params["bert"]["embeddings"]["word_embeddings"]["embedding"] = A
write("flax_model.msgpack", params)
write("train_state.msgpack", TrainState.create(apply_fn=model.apply, params=params, tx=optax.adam(1e-3)))
leaves = {name: jnp.asarray(A, name) for name in ("float32", "float16", "bfloat16")}
leaves |= {"float64": A.astype("f8"), "float8": jnp.asarray(A, "float8_e4m3fn"), "int32": np.arange(3, dtype="i4")}
leaves |= {"scalar": np.float32(2.5), "number": 3, "complex": 1j, "none": None, "cnumber": np.complex64(2j)}
write("dtypes.msgpack", {"params": leaves})
serialization.MAX_CHUNK_SIZE = 100
write("chunked.msgpack", {"params": {"shared": {"embedding": A}, "half": A.astype("f2")}})
