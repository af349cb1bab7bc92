"""DiskANN's in-memory index: Vamana over float rows. 2m links a node."""

import tempfile

import diskannpy

from subject import System


class DiskAnn(System):
    name = "diskann"
    package = "diskannpy"
    parameters = {"m": 16, "ef_construction": 200, "alpha": 1.2}
    configurations = (
        {"m": 16, "ef_construction": 200},
        {"m": 32, "ef_construction": 200},
    )

    def build(self, vectors, metric, threads, seed, m, ef_construction, alpha):
        form = "mips" if metric == "ip" else "l2"
        self.folder = tempfile.TemporaryDirectory()
        diskannpy.build_memory_index(
            vectors, form, self.folder.name, ef_construction, 2 * m, threads, alpha=alpha
        )
        self.index = diskannpy.StaticMemoryIndex(self.folder.name, 1, ef_construction)

    def search(self, queries, k, ef):
        return self.index.batch_search(queries, k, ef, 1).identifiers


SYSTEM = DiskAnn()
