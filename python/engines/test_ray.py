"""Ray: shards built by tasks, searched by actors; an actor that dies is an error."""

import numpy as np
import pytest

ray = pytest.importorskip("ray")

import crinoid  # noqa: E402
import crinoid.ray  # noqa: E402


def clustered(n, dim, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(20, dim))
    return (centers[rng.integers(20, size=n)] + 0.4 * rng.normal(size=(n, dim))).astype(np.float32)


X = clustered(1_200, 8, 1)
Q = clustered(25, 8, 2)


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sealed")
    rows = [{"id": 10_000 + row, "vector": vector.tolist()} for row, vector in enumerate(X)]
    sealed = crinoid.ray.build(ray.data.from_items(rows), folder, shards=3)
    assert len(sealed) == 1_200 and len(sealed.manifest["shards"]) == 3
    return folder


def exact(queries, k):
    far = ((queries[:, None, :].astype(np.float64) - X[None].astype(np.float64)) ** 2).sum(axis=2)
    return 10_000 + np.argsort(far, axis=1, kind="stable")[:, :k]


def test_actors_answer_as_one_exact_scan_does(folder):
    searcher = crinoid.ray.Searcher(folder)
    ids, distances = searcher.search(Q, 10, ef=1_200)
    assert ids.tolist() == exact(Q, 10).tolist()
    local, near = crinoid.Sealed(folder).search(Q, 10, ef=1_200)
    assert ids.tolist() == local.tolist() and distances.tolist() == near.tolist()
    one, _ = searcher.search(Q[0], 4, ef=1_200)
    assert one.tolist() == ids[0, :4].tolist()
    searcher.close()


def test_several_shards_to_an_actor(folder):
    searcher = crinoid.ray.Searcher(folder, actors=2)
    assert len(searcher.actors) == 2
    assert searcher.search(Q, 5, ef=1_200)[0].tolist() == exact(Q, 5).tolist()
    searcher.close()


def test_a_killed_actor_is_an_error_and_never_fewer_rows(folder):
    searcher = crinoid.ray.Searcher(folder)
    searcher.search(Q, 10)
    ray.kill(searcher.actors[1])
    with pytest.raises(ray.exceptions.RayActorError):
        searcher.search(Q, 10)
    searcher.close()


def test_rows_in_several_shards_are_answered_once():
    first = (np.array([[1, 2, 3]]), np.array([[0.1, 0.2, 0.3]], dtype=np.float32))
    second = (np.array([[2, 4, -1]]), np.array([[0.2, 0.2, np.inf]], dtype=np.float32))
    ids, distances = crinoid.ray.merge([first, second], 4)
    assert ids.tolist() == [[1, 2, 4, 3]]
    np.testing.assert_allclose(distances, [[0.1, 0.2, 0.2, 0.3]])
    assert crinoid.ray.merge([first, second], 9)[0].shape == (1, 4)
