"""Sentences nearest in meaning, from character vectors alone: NumPy, no framework, no model at run time.

    python samples/examples/sentence_similarity.py

Every sentence becomes the mean of the vectors of its characters, and sentences are compared by cosine. All BERT rows
point into a common direction, so cosines of raw means are all high; the second column takes the mean over all
sentences off first, which spreads them out. Compare cosines of one column with each other, never with a threshold.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import charvec

SAMPLES = Path(__file__).resolve().parents[1]


def read(path):
    """Texts of a JSON Lines file."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def cosines(rows):
    """Cosine of every pair of rows: [n, n]."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit @ unit.T


def main():
    """Print the nearest other sentence of each, each pair once."""
    parser = argparse.ArgumentParser(description="sentences nearest in meaning, from character vectors alone")
    parser.add_argument("--vectors", help="vector file (default: made now from the bundled model)")
    parser.add_argument("--texts", default=SAMPLES / "texts" / "sentences.jsonl", help="JSON Lines with a field text")
    args = parser.parse_args()

    if args.vectors:
        vectors = charvec.load(args.vectors)
    else:
        vectors = charvec.dump(args.texts, model=SAMPLES / "tiny-bert-zh", field="text")
    texts = read(args.texts)
    sentences = vectors.encode(texts)  # float32 [sentences, dim]

    raw, centred = cosines(sentences), cosines(sentences - sentences.mean(axis=0))
    np.fill_diagonal(centred, -2)  # a sentence is not its own neighbour
    print(f"{'raw':>7} {'centred':>8}")
    printed = set()
    for place in np.argsort(-centred.max(axis=1), kind="stable"):
        other = centred[place].argmax()
        if (other, place) in printed:
            continue  # each is the nearest of the other
        printed.add((place, other))
        print(f"{raw[place, other]:7.4f} {centred[place, other]:8.4f}  {texts[place]}  ~  {texts[other]}")


if __name__ == "__main__":
    main()
