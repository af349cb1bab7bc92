"""NGT: a neighbourhood graph with optimised in- and out-degrees (ONNG), searched by epsilon."""

import os
import tempfile

import ngtpy
import numpy as np

from subject import System


class Ngt(System):
    name = "ngt"
    package = "ngt"
    parameters = {"outgoing": 10, "incoming": 100, "edges": 100}
    configurations = ({"outgoing": 10, "incoming": 100},)

    def build(self, vectors, metric, threads, seed, outgoing, incoming, edges):
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self.folder = tempfile.TemporaryDirectory()
        wide, narrow = (os.path.join(self.folder.name, part) for part in ("anng", "onng"))
        ngtpy.create(
            wide,
            vectors.shape[1],
            edge_size_for_creation=edges,
            edge_size_for_search=0,
            distance_type="Inner Product" if metric == "ip" else "L2",
        )
        index = ngtpy.Index(wide)
        index.batch_insert(vectors, num_threads=threads)
        index.save()
        index.close()
        optimizer = ngtpy.Optimizer(outgoing, incoming, log_disabled=True)
        # Degrees only: tuning its own search parameters takes many times as long as the build.
        optimizer.set_processing_modes(True, False, False, False)
        optimizer.execute(wide, narrow)
        self.index = ngtpy.Index(narrow, read_only=True)

    def search(self, queries, k, ef):
        # Its effort is the factor by which the explored radius exceeds the k-th distance.
        epsilon = 0.012 * (ef / k) ** 0.75 - 0.01
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        for row, query in zip(ids, queries):
            found = self.index.search(query, size=k, epsilon=epsilon, with_distance=False)
            row[: len(found)] = found
        return ids


SYSTEM = Ngt()
