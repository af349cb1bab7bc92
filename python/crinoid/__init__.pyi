from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

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

@final
class Filter:
    """The rows of one index that a search may return; made by `Index.filter`."""

    def __len__(self) -> int: ...

@final
class Table:
    """The rows of a file: what `read` returns."""

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vectors, n x d; a copy."""

    @property
    def ids(self) -> NDArray[Any] | None:
        """What the rows are called: uint64, or an array of str; None where no column was asked for."""

    @property
    def attributes(self) -> dict[str, NDArray[Any]]:
        """The columns that were asked for: int64, float64, bool or objects. Where a row has no value,
        floats are NaN, and other columns hold objects, None among them."""

    @property
    def metric(self) -> str | None:
        """What the file declares as its metric (HDF5 alone does)."""

    def __len__(self) -> int: ...

def read(
    path: str | PathLike[str],
    *,
    vectors: str | None = None,
    ids: str | None = None,
    attributes: list[str] = ...,
    queries: bool = False,
) -> Table:
    """Reads a file of vectors: npy, npz, HDF5, Parquet, Arrow, Feather, safetensors, JSON lines, fbin, u8bin,
    i8bin, fvecs, bvecs; by content where it says what it is, else by extension.

    vectors, ids, attributes: the columns, fields, arrays or data sets that hold them, where several
    could. queries: reads the queries of an HDF5 file, not its base. Raises FileError, which names the
    file, the row, the column and the remedy.
    """

@final
class SearchIter(Iterator[tuple[int | str, float]]):
    """Rows from the nearest on, as `(id, distance)`."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[int | str, float]: ...
    def page(self, n: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The next `n` rows: ids and distances; fewer at the end."""

@final
class Sealed:
    """Rows in shards, each an index file, and a manifest that names them: a folder, which all that search it see.

    Rows are called by ints. Any number of processes may open and search it; none changes it. Keywords of `build` and
    `plan` besides those that are listed are those of `Index.build`: m, ef_construction, seed, recipe, truncate,
    zero_rows, provider, model.
    """

    def __init__(self, location: str | PathLike[str], *, cache: str | PathLike[str] | None = None) -> None:
        """Opens the collection. `cache` is a folder in which files are kept that are fetched from elsewhere."""

    @staticmethod
    def build(
        location: str | PathLike[str],
        X: ArrayLike,
        metric: str = "l2",
        *,
        ids: Iterable[int] | None = None,
        shards: int = 4,
        routed: bool = False,
        copies: int = 1,
        progress: bool | Callable[[int, int], object] | None = None,
        threads: int | None = None,
        **keywords: Any,
    ) -> "Sealed":
        """Cuts rows into shards, builds each, and publishes the collection in the place of one that is there.

        With `routed`, rows that are close to each other share a shard, each in the `copies` nearest, and queries leave
        shards out that cannot hold an answer.
        """

    @staticmethod
    def plan(X: ArrayLike, metric: str = "l2", **keywords: Any) -> str:
        """How shards of rows like those of a sample are built, as JSON; as many rows as a shard has are right."""

    @staticmethod
    def build_shard(
        location: str | PathLike[str], plan: str, number: int, X: ArrayLike, ids: int | Iterable[int]
    ) -> str:
        """Builds a shard by a plan and writes its file: its entry of the manifest, as JSON.

        `ids` are the rows' ids, or the first of ids that count on. Nobody sees the shard before `publish`.
        """

    @staticmethod
    def publish(location: str | PathLike[str], plan: str, rows: int, entries: Sequence[str]) -> None:
        """Writes the manifest of shards that are there, in one step. `rows` counts each row once."""

    def search(
        self,
        Q: ArrayLike,
        k: int = 10,
        *,
        ef: int | None = None,
        recall: float | None = None,
        filter: Iterable[int] | Callable[[int], bool] | None = None,
        shards: int | None = None,
        partial: bool = False,
        threads: int | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest rows to each query: ids and distances; -1 and infinity where there are fewer.

        `shards` searches no more than so many, those closest to the query. `partial` leaves shards out that cannot be
        opened, with a warning that names them; without it they are an error.
        """

    def search_shard(
        self,
        number: int,
        Q: ArrayLike,
        k: int = 10,
        *,
        ef: int | None = None,
        recall: float | None = None,
        filter: Iterable[int] | Callable[[int], bool] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest rows of one shard to each query: what an engine that distributes shards merges."""

    def search_exact(self, q: ArrayLike, k: int = 10) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `k` nearest rows to one query, after measuring all of them that can be answers."""

    def verify(self) -> None:
        """Opens all shards and checks every byte of them; FileError names the first that is wrong."""

    @staticmethod
    def sweep(location: str | PathLike[str], *, older_than: float = 86_400.0) -> list[str]:
        """Deletes files that no manifest names any more and that are so many seconds old; their names."""

    @property
    def manifest(self) -> dict[str, Any]:
        """What the collection is made of."""

    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def recipe(self) -> str: ...
    def __len__(self) -> int: ...

_Id = int | str
_Rows = Filter | NDArray[np.bool_] | Iterable[_Id] | Callable[[Any], bool]

@final
class Index:
    """Vectors, frozen, that answer which of them are nearest to a query.

    Vectors and queries are anything that numpy takes for an array (or that speaks DLPack) of float32,
    float64, float16, int8 or uint8; they are copied once, so that nobody changes them meanwhile, and
    kept as float32. Distances are float32: squared L2, -<q, x>, or 2 - 2 cos(q, x); lower is closer.

    Rows are called by their numbers, or by the ids that were given: then answers hold these, and filters
    and `vector` take them.
    """

    @staticmethod
    def build(
        X: ArrayLike | Table,
        metric: str | None = None,
        *,
        ids: Iterable[_Id] | None = None,
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
        progress: bool | Callable[[int, int], object] | None = ...,
        threads: int | None = None,
    ) -> Index:
        """Builds an index of the rows of `X`, an array of n x d or what `read` returned.

        metric: "l2", "ip" or "cosine"; where None, what the file declares, else "l2". ids: what the rows
        are called, all int (0 to 2**63 - 1) or all str, no two alike; those of the file where None. m: links
        per node, 2 to 512. ef_construction: how hard an insertion looks for its neighbours, m or more. recipe: one version of each module; "auto" chooses
        codes by what the data ask for, and `report` says what it chose. queries: a few hundred like those
        that will come. truncate: search by the first dimensions only. zero_rows: "keep" puts rows of
        zeros at right angles to everything under the cosine. unchecked: take a recipe's codes even where
        they lose many neighbours. progress: a line on the terminal, where there
        is one; False for none, or a function of (done, total).
        The same rows and options give the same index at any number of threads.

        Raises VectorValueError or OptionValueError; Ctrl-C ends the build.
        """

    @staticmethod
    def from_file(
        path: str | PathLike[str],
        metric: str | None = None,
        *,
        vectors: str | None = None,
        ids: str | None = None,
        **options: Any,
    ) -> Index:
        """Builds an index of a file of vectors; vectors and ids name columns as for `read`, options are
        those of `build`."""

    def search(
        self,
        Q: ArrayLike,
        k: int = 10,
        *,
        ef: int | None = None,
        recall: float | None = None,
        filter: _Rows | None = None,
        threads: int | None = None,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The `k` nearest rows to each query, nearest first: ids and distances.

        One query (d) gives arrays of at most k; many (n, d) give n x min(k, len(index)), with id -1
        (None where ids are str) and an infinite distance where a filter leaves fewer. ef: the width of the
        search, 4 k or 100 where None. recall: instead of ef, the share of the k nearest that is to be found,
        such as 0.95: takes the effort that reached it when the index was built. filter: what `Index.filter`
        takes or makes.
        """

    def search_exact(self, q: ArrayLike, k: int = 10) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The `k` nearest rows to one query after measuring all of them."""

    def range_search(self, q: ArrayLike, radius: float) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """The rows within `radius` (a distance, inclusive) of one query, nearest first."""

    def search_iter(self, q: ArrayLike) -> SearchIter:
        """An iterator over `(id, distance)` from the nearest row on, until every row has come."""

    def filter(self, rows: _Rows) -> Filter:
        """The rows that a search may return: a mask of len(index) booleans, ids, or a function of the id,
        which is asked once for every row."""

    @property
    def ids(self) -> NDArray[Any]:
        """What the rows are called, by row: int64, or an array of str."""

    def vector(self, id: _Id) -> NDArray[np.float32]:
        """One row as the index keeps it. Raises UnknownIdError."""

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the index to one file, atomically; its ids, where it has some, to path + ".ids".
        Raises FileError."""

    @staticmethod
    def load(path: str | PathLike[str]) -> Index:
        """Reads an index that `save` or the command `crinoid build` wrote, after verifying all of it.
        Raises FileError."""

    @staticmethod
    def view(path: str | PathLike[str]) -> Index:
        """As `load`, but the float rows stay in the file and are read from it query by query: less
        memory, a system call per candidate. Raises FileError."""

    def to_bytes(self) -> bytes:
        """The bytes that `save` writes; `pickle` uses them."""

    @staticmethod
    def from_bytes(bytes: bytes, ids: Iterable[_Id] | None = None) -> Index:
        """The index that `to_bytes` wrote; its ids are not among the bytes. Raises FileError."""

    def report(self) -> dict[str, Any]:
        """What was chosen when the index was built, and how large it is."""

    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    @property
    def recipe(self) -> str: ...
    def __len__(self) -> int: ...

class Matches:
    """The rows of a collection from the nearest on; made by `Collection.search_iter`."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> tuple[_Id, float]: ...
    def page(self, n: int) -> tuple[list[_Id], NDArray[np.float32]]:
        """The next `n` rows; fewer at the end."""

@final
class Events:
    """What maintenance does, as it happens; made by `Collection.events`."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> dict[str, Any]: ...
    def next(self, timeout: float) -> dict[str, Any] | None:
        """The next event, or None where none comes within `timeout` seconds."""

@final
class Collection:
    """A living set of vectors in a folder, by ids that are int or str: updated while it is searched.

    What was acknowledged survives a crash. One process can write a collection; others read it by `follow`, where
    the writer opened it `shared`.
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
        schema: dict[str, str] | None = None,
    ) -> Collection:
        """schema: the attributes that rows may have, and their types: bool, int, float, text, time, list, json."""

    @staticmethod
    def open(folder: str | PathLike[str], *, shared: bool = False) -> Collection:
        """Opens the collection in `folder`, whatever state a crash left it in. shared: other processes may read
        meanwhile by `follow`; every write syncs twice then."""

    @staticmethod
    def follow(folder: str | PathLike[str]) -> Collection:
        """Opens the collection in `folder` for reading alone: beside a process that has it open `shared`, or where
        nobody has it open. What writes raises StoreError, and so does what maintains. It sees the state of its last
        `refresh`; `get`, `get_many` and `texts` look at the store itself."""

    def refresh(self) -> bool:
        """Takes over what another process has written since; says whether there was anything (of a collection that
        was opened to be written: never)."""

    def upsert(
        self,
        ids: _Id | Iterable[_Id],
        vectors: ArrayLike,
        attributes: dict[str, Any] | Iterable[dict[str, Any] | None] | None = None,
        texts: str | Iterable[str | None] | None = None,
    ) -> None:
        """Inserts or replaces vectors and attributes: one id, or as many of each; all or nothing. Values are
        bool, int, float, str, date and datetime (UTC where they have no time zone), lists of str; anything else
        is kept as JSON, but not to be filtered by. Texts are found by `search_text`."""

    def insert(
        self,
        ids: _Id | Iterable[_Id],
        vectors: ArrayLike,
        attributes: dict[str, Any] | Iterable[dict[str, Any] | None] | None = None,
        texts: str | Iterable[str | None] | None = None,
    ) -> int:
        """As `upsert`, but leaves what is stored under an id; says how many were new."""

    def update(self, ids: _Id | Iterable[_Id], changes: dict[str, Any]) -> int:
        """Sets attributes, and removes those that are None; other attributes and the vectors stay. Says how
        many of the ids there were."""

    def load_file(
        self,
        path: str | PathLike[str],
        *,
        vectors: str | None = None,
        ids: str | None = None,
        attributes: list[str] = ...,
        text: str | None = None,
    ) -> int:
        """Inserts or replaces the rows of a file, block by block, each durable when the next is read; says
        how many. vectors, ids, attributes, text: columns, as for `read`; without ids, rows go on counting after
        the largest number that is an id. Raises FileError."""

    def ids(
        self, filter: str | None = None, *, after: _Id | None = None, limit: int | None = None
    ) -> list[_Id]:
        """The ids of all vectors, or of those that a filter admits, in order, numbers first: at most `limit`,
        beginning after the id `after`."""

    def count(self, filter: str | None = None) -> int:
        """How many vectors a filter admits: 'lang = "rust" AND stars > 10 AND tags CONTAINS "simd"'."""

    def delete(self, ids: _Id | Iterable[_Id]) -> int:
        """Deletes vectors; says how many there were."""

    def get(self, id: _Id) -> NDArray[np.float32]:
        """The vector stored under `id`. Raises UnknownIdError."""

    def attributes(self, id: _Id) -> dict[str, Any]:
        """The attributes stored under `id`; times are in UTC. Raises UnknownIdError."""

    def get_many(
        self, ids: _Id | Iterable[_Id]
    ) -> list[tuple[NDArray[np.float32], dict[str, Any]] | None]:
        """What is stored under each of `ids`, all at one time; None where there is nothing."""

    @overload
    def texts(self, ids: _Id) -> str | None: ...
    @overload
    def texts(self, ids: Iterable[_Id]) -> list[str | None]:
        """The texts stored under `ids`, all at one time; None where there is none."""

    def search_text(
        self, text: str, k: int = 10, *, filter: str | None = None
    ) -> tuple[list[_Id], NDArray[np.float64]]:
        """The `k` rows whose texts fit the words best by BM25, and their scores; higher is better."""

    def search_hybrid(
        self,
        q: ArrayLike,
        text: str,
        k: int = 10,
        *,
        ef: int | None = None,
        filter: str | None = None,
        fuse: Literal["rrf"] | float | None = None,
        pool: int | None = None,
    ) -> tuple[list[_Id], NDArray[np.float64]]:
        """The `k` rows that are best by vector and by words together, and what they are worth; higher is better.
        fuse: 'rrf', reciprocal rank fusion with the constant 60 (the default), or the weight of the vectors in a
        sum of both scores, each scaled to 0..1; pool: how many answers of each are fused [10 k, at least 100]."""

    def search(
        self,
        Q: ArrayLike,
        k: int = 10,
        *,
        ef: int | None = None,
        recall: float | None = None,
        filter: str | None = None,
        exact: bool = False,
    ) -> tuple[list[Any], Any]:
        """The `k` nearest: a list of ids and an array of distances for one query, lists of these for many.

        recall: the share that is to be found, instead of an effort `ef`. filter: only rows whose attributes are
        so. exact: measures all rows."""

    def search_range(
        self, q: ArrayLike, radius: float, *, filter: str | None = None
    ) -> tuple[list[_Id], NDArray[np.float32]]:
        """All vectors within `radius` (a distance of the metric, inclusive), nearest first."""

    def search_iter(self, q: ArrayLike, *, filter: str | None = None) -> Matches:
        """The vectors from the nearest on, as many as the caller takes."""

    def export(self, path: str | PathLike[str]) -> int:
        """Writes all rows with their attributes and texts as Parquet or Arrow, by the path's extension; says how
        many. Raises FileError."""

    def events(self) -> Events:
        """What maintenance does from now on: a dictionary for each segment that is built ("built", with segment,
        rows, replaced, seconds) and each attempt that fails ("failed", with why, attempts, pause_seconds)."""

    def status(self) -> dict[str, Any]:
        """rows, segments, dead, unsealed, building, bytes, failure (a str, or None)."""

    def flush(self) -> None:
        """Waits until all is sealed and compacted that should be."""

    def verify(self) -> list[str]:
        """Compares everything that is stored with its checksums: a line for each problem."""

    def delete_where(self, filter: str) -> int:
        """Deletes all rows that a filter admits; says how many."""

    def backup(self, folder: str | PathLike[str]) -> None:
        """Copies the collection to a new folder, while it is used; `Collection.open` opens the copy."""

    @staticmethod
    def repair(folder: str | PathLike[str]) -> dict[str, Any]:
        """Makes of a damaged collection one of what can still be read of it: rows, restored, lost (lists of
        str), kept (the damaged store, or None where there was no damage)."""

    def seal(self) -> None: ...
    def compact(self) -> None: ...
    def close(self) -> None:
        """Lets go of the folder; a `with` block does it at its end."""

    def __contains__(self, id: _Id, /) -> bool: ...
    def __len__(self) -> int: ...
    def __enter__(self) -> Self: ...
    @overload
    def __exit__(self, kind: None, value: None, trace: None) -> None: ...
    @overload
    def __exit__(self, kind: type[BaseException], value: BaseException, trace: TracebackType) -> None: ...

@final
class Retriever:
    """An index or a collection whose best candidates are read, as texts, by a reranker.

    texts: a text per row of the index, None for a row without one; or a dictionary of texts by id. A collection has
    its own: None.
    reranker: a function `(question, texts) -> scores`, higher is better, or an object with
    `predict(pairs)`, such as a CrossEncoder of sentence-transformers. pool: how many texts it reads.
    """

    def __new__(
        cls,
        rows: Index | Collection,
        texts: Sequence[str | None] | dict[Any, str | None] | None,
        reranker: Callable[[str, list[str]], Iterable[float]] | Any,
        *,
        pool: int = 20,
    ) -> Self: ...
    def search(
        self,
        q: ArrayLike,
        question: str,
        k: int = 10,
        *,
        ef: int | None = None,
        filter: str | None = None,
        fuse: Literal["rrf"] | float | None = None,
    ) -> tuple[Any, NDArray[np.float32], NDArray[np.float32]]:
        """The best k rows: ids (an array; of a collection a list), distances and scores. Those whose texts were read
        come first, by score; the others follow by distance, with NaN for a score. What the reranker raises is raised.

        Of a collection: filter, only rows whose attributes are so; fuse, the question is searched by its words as
        well, as in `search_hybrid`, and what words alone found has NaN for a distance."""
