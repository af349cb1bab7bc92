"""The index against brute force in numpy."""

import pickle
import subprocess
import sys
import threading

import crinoid
import numpy as np
import pytest
from common import brute_force, clustered
from hypothesis import given, settings
from hypothesis import strategies as st

METRICS = ["l2", "ip", "cosine"]
X = clustered(2_000, 16, 1)
Q = clustered(50, 16, 2)


@pytest.fixture(scope="module", params=METRICS)
def built(request):
    return request.param, crinoid.Index.build(X, metric=request.param)


@pytest.fixture(scope="module")
def small():
    return crinoid.Index.build(X[:2_000:10])


def test_answers_are_the_nearest_rows(built):
    metric, index = built
    ids, distances = index.search(Q, k=10)
    truth = brute_force(X, Q, metric)
    assert (ids.shape, ids.dtype, distances.dtype) == ((50, 10), np.int64, np.float32)
    best = np.argsort(truth, axis=1)[:, :10]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, best)])
    assert recall > 0.98
    assert (np.diff(distances, axis=1) >= 0).all()
    np.testing.assert_allclose(distances, np.take_along_axis(truth, ids, axis=1), rtol=1e-3, atol=1e-3)


def test_one_query_gives_what_a_batch_gives_at_any_number_of_threads(built):
    _, index = built
    ids, distances = index.search(Q, k=5, ef=40)
    for threads in [1, 3]:
        again = index.search(Q, k=5, ef=40, threads=threads)
        assert (again[0] == ids).all() and (again[1] == distances).all()
    for row in range(5):
        one = index.search(Q[row], k=5, ef=40)
        assert one[0].shape == (5,)
        assert (one[0] == ids[row]).all() and (one[1] == distances[row]).all()


def test_a_recall_is_wanted_instead_of_an_effort():
    rows = clustered(6_000, 16, 5)
    index = crinoid.Index.build(rows)
    best = np.argsort(brute_force(rows, Q, "l2"), axis=1)[:, :10]
    share = lambda ids: np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids, best)])
    assert share(index.search(Q, k=10, recall=0.99)[0]) > 0.95
    assert (index.search(Q[0], k=10, recall=0.99)[0] == index.search(Q, k=10, recall=0.99)[0][0]).all()


