"""The header of GGUF files: held against the gguf package, and damaged in every way that was thought of."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charvec.errors import CharvecError
from charvec.plumbing.files import File
from charvec.plumbing.gguf import gguf_file
from charvec.plumbing.gguf.gguf_file import Header, Strings, read_header
from charvec.plumbing.gguf.gguf_types import TYPES

#: struct's letters of the plain value types.
PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Maker:
    """Writes GGUF files, sound and unsound ones, after the specification."""

    def __init__(self, order: str = "<") -> None:
        """Begin a file in that byte order."""
        self.order = order

    def pack(self, code: str, *values: Any) -> bytes:
        """Numbers."""
        return struct.pack(self.order + code, *values)

    def string(self, text: bytes | str) -> bytes:
        """A string."""
        raw = text.encode() if isinstance(text, str) else text
        return self.pack("Q", len(raw)) + raw

    def pair(self, key: bytes | str, kind: int, value: bytes) -> bytes:
        """A key and its value, packed already."""
        return self.string(key) + self.pack("I", kind) + value

    def tensor(self, name: bytes | str, dims: Any, kind: int, offset: int) -> bytes:
        """A tensor info; sizes innermost first."""
        return self.string(name) + self.pack(f"I{len(dims)}QIQ", len(dims), *dims, kind, offset)

    def file(
        self,
        pairs: Any = (),
        tensors: Any = (),
        data: bytes = b"",
        *,
        version: int = 3,
        counts: Any = None,
        align: int = 32,
    ) -> bytes:
        """The whole file."""
        head = b"GGUF" + self.pack("IQQ", version, *(counts or (len(tensors), len(pairs))))
        head += b"".join(pairs) + b"".join(tensors)
        return head + bytes(-len(head) % align) + data


class MemoryFile(File):
    """The bytes of a file without the file."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes."""
        self.data, self.path, self.size, self.head = data, "model.gguf", len(data), data[:4096]

    identity = None

    def pread(self, offset: int, length: int) -> bytes:
        """As of a file."""
        assert 0 <= offset <= offset + length <= self.size, "reads past the end are the reader's fault"
        return self.data[offset : offset + length]


def read(data: bytes) -> Header:
    """The header of those bytes."""
    return read_header(MemoryFile(data))


def refusal(data: bytes) -> CharvecError:
    """The error a file is refused with."""
    with pytest.raises(CharvecError) as caught:
        read(data)
    assert caught.value.exit_code == 65 and caught.value.help and caught.value.path
    return caught.value


