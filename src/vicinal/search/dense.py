"""The nearest rows to one query, and what stands where scores are equal."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from vicinal import kernels
from vicinal.space import Vectors
from vicinal.types import Bits, Mask, Neighbors

GROWTH = 8
"""How much more is asked for when equal scores reach beyond the k-th place."""


class Index(Protocol):
    """What finds neighbours."""

    def search(self, queries: Vectors, *, k: int, mask: Mask | None = None) -> Neighbors:
        """Return the k nearest rows to each query, of those in the mask."""
        ...


class BitsIndex(Protocol):
    """What finds neighbours, and takes the rows that may be answers as a bitmap."""

    def search(self, queries: Any, *, k: int, mask: Bits | None = None) -> Neighbors:  # noqa: ANN401 - vectors, or what else it is asked by
        """Return the k nearest rows to each query, of those in the bitmap."""
        ...


class Candidate(NamedTuple):
    """A row with its score."""

    row: int
    score: float


class Candidates(list[Candidate]):
    """Rows best first, and what the index says of its answer.

    ``recall_estimate`` is the share of the true neighbours that is expected among them, ``work`` how many vectors
    were compared, None where the index does not count; ``complete`` is true where it compared every vector.
    """

    __slots__ = ("complete", "recall_estimate", "work")

    def __init__(
        self,
        candidates: Sequence[Candidate] = (),
        *,
        recall_estimate: float = 1.0,
        work: int | None = 0,
        complete: bool = True,
    ) -> None:
        super().__init__(candidates)
        self.complete = complete
        self.recall_estimate = recall_estimate
        self.work = work


def nearest(
    index: Index | BitsIndex,
    query: Vectors | None,
    *,
    k: int,
    mask: Mask | Bits | None,
    order: Callable[[Sequence[int]], dict[int, tuple[str, int]]],
    most_ties: int | None = None,
) -> Candidates:
    """Return the k nearest rows, equal scores by what ``order`` says of them.

    Parameters
    ----------
    index : Index
        Answers with equal scores by ascending row, which is the order of writing and means nothing to a user.
        May miss some: what it does not find is not asked for again.
    query : Vectors, or None
        One row; None where the index knows what is asked.
    k : int, 1 <= k
        How many; fewer come back when fewer are let through.
    mask : bool array of shape (N,), or uint64 array of ceil(N / 64) words, or None
        The rows that may be answers, in the form that the index takes; None for all.
    order : callable
        Rows → row → (id, start): the place among equals. Called once, with every row that comes back and with those
        that are as near as the last of them.
    most_ties : int, optional
        Of rows as near as the k-th, how many are told apart by ``order``; of more, the first rows. None: all.

    Notes
    -----
    One place more than k is asked for; while it is as near as the k-th, more are, so that
    among any number of equals the first by id are found, and not the first by row.
    Cost beside the index and ``order``: some 10 µs, and 0.2 µs a row.
    """
    asked, most, before = k + 1, None, -1
    while True:
        found = index.search(query, k=asked, mask=mask)  # type: ignore[arg-type]  # the caller knows which it takes
        count = int(found.counts[0])
        scores = found.scores[0, :count].tolist()
        # Fewer than asked: there are no more. Not more than before: the index has no more to give.
        if count <= k or count < asked or count <= before or scores[-1] != scores[k - 1]:
            break
        if most is None:
            most = _most(mask) if most_ties is None else min(_most(mask), k + most_ties)
        if asked >= most:
            break
        asked, before = min(asked * GROWTH, most), count
    return _ordered(found, scores, k, order)


def _most(mask: Mask | Bits | None) -> int:
    """Return how many rows are let through at most."""
    if mask is None:
        return np.iinfo(np.int64).max
    return int(np.count_nonzero(mask)) if mask.dtype == np.bool_ else kernels.count_bits(mask)  # type: ignore[arg-type]  # Bits


def _ordered(
    found: Neighbors, scores: list[float], k: int, order: Callable[[Sequence[int]], dict[int, tuple[str, int]]]
) -> Candidates:
    """Return the first k of what an index found, equal ones in order."""
    end = len(scores)
    if end > k:
        end = k if scores[k] != scores[k - 1] else end - scores[::-1].index(scores[k - 1])
    rows = found.rows[0, :end].tolist()
    place = order(rows)
    candidates = list(map(Candidate, rows, scores))
    if any(score == following for score, following in itertools.pairwise(scores[:end])):
        candidates.sort(key=lambda candidate: (-candidate.score, place[candidate.row]))
    return Candidates(
        candidates[:k],
        recall_estimate=found.recall_estimate,
        work=None if found.work is None else int(found.work[0]),
        complete=found.complete,
    )
