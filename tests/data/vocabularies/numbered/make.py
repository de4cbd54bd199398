"""Writes the lists beside it, and those in ``../word-ids`` and ``../word-list``, with pandas and tokenizers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
from tokenizers.models import WordLevel, WordPiece

HERE = Path(__file__).resolve().parent
TEXTS = HERE.parents[3] / "samples" / "texts"


def main() -> None:
    """Write all of them."""
    chars = dict.fromkeys("".join((TEXTS / name).read_text("utf-8") for name in ("simplified.txt", "japanese.txt")))
    pieces = [char for char in chars if not char.isspace()][:400]
    pieces += ["\u3000", "\u2028", "\u00a0", "😂", "𠀀", "中国"]
    plain = pd.Series(range(len(pieces)), index=["<PAD>", "<UNK>", *pieces[2:]])
    plain.to_csv(HERE / "piece_id.tsv", sep="\t", header=False)
    bert = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *pieces, *(f"##{piece}" for piece in pieces[:100])]
    pd.Series(range(len(bert)), index=bert).to_csv(HERE / "ernie.txt", sep="\t", header=False)
    pd.Series(pieces).to_csv(HERE / "id_piece.tsv", sep="\t", header=False)
    words = {piece: row for row, piece in enumerate(plain.index)}
    with tempfile.TemporaryDirectory() as folder:
        (path,) = WordLevel(words, unk_token="<UNK>").save(folder)
        Path(path).rename(HERE.parent / "word-ids" / "word2id.json")
        (path,) = WordPiece(words, unk_token="<UNK>").save(folder)
        Path(path).rename(HERE.parent / "word-list" / "words.txt")


if __name__ == "__main__":
    main()
