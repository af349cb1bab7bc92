"""Scalable Vector Search: Vamana over locally-adaptive quantised rows. `m` links a node in HNSW's sense, 2m here."""

import os
import tempfile

import numpy as np
import svs

from subject import System

#: Primary and residual bits of the quantised forms.
LVQ = {"lvq4": (4, 0), "lvq8": (8, 0), "lvq4x4": (4, 4), "lvq4x8": (4, 8)}

with open("/proc/cpuinfo", encoding="ascii") as file:
    #: On other makers' processors the wheel ends the process when asked for LVQ.
    INTEL = "GenuineIntel" in file.read()


class Svs(System):
    name = "svs"
    package = "scalable-vs"
    parameters = {"m": 16, "ef_construction": 200, "alpha": 1.2, "codes": "f32"}
    configurations = tuple(
        {"m": m, "ef_construction": 200, "codes": codes}
        for m, codes in (
            ((16, "lvq8"), (32, "lvq4x8"), (32, "lvq8")) if INTEL else ((16, "f32"), (32, "f16"))
        )
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction, alpha, codes):
        if codes in LVQ and not INTEL:
            raise ValueError("LVQ is refused on processors that are not Intel's")
        # Pruning relaxes by alpha on distances, and by its inverse on inner products.
        distance, relax = svs.DistanceType.L2, alpha
        if metric == "ip":
            distance, relax = svs.DistanceType.MIP, 0.95
        build = svs.VamanaBuildParameters(
            graph_max_degree=2 * m, window_size=ef_construction, alpha=relax
        )
        with tempfile.TemporaryDirectory() as folder:
            data = vectors.astype(np.float16) if codes == "f16" else vectors
            if codes in LVQ:
                path = os.path.join(folder, "rows.fvecs")
                svs.write_vecs(vectors, path)
                loader = svs.VectorDataLoader(path, svs.DataType.float32, vectors.shape[1])
                data = svs.LVQLoader(loader, *LVQ[codes], padding=32)
            self.index = svs.Vamana.build(build, data, distance, num_threads=threads)
        self.residual = codes in ("lvq4x4", "lvq4x8")

    def search(self, queries, k, ef):
        self.index.num_threads = 1
        parameters = self.index.search_parameters
        # With a residual the window can stay narrow while the buffer feeds the second pass.
        window = max(k, ef // 2) if self.residual else ef
        parameters.buffer_config = svs.SearchBufferConfig(window, max(ef, window))
        parameters.search_buffer_visited_set = False
        self.index.search_parameters = parameters
        return self.index.search(queries, k)[0]


SYSTEM = Svs()
