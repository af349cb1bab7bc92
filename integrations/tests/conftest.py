"""A harness as its users have it, with our module in it, and data of our own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent.parent


class Harness:
    """A copy of a checkout in which a module of ours has been put."""

    def __init__(self, root):
        self.root = root

    def run(self, program):
        """Runs a Python program in it, as its own scripts run."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.root), *filter(None, [os.environ.get("PYTHONPATH")])]), "RAYON_NUM_THREADS": "2"}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=self.root, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def results(self):
        found = sorted((self.root / "results").rglob("*.hdf5"))
        assert found, "the runner stored no results"
        return found


def harness(variable, modules, tmp_path):
    """The checkout that an environment variable names; the test is skipped where there is none."""
    checkout = os.environ.get(variable)
    if not checkout:
        pytest.skip(f"{variable} names no checkout of the harness")
    assert Path(checkout).is_dir(), f"{variable}: {checkout} is no folder"
    root = tmp_path / "harness"
    leave = shutil.ignore_patterns(".git", "results", "data", "*.ipynb", "*.png", "*.csv")
    shutil.copytree(checkout, root, ignore=leave)
    for ours, theirs in modules.items():
        shutil.copytree(HERE / ours, root / theirs)
    return Harness(root)


def clustered(n, dim, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(30, dim))
    return (centers[rng.integers(30, size=n)] + 0.4 * rng.normal(size=(n, dim))).astype(np.float32)


def exact(X, Q, metric, k):
    """The k nearest rows to each query, in float64: the oracle."""
    X, Q = X.astype(np.float64), Q.astype(np.float64)
    if metric in ("angular", "cosine", "normalized"):
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
        Q = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    if metric == "euclidean":
        far = (X**2).sum(axis=1) - 2 * Q @ X.T
    else:
        far = -Q @ X.T
    order = np.argsort(far, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(far, order, axis=1)


def recall(found, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth)])