L = Maker()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [2, 3])
def test_every_value_type(order: str, version: int) -> None:
    """Plain values, strings, arrays of each, and arrays of arrays, in both byte orders."""
    m = Maker(order)
    sample = {
        0: 200,
        1: -3,
        2: 60000,
        3: -300,
        4: 1 << 31,
        5: -70000,
        6: 0.5,
        7: True,
        10: 1 << 63,
        11: -1 << 40,
        12: 0.1,
    }
    pairs = [m.pair(f"p{kind}", kind, m.pack(code, sample[kind])) for kind, code in PLAIN.items()]
    pairs += [
        m.pair(f"a{kind}", 9, m.pack("IQ", kind, 3) + m.pack("3" + code, *[sample[kind]] * 3))
        for kind, code in PLAIN.items()
    ]
    pairs += [
        m.pair("s", 8, m.string("字\0b")),
        m.pair("as", 9, m.pack("IQ", 8, 3) + m.string("") + m.string(b"\xff") + m.string("三")),
        m.pair("aa", 9, m.pack("IQ", 9, 2) + m.pack("IQ2B", 0, 2, 1, 2) + m.pack("IQ", 8, 1) + m.string("x")),
        m.pair("empty", 9, m.pack("IQ", 8, 0)),
    ]
    data = m.file(pairs, [m.tensor("t", (4, 2), 0, 0), m.tensor("scalar", (), 0, 32)], bytes(36), version=version)
    header = read(data)
    assert (header.version, header.big_endian) == (version, order == ">")
    for kind in PLAIN:
        value, array = header.values[f"p{kind}"], header.values[f"a{kind}"]
        assert value == sample[kind] and type(value) is type(sample[kind])
        assert array.tolist() == [sample[kind]] * 3 and array.dtype.isnative
    assert header.values["s"] == "字\0b"
    assert list(header.values["as"]) == [b"", b"\xff", "三".encode()]
    assert header.values["aa"][0].tolist() == [1, 2] and list(header.values["aa"][1]) == [b"x"]
    assert len(header.values["empty"]) == 0
    start = -(-header.size // 32) * 32
    assert header.tensors["t"] == gguf_file.TensorInfo("t", (2, 4), 0, start, 32)
    assert header.tensors["scalar"] == gguf_file.TensorInfo("scalar", (), 0, start + 32, 4)


@pytest.mark.parametrize("order", "<>")
def test_strings_are_cut_where_their_lengths_say(order: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once or one by one: also empty ones, long ones, and such as hold zeros or what looks like a length."""
    m = Maker(order)
    for seed in range(60):
        generator = random.Random(seed)
        monkeypatch.setattr(gguf_file, "PORTION", generator.choice((1 << 10, 1 << 20)))
        odd = [
            b"",
            b"\0",
            bytes(8),
            bytes(20),
            m.pack("Q", 3),
            m.string("abc") * 3,
            b"x" * 255,
            b"x" * 256,
            b"y" * 70_000,
        ]
        share = generator.choice((0.0, 0.01, 0.3))
        strings = [
            generator.choice(odd) if generator.random() < share else generator.randbytes(generator.randint(1, 12))
            for _ in range(generator.choice((63, 64, 65, 1000, 3000)))
        ]
        if generator.random() < 0.3:
            strings = ["".join(map(chr, generator.choices(range(0x100, 0x3000), k=3))).encode() for _ in strings]
        text = generator.random() < 0.5
        if text:
            strings = [string.decode("utf-8", "ignore").encode() for string in strings]
        packed = m.pack("IQ", 8, len(strings)) + b"".join(map(m.string, strings))
        header = read(
            m.file([m.pair("before", 4, m.pack("I", 7)), m.pair("a", 9, packed), m.pair("z", 8, m.string("end"))])
        )
        found = header.values["a"]
        assert list(found) == strings and header.values["z"] == "end"
        is_text = all(string.decode("utf-8", "ignore").encode() == string for string in strings)
        assert found.are_text() is is_text
        assert found.texts() == ([string.decode() for string in strings] if is_text else None)


def test_a_header_is_handed_on_once_and_never_for_another_file(tmp_path: Path) -> None:
    """Two openings of one file share a reading; a changed file is read anew."""
    path = tmp_path / "m.gguf"
    path.write_bytes(L.file([L.pair("k", 8, L.string("one"))]))
    headers = []
    for _ in range(3):
        with File(path) as file:
            headers.append(read_header(file))
    assert headers[0] is headers[1] and headers[2] is not headers[0] and headers[2] == headers[0]
    path.write_bytes(L.file([L.pair("k", 8, L.string("two"))]))
    with File(path) as file:
        assert read_header(file).values["k"] == "two"


def test_strings_are_a_sequence() -> None:
    """Places, slices, iteration and equality are those of a list."""
    words = [b"", b"a", b"bc", b"\0" * 300]
    raw = b"".join(map(L.string, words))
    ends = np.cumsum([8 + len(word) for word in words]).tolist()
    strings = Strings(b"xy" + raw + b"z", 2, gguf_file.array("q", ends))
    assert list(strings) == words == strings[:] and len(strings) == 4
    assert (strings[-1], strings[1], strings[1:3], strings[::-1]) == (words[-1], b"a", words[1:3], words[::-1])
    assert b"bc" in strings and strings.index(b"bc") == 2
    with pytest.raises(IndexError):
        strings[4]
    assert strings == Strings(bytearray(raw), 0, gguf_file.array("q", ends)) != words
    assert list(Strings(b"", 0, gguf_file.array("q"))) == []


def test_strings_as_text() -> None:
    """Whatever they hold: nothing, parts of a character, and what stands between them while they are decoded."""
    mark = gguf_file._MARK
    for words in (
        [],
        [""],
        ["", "字", "", "\0"],
        ["a" + mark + "b", "c"],
        [mark, mark[:4], mark[4:], ""],
        [mark[:-1], mark[-1:] + mark],
    ):
        raw = b"".join(L.string(word.encode()) for word in words)
        ends = np.cumsum([8 + len(word.encode()) for word in words], dtype=np.int64).tolist()
        strings = Strings(raw, 0, gguf_file.array("q", ends))
        assert strings.texts() == words and strings.are_text()
    cut = "字".encode()
    raw = L.string(cut[:2]) + L.string(cut[2:])
    assert Strings(raw, 0, gguf_file.array("q", [10, 19])).texts() is None


def test_long_headers_are_read_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the portions fall, also inside a length."""
    words = ["字" * (place % 7) + str(place) for place in range(3000)]
    array = L.pack("IQ", 8, len(words)) + b"".join(map(L.string, words))
    data = L.file([L.pair("x", 9, array), L.pair("y", 9, L.pack("IQ3000I", 4, 3000, *range(3000)))])
    for portion in (1, 7, 4096, 1 << 20):
        monkeypatch.setattr(gguf_file, "PORTION", portion)
        header = read(data)
        assert [word.decode() for word in header.values["x"]] == words
        assert header.values["y"].tolist() == list(range(3000))


def test_type_sizes_are_those_of_the_package() -> None:
    """Every type the package knows, with its block sizes."""
    gguf = pytest.importorskip("gguf", reason="compares with the gguf package")
    sizes = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    known = {kind: size for kind, size in sizes.items() if kind in TYPES}
    assert known == {kind: size for kind, size in TYPES.items() if kind in sizes} and len(known) >= 30


def test_200_generated_files(tmp_path: Path) -> None:
    """Pairs and tensors of files that the gguf package wrote are what the package reads."""
    gguf = pytest.importorskip("gguf", reason="compares with the gguf package")
    generator = random.Random(5)
    path = tmp_path / "x.gguf"
    for number in range(200):
        big = gguf.GGUFEndian.BIG if number % 3 == 0 else gguf.GGUFEndian.LITTLE
        writer = gguf.GGUFWriter(path, "llama", endianess=big)
        if generator.random() < 0.5:
            writer.add_custom_alignment(2 ** generator.randrange(3, 13))
        kinds = (*(gguf.GGUFValueType(kind) for kind in PLAIN), gguf.GGUFValueType.STRING)
        for place in range(generator.randrange(6)):
            kind = generator.choice(kinds)
            if generator.random() < 0.5:
                values = [plain_value(kind, generator) for _ in range(generator.randrange(1, 9))]
                writer.add_key_value(f"key.{place}", values, gguf.GGUFValueType.ARRAY, sub_type=kind)
            else:
                writer.add_key_value(f"key.{place}", plain_value(kind, generator), kind)
        for place in range(generator.randrange(5)):
            shape = [generator.randrange(1, 9) for _ in range(generator.randrange(1, 5))]
            dtype = generator.choice(("f4", "f2", "f8", "i1", "i4"))
            writer.add_tensor(f"t{place}.字", np.zeros(shape, dtype))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        reference = gguf.GGUFReader(path)
        with File(path) as file:
            header = read_header(file)
        assert header.big_endian == (reference.byte_order == "S")
        theirs = {key: field.contents() for key, field in reference.fields.items() if not key.startswith("GGUF.")}
        assert {key: plain(value) for key, value in header.values.items()} == theirs
        assert [
            (
                tensor.name,
                tuple(reversed(tensor.shape.tolist())),
                int(tensor.tensor_type),
                tensor.data_offset,
                tensor.n_bytes,
            )
            for tensor in reference.tensors
        ] == [(each.name, each.shape, each.type, each.offset, each.nbytes) for each in header.tensors.values()]


def plain_value(kind: Any, generator: random.Random) -> Any:
    """A value of that type."""
    if kind == 8:
        return "".join(generator.choice("ab字😀 \n") for _ in range(generator.randrange(1, 400)))
    if kind == 7:
        return generator.random() < 0.5
    dtype = np.dtype(PLAIN[int(kind)])
    if dtype.kind == "f":
        return float(np.float32(generator.gauss(0, 9)))
    return generator.randint(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def plain(value: Any) -> Any:
    """A value of ours as the package gives it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [word.decode() for word in value] if isinstance(value, Strings) else value


#: 64 rows x 8, as all files of the collection of bad inputs.
GOOD_PAIRS = [L.pair("general.architecture", 8, L.string("bert"))]
GOOD_TENSOR = L.tensor("token_embd.weight", (8, 64), 0, 0)
GOOD = L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(64 * 8 * 4))

NEST = L.pack("IQ", 9, 1)
BAD = {
    "gguf-ver": L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(2048), version=99),
    "gguf-v1": L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(2048), version=1),
    "version 0": L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(2048), version=0),
    "gguf-nt": L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(2048), counts=(1 << 63, 1)),
    "gguf-nkv": L.file(GOOD_PAIRS, [GOOD_TENSOR], bytes(2048), counts=(1, 1 << 63)),
    "gguf-arrlen": L.file([L.pair("x", 9, L.pack("IQ", 4, 1 << 62))]),
    "strings": L.file([L.pair("x", 9, L.pack("IQ", 8, 1 << 62))]),
    "length 2^64-1": L.file([L.pair("x", 9, L.pack("IQQ", 8, 1, (1 << 64) - 1) + bytes(99))]),
    "length 2^63": L.file([L.pair("x", 9, L.pack("IQQ", 8, 2, (1 << 63) - 9) + bytes(99))]),
    "length 2^40": L.file([L.pair("x", 9, L.pack("IQQ", 8, 2, 1 << 40) + bytes(99))]),
    "gguf-arrnest": L.file([L.pair("x", 9, NEST * 40000 + L.pack("IQB", 0, 1, 1))]),
    "gguf-ndims": L.file([], [L.string("t") + L.pack("I", 10**6) + bytes(80)]),
    "gguf-overflow": L.file([], [L.tensor("t", (1 << 32, 1 << 32), 0, 0)], bytes(64)),
    "one large size": L.file([], [L.tensor("t", ((1 << 64) - 1, 0), 0, 0)], bytes(64)),
    "gguf-align0": L.file([L.pair("general.alignment", 4, L.pack("I", 0))], [GOOD_TENSOR], bytes(2048)),
    "gguf-align30": L.file([L.pair("general.alignment", 4, L.pack("I", 1 << 30))], [GOOD_TENSOR], bytes(2048)),
    "alignment 24": L.file([L.pair("general.alignment", 4, L.pack("I", 24))], [GOOD_TENSOR], bytes(2048)),
    "alignment text": L.file([L.pair("general.alignment", 8, L.string("32"))], [GOOD_TENSOR], bytes(2048)),
    "alignment true": L.file([L.pair("general.alignment", 7, b"\1")], [GOOD_TENSOR], bytes(2048)),
    "key twice": L.file(GOOD_PAIRS * 2, [GOOD_TENSOR], bytes(2048)),
    "tensor twice": L.file([], [GOOD_TENSOR, L.tensor("token_embd.weight", (8,), 0, 2048)], bytes(4096)),
    "overlap": L.file([], [GOOD_TENSOR, L.tensor("t", (8, 64), 0, 1024)], bytes(4096)),
    "unaligned": L.file([], [L.tensor("t", (8, 64), 0, 16)], bytes(4096)),
    "offset 2^63": L.file([], [L.tensor("t", (8, 64), 0, 1 << 63)], bytes(4096)),
    "half a block": L.file([], [L.tensor("t", (48, 2), 8, 0)], bytes(4096)),
    "scalar of blocks": L.file([], [L.tensor("t", (), 8, 0)], bytes(4096)),
    "unknown value": L.file([L.pair("x", 13, bytes(64))]),
    "unknown element": L.file([L.pair("x", 9, L.pack("IQ", 99, 1) + bytes(64))]),
    "key not UTF-8": L.file([L.pair(b"\xff", 4, L.pack("I", 1))]),
    "name not UTF-8": L.file([], [L.tensor(b"\xff", (1,), 0, 0)], bytes(64)),
    "key of 70,000 bytes": L.file([L.pair("x" * 70000, 4, L.pack("I", 1))]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_headers(name: str) -> None:
    """Each is refused, by its code."""
    assert refusal(BAD[name]).code == "E-GGUF"


@pytest.mark.parametrize("length", range(32))
def test_a_tokenizer_alone(length: int) -> None:
    """A file without tensors, such as llama.cpp keeps of vocabularies, need not be padded."""
    data = Maker().file([Maker().pair("k", 8, Maker().string(bytes(length)))], align=1)
    assert read(data).values == {"k": "\0" * length}


def test_the_control_is_good() -> None:
    """What the bad ones are spoiled copies of."""
    assert read(GOOD).tensors["token_embd.weight"].shape == (64, 8)


def test_cut_anywhere() -> None:
    """Every beginning of a file is cut short, and said to be."""
    m = Maker(">")
    words = m.pair("w", 9, m.pack("IQ", 8, 3) + b"".join(map(m.string, ("a", "字", ""))))
    whole = m.file([words, m.pair("n", 9, m.pack("IQ5H", 2, 5, *range(5)))], [m.tensor("t", (8, 2), 0, 0)], bytes(64))
    read(whole)
    for length in range(4, len(whole)):
        assert refusal(whole[:length]).code == "E-TRUNCATED", length


def test_mutants() -> None:
    """Bytes changed: a header, or one of our errors."""
    generator = random.Random(11)
    words = L.pair("w", 9, L.pack("IQ", 8, 3) + b"".join(map(L.string, ("a", "字", ""))))
    whole = L.file([*GOOD_PAIRS, words], [GOOD_TENSOR, L.tensor("q", (32, 2), 8, 2048)], bytes(2048 + 96))
    for _ in range(4000):
        data = bytearray(whole)
        for _ in range(generator.randrange(1, 4)):
            data[generator.randrange(4, 220)] = generator.choice((0, 1, 2, 127, 128, 255, generator.randrange(256)))
        try:
            header = read(bytes(data))
        except CharvecError as error:
            assert error.code in ("E-GGUF", "E-TRUNCATED")
        else:
            assert all(0 <= each.offset <= len(data) - max(each.nbytes, 0) for each in header.tensors.values())


def test_claims_take_no_memory() -> None:
    """A file of some bytes that claims much is refused before anything is allocated."""
    import tracemalloc

    tracemalloc.start()
    for data in BAD.values():
        refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 23
