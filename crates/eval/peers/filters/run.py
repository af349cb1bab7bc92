"""Filtered search, ours beside peers, in turns: recall@10 against the exact answer among the admitted rows, and queries per second.

    run.py BASE.fbin QUERIES.fbin l2|cosine FOLDER --ours COMMAND --headers COMMAND [--passes N] [--shares S,...]

Each system is a child that builds or opens its index, says `ready`, and then answers two requests with `ok`:
`filter PATH` (a byte per row, 1 where it is admitted) and `search EF PATH` (all queries one by one, k = 10,
ids to an ibin file). The clock is here. COMMAND of ours is the example `filters` with `--serve`, that of the headers
what headers.cpp was built to; faiss serves itself from this file.
"""

import argparse
import os
import subprocess
import sys
import time

import numpy as np

K = 10
SHARES = (0.5, 0.1, 0.01, 0.001)
#: The default effort of ours; the others are for reading off speed at equal recall.
DEFAULT = 100
EFFORTS = (10, 20, 50, DEFAULT, 200, 400, 1000)


def read(path, metric):
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, dtype="<u4", count=2)
        values = np.fromfile(file, dtype="<f4").reshape(rows, dim)
    return values / np.linalg.norm(values, axis=1, keepdims=True) if metric == "cosine" else values


def serve_faiss(base, queries, metric, path):
    import faiss

    faiss.omp_set_num_threads(2)
    base, queries = read(base, metric), read(queries, metric)
    if os.path.exists(path):
        index = faiss.read_index(path)
    else:
        index = faiss.IndexHNSWFlat(base.shape[1], 16)
        index.hnsw.efConstruction = 200
        index.add(base)
        faiss.write_index(index, path)
    faiss.omp_set_num_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "filter":
            admitted = np.fromfile(rest[0], dtype="u1")
            bits = np.packbits(admitted, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        else:
            parameters = faiss.SearchParametersHNSW(efSearch=int(rest[0]), sel=selector)
            ids = index.search(queries, K, params=parameters)[1]
            with open(rest[1], "wb") as file:
                np.array(ids.shape, dtype="<u4").tofile(file)
                ids.astype("<u4").tofile(file)
        print("ok", flush=True)


class Child:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.expect("ready")

    def expect(self, word):
        reply = self.process.stdout.readline().strip()
        if reply != word:
            raise SystemExit(f"{self.name} said `{reply}` instead of `{word}`")

    def ask(self, request):
        start = time.perf_counter()
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        self.expect("ok")
        return time.perf_counter() - start


def truth(base, queries, rows):
    """Distance of the k-th nearest admitted row of each query, with the rounding of float32 allowed for."""
    some = base[rows].astype("f8")
    squares = (some**2).sum(1)
    out = []
    for query in queries.astype("f8"):
        distances = squares - 2 * some @ query + query @ query
        out.append(np.partition(distances, K - 1)[K - 1] * (1 + 1e-6) + 1e-9)
    return np.array(out)


def recall(base, queries, admitted, limits, path):
    ids = np.fromfile(path, dtype="<u4")[2:].reshape(-1, K)
    hits = 0
    for row, query, limit in zip(ids, queries.astype("f8"), limits):
        found = np.unique(row[row < len(base)])
        if not admitted[found].all():
            raise SystemExit("a row that is not admitted")
        hits += (((base[found].astype("f8") - query) ** 2).sum(1) <= limit).sum()
    return hits / ids.size


def at(curve, level):
    """Queries per second at a recall, between the efforts around it, on a logarithmic scale."""
    curve = sorted(curve)
    for (low, fast), (high, slow) in zip([(0.0, None), *curve], curve):
        if high >= level:
            if fast is None or high == low:
                return slow
            share = (level - low) / (high - low)
            return np.exp(np.log(fast) * (1 - share) + np.log(slow) * share)
    return None


def main():
    if sys.argv[1] == "--faiss":
        return serve_faiss(*sys.argv[2:])
    parser = argparse.ArgumentParser()
    for name in ("base", "queries", "metric", "folder", "--ours", "--headers"):
        parser.add_argument(name)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--shares", default=",".join(map(str, SHARES)))
    args = parser.parse_args()
    data = [args.base, args.queries, args.metric]
    kept = lambda name: os.path.join(args.folder, f"filters-{os.path.basename(args.base)}-{name}")
    commands = {
        "crinoid": [*args.ours.split(), *data, args.folder],
        "hnswlib": [args.headers, "hnswlib", *data, "16", "200", kept("hnswlib")],
        "usearch": [args.headers, "usearch", *data, "16", "200", kept("usearch")],
        "faiss": [sys.executable, __file__, "--faiss", *data, kept("faiss")],
    }
    children = [Child(name, command) for name, command in commands.items()]
    base, queries = read(args.base, args.metric), read(args.queries, args.metric)
    mask, answers = kept("mask"), kept("answers")
    for share in map(float, args.shares.split(",")):
        admitted = np.random.default_rng(7).random(len(base)) < share
        admitted.astype("u1").tofile(mask)
        limits = truth(base, queries, np.flatnonzero(admitted))
        curves = {child.name: [] for child in children}
        done = set()
        for effort in EFFORTS:
            times = {child.name: [] for child in children}
            for turn in range(args.passes):
                for child in children[:: 1 if turn % 2 else -1]:
                    if child.name in done:
                        continue
                    if not curves[child.name]:
                        child.ask(f"filter {mask}")
                    seconds = child.ask(f"search {effort} {answers}")
                    times[child.name].append(seconds)
                    if turn == 0:
                        quality = recall(base, queries, admitted, limits, answers)
                        curves[child.name].append([quality, None])
            for child in children:
                if times[child.name]:
                    point = curves[child.name][-1]
                    point[1] = len(queries) / min(times[child.name])
                    if effort == DEFAULT:
                        print(f"{share:6} {child.name:8} ef {effort}: recall {point[0]:.4f}, {point[1]:9.0f} QPS", flush=True)
                    if effort >= DEFAULT and point[0] >= 0.995:
                        done.add(child.name)
        for name, curve in curves.items():
            speeds = [at(curve, level) for level in (0.95, 0.99)]
            text = ["        -" if speed is None else f"{speed:9.0f}" for speed in speeds]
            print(f"{share:6} {name:8} QPS at 0.95 and 0.99: {text[0]} {text[1]}  best recall {max(curve)[0]:.4f}", flush=True)
    for child in children:
        child.process.stdin.close()


if __name__ == "__main__":
    main()
