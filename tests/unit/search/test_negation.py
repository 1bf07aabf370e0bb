"""A question without a direction is orthogonal to it, and a centroid is the mean of unit vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import RangeError, ShapeError
from vicinal.search.negation import MOST_NEGATIVES, centroid, without


def test_by_hand():
    """(3, 4) without (1, 0) is (0, 1); without nothing it is itself at length 1; a centroid takes directions only."""
    query = np.array([[3, 4]], dtype=np.float32)
    assert without(query, np.array([[1, 0]], dtype=np.float32)).tolist() == [[0.0, 1.0]]
    assert without(query, np.zeros((0, 2), dtype=np.float32)) == pytest.approx(np.array([[0.6, 0.8]]))
    assert without(query, np.zeros((1, 2), dtype=np.float32)) == pytest.approx(np.array([[0.6, 0.8]]))
    found = centroid(np.array([[10, 0], [0, 0.1]], dtype=np.float32))
    assert found == pytest.approx(np.array([[math.sqrt(0.5), math.sqrt(0.5)]]))


@given(st.integers(0, 2**32), st.integers(0, 5), st.booleans())
def test_what_is_left_is_orthogonal_and_of_length_one(seed, count, twice):
    """To each negative, however many and alike; and it is the nearest such vector to the question (Widdows, theorem 1)."""
    random = np.random.default_rng(seed)
    query, negatives = random.standard_normal((1, 16)), random.standard_normal((count, 16))
    if twice:
        negatives = np.vstack([negatives, 2 * negatives])
    left = without(query.astype(np.float32), negatives.astype(np.float32))
    assert left.dtype == np.float32
    assert np.linalg.norm(left) == pytest.approx(1, abs=1e-6)
    assert np.abs(left @ negatives.T).max(initial=0) < 1e-4
    solved = query - (negatives.T @ np.linalg.lstsq(negatives.T, query[0], rcond=None)[0])[None] if count else query
    assert left == pytest.approx(solved / np.linalg.norm(solved), abs=1e-4)


def test_refused():
    """Nothing left, too many, none at all."""
    line = np.array([[1, 2]], dtype=np.float32)
    with pytest.raises(RangeError, match="Nothing is left"):
        without(line, 2 * line)
    with pytest.raises(RangeError, match="At most"):
        without(line, np.ones((MOST_NEGATIVES + 1, 2), dtype=np.float32))
    with pytest.raises(ShapeError):
        centroid(np.zeros((0, 2), dtype=np.float32))
