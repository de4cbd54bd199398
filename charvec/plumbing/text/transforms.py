"""Plumbing: steps a text goes through between its reader and the tally of characters.

:class:`Normalising` brings it into a Unicode normalisation form (UAX #15), :class:`Graphemes` counts its grapheme
clusters (UAX #29) and passes it on as it is. Both give for a text in pieces what they give for it as a whole, wherever
it is cut, and hold back no more of it than they need for that.

One exception keeps the memory bounded: where :data:`LONGEST` characters follow each other without a place at which the
text could be cut, it is cut all the same. No writing does that; the longest sequence in use has some tens of marks,
and UAX #15 lets a process cut after 30 of them (Stream-Safe Text Format).
"""

from __future__ import annotations

import codecs
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from charvec.counts import UNICODE_SIZE
from charvec.errors import MissingPackage

if TYPE_CHECKING:
    from charvec.reading import Sink

__all__ = ["LONGEST", "Graphemes", "Normalising"]

_Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
_FORMS: dict[str, _Form] = {"NFC": "NFC", "NFD": "NFD", "NFKC": "NFKC", "NFKD": "NFKD"}
#: What each form decomposes to before it composes.
_DECOMPOSED: dict[_Form, _Form] = {"NFC": "NFD", "NFD": "NFD", "NFKC": "NFKD", "NFKD": "NFKD"}

#: Characters held back at most; a mebibyte in memory.
LONGEST = 1 << 18

#: Every so many characters one is looked at, to find long sequences of marks; shorter ones cost next to nothing.
_STRIDE = 256


class Normalising:
    """A sink that passes on the normalised text.

    Args:
        inner: where the normalised text goes.
        form: ``NFC``, ``NFD``, ``NFKC`` or ``NFKD``, of the version of Unicode that Python's ``unicodedata`` has.

    Raises:
        KeyError: for another form.
    """

    def __init__(self, inner: Sink, form: str) -> None:
        self._inner = inner
        self._form = _FORMS[form]
        # the end of the text so far, from the last place on at which it may be cut; in pieces, since it may grow long
        self._pending: list[str] = []
        self._length = 0  # of the pieces together

    def add_utf8(self, block: bytes, final: bool) -> int:
        """The next bytes of the text, as :meth:`charvec.reading.Sink.add_utf8` says."""
        text, consumed = codecs.utf_8_decode(block, "strict", final)
        self._add(text, block[:consumed])
        return consumed

    def add_text(self, text: str) -> None:
        """The next characters of the text, as :meth:`charvec.reading.Sink.add_text` says."""
        text.encode("utf-32-le")  # the cheapest way to find a lone surrogate
        self._add(text, None)

    def add_texts(self, texts: list[str]) -> None:
        """Whole texts, each by itself, as :meth:`charvec.reading.Sink.add_texts` says."""
        self._inner.add_texts([_normalised(self._form, text) for text in texts])

    def end(self) -> None:
        """The text is over."""
        self._flush()
        self._inner.end()

    def mark(self, *, whole: bool = False) -> Any:
        """Where the counts stand, as :meth:`charvec.reading.Sink.mark` says."""
        # what is held back is passed on after the mark, whatever comes then
        whole = whole or not all(map(str.isascii, self._pending))
        return tuple(self._pending), self._inner.mark(whole=whole)

    def undo(self, mark: Any) -> None:
        """Forget all that was added since ``mark``."""
        pending, inner = mark
        self._pending = list(pending)
        self._length = sum(map(len, pending))
        self._inner.undo(inner)

    def _add(self, text: str, data: bytes | None) -> None:
        """Pass on all but the end of it; ``data`` is the text in UTF-8, if it is at hand."""
        last = _last_start(self._form, text)
        if last < 0:
            self._hold(text)
            return
        first = next(place for place, char in enumerate(text) if _starts(self._form, char))
        self._flush(text[:first])
        middle = text[first:last]
        if middle:
            normalised = _normalised(self._form, middle)
            if normalised is middle and data is not None:
                self._inner.add_utf8(data[_bytes(text[:first]) : len(data) - _bytes(text[last:])], False)
            else:
                self._inner.add_text(normalised)
        self._hold(text[last:])

    def _hold(self, text: str) -> None:
        if text:
            self._pending.append(text)
            self._length += len(text)
        if self._length > LONGEST:
            self._flush()

    def _flush(self, text: str = "") -> None:
        """Pass on what was held back, and ``text`` after it, which may change it."""
        text = "".join((*self._pending, text))
        self._pending, self._length = [], 0
        if text:
            self._inner.add_text(_normalised(self._form, text))


