"""Sealed collections built and searched by Spark: one shard to a partition.

>>> import crinoid.spark
>>> frame = spark.read.parquet("embeddings/")                  # columns `id` and `vector`
>>> crinoid.spark.build(frame, "/shared/notes", shards=16, metric="cosine")
>>> answers = crinoid.spark.search(queries, "/shared/notes", k=10)   # query, rank, id, distance

The location is a folder that all machines see. Spark schedules and moves the rows; this module calls the wheel on each executor and writes the manifest.
"""

import numpy as np

from . import Sealed

try:
    import pandas as pd
    from pyspark.sql import functions as F
except ImportError as error:
    raise ImportError("crinoid.spark needs Spark: pip install 'pyspark[sql]'") from error


def _matrix(column):
    return np.stack([np.asarray(row, dtype=np.float32) for row in column])


def build(frame, location, *, vector="vector", ids="id", shards=4, metric="l2", sample=100_000, **keywords):
    """Builds a sealed collection of a data frame, a shard to a task.

    `vector` and `ids` are columns: arrays of numbers, and ints that differ. The recipe is chosen on `sample` rows.
    """
    frame = frame.select(F.col(ids).cast("long").alias("id"), F.col(vector).alias("vector"))
    rows = frame.count()
    if rows == 0:
        raise ValueError("the data frame is empty")
    shards = min(shards, rows)
    first = frame.orderBy(F.hash("id")).limit(min(sample, -(-rows // shards))).collect()
    plan = Sealed.plan(_matrix([row["vector"] for row in first]), metric, **keywords)
    location = str(location)

    def one(part):
        entry = Sealed.build_shard(
            location, plan, int(part["shard"].iloc[0]), _matrix(part["vector"]), part["id"].tolist()
        )
        return pd.DataFrame({"entry": [entry]})

    sharded = frame.withColumn("shard", F.abs(F.xxhash64("id")) % F.lit(shards))
    built = sharded.groupBy("shard").applyInPandas(one, "entry string").collect()
    Sealed.publish(location, plan, rows, sorted(row["entry"] for row in built))
    return Sealed(location)


def search(queries, location, *, k=10, query="query", vector="vector", cache=None, **options):
    """The `k` nearest rows to each query of a data frame: a data frame of query, rank, id and distance."""
    location = str(location)

    def answer(batches):
        sealed = Sealed(location, cache=cache)
        for batch in batches:
            if len(batch) == 0:
                continue
            ids, distances = sealed.search(_matrix(batch["vector"]), k, **options)
            n, width = ids.shape
            found = pd.DataFrame(
                {
                    "query": np.repeat(batch["query"].to_numpy(), width),
                    "rank": np.tile(np.arange(width), n),
                    "id": ids.ravel(),
                    "distance": distances.ravel(),
                }
            )
            yield found[found["id"] >= 0]

    asked = queries.select(F.col(query).cast("long").alias("query"), F.col(vector).alias("vector"))
    return asked.mapInPandas(answer, "query long, rank int, id long, distance float")
