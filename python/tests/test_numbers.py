"""Every number that a caller can give, at its extremes: an answer, or an exception that names it."""

import math

import crinoid
import numpy as np
import pytest
from common import clustered

X = clustered(60, 6, 1)
N = len(X)
EXTREMES = [-(2**63), -1, 0, 1, N - 1, N, N + 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1, 2**64]
SHARES = [0.0, -0.0, -1.0, 1e-45, 0.5, 1.0, 1.5, 3e38, math.inf, -math.inf, math.nan]
# What Python raises where a number does not fit into a word, and what we raise where it makes no sense.
REFUSED = (OverflowError, ValueError)


@pytest.fixture(scope="module")
def index():
    return crinoid.Index.build(X, m=6, ef_construction=30, progress=False)


@pytest.fixture()
def collection(tmp_path):
    with crinoid.Collection.create(tmp_path / "c", dim=6, m=6, ef_construction=30, seal_rows=20) as made:
        made.upsert(range(N), X)
        yield made


def ask(call, *arguments, **keywords):
    """What a call returns, or None where it refuses."""
    try:
        return call(*arguments, **keywords)
    except REFUSED as error:
        assert str(error), "an exception without words"
        return None


@pytest.mark.parametrize("number", EXTREMES)
def test_searches(index, collection, number):
    fits = 1 <= number < 2**64
    for one in (ask(index.search, X[3], k=number), ask(index.search_exact, X[3], k=number)):
        assert (one is not None) == fits
        assert one is None or len(one[0]) == len(one[1]) <= min(number, N)
    many = ask(index.search, X[:4], k=number)
    assert (many is not None) == fits
    assert many is None or many[0].shape == many[1].shape == (4, min(number, N))
    for k in (1, 10):
        found = ask(index.search, X[3], k=k, ef=number)
        assert (found is not None) == (0 <= number < 2**64) and (found is None or len(found[0]) == k)
        assert (ask(collection.search, X[3], k=k, ef=number) is not None) == (0 <= number < 2**64)
    found = ask(collection.search, X[3], k=number)
    assert (found is not None) == fits and (found is None or len(found[0]) <= min(number, N))
    assert (ask(index.search, X[:4], k=1, threads=number) is not None) == (1 <= number <= N + 1)
    page = ask(index.search_iter(X[3]).page, number)
    assert page is None or len(page[0]) <= max(0, min(number, N))


@pytest.mark.parametrize("number", EXTREMES)
def test_ids(index, collection, number):
    if 0 <= number < N:
        assert (index.vector(number) == X[number]).all()
        assert len(index.search(X[3], k=2, filter=[number])[0]) == 1
    else:
        with pytest.raises((KeyError, *REFUSED, TypeError)):
            index.vector(number)
        with pytest.raises((KeyError, *REFUSED, TypeError)):
            index.search(X[3], k=2, filter=[number])
    if 0 <= number < 2**64:
        collection.upsert(number, X[0])
        assert number in collection and (collection.get(number) == X[0]).all()
        assert collection.delete(number) == 1
    else:
        with pytest.raises(TypeError, match="an id is"):
            collection.upsert(number, X[0])


@pytest.mark.parametrize("number", EXTREMES)
def test_builds(number, tmp_path):
    for option in ["m", "ef_construction", "truncate"]:
        built = ask(crinoid.Index.build, X, progress=False, **({"m": 6, "ef_construction": 30} | {option: number}))
        assert built is None or len(built.search(X[3], k=5)[0]) == 5, option
    seeded = ask(crinoid.Index.build, X, m=6, ef_construction=30, seed=number, progress=False)
    assert (seeded is not None) == (0 <= number < 2**64)
    for option in ["m", "ef_construction", "seal_rows", "max_segments"]:
        made = ask(crinoid.Collection.create, tmp_path / option, 6, **{option: number})
        if made is not None:
            with made:
                made.upsert(range(N), X)
                assert made.search(X[3], k=1)[0] == [3]
    made = ask(crinoid.Collection.create, tmp_path / "dim", number)
    assert (made is not None) == (1 <= number <= 65_536)
    if made is not None:
        made.close()
    pool = ask(crinoid.Retriever, crinoid.Index.build(X[:2]), ["a", "b"], lambda _, texts: [1.0] * len(texts), pool=number)
    assert (pool is not None) == (1 <= number < 2**64)
    assert pool is None or len(pool.search(X[0], "what", k=2)[0]) == 2


@pytest.mark.parametrize("share", SHARES)
def test_shares_and_radii(index, tmp_path, share):
    found = ask(index.search, X[3], k=5, recall=share)
    assert (found is not None) == (0 < share <= 1)
    found = ask(index.range_search, X[3], share)
    assert (found is None) == math.isnan(share)
    assert found is None or (found[1] <= np.float32(share)).all()
    made = ask(crinoid.Collection.create, tmp_path / "c", 6, max_dead=share)
    assert (made is not None) == (0 <= share <= 1)
    vector = X[3].copy()
    vector[2] = share
    # What is too large to be measured may be refused; what is no number must be.
    found = [ask(index.search, vector, k=1), ask(crinoid.Index.build, vector[None, :], progress=False)]
    assert not abs(share) <= 1e30 or None not in found
    assert math.isfinite(share) or found == [None, None]