def _bytes(text: str) -> int:
    """Length in UTF-8."""
    return len(text.encode())


def _last_start(form: _Form, text: str) -> int:
    """The last place at which a text may be cut, -1 for none."""
    for place in range(len(text) - 1, -1, -1):
        if _starts(form, text[place]):
            return place
    return -1


def _starts(form: _Form, char: str) -> bool:
    """Whether a text may be cut before a character: it and what follows are normalised as without what precedes.

    So for every character whose decomposition begins with one of combining class 0 that is not composed with a
    character before it (UAX #15, section 9.1). The common ones are known without looking.
    """
    if char < "\u0300" or "\u4e00" <= char <= "\u9fff":
        return True
    if "\u3001" <= char <= "\u3029" or "\u3041" <= char <= "\u3096" or "\u30a1" <= char <= "\u30fe":
        return True
    if "\uac00" <= char <= "\ud7a3" or "\uff01" <= char <= "\uff5e":
        return True
    return _starts_by_its_decomposition(form, char)


@lru_cache(maxsize=1 << 14)
def _starts_by_its_decomposition(form: _Form, char: str) -> bool:
    first = unicodedata.normalize(_DECOMPOSED[form], char)[0]
    return unicodedata.combining(first) == 0 and first not in _seconds()


@cache
def _seconds() -> frozenset[str]:
    """All characters that may be composed with the one before them; takes 25 ms, and few texts need it.

    From Python's own table, which is the one it normalises by. It also lists a few composition exclusions, which does
    no harm. Planes 2 and 3 have ideographs, which are not composed, and above there are no letters.
    """
    found = set(map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))))  # Hangul vowels and trailing consonants
    for code in itertools.chain(range(0xC0, 0x3400), range(0xA000, 0xAC00), range(0xFB00, 0x20000)):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0][0] != "<":
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)


def _normalised(form: _Form, text: str) -> str:
    """``unicodedata.normalize(form, text)``, the same object when there is nothing to do, in linear time."""
    text = _with_long_sequences_sorted(form, text)
    if form != "NFKC":
        return unicodedata.normalize(form, text)
    if unicodedata.is_normalized("NFKC", text):
        return text
    narrow = _with_narrow_forms(text)
    if narrow != text and unicodedata.is_normalized("NFKC", narrow):
        return narrow
    # the same by definition; CPython composes slowly, and Chinese needs no composing once it is decomposed
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", narrow))


def _with_narrow_forms(text: str) -> str:
    """The text with ASCII for its fullwidth forms, and a space for U+3000.

    Most of what NFKC changes in Chinese and Japanese, ten times as fast. Each decomposes to just that character.
    """
    codepoints = np.array(np.frombuffer(text.encode("utf-32-le"), "<u4"))
    codepoints[(codepoints >= 0xFF01) & (codepoints <= 0xFF5E)] -= 0xFF01 - 0x21
    codepoints[codepoints == 0x3000] = 0x20
    return codepoints.tobytes().decode("utf-32-le")


def _with_long_sequences_sorted(form: _Form, text: str) -> str:
    """An equivalent text whose long sequences of marks are in canonical order; mostly the text itself.

    CPython brings marks into order by insertion, whose time grows with the square of their number.
    """
    if len(text) < _STRIDE:
        return text
    pieces = []
    behind = 0
    for start, end in _long_sequences(form, text):
        pieces += [text[behind:start], _decomposed(form, text[start:end])]
        behind = end
    return "".join((*pieces, text[behind:])) if pieces else text


