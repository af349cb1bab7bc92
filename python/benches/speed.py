"""How fast Python searches: batches and one query per call, in turns with the command `crinoid` (Rust alone), usearch
and hnswlib where they are there.

    pip install ./python usearch hnswlib && cargo install --path crates/cli
    python benches/speed.py --rows 100000 --dim 128
    python benches/speed.py --data sift-128-euclidean.hdf5 --json

One thread everywhere. What a call costs by itself is told by an index of 16 rows, whose searches cost next to nothing:
one call after the other against a batch of as many. In every round each is measured as `crinoid bench` measures (the median of the passes that fit
into 0.4 seconds, three at least), in an order that turns, and medians of rounds are told: a machine that is busy for a
while is busy for all of them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

# Threads of numpy's that wait for work keep a core busy.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import crinoid  # noqa: E402
import numpy as np  # noqa: E402


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="an HDF5 file of ann-benchmarks or VIBE [default: a generated set]")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--ef", type=int, default=100)
    parser.add_argument("--m", type=int, default=16)
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--command", default=shutil.which("crinoid"), help="the command crinoid [default: on the path]")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def data(options):
    if options.data:
        base, queries = crinoid.read(options.data), crinoid.read(options.data, queries=True)
        return base.vectors, queries.vectors[: options.queries], base.metric or "l2"
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(options.rows // 100 + 1, options.dim))

    def some(n):
        return (centers[rng.integers(len(centers), size=n)] + 0.3 * rng.normal(size=(n, options.dim))).astype(np.float32)

    return some(options.rows), some(options.queries), "l2"


def exact(X, Q, metric, k):
    index = np.empty((len(Q), k), np.int64)
    norms = (X * X).sum(axis=1)
    unit = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-30) if metric == "cosine" else X
    for start in range(0, len(Q), 256):
        some = Q[start : start + 256]
        far = norms - 2 * some @ X.T if metric == "l2" else -some @ unit.T
        best = np.argpartition(far, k, axis=1)[:, :k]
        index[start : start + 256] = best
    return index


def call_alone(dim):
    """Microseconds that a call takes beyond the search that it is for."""
    few = np.random.default_rng(0).normal(size=(16, dim)).astype(np.float32)
    index, query, many = crinoid.Index.build(few), few[3].copy(), np.repeat(few[3:4], 4_000, axis=0)

    def took(work):
        started = time.perf_counter()
        work()
        return (time.perf_counter() - started) / len(many)

    calls = [took(lambda: [index.search(query, 10) for _ in range(len(many))]) for _ in range(15)]
    batches = [took(lambda: index.search(many, 10, threads=1)) for _ in range(15)]
    return (statistics.median(calls) - statistics.median(batches)) * 1e6


def main():
    given = options()
    X, Q, metric = data(given)
    k, ef = given.k, given.ef
    truth = exact(X, Q, metric, k)
    folder = Path(tempfile.mkdtemp(prefix="crinoid-bench-"))
    index = crinoid.Index.build(X, metric, m=given.m, recipe=given.recipe)
    index.save(folder / "x.crinoid")
    np.save(folder / "q.npy", Q)
    np.save(folder / "truth.npy", truth.astype(np.uint32))

    def timed(ask):
        def run():
            begun, passes = time.perf_counter(), []
            while len(passes) < 3 or time.perf_counter() - begun < 0.4:
                started = time.perf_counter()
                found = ask()
                passes.append(time.perf_counter() - started)
            return statistics.median(passes) / len(Q), found

        return run

    def each(ask):
        return timed(lambda: [ask(query) for query in Q])

    contestants = {
        "crinoid, a batch": timed(lambda: index.search(Q, k, ef=ef, threads=1)[0]),
        "crinoid, one per call": each(lambda query: index.search(query, k, ef=ef)[0]),
    }
    if given.command:

        def rust():
            line = [given.command, "bench", folder / "x.crinoid", "--queries", folder / "q.npy"]
            line += ["--truth", folder / "truth.npy", "-k", str(k), "--ef", str(ef), "--json"]
            point = json.loads(subprocess.run(line, check=True, capture_output=True).stdout)["curve"][0]
            return 1.0 / point["queries_per_second"], None

        contestants["crinoid, Rust alone"] = rust
    try:
        import usearch.index

        name = {"l2": "l2sq", "ip": "ip", "cosine": "cos"}[metric]
        other = usearch.index.Index(
            ndim=X.shape[1], metric=name, dtype="f32", connectivity=given.m, expansion_add=200, expansion_search=ef
        )
        other.add(np.arange(len(X)), X)
        contestants["usearch, one per call"] = each(lambda query: other.search(query, k, threads=1).keys)
    except ImportError:
        pass
    try:
        import hnswlib

        third = hnswlib.Index(space=metric, dim=X.shape[1])
        third.init_index(max_elements=len(X), M=given.m, ef_construction=200)
        third.add_items(X)
        third.set_ef(ef)
        third.set_num_threads(1)
        contestants["hnswlib, one per call"] = each(lambda query: third.knn_query(query, k=k)[0][0])
    except ImportError:
        pass

    seconds, recall, names = {name: [] for name in contestants}, {}, list(contestants)
    for turn in range(given.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            took, found = contestants[name]()
            seconds[name].append(took)
            if found is not None:
                recall[name] = float(np.mean([len(set(map(int, a)) & set(b)) / k for a, b in zip(found, truth.tolist())]))
    micros = {name: statistics.median(all) * 1e6 for name, all in seconds.items()}
    shutil.rmtree(folder)
    alone = call_alone(X.shape[1])
    if given.json:
        facts = {"rows": len(X), "dim": X.shape[1], "metric": metric, "k": k, "ef": ef, "recipe": index.recipe}
        print(json.dumps(facts | {"microseconds": micros, "recall": recall, "rounds": seconds, "call_alone": alone}))
        return
    print(f"{len(X)} x {X.shape[1]}, {metric}, k {k}, ef {ef}, {index.recipe}, medians of {given.rounds} rounds")
    for name, value in sorted(micros.items(), key=lambda pair: pair[1]):
        said = f"recall {recall[name]:.4f}" if name in recall else ""
        print(f"{name:24} {value:9.2f} us a query  {said}")
    print(f"a call costs {alone:.2f} us by itself")
    if "crinoid, Rust alone" in micros:
        rust = micros["crinoid, Rust alone"]
        print(f"a batch takes {micros['crinoid, a batch'] / rust - 1:+.1%} of Rust's time, ", end="")
        print(f"one call {micros['crinoid, one per call'] - rust:+.2f} us")


if __name__ == "__main__":
    main()
