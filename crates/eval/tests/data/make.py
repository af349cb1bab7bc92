"""Makes the HDF5 files beside it: python make.py (h5py 3, numpy). Values follow the formulas that
tests/hdf5.rs repeats; neighbours are exact, ties by id."""
import h5py
import numpy as np


def values(rows, dim, salt):
    i, j = np.meshgrid(np.arange(rows), np.arange(dim), indexing="ij")
    return (i * i * 31 + j * 17 + i * j * 7 + salt * 101) % 253


def exact(base, queries, k, angular):
    base, queries = base.astype(np.float64), queries.astype(np.float64)
    if angular:
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        far = 1 - queries @ base.T
    else:
        far = np.sqrt(((queries[:, None] - base[None]) ** 2).sum(-1))
    order = np.argsort(np.round(far, 9), axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(far, order, 1)


def write(name, base, queries, distance, k=5, kind="dense", ids=np.int32, truth=True, **options):
    with h5py.File(name + ".hdf5", "w") as file:
        file.attrs["distance"] = distance
        file.attrs["dimension"] = base.shape[1]
        if kind:
            file.attrs["type"] = kind
        file.create_dataset("train", data=base, **options)
        file.create_dataset("test", data=queries, **options)
        if truth:
            order, far = exact(base, queries, k, distance == "angular")
            file.create_dataset("neighbors", data=order.astype(ids), **options)
            file.create_dataset("distances", data=far.astype(np.float32), **options)


floats = lambda rows, salt: (values(rows, 7, salt) / 8 - 15).astype(np.float32)
write("euclidean", floats(60, 0), floats(6, 1), "euclidean")
write("angular", floats(60, 0), floats(6, 1), "angular", ids=np.int64)
write("double", floats(60, 0).astype(np.float64), floats(6, 1).astype(np.float64), "euclidean")
write("bytes", values(60, 7, 0).astype(np.uint8), values(6, 7, 1).astype(np.uint8), "euclidean")
write("big-endian", values(60, 7, 0).astype(">i4"), values(6, 7, 1).astype(">i4"), "euclidean")
write("chunked", floats(60, 0), floats(6, 1), "euclidean", chunks=(4, 5), compression="gzip",
      shuffle=True)
write("untold", floats(60, 0), floats(6, 1), "euclidean", truth=False, kind=None)
write("sparse", values(60, 7, 0).astype(np.int32), values(6, 7, 1).astype(np.int32), "jaccard",
      kind="sparse", truth=False)
write("hamming", values(60, 7, 0) % 2 == 0, values(6, 7, 1) % 2 == 0, "hamming", truth=False)


# As VIBE lays its files out: no `type`, f64 distances, sample queries with their neighbours.
def vibe(name, base, queries, learn, distance, dimension, exact):
    with h5py.File(name + ".hdf5", "w") as file:
        file.attrs["distance"] = distance
        file.attrs["dimension"] = dimension
        file.attrs["point_type"] = "binary" if distance == "hamming" else "float"
        for part, data in [("train", base), ("test", queries), ("learn", learn)]:
            file.create_dataset(part, data=data)
        far = exact(queries, base)
        order = np.argsort(np.round(far, 9), axis=1, kind="stable")[:, :5]
        file.create_dataset("neighbors", data=order)
        file.create_dataset("distances", data=np.take_along_axis(far, order, 1))
        order = np.argsort(np.round(exact(learn, base), 9), axis=1, kind="stable")[:, :5]
        file.create_dataset("learn_neighbors", data=order.astype(np.uint32))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


dot = lambda a, b: a.astype(np.float64) @ b.T.astype(np.float64)
parts = [floats(60, 0), floats(6, 1), floats(8, 2)]
vibe("vibe-ip", *parts, "ip", 7, lambda a, b: -dot(a, b))
vibe("vibe-normalized", *map(unit, parts), "normalized", 7, lambda a, b: 1 - dot(a, b))
vibe("vibe-cosine", *parts, "cosine", 7, lambda a, b: 1 - dot(unit(a), unit(b)))
bits = [np.packbits(values(rows, 16, salt) % 3 == 0, axis=1) for rows, salt in [(60, 0), (6, 1), (8, 2)]]
hamming = lambda a, b: np.unpackbits(a[:, None] ^ b[None], axis=2).sum(-1).astype(np.float64)
vibe("vibe-hamming", *bits, "hamming", 16, hamming)

# A collection with rows and queries of length zero under the cosine.
base, queries = floats(60, 0), floats(6, 1)
base[7], queries[2] = 0, 0
write("zeros", base, queries, "angular", truth=False)
