"""The RaBitQ library's SymphonyQG: a graph whose nodes carry their neighbours' one-bit codes. 2m links a node."""

import numpy as np
import rabitqlib

from subject import System


class SymphonyQg(System):
    name = "rabitqlib"
    package = "rabitqlib"
    parameters = {"m": 16, "ef_construction": 200}
    configurations = (
        {"m": 16, "ef_construction": 400},
        {"m": 32, "ef_construction": 400},
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction):
        # The rotation is drawn from the system's entropy: it takes no seed.
        # Below 64 dimensions there is no rotation; zeros change neither distance.
        self.padding = [(0, 0), (0, max(0, 64 - vectors.shape[1]))]
        vectors = np.pad(vectors, self.padding)
        form = "ip" if metric == "ip" else "l2"
        self.index = rabitqlib.SymqgIndex(vectors.shape[1], 2 * m, form)
        self.index.build(vectors, ef_construction, threads)

    def search(self, queries, k, ef):
        return self.index.search(np.pad(queries, self.padding), k, ef, 1)[0]


SYSTEM = SymphonyQg()
