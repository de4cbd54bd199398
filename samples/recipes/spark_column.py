"""Count a text column of a Spark DataFrame, by Arrow and SQL: spark-submit spark_column.py FOLDER."""

import sys

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

import charvec


def count(frames):
    """What the texts of a partition hold, one row a character."""
    counts = charvec.count(text for frame in frames for text in frame["text"].dropna())
    yield pd.DataFrame({"codepoint": counts.codepoints, "occurrences": counts.occurrences})


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    frame = spark.read.text(sys.argv[1], pathGlobFilter="*.txt").withColumnRenamed("value", "text")
    parts = frame.mapInPandas(count, "codepoint long, occurrences long")
    rows = parts.groupBy("codepoint").sum("occurrences").collect()
    table = np.zeros(0x110000, np.uint64)
    for codepoint, occurrences in rows:
        table[codepoint] = occurrences
    counts = charvec.Counts.from_table(table)
    print(counts)
    spark.stop()
