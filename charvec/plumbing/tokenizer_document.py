"""Plumbing: ``tokenizer.json``, checked before the ``tokenizers`` library sees it, and as that library shall see it.

Layout: the serialisation of ``tokenizers`` (``Tokenizer.to_str``): ``model`` with its ``vocab``, ``added_tokens``,
``normalizer`` and ``pre_tokenizer``; the rest (``truncation``, ``padding``, ``post_processor``, ``decoder``) plays no
part in what a single character becomes, and never reaches the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from charvec.errors import CharvecError, DamagedFile, Note, WrongFile
from charvec.plumbing.files import File
from charvec.plumbing.normalizer import MAX_BYTES, MAX_DIGITS
from charvec.plumbing.safejson import parse
from charvec.valueclass import dataclass

__all__ = ["Added", "Document", "guarded", "parse_whole", "refuse", "steps", "without_edges"]

#: Limits against hostile files; the largest published vocabularies have about 1,000,000 pieces.
MAX_PIECES = 5_000_000
#: No matrix has more rows.
MAX_ID = 2**31
#: Steps of a normaliser or pre-tokenizer, and sequences of them inside each other; published ones have up to 60 and 2.
MAX_STEPS = 200
MAX_DEPTH = 10
#: Most characters of a pattern; those of published models have up to 500.
MAX_PATTERN = 10_000
#: How many characters the replacements of a normaliser may make of one, if all of them applied in turn.
MAX_GROWTH = 1_000_000

#: The unknown token of a vocabulary that has none: no text that one character becomes is as long.
STRANGER = "\U0010ffffunknown\U0010ffff" * 100

#: How the model is named in vector files, by its type.
KINDS = {"WordPiece": "wordpiece", "WordLevel": "wordlevel", "BPE": "bpe", "Unigram": "unigram"}


def refuse(path: str, problem: str, help: str = "download the file again") -> NoReturn:
    """Raise DamagedFile ``E-TOKENIZER``."""
    raise DamagedFile("E-TOKENIZER", f"{path}: {problem}", path=path, help=help)


def parse_whole(file: File) -> tuple[Any, bytes]:
    """The JSON of a file, and its bytes.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
    """
    if file.size > MAX_BYTES:
        raise WrongFile(
            "E-TOO-LARGE",
            f"{file.path} has {file.size:,} bytes; a tokenizer has less than {MAX_BYTES:,}",
            path=file.path,
            help="check that it is the file you meant",
        )
    data = file.pread(0, file.size)
    return parse(data, file.path, code="E-TOKENIZER", what="tokenizer", digits=MAX_DIGITS), data


@dataclass(frozen=True)
class Added:
    """A token added to the vocabulary, which is looked for before the text is normalised and cut."""

    content: str
    row: int
    special: bool
    #: For the library, as it stands in the file.
    entry: dict[str, Any]


@dataclass(frozen=True)
class Document:
    """A tokenizer.

    Attributes:
        path: the file, for messages.
        type: ``WordPiece``, ``WordLevel``, ``BPE`` or ``Unigram``.
        model: the model as it stands in the file.
        pieces: piece -> row id of the model's own vocabulary.
        added: tokens added to it.
        normalizer, pre_tokenizer: as they stand in the file, None where there is none.
        notes: remarks for the user.
    """

    path: str
    type: str
    model: dict[str, Any]
    pieces: dict[str, int]
    added: tuple[Added, ...]
    normalizer: Any
    pre_tokenizer: Any
    notes: tuple[Note, ...] = ()

    @staticmethod
    def of(value: Any, path: str) -> Document:
        """From the parsed JSON.

        Raises:
            DamagedFile: ``E-TOKENIZER``, saying what is wrong.
        """
        if not isinstance(value, dict):
            refuse(path, "not a JSON object")
        model = value.get("model")
        if not isinstance(model, dict):
            refuse(path, "it has no model", "name the tokenizer.json that was published with the checkpoint")
        kind = _type_of(model, path)
        rows = _rows(model.get("vocab"), path, kind)
        pieces = dict(rows)
        if kind == "BPE":
            _check_merges(model, pieces, path)
        added = tuple(_added(value.get("added_tokens"), path))
        normalizer, pre_tokenizer = value.get("normalizer"), value.get("pre_tokenizer")
        _check_steps(normalizer, path, "normalizer")
        _check_steps(pre_tokenizer, path, "pre_tokenizer")
        notes = _row_notes(rows, pieces, path)
        return Document(path, kind, model, pieces, added, normalizer, pre_tokenizer, notes)

    @property
    def size(self) -> int:
        """One more than the largest row id of the model's own vocabulary."""
        return max(self.pieces.values()) + 1

    @property
    def extended(self) -> int:
        """One more than the largest row id of the added tokens; 0 without any."""
        return max((token.row + 1 for token in self.added), default=0)

    @property
    def settings(self) -> dict[str, str]:
        """What decides the spelling besides the pieces, for vector files: the steps, without their arguments."""
        parts = {"normalizer": self.normalizer, "pre_tokenizer": self.pre_tokenizer}
        return {
            name: "+".join(str(step.get("type"))[:40] for step in steps(part)) or "none" for name, part in parts.items()
        }

    @property
    def byte_level(self) -> bool:
        """Whether texts are cut as bytes, in the alphabet of GPT-2."""
        return any(
            step.get("type") == "ByteLevel" for part in (self.normalizer, self.pre_tokenizer) for step in steps(part)
        )

    @property
    def byte_fallback(self) -> bool:
        """Whether a character without a piece becomes pieces of one byte, ``<0x0A>``."""
        return self.model.get("byte_fallback") is True

    @property
    def kind(self) -> str:
        """Name of the kind in vector files, e.g. ``byte-level bpe``."""
        return ("byte-level " if self.byte_level else "") + KINDS[self.type]

    @property
    def suffix(self) -> str:
        """What stands behind the last piece of a word, ``</w>`` in CLIP; "" mostly."""
        return str(self.model.get("end_of_word_suffix") or "") if self.type == "BPE" else ""

    @property
    def unknown(self) -> int | None:
        """The row id of the unknown token, if the vocabulary has one."""
        if self.type == "Unigram":
            row: int | None = self.model.get("unk_id")
            return row
        return self.pieces.get(self.model.get("unk_token") or "")

    def build(self, *, inside: bool) -> Any:
        """The tokenizer, by the ``tokenizers`` library: what it makes of a text without special tokens.

        Args:
            inside: leave out what is done at the edges of texts and words only, see :func:`without_edges`.

        Raises:
            DamagedFile: ``E-TOKENIZER`` when the library refuses it.
        """
        from tokenizers import Tokenizer

        normalizer, pre_tokenizer = self.normalizer, self.pre_tokenizer
        if inside:
            normalizer, pre_tokenizer = without_edges(normalizer), without_edges(pre_tokenizer)
        lean = {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": self._added_tokens(),
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": None,
            "decoder": None,
            "model": self._model(inside),
        }
        with guarded(self.path):
            return Tokenizer.from_str(json.dumps(lean, ensure_ascii=False))

    def _added_tokens(self) -> list[dict[str, Any]]:
        """Without the special ones, which are never text.

        One that stands behind the vocabulary leaves a placeholder that no text can match, because the library numbers
        those tokens in turn.
        """
        return [
            token.entry if not token.special else {**token.entry, "content": f"\U0010ffff{token.row}\U0010ffff"}
            for token in self.added
            if not token.special or token.content not in self.pieces
        ]

    def _model(self, inside: bool) -> dict[str, Any]:
        """The model as it stands in the file, but without chance, and with an unknown token where it would stumble."""
        model = {"type": self.type, **self.model}
        if self.type == "BPE":
            model["dropout"] = None
            if self.unknown is None:
                model["unk_token"] = None
            if inside:
                model["end_of_word_suffix"] = None
        elif self.unknown is None:
            if self.type == "Unigram":
                lowest = min(score for _, score in model["vocab"])
                model["unk_id"] = len(model["vocab"])
                model["vocab"] = [*model["vocab"], [STRANGER, lowest]]
            else:
                model["vocab"] = {**model["vocab"], STRANGER: self.size}
                model["unk_token"] = STRANGER
        return model


