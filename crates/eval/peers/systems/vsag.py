"""vsag's HGraph: a navigable graph over 8- or 4-bit rows, re-scored on precise ones. 2m links a node."""

import json

import numpy as np
import pyvsag

from subject import System


class Vsag(System):
    name = "vsag"
    package = "pyvsag"
    parameters = {"m": 16, "ef_construction": 300, "codes": "sq8_uniform", "rescore": True}
    configurations = (
        {"m": 16, "ef_construction": 400, "codes": "sq8_uniform"},
        {"m": 32, "ef_construction": 400, "codes": "sq4_uniform"},
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction, codes, rescore):
        index = {
            "base_quantization_type": codes,
            "max_degree": 2 * m,
            "ef_construction": ef_construction,
            "build_thread_count": threads,
            "use_reorder": rescore,
            "precise_quantization_type": "fp32",
        }
        settings = {
            "dtype": "float32",
            "metric_type": "ip" if metric == "ip" else "l2",
            "dim": vectors.shape[1],
            "index_param": index,
        }
        pyvsag.set_logger_off()
        self.index = pyvsag.Index("hgraph", json.dumps(settings))
        ids = np.arange(len(vectors), dtype=np.int64)
        self.index.build(vectors.ravel(), ids, len(vectors), vectors.shape[1])

    def search(self, queries, k, ef):
        effort = json.dumps({"hgraph": {"ef_search": ef}})
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        for row, query in zip(ids, queries):
            found = self.index.knn_search(query, k, effort)[0]
            row[: len(found)] = found
        return ids


SYSTEM = Vsag()
