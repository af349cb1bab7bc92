"""A collection against a dictionary."""

from datetime import datetime, timedelta, timezone

import crinoid
import numpy as np
import pytest
from common import brute_force, clustered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def test_it_lives_by_the_callers_ids_and_outlives_its_process(tmp_path):
    folder = tmp_path / "fruit"
    with crinoid.Collection.create(folder, dim=2, metric="cosine") as fruit:
        fruit.upsert(["apple", "pear", 42], [[1.0, 0.0], [0.8, 0.3], [0.0, 1.0]])
        assert fruit.delete("apple") == 1
        assert fruit.delete(["apple", "plum"]) == 0
        assert ("apple" in fruit, "pear" in fruit, 42 in fruit, np.int64(42) in fruit) == (False, True, True, True)
        assert repr(fruit).endswith("2 vectors)")
    assert repr(fruit).endswith("closed)")
    with pytest.raises(OSError, match="closed"):
        len(fruit)
    with crinoid.Collection.open(str(folder)) as fruit:
        assert len(fruit) == 2
        ids, distances = fruit.search([1.0, 0.0], k=1)
        assert ids == ["pear"] and distances.dtype == np.float32
        ids, distances = fruit.search([[1.0, 0.0], [0.0, 2.0]], k=5)
        assert ids == [["pear", 42], [42, "pear"]]
        np.testing.assert_array_equal(fruit.get("pear"), np.array([0.8, 0.3], np.float32))
        with pytest.raises(KeyError, match="plum"):
            fruit.get("plum")


def test_segments_answer_as_rows_in_memory_do(tmp_path):
    X, Q = clustered(500, 8, 1), clustered(20, 8, 2)
    with crinoid.Collection.create(tmp_path / "c", dim=8, seal_rows=100, max_segments=2) as collection:
        for start in range(0, 500, 50):
            collection.upsert(range(start, start + 50), X[start : start + 50])
        collection.delete(list(range(0, 500, 5)))
        left = np.array([row for row in range(500) if row % 5])
        best = left[np.argsort(brute_force(X[left], Q, "l2"), axis=1)[:, :5]]
        for work in [collection.seal, collection.compact]:
            ids, _ = collection.search(Q, k=5, ef=200)
            assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, best)]) > 0.97
            work()
        assert len(collection) == 400


def test_rows_have_texts_that_are_found_by_their_words(tmp_path):
    X = np.eye(3, dtype=np.float32)
    with crinoid.Collection.create(tmp_path / "c", dim=3) as papers:
        papers.upsert([1, 2, 3], X, [{"n": 1}, None, {"n": 3}], ["open a file", None, "Close the file"])
        papers.upsert("one", X[0], texts="a file by itself")
        assert papers.texts([1, 2, 3, "nobody"]) == ["open a file", None, "Close the file", None]
        assert papers.texts("one") == "a file by itself"
        ids, scores = papers.search_text("CLOSE file", k=2)
        assert ids[0] == 3 and scores.dtype == np.float64 and scores[0] > scores[1] > 0
        assert papers.search_text("close file", filter="n = 1")[0] == [1]
        assert papers.search_hybrid(X[2], "open", k=1, fuse=0.9)[0] == [3]
        assert papers.search_hybrid(X[2], "open", k=1, fuse=0.1)[0] == [1]
        assert set(papers.search_hybrid(X[2], "open", k=2, pool=2)[0]) == {1, 3}
        for wrong in [{"fuse": "other"}, {"fuse": 1.5}]:
            with pytest.raises(crinoid.OptionValueError, match="fuse"):
                papers.search_hybrid(X[2], "open", **wrong)
        with pytest.raises(crinoid.OptionValueError, match="1 texts for 2 ids"):
            papers.upsert([7, 8], X[:2], texts=["one"])
        papers.seal()
        assert papers.search_text("close")[0] == [3]
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"id": 1, "vector": [1, 2], "said": "a word"}\n{"id": 2, "vector": [1, 2], "said": null}\n')
    with crinoid.Collection.create(tmp_path / "file", dim=2) as said:
        assert said.load_file(lines, ids="id", text="said") == 2
        assert said.texts([1, 2]) == ["a word", None]


