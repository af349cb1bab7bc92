"""The files that people have, and what rows are called."""

import json
import pickle

import crinoid
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from common import brute_force, clustered

X = clustered(600, 12, 1)
Q = clustered(20, 12, 2)
NAMES = [f"doc {row}" for row in range(len(X))]
LANGUAGES = np.array(["en", "de", "fr"], object)[np.arange(len(X)) % 3]
YEARS = 1990 + np.arange(len(X)) % 40


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    """Embeddings with ids and two attributes, in several row groups."""
    path = tmp_path_factory.mktemp("files") / "docs.parquet"
    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1])
    columns = {"id": NAMES, "embedding": lists, "lang": LANGUAGES, "year": YEARS}
    pq.write_table(pa.table(columns), path, row_group_size=100)
    return path


def nearest(rows, k):
    return rows[np.argsort(brute_force(X[rows], Q, "cosine"), axis=1)[:, :k]]


def test_a_parquet_file_with_ids_and_attributes_becomes_an_index_and_answers(parquet):
    table = crinoid.read(parquet, ids="id", attributes=["lang", "year"])
    assert (len(table), table.metric) == (600, None) and "600 x 12, with ids" in repr(table)
    np.testing.assert_array_equal(table.vectors, X)
    assert table.ids.tolist() == NAMES
    assert table.attributes["lang"].tolist() == LANGUAGES.tolist()
    np.testing.assert_array_equal(table.attributes["year"], YEARS)
    index = crinoid.Index.build(table, metric="cosine")
    ids, _ = index.search(Q, k=5, ef=200)
    want = np.array(NAMES, object)[nearest(np.arange(600), 5)]
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, want)]) > 0.98
    mask = (table.attributes["lang"] == "de") & (table.attributes["year"] >= 2000)
    left = np.flatnonzero((LANGUAGES == "de") & (YEARS >= 2000))
    ids, _ = index.search(Q, k=5, filter=mask)
    want = np.array(NAMES, object)[nearest(left, 5)]
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, want)]) > 0.98


def test_an_index_of_a_file_is_that_of_its_rows(parquet, tmp_path):
    wanted = crinoid.Index.build(X, metric="cosine").report()["digest"]
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "half.npy", np.asfortranarray(X).astype(">f8"))
    np.savez(tmp_path / "x.npz", queries=Q, base=X)
    with open(tmp_path / "x.jsonl", "w") as file:
        file.writelines(json.dumps({"key": row, "vector": vector.tolist()}) + "\n" for row, vector in enumerate(X))
    with open(tmp_path / "x.fbin", "wb") as file:
        file.write(np.array(X.shape, np.uint32).tobytes() + X.tobytes())
    for name, more in [
        ("x.npy", {}),
        ("half.npy", {}),
        ("x.npz", {"vectors": "base"}),
        ("x.jsonl", {"ids": "key"}),
        ("x.fbin", {}),
        (parquet, {"ids": "id"}),
    ]:
        index = crinoid.Index.from_file(tmp_path / name, "cosine", **more)
        assert index.report()["digest"] == wanted, name
    assert crinoid.Index.from_file(tmp_path / "x.npy", m=8).report()["m"] == 8


@pytest.mark.parametrize("names", [NAMES, np.arange(600) * 7 + 10**12, [str(row) for row in range(600)]])
def test_rows_are_called_by_their_ids(names, tmp_path):
    index = crinoid.Index.build(X, ids=names)
    bare = crinoid.Index.build(X)
    wanted, far = bare.search(Q, k=4, ef=100)
    listed = np.array(names, dtype=object if isinstance(names[0], str) else np.int64)
    path = tmp_path / "x.crinoid"
    index.save(path)
    for same in [index, crinoid.Index.load(path), crinoid.Index.view(path), pickle.loads(pickle.dumps(index))]:
        ids, distances = same.search(Q, k=4, ef=100)
        assert (ids == listed[wanted]).all() and (distances == far).all() and ids.dtype == listed.dtype
        assert (same.ids == listed).all()
        assert (same.vector(names[5]) == X[5]).all()
        one, _ = same.search(Q[0], k=4, ef=100)
        assert one.tolist() == ids[0].tolist()
        assert next(same.search_iter(Q[0]))[0] == ids[0, 0]
        assert same.search_exact(Q[0], k=1)[0][0] == ids[0, 0]
    few = index.search(Q, k=3, filter=[names[3], names[4]])
    assert all(set(row[:2]) == {names[3], names[4]} for row in few[0].tolist())
    assert few[0][0, 2] in (None, -1) and np.isinf(few[1][0, 2])
    kept = {names[9], names[11]}
    assert set(index.search(Q[0], k=2, filter=lambda id: id in kept)[0].tolist()) == kept
    # Saved again without ids, the old ones are gone.
    bare.save(path)
    assert not (tmp_path / "x.crinoid.ids").exists()
    assert bare.ids.tolist() == list(range(600))


def test_a_view_reads_its_rows_from_the_file(tmp_path):
    index = crinoid.Index.build(X, recipe="sq8@2/crinoid@1/pipelined@2/float@1")
    index.save(tmp_path / "x.crinoid")
    view = crinoid.Index.view(tmp_path / "x.crinoid")
    ids, distances = index.search(Q, k=10)
    again = view.search(Q, k=10)
    assert (again[0] == ids).all() and (again[1] == distances).all()
    assert view.report()["digest"] == index.report()["digest"]


