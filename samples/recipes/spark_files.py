"""Count a folder on a Spark cluster: spark-submit spark_files.py FOLDER."""

import sys
from pathlib import Path

from pyspark.sql import SparkSession

import charvec


def count(paths):
    """What the files of a partition hold, and why nothing, when not one of them could be read."""
    paths = list(paths)
    if not paths:
        return
    try:
        yield charvec.scan(paths), []
    except charvec.CharvecError as error:
        yield charvec.Counts.none(), [str(error)]


def add(one, other):
    return one[0] + other[0], one[1] + other[1]


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    paths = sorted(map(str, Path(sys.argv[1]).rglob("*.txt")))
    parts = 4 * spark.sparkContext.defaultParallelism
    counts, failed = spark.sparkContext.parallelize(paths, parts).mapPartitions(count).treeReduce(add)
    print(counts, *failed, sep="\n")
    spark.stop()
