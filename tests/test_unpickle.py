"""The stack machine for pickles, against Python's own pickler and against pickles nobody's pickler writes."""

from __future__ import annotations

import collections
import pickle
import random
import re
import struct
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import tries
from hypothesis import given, settings
from hypothesis import strategies as st

from charvec.errors import CharvecError, DamagedFile, UnsafeFile, WrongFile
from charvec.plumbing.files import File
from charvec.plumbing.pickles import unpickle
from charvec.plumbing.pickles.numpy_pickle import Array, numpy_globals, read_vector_dict
from charvec.plumbing.pickles.placed import PLACING, FileBytes
from charvec.plumbing.pickles.unpickle import Ordered, load, ordered_dict

ROOT = Path(__file__).resolve().parents[1]
ORDERED = {("collections", "OrderedDict"): ordered_dict}

plain_keys = st.text() | st.binary() | st.booleans() | st.none() | st.integers(-(2**59), 2**59)
plain_values = st.recursive(
    plain_keys | st.floats(allow_nan=False) | st.integers(-(2**300), 2**300),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(plain_keys, inner) | st.tuples(inner),
    max_leaves=20,
)


def run(data: bytes, **options: Any) -> Any:
    """The value of a pickle that names nothing but what options allow."""
    value, end = load(data, "x.bin", **{"allowed": {}, **options})
    assert end == len(data)
    return value


@pytest.mark.parametrize("protocol", range(6))
@settings(max_examples=tries(60, 200), deadline=None)
@given(value=plain_values)
def test_plain_values(protocol: int, value: object) -> None:
    """What Python pickles comes back equal and of the same type, in every protocol."""
    allowed = numpy_globals() if protocol < 3 else {}  # bytes are written as a call there
    back = run(pickle.dumps(value, protocol), allowed=allowed)
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize("protocol", range(6))
def test_sharing_and_cycles(protocol: int) -> None:
    """One object twice stays one object; a list may hold itself."""
    inner: list[Any] = [1]
    loop: list[Any] = [inner, inner]
    loop.append(loop)
    back = run(pickle.dumps(loop, protocol))
    assert back[0] is back[1]
    assert back[2] is back


def test_sets_become_lists() -> None:
    """Nothing of a set is hashed."""
    assert sorted(run(pickle.dumps({3, 1, 2}, 4))) == [1, 2, 3]
    assert run(pickle.dumps(frozenset([7]), 4)) == (7,)


@pytest.mark.parametrize("protocol", range(6))
def test_ordered_dict(protocol: int) -> None:
    """An OrderedDict with an attribute, as PyTorch writes state dicts."""
    value: Any = collections.OrderedDict(b=1, a=2)
    value._metadata = {"": {"version": 1}}
    back = run(pickle.dumps(value, protocol), allowed=ORDERED)
    assert isinstance(back, Ordered)
    assert list(back.items()) == [("b", 1), ("a", 2)]


def test_ordered_dict_of_python_2() -> None:
    """Python 2 wrote the items as arguments."""
    assert run(
        b"\x80\x02ccollections\nOrderedDict\n](]U\x01aK\x01e]U\x01bK\x02ee\x85R.".replace(b"]U", b"](U"),
        allowed=ORDERED,
    ) == {
        "a": 1,
        "b": 2,
    }


def test_python_2_strings() -> None:
    """Eight-bit strings are text when ASCII and bytes otherwise."""
    assert run(b"(S'it\\'s\\n\\\\'\nS\"\\xe6\\x88\\x91\"\nU\x02\xc3\xa9t.") == (
        "it's\n\\",
        b"\xe6\x88\x91",
        b"\xc3\xa9",
    )


