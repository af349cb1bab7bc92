"""faiss: HNSW over float rows, or over scalar-quantised rows with the best ones re-scored on floats."""

import faiss

from subject import System

CODES = ("flat", "sq8", "sq4", "sq8+float", "sq4+float")
#: How many candidates per answer the float stage re-scores.
RESCORE = 3


class Faiss(System):
    name = "faiss"
    package = "faiss-cpu"
    parameters = {"m": 16, "ef_construction": 200, "codes": "flat"}
    configurations = (
        {"m": 16, "ef_construction": 500, "codes": "flat"},
        {"m": 32, "ef_construction": 500, "codes": "flat"},
        {"m": 32, "ef_construction": 500, "codes": "sq8"},
        {"m": 32, "ef_construction": 500, "codes": "sq8+float"},
    )
    counters = True

    def build(self, vectors, metric, threads, seed, m, ef_construction, codes):
        if codes not in CODES:
            raise ValueError(f"codes must be one of {', '.join(CODES)}")
        faiss.omp_set_num_threads(threads)
        rows, _, refine = codes.partition("+")
        kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        form = f"HNSW{m}" + ("" if rows == "flat" else f"_{rows.upper()}")
        self.graph = faiss.index_factory(vectors.shape[1], form, kind)
        self.graph.hnsw.efConstruction = ef_construction
        self.graph.hnsw.rng = faiss.RandomGenerator(seed)
        self.index = faiss.IndexRefineFlat(self.graph) if refine else self.graph
        self.refine = bool(refine)
        self.index.train(vectors)
        self.index.add(vectors)

    stores = True

    def save(self, path):
        faiss.write_index(self.index, path)

    def open(self, path, metric, dim):
        self.index = faiss.read_index(path)
        self.refine = isinstance(self.index, faiss.IndexRefine)

    def search(self, queries, k, ef):
        faiss.omp_set_num_threads(1)
        params = faiss.SearchParametersHNSW(efSearch=ef)
        if self.refine:
            factor = min(RESCORE, ef / k)
            params = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=params)
        stats = faiss.cvar.hnsw_stats
        stats.reset()
        ids = self.index.search(queries, k, params=params)[1]
        return ids, {"hops": int(stats.nhops), "distances": int(stats.ndis)}


SYSTEM = Faiss()
