"""Arrow's own files (IPC, Feather 2) and streams, among them what the package datasets writes: one column of text.

https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

Memory: one record batch; of a file only the column of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from charvec.errors import Note
from charvec.plumbing.text import columnar
from charvec.plumbing.text.arrow_types import Damaged, attempt, guarded
from charvec.plumbing.text.columnar import Column, Seeking, Sequential
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "arrow"

_KIND = "Apache Arrow"
#: What a writer puts behind the last record batch of a stream.
_END = b"\xff\xff\xff\xff\0\0\0\0"


def sniff(head: bytes) -> bool:
    """By the magic bytes of files, and the first four bytes of streams (since format version 0.15)."""
    return magic(head) in ("arrow", "arrow stream")


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Pass on the text column; see :func:`charvec.plumbing.text.columnar.read`."""
    if columnar.load() is None:
        return Outcome(skipped=True, problems=[columnar.package_note(path, _KIND)])
    if magic(source.head) == "arrow stream":
        sequential = Sequential(source)
        return columnar.read(path, sequential, sink, options, _KIND, "W-ARROW", lambda: _Stream(sequential))
    if not source.stream.seekable():
        message = f"{path} is a file of {_KIND}, which is read from its end, and comes as a stream; save it first"
        return Outcome(skipped=True, problems=[Note("W-ARROW", message, path)])
    try:
        seeking = Seeking(source)
    except OSError as fault:
        source.fault = fault
        return Outcome(skipped=True)
    return columnar.read(path, seeking, sink, options, _KIND, "W-ARROW", lambda: _File(seeking))


class _File:
    """An open file; raises whatever pyarrow does."""

    def __init__(self, stream: Seeking) -> None:
        self._stream = stream
        self.schema = self._open().schema

    def _open(self, *columns: int) -> Any:
        import pyarrow

        options = pyarrow.ipc.IpcReadOptions(use_threads=False, included_fields=list(columns))
        return pyarrow.ipc.open_file(pyarrow.PythonFile(self._stream, mode="r"), options=options)

    def parts(self, column: Column) -> Iterator[tuple[int, Iterator[Any]]]:
        """The record batches."""
        reader = attempt(lambda: self._open(column.index))
        for number in range(attempt(lambda: reader.num_record_batches)):
            yield 0, self._batch(reader, number)

    def _batch(self, reader: Any, number: int) -> Iterator[Any]:
        yield attempt(lambda: reader.get_batch(number).column(0))


class _Stream:
    """An open stream; raises whatever pyarrow does."""

    def __init__(self, stream: Sequential) -> None:
        import pyarrow

        self._stream = stream
        options = pyarrow.ipc.IpcReadOptions(use_threads=False)
        self._reader = pyarrow.ipc.open_stream(pyarrow.PythonFile(stream, mode="r"), options=options)
        self.schema = self._reader.schema

    def parts(self, column: Column) -> Iterator[tuple[int, Iterator[Any]]]:
        """The record batches in one part: what lies behind a damaged one cannot be found."""
        yield 0, self._batches(column)
        if self._stream.last != _END:
            # a stream may end without, but none that is whole does
            raise Damaged("its end mark is missing, and so perhaps what stood before it")
        if self._stream.read(1):
            raise Damaged("bytes follow the end of the stream, as when several were joined")

    def _batches(self, column: Column) -> Iterator[Any]:
        for batch in guarded(self._reader):
            yield batch.column(column.index)
