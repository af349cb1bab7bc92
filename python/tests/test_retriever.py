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


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
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
