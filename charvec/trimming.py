"""Verb: a smaller model, with only the pieces that texts made of given characters can become.

Every such text has the same pieces before and after, and so the same hidden states; the row ids change, and a map of
them is written. Other tensors are copied byte for byte, piece by piece.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charvec import checkpoints
from charvec.arguments import flag, path_of
from charvec.counts import Counts, as_counts
from charvec.embedding import TokenEmbedding, as_model
from charvec.errors import CharvecError, Note, UsageError, WrongFile
from charvec.output_folder import check_folder, replacing_folder
from charvec.piece_trimming import PieceFile
from charvec.plumbing import places
from charvec.plumbing.arrays.safetensors_writer import Part
from charvec.plumbing.models.model_places import origin as place_of
from charvec.plumbing.models.trimmed_files import ids_in
from charvec.plumbing.models.trimmed_folder import OwnFile, files_in, read_json, write_rest, write_weights
from charvec.plumbing.models.vocabulary_tables import is_vocabulary_table
from charvec.plumbing.spelling.added_tokens import WithAdded
from charvec.plumbing.spelling.byte_alphabet import text_of
from charvec.plumbing.spelling.piece_closure import kept_pieces, normalised
from charvec.plumbing.spelling.tokenizer_document import Document
from charvec.plumbing.spelling.tokenizer_steps import steps
from charvec.tensor import Checkpoint, Tensor
from charvec.valueclass import dataclass
from charvec.version import __version__

__all__ = ["Trimmed", "trim"]

_UNUSED = re.compile(r"\[unused\d+\]")
#: Formats of checkpoints whose names of tensors are those of the safetensors that are written.
FORMATS = ("safetensors", "pytorch", "sharded")
#: Texts made of kept characters that are cut with both tokenizers before anything is given out.
PROBES = 200


@dataclass(frozen=True)
class Trimmed:
    """What became of a model.

    Attributes:
        folder: where it is.
        old_ids: int64 [n]: the old row id of each new one.
        pieces: number of pieces before.
        cut: names of the tensors that lost rows.
        old_bytes: bytes of all tensors before.
        new_bytes: and after.
        files: what the folder holds.
        characters: characters the model keeps, after its normaliser.
        notes: what was not copied.
    """

    folder: str
    old_ids: NDArray[np.int64]
    pieces: int
    cut: tuple[str, ...]
    old_bytes: int
    new_bytes: int
    files: tuple[str, ...]
    characters: int
    notes: tuple[Note, ...] = ()


def trim(
    model: TokenEmbedding | str | os.PathLike[str],
    counts: Counts | Mapping[str, int],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    unused: bool = False,
) -> Trimmed:
    """Write a folder with a smaller copy of a model.

    Kept are: special and added tokens, all single bytes, and every piece that a text made of characters of ``counts``
    can become. The new ids are in the order of the old. For every such text the new tokenizer gives the same pieces;
    that is proven on random ones before the folder gets its name.

    Args:
        model: as :func:`charvec.open` gives it, from a Hugging Face folder; or the path of that.
        counts: the characters to keep, as :func:`charvec.scan` gives them.
        out: the folder to write.
        overwrite: replace the folder when it exists.
        unused: keep pieces such as ``[unused1]``.

    Raises:
        WrongFile: ``E-TRIM-TOKENIZER`` for a kind of tokenizer that cannot be trimmed; ``E-TRIM-TENSOR`` for a tensor
            that cannot be copied, or of which it is unknown whether it belongs to the vocabulary, and for checkpoints
            of other frameworks.
        OutputError, PermissionDenied, ReadWriteError: as :mod:`charvec.output_folder`; a folder is replaced only when a
            trimmed model was written to it, and nothing else lies in it.
        UsageError: ``E-ARGUMENT`` for anything else than a model or counts, such as the path of a sample.
        CharvecError: as the readers of checkpoints and vocabularies.
    """
    call = "trim(model, counts, out)"
    counts, model = as_counts(counts, call), as_model(model, call)
    source = places.parent(model.checkpoint.path)
    out, overwrite, unused = path_of(out, call), flag(overwrite, "overwrite"), flag(unused, "unused")
    there = _written(out)
    check_folder(out, there, overwrite=overwrite, inputs=model.files)
    if model.checkpoint.format not in FORMATS:
        raise WrongFile(
            "E-TRIM-TENSOR",
            f"{model.checkpoint.path} is a checkpoint of the format {model.checkpoint.format}; what is written are "
            "safetensors under the same names, by which no program would load it",
            path=model.checkpoint.path,
            help="convert it to a folder of transformers first; in that the tensors have its names",
        )
    config = read_json(places.join(source, "config.json"))
    tokenizer = PieceFile.of(model.vocabulary) or _document(model)
    written: Document | OwnFile
    if isinstance(tokenizer, PieceFile):
        chars = tokenizer.characters(counts)
        kept, old_ids = tokenizer.kept(chars, _named(config, source), model.tensor.rows)
        written = OwnFile(tokenizer.name, tokenizer.smaller(kept), tokenizer.pieces, tokenizer.told)
        size = len(tokenizer.pieces)
    else:
        chars = _characters(tokenizer, counts)
        old_ids = _old_ids(model, tokenizer, chars, config, source, unused)
        written, size = tokenizer, _size(tokenizer)
    shards = _shards(model.checkpoint)
    parts, cut = _parts(model, shards, old_ids, config)
    with replacing_folder(out, there, overwrite=overwrite) as temporary:
        new_bytes = write_weights(parts, temporary)
        origin = _origin(model, old_ids, chars)
        notes = write_rest(written, old_ids, model.tensor.rows, source, temporary, origin)
        if isinstance(tokenizer, PieceFile):
            tokenizer.prove(model.vocabulary, old_ids, model.tensor.rows, counts, temporary)
        else:
            _prove(tokenizer, old_ids, counts, temporary)
    old_bytes = sum(tensor.nbytes for tensors in shards.values() for tensor in tensors)
    files = tuple(files_in(out))
    return Trimmed(out, old_ids, size, tuple(cut), old_bytes, new_bytes, files, len(chars), tuple(notes))


def _written(out: str) -> set[str]:
    """Names in a folder that hold what :func:`trim` wrote and nothing else, by its own account; they may be replaced.

    What somebody put there since, such as a model that was trained further, is not among them.
    """
    try:
        account = read_json(os.path.join(out, "trimming.json")) if os.path.isdir(out) else None
    except CharvecError:
        return set()
    written = account.get("files") if isinstance(account, dict) else None
    if not isinstance(written, list) or not all(isinstance(name, str) for name in written):
        return set()
    foreign = {name for name in files_in(out) if name not in set(written)}
    return {name.split("/")[0] for name in written} - {name.split("/")[0] for name in foreign}


def _document(model: TokenEmbedding) -> Document:
    """The tokenizer of a model.

    Raises:
        WrongFile: ``E-TRIM-TOKENIZER``.
    """
    speller: Any = model.vocabulary.spell
    document = getattr(speller, "document", None)
    if isinstance(document, Document):
        return document
    pieces, settings = getattr(speller, "pieces", None), getattr(speller, "settings", None)
    if model.vocabulary.kind != "wordpiece" or not isinstance(pieces, dict) or not isinstance(settings, Mapping):
        raise WrongFile(
            "E-TRIM-TOKENIZER",
            f"{model.vocabulary.path}: {_kind(model)} cannot be trimmed",
            path=model.vocabulary.path,
            help="BERT's vocab.txt, tokenizer.json, SentencePiece files whose places are rows, and vocab.json with "
            "merges.txt can; transformers converts most tokenizers to tokenizer.json: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    return Document.of(
        {
            "model": {
                "type": "WordPiece",
                "vocab": pieces,
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
            },
            "normalizer": {"type": "BertNormalizer", **settings},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "added_tokens": [
                {"id": row, "content": piece, "special": True}
                for piece, row in pieces.items()
                if piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
            ],
        },
        model.vocabulary.path,
    )


def _kind(model: TokenEmbedding) -> str:
    """What a vocabulary is that cannot be trimmed."""
    if isinstance(model.vocabulary.spell, WithAdded):
        return "a list of pieces to which characters were added in another file"
    if model.vocabulary.kind == "wordpiece":  # in the words of a dictionary, which no tokenizer of ours cuts
        return "a vocabulary of BertJapaneseTokenizer"
    return f"a vocabulary of kind {model.vocabulary.kind}"


def _size(document: Document) -> int:
    return len({*document.pieces.values(), *(token.row for token in document.added)})


def _characters(document: Document, counts: Counts) -> set[str]:
    """What the normaliser makes of the characters to keep."""
    normalizer = document.build(inside=False).normalizer
    return normalised(counts, normalizer.normalize_str if normalizer is not None else str)


def _old_ids(
    model: TokenEmbedding, document: Document, chars: set[str], config: Any, source: str, unused: bool
) -> NDArray[np.int64]:
    """Row ids that stay, ascending: int64 [n]."""
    kept = kept_pieces(document, chars)
    kept -= _never_emitted(document, kept)
    if not unused:
        kept = {piece for piece in kept if not _UNUSED.fullmatch(piece)}
    else:
        kept |= {piece for piece in document.pieces if _UNUSED.fullmatch(piece)}
    ids = {document.pieces[piece] for piece in kept} | {token.row for token in document.added}
    ids |= {row for row in _named(config, source) if row in set(document.pieces.values())}
    rows = model.tensor.rows
    return np.array(sorted(row for row in ids if row < rows), np.int64)


def _named(config: Any, source: str) -> set[int]:
    """Row ids that the configurations of a folder name."""
    named = ids_in(config) | ids_in(read_json(places.join(source, "generation_config.json")))
    return named | ids_in(read_json(places.join(source, "tokenizer_config.json")))


def _never_emitted(document: Document, pieces: set[str]) -> set[str]:
    """Pieces of several characters with an ideograph, where the normaliser makes each ideograph a word of its own."""
    apart = any(
        step.get("type") == "BertNormalizer" and step.get("handle_chinese_chars") for step in steps(document.normalizer)
    )
    if document.type != "WordPiece" or not apart:
        return set()
    normalize = document.build(inside=False).normalizer.normalize_str
    alone = {char for piece in pieces for char in piece if normalize(char) == f" {char} "}
    return {piece for piece in pieces if len(piece) > 1 and not alone.isdisjoint(piece)}


def _shards(checkpoint: Checkpoint) -> dict[str, list[Tensor]]:
    """Tensors by the file of weights they go into, in the order of the checkpoint."""
    if not checkpoint.parts:
        return {"model.safetensors": list(checkpoint.tensors.values())}
    shards = {}
    count = len(set(checkpoint.parts.values()))
    for number, path in enumerate(dict.fromkeys(checkpoint.parts.values()), 1):
        opened = checkpoints.read(path)
        name = f"model-{number:05d}-of-{count:05d}.safetensors" if count > 1 else "model.safetensors"
        shards[name] = [tensor for tensor in opened.tensors.values() if checkpoint.parts.get(tensor.name) == path]
    return shards


def _parts(
    model: TokenEmbedding, shards: Mapping[str, Sequence[Tensor]], old_ids: NDArray[np.int64], config: Any
) -> tuple[dict[str, list[Part]], list[str]]:
    """What is written of each tensor, and the names of those that lose rows.

    Raises:
        WrongFile: ``E-TRIM-TENSOR``.
    """
    rows = model.tensor.rows
    # other sizes of the model that happen to be as large as its vocabulary
    sizes = {value for key, value in _numbers(config) if key != "vocab_size"}
    cut = []
    parts: dict[str, list[Part]] = {}
    for file, tensors in shards.items():
        parts[file] = []
        for tensor in tensors:
            axes = [axis for axis, size in enumerate(tensor.shape) if size == rows]
            if tensor.name == model.tensor.name or (axes and is_vocabulary_table(tensor.name)):
                parts[file].append(Part(tensor, axes[0], old_ids))
                cut.append(tensor.name)
                continue
            if axes and rows not in sizes:
                raise WrongFile(
                    "E-TRIM-TENSOR",
                    f"tensor {tensor.name!r} of shape {list(tensor.shape)} is as long as the vocabulary; whether it "
                    "belongs to it is unknown",
                    path=next(iter(tensor.paths), None),
                    help="please report the architecture; its model would not load with a shorter vocabulary",
                )
            parts[file].append(Part(tensor))
    return parts, cut


def _numbers(value: Any) -> list[tuple[str, int]]:
    """Every integer of a configuration with its key."""
    if not isinstance(value, dict):
        return []
    found = [(key, number) for key, number in value.items() if type(number) is int]
    return found + [pair for inner in value.values() for pair in _numbers(inner)]


def _origin(model: TokenEmbedding, old_ids: NDArray[np.int64], chars: set[str]) -> dict[str, Any]:
    """Where the smaller model comes from. No times, no paths: the same inputs give the same bytes."""
    return {
        "charvec": __version__,
        "source": {
            **place_of(model.checkpoint.path),
            "files": {places.base_name(path): size for path, size in sorted(model.checkpoint.files.items())},
            "header_blake2b": model.checkpoint.header_digest,
            "tensor": model.tensor.name,
            "rows": model.tensor.rows,
        },
        "vocabulary": {"kind": model.vocabulary.kind, "blake2b": model.vocabulary.digest},
        "pieces": len(old_ids),
        "characters": len(chars),
    }


def _prove(document: Document, old_ids: NDArray[np.int64], counts: Counts, folder: str) -> None:
    """Random texts of kept characters become the same pieces with the tokenizer that was written.

    Raises:
        WrongFile: ``E-TRIM-TOKENIZER``.
    """
    from charvec import vocabularies

    speller: Any = vocabularies.read(vocabularies.locate(folder)).spell
    written = getattr(speller, "document", None)
    if not isinstance(written, Document):
        pieces = {piece: place for place, piece in enumerate(_pieces_of(document, old_ids))}
        written = Document.of(
            {
                "model": {**document.model, "type": document.type, "vocab": pieces},
                "normalizer": {"type": "BertNormalizer", **speller.settings},
                "pre_tokenizer": document.pre_tokenizer,
                "added_tokens": [],
            },
            document.path,
        )
    old, new = document.build(inside=False), written.build(inside=False)
    generator = random.Random(len(old_ids))
    chars, words = [*counts, " "], _words(document, {*counts, " "})
    for number in range(PROBES if len(counts) else 0):
        parts = words if number % 2 and words else chars
        text = "".join(generator.choices(parts, k=generator.randrange(1, 40 if parts is chars else 10)))
        before, after = old.encode(text).tokens, new.encode(text).tokens
        if before != after:
            raise WrongFile(
                "E-TRIM-TOKENIZER",
                f"the trimmed tokenizer cuts {text!r} in another way; nothing was written",
                path=document.path,
                found=f"{before[:12]} became {after[:12]}",
                help="please report this tokenizer; it has rules that charvec does not know",
            )


def _words(document: Document, known: set[str]) -> list[str]:
    """Texts of kept characters that are pieces of the old model: characters by chance are rarely any."""
    prefix = str(document.model.get("continuing_subword_prefix") or "")
    texts = (
        text_of(piece)
        if document.byte_level
        else piece.removeprefix(prefix).removesuffix(document.suffix).replace("▁", " ")
        for piece in document.pieces
    )
    return [text for text in texts if text and known.issuperset(text)]


def _pieces_of(document: Document, old_ids: NDArray[np.int64]) -> list[str]:
    pieces = {row: piece for piece, row in document.pieces.items()}
    return [pieces[row] for row in old_ids.tolist()]


def check_counts(counts: Counts) -> None:
    """Refuse to trim a model to nothing.

    Raises:
        UsageError: ``E-COUNTS``.
    """
    if not len(counts):
        raise UsageError("E-COUNTS", "the samples hold no character", help="name samples with text")
