"""``tokenizer.json`` of the ``tokenizers`` library: WordPiece, BPE over bytes or characters, Unigram and WordLevel.

Normaliser, pre-tokenizer, added tokens and model do what the file says, by that library; padding, truncation and the
special tokens around a text play no part. The row ids are the ids of the file.
"""

from __future__ import annotations

import re

from charvec.plumbing.digests import blake2b
from charvec.plumbing.files import File
from charvec.plumbing.spelling.tokenizer_casing import apply_casing
from charvec.plumbing.spelling.tokenizer_document import Document, parse_whole
from charvec.plumbing.spelling.tokenizer_spelling import TokenizerSpeller
from charvec.plumbing.spelling.tokenizer_steps import steps
from charvec.plumbing.spelling.wordpieces import MAX_WORD, WordPiece
from charvec.vocabulary import Vocabulary

__all__ = ["NAME", "read", "sniff"]

NAME = "tokenizer-json"

_KEYS = b"added_tokens|truncation|padding|normalizer|pre_tokenizer|post_processor|decoder|model"
_DOCUMENT = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{(?s:.*?)"(?:' + _KEYS + rb')"\s*:\s*(?:null|[{\[])')


def sniff(file: File) -> bool:
    """A JSON object near whose beginning stands a part of a tokenizer."""
    return _DOCUMENT.match(file.head) is not None


def read(file: File, lowercase: bool | None = None) -> Vocabulary:
    """Read it.

    Args:
        file: the file; of what lies beside it only ``tokenizer_config.json`` matters, and only to BERT's normaliser.
        lowercase: whether BERT's normaliser lower-cases, unless None.

    Raises:
        DamagedFile: ``E-TOKENIZER``; ``E-JSON-DUPKEY``; ``E-TRUNCATED``.
        WrongFile: ``E-TOO-LARGE``.
        UsageError: ``E-CASING`` when ``lowercase`` is said of a tokenizer without BERT's normaliser.
    """
    path = file.path
    value, data = parse_whole(file)
    document = Document.of(value, path)
    document, settings, files, notes = apply_casing(document, lowercase)
    berts = {key: value for key, value in settings.items() if not isinstance(value, str)}
    return Vocabulary(
        path,
        document.kind,
        document.size,
        blake2b(data, digest_size=32).hexdigest(),
        WordPiece(document.pieces, berts) if _is_berts(document) else TokenizerSpeller(document),
        settings,
        (path, *files),
        (*document.notes, *notes),
        document.extended,
    )


def _is_berts(document: Document) -> bool:
    """Whether it is BERT's own pipeline in every part, of which more is certain without the library."""
    parts = document.normalizer, document.pre_tokenizer
    model = document.model
    return (
        document.type == "WordPiece"
        and [[step.get("type") for step in steps(part)] for part in parts] == [["BertNormalizer"], ["BertPreTokenizer"]]
        and model.get("continuing_subword_prefix", "##") == "##"
        and model.get("max_input_chars_per_word", MAX_WORD) == MAX_WORD
        and all(token.special and len(token.content) > 1 for token in document.added)
    )
