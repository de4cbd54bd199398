"""Counting characters, and decoding that leaves out what it cannot decode."""

from __future__ import annotations

import codecs
import contextlib
import os
import random
from collections import Counter
from itertools import pairwise
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charvec.counts import UNICODE_SIZE, Counts, Samples
from charvec.errors import Note
from charvec.plumbing.text import counting
from charvec.plumbing.text.counting import KERNEL, Tally, Tolerant

SCALARS = [*range(0xD800), *range(0xE000, UNICODE_SIZE)]
LEGACY = ["gb18030", "gbk", "big5", "cp950", "big5hkscs", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949", "johab"]
UNICODE = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]

needs_kernel = pytest.mark.skipif(KERNEL is None, reason="the C kernel was not built")
BOTH = [pytest.param(KERNEL, id="kernel", marks=needs_kernel), pytest.param(None, id="numpy")]


def counted(tally: Tally) -> dict[str, int]:
    """The characters counted."""
    return {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]}


def tally_by(kernel: Any) -> Tally:
    """A tally that counts with the kernel, or without one."""
    tally = Tally()
    tally._kernel = kernel
    return tally


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii_in_pairs(text: str) -> None:
    """Counting two bytes at a time is exact, whatever the parity."""
    tally = Tally()
    assert tally.add_utf8(text.encode(), True) == len(text)
    assert counted(tally) == Counter(text)


@pytest.mark.parametrize("kernel", BOTH)
def test_all_pairs_of_ascii(kernel: Any) -> None:
    """Every pair, at even and at odd places, in short blocks and in long ones."""
    data = bytes(byte for first in range(128) for second in range(128) for byte in (first, second))
    for block in (data, data[1:], data + b"\x7f", b"", b"a", data * 3, data[1:] * 3, b"~" * 70_001, b" !" * 35_000):
        for final in (False, True):
            tally = tally_by(kernel)
            assert tally.add_utf8(block, final) == len(block)
            assert counted(tally) == Counter(block.decode())


@given(st.text())
@settings(max_examples=300)
def test_text(text: str) -> None:
    """Any text without surrogates."""
    tally = Tally()
    tally.add_text(text)
    tally.add_utf8(text.encode(), True)
    assert counted(tally) == {char: 2 * number for char, number in Counter(text).items()}


@pytest.mark.parametrize("length", [4094, 4095, 4096, 4097])
def test_both_ways_of_counting_agree(length: int) -> None:
    """Short texts are sorted, long ones go through a table."""
    text = "".join(map(chr, random.Random(length).choices(SCALARS, k=length)))
    tally = Tally()
    tally.add_text(text)
    assert counted(tally) == Counter(text)


def test_nothing_of_a_bad_block_is_counted() -> None:
    """The error says where; the table is untouched."""
    tally = Tally()
    with pytest.raises(UnicodeDecodeError) as caught:
        tally.add_utf8("水".encode() + b"\xff", True)
    assert caught.value.start == 3
    with pytest.raises(UnicodeEncodeError):
        tally.add_text("a\ud800")
    assert not tally.table.any()


def test_a_cut_character_is_left_for_the_next_block() -> None:
    """Unless the block is the last one."""
    tally = Tally()
    assert tally.add_utf8("水木".encode()[:-1], False) == 3
    with pytest.raises(UnicodeDecodeError):
        tally.add_utf8("木".encode()[:2], True)
    assert counted(tally) == {"水": 1}


def feed(codec: str, data: bytes, cuts: list[int]) -> tuple[str, Tolerant]:
    """Decode data in pieces."""
    decoder = Tolerant(codec)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    text = "".join(decoder.decode(data[start:end], False) for start, end in pairwise(edges))
    return text + decoder.decode(b"", True), decoder


def first_error(codec: str, data: bytes) -> int | None:
    """Where Python's strict decoder stops."""
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        return error.start
    return None


