"""No member, but what all of them run on: decompression in bounded steps, its limits, and reading ahead.

Members know nothing of it: a compression says how to make a decoder, an archive lists what lies in it.
"""

from __future__ import annotations

import io
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from charvec.reading import BLOCK, Source, StreamDamage
from charvec.valueclass import dataclass

__all__ = ["Allowance", "Blocks", "Checked", "Decoder", "Decoding", "Inflated", "Readable", "Stream", "never_begins"]

#: Bytes that may come out whatever went in: a small file is mostly header, and can do no harm.
FREE = 1 << 20
#: Bytes looked at to see whether another part begins.
_LOOK = 16
#: Bytes given at first to the decoder of each part but the first. What a decoder does not need it gives back as a copy,
#: and with a file of a million empty parts all time would go into these copies.
_TASTE = 1 << 12
#: Bytes that a thread which reads ahead asks for; it hands over what one step of the decoder gives of them. It works
#: without the interpreter's lock, but must wait for it behind every step, until the other thread has counted what it
#: has. So a step should take as long as counting what came of the step before: with steps of one block, handed over by
#: four, more than half of the counting by NumPy did not run beside the decompression.
_STRIDE = 1 << 20
#: Strides decompressed ahead of their reader.
_AHEAD = 3
#: Seconds to wait for the end of a thread. Only one that waits for the other end of a pipe needs longer.
_PATIENCE = 2.0


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, as many as asked for; fewer at the end, or before damage, which the next call raises."""


class Decoder(Protocol):
    """Undoes one part of a compressed stream, step by step, as :class:`bz2.BZ2Decompressor` does.

    One that has ``unconsumed_tail`` instead of ``needs_input``, as those of :mod:`zlib`, will do as well.
    """

    @property
    def eof(self) -> bool:
        """Whether the part is over."""

    @property
    def unused_data(self) -> bytes:
        """What was given behind the end of the part."""

    def decompress(self, data: Any, max_length: int, /) -> bytes:
        """What comes out when ``data`` goes in, at most ``max_length`` bytes of it."""


def never_begins(head: bytes) -> bool:
    """For a stream of one part."""
    return False


@dataclass(eq=False)
class Decoding:
    """How one compressed stream is decompressed.

    Attributes:
        name: of the compression.
        code: of the notes about damage.
        make: makes the decoder of a part.
        errors: what decoders raise.
        why: what such an error says about the data, as the end of a sentence.
        begins: whether another part begins with these bytes, of which there are at most 16.
        padding: a multiple of so many zero bytes may stand behind a part; 0 for none.
        alone: whether the stream ends with its first part, whatever stands behind it.
    """

    name: str
    code: str
    make: Callable[[], Decoder]
    errors: tuple[type[Exception], ...]
    why: Callable[[Exception], str]
    begins: Callable[[bytes], bool] = never_begins
    padding: int = 0
    alone: bool = False


class Allowance:
    """How much may come out of a compressed stream, or of all streams of a file together.

    Args:
        ratio: how many times more bytes may come out than went in.
        went_in: number of those so far.
        whole: the allowance of the whole file, which is used up as well.

    Attributes:
        fault: ``W-BOMB``, once more came out.
    """

    def __init__(self, ratio: int, went_in: Callable[[], int], whole: Allowance | None = None) -> None:
        self.fault: StreamDamage | None = None
        self._ratio, self._went_in, self._whole = ratio, went_in, whole
        self._came_out = 0

    def cut(self, data: bytes) -> bytes:
        """As much as is allowed of what came out."""
        left = max(FREE, self._ratio * self._went_in()) - self._came_out
        if len(data) > left:
            data = data[:left]
            what = f"it swells to more than {self._ratio} times its size; --max-ratio allows more"
            self.fault = StreamDamage("W-BOMB", what)
        if self._whole is not None:
            data = self._whole.cut(data)
            self.fault = self.fault or self._whole.fault
        self._came_out += len(data)
        return data


class Blocks:
    """The bytes of a source, in pieces of any size."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: Iterator[bytes] = iter(source)
        self._block = b""
        self._place = 0

    def read(self, size: int) -> bytes:
        """As :class:`Readable` says.

        Raises:
            OSError: what ended the source early.
        """
        parts: list[bytes] = []
        while size:
            if self._place == len(self._block):
                self._block, self._place = next(self._blocks, b""), 0
                if not self._block:
                    break
            part = self._block[self._place : self._place + size]  # no copy when it is the whole block
            self._place += len(part)
            size -= len(part)
            parts.append(part)
        if not parts and size and self._source.fault:
            raise self._source.fault
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Inflated:
    """What a compressed stream holds.

    Args:
        packed: the compressed bytes.
        decoding: how they are decompressed.
        ratio: how many times its size the stream may grow to.
        whole: the allowance of the whole file.
    """

    def __init__(self, packed: Readable, decoding: Decoding, ratio: int, whole: Allowance | None = None) -> None:
        self._packed, self._decoding = packed, decoding
        self._went_in = 0
        self._allowance = Allowance(ratio, lambda: self._went_in, whole)
        self._block = memoryview(b"")  # read last; given to decoders up to _place
        self._place = 0
        self._decoder: Decoder | None = None
        self._hungry = self._taste = False
        self._parts = 0
        self._fault: OSError | None = None

    def read(self, size: int) -> bytes:
        """As :class:`Readable` says; but where more than a block is asked for, a block or more may do.

        Decoders do not tell how far they came before they found damage, so that up to ``size`` bytes before that place
        are left out, which with most kinds of damage are wrong ones.

        Raises:
            StreamDamage: with the code of the decoding when the stream is damaged, cut short or followed by something
                else; ``W-BOMB`` when it grows beyond its limit.
            OSError: when reading the compressed bytes fails.
        """
        parts: list[bytes] = []
        lacking = max(0, size - BLOCK)  # that much may be
        while size > lacking and self._fault is None:
            try:
                part = self._step(size)
            except OSError as error:
                self._fault = error
                break
            if part is None:
                break
            if part:
                parts.append(part)
                size -= len(part)
        if self._fault is not None and not parts:
            raise self._fault
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _step(self, size: int) -> bytes | None:
        """Some more bytes, or none yet; None at the end."""
        if self._decoder is None:
            if not self._another():
                return None
            self._decoder = self._decoding.make()
            self._parts += 1
            self._hungry, self._taste = True, self._parts > 1
        decoder: Any = self._decoder
        tail: bytes | None = getattr(decoder, "unconsumed_tail", None)
        food = self._food() if self._hungry else tail or b""
        try:
            out: bytes = decoder.decompress(food, size)
        except self._decoding.errors as error:
            raise self._damage(self._decoding.why(error)) from None
        if decoder.eof:
            self._give_back(decoder.unused_data)
            self._decoder = None
        elif tail is not None:
            self._hungry = not decoder.unconsumed_tail and len(out) < size
        else:
            self._hungry = decoder.needs_input or not out
        out = self._allowance.cut(out)
        self._fault = self._allowance.fault
        return out

    def _another(self) -> bool:
        """Whether a part begins here."""
        if not self._parts:
            if len(self._ahead()) == _LOOK and not (self._decoding.alone or self._decoding.begins(self._ahead())):
                raise self._damage("is damaged at its beginning")
            return True
        if self._decoding.alone:
            return False
        zeros = 0
        if self._decoding.padding:
            while self._ahead()[:1] == b"\0":
                rest = bytes(self._block[self._place :])
                count = len(rest) - len(rest.lstrip(b"\0"))
                self._place += count
                zeros += count
        head = self._ahead()
        if (zeros and zeros % self._decoding.padding) or (head and not self._decoding.begins(head)):
            where = self._went_in - len(self._block) + self._place - zeros
            raise self._damage(f"ends at byte {where:,}, and what follows was not read")
        return bool(head)

    def _ahead(self) -> bytes:
        """The next bytes, as many as are needed to know what they begin; fewer at the end."""
        if len(self._block) - self._place < _LOOK:
            self._fill()
        return bytes(self._block[self._place : self._place + _LOOK])

    def _fill(self) -> None:
        """Read another block."""
        block = self._packed.read(BLOCK)
        self._went_in += len(block)
        rest = bytes(self._block[self._place :])
        self._block, self._place = memoryview(rest + block if rest else block), 0

    def _food(self) -> memoryview:
        """Compressed bytes for the decoder."""
        if self._place == len(self._block):
            self._fill()
        food = self._block[self._place :]
        if not food:
            raise self._damage("is cut short")
        if self._taste:
            food, self._taste = food[:_TASTE], False
        self._place += len(food)
        return food

    def _give_back(self, unused: bytes) -> None:
        """Take back what the decoder did not need."""
        if len(unused) <= self._place:
            self._place -= len(unused)
        else:  # it held back some of the block before
            self._block, self._place = memoryview(unused + bytes(self._block[self._place :])), 0

    def _damage(self, what: str) -> StreamDamage:
        return StreamDamage(self._decoding.code, f"the {self._decoding.name} data {what}")


