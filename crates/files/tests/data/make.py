"""Makes the files beside it: python make.py (numpy, h5py, pyarrow, safetensors). Values follow the
formula that tests/formats.rs repeats. f4.npy, i8.npy and fortran.npy are older and not made here."""
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from safetensors.numpy import save_file

ROWS, DIM = 9, 5


def values(rows=ROWS, dim=DIM):
    i, j = np.meshgrid(np.arange(rows), np.arange(dim), indexing="ij")
    return ((i * 13 + j * 7 + i * j) % 31 / 4 - 3).astype(np.float32)


whole = (values() * 4).astype(np.float32)
np.save("half.npy", values().astype(np.float16))
np.save("big-endian.npy", values().astype(">f4"))
np.save("double.npy", values().astype(np.float64))
np.save("shorts.npy", whole.astype(np.int16))
np.save("fortran-double.npy", np.asfortranarray(values().astype(np.float64)))
np.savez("several.npz", ids=np.arange(ROWS), vectors=values(), more=whole.astype(np.int8))
np.savez_compressed("packed.npz", x=np.asfortranarray(values().astype(np.float16)))
save_file({"vectors": values().astype(np.float16), "norms": np.ones(ROWS, np.float32)}, "half.safetensors")

with h5py.File("any.hdf5", "w") as file:
    file.create_dataset("embeddings", data=values().astype(np.float16), chunks=(4, 5), compression="gzip")
    file.create_dataset("deep/er", data=values())
    file.create_dataset("neighbors", data=np.arange(6).reshape(3, 2))
    file.create_dataset("floats", data=np.arange(6).reshape(3, 2).astype(np.float32))

names = [f"doc {i}" for i in range(ROWS)]
lists = pa.array(list(values()), pa.list_(pa.float32()))
fixed = pa.FixedSizeListArray.from_arrays(pa.array(values().astype(np.float16).ravel()), DIM)
table = pa.table({
    "id": pa.array(np.arange(ROWS) * 10, pa.int64()),
    "name": pa.array(names),
    "price": pa.array([None if i == 3 else i / 2 for i in range(ROWS)], pa.float64()),
    "stock": pa.array([i % 2 == 0 for i in range(ROWS)]),
    "embedding": lists,
})
pq.write_table(table, "lists.parquet", row_group_size=4)
pq.write_table(table.set_column(4, "embedding", pa.array(list(values().astype(np.float64)), pa.list_(pa.float64()))),
               "doubles.parquet", compression="zstd", row_group_size=4)
feather.write_feather(table.set_column(4, "embedding", fixed), "fixed.feather", compression="lz4")
with pa.OSFile("stream.arrow", "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table, max_chunksize=4)
broken = [list(map(float, row)) for row in values()]
broken[6][2] = 1e300
pq.write_table(pa.table({"v": pa.array(broken, pa.list_(pa.float64()))}), "huge.parquet", row_group_size=4)
broken[6][2] = None
pq.write_table(pa.table({"v": pa.array(broken, pa.list_(pa.float64()))}), "null.parquet", row_group_size=4)
broken[6] = broken[6][:2]
pq.write_table(pa.table({"v": pa.array(broken, pa.list_(pa.float64()))}), "ragged.parquet", row_group_size=4)
