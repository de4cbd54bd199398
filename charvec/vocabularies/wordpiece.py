"""WordPiece: BERT's ``vocab.txt``, one piece a line, the line number is the row id."""

from __future__ import annotations

import re

from charvec.errors import Note, WrongFile
from charvec.plumbing import places
from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.added_tokens import extent, read_added, with_added
from charvec.plumbing.spelling.japanese import Japanese, composes
from charvec.plumbing.spelling.normalizer import Normalizer, read_normalizer
from charvec.plumbing.spelling.piece_lists import read_lines, row_notes
from charvec.plumbing.spelling.wordpieces import WordPiece, decide_casing
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "wordpiece"

#: Tokenizers whose ``vocab.txt`` looks like BERT's, though their pieces are SentencePiece's.
ELSEWHERE = ("ErnieM",)

_SPECIAL_LINE = re.compile(rb"^(?:\xef\xbb\xbf)?\[(?:PAD|UNK|CLS|SEP|MASK)\]\r?$", re.MULTILINE)


def sniff(file: File) -> bool:
    """A text one of whose first lines is a special token of BERT."""
    return b"\0" not in file.head and _SPECIAL_LINE.search(file.head) is not None


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read ``vocab.txt`` and, beside it, how its tokenizer normalises text.

    Raises:
        WrongFile: ``E-TOKENIZER-KIND`` when it belongs to a tokenizer that is not BERT's.
        CharvecError: as :func:`charvec.plumbing.spelling.piece_lists.read_lines` and
            :func:`charvec.plumbing.spelling.normalizer.read_normalizer`.
    """
    path = file.path
    data, lines = read_lines(file)
    # Of a piece that stands twice the last line wins, as in every BERT implementation.
    pieces = dict(zip(lines, range(len(lines)), strict=True))
    normalizer = read_normalizer(path)
    if normalizer.tokenizer in ELSEWHERE:
        raise WrongFile(
            "E-TOKENIZER-KIND",
            f"{path} belongs to the tokenizer {normalizer.tokenizer}, which does not do with text what BERT's does",
            path=path,
            help="name the model's tokenizer.json with --vocab, if it has one",
        )
    japanese = None
    if normalizer.tokenizer == "BertJapanese":
        japanese = _japanese(normalizer, pieces, lowercase, path)
    why = decide_casing(normalizer, pieces, lowercase)
    settings = normalizer.settings
    casing = "uncased" if settings["lowercase"] else "cased"
    rows = [(piece, row) for row, piece in enumerate(lines)] if len(pieces) < len(lines) else []
    added = read_added(places.parent(path), normalizer.config, normalizer.files)
    notes = [*row_notes(path, rows, pieces), *normalizer.notes]
    notes.append(Note("N-CASING", f"the vocabulary is {casing}: {why}", path))
    return Vocabulary(
        path,
        NAME,
        len(lines),
        blake2b(data, digest_size=32).hexdigest(),
        with_added(japanese or WordPiece(pieces, settings), added),
        settings if japanese is None else {"normalizer": "NFKC", "lowercase": settings["lowercase"]},
        (path, *normalizer.files),
        tuple(notes),
        extent(added),
        unused=_unused(pieces) if b"[unused" in data else (),
    )


def _japanese(normalizer: Normalizer, pieces: dict[str, int], lowercase: bool | None, path: str) -> Japanese | None:
    """How a BertJapanese tokenizer spells; None where it does as BERT, but for some settings.

    Raises:
        WrongFile: ``E-TOKENIZER-KIND`` when the list of pieces is not what its words are cut into.
    """
    config, settings = normalizer.config, normalizer.settings
    if settings["lowercase"] is None:
        settings["lowercase"], normalizer.origin = False, "the tokenizer's class"
    words, parts = config.get("word_tokenizer_type", "basic"), config.get("subword_tokenizer_type", "wordpiece")
    basic = words == "basic" and config.get("do_word_tokenize") is not False
    if parts not in ("wordpiece", "character") or (basic and parts == "character"):
        raise WrongFile(
            "E-TOKENIZER-KIND",
            f"{path} belongs to a Japanese tokenizer of {str(words)[:40]!r} words in {str(parts)[:40]!r} pieces",
            path=path,
            found="charvec follows WordPiece, and characters of the words of MeCab, Sudachi and Juman++",
            help="name spiece.model with --vocab, if that is what cuts the words",
        )
    if basic:
        settings["handle_chinese_chars"] = False
        return None
    options = config.get(f"{words}_kwargs") if isinstance(words, str) else None
    options = options if isinstance(options, dict) else {}
    if options.get("sudachi_projection") not in (None, "surface"):
        raise WrongFile(
            "E-TOKENIZER-KIND",
            f"{path} belongs to a Japanese tokenizer that writes other words for those of a text",
            path=path,
            found=f"sudachi_projection is {str(options['sudachi_projection'])[:40]!r}",
            help="a character has no row of its own in such a model",
        )
    return Japanese(
        pieces,
        lowercase=bool(settings["lowercase"] if lowercase is None else lowercase),
        composed=composes(config),
        characters=parts == "character",
    )


def _unused(pieces: dict[str, int]) -> tuple[int, ...]:
    """Rows of ``[unused0]``, ``[unused1]`` and so on, ascending; they are numbered without a gap."""
    rows = [pieces["[unused0]"]] if "[unused0]" in pieces else []
    for number in range(1, len(pieces)):
        row = pieces.get(f"[unused{number}]")
        # a few lines may have been lost
        if row is None and not any(f"[unused{number + step}]" in pieces for step in range(1, 5)):
            break
        if row is not None:
            rows.append(row)
    return tuple(sorted(rows))