def _long_sequences(form: _Form, text: str) -> Iterator[tuple[int, int]]:
    """Where more than ``_STRIDE`` characters follow each other before none of which the text may be cut."""
    end = 0
    for place in range(0, len(text), _STRIDE):
        if place < end or _starts(form, text[place]):
            continue
        start, end = place, place + 1
        while start > 0 and not _starts(form, text[start]):
            start -= 1
        while end < len(text) and not _starts(form, text[end]):
            end += 1
        if end - start > _STRIDE:
            yield start, end


def _decomposed(form: _Form, text: str) -> str:
    """``unicodedata.normalize`` to NFD or NFKD, by a sort in n log n."""
    # in order within each slice already, which a stable sort does not mind
    slices = (text[place : place + 64] for place in range(0, len(text), 64))
    text = "".join(unicodedata.normalize(_DECOMPOSED[form], each) for each in slices)
    codepoints = np.frombuffer(text.encode("utf-32-le"), "<u4")
    classes = np.fromiter(map(unicodedata.combining, text), np.uint8, len(text))
    # marks are sorted by class between each two characters of class 0, stably (D109 of the Unicode standard)
    order = np.lexsort((classes, np.cumsum(classes == 0)))
    return codepoints[order].tobytes().decode("utf-32-le")


#: Characters that join neither with each other nor with any other of these: each is a cluster of its own, unless one
#: that is not among these stands beside it. Those that are left out by mistake cost time, nothing else. First and last.
_PLAIN = (
    (0x0000, 0x000C),  # CR joins with LF
    (0x000E, 0x02FF),
    (0x0370, 0x0482),
    (0x048A, 0x0590),
    (0x05D0, 0x05F4),
    (0x061B, 0x064A),
    (0x1E00, 0x1FFF),
    (0x2010, 0x2064),
    (0x2070, 0x20CF),
    (0x2100, 0x2BFF),
    (0x2E80, 0x3029),
    (0x3030, 0x3098),
    (0x309B, 0xA4CF),
    (0xAC00, 0xD7A3),  # these join with jamo
    (0xF900, 0xFAFF),
    (0xFF00, 0xFF9D),
    (0x1F300, 0x1F3FA),
    (0x1F400, 0x1F64F),
    (0x1F680, 0x1F6FF),
    (0x1F900, 0x1F9FF),
    (0x20000, 0x3FFFD),
)
#: Characters from which on pieces of text are segmented at once.
_ENOUGH = 1 << 16
#: Characters below which sorting them beats a table up to the highest of them.
_SHORT = 4096
#: An even number of regional indicators with more of them behind.
_FLAGS = re.compile("[\U0001f1e6-\U0001f1ff]{64}(?=[\U0001f1e6-\U0001f1ff])")
#: A control character: no cluster reaches across it.
_BREAK = "\0"