class Checked:
    """The content of an archive's member, held against what the archive says about it.

    Args:
        inner: the content.
        code: of the notes about damage.
        size: number of bytes it must have.
        crc: their CRC-32, None when the archive has none.
        whole: the allowance of the whole file, which is used up by it; None when it has been used up already.
    """

    def __init__(self, inner: Readable, code: str, size: int, crc: int | None, whole: Allowance | None) -> None:
        self._inner, self._code, self._left, self._expected, self._whole = inner, code, size, crc, whole
        self._crc = 0
        self._fault: OSError | None = None

    def read(self, size: int) -> bytes:
        """As :class:`Readable` says.

        Raises:
            StreamDamage: when the content is not what it must be; ``W-BOMB`` when it grows beyond its limit.
            OSError: when reading it fails.
        """
        if self._fault is not None:
            raise self._fault
        wanted = min(size, self._left)
        data = self._inner.read(wanted) if wanted else b""
        if len(data) < wanted and not data:
            raise StreamDamage(self._code, "it is cut short")
        self._left -= len(data)
        if self._expected is not None:
            self._crc = zlib.crc32(data, self._crc)
            if not self._left and self._crc != self._expected:
                # what has been read so far is given first
                self._fault = StreamDamage(self._code, "it is damaged: its checksum is wrong")
        if self._whole is not None:
            data = self._whole.cut(data)
            self._fault = self._whole.fault or self._fault
        if self._fault is not None and not data:
            raise self._fault
        return data