def test_rows_go_to_a_file_and_maintenance_tells_what_it_does(tmp_path):
    with crinoid.Collection.create(tmp_path / "c", dim=2) as shop:
        events = shop.events()
        assert events.next(0.0) is None
        shop.upsert(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], [{"n": 1}, None], ["a word", None])
        shop.seal()
        event = events.next(10.0)
        assert (event["event"], event["segment"], event["rows"], event["replaced"]) == ("built", 0, 2, [])
        assert shop.export(tmp_path / "rows.parquet") == 2
        with pytest.raises(crinoid.FileError, match="attributes"):
            shop.export(tmp_path / "rows.npy")
    assert list(events) == []
    table = crinoid.read(tmp_path / "rows.parquet", ids="id", attributes=["n", "text"])
    assert list(table.ids) == ["a", "b"] and list(table.attributes["text"]) == ["a word", None]
    with crinoid.Collection.create(tmp_path / "again", dim=2) as again:
        assert again.load_file(tmp_path / "rows.parquet", ids="id", attributes=["n"], text="text") == 2
        assert again.attributes("a") == {"n": 1} and again.texts("a") == "a word"
    with crinoid.Collection.open(tmp_path / "again", shared=True) as again:
        assert len(again) == 2


def test_others_read_what_one_writes(tmp_path):
    with crinoid.Collection.create(tmp_path / "c", dim=2):
        with pytest.raises(crinoid.StoreError, match="opened shared"):
            crinoid.Collection.follow(tmp_path / "c")
    with crinoid.Collection.open(tmp_path / "c", shared=True) as writer:
        with crinoid.Collection.follow(tmp_path / "c") as reader:
            writer.upsert(["a", "b"], [[1.0, 0.0], [0.0, 1.0]], [{"n": 1}, None], ["a word", None])
            assert len(reader) == 0 and reader.refresh() and not reader.refresh() and not writer.refresh()
            assert reader.ids() == ["a", "b"] and reader.ids("n = 1") == ["a"] and reader.count() == 2
            assert reader.search([0.9, 0.1], k=1)[0] == ["a"] and reader.search_text("word")[0] == ["a"]
            assert reader.attributes("a") == {"n": 1} and reader.texts(["a", "b"]) == ["a word", None] and "b" in reader
            np.testing.assert_array_equal(reader.get("b"), np.array([0, 1], np.float32))
            best = crinoid.Retriever(reader, None, lambda question, texts: [1.0] * len(texts)).search([0.0, 1.0], "q", k=1)
            assert best[0] == ["a"]  # The one text that could be read.
            assert reader.export(tmp_path / "rows.parquet") == 2 and repr(reader).endswith("2 vectors)")
            for change in [lambda: reader.upsert("c", [1.0, 1.0]), lambda: reader.delete("a"), reader.compact]:
                with pytest.raises(crinoid.StoreError, match="for reading alone"):
                    change()
    with pytest.raises(crinoid.StoreError, match="closed"):
        reader.refresh()


