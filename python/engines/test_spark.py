"""Spark: shards built by applyInPandas, searched by mapInPandas."""

import shutil

import numpy as np
import pytest

pytest.importorskip("pyspark")
if shutil.which("java") is None:
    pytest.skip("Spark needs a Java runtime: apt-get install default-jre-headless", allow_module_level=True)

import crinoid  # noqa: E402
import crinoid.spark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402


def clustered(n, dim, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(20, dim))
    return (centers[rng.integers(20, size=n)] + 0.4 * rng.normal(size=(n, dim))).astype(np.float32)


X = clustered(1_200, 8, 1)
Q = clustered(25, 8, 2)


@pytest.fixture(scope="module")
def spark():
    builder = SparkSession.builder.master("local[2]").appName("crinoid")
    builder = builder.config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "4")
    session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    yield session
    session.stop()


def test_a_frame_becomes_a_collection_and_answers_a_frame(spark, tmp_path):
    rows = [(10_000 + row, vector.tolist()) for row, vector in enumerate(X)]
    frame = spark.createDataFrame(rows, "id long, vector array<float>")
    sealed = crinoid.spark.build(frame, tmp_path / "sealed", shards=3)
    assert len(sealed) == 1_200 and len(sealed.manifest["shards"]) == 3
    asked = [(query, vector.tolist()) for query, vector in enumerate(Q)]
    queries = spark.createDataFrame(asked, "query long, vector array<float>").repartition(3)
    answers = crinoid.spark.search(queries, tmp_path / "sealed", k=5, ef=1_200).toPandas()
    answers = answers.sort_values(["query", "rank"])
    far = ((Q[:, None, :].astype(np.float64) - X[None].astype(np.float64)) ** 2).sum(axis=2)
    want = 10_000 + np.argsort(far, axis=1, kind="stable")[:, :5]
    assert answers["id"].to_numpy().reshape(25, 5).tolist() == want.tolist()
    np.testing.assert_allclose(answers["distance"].to_numpy().reshape(25, 5), np.sort(far, axis=1)[:, :5], rtol=1e-4)


def test_what_is_wrong_on_an_executor_is_an_error(spark, tmp_path):
    rows = [(row, [1.0, float(row)] if row else [1.0]) for row in range(50)]
    frame = spark.createDataFrame(rows, "id long, vector array<float>")
    with pytest.raises(Exception):
        crinoid.spark.build(frame, tmp_path / "sealed", shards=2)
    assert not (tmp_path / "sealed" / "manifest.json").exists()