FOREIGN = [
    (b"cos\nmkdir\n(S'x'\ntR.", "os.mkdir"),
    (b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00x\x85R.", "posix.system"),
    (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "builtins.eval"),
    (b"\x80\x04\x8c\x02os\x8c\x0bpath.exists\x93.", "os.path.exists"),
    (b"(S'x'\nios\nsystem\n.", "os.system"),
    (b"(cos\nsystem\nS'x'\no.", "os.system"),
    (b"\x80\x02c__main__\nThing\n)\x81}b.", "__main__.Thing"),
    (b"\x80\x04c__main__\nThing\n)}\x92.", "__main__.Thing"),
    (b"\x80\x02cbuiltins\ngetattr\ncos\nX\x06\x00\x00\x00system\x86R.", "builtins.getattr"),
    (b"ccollections\nOrderedDict.fromkeys\n.", "collections.OrderedDict.fromkeys"),
]


@pytest.mark.parametrize(("data", "name"), FOREIGN)
def test_every_other_name_is_refused(data: bytes, name: str) -> None:
    """The name is in the message; whatever comes after it is not looked at."""
    for pickled in (data, data[:-1], data + b"garbage"):
        with pytest.raises(UnsafeFile) as caught:
            load(pickled, "x.bin", allowed=ORDERED)
        assert caught.value.code == "E-PICKLE-UNSAFE"
        assert repr(name) in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"K\x01)R.",
        b"K\x01)\x81.",
        b"(K\x01o.",
        b"}}b.",
        b"\x82\x01.",
        b"\x83\x01\x00.",
        b"\x84\x01\x00\x00\x00.",
        b"ccollections\nOrderedDict\n)(X\x01\x00\x00\x00aK\x01d\x92.",
    ],
)
def test_calls_on_values_are_refused(data: bytes) -> None:
    """REDUCE, NEWOBJ, OBJ and BUILD need a name of the list, EXT none can have."""
    with pytest.raises(UnsafeFile) as caught:
        load(data, "x.bin", allowed=ORDERED)
    assert caught.value.code == "E-PICKLE-UNSAFE"


def test_names_are_escaped() -> None:
    """A name cannot drive the terminal or turn the line around."""
    with pytest.raises(UnsafeFile) as caught:
        load("c\x1b[2Jos\nx\u202ey\n.".encode(), "x.bin", allowed={})
    assert "'\\x1b[2Jos.x\\u202ey'" in caught.value.message
    assert caught.value.message.isprintable()


