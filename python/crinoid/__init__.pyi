from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

class VectorValueError(ValueError):
    """Vectors, or a query, that cannot be used: row and dimension are named."""

class OptionValueError(ValueError):
    """An option that is out of its range."""

class UnknownIdError(KeyError):
    """No vector has this id."""

class FileError(OSError):
    """A file that cannot be read or written, or is damaged."""

class StoreError(OSError):
    """A collection's store that refuses, is damaged, or is closed."""

class Filter:
    """The rows of one index that a search may return; made by `Index.filter`."""

    def __len__(self) -> int: ...

class SearchIter(Iterator[tuple[int, float]]):
    """Rows from the nearest on, as `(id, distance)`."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int, float]: ...
    def page(self, n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The next `n` rows: ids and distances; fewer at the end."""

_Rows = Filter | NDArray[np.bool_] | Iterable[int] | Callable[[int], bool]

class Index:
    """Vectors, frozen, that answer which of them are nearest to a query.

    Vectors and queries are anything that numpy takes for an array (or that speaks DLPack) of float32,
    float64, float16, int8 or uint8; they are copied once, so that nobody changes them meanwhile, and
    kept as float32. Distances are float32: squared L2, -<q, x>, or 2 - 2 cos(q, x); lower is closer.
    """

    @staticmethod
    def build(
        X: ArrayLike,
        metric: str = "l2",
        *,
        m: int = 16,
        ef_construction: int = 200,
        recipe: str = "auto",
        queries: ArrayLike | None = None,
        truncate: int | None = None,
        zero_rows: str = "refuse",
        unchecked: bool = False,
        seed: int = 42,
        provider: str = "",
        model: str = "",
        progress: bool | Callable[[int, int], object] | None = True,
        threads: int | None = None,
    ) -> Index:
        """Builds an index of the rows of `X`, an array of n x d.

        metric: "l2", "ip" or "cosine". m: links per node, 2 to 512. ef_construction: how hard an
        insertion looks for its neighbours, m or more. recipe: one version of each module; "auto" chooses
        codes by what the data ask for, and `report` says what it chose. queries: a few hundred like those
        that will come. truncate: search by the first dimensions only. zero_rows: "keep" puts rows of
        zeros at right angles to everything under the cosine. unchecked: take a recipe's codes even where
        they lose many neighbours. progress: a line on the terminal, where there
        is one; False for none, or a function of (done, total).
        The same rows and options give the same index at any number of threads.

        Raises VectorValueError or OptionValueError; Ctrl-C ends the build.
        """

    def search(
        self,
        Q: ArrayLike,
        k: int = 10,
        *,
        ef: int | None = None,
        filter: _Rows | None = None,
        threads: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest rows to each query, nearest first: ids and distances.

        One query (d) gives arrays of at most k; many (n, d) give n x min(k, len(index)), with id -1
        and an infinite distance where a filter leaves fewer. ef: the width of the search, 4 k or 100
        where None. filter: what `Index.filter` takes or makes.
        """

    def search_exact(self, q: ArrayLike, k: int = 10) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest rows to one query after measuring all of them."""

    def range_search(self, q: ArrayLike, radius: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows within `radius` (a distance, inclusive) of one query, nearest first."""

    def search_iter(self, q: ArrayLike) -> SearchIter:
        """An iterator over `(id, distance)` from the nearest row on, until every row has come."""

    def filter(self, rows: _Rows) -> Filter:
        """The rows that a search may return: a mask of len(index) booleans, row numbers, or a function
        of the row number, which is asked once for every row."""

    def vector(self, id: int) -> NDArray[np.float32]:
        """One row as the index keeps it. Raises UnknownIdError."""

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the index to one file, atomically. Raises FileError."""

    @staticmethod
    def load(path: str | PathLike[str]) -> Index:
        """Reads an index that `save` wrote, after verifying all of it. Raises FileError."""

    def to_bytes(self) -> bytes:
        """The bytes that `save` writes; `pickle` uses them."""

    @staticmethod
    def from_bytes(bytes: bytes) -> Index:
        """The index that `to_bytes` wrote. Raises FileError."""

    def report(self) -> dict[str, Any]:
        """What was chosen when the index was built, and how large it is."""

    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def recipe(self) -> str: ...
    def __len__(self) -> int: ...

_Id = int | str

class Collection:
    """A living set of vectors in a folder, by ids that are int or str: updated while it is searched.

    What was acknowledged survives a crash. Only one process can have a collection open.
    """

    @staticmethod
    def create(
        folder: str | PathLike[str],
        dim: int,
        metric: str = "l2",
        *,
        m: int = 16,
        ef_construction: int = 200,
        recipe: str | None = None,
        seal_rows: int | None = None,
        max_dead: float | None = None,
        max_segments: int | None = None,
    ) -> Collection: ...
    @staticmethod
    def open(folder: str | PathLike[str]) -> Collection:
        """Opens the collection in `folder`, whatever state a crash left it in."""

    def upsert(self, ids: _Id | Iterable[_Id], vectors: ArrayLike) -> None:
        """Inserts or replaces vectors: one id and one vector, or as many of both; all or nothing."""

    def delete(self, ids: _Id | Iterable[_Id]) -> int:
        """Deletes vectors; says how many there were."""

    def get(self, id: _Id) -> NDArray[np.float32]:
        """The vector stored under `id`. Raises UnknownIdError."""

    def search(self, Q: ArrayLike, k: int = 10, *, ef: int | None = None) -> tuple[list[Any], Any]:
        """The `k` nearest: a list of ids and an array of distances for one query, lists of these for many."""

    def seal(self) -> None: ...
    def compact(self) -> None: ...
    def close(self) -> None:
        """Lets go of the folder; a `with` block does it at its end."""

    def __contains__(self, id: _Id) -> bool: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    @overload
    def __exit__(self, kind: None, value: None, trace: None) -> None: ...
    @overload
    def __exit__(self, kind: type[BaseException], value: BaseException, trace: TracebackType) -> None: ...
