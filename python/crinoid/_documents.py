"""Texts and what belongs to them beside their vectors: what the stores of other frameworks stand on.

A folder holds a `Collection` and a SQLite file. Documents without a vector are kept, and never found by
one. Whatever a crash leaves behind is put right when the folder is opened.
"""

import json
import shutil
import sqlite3
import tempfile
import threading
import weakref
from pathlib import Path

from . import Collection

_SIMILARITY = {
    "cosine": lambda distance: 1.0 - distance / 2.0,
    "ip": lambda distance: -distance,
    "l2": lambda distance: 1.0 / (1.0 + distance),
}


def dump(id, row):
    """A row as JSON."""
    try:
        return json.dumps(row)
    except TypeError as error:
        raise ValueError(f"document {id!r}: {error}: metadata is kept as JSON, so convert it first") from error


class Documents:
    """Documents by ids that are str: a text (JSON, for who asks) and a vector, or none."""

    def __init__(self, folder=None, metric="cosine", **options):
        if metric not in _SIMILARITY:
            raise ValueError(f"metric is l2, ip or cosine, not {metric!r}")
        self.metric = metric
        self._options = options
        self._lock = threading.RLock()
        if folder is None:
            folder = tempfile.mkdtemp(prefix="crinoid-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._texts = sqlite3.connect(self.folder / "documents.sqlite3", check_same_thread=False)
        self._texts.execute("PRAGMA journal_mode = WAL")
        self._texts.execute("PRAGMA synchronous = FULL")
        with self._texts:
            self._texts.execute(
                "CREATE TABLE IF NOT EXISTS documents (id TEXT PRIMARY KEY, text TEXT NOT NULL, vector INTEGER NOT NULL)"
            )
        self._vectors = None
        place = self.folder / "vectors"
        if place.exists():
            self._vectors = Collection.open(place)
            told = {id for (id,) in self._texts.execute("SELECT id FROM documents WHERE vector")}
            # A vector is written before its document, and deleted after it.
            stray = [id for id in self._vectors.ids() if id not in told]
            if stray:
                self._vectors.delete(stray)

    def put(self, ids, texts, vectors):
        """Inserts or replaces documents; a vector may be None."""
        ids, texts, vectors = list(ids), list(texts), list(vectors)
        if not len(ids) == len(texts) == len(vectors):
            raise ValueError(f"{len(ids)} ids for {len(texts)} documents with {len(vectors)} vectors")
        # The last of those with the same id counts.
        last = {id: (text, vector) for id, text, vector in zip(ids, texts, vectors)}
        with self._lock:
            named = [(id, vector) for id, (_, vector) in last.items() if vector is not None]
            if named:
                self._collection(len(named[0][1])).upsert([id for id, _ in named], [vector for _, vector in named])
            with self._texts:
                self._texts.executemany(
                    "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
                    [(id, text, vector is not None) for id, (text, vector) in last.items()],
                )
            bare = [id for id, (_, vector) in last.items() if vector is None]
            if bare and self._vectors is not None:
                self._vectors.delete(bare)

    def get(self, ids=None):
        """Documents, `{id: text}`, those that there are; all of them where ids is None."""
        with self._lock:
            if ids is None:
                return dict(self._texts.execute("SELECT id, text FROM documents ORDER BY rowid"))
            found = {}
            for id in ids:
                row = self._texts.execute("SELECT text FROM documents WHERE id = ?", (id,)).fetchone()
                if row is not None:
                    found[id] = row[0]
            return found

    def vector(self, id):
        """The vector of a document, or None."""
        with self._lock:
            if self._vectors is None or id not in self._vectors:
                return None
            return self._vectors.get(id)

    def remove(self, ids):
        """Deletes documents; says how many there were."""
        ids = list(dict.fromkeys(ids))
        with self._lock:
            with self._texts:
                before = self._texts.total_changes
                self._texts.executemany("DELETE FROM documents WHERE id = ?", [(id,) for id in ids])
                gone = self._texts.total_changes - before
            if self._vectors is not None and ids:
                self._vectors.delete(ids)
            return gone

    def nearest(self, query, k, admits=None):
        """The `k` documents nearest to a vector, best first: `(id, similarity, text)`. Only those count
        whose `(id, text)` `admits` says yes to."""
        with self._lock:
            if self._vectors is None or k <= 0:
                return []
            rows, wanted = len(self._vectors), k
            if admits is not None:
                wanted = max(4 * k, 64)
            while rows:
                ids, distances = self._vectors.search(query, k=min(wanted, rows))
                texts = self.get(ids)
                found = [
                    (id, _SIMILARITY[self.metric](float(distance)), texts[id])
                    for id, distance in zip(ids, distances)
                    if id in texts and (admits is None or admits(id, texts[id]))
                ]
                if len(found) >= k or wanted >= rows:
                    return found[:k]
                wanted *= 4
            return []

    def close(self):
        """Lets go of the folder."""
        with self._lock:
            if self._vectors is not None:
                self._vectors.close()
                self._vectors = None
            self._texts.close()

    def __len__(self):
        with self._lock:
            return self._texts.execute("SELECT count(*) FROM documents").fetchone()[0]

    def _collection(self, dim):
        if self._vectors is None:
            self._vectors = Collection.create(self.folder / "vectors", dim, self.metric, **self._options)
        return self._vectors