@contextmanager
def guarded(path: str) -> Iterator[None]:
    """Turn whatever the library raises, its panics too, into DamagedFile ``E-TOKENIZER``."""
    try:
        yield
    except (CharvecError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust code is no Exception
        refuse(
            path,
            f"the tokenizers library cannot use it: {str(error)[:200]}",
            "download the file again; one that is newer than the library needs `pip install -U tokenizers`",
        )


def steps(part: Any) -> Iterator[dict[str, Any]]:
    """The steps of a normaliser or pre-tokenizer in their order, those inside sequences one by one."""
    stack = [part]
    while stack:
        step = stack.pop()
        inner = inside_of(step)
        if inner is not None:
            stack += reversed(inner)
        elif isinstance(step, dict):
            yield step


def inside_of(step: Any) -> list[Any] | None:
    """The steps of a sequence; None for anything else."""
    if not isinstance(step, dict) or step.get("type") != "Sequence":
        return None
    inner = step.get("normalizers", step.get("pretokenizers"))
    return inner if isinstance(inner, list) else None


#: Steps that concern the edges of a text only.
_EDGES = ("Prepend", "Strip")


def without_edges(part: Any) -> Any:
    """A normaliser or pre-tokenizer that does to a lone character what the model's own does inside running text.

    The blank that is put before a text (``Prepend``, ``Metaspace``, ``ByteLevel``) and the stripping of white space
    around it (``Strip``) are left out.
    """
    changed = []
    for step in steps(part):
        kind = step.get("type")
        if kind in _EDGES:
            continue
        if kind == "Metaspace":
            step = {**step, "add_prefix_space": False, "prepend_scheme": "never"}
        elif kind == "ByteLevel" and "add_prefix_space" in step:
            step = {**step, "add_prefix_space": False}
        changed.append(step)
    if len(changed) < 2:
        return changed[0] if changed else None
    inner = "pretokenizers" if isinstance(part, dict) and "pretokenizers" in part else "normalizers"
    return {"type": "Sequence", inner: changed}


def _type_of(model: dict[str, Any], path: str) -> str:
    """The type of a model; files of before 2021 do not say it."""
    kind = model.get("type")
    if kind is None:
        if "merges" in model:
            kind = "BPE"
        elif isinstance(model.get("vocab"), list):
            kind = "Unigram"
        else:
            kind = "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"
    if kind not in KINDS:
        refuse(path, f"a model of the type {str(kind)[:40]!r}; known are {', '.join(KINDS)}", "upgrade charvec")
    if kind == "BPE":
        merges = model.get("merges")
        if not isinstance(merges, list) or len(merges) > 2 * MAX_PIECES:
            refuse(path, "the merges are no list")
        if not all(merge.count(" ") == 1 if isinstance(merge, str) else _is_pair(merge) for merge in merges):
            refuse(path, "some merge is not two pieces")
    if kind == "Unigram":
        unknown = model.get("unk_id")
        if unknown is not None and not (type(unknown) is int and 0 <= unknown < len(model.get("vocab") or ())):
            refuse(path, f"the unknown token is at {str(unknown)[:40]}, where the vocabulary has no piece")
    elif not isinstance(model.get("unk_token"), (str, type(None))):
        refuse(path, "the unknown token is no text")
    return str(kind)


def _check_merges(model: dict[str, Any], pieces: dict[str, int], path: str) -> None:
    """Refuse merges of another vocabulary."""
    prefix = len(str(model.get("continuing_subword_prefix") or ""))
    for merge in model["merges"]:
        first, second = merge.split(" ") if isinstance(merge, str) else merge
        if first not in pieces or second not in pieces or first + second[prefix:] not in pieces:
            refuse(
                path,
                f"the merge of {first[:40]!r} and {second[:40]!r} is not in the vocabulary",
                "vocabulary and merges belong to different models, or one was edited; download them together again",
            )


def _is_pair(merge: Any) -> bool:
    return isinstance(merge, list) and len(merge) == 2 and isinstance(merge[0], str) and isinstance(merge[1], str)


def _rows(vocab: Any, path: str, kind: str) -> list[tuple[str, int]]:
    """Pieces and their row ids, in the order of the file."""
    if kind == "Unigram":
        if not isinstance(vocab, list):
            refuse(path, "the vocabulary is no list of pieces and scores")
        for entry in vocab:
            if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and _finite(entry[1])):
                refuse(path, f"{str(entry)[:80]!r} is no piece with its score")
        rows = [(piece, row) for row, (piece, _) in enumerate(vocab)]
    else:
        if not isinstance(vocab, dict):
            refuse(path, "the vocabulary is no object of pieces and ids")
        for piece, row in vocab.items():
            if type(row) is not int or not 0 <= row < MAX_ID:
                refuse(path, f"the id of {piece[:80]!r} is {str(row)[:40]}, no row of a matrix")
        rows = list(vocab.items())
    if not rows or len(rows) > MAX_PIECES:
        refuse(path, f"a vocabulary of {len(rows):,} pieces")
    return rows


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _added(entries: Any, path: str) -> Iterator[Added]:
    if entries is None:
        return
    if not isinstance(entries, list) or len(entries) > MAX_PIECES:
        refuse(path, "added_tokens is no list")
    for entry in entries:
        content, row = (entry.get("content"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        if not isinstance(content, str) or type(row) is not int or not 0 <= row < MAX_ID:
            refuse(path, f"{str(entry)[:80]!r} is no added token with its id")
        switches = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        yield Added(content, row, entry.get("special") is True, {**switches, **entry})


def _row_notes(rows: list[tuple[str, int]], pieces: dict[str, int], path: str) -> tuple[Note, ...]:
    owners: dict[int, str] = {}
    shared = []
    for piece, row in pieces.items():
        if owners.setdefault(row, piece) is not piece:
            shared.append(f"{owners[row]!r} and {piece!r} have row {row}")
    shared += [f"{piece!r} at rows {row} and {pieces[piece]}" for piece, row in rows if pieces[piece] != row]
    if not shared:
        return ()
    more = f" and {len(shared) - 5} more" if len(shared) > 5 else ""
    return (Note("W-VOCAB-DUP", f"{path}: rows or pieces that stand twice: {', '.join(shared[:5])}{more}", path),)


def _check_steps(part: Any, path: str, name: str) -> None:
    """Refuse what could make the library eat the machine: patterns and replacements without measure."""
    if part is None:
        return
    if not isinstance(part, dict):
        refuse(path, f"the {name} is no object")
    level, depth = [part], 0
    while level := [step for each in level for step in inside_of(each) or ()]:
        depth += 1
        if depth > MAX_DEPTH or len(level) > MAX_STEPS:
            refuse(path, f"the {name} has too many steps")
    growth = 1
    for count, step in enumerate(steps(part)):
        pattern = step.get("pattern")
        form = next(iter(pattern.values()), "") if isinstance(pattern, dict) else ""
        if count >= MAX_STEPS or not isinstance(form, str) or len(form) > MAX_PATTERN:
            refuse(path, f"the {name} has too many steps, or a pattern that is too long")
        content = step.get("content", "")
        if isinstance(content, str):
            longest = len(form) if isinstance(pattern, dict) and "String" in pattern else 1
            growth *= max(1, -(-len(content) // max(1, longest)))
        if growth > MAX_GROWTH:
            refuse(path, f"the {name} can make more than {MAX_GROWTH:,} characters of one")
