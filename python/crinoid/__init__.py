"""Approximate nearest-neighbour search: build, search, save, load, keep alive.

>>> import crinoid, numpy as np
>>> X = np.random.default_rng(0).normal(size=(1000, 16)).astype(np.float32)
>>> index = crinoid.Index.build(X, metric="cosine")
>>> ids, distances = index.search(X[:3], k=5)
>>> ids[:, 0].tolist()
[0, 1, 2]
"""

from ._crinoid import (
    Collection,
    Events,
    FileError,
    Filter,
    Index,
    Matches,
    OptionValueError,
    Retriever,
    Sealed,
    SearchIter,
    StoreError,
    Table,
    UnknownIdError,
    VectorValueError,
    __version__,
    read,
)

__all__ = [
    "Collection",
    "Events",
    "FileError",
    "Filter",
    "Index",
    "Matches",
    "OptionValueError",
    "Retriever",
    "Sealed",
    "SearchIter",
    "StoreError",
    "Table",
    "UnknownIdError",
    "VectorValueError",
    "__version__",
    "read",
]
