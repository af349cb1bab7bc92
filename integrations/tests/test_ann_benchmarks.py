"""ann-benchmarks: its configuration reader, its runner, its result files."""

import h5py
import numpy as np
import pytest
from conftest import clustered, exact, harness, recall

RUN = """
from ann_benchmarks.definitions import get_definitions
from ann_benchmarks.runner import run
ours = [one for one in get_definitions(16, "float", {metric!r}, 10) if one.algorithm == "crinoid"]
assert len(ours) == 5 and all(not one.disabled for one in ours), ours
definition = next(one for one in ours if one.arguments[1]["M"] == 16)
assert [800] in definition.query_argument_groups
definition.query_argument_groups = [[20], [800]]
run(definition, {name!r}, 10, 1, {batch})
"""


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_its_runner_builds_asks_and_stores(metric, batch, tmp_path):
    module = {"ann-benchmarks/crinoid": "ann_benchmarks/algorithms/crinoid"}
    place = harness("CRINOID_ANN_BENCHMARKS", module, tmp_path)
    X, Q = clustered(3_000, 16, 1), clustered(100, 16, 2)
    truth, far = exact(X, Q, metric, 100)
    name = f"tiny-16-{metric}"
    (place.root / "data").mkdir()
    with h5py.File(place.root / "data" / f"{name}.hdf5", "w") as file:
        file.attrs.update({"type": "dense", "distance": metric, "dimension": 16, "point_type": "float"})
        for part, values in {"train": X, "test": Q, "neighbors": truth.astype(np.int32), "distances": far}.items():
            file[part] = values
    place.run(RUN.format(metric=metric, name=name, batch=batch))
    found = {}
    for path in place.results():
        with h5py.File(path) as file:
            assert file.attrs["distance"] == metric and file.attrs["candidates"] == 10
            found["800" in path.stem.split("_")[-1]] = recall(np.array(file["neighbors"]), truth[:, :10])
    assert len(found) == 2 and found[True] > 0.99 and found[False] > 0.8, found