@pytest.mark.parametrize("codec", UNICODE + LEGACY)
@given(data=st.binary(max_size=40), cuts=st.lists(st.integers(0, 40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_tolerant_decoding(codec: str, data: bytes, cuts: list[int]) -> None:
    """The same text as Python's "ignore", the first error where Python sees it, wherever the data is cut."""
    text, decoder = feed(codec, data, cuts)
    assert text == data.decode(codec, "ignore")
    assert decoder.first == first_error(codec, data)
    assert (decoder.bad_bytes > 0) == (decoder.first is not None)
    if codec in UNICODE:
        assert decoder.bad_bytes + len(text.encode(codec)) == len(data)


@pytest.mark.parametrize("codec", LEGACY)
def test_bad_bytes_of_legacy_codecs_add_up(codec: str) -> None:
    """Where the codec maps a text back to the bytes it came from, the rest was bad."""
    chance = random.Random(codec)
    good = {"g": "中文", "b": "中文", "s": "日本", "c": "文", "e": "文", "j": "한글"}[codec[0]].encode(codec)
    for _ in range(300):
        pieces = [good if chance.random() < 0.7 else b"\xff" for _ in range(chance.randrange(12))]
        data = b"\n".join(pieces)
        text, decoder = feed(codec, data, [chance.randrange(60) for _ in range(3)])
        assert decoder.bad_bytes == len(data) - len(text.encode(codec)), data


def test_every_scalar_in_every_form() -> None:
    """All 1,112,064 of them, once each, from UTF-8, UTF-16, UTF-32 and GB18030."""
    text = "".join(map(chr, SCALARS))
    for codec in ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "gb18030"]:
        tally, decoder = Tally(), Tolerant(codec)
        data = text.encode(codec)
        for start in range(0, len(data), 65_537):
            tally.add_text(decoder.decode(data[start : start + 65_537], False))
        assert decoder.decode(b"", True) == "" and decoder.bad_bytes == 0
        assert tally.table.sum() == len(SCALARS) and (tally.table[SCALARS] == 1).all()


def test_decoders_in_several_threads() -> None:
    """Each notes its own errors, though Python's error handlers are global."""
    results: dict[int, int] = {}

    def work(number: int) -> None:
        decoder = Tolerant("gb18030")
        for _ in range(300):
            decoder.decode(b"\xff" * number + "文".encode("gb18030"), False)
        results[number] = decoder.bad_bytes

    threads = [Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: 300 * number for number in range(1, 5)}


def test_a_decoder_inside_another() -> None:
    """Two decoders that take turns do not mix their errors up."""
    one, two = Tolerant("big5"), Tolerant("gb18030")
    for _ in range(5):
        one.decode(b"\xff\xff\n", False)
        two.decode(b"\xff\n", False)
    assert (one.bad_bytes, two.bad_bytes) == (10, 5) and one.first == two.first == 0


@given(st.dictionaries(st.characters(exclude_categories=["Cs"]), st.integers(0, 9)))
def test_counts_are_a_mapping(numbers: dict[str, int]) -> None:
    """Length, order, look-up and membership agree with a dictionary without zeros."""
    counts = Counts.from_mapping(numbers)
    expected = {char: numbers[char] for char in sorted(numbers) if numbers[char]}
    assert dict(counts.items()) == expected and list(counts) == list(expected) and len(counts) == len(expected)
    assert all(char in counts and counts[char] == number for char, number in expected.items())
    assert counts.samples.characters == sum(expected.values())
    assert counts + counts == Counts.from_mapping({char: 2 * number for char, number in expected.items()})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_counts_of_a_text(text: str) -> None:
    """Each character once, as from a mapping of all of them to one."""
    counts = Counts.of_text(text)
    assert counts == Counts.from_mapping(dict.fromkeys(text, 1)) and counts.codepoints.dtype == np.uint32
    assert counts.samples == Counts.from_mapping(dict.fromkeys(text, 1)).samples


def test_counts_refuse_what_is_no_character() -> None:
    """Strings of several, surrogates, negative numbers; and look-ups of such find nothing."""
    for bad in ({"ab": 1}, {"": 1}, {"\ud800": 1}, {"a": -1}):
        with pytest.raises(ValueError):
            Counts.from_mapping(bad)
    with pytest.raises(ValueError, match=r"'\\udc80' is not one character"):
        Counts.of_text("a𠮷\udc80b")
    counts = Counts.from_mapping({"a": 1})
    for key in ("", "ab", "b", "\U0010ffff", "\ud800", None, 7):
        assert key not in counts
    with pytest.raises(KeyError):
        counts["b"]
    assert counts != {"a": 1} and counts == Counts.from_mapping({"a": 1})
    with pytest.raises(TypeError):
        counts + {"a": 1}
    with pytest.raises(TypeError):
        hash(counts)


def test_samples_add_up() -> None:
    """Every field of the sum is the sum of the field."""
    one = Samples(1, 2, 3, 4, 5, 6, 7, 8, (Note("W-A", "a"),), (Note("N-A", "a"),))
    both = one + one
    assert (both.files, both.bytes, both.characters, both.bad_bytes, both.skipped, both.hidden) == (2, 4, 6, 8, 10, 12)
    assert both.problems == one.problems * 2 and both.remarks == one.remarks * 2
    assert Samples().complete and not one.complete


def test_counts_beyond_32_bits() -> None:
    """Numbers of characters in a corpus of many gigabytes."""
    table = np.zeros(UNICODE_SIZE, np.int64)
    table[0x6C34] = 1 << 40
    counts = Counts.from_table(table)
    assert counts["水"] == 1 << 40 and (counts + counts)["水"] == 1 << 41


def test_codec_names_are_normalised() -> None:
    """``UTF8`` takes the fast way too, and behaves the same."""
    for name in ("UTF8", "utf_8", "U8"):
        assert codecs.lookup(name).name == "utf-8"
        decoder = Tolerant(name)
        assert decoder.decode(b"a\xffb", True) == "ab" and decoder.bad_bytes == 1 and decoder.first == 1


def verdict(tally: Tally, block: bytes) -> int | None:
    """Count a whole text; where its first bad byte is, None when there is none."""
    used = 0
    try:
        used = tally.add_utf8(block, False)
        if used != len(block):
            tally.add_utf8(block[used:], True)
    except UnicodeDecodeError as error:
        return used + error.start
    return None


# Texts of several kinds: the kernel has one loop for short or nearly ASCII blocks and another one for the rest.
KINDS = {
    "cjk": "迈向充满希望的新世纪，——一九九八年新年讲话（附图片1张）。\n",
    "mixed": "迈向/v 充满/v 希望/n 的/u 新/a 世纪/n 1998/m ，/w \n",
    "smp": "a𠮷野家😀の牛丼🍜𪚥、は\U0010ffffé\U00010000\n",
    "ascii": "for each in range(10):\n    print(each)\n",
    "few": "for each in range(10):\n    print(each, end='…')\n" * 3,
    "two": "Съешь ещё этих мягких французских булок, да выпей же чаю\n",
    "edges": "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff\0",
}
NASTY = bytes.fromhex("00417f80818f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f7f8fcfeff")
DAMAGE = [
    *(b"\xff", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80"),
    *(b"\xe6\xb0", b"\x80", b"\xf0\x9f", b"\xed\xa0", b"\xed", b"\xf5\x80\x80\x80"),
]


def random_text(rng: random.Random, length: int) -> bytes:
    """Valid UTF-8, characters of one kind in random order."""
    return "".join(rng.choices(rng.choice(list(KINDS.values())), k=length)).encode()


def random_block(rng: random.Random) -> bytes:
    """Bytes that are UTF-8, or nearly so, or not at all; one in sixteen long enough for the kernel's other loop."""
    kind = rng.randrange(4)
    if kind == 0:
        block = rng.randbytes(rng.randrange(24))
    elif kind == 1:
        block = bytes(rng.choices(NASTY, k=rng.randrange(12)))
    elif kind == 2:
        parts = [random_text(rng, rng.randrange(5)) for _ in range(rng.randrange(6))]
        block = rng.choice(DAMAGE if rng.random() < 0.6 else [b""]).join(parts)
    else:
        block = random_text(rng, rng.randrange(1, 12))
        place = rng.randrange(len(block))
        changed = rng.choice((b"", rng.randbytes(1), bytes((block[place] ^ 1 << rng.randrange(8),))))
        block = block[:place] + changed + block[place + rng.randrange(2) :]
    if rng.random() < 1 / 16:
        block = random_text(rng, rng.randrange(3000)) + block + random_text(rng, rng.randrange(1500, 3000))
    return block


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes(seed: int) -> None:
    """Both paths count what Python decodes, refuse what it refuses, name the same byte, and leave no trace.

    A million blocks with CHARVEC_SLOW=1.
    """
    rng = random.Random(seed)
    tallies = [tally_by(kernel) for kernel in {KERNEL, None}]
    expected: Counter[str] = Counter()
    valid = 0
    blocks = 100_000 if os.environ.get("CHARVEC_SLOW") else 1_000
    for _ in range(blocks):
        block = random_block(rng)
        bad = first_error("utf-8", block)
        for tally in tallies:
            assert verdict(tally, block) == bad, block
        with contextlib.suppress(UnicodeDecodeError):
            expected.update(codecs.utf_8_decode(block, "strict", False)[0])
        valid += bad is None
    assert all(counted(tally) == expected for tally in tallies)
    assert blocks / 4 < valid < blocks * 3 / 4


@needs_kernel
def test_kernel_refuses_every_bad_beginning() -> None:
    """Every pair of a first and a second byte, and every third and fourth byte, in the midst of a long block."""
    tally, expected = tally_by(KERNEL), tally_by(None)
    sequences = [bytes((lead, byte)) + b"\x80\x80" for lead in range(0x80, 0x100) for byte in range(0x100)]
    sequences += [each[:2] if each[0] < 0xE0 else each[:3] if each[0] < 0xF0 else each for each in sequences]
    sequences += [bytes.fromhex(start) + bytes((byte,)) for start in ("e4b8", "f09f98", "f4") for byte in range(0x100)]
    text = KINDS["cjk"] * 60
    before = [text[start:].encode() for start in range(7)]
    after = text[:300].encode()
    for number, sequence in enumerate(sequences):
        block = before[number % len(before)] + sequence + after
        bad = first_error("utf-8", block)
        assert verdict(tally, block) == bad, sequence
        if bad is None:
            expected.add_text(block.decode())
    assert np.array_equal(tally.table, expected.table)


@needs_kernel
@pytest.mark.parametrize("kind", KINDS)
def test_damage_in_a_large_block(kind: str) -> None:
    """Wherever a byte is wrong, also where the kernel goes from one piece or stream to the next."""
    rng = random.Random(kind)
    text = "".join(rng.choices(KINDS[kind], k=300_000)).encode()[:300_000]
    text = text[: codecs.utf_8_decode(text, "strict", False)[1]]
    piece = 1 << 18
    edges = [start + part * (min(piece, len(text) - start) // 7) for start in (0, piece) for part in range(7)]
    places = [edge + near for edge in edges for near in range(-4, 5) if edge + near >= 0]
    places += [rng.randrange(len(text)) for _ in range(100)] + [len(text) - near for near in range(1, 5)]
    tally = tally_by(KERNEL)
    for place in places:
        bad = rng.choice((b"\xff", b"\x80\x80\x80\x80", b"\xe4a", b"\xf0\x80", b"\xed\xa0\x80", b"\xf4\x90"))
        block = text[:place] + bad + text[place:]
        assert verdict(tally, block) == first_error("utf-8", block) is not None
    assert not tally.table.any()
    assert verdict(tally, text) is None and counted(tally) == Counter(text.decode())


@pytest.mark.parametrize("kernel", BOTH)
@given(text=st.text(max_size=12))
@settings(max_examples=60, deadline=None)
def test_blocks_cut_at_every_byte(kernel: Any, text: str) -> None:
    """What is counted in two blocks is what is counted in one, wherever the first one ends."""
    data = text.encode()
    tally = tally_by(kernel)
    for cut in range(len(data) + 1):
        used = tally.add_utf8(data[:cut], False)
        tally.add_utf8(data[used:], True)
    assert counted(tally) == {char: (len(data) + 1) * number for char, number in Counter(text).items()}


@pytest.mark.parametrize("kernel", BOTH)
def test_large_blocks_cut_at_every_byte(kernel: Any) -> None:
    """The same with blocks that the kernel counts in streams."""
    text = "".join(random.Random(5).choices("".join(KINDS.values()), k=5_000))
    data = text.encode()
    cuts = range(0, len(data) + 1, 1 if kernel else 101)
    tally = tally_by(kernel)
    for cut in cuts:
        used = tally.add_utf8(data[:cut], False)
        assert cut - 3 <= used <= cut
        assert tally.add_utf8(data[used:], False) == len(data) - used
    assert counted(tally) == {char: len(cuts) * number for char, number in Counter(text).items()}


@pytest.mark.parametrize("kernel", BOTH)
def test_every_scalar_in_utf8(kernel: Any) -> None:
    """Every Unicode scalar value, in several alignments, in one block and in short ones."""
    text = "".join(map(chr, SCALARS))
    data = text.encode()
    tally = tally_by(kernel)
    for shift in range(8):
        block = b"a" * shift + data
        assert tally.add_utf8(block, False) == len(block)
    size = 1_000 if kernel else 100_000
    for start in range(0, len(text), size):
        tally.add_utf8(text[start : start + size].encode(), False)
    expected = np.zeros_like(tally.table)
    expected[SCALARS] = 9
    expected[ord("a")] += 28
    assert np.array_equal(tally.table, expected)


@needs_kernel
def test_kernel_carries_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts are carried out of the kernel's tables before they could overflow, and none is lost or doubled."""
    monkeypatch.setattr(counting, "_CARRY", 100)
    tally = Tally()
    for _ in range(50):
        tally.add_utf8("水a𠮷é".encode() * 7, False)
    assert {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]} == dict.fromkeys("水a𠮷é", 350)


def test_undo() -> None:
    """The counts of ASCII can be set back, by either path; other characters stay."""
    tally = Tally()
    tally.add_utf8("水ab".encode(), False)
    before = tally.mark()
    tally.add_utf8(b"xyz", False)
    tally.undo(before)
    assert {chr(code): int(tally.table[code]) for code in tally.table.nonzero()[0]} == {"水": 1, "a": 1, "b": 1}


@pytest.mark.parametrize("kernel", BOTH)
def test_tables_grow_when_something_beyond_occurs(kernel: Any) -> None:
    """The last characters of the first plane and the first ones beyond, in short and long blocks, before and after."""
    plain, beyond = "\uffff\uffee水a", "\U00010000\U0010ffff😀"
    for times in (1, 3000):
        for order in ((plain, beyond), (beyond, plain), (plain, plain), (plain + beyond, plain)):
            tally = tally_by(kernel)
            for text in order:
                data = (text * times).encode()
                assert tally.add_utf8(data, False) == len(data)
                tally.add_text(text * times)
            expected = Counter("".join(order))
            assert counted(tally) == {char: 2 * times * number for char, number in expected.items()}
            assert len(tally.table) == (UNICODE_SIZE if beyond[0] in expected else 0x10000)


@pytest.mark.parametrize("kernel", BOTH)
def test_undoing_what_lay_beyond(kernel: Any) -> None:
    """A table that has grown since the mark is as it was."""
    for before in ("水", "水😀"):
        tally = tally_by(kernel)
        tally.add_utf8((before * 2000).encode(), False)
        mark = tally.mark(whole=True)
        tally.add_utf8(("木\U0010ffff" * 2000).encode(), False)
        tally.undo(mark)
        assert counted(tally) == {char: 2000 * number for char, number in Counter(before).items()}
        tally.add_text("\U0010ffff")
        assert counted(tally)["\U0010ffff"] == 1


@pytest.mark.parametrize("kernel", BOTH)
@pytest.mark.parametrize("length", [1, 100, 5000, 1_200_000])
def test_lone_surrogates_are_refused(kernel: Any, length: int) -> None:
    """In texts of any length, wherever they stand; nothing of the text is counted."""
    for surrogate in ("\ud800", "\udfff"):
        for text in ("水" * length + surrogate, surrogate + "😀" * length):
            tally = tally_by(kernel)
            with pytest.raises(UnicodeEncodeError):
                tally.add_text(text)
            assert not tally.table.any()
