import crinoid

from ..base.module import BaseANN

METRICS = {"euclidean": "l2", "angular": "cosine"}


class Crinoid(BaseANN):
    def __init__(self, metric, method_param):
        if metric not in METRICS:
            raise NotImplementedError(f"Crinoid does not support metric {metric}")
        self.metric = METRICS[metric]
        self.method_param = method_param
        self.name = f"crinoid ({method_param})"

    def fit(self, X):
        self.index = crinoid.Index.build(
            X,
            self.metric,
            m=self.method_param["M"],
            ef_construction=self.method_param["efConstruction"],
            zero_rows="keep",
            progress=False,
        )

    def set_query_arguments(self, ef):
        self.ef = ef
        self.name = f"crinoid ({self.method_param}, recipe: {self.index.recipe}, ef: {ef})"

    def query(self, v, n):
        return self.index.search(v, n, ef=self.ef)[0]

    def batch_query(self, X, n):
        self.res = self.index.search(X, n, ef=self.ef)[0]

    def get_additional(self):
        return {"recipe": self.index.recipe}
