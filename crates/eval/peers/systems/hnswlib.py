"""hnswlib: the reference HNSW, float vectors beside their links."""

import hnswlib

from subject import System


class Hnswlib(System):
    name = "hnswlib"
    package = "hnswlib"
    parameters = {"m": 16, "ef_construction": 200}
    configurations = (
        {"m": 16, "ef_construction": 500},
        {"m": 32, "ef_construction": 500},
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction):
        # Cosine arrives normalised, where the inner product is the cheaper form of the same order.
        space = "l2" if metric == "l2" else "ip"
        self.index = hnswlib.Index(space=space, dim=vectors.shape[1])
        self.index.init_index(len(vectors), M=m, ef_construction=ef_construction, random_seed=seed)
        self.index.add_items(vectors, num_threads=threads)

    stores = True

    def save(self, path):
        self.index.save_index(path)

    def open(self, path, metric, dim):
        self.index = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=dim)
        self.index.load_index(path)

    def search(self, queries, k, ef):
        self.index.set_ef(ef)
        return self.index.knn_query(queries, k=k, num_threads=1)[0]


SYSTEM = Hnswlib()
