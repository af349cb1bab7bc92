"""Sealed collections built and searched by Ray: one shard to an actor.

>>> import ray, crinoid.ray
>>> dataset = ray.data.read_parquet("embeddings/")             # columns `id` and `vector`
>>> crinoid.ray.build(dataset, "/shared/notes", shards=16, metric="cosine")
>>> searcher = crinoid.ray.Searcher("/shared/notes")
>>> ids, distances = searcher.search(queries, k=10)

The location is a folder that all machines see. Ray schedules and moves the rows; this module calls the wheel on each machine and writes the manifest. An actor that
dies is an error of the search, never an answer with fewer rows.
"""

import heapq

import numpy as np

from . import Sealed

try:
    import ray
except ImportError as error:
    raise ImportError("crinoid.ray needs Ray: pip install 'ray[data]'") from error


def _matrix(column):
    return np.stack([np.asarray(row, dtype=np.float32) for row in column])


def build(dataset, location, *, vector="vector", ids="id", shards=4, metric="l2", sample=100_000, **keywords):
    """Builds a sealed collection of a Ray dataset, a shard to a task.

    `vector` and `ids` are columns: vectors, and ints that differ. The recipe is chosen on `sample` rows.
    """
    rows = dataset.count()
    if rows == 0:
        raise ValueError("the dataset is empty")
    plan = Sealed.plan(_matrix([row[vector] for row in dataset.take(min(sample, -(-rows // shards)))]), metric, **keywords)

    @ray.remote
    def one(number, part):
        batch = part.select_columns([ids, vector]).take_batch(part.count())
        return Sealed.build_shard(str(location), plan, number, _matrix(batch[vector]), np.asarray(batch[ids]).tolist())

    parts = [part for part in dataset.split(min(shards, rows), equal=False) if part.count()]
    entries = ray.get([one.remote(number, part) for number, part in enumerate(parts)])
    Sealed.publish(str(location), plan, rows, entries)
    return Sealed(str(location))


@ray.remote
class _Shards:
    """Some of the shards of a collection."""

    def __init__(self, location, numbers, cache):
        self.sealed = Sealed(location, cache=cache)
        self.numbers = numbers

    def search(self, queries, k, options):
        found = [self.sealed.search_shard(number, queries, k, **options) for number in self.numbers]
        return found


class Searcher:
    """A sealed collection held by Ray actors, each of which has some of its shards in memory."""

    def __init__(self, location, *, actors=None, cache=None, actor_options=None):
        self.sealed = Sealed(str(location), cache=cache)
        shards = len(self.sealed.manifest["shards"])
        actors = min(shards, actors or shards)
        remote = _Shards.options(**(actor_options or {}))
        self.actors = [
            remote.remote(str(location), list(range(number, shards, actors)), cache) for number in range(actors)
        ]

    def search(self, Q, k=10, *, timeout=60.0, **options):
        """The `k` nearest rows to each query: ids and distances, as `Sealed.search` gives them.

        Raises what Ray raises where an actor died (`RayActorError`) or took longer than `timeout` seconds
        (`GetTimeoutError`).
        """
        queries = np.atleast_2d(np.asarray(Q, dtype=np.float32))
        sent = ray.put(queries)
        parts = ray.get([actor.search.remote(sent, k, options) for actor in self.actors], timeout=timeout)
        ids, distances = merge([part for parts_of_one in parts for part in parts_of_one], k)
        return (ids[0][ids[0] >= 0], distances[0][ids[0] >= 0]) if np.ndim(Q) == 1 else (ids, distances)

    def close(self):
        """Ends the actors."""
        for actor in self.actors:
            ray.kill(actor)


def merge(parts, k):
    """The `k` nearest of what several shards found, each id once; of rows equally near the lower id first."""
    rows = len(parts[0][0]) if parts else 0
    ids = np.full((rows, k), -1, dtype=np.int64)
    distances = np.full((rows, k), np.inf, dtype=np.float32)
    for row in range(rows):
        pairs = heapq.merge(*(list(zip(far[row], found[row])) for found, far in parts))
        seen = []
        for far, found in pairs:
            if found >= 0 and (not seen or seen[-1][1] != found):
                seen.append((far, found))
                if len(seen) == k:
                    break
        for place, (far, found) in enumerate(seen):
            ids[row, place], distances[row, place] = found, far
    width = max((int((row >= 0).sum()) for row in ids), default=0)
    return ids[:, :width], distances[:, :width]
