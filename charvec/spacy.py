"""Adapter: character vectors as spaCy's vectors, alone or in a pipeline. The only module that imports spacy."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from charvec.errors import MissingPackage, UsageError
from charvec.storage import as_vectors
from charvec.tables import Vocab, table
from charvec.vectors import CharVectors

try:
    from spacy.language import Language
    from spacy.strings import StringStore
    from spacy.util import OOV_RANK
    from spacy.vectors import Vectors
    from spacy.vocab import Vocab as SpacyVocab
    from thinc.api import get_current_ops
except ImportError as error:
    raise MissingPackage("E-PACKAGE", "spaCy is not installed", help='pip install "charvec[spacy]"') from error

__all__ = ["install", "vectors"]


def vectors(
    vectors: CharVectors | str | os.PathLike[str], vocab: Vocab | None = None, *, name: str = "charvec", **options: Any
) -> Vectors:
    """A ``spacy.vectors.Vectors``: every key is kept, white space and U+0000 too, which spaCy's text files lose.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        vocab: entries and their ids, which become spaCy's rows; None for the characters alone, by code point. spaCy
            gives zeros to whatever has no vector, so that it needs no rows for padding and unknown characters.
        name: what spaCy calls the table, in ``nlp.meta`` too.
        options: with a ``vocab``: ``pad``, ``unk``, ``missing`` and ``seed``, as for :func:`charvec.tables.table`.

    Returns:
        float32 rows of their own, on the device that spaCy uses: it takes no float16, and no int8. ``strings`` holds
        the keys, so that their hashes can be told.

    Raises:
        CharvecError: as :func:`charvec.tables.table`; ``E-ARGUMENT`` for options without a ``vocab``; ``E-VOCAB-IDS``
            when an entry has two ids, of which spaCy would forget one.
    """
    vectors = as_vectors(vectors, "vectors(vectors, vocab)")
    if vocab is None:
        if options:
            raise UsageError("E-ARGUMENT", f"{min(options)}= needs a vocab", help="give your vocabulary as vocab=")
        keys, rows = dict(enumerate(vectors.chars)), np.array(vectors.matrix, np.float32)
    else:
        made = table(vectors, vocab, padding_idx=None, **options)
        keys, rows = dict(made.pieces), made.matrix
        if len(set(keys.values())) != len(keys):
            raise UsageError("E-VOCAB-IDS", "an entry of the vocabulary has two ids", help="name every entry once")
    result = Vectors(strings=StringStore(list(keys.values())), data=rows, name=name)
    for row, key in keys.items():
        result.add(key, row=row)
    result.to_ops(get_current_ops())
    return result


def install(
    vectors: CharVectors | str | os.PathLike[str], nlp: Language | SpacyVocab, *, name: str = "charvec"
) -> None:
    """Give a pipeline these vectors, in place of those it has: ``token.vector``, ``doc.vector``, ``doc.similarity``.

    A token has a vector when it is a single character; ``spacy.blank("zh")`` makes such tokens. ``doc.vector`` is
    spaCy's mean over the tokens, of which those without a vector count as zeros: the direction is that of
    :meth:`CharVectors.encode`, the length may be less. White space that spaCy keeps beside a token, or joins to one
    longer token, has no vector there.

    Args:
        vectors: as :func:`charvec.load` gives them, or the path of a vector file.
        nlp: a pipeline or its ``vocab``. Components that were trained with other vectors have to be trained again.
        name: as for :func:`vectors`.

    Raises:
        UsageError: ``E-ARGUMENT`` for anything else.
    """
    target = getattr(nlp, "vocab", nlp)
    if not isinstance(target, SpacyVocab):
        raise UsageError("E-ARGUMENT", f"{type(nlp).__name__} is no pipeline", help="give nlp or nlp.vocab")
    target.vectors = _vectors(vectors, name=name)
    # ranks are rows, as spaCy sets them when it loads vectors into a pipeline
    for lexeme in target:
        lexeme.rank = target.vectors.key2row.get(lexeme.orth, OOV_RANK)


_vectors = vectors  # whose name the arguments take
