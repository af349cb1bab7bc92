import shutil
import tempfile

import crinoid
import numpy as np

from neurips23.streaming.base import BaseStreamingANN

METRICS = {"euclidean": "l2", "ip": "ip", "angular": "cosine"}


class Crinoid(BaseStreamingANN):
    """A collection: what is inserted is durable, and found at once."""

    def __init__(self, metric, index_params):
        self.name = "crinoid"
        self.metric = METRICS[metric]
        self.params = index_params
        self.ef = None

    def setup(self, dtype, max_pts, ndims):
        self.folder = tempfile.mkdtemp(prefix="crinoid-")
        self.collection = crinoid.Collection.create(
            f"{self.folder}/collection",
            int(ndims),
            self.metric,
            m=self.params.get("M", 16),
            ef_construction=self.params.get("efConstruction", 200),
        )

    def insert(self, X, ids):
        for start in range(0, len(ids), 10_000):
            some = slice(start, start + 10_000)
            self.collection.upsert(np.asarray(ids[some]).tolist(), np.asarray(X[some]))

    # A row that is there already gets another vector.
    replace = insert

    def delete(self, ids):
        self.collection.delete(np.asarray(ids).tolist())

    def set_query_arguments(self, query_args):
        self.ef = query_args["ef"]

    def query(self, X, k):
        self.res = np.full((len(X), k), -1, dtype=np.int32)
        found, _ = self.collection.search(np.asarray(X), k, ef=self.ef)
        for query, ids in enumerate(found):
            self.res[query, : len(ids)] = ids

    def done(self):
        self.collection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __str__(self):
        return f"crinoid({self.params}, ef={self.ef})"