def test_rows_have_attributes_and_filters_look_at_them(tmp_path):
    X = clustered(300, 8, 1)
    noon = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
    rows = [
        {"n": n, "half": n / 2, "even": n % 2 == 0, "lang": ["rust", "c"][n % 2], "tags": [str(n % 3)], "at": noon + timedelta(days=n)}
        for n in range(300)
    ]
    with crinoid.Collection.create(tmp_path / "c", dim=8, schema=None) as collection:
        collection.upsert(range(300), X, rows)
        collection.seal()
        assert collection.attributes(7) == rows[7]
        for text, admits in [
            ("n >= 290", lambda row: row["n"] >= 290),
            ('lang = "rust" AND tags CONTAINS "1"', lambda row: row["lang"] == "rust" and "1" in row["tags"]),
            ("NOT (even = true OR half < 10.5)", lambda row: not (row["even"] or row["half"] < 10.5)),
            ('at < "2026-12-05T12:00:00Z"', lambda row: row["at"] < noon + timedelta(days=5)),
            ("nothing IS NOT NULL", lambda row: False),
        ]:
            wanted = [row["n"] for row in rows if admits(row)]
            assert collection.ids(text) == wanted and collection.count(text) == len(wanted)
            ids, distances = collection.search(X[0], k=5, filter=text, exact=True)
            far = brute_force(X, X[:1], "l2")[0]
            nearest = sorted(wanted, key=lambda n: far[n])[:5]
            assert ids == nearest
            np.testing.assert_allclose(distances, far[nearest], rtol=1e-4, atol=1e-5)
            assert [id for id, _ in collection.search_iter(X[0], filter=text)][:5] == nearest or len(wanted) > 100
            if nearest:
                inside, _ = collection.search_range(X[0], float(far[nearest[-1]]) * 1.0001, filter=text)
                assert inside == nearest
        assert collection.ids(after=290, limit=3) == [291, 292, 293]
        assert collection.update([1, 2, 999], {"n": None, "more": {"a": [1, None]}}) == 2
        assert collection.attributes(1)["more"] == {"a": [1, None]} and collection.ids("n IS NULL") == [1, 2]
        (vector, attributes), missing = collection.get_many([2, 999])
        np.testing.assert_array_equal(vector, X[2].astype(np.float32))
        assert attributes["more"] == {"a": [1, None]} and missing is None
        assert collection.insert([1, 300], X[:2], [None, {"n": np.int64(300)}]) == 1
        assert collection.delete_where("n IS NULL") == 2
        assert collection.verify() == [] and collection.status()["rows"] == len(collection) == 299
        collection.backup(tmp_path / "copy")
    assert crinoid.Collection.repair(tmp_path / "copy") == {"rows": 299, "restored": [], "lost": [], "kept": None}
    with crinoid.Collection.open(tmp_path / "copy") as copy:
        assert copy.ids("n = 300") == [300]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda c, f: c.upsert(["a", "b"], [[1.0, 2.0]]), ValueError, "2 ids for 1 vectors"),
        (lambda c, f: c.upsert("a", [1.0]), ValueError, "1 dimensions where 2"),
        (lambda c, f: c.upsert("a", [1.0, float("inf")]), ValueError, "dimension 1"),
        (lambda c, f: c.upsert(-1, [1.0, 2.0]), TypeError, "2\\*\\*64"),
        (lambda c, f: c.upsert(1.5, [1.0, 2.0]), TypeError, "an id is"),
        (lambda c, f: c.search([1.0, 2.0], k=0), ValueError, "k is 0"),
        (lambda c, f: c.search([1.0, 2.0], filter="n >"), ValueError, "byte 3"),
        (lambda c, f: c.upsert("a", [1.0, 2.0], {"n": float("nan")}), ValueError, "`a`: attribute `n`: NaN"),
        (lambda c, f: c.upsert("a", [1.0, 2.0], {"n": 2**70}), ValueError, "64 bits"),
        (lambda c, f: c.upsert(["a"], [[1.0, 2.0]], []), ValueError, "0 dictionaries for 1 rows"),
        (lambda c, f: crinoid.Collection.create(f / "x", dim=2, schema={"n": "number"}), ValueError, "none of bool, int"),
        (lambda c, f: crinoid.Collection.open(f), OSError, "has the collection open"),
        (lambda c, f: crinoid.Collection.create(f, dim=2), OSError, "already"),
        (lambda c, f: crinoid.Collection.create(f / "x", dim=0), ValueError, "dimension"),
        (lambda c, f: crinoid.Collection.create(f / "x", dim=2, seal_rows=0), ValueError, "seal_rows"),
        (lambda c, f: crinoid.Collection.open(f / "none"), OSError, "none"),
    ],
)
def test_mistakes_are_named(tmp_path, call, kind, text):
    folder = tmp_path / "c"
    with crinoid.Collection.create(folder, dim=2) as collection, pytest.raises(kind, match=text):
        call(collection, folder)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(-9, 9)), max_size=25))
def test_it_holds_what_a_dictionary_would(tmp_path_factory, steps):
    oracle = {}
    with crinoid.Collection.create(tmp_path_factory.mktemp("c") / "c", dim=1, seal_rows=4) as collection:
        for insert, name, value in steps:
            if insert:
                collection.upsert(name, [float(value)])
                oracle[name] = float(value)
            else:
                assert collection.delete(name) == (name in oracle)
                oracle.pop(name, None)
        assert len(collection) == len(oracle)
        if oracle:
            ids, distances = collection.search([0.5], k=20)
            wanted = sorted((value - 0.5) ** 2 for value in oracle.values())
            assert set(ids) == set(oracle) and distances.tolist() == wanted
