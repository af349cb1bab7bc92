"""The subject protocol (../PROTOCOL.md), spoken once for every system measured from Python.

A system is a class derived from `System`: what it is called, which parameters it builds with,
`build` and `search`. `serve` does everything else - requests, files, normalisation, errors - in the same
way for all of them, so that a difference in time is a difference between systems.
"""

import ctypes
import gc
import json
import os
import platform
import sys
from importlib import metadata

import numpy as np

PROTOCOL = 1
MISSING = np.uint32(0xFFFFFFFF)


class Refused(Exception):
    """A request that is answered with an error of `kind`; the subject goes on."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class System:
    """What one system adds. Vectors and queries arrive as float32 rows, normalised under cosine."""

    name = ""
    #: The distribution on the package index that `import` needs, for the version and for `--list`.
    package = ""
    #: Every parameter of `build` with its default; the default's type is the parameter's type.
    parameters = {}
    #: The configurations that a comparison tries, each a dictionary of build parameters.
    configurations = ({},)
    #: Whether one seed gives one index, at any number of threads.
    deterministic = False

    def build(self, vectors, metric, threads, seed, **parameters):
        """Builds the index over `vectors` (n x d) for `metric`: l2, ip or cosine."""
        raise NotImplementedError

    def search(self, queries, k, ef):
        """Answers every query by itself, on one thread: ids (queries x k), nearest first, < 0 for none.

        May return `(ids, counters)`, counters being the totals of `hops` and `distances`.
        """
        raise NotImplementedError

    #: Whether `save` and `open` are there.
    stores = False

    def save(self, path):
        """Writes the index to a file."""
        raise NotImplementedError

    def open(self, path, metric, dim):
        """Takes the index over vectors of `dim` dimensions from a file that `save` wrote."""
        raise NotImplementedError

    def version(self):
        return metadata.version(self.package)


def read_fbin(path):
    """The rows of an fbin file: u32 rows, u32 dimension, then float32, little-endian."""
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, dtype="<u4", count=2)
        return np.fromfile(file, dtype="<f4").reshape(rows, dim)


def write_ids(path, ids, queries, k):
    """Writes an ibin answers file, filling rows that are short of k."""
    ids = np.asarray(ids)
    full = np.full((queries, k), MISSING, dtype="<u4")
    found = ids.reshape(queries, -1)[:, :k].astype("<i8")
    full[:, : found.shape[1]] = np.where(found < 0, int(MISSING), found)
    with open(path, "wb") as file:
        np.array([queries, k], dtype="<u4").tofile(file)
        full.tofile(file)


def normalised(rows):
    """Rows of unit length; a zero row stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, np.float32(1), norms)


def resident_bytes():
    """Anonymous memory of this process, free heap given back: what an index in it occupies."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


class Session:
    """One conversation: the state between requests, and one method per request."""

    def __init__(self, system):
        self.system = system
        self.vectors = None
        self.metric = None
        self.built = False

    def hello(self, request):
        if request["protocol"] < PROTOCOL:
            raise Refused("protocol", f"this subject speaks version {PROTOCOL}")
        return {
            "protocol": PROTOCOL,
            "name": self.system.name,
            "version": self.system.version(),
            "isa": platform.machine(),
            "deterministic": self.system.deterministic,
            # Most bindings expose none; a reply may carry counters all the same.
            "counters": getattr(self.system, "counters", False),
            "stores": self.system.stores,
        }

    def load(self, request):
        metric = request["metric"]
        if metric not in ("l2", "ip", "cosine"):
            raise Refused("load", f"unknown metric `{metric}` (known: l2, ip, cosine)")
        try:
            vectors = read_fbin(request["vectors"])
        except (OSError, ValueError) as error:
            raise Refused("load", str(error)) from error
        self.vectors = normalised(vectors) if metric == "cosine" else vectors
        self.metric, self.built = metric, False
        return {"rows": len(vectors), "dim": vectors.shape[1]}

    def build(self, request):
        if self.vectors is None:
            raise Refused("order", "build before load")
        parameters = dict(self.system.parameters)
        for name, value in request.get("params", {}).items():
            if name not in parameters:
                known = ", ".join(parameters)
                raise Refused("params", f"no parameter called `{name}` (known: {known})")
            try:
                parameters[name] = type(parameters[name])(value)
            except (TypeError, ValueError) as error:
                raise Refused("params", f"{name}: {error}") from error
        self.built = False
        vars(self.system).clear()
        before = resident_bytes()
        threads, seed = request.get("threads", 1), request.get("seed", 0)
        self.system.build(self.vectors, self.metric, threads, seed, **parameters)
        self.built, self.dim = True, self.vectors.shape[1]
        self.bytes = max(resident_bytes() - before, 0)
        return {"bytes": self.bytes}

    def save(self, request):
        if not self.built:
            raise Refused("order", "save before build")
        self.system.save(request["index"])
        about = {"metric": self.metric, "dim": self.dim, "bytes": self.bytes}
        with open(request["index"] + ".json", "w", encoding="utf-8") as file:
            json.dump(about, file)
        return {}

    def open(self, request):
        try:
            with open(request["index"] + ".json", encoding="utf-8") as file:
                about = json.load(file)
        except OSError as error:
            raise Refused("store", str(error)) from error
        self.metric, self.dim, self.bytes = about["metric"], about["dim"], about["bytes"]
        vars(self.system).clear()
        self.system.open(request["index"], self.metric, self.dim)
        self.built = True
        return {"bytes": self.bytes}

    def search(self, request):
        if not self.built:
            raise Refused("order", "search before build")
        parameters = dict(request.get("params", {}))
        k = request["k"]
        ef = max(int(parameters.pop("ef", k)), k)
        if parameters:
            raise Refused("params", f"no parameter called `{next(iter(parameters))}` (known: ef)")
        queries = read_fbin(request["queries"])
        if self.metric == "cosine":
            queries = normalised(queries)
        found = self.system.search(queries, k, ef)
        ids, counters = found if isinstance(found, tuple) else (found, None)
        write_ids(request["answers"], ids, len(queries), k)
        reply = {"answered": len(queries)}
        return reply | {"counters": counters} if counters else reply


def serve(system):
    """Reads requests until `stop` or the end of input, and answers each with one line."""
    # Native libraries like to print; only replies may reach the driver, so fd 1 becomes stderr.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    session = Session(system)
    answers = {op: getattr(session, op) for op in ("hello", "load", "build", "save", "open", "search")}
    for line in sys.stdin:
        try:
            op = None
            request = json.loads(line)
            op = request["op"]
            if op == "stop":
                break
            if op not in answers:
                raise Refused("protocol", f"no request called `{op}`")
            reply = {"reply": op} | answers[op](request)
        except Refused as error:
            reply = {"reply": "error", "kind": error.kind, "message": str(error)}
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            kind = "protocol" if op is None or isinstance(error, KeyError) else "internal"
            reply = {"reply": "error", "kind": kind, "message": repr(error)}
        except Exception as error:  # noqa: BLE001 - whatever a library throws is an answer, too
            kind = {"save": "store", "open": "store"}.get(op, op)
            kind = kind if kind in ("load", "build", "search", "store") else "internal"
            reply = {"reply": "error", "kind": kind, "message": repr(error)}
        print(json.dumps(reply), file=replies)
    print(json.dumps({"reply": "stop"}), file=replies)
