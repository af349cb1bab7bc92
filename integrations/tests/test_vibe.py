"""VIBE: its configuration reader, its runner, its result files; queries of another distribution too."""

import h5py
import numpy as np
import pytest
from conftest import clustered, exact, harness, recall

RUN = """
from vibe.definitions import get_definitions
from vibe.runner import run
ours = [one for one in get_definitions(16, {point!r}, {metric!r}, 10) if one.algorithm == {algorithm!r}]
assert ours and all(not one.disabled for one in ours), ours
definition = next(one for one in ours if one.arguments[1:] == [16, 200])
assert definition.ood == {ood} and [100 if {point!r} == "float" else 160] in definition.query_argument_groups
definition.query_argument_groups = [[20], [600]]
run(definition, "tiny", 10, 1)
"""


def check(place, file_of, metric, point, ood, truth):
    with h5py.File(place.root / "data" / "tiny.hdf5", "w") as file:
        file.attrs.update({"distance": metric, "point_type": point, **file_of.pop("attrs")})
        for part, values in file_of.items():
            file[part] = values
    algorithm = "crinoid-ood" if ood else "crinoid"
    place.run(RUN.format(metric=metric, point=point, algorithm=algorithm, ood=ood))
    found = {}
    for path in place.results():
        with h5py.File(path) as file:
            for neighbors in ([file] if "neighbors" in file else file.values()):
                found[neighbors.attrs["name"]] = recall(np.array(neighbors["neighbors"]), truth)
    assert len(found) == 2, found
    assert max(found.values()) > 0.99 and min(found.values()) > 0.7, found


@pytest.fixture
def place(tmp_path):
    place = harness("CRINOID_VIBE", {"vibe/crinoid": "vibe/algorithms/crinoid"}, tmp_path)
    (place.root / "data").mkdir()
    return place


@pytest.mark.parametrize("ood", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "normalized", "ip"])
def test_its_runner_builds_asks_and_stores(metric, ood, place):
    X, Q, learn = clustered(3_000, 16, 1), clustered(100, 16, 2), clustered(1_000, 16, 3)
    if ood:
        Q, learn = Q + 0.5, learn + 0.5
    if metric == "normalized":
        X, Q, learn = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (X, Q, learn))
    truth, far = exact(X, Q, metric, 100)
    known, _ = exact(X, learn, metric, 100)
    data = {"train": X, "test": Q, "neighbors": truth.astype(np.int32), "distances": far}
    if ood:
        data |= {"learn": learn, "learn_neighbors": known.astype(np.int32)}
    check(place, {"attrs": {"dimension": 16}, **data}, metric, "float", ood, truth[:, :10])


def test_bits_are_searched_by_hamming(place):
    rng = np.random.default_rng(1)
    centers = rng.integers(0, 2, size=(30, 128), dtype=np.uint8)

    def bits(n):
        return centers[rng.integers(30, size=n)] ^ (rng.random((n, 128)) < 0.1).astype(np.uint8)

    X, Q = bits(2_000), bits(50)
    far = (X[None] != Q[:, None]).sum(axis=2)
    truth = np.argsort(far, axis=1, kind="stable")[:, :100]
    data = {"train": np.packbits(X, axis=1), "test": np.packbits(Q, axis=1), "neighbors": truth.astype(np.int32)}
    data["distances"] = np.take_along_axis(far, truth, axis=1).astype(np.float32)
    with h5py.File(place.root / "data" / "tiny.hdf5", "w") as file:
        file.attrs.update({"distance": "hamming", "point_type": "binary", "dimension": 128})
        for part, values in data.items():
            file[part] = values
    place.run(RUN.format(metric="hamming", point="binary", algorithm="crinoid", ood=False))
    worst = []
    for path in place.results():
        with h5py.File(path) as file:
            for one in ([file] if "neighbors" in file else file.values()):
                # Many rows are equally far: what counts is the distance.
                got = np.sort(np.take_along_axis(far, np.array(one["neighbors"]), axis=1), axis=1)
                worst.append(np.mean(got[:, 9] == data["distances"][:, 9]))
    assert max(worst) > 0.97, worst
