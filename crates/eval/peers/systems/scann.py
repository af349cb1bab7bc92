"""ScaNN: partitions, anisotropic 4-bit product codes scored by table look-up, and an exact re-score."""

import numpy as np
import scann

from subject import System


class Scann(System):
    name = "scann"
    package = "scann"
    parameters = {"leaves": 1000, "dims_per_block": 2, "threshold": 0.2}
    configurations = (
        {"leaves": 1000, "dims_per_block": 2},
        {"leaves": 2000, "dims_per_block": 2},
    )

    def build(self, vectors, metric, threads, seed, leaves, dims_per_block, threshold):
        measure = "squared_l2" if metric == "l2" else "dot_product"
        leaves = max(1, min(leaves, len(vectors) // 10))
        # The anisotropic loss is meant for inner products of unit vectors only.
        hash_threshold = threshold if metric == "cosine" else float("nan")
        self.index = (
            scann.scann_ops_pybind.builder(vectors, 10, measure)
            .set_n_training_threads(threads)
            .tree(leaves, max(1, leaves // 20), training_sample_size=len(vectors))
            .score_ah(dims_per_block, anisotropic_quantization_threshold=hash_threshold)
            .reorder(100)
            .build()
        )
        self.leaves = leaves

    def search(self, queries, k, ef):
        # Effort has two knobs here: partitions read, and candidates re-scored.
        leaves = min(self.leaves, 1 + ef // 4)
        ids = np.full((len(queries), k), -1, dtype=np.int64)
        for row, query in zip(ids, queries):
            found = self.index.search(query, k, k + ef, leaves)[0]
            row[: len(found)] = found
        return ids


SYSTEM = Scann()
