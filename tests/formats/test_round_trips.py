"""Round trips: what is saved is what is loaded, by charvec and by everyone else's readers."""

from __future__ import annotations

import io
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import SCALARS, every
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vector_samples import DTYPES, FORMATS, LOSSLESS, assert_same, build, small

import charvec
from charvec import formats, storage
from charvec.errors import CharvecError, DamagedFile, UsageError, WrongFile
from charvec.plumbing.arrays.layout import SECOND
from charvec.vectors import CharVectors
from charvec.vocabulary import Spelling

WHITE = {chr(code) for code in range(0x110000) if chr(code).isspace()}
LEFT_OUT = {"text": WHITE, "word2vec": {" ", "\n"}, "word2vec-binary": {" ", "\n"}}


def written(vectors: CharVectors, name: str) -> tuple[bytes, list[str]]:
    """The bytes of a format, and what was left out."""
    buffer = io.BytesIO()
    left_out = formats.by_name(name).write(vectors, buffer)
    return buffer.getvalue(), left_out


def read(data: bytes) -> CharVectors:
    """Read bytes by whatever format their beginning says."""
    member = formats.sniff(data[:4096])
    assert member is not None
    return member.read("x", data, True)


def vectors_of(codepoints: NDArray[np.uint32], dtype: str) -> CharVectors:
    """Scalar values x 2, each with a row of its own; all 1,112,064 as a rule."""
    n = len(codepoints)
    bits = codepoints * np.uint32(2654435761) & np.uint32(0x3FFFFFFF)
    matrix = np.stack((bits.view(np.float32), codepoints.astype(np.float32) / 7), axis=1)
    if dtype == "float16":
        matrix %= 60000
    spelling = Spelling(np.zeros(n, np.uint8), np.arange(n), np.arange(n + 1))
    columns = {"codepoints": codepoints, "stored": matrix, "counts": np.arange(n).astype(np.uint64)}
    return replace(build([], matrix[:0]), **columns, spelling=spelling).astype(dtype)


@pytest.mark.parametrize("member", [*formats.members()], ids=lambda member: member.NAME)
def test_provenance_that_is_completed_meanwhile(member: formats.Member, tmp_path: Path) -> None:
    """A file says what the provenance was in the end, as if written afterwards; it is completed once."""
    vectors = small()
    digest = vectors.source["source"]["rows_blake2b"]
    expected, left_out = written(vectors, member.NAME)
    source = {**vectors.source, "source": {**vectors.source["source"], "rows_blake2b": "0" * 64}}
    unfinished = replace(vectors, source=source)

    def complete() -> None:
        assert source["source"]["rows_blake2b"] != digest
        source["source"]["rows_blake2b"] = digest

    path = tmp_path / "x"
    assert storage.put(unfinished, path, format=member.NAME, complete=complete)[0] == left_out
    assert path.read_bytes() == expected
    assert unfinished.source == vectors.source


