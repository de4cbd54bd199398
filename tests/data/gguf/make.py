"""Makes the files of this folder with the gguf package (0.19.0)."""

import io
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFWriter, quants
from gguf.scripts.gguf_convert_endian import main as convert_endian

HERE = Path(__file__).resolve().parent
RANDOM = np.random.RandomState(0)
MATRIX = RANDOM.randn(4, 256).astype("f4")
TOKENS = ["<unk>", "<s>", "</s>", "▁我"]
#: Where float16 scales stand in a block of a type that the package cannot quantise.
HALVES = {
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
    "IQ4_NL": (0,),
    "IQ4_XS": (0,),
}
PLAIN = {Type.F64: "f8", Type.F32: "f4", Type.F16: "f2"}
NAMES = (
    *("F64", "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"),
    *("IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4"),
)
#: The types that the package's own program brings into the other byte order.
SWAPPED = ("F32", "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K", "MXFP4")


def stored(name: str) -> np.ndarray:
    """The matrix in that type; of a type that the package cannot quantise, random numbers with sane scales."""
    kind = Type[name]
    if kind in PLAIN:
        return MATRIX.astype(PLAIN[kind])
    if name not in HALVES:
        return quants.quantize(MATRIX, kind)
    values, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = RANDOM.randint(0, 256, (4 * 256 // values, size)).astype("u1")
    for place in HALVES[name]:
        blocks[:, place : place + 2] = RANDOM.uniform(0.001, 0.01, len(blocks)).astype("<f2").view("u1").reshape(-1, 2)
    return blocks.reshape(4, -1)


def floats(raw: np.ndarray, name: str) -> np.ndarray:
    """The same as float32, decoded by the package."""
    return raw.astype("f4") if Type[name] in PLAIN else quants.dequantize(raw, Type[name])


def write(writer: GGUFWriter, tensors: dict[str, np.ndarray]) -> None:
    """A file with these tensors, the first of them as the embedding."""
    writer.add_name("made by a test")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0, 0.0, 0.0, -1.5])
    writer.add_token_types([2, 3, 3, 1])
    for place, (name, raw) in enumerate(tensors.items()):
        kind = None if Type[name] in PLAIN else Type[name]
        writer.add_tensor(f"blk.{name}.weight" if place else "token_embd.weight", raw, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


matrices = {name: stored(name) for name in ("Q6_K", *(name for name in NAMES if name != "Q6_K"))}
write(GGUFWriter(HERE / "types.gguf", "llama"), matrices)
expected = {"types": np.stack([floats(raw, name)[[0, 3]] for name, raw in matrices.items()])}
np.save(HERE / "types.npy", expected["types"])

write(GGUFWriter(HERE / "big.gguf", "llama"), {name: matrices[name] for name in SWAPPED})
np.save(HERE / "big.npy", np.stack([floats(matrices[name], name)[[0, 3]] for name in SWAPPED]))
sys.argv, sys.stdin = ["gguf-convert-endian", str(HERE / "big.gguf"), "big"], io.StringIO("YES\n")
convert_endian()

(HERE / "split").mkdir(exist_ok=True)
splitter = GGUFWriter(HERE / "split" / "model.gguf", "llama", split_max_tensors=2, small_first_shard=True)
write(splitter, {name: matrices[name] for name in ("Q8_0", "F16", "Q4_0", "Q4_1")})
