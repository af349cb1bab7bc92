"""Data and the oracle that the tests share."""

import numpy as np


def clustered(n, dim, seed):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(7).normal(size=(20, dim))
    return (centers[rng.integers(20, size=n)] + 0.4 * rng.normal(size=(n, dim))).astype(np.float32)


def brute_force(X, Q, metric):
    """All distances, n queries x n rows, in float64."""
    X, Q = X.astype(np.float64), np.atleast_2d(Q).astype(np.float64)
    if metric == "ip":
        return -Q @ X.T
    if metric == "cosine":
        X = X / np.linalg.norm(X, axis=1, keepdims=True)
        Q = Q / np.linalg.norm(Q, axis=1, keepdims=True)
    return ((Q[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
