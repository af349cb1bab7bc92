"""voyager: hnswlib's descendant, with 8-bit storage if asked."""

import voyager

from subject import System

STORAGE = {
    "f32": voyager.StorageDataType.Float32,
    "e4m3": voyager.StorageDataType.E4M3,
}


class Voyager(System):
    name = "voyager"
    package = "voyager"
    parameters = {"m": 16, "ef_construction": 200, "codes": "f32"}
    configurations = (
        {"m": 16, "ef_construction": 500},
        {"m": 32, "ef_construction": 500},
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction, codes):
        space = voyager.Space.Euclidean if metric == "l2" else voyager.Space.InnerProduct
        self.index = voyager.Index(
            space,
            num_dimensions=vectors.shape[1],
            M=m,
            ef_construction=ef_construction,
            random_seed=seed,
            max_elements=len(vectors),
            storage_data_type=STORAGE[codes],
        )
        self.index.add_items(vectors, num_threads=threads)

    def search(self, queries, k, ef):
        return self.index.query(queries, k=k, num_threads=1, query_ef=ef)[0]


SYSTEM = Voyager()
