"""Sealed collections against brute force."""

import json
import warnings

import crinoid
import numpy as np
import pytest
from common import brute_force, clustered

X = clustered(900, 8, 1)
Q = clustered(12, 8, 2)
IDS = np.arange(900)[::-1] * 3 + 5


@pytest.mark.parametrize("metric", ["l2", "ip", "cosine"])
@pytest.mark.parametrize("shards, routed, copies", [(1, False, 1), (4, False, 1), (5, True, 2)])
def test_shards_answer_as_one_scan_does(tmp_path, metric, shards, routed, copies):
    sealed = crinoid.Sealed.build(
        tmp_path, X, metric, ids=IDS, shards=shards, routed=routed, copies=copies, progress=False
    )
    assert len(sealed) == 900 and sealed.dim == 8 and sealed.metric == metric
    assert f"in {len(sealed.manifest['shards'])} shards" in repr(sealed)
    far = brute_force(X, Q, metric)
    ids, distances = crinoid.Sealed(tmp_path).search(Q, 10, ef=900)
    for row, want in enumerate(np.sort(far, axis=1)[:, :10]):
        np.testing.assert_allclose(distances[row], want, rtol=1e-4, atol=1e-5)
        assert len(set(ids[row])) == 10
    order = {int(one): row for row, one in enumerate(IDS)}
    picked = [[far[query, order[int(one)]] for one in row] for query, row in enumerate(ids)]
    np.testing.assert_allclose(picked, distances, rtol=1e-4, atol=1e-5)
    one, near = sealed.search(Q[3], 10, ef=900)
    assert one.tolist() == ids[3].tolist() and near.tolist() == distances[3].tolist()
    exact, near = sealed.search_exact(Q[3], 10)
    assert exact.tolist() == ids[3].tolist() and near.tolist() == distances[3].tolist()
    sealed.verify()


def test_filters_are_ids_or_functions(tmp_path):
    sealed = crinoid.Sealed.build(tmp_path, X, ids=IDS, shards=3, progress=False)
    admitted = [int(one) for one in IDS if one % 7 == 0]
    far = brute_force(X, Q, "l2")
    far[:, IDS % 7 != 0] = np.inf
    for given in (admitted, np.array(admitted), lambda one: one % 7 == 0):
        ids, _ = sealed.search(Q, 5, ef=900, filter=given)
        assert ids.tolist() == IDS[np.argsort(far, axis=1, kind="stable")[:, :5]].tolist()
    with pytest.raises(crinoid.OptionValueError, match="ids .ints., or a function"):
        sealed.search(Q, filter=["a"])


def test_a_collection_in_pieces(tmp_path):
    plan = crinoid.Sealed.plan(X[:300], metric="cosine", m=12)
    assert json.loads(plan)["options"]["graph"]["m"] == 12
    entries = [crinoid.Sealed.build_shard(tmp_path, plan, 0, X[:400], 0)]
    entries.append(crinoid.Sealed.build_shard(tmp_path, plan, 1, X[400:], range(400, 900)))
    with pytest.raises(crinoid.FileError, match="manifest.json. is missing"):
        crinoid.Sealed(tmp_path)
    crinoid.Sealed.publish(tmp_path, plan, 900, entries)
    sealed = crinoid.Sealed(tmp_path)
    ids, _ = sealed.search(X[::100], 1)
    assert ids[:, 0].tolist() == list(range(0, 900, 100))
    part, _ = sealed.search_shard(1, X[500], 3)
    assert part.shape == (1, 3) and part[0, 0] == 500 and part.min() >= 400


def test_damage_is_an_error_that_names_the_shard(tmp_path):
    sealed = crinoid.Sealed.build(tmp_path, X, shards=3, progress=False)
    file = tmp_path / sealed.manifest["shards"][1]["file"]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(crinoid.FileError, match="shard 1: .*damaged"):
        crinoid.Sealed(tmp_path).search(Q)
    file.unlink()
    with pytest.raises(crinoid.FileError, match="shard 1: its file .* is missing"):
        crinoid.Sealed(tmp_path).search(Q)
    with pytest.warns(UserWarning, match=r"shards \[1\] are missing"):
        ids, _ = crinoid.Sealed(tmp_path).search(Q, 5, partial=True)
    assert ((ids < 300) | (ids >= 600)).all()
    file.write_bytes(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crinoid.Sealed(tmp_path).search(Q, 5, partial=True)
    stray = tmp_path / "0000000000000000.cri"
    stray.write_bytes(b"left over")
    assert crinoid.Sealed.sweep(tmp_path) == []
    assert crinoid.Sealed.sweep(tmp_path, older_than=0) == [stray.name]


@pytest.mark.parametrize(
    "keywords, error, match",
    [
        ({"shards": 0}, crinoid.OptionValueError, "shards is 0"),
        ({"routed": True, "copies": 0}, crinoid.OptionValueError, "copies is 0"),
        ({"ids": [1, 2]}, crinoid.OptionValueError, "2 ids for 900 rows"),
        ({"ids": ["a"] * 900}, crinoid.OptionValueError, "ids must differ|called by ints"),
        ({"metric": "hamming"}, crinoid.OptionValueError, "hamming"),
        ({"speed": 9}, TypeError, "without an option `speed`"),
        ({"recipe": "sq8@2/crinoid@1/pipelined@4/none@1"}, crinoid.OptionValueError, "across shards"),
        ({"routed": True, "truncate": 4}, crinoid.OptionValueError, "leave routing out"),
    ],
)
def test_what_cannot_be_built_says_why(tmp_path, keywords, error, match):
    with pytest.raises(error, match=match):
        crinoid.Sealed.build(tmp_path, X, **keywords, progress=False)
    assert not (tmp_path / "manifest.json").exists()