DAMAGED = {
    "empty": b"",
    "no STOP": b"\x80\x02}",
    "unknown opcode": b"\x80\x02\xff.",
    "protocol 6": b"\x80\x06.",
    "empty stack": b".",
    "POP": b"0.",
    "behind a MARK": b"K\x01(\x85.",
    "no MARK": b"t.",
    "SETITEM on a str": b"X\x01\x00\x00\x00aK\x01K\x02s.",
    "SETITEMS on a list": b"](K\x01K\x02u.",
    "APPEND to a tuple": b")K\x01a.",
    "a key without a value": b"}(K\x01u.",
    "a list as a key": b"}]K\x01s.",
    "a tuple as a key": b"})K\x01s.",
    "LONG4 of 2 GiB": b"\x8b\xff\xff\xff\x7f.",
    "LONG1 past the end": b"\x8a\x05a.",
    "BINUNICODE8 of 2^62": b"\x8d" + struct.pack("<Q", 1 << 62) + b".",
    "BINBYTES of 4 GiB": b"B\xff\xff\xff\xff.",
    "FRAME of 2^62": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
    "200,000 MARKs": b"(" * 200_000 + b".",
    "memo 2^32-1": b"}r\xff\xff\xff\xff.",
    "memo 10^90": b"}p1" + b"0" * 90 + b"\n.",
    "memo -1": b"}p-1\n.",
    "memo unset": b"h\x07.",
    "5,000 digits": b"L" + b"9" * 5000 + b"L\n.",
    "a float": b"Fx\n.",
    "not UTF-8": b"X\x01\x00\x00\x00\xff.",
    "a quote": b"S'\n.",
    "PERSID": b"P1\n.",
    "BINPERSID": b"K\x01Q.",
    "NEXT_BUFFER": b"\x97.",
    "STACK_GLOBAL of numbers": b"K\x01K\x02\x93.",
    "bad arguments": b"ccollections\nOrderedDict\nK\x01\x85R.",
    "no arguments": b"ccollections\nOrderedDict\nK\x01R.",
    "colliding keys": b"}("
    + b"".join(b"\x8a\x09" + (i * (2**61 - 1)).to_bytes(9, "little") + b"N" for i in range(99))
    + b"u.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(name: str) -> None:
    """Message with opcode and place, and no memory taken for what is not there."""
    with pytest.raises(DamagedFile) as caught:
        load(DAMAGED[name], "x.bin", allowed=ORDERED)
    assert caught.value.code == "E-PICKLE"
    assert re.search(r"[A-Z0-9_]{3,}|unknown opcode at byte [\d,]+", caught.value.message)
    assert caught.value.offset is not None


@pytest.mark.parametrize("protocol", range(6))
def test_every_cut_is_noticed(protocol: int) -> None:
    """A pickle cut anywhere says that its bytes ran out."""
    data = pickle.dumps({"a": [1, 2.5, "x" * 300], "b": (None, True, 10**30)}, protocol)
    for size in range(len(data)):
        with pytest.raises(DamagedFile) as caught:
            load(data[:size], "x.bin", allowed={})
        assert caught.value.offset == size


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_in_files(tmp_path: Path, protocol: int) -> None:
    """Of a pickle read from its file every byte is read and hashed once, and a cut anywhere says what ran out."""
    shared = [1, 2.5, "x" * 30]
    data = pickle.dumps({f"{number}": [shared, (shared, True)] for number in range(300)}, protocol)
    path = tmp_path / "x.pkl"
    path.write_bytes(data)
    with File(path) as file:
        taken = FileBytes(file)
        load(taken, "x.pkl", allowed={}, opcodes=PLACING)
    assert taken.digest.digest() == blake2b(data, digest_size=32).digest()
    for size in (*range(1, 200), *range(len(data) - 100, len(data))):
        path.write_bytes(data[:size])
        with File(path) as file, pytest.raises(DamagedFile) as caught:
            load(FileBytes(file), "x.pkl", allowed={}, opcodes=PLACING)
        assert (caught.value.code, caught.value.offset) == ("E-PICKLE", size)


def test_steps_are_bounded() -> None:
    """The limit on steps is the caller's."""
    with pytest.raises(DamagedFile, match="more than 10 steps"):
        load(b"]" * 20 + b".", "x.bin", allowed={}, max_steps=10)


VECTORS = {
    "我": np.arange(5, dtype="<f4"),
    "a": np.arange(5, dtype=">f8"),
    " ": np.arange(6, dtype="<f2").reshape(2, 3),
    "f": np.asfortranarray(np.arange(6, dtype="<i8").reshape(2, 3)),
    "b": np.array([True, False]),
    "0": np.zeros(0, "<f4"),
    "s": np.float32(1.5),
    "t": np.arange(12, dtype="<f4").reshape(3, 4)[:, 1],
}


def as_numpy(array: Array) -> np.ndarray[Any, Any]:
    """The array itself, made by numpy from the plain values."""
    flat = np.frombuffer(array.data, array.dtype)
    return flat.reshape(array.shape, order="F" if array.fortran else "C")


def check_vectors(found: dict[str, Array]) -> None:
    """Exactly VECTORS."""
    assert list(found) == list(VECTORS)
    for name, array in found.items():
        back, wanted = as_numpy(array), np.asarray(VECTORS[name])
        assert back.dtype == wanted.dtype
        assert back.shape == wanted.shape
        assert (back == wanted).all()


@pytest.mark.parametrize("protocol", range(6))
def test_vector_dict(protocol: int) -> None:
    """Dictionaries of numpy vectors, all protocols, byte orders and layouts."""
    check_vectors(read_vector_dict(pickle.dumps(VECTORS, protocol), "x.pkl"))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_both_spellings_of_numpy(protocol: int) -> None:
    """Version 1 wrote numpy.core, version 2 writes numpy._core."""
    data = pickle.dumps(VECTORS, protocol)
    for core in (b"numpy.core.", b"numpy._core."):
        check_vectors(read_vector_dict(re.sub(rb"numpy\._?core\.", core, data), "x.pkl"))


def test_vectors_of_python_2() -> None:
    """Python 2 kept the bytes of an array in an eight-bit string, and keys maybe too."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR"
        b"(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntb"
    )
    found = read_vector_dict(b"(dS'\\xe6\\x88\\x91'\n" + array + b"s.", "x.pkl")
    assert as_numpy(found["我"]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([1.0], "E-FORMAT"),
        ({"a": [1.0]}, "E-FORMAT"),
        ({1: np.zeros(2)}, "E-FORMAT"),
        ({"a": np.array([None])}, "E-FORMAT"),
        ({"a": np.array(["x"])}, "E-FORMAT"),
        ({"a": np.zeros(2, [("x", "f4")])}, "E-FORMAT"),
        ({b"\xff": np.zeros(2)}, "E-FORMAT"),
    ],
)
def test_other_dictionaries(value: object, code: str) -> None:
    """What is sound but no dictionary of vectors is called that."""
    with pytest.raises(WrongFile) as caught:
        read_vector_dict(pickle.dumps(value, 4), "x.pkl")
    assert caught.value.code == code


def test_vector_dict_payloads() -> None:
    """Names beyond numpy's, and anything behind the pickle, are refused."""
    good = pickle.dumps(VECTORS, 2)
    for data in (good + b"cos\nmkdir\n.", good[:-1] + b"cos\nmkdir\n)R0.", pickle.dumps({"a": re.compile("x")})):
        with pytest.raises(UnsafeFile) as caught:
            read_vector_dict(data, "x.pkl")
        assert caught.value.code == "E-PICKLE-UNSAFE"


def test_array_data_must_fit() -> None:
    """A shape that the data do not fill is damage."""
    data = pickle.dumps({"a": np.zeros(4, "<f4")}, 3)
    with pytest.raises(DamagedFile, match="not as long"):
        read_vector_dict(data.replace(b"K\x04\x85", b"K\x05\x85"), "x.pkl")


def mutants(seeds: list[bytes], count: int, seed: int) -> Any:
    """Seeded damage: bits, bytes, cuts, copies and opcodes where they do not belong."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3, 8))):
            place = rng.randrange(len(data) + 1)
            kind = rng.randrange(6)
            if kind == 0 and place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            elif kind == 1 and place < len(data):
                data[place] = rng.randrange(256)
            elif kind == 2:
                data[place:place] = rng.choice(b"(.012FIJKLMNPQRSTUVXabcd}eghijl]opqrst)uGBC").to_bytes(1, "little")
            elif kind == 3:
                data[place:place] = bytes([rng.randrange(0x80, 0x99)])
            elif kind == 4:
                del data[place : place + rng.randrange(1, 20)]
            else:
                data[place:place] = data[rng.randrange(len(data) + 1) :][: rng.randrange(40)]
        yield bytes(data)


def test_fuzz() -> None:
    """Mutated pickles end in a value or in an error of ours."""
    seeds = [pickle.dumps(VECTORS, p) for p in range(6)]
    seeds += [pickle.dumps({"a": [1, 2.5, {"x": (None, True)}], "b": 10**30}, p) for p in range(6)]
    refused = 0
    for data in mutants(seeds, 20_000, 1):
        try:
            read_vector_dict(data, "x.pkl")
        except CharvecError as error:
            assert error.exit_code == 65
            refused += 1
    assert refused > 10_000


def test_nothing_is_unpickled() -> None:
    """The modules work with every unpickler of Python's replaced by the end of the process."""
    code = """
import sys, pickle, _pickle
data = pickle.dumps({"a": [1, 2]}, 4)
def die(*_, **__):
    import os; os._exit(9)
for module in (pickle, _pickle):
    module.load = module.loads = module.Unpickler = die
pickle._load = pickle._loads = pickle._Unpickler = die
from charvec.plumbing.pickles.unpickle import load
from charvec.plumbing.pickles.numpy_pickle import read_vector_dict
assert load(data, "x", allowed={}).value == {"a": [1, 2]}
assert not {"torch", "numpy"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_sources_import_no_unpickler() -> None:
    """No module of the machine names pickle, torch or numpy in an import; the writer beside it may use numpy."""
    modules = sorted(Path(unpickle.__file__).parent.glob("*.py"))
    assert len(modules) > 7
    for module in modules:
        source = module.read_text("utf-8")
        names = r"_?pickle|torch" if module.stem == "pickle_writer" else r"_?pickle|torch|numpy"
        assert not re.search(rf"^\s*(import|from)\s+({names})\b", source, re.MULTILINE)
