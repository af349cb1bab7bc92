"""Texts behind the vectors, read by a reranker of Python."""

import crinoid
import numpy as np
import pytest
from common import clustered

X = clustered(300, 8, 1)
TEXTS = [f"text {row}" for row in range(300)]


@pytest.fixture(scope="module")
def index():
    return crinoid.Index.build(X, metric="cosine")


def number(text):
    return int(text.split()[1])


def test_the_texts_that_were_read_come_first_by_score(index):
    asked = []

    def later_is_better(question, texts):
        asked.append((question, texts))
        return [float(number(text)) for text in texts]

    retriever = crinoid.Retriever(index, TEXTS, later_is_better, pool=5)
    near, far = index.search(X[7], k=10)
    ids, distances, scores = retriever.search(X[7], "which?", k=10)
    assert asked == [("which?", [TEXTS[row] for row in near[:5]])]
    assert ids[:5].tolist() == sorted(near[:5], reverse=True) and ids[5:].tolist() == near[5:].tolist()
    assert scores[:5].tolist() == ids[:5].tolist() and np.isnan(scores[5:]).all()
    known = dict(zip(near.tolist(), far.tolist()))
    assert distances.tolist() == [known[id] for id in ids.tolist()]
    assert repr(retriever) == "crinoid.Retriever(300 texts, pool=5)"


def test_a_cross_encoder_is_asked_in_pairs(index):
    class CrossEncoder:
        def predict(self, pairs):
            return np.array([-number(text) for question, text in pairs if question == "q"], np.float32)

    ids, _, scores = crinoid.Retriever(index, TEXTS, CrossEncoder(), pool=10).search(X[7], "q", k=3)
    near = index.search(X[7], k=10)[0]
    assert ids.tolist() == sorted(near)[:3] and scores.tolist() == [-id for id in ids.tolist()]


def test_texts_go_by_id_where_rows_have_ids_and_some_rows_have_none():
    named = crinoid.Index.build(X, ids=TEXTS)
    texts = {name: name for name in TEXTS if number(name) % 2}
    seen = []
    retriever = crinoid.Retriever(named, texts, lambda question, some: [seen.extend(some) or 1.0] * len(some))
    ids, _, scores = retriever.search(X[7], "q", k=20)
    assert all(number(text) % 2 for text in seen) and seen
    assert all(np.isnan(score) != number(id) % 2 for id, score in zip(ids, scores))


def test_a_collection_brings_its_own_texts_attributes_and_words(tmp_path):
    with crinoid.Collection.create(tmp_path / "c", 8, metric="cosine") as collection:
        attributes = [{"odd": row % 2} for row in range(300)]
        collection.upsert(range(300), X, attributes, [None if row == 3 else text for row, text in enumerate(TEXTS)])
        seen = []

        def later_is_better(question, texts):
            seen.extend(texts)
            return [float(number(text)) for text in texts]

        retriever = crinoid.Retriever(collection, None, later_is_better, pool=5)
        near, far = collection.search(X[7], k=5, filter="odd = 0")
        ids, distances, scores = retriever.search(X[7], "which?", k=5, filter="odd = 0")
        assert ids == sorted(near, reverse=True) and scores.tolist() == ids and set(seen) == {TEXTS[row] for row in near}
        known = dict(zip(near, far.tolist()))
        assert distances.tolist() == pytest.approx([known[id] for id in ids])
        # Words alone find the row 299, which is far away.
        ids, distances, _ = retriever.search(X[7], "299", k=5, fuse=0.0)
        assert ids[0] == 299 and len(ids) == 5
        assert repr(retriever) == f"crinoid.Retriever(crinoid.Collection('{tmp_path / 'c'}', 300 vectors), pool=5)"
        with pytest.raises(ValueError, match="has its own"):
            crinoid.Retriever(collection, TEXTS, len)
        with pytest.raises(ValueError, match="fuse"):
            retriever.search(X[7], "q", fuse=2.0)
        with pytest.raises(ZeroDivisionError):
            crinoid.Retriever(collection, None, lambda q, t: 1 / 0).search(X[7], "q")
        with pytest.raises(ValueError, match="3"):
            retriever.search(X[7, :3], "q")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda i: crinoid.Retriever(i, TEXTS, len).search(X[0], "q", fuse="rrf"), ValueError, "take a collection"),
        (lambda i: crinoid.Retriever(X, TEXTS, len), TypeError, "Index"),
        (lambda i: crinoid.Retriever(i, TEXTS, 3), ValueError, "scores, or an object with predict"),
        (lambda i: crinoid.Retriever(i, TEXTS[:-1], len), ValueError, "299 texts for 300 rows"),
        (lambda i: crinoid.Retriever(i, TEXTS, len, pool=0), ValueError, "pool is 0"),
        (lambda i: crinoid.Retriever(i, {300: "x"}, len), KeyError, "no row 300"),
        (lambda i: crinoid.Retriever(i, TEXTS, lambda q, t: [1.0]).search(X[0], "q"), ValueError, "1 scores for"),
        (lambda i: crinoid.Retriever(i, TEXTS, lambda q, t: [np.nan] * len(t)).search(X[0], "q"), ValueError, "no finite"),
        (lambda i: crinoid.Retriever(i, TEXTS, lambda q, t: 1 / 0).search(X[0], "q"), ZeroDivisionError, "zero"),
        (lambda i: crinoid.Retriever(i, TEXTS, len).search(X[0, :3], "q"), ValueError, "3"),
        (lambda i: crinoid.Retriever(i, TEXTS, len).search(X[0], "q", k=0), ValueError, "k is 0"),
        (lambda i: crinoid.Retriever(i, TEXTS, len).search(X[:2], "q"), ValueError, "2 vectors where one"),
    ],
)
def test_mistakes_are_named(index, call, kind, text):
    with pytest.raises(kind, match=text):
        call(index)