def test_a_collection_takes_a_file(parquet, tmp_path):
    np.save(tmp_path / "x.npy", X)
    with crinoid.Collection.create(tmp_path / "c", dim=12, metric="cosine") as collection:
        assert collection.load_file(parquet, ids="id") == 600 == len(collection)
        assert collection.load_file(parquet, ids="id") == 600 == len(collection)
        assert sorted(collection.ids()) == sorted(NAMES)
        ids, _ = collection.search(Q, k=5, ef=300)
        want = np.array(NAMES, object)[nearest(np.arange(600), 5)]
        assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, want)]) > 0.98
        # Without ids, rows are counted, on from the largest number.
        assert collection.load_file(tmp_path / "x.npy") == 600
        assert collection.ids()[:600] == list(range(600))
        assert collection.delete(3) == 1
        assert collection.load_file(tmp_path / "x.npy") == 600
        assert collection.ids()[2:1199] == [2, *range(4, 1200)]


def test_missing_values_are_seen(tmp_path):
    columns = {"v": pa.array(list(X[:3])), "n": [1, None, 3], "f": [0.5, None, 1.5], "b": [True, None, False]}
    pq.write_table(pa.table(columns | {"t": ["a", None, "c"]}), tmp_path / "x.parquet")
    table = crinoid.read(tmp_path / "x.parquet", vectors="v", attributes=["n", "f", "b", "t"])
    assert table.attributes["n"].tolist() == [1, None, 3]
    assert table.attributes["b"].tolist() == [True, None, False]
    assert table.attributes["t"].tolist() == ["a", None, "c"]
    assert np.isnan(table.attributes["f"][1]) and table.attributes["f"].dtype == np.float64
    assert table.ids is None


BAD = [
    (lambda f: crinoid.read(f / "absent.npy"), OSError, "absent.npy.*No such file"),
    (lambda f: crinoid.read(f), OSError, "is a folder"),
    (lambda f: crinoid.read(f / "cut.npy"), crinoid.FileError, "cut short"),
    (lambda f: crinoid.read(f / "what.xyz"), crinoid.FileError, "known formats"),
    (lambda f: crinoid.read(f / "nan.jsonl"), crinoid.FileError, "line 2.*drop the row"),
    (lambda f: crinoid.read(f / "two.npz"), crinoid.FileError, "name the one with the vectors.*a, b"),
    (lambda f: crinoid.read(f / "two.npz", vectors="c"), crinoid.FileError, "not there.*a, b"),
    (lambda f: crinoid.read(f / "x.npy", ids="id"), crinoid.FileError, "column `id` is missing"),
    (lambda f: crinoid.read(f / "x.npy", attributes=["a"]), crinoid.FileError, "column `a` is missing"),
    (lambda f: crinoid.read(f / "null.parquet", ids="id"), crinoid.FileError, "row 1.*every row needs an id"),
    (lambda f: crinoid.read(f / "null.parquet", ids="no"), crinoid.FileError, "no"),
    (lambda f: crinoid.read(f / "null.parquet", vectors="id"), crinoid.FileError, "id"),
    (lambda f: crinoid.Index.from_file(f / "twice.jsonl", ids="id"), ValueError, "row 1: `a`.*must differ"),
    (lambda f: crinoid.Index.from_file(f / "x.npy", "manhattan"), ValueError, "l2, ip, cosine"),
    (lambda f: crinoid.Index.from_file(f / "x.npy", speed=9), TypeError, "speed"),
    (lambda f: crinoid.Index.build(X, ids=["a"]), ValueError, "1 ids for 600 rows"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", "a"]), ValueError, "row 1: `a`.*must differ"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", 1]), ValueError, "row 1: ints and strs are mixed"),
    (lambda f: crinoid.Index.build(X[:2], ids=[1, -1]), ValueError, "row 1: an id is"),
    (lambda f: crinoid.Index.build(X[:2], ids=[1, 2**63]), ValueError, "row 1: an id is"),
    (lambda f: crinoid.Index.build(X[:2], ids=[1, 1.5]), ValueError, "row 1: an id is"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", "b"]).vector("c"), KeyError, "no row is called 'c'"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", "b"]).vector(0), KeyError, "index.ids"),
    (lambda f: crinoid.Index.build(X[:2]).vector(2), KeyError, "no row 2"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", "b"]).search(Q, filter=["c"]), ValueError, "called 'c'"),
    (lambda f: crinoid.Index.build(X[:2], ids=["a", "b"]).search(Q, filter="a"), ValueError, "a mask"),
    (lambda f: crinoid.Index.load(f / "foreign.crinoid"), OSError, "build the index again"),
    (lambda f: crinoid.Index.view(f / "x.npy"), OSError, "x.npy"),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_mistakes_are_named(number, tmp_path):
    np.save(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-1])
    (tmp_path / "what.xyz").write_bytes(b"what")
    (tmp_path / "nan.jsonl").write_text("[1,2]\n[NaN,1]\n")
    (tmp_path / "twice.jsonl").write_text('{"id":"a","vector":[1]}\n{"id":"a","vector":[2]}\n')
    np.savez(tmp_path / "two.npz", a=X, b=Q)
    pq.write_table(pa.table({"id": ["a", None], "v": pa.array(list(X[:2]))}), tmp_path / "null.parquet")
    crinoid.Index.build(X[:9], ids=NAMES[:9]).save(tmp_path / "other.crinoid")
    crinoid.Index.build(X[:9] + 1.0).save(tmp_path / "foreign.crinoid")
    (tmp_path / "other.crinoid.ids").rename(tmp_path / "foreign.crinoid.ids")
    call, kind, text = BAD[number]
    with pytest.raises(kind, match=f"(?s){text}"):
        call(tmp_path)


def test_there_are_enough_mistakes():
    assert len(BAD) >= 25