class Graphemes:
    r"""A sink that counts extended grapheme clusters and passes the text on unchanged.

    Source: UAX #29, as ``\X`` of the library ``regex`` has it, of its version of Unicode.

    Args:
        inner: where the text goes.

    Attributes:
        clusters: how often each cluster occurs, in all texts that are over.

    Raises:
        MissingPackage: ``E-PACKAGE`` without ``regex``.
    """

    def __init__(self, inner: Sink) -> None:
        try:
            import regex
        except ImportError as error:
            raise MissingPackage(
                "E-PACKAGE",
                "grapheme clusters are found by the package regex, which is not installed",
                help='pip install "charvec[graphemes]", or count code points',
            ) from error
        self.clusters: Counter[str] = Counter()
        self._inner = inner
        self._find_all = regex.compile(r"\X").findall
        # what was counted since each mark of the text, so that it can be forgotten
        self._since: list[Counter[str]] = []
        self._pending = ""  # the last cluster, which may go on
        self._waiting: list[str] = []  # what follows it, not yet segmented
        self._length = 0  # of what is waiting

    def add_utf8(self, block: bytes, final: bool) -> int:
        """The next bytes of the text, as :meth:`charvec.reading.Sink.add_utf8` says."""
        consumed = self._inner.add_utf8(block, final)
        self._add(block[:consumed].decode())
        return consumed

    def add_text(self, text: str) -> None:
        """The next characters of the text, as :meth:`charvec.reading.Sink.add_text` says."""
        self._inner.add_text(text)
        self._add(text)

    def add_texts(self, texts: list[str]) -> None:
        """Whole texts, each by itself, as :meth:`charvec.reading.Sink.add_texts` says."""
        self._inner.add_texts(texts)
        if not texts:
            return
        counter: Counter[str] = Counter()
        self._count(_BREAK.join((*texts, _BREAK)), counter)
        # one between each two of them, and one that makes the last of these a text that is over
        counter[_BREAK] -= len(texts)
        self._counter.update(+counter)

    def end(self) -> None:
        """The text is over."""
        self._segment()
        if self._pending:
            self._counter[self._pending] += 1
            self._pending = ""
        for counter in self._since:
            self.clusters.update(counter)
        self._since = []
        self._inner.end()

    def mark(self, *, whole: bool = False) -> Any:
        """Where the counts stand, as :meth:`charvec.reading.Sink.mark` says.

        From the first mark of a text on, its clusters are kept apart until it ends.
        """
        self._segment()
        mark = len(self._since), self._pending, self._inner.mark(whole=whole)
        self._since.append(Counter())
        return mark

    def undo(self, mark: Any) -> None:
        """Forget all that was added since ``mark``."""
        depth, self._pending, inner = mark
        self._since[depth:] = [Counter()]
        self._waiting, self._length = [], 0
        self._inner.undo(inner)

    @property
    def _counter(self) -> Counter[str]:
        return self._since[-1] if self._since else self.clusters

    def _add(self, text: str) -> None:
        if text:
            self._waiting.append(text)
            self._length += len(text)
        if self._length >= _ENOUGH:
            self._segment()

    def _segment(self) -> None:
        """Count what is waiting, but for the last cluster."""
        text = "".join((self._pending, *self._waiting))
        self._waiting, self._length = [], 0
        if text:
            self._pending = self._count(text, self._counter)
        if len(self._pending) > LONGEST:
            self._counter[self._pending] += 1
            self._pending = ""

    def _count(self, text: str, counter: Counter[str]) -> str:
        """Count the clusters of a text, which begins at the beginning of one, but for the last; return that.

        A cluster is settled once another has begun: the rules look back no further than to where it began.
        """
        codepoints = np.frombuffer(text.encode("utf-32-le"), "<u4")
        joining = _joining()[codepoints]
        alone = ~joining
        alone[1:] &= ~joining[:-1]
        alone[:-1] &= ~joining[1:]
        alone[-1] = False  # may join with what comes
        for code, number in _numbers(codepoints[alone]):
            counter[chr(code)] += number
        # between two that were not neighbours stood one that was alone, so that they do not join now
        rest = codepoints[~alone].tobytes().decode("utf-32-le")
        clusters: list[str] = []
        behind = 0
        # \X goes back over all regional indicators before a place, whose number decides; so it is not shown too many
        for match in _FLAGS.finditer(rest):
            clusters += self._find_all(rest[behind : match.end()])
            behind = match.end()
        clusters += self._find_all(rest[behind:])
        last = clusters.pop()
        counter.update(clusters)
        return last


def _numbers(codepoints: NDArray[np.uint32]) -> Iterable[tuple[int, int]]:
    """Each distinct one of uint32 [n] code points and how often it occurs."""
    if len(codepoints) < _SHORT:
        distinct, numbers = np.unique(codepoints, return_counts=True)
        return zip(distinct.tolist(), numbers.tolist(), strict=True)
    table = np.bincount(codepoints)
    places = np.flatnonzero(table)
    return zip(places.tolist(), table[places].tolist(), strict=True)


@cache
def _joining() -> NDArray[np.bool_]:
    """By code point, bool [1,114,112]: whether a character may be one cluster with a plain one before or behind it."""
    table = np.ones(UNICODE_SIZE, np.bool_)
    for first, last in _PLAIN:
        table[first : last + 1] = False
    return table
