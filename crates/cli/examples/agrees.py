"""Whether `crinoid bench` says what `cargo xtask compare` says: the same recipe on the same data, one after the other, in
turns, at the efforts that compare chose; recall, speeds, and how far apart they are.

    cargo build --release -p crinoid-cli -p xtask
    python3 crates/cli/examples/agrees.py sift-128-euclidean.hdf5 [more.hdf5 ...] [--rounds 3] [--k 10]

Compare adds what its protocol costs, some 0.4 microseconds a query: most where a query is shortest. Exits with 1 where
recall differs at all, or speed by more than --within (10 %).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def ran(words, **more):
    return subprocess.run([str(word) for word in words], check=True, cwd=ROOT, stdout=subprocess.PIPE, **more).stdout


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
            speeds, recalls = {}, {}
            for _ in range(given.rounds):
                words = ["--data", data, "--peer", "none", "--recipe", f"{given.recipe}:m=16", "--k", given.k]
                ran([target / "xtask", "compare", *words, "--out", folder])
                result = json.loads((Path(folder) / "result.json").read_text())
                points = [one for one in result["subjects"][0]["points"] if one["k"] == given.k and one.get("qps")]
                compare = {one["ef"]: (one["recall"], one["qps"]) for one in points}
                efforts = ",".join(map(str, sorted(compare)))
                words = ["--queries", data, "-k", given.k, "--ef", efforts, "--json"]
                said = json.loads(ran([target / "crinoid", "bench", index, *words]))
                bench = {point["ef"]: (point["recall"], point["queries_per_second"]) for point in said["curve"]}
                for effort in sorted(compare):
                    for name, curve in (("bench", bench), ("compare", compare)):
                        recall, speed = curve[effort]
                        recalls.setdefault(effort, {})[name] = recall
                        speeds.setdefault(effort, {}).setdefault(name, []).append(speed)
        print(f"{data.name}: queries per second of one thread, medians of {given.rounds} rounds")
        for effort, both in sorted(speeds.items()):
            bench, compare = (statistics.median(both[name]) for name in ("bench", "compare"))
            recall, other = (recalls[effort][name] for name in ("bench", "compare"))
            apart |= abs(bench / compare - 1) > given.within or abs(recall - other) > 1e-9
            print(
                f"  ef {effort:4}: recall@{given.k} {recall:.4f} and {other:.4f}, crinoid bench {bench:9.0f}, "
                f"xtask compare {compare:9.0f}, {bench / compare - 1:+.1%}"
            )
    sys.exit(apart)


if __name__ == "__main__":
    main()
