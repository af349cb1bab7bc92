"""Embedded vector stores on the same rows in one run: crinoid, LanceDB, Qdrant's local mode, sqlite-vec, Chroma.

    pip install ./python lancedb qdrant-client sqlite-vec chromadb psutil
    python benches/stores.py --rows 100000 --dim 384 --out stores.json
    python benches/stores.py --data code-384-angular-100k.hdf5 --stores crinoid,sqlite-vec

Rows have three attributes: `share`, a number from 0 to 999, `lang` and `stars`. Each store runs in a process of its own,
one after the other: it takes the rows in blocks and makes what it makes of them, then it is searched with the least
effort that finds `--recall` of the nearest over half of the queries (the other half is measured), under filters that
admit 50, 10, 1 and 0.1 % of the rows, and while another thread replaces rows without a pause. What cannot be tuned
searches all rows. Memory is the process's own after the searches; figures of one store say nothing about another machine.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SHARES = {"50 %": 500, "10 %": 100, "1 %": 10, "0.1 %": 1}
LANGS = ["rust", "c", "python", "go", "zig"]
EFFORTS = [10, 20, 40, 80, 120, 200, 400, 800, 1600]


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="an HDF5 file of ann-benchmarks under the cosine [default: a generated set]")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--recall", type=float, default=0.95)
    parser.add_argument("--block", type=int, default=1_000, help="rows that are written at a time")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long it is searched while it is written to")
    parser.add_argument("--stores", default="crinoid,lancedb,qdrant,sqlite-vec,chroma")
    parser.add_argument("--out", help="the record to write, JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args()


def data(options):
    if options.data:
        import h5py

        with h5py.File(options.data) as file:
            X, Q = file["train"][: options.rows], file["test"][: options.queries]
    else:
        rng = np.random.default_rng(0)
        centers = rng.normal(size=(options.rows // 100 + 1, options.dim))

        def some(n):
            return centers[rng.integers(len(centers), size=n)] + 0.5 * rng.normal(size=(n, options.dim))

        X, Q = some(options.rows), some(options.queries)

    def unit(rows):
        return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    return unit(X), unit(Q)


def attributes(n):
    rng = np.random.default_rng(1)
    share, stars = rng.permutation(n) % 1_000, np.round(rng.exponential(100, size=n), 2)
    return [{"share": int(s), "lang": LANGS[i % len(LANGS)], "stars": float(t)} for i, (s, t) in enumerate(zip(share, stars))]


def exact(X, Q, k, admitted=None):
    rows = np.arange(len(X)) if admitted is None else np.flatnonzero(admitted)
    some = min(k, len(rows))
    return [rows[np.argpartition(-(X[rows] @ q), some - 1)[:some]] for q in Q]


class Crinoid:
    package = "crinoid"
    efforts = EFFORTS

    def __init__(self, folder, dim):
        import crinoid

        self.collection = crinoid.Collection.create(folder, dim, metric="cosine")

    def write(self, ids, X, rows):
        self.collection.upsert(ids, X, rows)

    def finish(self):
        self.collection.flush()

    def search(self, q, k, effort, below=None):
        where = None if below is None else f"share < {below}"
        return self.collection.search(q, k, ef=max(effort, k), filter=where)[0]


class Lance:
    package = "lancedb"
    efforts = EFFORTS

    def __init__(self, folder, dim):
        import lancedb
        import pyarrow as pa

        vector = pa.list_(pa.float32(), dim)
        kinds = [("id", pa.int64()), ("vector", vector), ("share", pa.int64()), ("lang", pa.string()), ("stars", pa.float64())]
        self.dim, self.pa = dim, pa
        self.table = lancedb.connect(folder).create_table("rows", schema=pa.schema(kinds))

    def write(self, ids, X, rows):
        columns = {"id": ids, "vector": list(X)} | {name: [row[name] for row in rows] for name in rows[0]}
        new = self.pa.table(columns, schema=self.table.schema)
        if self.table.count_rows(f"id = {ids[0]}"):
            self.table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(new)
        else:
            self.table.add(new)

    def finish(self):
        self.table.create_index(metric="cosine", index_type="IVF_HNSW_SQ", num_partitions=1)
        self.table.create_scalar_index("share")
        self.table.optimize()

    def search(self, q, k, effort, below=None):
        query = self.table.search(q).distance_type("cosine").limit(k).nprobes(20).ef(max(effort, 4 * k)).refine_factor(4)
        if below is not None:
            query = query.where(f"share < {below}", prefilter=True)
        return query.select(["id"]).to_arrow()["id"].to_pylist()


class Qdrant:
    package = "qdrant-client"
    efforts = [0]

    def __init__(self, folder, dim):
        from qdrant_client import QdrantClient, models

        self.models, self.client = models, QdrantClient(path=str(folder))
        self.client.create_collection("rows", vectors_config=models.VectorParams(size=dim, distance=models.Distance.COSINE))
        self.lock = threading.Lock()  # Its local mode is for one thread.

    def write(self, ids, X, rows):
        points = [self.models.PointStruct(id=int(i), vector=x.tolist(), payload=row) for i, x, row in zip(ids, X, rows)]
        with self.lock:
            self.client.upsert("rows", points)

    def finish(self):
        pass

    def search(self, q, k, effort, below=None):
        where = None
        if below is not None:
            condition = self.models.FieldCondition(key="share", range=self.models.Range(lt=below))
            where = self.models.Filter(must=[condition])
        with self.lock:
            return [p.id for p in self.client.query_points("rows", query=q.tolist(), limit=k, query_filter=where).points]


class SqliteVec:
    package = "sqlite-vec"
    efforts = [0]

    def __init__(self, folder, dim):
        Path(folder).mkdir()
        self.path, self.local = str(Path(folder) / "rows.db"), threading.local()
        self.db.execute("pragma journal_mode = wal")
        self.db.execute(
            f"create virtual table rows using vec0(id integer primary key, embedding float[{dim}] distance_metric=cosine,"
            " share integer, lang text, stars float)"
        )

    @property
    def db(self):
        if not hasattr(self.local, "db"):
            import sqlite_vec

            try:  # Where Python's own was compiled without extensions.
                import pysqlite3 as sqlite3
            except ImportError:
                import sqlite3

            db = sqlite3.connect(self.path, timeout=60)
            db.enable_load_extension(True)
            sqlite_vec.load(db)
            self.local.db = db
        return self.local.db

    def write(self, ids, X, rows):
        with self.db as db:
            db.executemany("delete from rows where id = ?", [(int(i),) for i in ids])
            values = [(int(i), x.tobytes(), row["share"], row["lang"], row["stars"]) for i, x, row in zip(ids, X, rows)]
            db.executemany("insert into rows(id, embedding, share, lang, stars) values (?, ?, ?, ?, ?)", values)

    def finish(self):
        pass

    def search(self, q, k, effort, below=None):
        where = "" if below is None else f" and share < {below}"
        rows = self.db.execute(f"select id from rows where embedding match ? and k = ?{where}", (q.tobytes(), k))
        return [id for (id,) in rows]


class Chroma:
    package = "chromadb"
    efforts = EFFORTS

    def __init__(self, folder, dim):
        import chromadb

        self.client = chromadb.PersistentClient(str(folder), chromadb.Settings(anonymized_telemetry=False))
        self.collection = self.client.create_collection("rows", configuration={"hnsw": {"space": "cosine", "ef_search": 100}})
        self.effort = 100

    def write(self, ids, X, rows):
        self.collection.upsert([str(i) for i in ids], embeddings=X, metadatas=rows)

    def finish(self):
        pass

    def search(self, q, k, effort, below=None):
        if effort != self.effort:
            self.collection.modify(configuration={"hnsw": {"ef_search": effort}})
            self.effort = effort
        where = None if below is None else {"share": {"$lt": below}}
        found = self.collection.query(query_embeddings=[q], n_results=k, where=where, include=[])
        return [int(id) for id in found["ids"][0]]


STORES = {"crinoid": Crinoid, "lancedb": Lance, "qdrant": Qdrant, "sqlite-vec": SqliteVec, "chroma": Chroma}


def recall(found, truth):
    return statistics.mean(len(set(f) & set(t.tolist())) / len(t) for f, t in zip(found, truth))


def measured(store, Q, truth, k, target, below=None):
    """Times in ms and recall, with the least effort that reaches the target over the first half of the queries."""
    half = len(Q) // 2
    for effort in store.efforts:
        if recall([store.search(q, k, effort, below) for q in Q[:half]], truth[:half]) >= target:
            break
    found, took = [], []
    for q in Q[half:]:
        started = time.perf_counter()
        found.append(store.search(q, k, effort, below))
        took.append((time.perf_counter() - started) * 1e3)
    times = {"p50_ms": np.percentile(took, 50), "p99_ms": np.percentile(took, 99)}
    return {"effort": effort, "recall": recall(found, truth[half:])} | {name: round(float(t), 3) for name, t in times.items()}


def under_writes(store, X, rows, Q, k, effort, seconds):
    """Times in ms while a thread writes rows again, ten at a time."""
    over, written, failed = threading.Event(), [0], []

    def write():
        at = 0
        try:
            while not over.is_set():
                ids = [(at + i) % len(X) for i in range(10)]
                store.write(ids, X[ids], [rows[i] for i in ids])
                at, written[0] = at + 10, written[0] + 10
        except Exception as error:  # Told in the record: some stores refuse to be used by two threads.
            failed.append(f"{type(error).__name__}: {error}")

    writer = threading.Thread(target=write)
    took, started = [], time.perf_counter()
    writer.start()
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        store.search(Q[len(took) % len(Q)], k, effort)
        took.append((time.perf_counter() - before) * 1e3)
    over.set()
    writer.join()
    result = {"searches": len(took), "rows_per_second": round(written[0] / (time.perf_counter() - started), 1)}
    result |= {name: round(float(np.percentile(took, p)), 3) for name, p in [("p50_ms", 50), ("p99_ms", 99)]}
    return result | ({"writer_failed": failed[0][:200]} if failed else {})


def one(options):
    import psutil

    X, Q = data(options)
    rows, share = attributes(len(X)), np.array([row["share"] for row in attributes(len(X))])
    folder = Path(options.work) / options.one
    process = psutil.Process()
    before = process.memory_info().rss
    store = STORES[options.one](folder, X.shape[1])
    started = time.perf_counter()
    for start in range(0, len(X), options.block):
        ids = list(range(start, min(start + options.block, len(X))))
        store.write(ids, X[ids], rows[start : start + options.block])
    inserted = time.perf_counter() - started
    store.finish()
    built = time.perf_counter() - started
    result = {"store": options.one, "version": importlib.metadata.version(store.package)}
    result |= {"insert_rows_per_second": round(len(X) / inserted, 1), "ready_after_seconds": round(built, 2)}
    result["search"] = measured(store, Q, exact(X, Q, options.k), options.k, options.recall)
    result["filters"] = {}
    for name, below in SHARES.items():
        truth = exact(X, Q, options.k, share < below)
        result["filters"][name] = measured(store, Q, truth, options.k, options.recall, below)
    result["memory_bytes"] = process.memory_info().rss - before
    result["disk_bytes"] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    effort = result["search"]["effort"]
    result["search_during_writes"] = under_writes(store, X, rows, Q, options.k, effort, options.seconds)
    print(json.dumps(result))


def table(results):
    names = ["store", "rows/s", "ready s", "recall", "p50 ms", "p99 ms", *SHARES, "p50/p99 while written", "RAM MB", "disk MB"]
    lines = [names, ["---"] * len(names)]
    for one in results:
        if "failed" in one:
            lines.append([one["store"], one["failed"]] + [""] * (len(names) - 2))
            continue
        search, writes = one["search"], one["search_during_writes"]
        filters = [f"{f['p50_ms']} ({f['recall']:.3f})" for f in one["filters"].values()]
        first = [one["store"], one["insert_rows_per_second"], one["ready_after_seconds"], round(search["recall"], 3)]
        times = [search["p50_ms"], search["p99_ms"], *filters, f"{writes['p50_ms']} / {writes['p99_ms']}"]
        lines.append(first + times + [round(one["memory_bytes"] / 1e6), round(one["disk_bytes"] / 1e6)])
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main():
    given = options()
    if given.one:
        return one(given)
    X, Q = data(given)
    results = []
    with tempfile.TemporaryDirectory() as work:
        for store in given.stores.split(","):
            print(f"{store} ...", file=sys.stderr, flush=True)
            again = [sys.executable, __file__, *sys.argv[1:], "--one", store, "--work", work]
            done = subprocess.run(again, capture_output=True, text=True)
            if done.returncode == 0:
                results.append(json.loads(done.stdout.splitlines()[-1]))
            else:
                results.append({"store": store, "failed": (done.stderr.strip().splitlines() or ["no word"])[-1][:300]})
    record = {
        "command": "stores",
        "arguments": sys.argv[1:],
        "time": int(time.time()),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "system": platform.platform()},
        "python": platform.python_version(),
        "data": {
            "name": Path(given.data).stem if given.data else "generated",
            "rows": len(X),
            "dim": X.shape[1],
            "digest": hashlib.sha256(X.tobytes() + Q.tobytes()).hexdigest()[:16],
        },
        "k": given.k,
        "recall": given.recall,
        "results": results,
    }
    if given.out:
        Path(given.out).write_text(json.dumps(record, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
