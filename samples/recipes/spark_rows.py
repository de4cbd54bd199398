"""Count a text column of a Spark DataFrame, row by row: spark-submit spark_rows.py FOLDER."""

import operator
import sys

from pyspark.sql import SparkSession

import charvec


def count(rows):
    yield charvec.count(text for (text,) in rows if text is not None)


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    frame = spark.read.text(sys.argv[1], pathGlobFilter="*.txt")  # or read.parquet(...).select("text")
    counts = frame.rdd.mapPartitions(count).treeReduce(operator.add)
    print(counts)
    spark.stop()
