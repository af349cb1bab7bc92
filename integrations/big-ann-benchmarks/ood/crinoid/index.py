import os

import crinoid

from benchmark.datasets import DATASETS
from neurips23.ood.base import BaseOODANN

METRICS = {"euclidean": "l2", "ip": "ip", "angular": "cosine"}


class Crinoid(BaseOODANN):
    def __init__(self, metric, index_params):
        self.name = "crinoid"
        self.metric = METRICS[metric]
        self.m = index_params.get("M", 32)
        self.ef_construction = index_params.get("efConstruction", 500)
        self.ef = self.threads = None

    def path(self, dataset):
        folder = os.path.join("data", "indices", "ood", "crinoid", DATASETS[dataset]().short_name())
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, f"M{self.m}_ef{self.ef_construction}_{self.metric}.crinoid")

    def fit(self, dataset):
        self.index = crinoid.Index.build(
            DATASETS[dataset]().get_dataset(),
            self.metric,
            m=self.m,
            ef_construction=self.ef_construction,
            zero_rows="keep",
            progress=False,
        )
        self.index.save(self.path(dataset))

    def load_index(self, dataset):
        path = self.path(dataset)
        if not os.path.exists(path):
            return False
        self.index = crinoid.Index.load(path)
        return True

    def index_files_to_store(self, dataset):
        folder, name = os.path.split(self.path(dataset))
        return [folder, name, [""]]

    def set_query_arguments(self, query_args):
        self.ef, self.threads = query_args["ef"], query_args.get("T")

    def query(self, X, k):
        self.res, _ = self.index.search(X, k, ef=self.ef, threads=self.threads)

    def __str__(self):
        return f"crinoid(M={self.m}, efConstruction={self.ef_construction}, ef={self.ef})"
