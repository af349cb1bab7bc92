"""A reward function for verl: `reward.custom_reward_function.path=.../verl_reward.py
reward.custom_reward_function.name=compute_score` (without `reward.` before verl 0.9)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from crinoid_reward import judge  # noqa: E402


def compute_score(data_source=None, solution_str="", ground_truth=None, extra_info=None, **_):
    """The score of one answer, and why, for the logs."""
    verdict = judge(solution_str)
    failure = verdict.get("failure") or {}
    return {
        "score": float(verdict["reward"]),
        "ratio": float(verdict["ratio"]),
        "failed": str(failure.get("kind", "")),
    }
