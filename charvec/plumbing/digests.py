"""Plumbing: BLAKE2b (RFC 7693), without the rest of :mod:`hashlib`, and beside other work.

``hashlib`` loads OpenSSL as well: 2 ms of start-up and 3 MB of memory, for a hash that is CPython's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Semaphore, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        from _blake2 import blake2b
    except ImportError:  # another Python than CPython
        from hashlib import blake2b

__all__ = ["ThreadedDigest", "blake2b"]

#: Copies that wait to be hashed, at most, so that memory stays bounded.
WAITING = 4
#: Bytes that are hashed at once, as long as nothing larger has come.
SMALL = 1 << 16


class ThreadedDigest:
    """BLAKE2b-256 in a thread of its own; hashing releases the interpreter's lock.

    A context: portions are given within, and after it the digest can be asked for at any time, or never. What goes
    wrong in the thread is raised to whoever asks.
    """

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=32)
        # a SimpleQueue would do, but importing its module takes longer than all the rest of this
        self._portions: deque[bytes | memoryview | Callable[[], bytes] | None] = deque()
        self._there, self._room = Semaphore(0), Semaphore(WAITING)
        self._thread: Thread | None = None
        self._fault: BaseException | None = None

    def __enter__(self) -> ThreadedDigest:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is not None:
            # after an error or Ctrl-C nobody asks for the digest: the thread ends before what is waiting
            (self._portions.append if kind is None else self._portions.appendleft)(None)
            self._there.release()

    def update(self, data: bytes | memoryview | Callable[[], bytes]) -> None:
        """Take the next portion: bytes; or a view of what will not change until the digest is there, or what gives one.

        The latter two take no memory while they wait.
        """
        # few bytes are hashed quicker than it takes to start a thread
        if self._thread is None and (callable(data) or len(data) >= SMALL):
            self._thread = Thread(target=self._work, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the system allows no more threads
                self._thread = None
        if self._thread is None:
            self._hash.update(data() if callable(data) else data)
            return
        if isinstance(data, bytes):
            self._room.acquire()
        self._portions.append(data)
        self._there.release()

    def _work(self) -> None:
        while True:
            self._there.acquire()
            data = self._portions.popleft()
            if data is None:
                return
            try:
                if self._fault is None:
                    self._hash.update(data() if callable(data) else data)
            except BaseException as fault:  # no memory for a copy, for example
                self._fault = fault
            if isinstance(data, bytes):
                self._room.release()

    def digest(self) -> bytes:
        """The digest of everything that was taken; waits for it.

        Raises:
            BaseException: whatever kept it from being made.
        """
        if self._thread is not None:
            self._thread.join()
        if self._fault is not None:
            raise self._fault
        return self._hash.digest()

    def hexdigest(self) -> str:
        """As :meth:`digest`, in hexadecimal digits."""
        return self.digest().hex()
