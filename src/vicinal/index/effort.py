"""How wide a search of FAISS must be for a recall: measured on own vectors, kept as a ladder from cheap to sure.

Letters: Q queries that were sampled, K places, C candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Rows

SAMPLE = 200
"""Vectors that ask: the standard error of a recall of 0.98 at ten places is 0.003."""
SAMPLE_K = 10
SLACK = 0.25
"""The share of the allowed misses that stays unused, so that what was measured on a sample holds for others."""
MOST_CANDIDATES = 512
MOST_KNOB = 2048
ENOUGH = 0.9995
GRAPH_WORK = 16
"""Vectors that a graph compares for each of its ``efSearch`` places: about half of its neighbours are new."""
CODE_WORK = 0.1
"""What comparing a code in a cell costs beside a vector of floats."""

Ask = Callable[[int, int], Rows]
"""Takes a knob and a number of places, gives the rows (Q, places) that are found, -1 in unused places."""


@dataclass(frozen=True, slots=True)
class Effort:
    """A width of search: the recall measured with it, the kind's knob (0 without one), candidates, and its price.

    ``knob`` is ``efSearch`` or ``nprobe``; with ``candidates`` it is meant for ten places.
    ``work`` is the price in comparisons of float32 vectors, estimated.
    """

    recall: float
    knob: int
    candidates: int
    work: float

    def places(self, k: int) -> int:
        """Return the candidates for k places."""
        return max(k, math.ceil(self.candidates * k / SAMPLE_K))

    def width(self, k: int, name: str) -> int:
        """Return the value of the knob for k places: a graph needs as many more, cells their square root."""
        scale = max(1.0, k / SAMPLE_K)
        return math.ceil(self.knob * (scale if name == "efSearch" else math.sqrt(scale)))


def measured(
    ask: Ask, true: Rows, *, knob: str, high: int, nests: bool, rescored: bool, cell_rows: float
) -> tuple[Effort, ...]:
    """Return the efforts that pay, ascending in work and in recall.

    Parameters
    ----------
    ask : callable
        The index, with the sampled queries.
    true : int64 array of shape (Q, K)
        The rows of the true neighbours, -1 in unused places.
    knob, high : str, int
        What ``knob_of`` says.
    nests : bool
        Whether a search for few places finds the first of what one for many finds.
    rescored : bool
        Whether more candidates than places are of use.
    cell_rows : float
        Rows of one cell.
    """
    found: list[Effort] = []
    for value in _values(knob, high):
        price = {"efSearch": GRAPH_WORK * value, "nprobe": CODE_WORK * cell_rows * value}.get(knob, 0.0)
        most = min(MOST_CANDIDATES, value if knob == "efSearch" else MOST_CANDIDATES) if rescored else SAMPLE_K
        if nests:
            reached = _reached(ask(value, max(most, SAMPLE_K)), true)
            pairs = [(count, reached[count - 1]) for count in _counts(len(reached))]
        else:  # a refinement, or a graph without a knob, searches wider for more places: each number is asked for
            pairs = [(count, _reached(ask(value, count), true)[-1]) for count in _counts(most)]
        found += [Effort(float(recall), value, count, price + count) for count, recall in pairs]
        if found[-1].recall >= ENOUGH:
            break
    return tuple(_paying(found))


def _reached(rows: Rows, true: Rows) -> NDArray[np.float64]:
    """Return the share of the true rows that is among the first 1, 2, … rows found."""
    hits = ((rows[:, :, None] == true[:, None, :]) & (true >= 0)[:, None, :]).any(axis=2)
    return np.asarray(np.cumsum(hits.sum(axis=0)) / max(1, int((true >= 0).sum())))


def chosen(efforts: Sequence[Effort], recall: float) -> Effort:
    """Return the cheapest effort that leaves some of the allowed misses unused, or the surest there is."""
    target = recall + SLACK * (1 - recall)
    return next((one for one in efforts if one.recall >= target), efforts[-1])


def _values(knob: str, high: int) -> Iterator[int]:
    """Go through the values of a knob: it doubles until it is at its highest."""
    value = {"efSearch": 16, "nprobe": 1}.get(knob, 0)
    while value and value < min(high, MOST_KNOB):
        yield value
        value *= 2
    yield min(high, MOST_KNOB) if value else 0


def _counts(most: int) -> Iterator[int]:
    """Go through the numbers of candidates."""
    count = SAMPLE_K
    while count < most:
        yield count
        count *= 2
    yield most


def _paying(efforts: Sequence[Effort]) -> Iterator[Effort]:
    """Go through the efforts than which nothing cheaper is as sure, the cheapest first."""
    best = -1.0
    for one in sorted(efforts, key=lambda effort: (effort.work, -effort.recall)):
        if one.recall > best:
            best = one.recall
            yield one
