"""big-ann-benchmarks, NeurIPS'23: the tracks' base classes, their runners, their data sets and files."""

import h5py
import numpy as np
import pytest
from conftest import exact, harness, recall

RUN = """
import numpy as np
from benchmark.algorithms.definitions import get_definitions
from benchmark.datasets import DATASETS
from benchmark.runner import run
{prepare}
ds = DATASETS[{name!r}]()
ds.prepare()
(definition,) = get_definitions("neurips23/{track}/crinoid/config.yaml", ds.d, {name!r}, ds.distance(), 10)
# As benchmark.main does.
definition = definition._replace(query_argument_groups=[[one] for one in definition.query_argument_groups])
for again in range({times}):
    run(definition, {name!r}, 10, 1, rebuild=False, neurips23track={track!r}, runbook_path="runbook.yaml")
np.savez("data.npz", X=ds.get_dataset(), Q=ds.get_queries(), truth=ds.get_groundtruth(10)[0])
"""

RUNBOOK = """
random-xs:
  max_pts: 10000
  1: {operation: insert, start: 0, end: 4000}
  2: {operation: search}
  3: {operation: insert, start: 4000, end: 10000}
  4: {operation: delete, start: 1000, end: 3000}
  5: {operation: search}
  6: {operation: replace, tags_start: 0, tags_end: 500, ids_start: 1000, ids_end: 1500}
  7: {operation: search}
"""


@pytest.fixture
def place(request, tmp_path):
    track = request.param
    module = {f"big-ann-benchmarks/{track}/crinoid": f"neurips23/{track}/crinoid"}
    place = harness("CRINOID_BIG_ANN_BENCHMARKS", module, tmp_path)
    (place.root / "runbook.yaml").write_text(RUNBOOK)
    (place.root / "data").mkdir()
    return place


def stored(place):
    data = dict(np.load(place.root / "data.npz"))
    return data["X"], data["Q"], data["truth"]


@pytest.mark.parametrize("place", ["ood"], indirect=True)
def test_out_of_distribution(place):
    # The second time the index is loaded.
    output = place.run(RUN.format(name="random-xs", track="ood", prepare="", times=2))
    assert "Loaded existing index" in output
    X, Q, truth = stored(place)
    assert (truth == exact(X, Q, "euclidean", 10)[0]).mean() > 0.999
    found = []
    for path in place.results():
        with h5py.File(path) as file:
            found.append(recall(np.array(file["neighbors"]), truth))
    assert len(found) == 4 and max(found) > 0.99 and min(found) > 0.9, found


SMALL = "from benchmark.datasets import RandomFilterDS\nDATASETS['random-filter-s'] = lambda: RandomFilterDS(6000, 200, 20)"


@pytest.mark.parametrize("few", [20_000, 0], ids=["measured", "walked"])
@pytest.mark.parametrize("place", ["filter"], indirect=True)
def test_filter(place, few):
    config = place.root / "neurips23/filter/crinoid/config.yaml"
    config.write_text(config.read_text().replace('"few": 20000', f'"few": {few}').replace('"few": 50000', f'"few": {few}'))
    place.run(RUN.format(name="random-filter-s", track="filter", prepare=SMALL, times=1))
    _, _, truth = stored(place)
    found = []
    for path in place.results():
        with h5py.File(path) as file:
            found.append(recall(np.array(file["neighbors"]), truth))
    assert len(found) == 3 and max(found) > 0.99 and min(found) > (0.999 if few else 0.9), found


@pytest.mark.parametrize("place", ["streaming"], indirect=True)
def test_streaming(place):
    place.run(RUN.format(name="random-xs", track="streaming", prepare="", times=1))
    X, Q, _ = stored(place)
    # The oracle: which vector each id has after a step.
    held = {2: {id: id for id in range(4_000)}}
    held[5] = {id: id for id in range(10_000) if not 1_000 <= id < 3_000}
    held[7] = held[5] | {id: 1_000 + id for id in range(500)}
    for path in place.results():
        with h5py.File(path) as file:
            for step, rows in held.items():
                ids = np.array(list(rows))
                truth = ids[exact(X[list(rows.values())], Q, "euclidean", 10)[0]]
                got = np.array(file[f"neighbors_step{step}"])
                assert recall(got, truth) > 0.97, (step, recall(got, truth))
    assert len(place.results()) == 1