class Stream(io.RawIOBase):
    """A stream that cannot go back, for a :class:`~charvec.reading.Source`.

    Args:
        inner: what it reads.
        ahead: whether a thread shall read on while the last block is used, from the second block on.
    """

    def __init__(self, inner: Readable, *, ahead: bool) -> None:
        super().__init__()
        self._inner = inner
        self._ahead = ahead
        self._begun = self._ended = False
        self._pump: _Pump | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most so many; all that are left when ``size`` is negative.

        Raises:
            OSError: as what it reads does.
        """
        if size < 0:
            return self.readall()
        if self.closed:
            raise ValueError("the stream is closed")
        if not self._rest:
            part = self._more(size)
            if len(part) <= size:
                return part
            self._rest = memoryview(part)
        part = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return part

    def readinto(self, buffer: Any, /) -> int:
        """The next bytes, into a buffer."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """End the thread, if there is one."""
        self._read_no_more_ahead()
        super().close()

    def _more(self, size: int) -> bytes:
        if self._ahead and self._begun and not self._ended and self._pump is None:
            self._pump = _start(self._inner)
            self._ahead = self._pump is not None
        if self._pump is None:
            part = self._inner.read(size)
            self._ended = len(part) < size  # no thread is worth its while to find the end or the damage
            self._begun = True
            return part
        part = b""
        try:
            part = self._pump.take()
        finally:
            if len(part) < BLOCK:
                self._read_no_more_ahead()
        return part

    def _read_no_more_ahead(self) -> None:
        pump, self._pump, self._ended = self._pump, None, True
        if pump is not None:
            pump.stop()


def _start(inner: Readable) -> _Pump | None:
    """A thread that reads ahead, None where the system allows no more threads."""
    try:
        return _Pump(inner)
    except RuntimeError:
        return None


class _Pump:
    """A thread that reads ahead, :data:`_AHEAD` times at most, and puts what it has read into a queue.

    It does not know the stream it works for, so that one which nobody uses any more is closed, and so ends its thread.
    """

    def __init__(self, inner: Readable) -> None:
        from queue import SimpleQueue  # which few scans need

        self._inner = inner
        self._queue: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="charvec read-ahead", daemon=True)
        self._thread.start()

    def take(self) -> bytes:
        """The next bytes, fewer than a block at the end and before damage."""
        part = self._queue.get()
        self._room.release()
        if isinstance(part, BaseException):
            raise part
        return part

    def stop(self) -> None:
        """End the thread."""
        self._stopped = True
        self._room.release()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        more = True
        while more:
            self._room.acquire()
            if self._stopped:
                return
            try:
                part = self._inner.read(_STRIDE)
            except BaseException as error:
                self._queue.put(error)
                return
            self._queue.put(part)
            more = len(part) >= BLOCK
