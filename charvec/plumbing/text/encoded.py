"""Plumbing: the text of a sample in an encoding that is known, by its byte order mark or because the user said it."""

from __future__ import annotations

import codecs

from charvec.errors import Note
from charvec.plumbing.terminal import count
from charvec.plumbing.text.counting import Tolerant
from charvec.reading import Options, Outcome, Sink, Source

__all__ = ["add_text", "add_texts", "is_text_codec", "is_utf16_or_32", "read_encoded", "without_surrogates"]


def is_text_codec(name: str) -> bool:
    """Whether Python has a codec of that name that turns bytes into text, and can go on behind an error."""
    try:
        info = codecs.lookup(name)
        # some (idna, punycode, undefined) cannot go on behind an error
        return getattr(info, "_is_text_encoding", True) and Tolerant(name).decode(b"", True) == ""
    except (LookupError, TypeError, ValueError, AssertionError):
        return False


def is_utf16_or_32(codec: str) -> bool:
    """Whether zero bytes are natural in texts of that codec."""
    return codecs.lookup(codec).name.startswith(("utf-16", "utf-32"))


def read_encoded(
    path: str, source: Source, sink: Sink, options: Options, codec: str, *, code: str = "W-DECODE"
) -> Outcome:
    """Pass on a text; what cannot be decoded is left out, counted and located.

    Args:
        path: for messages.
        source: the bytes; a byte order mark at their beginning is no character.
        sink: where the text goes.
        options: with ``errors`` "strict" a text with anything undecodable is left out as a whole.
        codec: name of the encoding.
        code: of the note about undecodable bytes.
    """
    strict = options.errors == "strict"
    decoder = Tolerant(_with_byte_order(codec, source.head), locate=options.errors == "skip")
    before = sink.mark(whole=True) if strict else None
    begun = False
    surrogates = 0
    for block in source:
        text = decoder.decode(block, False)
        if not begun and text:
            text, begun = text.removeprefix("\ufeff"), True
        surrogates += add_text(sink, text)
        if strict and (decoder.bad_bytes or surrogates):
            break
    else:
        surrogates += add_text(sink, decoder.decode(b"", True))
    outcome = Outcome(bad_bytes=decoder.bad_bytes)
    if decoder.first is not None:
        what = f"{count(decoder.bad_bytes, 'byte')} left out, not {codec}, the first at offset {decoder.first}"
        outcome.problems.append(Note(code, f"{path}: {what}", path, decoder.first, tuple(decoder.places)))
    if surrogates:
        message = f"{path}: {count(surrogates, 'lone surrogate')} left out: halves of characters"
        outcome.problems.append(Note(code, message, path))
    if strict and outcome.problems:
        sink.undo(before)
        where = f" at offset {decoder.first}" if decoder.first is not None else ""
        message = f"{path}: not {codec}{where}; nothing of it was counted"
        return Outcome(skipped=True, problems=[Note(code, message, path, decoder.first)])
    return outcome


def _with_byte_order(codec: str, head: bytes) -> str:
    """The codec that leaves the byte order mark to us; ``utf-16`` and ``utf-32`` without a mark are little-endian.

    Python's own fail where there is no mark.
    """
    name = codecs.lookup(codec).name
    if name == "utf-8-sig":
        return "utf-8"
    if name not in ("utf-16", "utf-32"):
        return codec
    return name + ("-be" if head.startswith("\ufeff".encode(name + "-be")) else "-le")


def add_text(sink: Sink, text: str) -> int:
    """Pass a text on; the number of lone surrogates left out, which some codecs (utf-7, unicode_escape) give."""
    try:
        sink.add_text(text)
    except UnicodeEncodeError:
        sound = without_surrogates(text)
        sink.add_text(sound)
        return len(text) - len(sound)
    return 0


def add_texts(sink: Sink, texts: list[str]) -> int:
    """Pass whole texts on; the number of lone surrogates left out."""
    try:
        sink.add_texts(texts)
    except UnicodeEncodeError:
        sound = [without_surrogates(text) for text in texts]
        sink.add_texts(sound)
        return sum(map(len, texts)) - sum(map(len, sound))
    return 0


def without_surrogates(text: str) -> str:
    """The text without surrogates, which are no characters."""
    return "".join(char for char in text if not "\ud800" <= char <= "\udfff")
