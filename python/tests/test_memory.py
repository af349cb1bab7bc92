"""Nothing grows over load, search, iterate and drop."""

import resource
import sys

import crinoid
import numpy as np
import pytest
from common import clustered


def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/statm")
def test_nothing_grows_over_load_search_and_drop(tmp_path):
    X = clustered(2_000, 64, 1)
    path = tmp_path / "index.crinoid"
    crinoid.Index.build(X).save(path)
    size = path.stat().st_size

    def once():
        index = crinoid.Index.load(path)
        index.search(X[:20], k=5)
        index.search(X[0], k=5, filter=np.arange(100))
        index.search_iter(X[0]).page(50)
        crinoid.Index.from_bytes(index.to_bytes())

    for _ in range(50):
        once()
    before = resident()
    for _ in range(1_000):
        once()
    # One index that is not dropped in three hundred rounds would be three files' worth.
    assert resident() - before < 3 * size
