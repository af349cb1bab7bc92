"""An evaluator for ShinkaEvolve: started as
`python shinka_evaluate.py --program_path FILE --results_dir FOLDER`, it writes metrics.json and
correct.json there."""

import argparse
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from crinoid_reward import judge  # noqa: E402


def main(program_path, results_dir):
    """Judges one program and writes both files."""
    with open(program_path, encoding="utf-8") as file:
        verdict = judge(file.read(), suffix=".rs")
    os.makedirs(results_dir, exist_ok=True)
    message = verdict.get("message") or ""
    metrics = {
        "combined_score": float(verdict["reward"]),
        "public": {"ratio": float(verdict["ratio"])},
        "private": verdict["scores"],
        "text_feedback": message,
    }
    correct = {"correct": verdict.get("failure") is None, "error": message}
    for name, content in [("metrics.json", metrics), ("correct.json", correct)]:
        with open(os.path.join(results_dir, name), "w", encoding="utf-8") as file:
            json.dump(content, file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    arguments = parser.parse_args()
    main(arguments.program_path, arguments.results_dir)
