"""Apache Parquet: one column of text, read by pyarrow row group by row group, and nothing of the others.

https://parquet.apache.org/docs/file-format/

Memory: the footer, a page or so of the column, and some thousand values. A column that is little more than a dictionary
and indices into it, as of labels, is taken as such, and each value counted as often as it occurs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from charvec.errors import Note
from charvec.plumbing.text import columnar
from charvec.plumbing.text.arrow_types import Damaged, attempt, guarded
from charvec.plumbing.text.columnar import Column, Seeking
from charvec.reading import Options, Outcome, Sink, Source, magic

__all__ = ["NAME", "read", "sniff"]

NAME = "parquet"

_KIND = "Apache Parquet"
#: Bytes of a column chunk read at once.
BUFFER = 1 << 20
#: Bytes of values, and number of them, that are held at once.
BATCH_BYTES, BATCH_ROWS = 1 << 23, 2048
#: Rows that are looked at first, to see how long they are.
PROBE = 64
#: Where they have no more bytes than so on average, so many rows are looked at, to see whether they repeat each other:
#: whether a value is to be expected as often as that, and the dictionary is so small that its writer did not give it up
#: on the way, as they do at a mebibyte or so.
SHORT, SECOND_PROBE, REPEATED, SMALL = 1024, 512, 8, 1 << 19
#: Rows held at once of a column that is read as a dictionary and indices into it.
DICTIONARY_ROWS = 1 << 16
#: A row group that grows to so many times the bytes read for it, and so many bytes more, is also read so from there on:
#: a long value that is repeated without end takes no time then.
GROWTH, GRACE = 200, 1 << 26
#: What pyarrow believes of the length of a list and of a string in the metadata, where the file is not shorter.
LISTS, STRINGS = 1_000_000, 100_000_000


def sniff(head: bytes) -> bool:
    """By the magic bytes."""
    return magic(head) == "parquet"


def read(path: str, source: Source, sink: Sink, options: Options) -> Outcome:
    """Pass on the text column; see :func:`charvec.plumbing.text.columnar.read`."""
    if columnar.load() is None:
        return Outcome(skipped=True, problems=[columnar.package_note(path, _KIND)])
    if not source.stream.seekable():
        message = f"{path} is {_KIND}, which is read from its end, and comes as a stream; save it to a file first"
        return Outcome(skipped=True, problems=[Note("W-PARQUET", message, path)])
    try:
        stream = Seeking(source)
    except OSError as fault:
        source.fault = fault
        return Outcome(skipped=True)
    return columnar.read(path, stream, sink, options, _KIND, "W-PARQUET", lambda: _Table(stream))


class _Table:
    """An open file; raises whatever pyarrow does.

    The metadata of column chunks are not looked at from here: one that is damaged in its statistics makes pyarrow abort
    the whole process, where reading the column raises an error.
    """

    def __init__(self, stream: Seeking) -> None:
        self._stream = stream
        self._file = self._open()
        self.schema = self._file.schema_arrow
        self._rows = 0  # held at once; not known yet
        self._repeated = False  # whether the column is read as a dictionary and indices

    def _open(self, **options: Any) -> Any:
        import pyarrow
        import pyarrow.parquet

        return pyarrow.parquet.ParquetFile(
            pyarrow.PythonFile(self._stream, mode="r"),
            buffer_size=BUFFER,  # else it takes the whole column of a row group at once
            pre_buffer=False,
            page_checksum_verification=True,
            thrift_container_size_limit=min(LISTS, self._stream.size),
            thrift_string_size_limit=min(STRINGS, self._stream.size),
            **options,
        )

    def parts(self, column: Column) -> Iterator[tuple[int, Iterator[Any]]]:
        """The row groups."""
        metadata = self._file.metadata
        leaves = attempt(lambda: self._leaves(column))
        for group in range(metadata.num_row_groups):
            rows: int = attempt(lambda: metadata.row_group(group).num_rows)  # noqa: B023
            yield rows, self._arrays(group, rows, column, leaves)

    def _leaves(self, column: Column) -> list[str]:
        """Paths of the columns in the sense of Parquet, which has one for each leaf of a struct."""
        paths = [self._file.schema.column(number).path for number in range(len(self._file.schema))]
        name = column.name
        leaves = [path for path in paths if path == name or path.startswith(name + ".")]
        wanted = [key for key, index in column.steps if index is None]
        # the steps through lists are called by various names
        exact = [path for path in leaves if _leads(path[len(name) + 1 :].split("."), wanted)]
        return exact if len(exact) == 1 else leaves

    def _arrays(self, group: int, rows: int, column: Column, leaves: list[str]) -> Iterator[Any]:
        """The column of a row group, in pieces."""
        if rows and not self._rows:
            self._probe(group, rows, column, leaves)
        done = grown = 0
        if not self._repeated:
            before = self._stream.count
            for batch in guarded(self._batches(self._file, self._rows or 1, group, leaves)):
                done += batch.num_rows
                grown += batch.nbytes
                yield _column(batch, column)
                if grown > GROWTH * (self._stream.count - before) + GRACE:
                    break
            else:
                if done:
                    self._hold(grown // done)
                return
        batches = guarded(self._batches(self._dictionaries(leaves), DICTIONARY_ROWS, group, leaves))
        try:
            first = list(itertools.islice(batches, 1))
        except Damaged as damage:
            raise Damaged(f"it grows to more than {GROWTH} times its size" if done else str(damage)) from None
        for batch in itertools.chain(first, batches):
            if done >= batch.num_rows:
                done -= batch.num_rows
            else:
                yield _column(batch, column).slice(done)
                done = 0

    def _probe(self, group: int, rows: int, column: Column, leaves: list[str]) -> None:
        """See how long values are, and whether they repeat each other."""
        first = next(guarded(self._batches(self._file, PROBE, group, leaves)), None)
        if first is None or not len(first):
            return
        if hasattr(_column(first, column), "dictionary"):
            self._repeated = True  # the writer said so
            return
        average = first.nbytes // len(first)
        self._hold(average)
        if column.steps or average > SHORT:
            return
        try:
            first = next(guarded(self._batches(self._dictionaries(leaves), SECOND_PROBE, group, leaves)), None)
        except Damaged:
            return  # not every encoding can be read so
        values = None if first is None else getattr(_column(first, column), "dictionary", None)
        if first is None or values is None:
            return  # nor every type
        # with a dictionary in the file all of it is there, else the values that were seen
        few = len(values) <= len(first) // 2
        known = len(values) > len(first) and len(values) * REPEATED <= rows and values.nbytes <= SMALL
        self._repeated = few or known

    def _hold(self, average: int) -> None:
        self._rows = max(1, min(BATCH_BYTES // max(1, average), BATCH_ROWS))

    def _dictionaries(self, leaves: list[str]) -> Any:
        return attempt(lambda: self._open(metadata=self._file.metadata, read_dictionary=leaves))

    def _batches(self, file: Any, rows: int, group: int, leaves: list[str]) -> Iterator[Any]:
        yield from file.iter_batches(rows, row_groups=[group], columns=leaves, use_threads=False)


def _column(batch: Any, column: Column) -> Any:
    """The column in a batch that has few others, or none."""
    index = batch.schema.get_field_index(column.name)
    if index < 0:
        raise Damaged("the columns are not those of the schema")
    return batch.column(index)


def _leads(parts: list[str], wanted: list[str]) -> bool:
    """Whether the names that are wanted stand in this order in a path."""
    rest = iter(parts)
    return all(name in rest for name in wanted)
