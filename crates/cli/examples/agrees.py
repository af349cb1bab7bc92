"""Whether `crinoid bench` says what `cargo xtask compare` says: the same recipe on the same data, one after the other, in
turns; speeds at equal recall, and how far apart they are.

    cargo build --release -p crinoid-cli -p xtask
    python3 crates/cli/examples/agrees.py sift-128-euclidean.hdf5 [more.hdf5 ...] [--rounds 3] [--k 10]

Exits with 1 where they differ by more than --within (10 %) at some recall.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

LEVELS = [0.90, 0.95, 0.99]
ROOT = Path(__file__).resolve().parents[3]


def ran(words, **more):
    return subprocess.run([str(word) for word in words], check=True, cwd=ROOT, stdout=subprocess.PIPE, **more).stdout


def speed_at(points, recall):
    """Queries per second at a recall, between the two points around it; None beyond them."""
    points = sorted(points)
    for (low, slow), (high, fast) in zip(points, points[1:]):
        if low <= recall <= high and high > low:
            share = (recall - low) / (high - low)
            return math.exp(math.log(slow) + share * (math.log(fast) - math.log(slow)))
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--recipe", default="sq8@2/crinoid@1/pipelined@2/float@1")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--programs", type=Path, default=ROOT / "target" / "release", help="where crinoid and xtask are")
    parser.add_argument("--within", type=float, default=0.10)
    given = parser.parse_args()
    target = given.programs.resolve()
    apart = False
    for data in (path.resolve() for path in given.data):
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "x.crinoid"
            ran([target / "crinoid", "build", data, "--recipe", given.recipe, "-m", 16, "--out", index])
            speeds = {"bench": {level: [] for level in LEVELS}, "compare": {level: [] for level in LEVELS}}
            for _ in range(given.rounds):
                said = json.loads(ran([target / "crinoid", "bench", index, "--queries", data, "-k", given.k, "--json"]))
                bench = [(point["recall"], point["queries_per_second"]) for point in said["curve"]]
                words = ["--data", data, "--peer", "none", "--recipe", f"{given.recipe}:m=16", "--k", given.k]
                ran([target / "xtask", "compare", *words, "--out", folder])
                result = json.loads((Path(folder) / "result.json").read_text())
                points = result["subjects"][0]["points"]
                compare = [(one["recall"], one["qps"]) for one in points if one["k"] == given.k and one.get("qps")]
                for level in LEVELS:
                    for name, curve in (("bench", bench), ("compare", compare)):
                        speed = speed_at(curve, level)
                        if speed is not None:
                            speeds[name][level].append(speed)
        print(f"{data.name}: queries per second of one thread at recall@{given.k}, medians of {given.rounds} rounds")
        for level in LEVELS:
            both = [speeds[name][level] for name in ("bench", "compare")]
            if not all(both):
                print(f"  {level}: not reached by both")
                continue
            bench, compare = (statistics.median(one) for one in both)
            apart |= abs(bench / compare - 1) > given.within
            print(f"  {level}: crinoid bench {bench:9.0f}, xtask compare {compare:9.0f}, {bench / compare - 1:+.1%}")
    sys.exit(apart)


if __name__ == "__main__":
    main()
