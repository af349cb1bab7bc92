"""What the tests of all frameworks share."""

import hashlib

import numpy as np
import pytest


def meaning(text, dim=24):
    """A vector of unit length for a text: words that it has in common with another bring them close."""
    vector = np.zeros(dim)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        vector += np.random.default_rng(seed).normal(size=dim)
    if not vector.any():
        vector[0] = 1.0
    return (vector / np.linalg.norm(vector)).tolist()


@pytest.fixture
def texts():
    return [f"{colour} {thing}" for colour in ["red", "green", "blue"] for thing in ["apple", "pear", "car", "house"]]


def closest(texts, asked, k):
    """The oracle: by the cosine."""
    query = np.array(meaning(asked))
    order = sorted(texts, key=lambda text: -float(query @ np.array(meaning(text))))
    return order[:k]
