"""The bridge as it is defined, one number after the other: what tests hold the others against.

Letters: N pairs, D components in the new space, E in the old one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

Numbers = Sequence[float]


def carried(query: Numbers, matrix: Sequence[Numbers], new_mean: Numbers, old_mean: Numbers) -> list[float]:
    """Return ``norm((q - new_mean) W + old_mean)`` of one question that has unit length."""
    moved = [one - mean for one, mean in zip(query, new_mean, strict=True)]
    found = [
        math.fsum(moved[row] * matrix[row][column] for row in range(len(moved))) + old_mean[column]
        for column in range(len(old_mean))
    ]
    length = math.sqrt(math.fsum(one * one for one in found))
    return [one / length if length else 0.0 for one in found]


def loss(a: Sequence[Numbers], b: Sequence[Numbers], matrix: Sequence[Numbers]) -> float:
    """Return the sum of squares of ``(A - mean A) W - (B - mean B)``: what no other such W makes smaller."""
    new_mean = [math.fsum(column) / len(a) for column in zip(*a, strict=True)]
    old_mean = [math.fsum(column) / len(b) for column in zip(*b, strict=True)]
    total = []
    for one, other in zip(a, b, strict=True):
        for column, mean in enumerate(old_mean):
            product = math.fsum((one[row] - new_mean[row]) * matrix[row][column] for row in range(len(new_mean)))
            total.append((product - (other[column] - mean)) ** 2)
    return math.fsum(total)


def cascade(
    question: Numbers,
    *,
    fetched: Sequence[str],
    vectors: Mapping[str, Sequence[Numbers]],
    held: Sequence[str],
    k: int,
) -> list[tuple[str, int, float]]:
    """Return the best k chunks as (id, place in its record, score): of the records fetched, and of those held already.

    Parameters
    ----------
    question : sequence of D numbers
        In the new space.
    fetched : sequence of str
        Ids that the old index gave.
    vectors : mapping
        Id → the vectors of its chunks in the new space.
    held : sequence of str
        Ids that the new collection has.
    k : int
    """
    scored = [
        (record_id, place, float(np.dot(np.asarray(question, np.float64), np.asarray(vector, np.float64))))
        for record_id in sorted({*fetched, *held})
        for place, vector in enumerate(vectors[record_id])
    ]
    return sorted(scored, key=lambda one: (-one[2], one[0], one[1]))[:k]
