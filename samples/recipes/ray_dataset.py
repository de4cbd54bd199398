"""Count the texts of a Ray dataset: python ray_dataset.py FOLDER."""

import sys

import numpy as np
import ray

import charvec


def count(batch):
    """What the texts of a batch hold, one row a character."""
    counts = charvec.count(text for text in batch["text"] if text is not None)
    return {"codepoint": counts.codepoints, "occurrences": counts.occurrences}


if __name__ == "__main__":
    texts = ray.data.read_text(sys.argv[1], file_extensions=["txt"])  # or read_parquet(..., columns=["text"])
    table = np.zeros(0x110000, np.uint64)
    for batch in texts.map_batches(count, batch_size=4096).iter_batches(batch_size=None):
        np.add.at(table, batch["codepoint"], batch["occurrences"])
    counts = charvec.Counts.from_table(table)
    print(counts)
