"""usearch: HNSW with vectors stored in a narrower type if asked."""

import numpy as np
from usearch.index import Index, MetricKind

from subject import System


class Usearch(System):
    name = "usearch"
    package = "usearch"
    parameters = {"m": 16, "ef_construction": 200, "codes": "f32"}
    configurations = (
        {"m": 16, "ef_construction": 500, "codes": "f32"},
        {"m": 32, "ef_construction": 500, "codes": "f32"},
        {"m": 32, "ef_construction": 500, "codes": "f16"},
    )
    counters = True

    def build(self, vectors, metric, threads, seed, m, ef_construction, codes):
        # It has no seed: levels are drawn from a fixed generator per thread.
        self.index = Index(
            ndim=vectors.shape[1],
            metric=MetricKind.L2sq if metric == "l2" else MetricKind.IP,
            dtype=codes,
            connectivity=m,
            expansion_add=ef_construction,
        )
        self.index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=threads)

    def search(self, queries, k, ef):
        self.index.expansion_search = ef
        found = self.index.search(queries, k, threads=1)
        ids = np.asarray(found.keys, dtype=np.int64)
        ids[np.arange(k)[None, :] >= np.asarray(found.counts)[:, None]] = -1
        counters = {"hops": int(found.visited_members), "distances": int(found.computed_distances)}
        return ids, counters


SYSTEM = Usearch()
