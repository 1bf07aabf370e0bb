"""The nearest rows to one query, and what stands where scores are equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vicinal.space import Vectors
from vicinal.types import Mask, Neighbors

GROWTH = 8
"""How much more is asked for when equal scores reach beyond the k-th place."""


class Index(Protocol):
    """What finds neighbours."""

    def search(self, queries: Vectors, *, k: int, mask: Mask | None = None) -> Neighbors:
        """Return the k nearest rows to each query, of those in the mask."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row with its score."""

    row: int
    score: float


def nearest(
    index: Index,
    query: Vectors,
    *,
    k: int,
    mask: Mask,
    order: Callable[[Sequence[int]], dict[int, tuple[str, int]]],
) -> list[Candidate]:
    """Return the k nearest rows, equal scores by what ``order`` says of them.

    Parameters
    ----------
    index : Index
        Answers with equal scores by ascending row, which is the order of writing and means nothing to a user.
    query : Vectors
        One row.
    k : int, 1 <= k
        How many; fewer come back when fewer are let through.
    mask : bool array of shape (N,)
        The rows that may be answers.
    order : callable
        Rows → row → (id, start): the place among equals.

    Notes
    -----
    One place more than k is asked for; while it is as near as the k-th, more are, so that
    among any number of equals the first by id are found, and not the first by row.
    """
    asked = min(k + 1, len(mask))
    while True:
        found = index.search(query, k=max(asked, 1), mask=mask)
        count = int(found.counts[0])
        rows, scores = found.rows[0, :count], found.scores[0, :count]
        if count <= k or count < asked or scores[-1] != scores[k - 1] or asked == len(mask):
            break
        asked = min(asked * GROWTH, len(mask))
    candidates = [Candidate(int(row), float(score)) for row, score in zip(rows, scores, strict=True)]
    place = order([candidate.row for candidate in candidates])
    return sorted(candidates, key=lambda candidate: (-candidate.score, place[candidate.row]))[:k]