def test_provenance_that_becomes_longer() -> None:
    """What was laid out before it was complete is not written in another length."""
    vectors = small()
    source = dict(vectors.source)
    unfinished = replace(vectors, source=source)
    with pytest.raises(ValueError, match="another length"):
        formats.by_name("hdf5").write(unfinished, io.BytesIO(), lambda: source.update(more="x"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSLESS)
def test_every_character_lossless(name: str, dtype: str) -> None:
    """Every Unicode scalar value survives, with everything about it; of the narrow types a sample."""
    vectors = vectors_of(SCALARS if dtype == "float32" else every(17), dtype)
    data, left_out = written(vectors, name)
    assert not left_out
    assert_same(read(data), vectors)


@pytest.mark.parametrize("name", ["text", "word2vec", "word2vec-binary", "pickle"])
def test_characters_plain(name: str) -> None:
    """Every scalar value survives bit for bit, but for exactly those that the format is said not to hold.

    Beyond the last white space, U+3000, every 17th will do: what is written of them are bytes of UTF-8 above 0x7F, each
    of which is met in every place.
    """
    codepoints = every(17)
    vectors = vectors_of(codepoints, "float32")
    data, left_out = written(vectors, name)
    assert set(left_out) == LEFT_OUT.get(name, set()) and left_out == sorted(left_out)
    again = read(data)
    kept = ~np.isin(codepoints, [ord(char) for char in left_out])
    assert again.codepoints.tobytes() == codepoints[kept].tobytes()
    assert again.stored.tobytes() == vectors.stored[kept].tobytes()


def test_white_space_is_the_stated_set() -> None:
    """The 29 characters at which ``line.split()`` splits."""
    stated = {*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F}
    assert {ord(char) for char in WHITE} == stated | {0x3000}


@pytest.mark.parametrize("dtype", ["float16", "int8"])
@pytest.mark.parametrize("name", ["text", "word2vec", "word2vec-binary", "pickle"])
def test_narrow_types_plain(name: str, dtype: str) -> None:
    """All 65,536 half floats, and int8 rows, come back as the float32 they stand for."""
    halves = np.arange(0x10000, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    matrix = halves.astype(np.float32).reshape(-1, 16)
    vectors = build(range(0x4E00, 0x4E00 + len(matrix)), matrix).astype(dtype)
    assert read(written(vectors, name)[0]).matrix.tobytes() == vectors.matrix.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", FORMATS)
def test_not_finite(name: str, dtype: str) -> None:
    """NaN and infinity survive in every format."""
    rows = np.array([[np.nan, 1], [np.inf, -np.inf], [0, -0.0]], np.float32)
    vectors = build("abc", rows).astype(dtype)
    assert np.array_equal(read(written(vectors, name)[0]).matrix, vectors.matrix, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSLESS)
def test_empty(name: str, dtype: str) -> None:
    """No characters at all."""
    vectors = build("", np.empty((0, 5), np.float32)).astype(dtype)
    assert_same(read(written(vectors, name)[0]), vectors)


@pytest.mark.parametrize("data", [b"0 5\n", b"\x80\x03}(u."])
def test_empty_plain(data: bytes) -> None:
    """Another program's plain file without characters is refused."""
    with pytest.raises(WrongFile) as caught:
        read(data)
    assert caught.value.code == "E-NO-CHARACTERS"


@pytest.mark.parametrize(
    ("chars", "name"), [("", "a.txt"), (" \u3000", "a.txt"), ("", "a.vec"), ("\n ", "a.vec"), ("", "a.pkl")]
)
def test_plain_files_of_nothing(chars: str, name: str, tmp_path: Path) -> None:
    """A plain file that would hold no character, and could not be read back, is not written."""
    vectors = build(chars, np.zeros((len(chars), 3), np.float32))
    with pytest.raises(WrongFile) as caught:
        vectors.save(tmp_path / name)
    assert caught.value.code == "E-NO-CHARACTERS" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_one_dimension(name: str) -> None:
    """Vectors of length 1, and a digit as the first character."""
    vectors = build("1a中", np.array([[0.5], [-2], [3]], np.float32))
    assert read(written(vectors, name)[0]).matrix.tobytes() == vectors.matrix.tobytes()


@pytest.mark.parametrize("name", LOSSLESS)
def test_file_names_that_are_not_utf8(name: str) -> None:
    """A checkpoint whose name is not UTF-8 can stand in the provenance; its bytes are spelt out there."""
    source = {**small().source, "vocabulary": {**small().source["vocabulary"], "file": "v\udcff\\ud800\U0001f600.txt"}}
    again = read(written(replace(small(), source=source), name)[0])
    assert again.source["vocabulary"]["file"] == "v\\udcff\\ud800\U0001f600.txt"


@pytest.mark.parametrize(
    "source",
    [{"source": "a book"}, {"options": {"keep": ["nonsense"]}}, {"x": float("nan")}, {"x": object()}],
)
def test_provenance_that_could_not_be_read_back(source: dict[str, Any]) -> None:
    """What the reader would refuse the writer refuses."""
    with pytest.raises(UsageError) as caught:
        written(replace(small(), source=source), "hdf5")
    assert caught.value.code == "E-META"


def test_row_ids_beyond_32_bits() -> None:
    """A row id is never wrapped."""
    vectors = small()
    spelling = Spelling(vectors.status, vectors.spelling.row_ids + 2**32, vectors.spelling.row_offsets)
    with pytest.raises(WrongFile) as caught:
        written(replace(vectors, spelling=spelling), "hdf5")
    assert caught.value.code == "E-OVERFLOW"


# -- other people's readers -------------------------------------------------------------------------------------------


def test_numpy_reads_npz(tmp_path: Path) -> None:
    """``np.load`` without pickle gives the columns."""
    vectors = small("int8")
    vectors.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["codepoints"].tolist() == vectors.codepoints.tolist()
        assert arrays["vectors"].tobytes() == vectors.stored.tobytes()
        assert arrays["missing.codepoints"].tolist() == vectors.missing_codepoints.tolist()
        assert {name.replace(".", "/") for name in arrays.files} == set(charvec_columns()) - {"sources", *SECOND}


def charvec_columns() -> list[str]:
    """The names of all columns."""
    from charvec.plumbing.arrays.layout import COLUMNS

    return list(COLUMNS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_safetensors_reads_safetensors(dtype: str, tmp_path: Path) -> None:
    """The safetensors library gives the columns and the metadata."""
    library = pytest.importorskip("safetensors")
    vectors = small(dtype)
    vectors.save(tmp_path / "a.safetensors")
    with library.safe_open(tmp_path / "a.safetensors", "np") as file:
        assert file.get_tensor("vectors").tobytes() == vectors.stored.tobytes()
        assert file.get_tensor("missing/counts").tolist() == vectors.missing_counts.tolist()
        assert "wordpiece" in file.metadata()["charvec"]


def test_numpy_writes_what_we_read(tmp_path: Path) -> None:
    """An .npz that numpy itself wrote, compressed, is read."""
    small().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        np.savez_compressed(tmp_path / "b.npz", **arrays)
    assert_same(charvec.load(tmp_path / "b.npz"), small())


def test_safetensors_writes_what_we_read(tmp_path: Path) -> None:
    """A file that the safetensors library itself wrote is read."""
    library = pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    small().save(tmp_path / "a.safetensors")
    with library.safe_open(tmp_path / "a.safetensors", "np") as file:
        save_file({name: file.get_tensor(name) for name in file.keys()}, tmp_path / "b.safetensors", file.metadata())  # noqa: SIM118
    assert_same(charvec.load(tmp_path / "b.safetensors"), small())


@pytest.mark.parametrize("dtype", DTYPES)
def test_python_reads_pickle(dtype: str) -> None:
    """Python's own unpickler gives a dictionary of writable float32 arrays of their own."""
    vectors = small(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = pickle.loads(written(vectors, "pickle")[0])
    assert list(loaded) == vectors.chars
    for char, row in loaded.items():
        assert type(row) is np.ndarray and row.dtype == np.float32 and row.shape == (4,)
        assert row.tobytes() == vectors[char].tobytes()
    loaded["A"][:] = 7
    assert loaded["中"].tolist() == vectors["中"].tolist()


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<f2"])
def test_python_writes_pickle_we_read(protocol: int, dtype: str) -> None:
    """Dictionaries that Python pickled, of any protocol we tell by its head."""
    pairs = {"水": np.array([0.5, -1], dtype), "a": np.array([2, 3], dtype), "词语": np.zeros(2, dtype)}
    vectors = read(pickle.dumps(pairs, protocol))
    assert vectors.chars == ["a", "水"] and vectors.matrix.tolist() == [[2, 3], [0.5, -1]]
    assert vectors.source["converted"] == {"from": "pickle", "other_keys": 1}


def test_naive_reader_reads_text() -> None:
    """The loop of LatticeLSTM and its relatives: text mode, ``line.split()``."""
    sample = vectors_of(SCALARS[:0x3100], "float32")
    data, left_out = written(sample, "text")
    table = {}
    for line in io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"):
        key, *values = line.strip().split() if not line.startswith("\0") else line.split()
        assert len(values) == 2
        table[key] = np.array(values, np.float64).astype(np.float32)
    assert set(table) == set(sample.chars) - set(left_out)
    assert all(np.array_equal(table[char], sample[char]) for char in table)


def gensim_like(data: bytes) -> dict[str, NDArray[np.float32]]:
    """gensim's ``_word2vec_read_text``: bytes, lines at line feeds, ``rstrip`` and ``split(" ")``."""
    stream = io.BytesIO(data)
    count, dim = map(int, stream.readline().split())
    table = {}
    for _ in range(count):
        parts = stream.readline().decode().rstrip("\n").split(" ")
        assert len(parts) == dim + 1
        table[parts[0]] = np.array(parts[1:], np.float32)
    assert not stream.read()
    return table


def test_gensim_like_reader_reads_word2vec() -> None:
    """Keys that are white space of other kinds included."""
    vectors = build("\t\n\r a\x85\u2028\u3000中", np.arange(27, dtype=np.float32).reshape(9, 3) / 7)
    table = gensim_like(written(vectors, "word2vec")[0])
    assert list(table) == [char for char in vectors.chars if char not in " \n"]
    assert all(np.array_equal(table[char], vectors[char]) for char in table)


def test_gensim_reads_word2vec(tmp_path: Path) -> None:
    """gensim itself, where it is installed."""
    models = pytest.importorskip("gensim.models")
    vectors = build("\t\n\r a\x85\u2028\u3000中", np.arange(27, dtype=np.float32).reshape(9, 3) / 7)
    vectors.save(tmp_path / "a.vec")
    table = models.KeyedVectors.load_word2vec_format(str(tmp_path / "a.vec"))
    assert all(np.array_equal(table[char], vectors[char]) for char in vectors.chars if char not in " \n")


# -- other people's files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("a 1 2\nb 1\n", "E-TEXT-LINE"),
        ("a 1 2\nb 1 2 x\n", "E-TEXT-LINE"),
        ("a 1 2\nb 1_0 2\n", "E-TEXT-LINE"),
        ("a 1 2\na 3 4\n", "E-DUPLICATE"),
        ("aa 1 2\nbb 3 4\n", "E-NO-CHARACTERS"),
        ("a 1 1e39\n", "E-OVERFLOW"),
        ("2 2\na 1 2\n", "E-TRUNCATED"),
        ("1 2\na 1 2\nb 1 2\n", "E-TRAILING"),
        ("1 3\na 1 2\n", "E-TEXT-LINE"),
        ("0 3\n", "E-NO-CHARACTERS"),
        ("1 0\na\n", "E-COUNT"),
    ],
)
def test_spoiled_text(data: str, code: str) -> None:
    """Each fault by its name."""
    with pytest.raises(CharvecError) as caught:
        read(data.encode())
    assert caught.value.code == code


def test_foreign_text() -> None:
    """Windows line ends, trailing spaces, a missing last line end, spaces and words as keys."""
    vectors = read("水 1 2 \r\n  3 4\r\n词语 5 6\r\na 7 8".encode())
    assert vectors.chars == [" ", "a", "水"] and vectors.matrix.tolist() == [[3, 4], [7, 8], [1, 2]]
    assert vectors.source["converted"] == {"from": "text", "other_keys": 1}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": np.zeros(2), "b": np.zeros(3)}, "E-COUNT"),
        ({"a": np.zeros((2, 2))}, "E-COUNT"),
        ({"a": np.zeros(0)}, "E-COUNT"),
        ({"a": np.zeros(2, np.int32)}, "E-NO-CHARACTERS"),
        ({"a": np.array([1e300])}, "E-OVERFLOW"),
        ({"ab": np.zeros(2)}, "E-NO-CHARACTERS"),
        ({"a": [1.0]}, "E-FORMAT"),
        ([1], "E-FORMAT"),
    ],
)
def test_spoiled_pickle(value: Any, code: str) -> None:
    """Dictionaries of something else."""
    with pytest.raises(CharvecError) as caught:
        read(pickle.dumps(value, 4))
    assert caught.value.code == code


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.characters(exclude_categories=["Cs"]), st.integers(0, 2**64 - 1), max_size=12),
    st.integers(1, 5),
    st.sampled_from(DTYPES),
    st.sampled_from(LOSSLESS),
    st.randoms(use_true_random=False),
)
def test_any_vectors(counts: dict[str, int], dim: int, dtype: str, name: str, random: Any) -> None:
    """load(save(x)) == x for any characters, counts, statuses, rows and numbers."""
    chars = sorted(counts)
    k = random.randint(0, len(chars))
    missing, here = sorted(random.sample(chars, k)), []
    here = [char for char in chars if char not in missing]
    matrix = np.array([[random.uniform(-9, 9) for _ in range(dim)] for _ in here], np.float32).reshape(len(here), dim)

    def spelling(size: int, low: int, high: int) -> Spelling:
        lengths = [random.randint(0, 3) for _ in range(size)]
        ids = [random.randint(0, 2**32 - 1) for _ in range(sum(lengths))]
        status = np.array([random.randint(low, high) for _ in range(size)], np.uint8)
        return Spelling(status, np.array(ids, np.int64), np.concatenate(([0], np.cumsum(lengths))).astype(np.int64))

    vectors = CharVectors(
        np.array([ord(char) for char in here], np.uint32),
        matrix,
        np.array([counts[char] for char in here], np.uint64),
        spelling(len(here), 0, 5),
        None,
        np.array([ord(char) for char in missing], np.uint32),
        np.array([counts[char] for char in missing], np.uint64),
        spelling(len(missing), 4, 8),
        {"note": "".join(chars)},
    ).astype(dtype)
    assert_same(read(written(vectors, name)[0]), vectors)


def test_damaged_file_is_an_input_error() -> None:
    """The family of errors that a caller catches."""
    with pytest.raises(DamagedFile):
        read(b"a 1 2\nb 1\n")


@pytest.mark.parametrize("member", list(formats.members()), ids=lambda member: member.NAME)
def test_names_of_formats(member: formats.Member) -> None:
    """A format goes by its name and by its suffixes, with or without the dot."""
    for word in (member.NAME, member.NAME.upper(), *member.SUFFIXES, *(suffix[1:] for suffix in member.SUFFIXES)):
        assert formats.by_name(word) is member
    for word in ("", ".", "zip", "..h5"):
        with pytest.raises(UsageError):
            formats.by_name(word)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMATS)
def test_what_a_file_is_said_to_hold(name: str, dtype: str) -> None:
    """It is what a reader finds in it."""
    vectors = small().astype(dtype)
    found = read(written(vectors, name)[0]).dtype
    said = formats.written_as(formats.by_name(name), dtype)
    assert said.startswith(found) and (dtype in said)