def test_an_exact_search_is_brute_force(built):
    metric, index = built
    ids, distances = index.search_exact(Q[0], k=20)
    truth = brute_force(X, Q[0], metric)[0]
    np.testing.assert_allclose(distances, np.sort(truth)[:20], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(truth[ids], np.sort(truth)[:20], rtol=1e-4, atol=1e-4)


def test_a_range_holds_what_lies_within_it(built):
    metric, index = built
    truth = brute_force(X, Q[0], metric)[0]
    radius = float(np.sort(truth)[30]) + 1e-4
    ids, distances = index.range_search(Q[0], radius)
    inside = set(np.flatnonzero(truth <= radius + 1e-5))
    assert set(ids) <= inside and len(ids) >= 0.9 * len(inside)
    assert (distances <= radius).all()


def test_paging_gives_every_row_once(built):
    _, index = built
    pages = index.search_iter(Q[0])
    first, _ = next(pages)
    ids, _ = pages.page(99)
    rest = [id for id, _ in pages]
    assert sorted([first, *ids, *rest]) == list(range(len(X)))
    assert first == index.search_exact(Q[0], k=1)[0][0]


def test_filters_admit_by_mask_by_number_and_by_function(built):
    metric, index = built
    admitted = np.arange(0, len(X), 7)
    mask = np.zeros(len(X), dtype=bool)
    mask[admitted] = True
    truth = brute_force(X[admitted], Q, metric)
    best = np.take(admitted, np.argsort(truth, axis=1)[:, :5])
    forms = [mask, admitted, list(admitted), lambda row: row % 7 == 0, index.filter(mask)]
    for form in forms:
        ids, _ = index.search(Q, k=5, filter=form)
        assert (ids % 7 == 0).all()
        assert np.mean([len(set(a) & set(b)) / 5 for a, b in zip(ids, best)]) > 0.95
        assert (index.search(Q[0], k=5, filter=form)[0] == ids[0]).all()
    ids, distances = index.search(Q, k=5, filter=[3, 4])
    assert (np.sort(ids, axis=1)[:, 3:] == [3, 4]).all() and (ids[:, 2:] == -1).all()
    assert np.isinf(distances[:, 2:]).all()


def test_vectors_come_back(built):
    metric, index = built
    norm = np.linalg.norm(X[3]) if metric == "cosine" else 1.0
    np.testing.assert_allclose(index.vector(3) * norm, X[3], rtol=1e-5, atol=1e-5)
    with pytest.raises(KeyError, match="no row 2000"):
        index.vector(2_000)
    with pytest.raises(crinoid.UnknownIdError):
        index.vector(-1)


def test_files_bytes_and_pickles_are_the_same_index(built, tmp_path):
    _, index = built
    path = tmp_path / "index.crinoid"
    index.save(path)
    wanted = index.search(Q, k=5)
    for same in [
        crinoid.Index.load(path),
        crinoid.Index.load(str(path)),
        crinoid.Index.from_bytes(index.to_bytes()),
        pickle.loads(pickle.dumps(index)),
    ]:
        assert same.report()["digest"] == index.report()["digest"]
        got = same.search(Q, k=5)
        assert (got[0] == wanted[0]).all() and (got[1] == wanted[1]).all()
    assert path.read_bytes() == index.to_bytes()


def test_what_an_index_says_of_itself(built):
    metric, index = built
    assert (len(index), index.dim, index.metric) == (2_000, 16, metric)
    report = index.report()
    assert (report["rows"], report["dim"], report["m"]) == (2_000, 16, 16)
    assert report["bytes"]["total"] > 2_000 * 16
    assert report["recipe"] == index.recipe == report["candidates"][0]["recipe"]
    assert report["candidates"][0]["verdict"] == "chosen"
    assert all(0.95 <= one["at_10"] <= 1.0 for one in report["candidates"][0]["ceilings"])
    assert index.recipe in report["choice"]
    assert repr(index).startswith("crinoid.Index(2000 x 16, metric=")


def test_every_kind_of_array_gives_the_same_index():
    whole = np.random.default_rng(3).integers(0, 100, size=(300, 6))
    wanted = crinoid.Index.build(whole.astype(np.float32)).report()["digest"]
    padded = np.zeros((600, 12), dtype=np.float32)
    padded[::2, ::2] = whole

    class Dlpack:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    for same in [
        whole.astype(np.float64),
        whole.astype(np.float16),
        whole.astype(np.uint8),
        whole.astype(np.int8),
        np.asfortranarray(whole.astype(np.float32)),
        padded[::2, ::2],
        whole.astype(np.float32).tolist(),
        memoryview(whole.astype(np.float32)),
        Dlpack(whole.astype(np.float32)),
    ]:
        assert crinoid.Index.build(same).report()["digest"] == wanted


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda i: crinoid.Index.build(X[0]), ValueError, r"X\[None, :\]"),
        (lambda i: crinoid.Index.build(X[None]), ValueError, "3 dimensions where"),
        (lambda i: crinoid.Index.build(X.astype(np.int64)), ValueError, r"astype\('float32'\)"),
        (lambda i: crinoid.Index.build(X.astype(str)), ValueError, "dtype"),
        (lambda i: crinoid.Index.build([[1.0, 2.0], [np.nan, 1.0]]), crinoid.VectorValueError, "row 1, dimension 0"),
        (lambda i: crinoid.Index.build(np.array([[1e300]])), ValueError, "row 0, dimension 0"),
        (lambda i: crinoid.Index.build([[0.0, 0.0]], metric="cosine"), ValueError, "zero_rows='keep'"),
        (lambda i: crinoid.Index.build(X, zero_rows="drop"), ValueError, "'refuse' or 'keep'"),
        (lambda i: crinoid.Index.build(np.zeros((3, 0), np.float32)), ValueError, "dimension"),
        (lambda i: crinoid.Index.build(X, metric="manhattan"), crinoid.OptionValueError, "known: l2, ip, cosine"),
        (lambda i: crinoid.Index.build(X, m=1), ValueError, "m = 1"),
        (lambda i: crinoid.Index.build(X, ef_construction=3), ValueError, "ef_construction"),
        (lambda i: crinoid.Index.build(X, recipe="fast"), ValueError, "quant/graph/search/refine"),
        (lambda i: crinoid.Index.build(X, truncate=17), ValueError, "17 of 16"),
        (lambda i: crinoid.Index.build(X, progress=3), ValueError, "progress"),
        (lambda i: crinoid.Index.build(X, threads=0), ValueError, "threads"),
        (lambda i: i.search(Q[:, :5]), ValueError, "5 dimensions where 16"),
        (lambda i: i.search(Q[0, :5]), ValueError, "5 dimensions where 16"),
        (lambda i: i.search(Q, k=0), crinoid.OptionValueError, "k is 0"),
        (lambda i: i.search(Q, recall=1.5), ValueError, "up to 1"),
        (lambda i: i.search(Q, recall=0.9, ef=9), ValueError, "not both"),
        (lambda i: i.search(Q, filter=[200]), ValueError, "row 200"),
        (lambda i: i.search(Q, filter=np.ones(5, bool)), ValueError, "mask of 5"),
        (lambda i: i.range_search(Q, 1.0), ValueError, "50 vectors where one"),
        (lambda i: i.range_search(Q[0], float("nan")), ValueError, "radius"),
        (lambda i: i.search_iter([1.0]), ValueError, "1 dimensions where 16"),
        (lambda i: i.save("/no/such/folder/x"), OSError, "/no/such/folder"),
        (lambda i: crinoid.Index.load("/no/such/file"), crinoid.FileError, "/no/such/file"),
        (lambda i: crinoid.Index.from_bytes(b"no index"), OSError, "bytes"),
        (lambda i: crinoid.Index.from_bytes(i.to_bytes()[:-1]), OSError, "bytes"),
    ],
)
def test_mistakes_are_named(small, call, kind, text):
    with pytest.raises(kind, match=text):
        call(small)


