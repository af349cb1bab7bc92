import crinoid
import numpy as np

from ..base.module import BaseANN

# Vectors of unit length have the same neighbours under the cosine, bits under squared L2.
METRICS = {"euclidean": "l2", "cosine": "cosine", "normalized": "cosine", "ip": "ip", "hamming": "l2"}


class Crinoid(BaseANN):
    def __init__(self, metric, M, efConstruction):
        if metric not in METRICS:
            raise NotImplementedError(f"Crinoid does not support metric {metric}")
        self.metric = metric
        self.M = M
        self.efConstruction = efConstruction
        self.ef = None

    def fit(self, X):
        self.build(X, None)

    def fit_ood(self, X_train, X_learn, X_learn_neighbors):
        # A few hundred queries are enough to try the codes on.
        step = max(1, len(X_learn) // 500)
        self.build(X_train, X_learn[::step])

    def build(self, X, queries):
        self.index = crinoid.Index.build(
            self.rows(X),
            METRICS[self.metric],
            m=self.M,
            ef_construction=self.efConstruction,
            queries=None if queries is None else self.rows(queries),
            zero_rows="keep",
            progress=False,
            threads=1,
        )

    def rows(self, X):
        return np.unpackbits(X, axis=-1) if self.metric == "hamming" else X

    def set_query_arguments(self, ef):
        self.ef = ef

    def query(self, v, n):
        return self.index.search(self.rows(v), n, ef=self.ef)[0]

    def get_additional(self):
        return {"recipe": self.index.recipe}

    def __str__(self):
        return "Crinoid(M=%d, efConstruction=%d, ef=%s)" % (self.M, self.efConstruction, self.ef)
