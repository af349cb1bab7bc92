import os
from concurrent.futures import ThreadPoolExecutor

import crinoid
import numpy as np

from benchmark.datasets import DATASETS
from neurips23.filter.base import BaseFilterANN

METRICS = {"euclidean": "l2", "ip": "ip", "angular": "cosine"}


class Crinoid(BaseFilterANN):
    """An index, and for each word the rows that have it.

    A query names one or two words. Where few rows have them all, these are measured; where many have, the
    graph is walked under a filter. Filters are kept: the same words come again and again.
    """

    def __init__(self, metric, index_params):
        self.name = "crinoid"
        self.metric = METRICS[metric]
        self.m = index_params.get("M", 16)
        self.ef_construction = index_params.get("efConstruction", 200)
        self.ef, self.few, self.threads = 100, 20_000, None

    def path(self, dataset):
        folder = os.path.join("data", "indices", "filter", "crinoid", DATASETS[dataset]().short_name())
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, f"M{self.m}_ef{self.ef_construction}_{self.metric}.crinoid")

    def fit(self, dataset):
        ds = DATASETS[dataset]()
        index = crinoid.Index.build(
            ds.get_dataset(),
            self.metric,
            m=self.m,
            ef_construction=self.ef_construction,
            zero_rows="keep",
            progress=False,
        )
        index.save(self.path(dataset))
        self.take(ds, index)

    def load_index(self, dataset):
        path = self.path(dataset)
        if not os.path.exists(path):
            return False
        self.take(DATASETS[dataset](), crinoid.Index.load(path))
        return True

    def take(self, ds, index):
        self.index, self.kept = index, {}
        self.X = ds.get_dataset()
        self.words = ds.get_dataset_metadata().T.tocsr()
        self.words.sort_indices()

    def index_files_to_store(self, dataset):
        folder, name = os.path.split(self.path(dataset))
        return [folder, name, [""]]

    def set_query_arguments(self, query_args):
        self.ef = query_args["ef"]
        self.few = query_args.get("few", self.few)
        self.threads = query_args.get("T")

    def query(self, X, k):
        self.res, _ = self.index.search(X, k, ef=self.ef, threads=self.threads)

    def rows(self, words):
        """The rows that have all of the words."""
        found = None
        for word in words:
            having = np.empty(0, np.int32)
            if word < self.words.shape[0]:
                having = self.words.indices[self.words.indptr[word] : self.words.indptr[word + 1]]
            found = having if found is None else np.intersect1d(found, having, assume_unique=True)
        return found

    def measured(self, q, rows, k):
        """The nearest of a few rows, by measuring them."""
        X, q = self.X[rows].astype(np.float32), q.astype(np.float32)
        if self.metric == "l2":
            far = ((X - q) ** 2).sum(axis=1)
        else:
            far = -(X @ q)
            if self.metric == "cosine":
                far = far / np.maximum(np.linalg.norm(X, axis=1), 1e-30)
        best = np.argpartition(far, min(k, len(far)) - 1)[:k]
        return rows[best[np.argsort(far[best], kind="stable")]]

    def filtered_query(self, X, filter, k):
        res = np.full((len(X), k), -1, dtype=np.int32)
        asked = [tuple(filter.indices[filter.indptr[q] : filter.indptr[q + 1]]) for q in range(len(X))]

        def answer(q):
            if not asked[q]:
                ids = self.index.search(X[q], k, ef=self.ef)[0]
            elif asked[q] in self.kept:
                ids = self.index.search(X[q], k, ef=self.ef, filter=self.kept[asked[q]])[0]
            else:
                rows = self.rows(asked[q])
                if len(rows) == 0:
                    return
                if len(rows) <= self.few:
                    ids = self.measured(X[q], rows, k)
                else:
                    self.kept[asked[q]] = self.index.filter(rows)
                    ids = self.index.search(X[q], k, ef=self.ef, filter=self.kept[asked[q]])[0]
            res[q, : len(ids)] = ids

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(answer, range(len(X))))
        self.res = res

    def __str__(self):
        return f"crinoid(M={self.m}, efConstruction={self.ef_construction}, ef={self.ef}, few={self.few})"
