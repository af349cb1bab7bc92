"""A whole subject with nothing to import: exact search by squared L2. See README.md.

It speaks the protocol (../PROTOCOL.md) in about thirty lines, as a subject in any language would.
"""

import array
import heapq
import json
import sys
from math import dist

HELLO = {"protocol": 1, "name": "exact", "version": "1", "isa": "none", "deterministic": True}


def read(path):
    with open(path, "rb") as file:
        rows, dim = array.array("I", file.read(8))
        values = array.array("f", file.read())
    return [tuple(values[row * dim : (row + 1) * dim]) for row in range(rows)]


def search(base, queries, k, path):
    answers = array.array("I", [len(queries), k])
    for query in queries:
        best = heapq.nsmallest(k, ((dist(query, values), row) for row, values in enumerate(base)))
        answers.extend([row for _, row in best] + [0xFFFFFFFF] * (k - len(best)))
    with open(path, "wb") as file:
        answers.tofile(file)


for line in sys.stdin:
    request, reply = json.loads(line), {}
    op = request["op"]
    if op == "hello":
        reply = HELLO
    elif op == "load" and request["metric"] != "l2":
        op, reply = "error", {"kind": "load", "message": "squared L2 only"}
    elif op == "load":
        base = read(request["vectors"])
        reply = {"rows": len(base), "dim": len(base[0])}
    elif op == "build":
        reply = {"bytes": 4 * len(base) * len(base[0])}
    elif op == "search":
        queries = read(request["queries"])
        search(base, queries, request["k"], request["answers"])
        reply = {"answered": len(queries)}
    print(json.dumps({"reply": op} | reply), flush=True)
    if op == "stop":
        break
