"""Rows beside positions: an index of FAISS counts what it was given, a lane numbers rows with gaps.

Letters: N rows, D components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from vicinal.types import Floats, Mask, Rows

Parts: TypeAlias = Sequence[tuple[int, Floats]]


class RowMap:
    """Which row each position is, which rows are new, and which are no longer there.

    Parameters
    ----------
    parts : sequence of (int, float32 array of shape (n, D))
        What is there now: the row of the first vector, and the vectors. Checked before, without overlap.
    coded : int64 array, ascending
        The row of each position. Rows of the parts behind the last are new.
    """

    def __init__(self, parts: Parts, coded: Rows) -> None:
        self.parts = tuple(sorted(((int(first), one) for first, one in parts if len(one)), key=lambda part: part[0]))
        self.coded = coded
        self._firsts = np.array([first for first, _ in self.parts], dtype=np.int64)
        after = int(coded[-1]) + 1 if len(coded) else 0
        cut = ((max(first, after), one[max(0, after - first) :]) for first, one in self.parts)
        self.behind = tuple((first, one) for first, one in cut if len(one))
        self.new_count = sum(len(one) for _, one in self.behind)
        there = np.zeros(len(coded), dtype=np.bool_)
        for first, one in self.parts:
            start, end = np.searchsorted(coded, (first, first + len(one)))
            there[start:end] = True
        self._there = None if there.all() else there
        self.lost_count = int(len(coded) - np.count_nonzero(there))
        self._is_whole = bool(len(coded)) and int(coded[-1]) == len(coded) - 1

    @property
    def new_rows(self) -> Rows:
        """The rows that have no position yet."""
        ranges = [np.arange(first, first + len(one), dtype=np.int64) for first, one in self.behind]
        return np.concatenate([np.empty(0, dtype=np.int64), *ranges])

    def allowed(self, held: Mask | None) -> Mask | None:
        """Return which positions may be answers when these rows may; None where all may."""
        if held is None:
            return self._there
        allowed = held[: len(self.coded)] if self._is_whole else held[np.minimum(self.coded, len(held) - 1)]
        return allowed if self._there is None else allowed & self._there

    def living_count(self, held: Mask | None) -> int:
        """Return how many rows of the parts may be answers."""
        if held is None:
            return sum(len(one) for _, one in self.parts)
        return sum(int(np.count_nonzero(held[first : first + len(one)])) for first, one in self.parts)

    def vectors(self, rows: Rows) -> Floats:
        """Return the stored vectors (n, D) of ascending rows, each of which is in a part."""
        dim = self.parts[0][1].shape[1] if self.parts else 0
        found = np.empty((len(rows), dim), dtype=np.float32)
        for place in np.unique(np.searchsorted(self._firsts, rows, side="right") - 1).tolist():
            first, one = self.parts[place]
            start, end = np.searchsorted(rows, (first, first + len(one)))
            found[start:end] = one[rows[start:end] - first]
        return found

    def sampled(self, most: int, seed: int) -> Floats:
        """Return the vectors of new rows, at most so many, drawn evenly."""
        places = np.arange(self.new_count)
        if self.new_count > most:
            places = np.sort(np.random.default_rng(seed).choice(self.new_count, most, replace=False))
        drawn, start = [], 0
        for _, one in self.behind:
            low, high = np.searchsorted(places, (start, start + len(one)))
            drawn.append(one[places[low:high] - start])
            start += len(one)
        return np.concatenate(drawn)
