"""Plumbing: patterns of ``.gitignore`` files, which match what git matches.

git compares bytes by a routine of its own (``wildmatch``), which differs from Python's globs in many small ways. Here
every pattern becomes a regular expression that says the same, and the patterns of a file become one expression for
names and one for paths. No pattern makes a search that does not end: a ``*`` takes the first place that fits and never
gives it back, which is enough, since what follows could only have less to choose from.

Libraries that translate each ``*`` into ``[^/]*`` need hours for a line like ``*a*a*a*a*a*a*a*b``, and a sample folder
may come from anywhere.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator

from charvec.valueclass import dataclass

__all__ = ["LARGEST", "Patterns", "Rules", "read_patterns"]

#: Bytes of the largest file of patterns that is used.
LARGEST = 1 << 20
#: Patterns with wildcards that one file may have. Each costs time for every file of the tree; plain names cost none.
MOST_WILD = 2000

_SPECIAL = b"*?[\\"


class Patterns:
    """Patterns relative to one folder, in the order they were written: the last one that matches decides.

    Args:
        lines: patterns, without line ends.

    Attributes:
        invalid: numbers, from 0, of the lines that are malformed and match nothing, as in git.
        wild: number of patterns with wildcards.
    """

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.invalid: list[int] = []
        self.wild = 0
        self._negative: list[bool] = []
        # of names and of paths, each for files and for folders
        self._names = (_Table(), _Table())
        self._paths = (_Table(), _Table())
        for number, line in enumerate(lines):
            line = _without_blanks(line)
            if not line or line.startswith(b"#"):
                continue
            try:
                self._add(line)
            except ValueError:
                self.invalid.append(number)

    def __bool__(self) -> bool:
        return bool(self._negative)

    def _add(self, line: bytes) -> None:
        negative = line.startswith(b"!")
        pattern = line[negative:]
        folders_only = pattern.endswith(b"/")
        if folders_only:
            pattern = pattern[:-1]
        tables = self._names
        if b"/" in pattern:
            tables = self._paths
            pattern = pattern.removeprefix(b"/")
        if not pattern:
            raise ValueError("there is nothing to match")
        index = len(self._negative)
        if any(byte in _SPECIAL for byte in pattern):
            regex = _regex(pattern, index, by_path=tables is self._paths)
            self.wild += 1
            for table in tables[folders_only:]:
                table.wild.append((index, regex))
        else:
            for table in tables[folders_only:]:
                table.plain[pattern] = index
        self._negative.append(negative)

    def decide(self, path: bytes, folder: bool) -> bool | None:
        """Whether a path is left out; None when no pattern says anything of it.

        Nothing is said here of what lies inside a folder that is left out; see :meth:`cut`.

        Args:
            path: relative to the folder of the patterns, parts separated by ``/``.
            folder: whether it is a folder.
        """
        last = max(self._names[folder].last(path.rpartition(b"/")[2]), self._paths[folder].last(path))
        return None if last < 0 else not self._negative[last]

    def cut(self, path: bytes, folder: bool = False) -> bytes | None:
        """The part of a path that is left out: the path, or the outermost folder on its way; None when it stays."""
        place = path.find(b"/")
        while place >= 0:
            if self.decide(path[:place], True):
                return path[:place]
            place = path.find(b"/", place + 1)
        return path if self.decide(path, folder) else None


class _Table:
    """Patterns of one kind; gives the number of the last that matches.

    Attributes:
        plain: patterns without wildcards, and their numbers.
        wild: numbers and expressions of the others.
    """

    def __init__(self) -> None:
        self.plain: dict[bytes, int] = {}
        self.wild: list[tuple[int, bytes]] = []
        self._compiled: re.Pattern[bytes] | None = None

    def last(self, subject: bytes) -> int:
        """The number of the last pattern that matches all of the subject, -1 for none."""
        found = self.plain.get(subject, -1)
        if not self.wild:
            return found
        if self._compiled is None:
            # the first alternative that matches is the last pattern that does
            alternatives = (b"(?P<p%d>%b)" % pattern for pattern in reversed(self.wild))
            self._compiled = re.compile(b"(?:%b)\\Z" % b"|".join(alternatives), re.DOTALL)
        match = self._compiled.match(subject)
        if match and match.lastgroup:  # the group that was closed last is that of the alternative
            found = max(found, int(match.lastgroup[1:]))
        return found


@dataclass(frozen=True)
class Rules:
    """What the ignore files of a folder and of the folders around it say.

    Attributes:
        skip: number of bytes that the path of their folder takes in the paths asked about, ``/`` included.
        patterns: those of ``.ignore``, which stand above any ``.gitignore``, and those of ``.gitignore``.
        outer: rules of the folders around, None when there are none.
    """

    skip: int
    patterns: tuple[Patterns | None, Patterns | None]
    outer: Rules | None

    def ignore(self, path: bytes, folder: bool) -> bool:
        """Whether a path, relative to the outermost folder, is left out. Its parents are not, or nobody would ask."""
        for kind in (0, 1):
            rules: Rules | None = self
            while rules is not None:
                patterns = rules.patterns[kind]
                if patterns is not None:
                    verdict = patterns.decide(path[rules.skip :], folder)
                    if verdict is not None:
                        return verdict
                rules = rules.outer
        return False


def read_patterns(path: str) -> tuple[Patterns | None, str]:
    """The patterns of an ignore file, and what is wrong with it.

    Returns:
        the patterns, None when the file cannot be used; and what is wrong, to follow upon its name, "" when nothing.
    """
    try:
        content = _content(path)
    except OSError as error:
        return None, f"could not be read ({error.strerror or error}) and was not used"
    if content is None:
        return None, "is no regular file and was not used, as in git"
    if len(content) > LARGEST:
        return None, f"has more than {LARGEST:,} bytes, is hardly a list of patterns, and was not used"
    faults = []
    lines = [line.removesuffix(b"\r") for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    if b"\0" in content:
        faults.append("holds zero bytes, as binary files and UTF-16 do; lines with such bytes were not used")
        lines = [b"" if b"\0" in line else line for line in lines]
    elif not _is_utf8(content):
        faults.append("is not UTF-8; its patterns were compared byte by byte, as in git")
    patterns = Patterns(lines)
    if patterns.wild > MOST_WILD:
        return None, f"has more than {MOST_WILD:,} patterns with wildcards and was not used"
    if patterns.invalid:
        first = patterns.invalid[0]
        more = f" and {len(patterns.invalid) - 1} more" if len(patterns.invalid) > 1 else ""
        shown = lines[first][:80].decode("utf-8", "backslashreplace")
        faults.append(f"has a malformed pattern in line {first + 1}{more}, which matches nothing: {shown}")
    return patterns, "; ".join(faults)


def _content(path: str) -> bytes | None:
    """The bytes of a file, one more than is allowed at most; None when it is a link, a pipe or the like."""
    if os.path.islink(path):
        return None  # git does not follow it either

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe would keep us waiting

    with open(path, "rb", opener=opener) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        return file.read(LARGEST + 1)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _without_blanks(line: bytes) -> bytes:
    """A line without the spaces at its end, unless a backslash keeps one."""
    bare = line.rstrip(b" ")
    if bare == line:
        return line
    backslashes = len(bare) - len(bare.rstrip(b"\\"))
    return line[: len(bare) + 1] if backslashes % 2 else bare


# -- one pattern as a regular expression

#: A run of asterisks: within one part of a path; ``**/``, any number of parts; ``**\/``, at least one; ``**``, all.
_STAR, _DEEP, _DEEPER, _ALL = b"*", b"**/", b"**\\/", b"**"


def _regex(pattern: bytes, number: int, *, by_path: bool) -> bytes:
    """The regular expression of a pattern.

    Args:
        pattern: without ``!``, without ``/`` at its ends.
        number: of the pattern, so that names of groups differ.
        by_path: whether it is compared with paths, not with names.

    Raises:
        ValueError: when it is malformed.
    """
    blocks: list[tuple[bytes, list[bytes]]] = [(b"", [])]  # what leads to a block, and the block
    for token in _tokens(pattern, by_path):
        if token in (_DEEP, _DEEPER, _ALL):
            blocks.append((token, []))
        else:
            blocks[-1][1].append(token)
    groups = 0

    def once(regex: bytes) -> bytes:
        """The first way in which an expression matches, and no other."""
        nonlocal groups
        groups += 1
        return b"(?=(?P<g%d_%d>%b))(?P=g%d_%d)" % (number, groups, regex, number, groups)

    parts = []
    for place, (stars, tokens) in enumerate(blocks):
        inner = _split(tokens)
        regex = inner[0] + b"".join(once(b"[^/]*?" + fixed) for fixed in inner[1:-1])
        if len(inner) > 1:
            regex += b"[^/]*" + inner[-1]
        if stars == _ALL:
            regex = b".*" + regex
        elif stars:
            regex = (b"(?:[^/]*/)*?" if stars == _DEEP else b"(?:[^/]*/)+?") + regex
            if place < len(blocks) - 1:
                regex = once(regex)
        parts.append(regex)
    return b"".join(parts)


def _split(tokens: list[bytes]) -> list[bytes]:
    """What stands before, between and behind the asterisks of a block, each joined."""
    fixed: list[list[bytes]] = [[]]
    for token in tokens:
        if token == _STAR:
            fixed.append([])
        else:
            fixed[-1].append(token)
    return [b"".join(each) for each in fixed]


def _tokens(pattern: bytes, by_path: bool) -> Iterator[bytes]:
    """Expressions for one byte each, and runs of asterisks.

    Raises:
        ValueError: when the pattern is malformed.
    """
    place = 0
    # git compares the beginning without wildcards by itself, so that ** right behind it stands at a beginning too
    first = next(number for number, byte in enumerate(pattern) if byte in _SPECIAL)
    while place < len(pattern):
        byte = pattern[place : place + 1]
        if byte == b"*":
            end = place
            while pattern[end : end + 1] == b"*":
                end += 1
            opens = place == first or pattern[place - 1 : place] == b"/"
            token = _STAR
            if by_path and end - place > 1 and opens:
                if end == len(pattern):
                    token = _ALL
                elif pattern.startswith(b"/", end):
                    token, end = _DEEP, end + 1
                elif pattern.startswith(b"\\/", end):
                    token, end = _DEEPER, end + 2
            yield token
            place = end
        elif byte == b"[":
            expression, place = _bracket(pattern, place + 1)
            yield expression
        elif byte == b"?":
            yield b"[^/]"
            place += 1
        else:
            if byte == b"\\":
                place += 1
                if place == len(pattern):
                    raise ValueError("a backslash at the end")
            yield re.escape(pattern[place : place + 1])
            place += 1


_CLASSES: dict[bytes, bytes] = {
    b"alnum": b"0-9A-Za-z",
    b"alpha": b"A-Za-z",
    b"blank": b" \\t",
    b"cntrl": b"\\x00-\\x1f\\x7f",
    b"digit": b"0-9",
    b"graph": b"!-~",
    b"lower": b"a-z",
    b"print": b" -~",
    b"punct": b"!-/:-@\\[-`{-~",
    b"space": b" \\t\\n\\r",
    b"upper": b"A-Z",
    b"xdigit": b"0-9A-Fa-f",
}


def _bracket(pattern: bytes, place: int) -> tuple[bytes, int]:
    """The expression of ``[...]``, and where it ends.

    Args:
        pattern: all of it.
        place: behind the opening bracket.

    Raises:
        ValueError: when it is not closed, or names a class that does not exist.
    """

    def at(index: int) -> bytes:
        if index >= len(pattern):
            raise ValueError("a bracket that is not closed")
        return pattern[index : index + 1]

    negative = at(place) in (b"!", b"^")
    place += negative
    parts = []
    begin = b""  # of a range
    opened = place
    while place == opened or at(place) != b"]":
        byte = at(place)
        if byte == b"\\":
            place += 1
            begin = at(place)
            parts.append(_one(begin))
        elif byte == b"-" and begin and at(place + 1) != b"]":
            place += 1
            if at(place) == b"\\":
                place += 1
            end = at(place)
            if begin <= end:
                parts.append(_one(begin) + b"-" + _one(end))
            begin = b""
        elif byte == b"[" and at(place + 1) == b":":
            close = pattern.find(b"]", place + 2)
            if close < 0:
                raise ValueError("a bracket that is not closed")
            name = pattern[place + 2 : close - 1]
            if close == place + 2 or pattern[close - 1 : close] != b":":
                begin = byte  # a bracket and no class
                parts.append(_one(byte))
            elif name not in _CLASSES:
                raise ValueError(f"no class of characters is called {name!r}")
            else:
                parts.append(_CLASSES[name])
                begin = b""
                place = close
        else:
            begin = byte
            parts.append(_one(byte))
        place += 1
    inside = b"".join(parts)
    if not negative:
        return (b"(?!/)[%b]" % inside if inside else b"(?!)"), place + 1
    return b"[^/%b]" % inside, place + 1


def _one(byte: bytes) -> bytes:
    return b"\\x%02x" % byte[0]