def test_a_filter_of_another_index_is_refused(built):
    other = crinoid.Index.build(X)
    with pytest.raises(ValueError, match="another index"):
        built[1].search(Q, filter=other.filter([1, 2]))


def test_rows_of_zeros_are_kept_where_they_are_asked_for():
    rows = np.concatenate([np.zeros((2, 16), np.float32), X[:50]])
    index = crinoid.Index.build(rows, metric="cosine", zero_rows="keep")
    ids, distances = index.search(X[3], k=52, ef=200)
    assert sorted(ids) == list(range(52))
    assert (distances[ids < 2] == 2.0).all() and (index.vector(1) == 0.0).all()


def test_progress_is_told_and_its_exception_ends_the_build():
    seen = []
    rows = clustered(6_000, 32, 4)
    crinoid.Index.build(rows, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and all(0 <= done <= total for done, total in seen)
    assert seen[-1][0] == seen[-1][1] > 0

    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        crinoid.Index.build(rows, progress=stop)


CTRL_C = """
import _thread, signal, sys
import crinoid, numpy as np
# Whoever runs in the background inherits that it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
X = np.random.default_rng(0).normal(size=(20_000, 16)).astype(np.float32)
def interrupt(done, total):
    if done:
        _thread.interrupt_main()
try:
    crinoid.Index.build(X, m=32, ef_construction=400, progress=interrupt)
except KeyboardInterrupt:
    sys.exit(7)
"""


def test_ctrl_c_ends_a_build():
    assert subprocess.run([sys.executable, "-c", CTRL_C], timeout=300).returncode == 7


def test_other_threads_run_during_a_build():
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    crinoid.Index.build(clustered(5_000, 32, 4))
    during = counted[0] - before
    done.set()
    thread.join()
    assert during > 0


@settings(max_examples=25, deadline=None)
@given(data=st.data(), n=st.integers(1, 60), dim=st.integers(1, 9), metric=st.sampled_from(METRICS))
def test_small_sets_are_searched_exactly(data, n, dim, metric):
    values = st.integers(-8, 8).map(float)
    rows = data.draw(st.lists(st.lists(values, min_size=dim, max_size=dim), min_size=n, max_size=n))
    query = data.draw(st.lists(values, min_size=dim, max_size=dim))
    rows, query = np.array(rows, np.float32), np.array(query, np.float32)
    if metric == "cosine":
        rows[:, 0] += 20.0
        query[0] += 20.0
    index = crinoid.Index.build(rows, metric=metric)
    ids, distances = index.search_exact(query, k=n)
    truth = brute_force(rows, query, metric)[0]
    assert sorted(ids) == list(range(n))
    np.testing.assert_allclose(distances, np.sort(truth), rtol=1e-4, atol=1e-3)
    found, _ = index.search(query, k=n, ef=4 * n + 64)
    assert sorted(found) == list(range(n))
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    found, _ = index.search(query, k=n, filter=np.array(mask))
    assert sorted(found[found >= 0]) == list(np.flatnonzero(mask))
