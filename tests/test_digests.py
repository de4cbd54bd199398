"""Hashing beside other work: the digest of everything in its order, or whatever kept it from being made."""

from __future__ import annotations

import random
import threading
from hashlib import blake2b
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from vector_samples import ROOT, assert_same, build

from charvec import load, lookup
from charvec.plumbing.digests import SMALL, WAITING, ThreadedDigest

LARGE = SMALL + 1
MODEL = ROOT / "samples" / "tiny-bert-zh"
TEXT = "".join(map(chr, range(0x4E00, 0x9000)))


def no_memory() -> NoReturn:
    """A portion that cannot be had."""
    raise MemoryError


def of(data: bytes) -> bytes:
    """BLAKE2b-256."""
    return blake2b(data, digest_size=32).digest()


@pytest.mark.parametrize("seed", range(20))
def test_every_portion_in_its_order(seed: int) -> None:
    """Small and large, as bytes, as views and as what gives them."""
    rng = random.Random(seed)
    sizes = [rng.choice((0, 1, rng.randrange(SMALL), LARGE)) for _ in range(3 * WAITING)]
    portions = [rng.randbytes(size) for size in sizes]
    with ThreadedDigest() as digest:
        for portion in portions:
            ways = (portion, memoryview(portion), lambda portion=portion: portion)
            digest.update(rng.choice(ways))
    assert digest.digest() == of(b"".join(portions))
    assert digest.hexdigest() == digest.digest().hex()


def test_a_system_that_allows_no_more_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then all is done one after the other: rows are read, files written and loaded as ever."""

    def refused(thread: threading.Thread) -> NoReturn:
        raise RuntimeError("can't start new thread")

    vectors = build(range(0x4E00, 0x4E00 + 200), np.ones((200, 256), np.float32))
    vectors.save(tmp_path / "a.h5")
    expected = lookup(MODEL, TEXT)
    monkeypatch.setattr(threading.Thread, "start", refused)
    vectors.save(tmp_path / "b.h5")
    assert (tmp_path / "b.h5").read_bytes() == (tmp_path / "a.h5").read_bytes()
    assert_same(load(tmp_path / "b.h5"), vectors)
    assert lookup(MODEL, TEXT).source == expected.source


def test_nothing() -> None:
    """The digest of no portion, without a thread."""
    before = threading.active_count()
    with ThreadedDigest() as digest:
        assert threading.active_count() == before
    assert digest.digest() == of(b"")


def test_what_goes_wrong_is_told() -> None:
    """An error in the thread reaches whoever asks, as often as it is asked for; no digest lies, nothing hangs."""
    with ThreadedDigest() as digest:
        digest.update(bytes(LARGE))
        digest.update(no_memory)
        for _ in range(2 * WAITING):
            digest.update(bytes(LARGE))  # for which there was room no more
    for _ in range(2):
        with pytest.raises(MemoryError):
            digest.hexdigest()


def test_a_thread_whose_digest_nobody_wants_ends() -> None:
    """After an error or Ctrl-C what waits is not hashed, and the thread ends."""
    begun, go_on = threading.Event(), threading.Event()

    def first() -> bytes:
        begun.set()
        go_on.wait()
        return b""

    asked = []
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), ThreadedDigest() as digest:
        digest.update(first)
        digest.update(lambda: bytes(asked.append(True) or b""))
        begun.wait()
        raise KeyboardInterrupt
    (mine,) = set(threading.enumerate()) - before
    go_on.set()
    mine.join()
    assert not asked
