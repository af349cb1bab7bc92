"""An evaluator for openevolve: `openevolve-run initial.rs openevolve_evaluator.py --config ...`.

The initial program is `cargo xtask evolve starter search`."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from crinoid_reward import judge  # noqa: E402


def evaluate(program_path):
    """Metrics of one program; what went wrong is an artifact that the next prompt shows."""
    from openevolve.evaluation_result import EvaluationResult

    with open(program_path, encoding="utf-8") as file:
        verdict = judge(file.read(), suffix=".rs")
    metrics = {"combined_score": float(verdict["reward"]), "ratio": float(verdict["ratio"])}
    for data, score in verdict["scores"].items():
        metrics[f"at_least_{data}"] = float(score["lower"])
    artifacts = {"failure": verdict["message"]} if verdict.get("message") else {}
    return EvaluationResult(metrics=metrics, artifacts=artifacts)
