"""The best rows of each query while documents pass by in blocks: nothing else of them is kept.

Letters: Q queries, n documents of a block, W places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats, Rows

_Pending = tuple[NDArray[np.int32], Rows, Floats, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Lists:
    """The best W of each query: rows (Q, W), scores (Q, W), and what was carried with them (C, Q, W), best first.

    Equal scores by ascending row. Unused places hold row -1, score -inf and -inf.
    """

    rows: Rows
    scores: Floats
    carried: Floats


class Nearest:
    """Keeps the best ``width`` rows of each query by score, with other scores of the same rows carried along.

    Notes
    -----
    Memory: at most about three times Q * width * (16 + 4 * carried) bytes and one block.
    Once the places are filled only scores above the last of them are looked at, so the cost of a block falls with the
    number of blocks seen.
    """

    def __init__(self, queries: int, width: int, carried: int) -> None:
        self._queries, self._width, self._carried = queries, width, carried
        self._bar = np.full(queries, -np.inf, dtype=np.float32)
        self._pending: list[_Pending] = []
        self._held = 0

    def offer(self, rows: Rows, scores: Floats, carried: Sequence[Floats]) -> None:
        """Take a block: numbers (n,) above all before, scores (Q, n), and each carried (Q, n)."""
        passing = scores > self._bar[:, None]
        if len(rows) > self._width and not np.isfinite(self._bar).all():
            within = np.where(np.isnan(scores), -np.inf, scores)
            bar = np.partition(within, len(rows) - self._width, axis=1)[:, len(rows) - self._width]
            passing &= scores >= bar[:, None]
        query, place = np.nonzero(passing)
        extra = np.empty((self._carried, len(query)), dtype=np.float32)
        for number, one in enumerate(carried):
            extra[number] = one[query, place]
        self._pending.append((query.astype(np.int32), rows[place], scores[query, place], extra))
        self._held += len(query)
        if self._held > 2 * self._queries * self._width or len(self._pending) == 1:
            self._compact()

    def _compact(self) -> None:
        """Keep the best of each query."""
        if not self._pending:
            return
        query, rows, scores = (np.concatenate([one[part] for one in self._pending]) for part in range(3))
        extra = np.concatenate([one[3] for one in self._pending], axis=1)
        order = np.lexsort((rows, -scores, query))
        starts = np.searchsorted(query[order], np.arange(self._queries))
        rank = np.arange(len(order)) - starts[query[order]]
        order = order[rank < self._width]
        self._pending = [(query[order], rows[order], scores[order], extra[:, order])]
        self._held = len(order)
        counts = np.bincount(query[order], minlength=self._queries)
        last = np.cumsum(counts) - 1
        full = counts == self._width
        self._bar[full] = scores[order][last[full]]

    def lists(self) -> Lists:
        """Return what is kept."""
        shape = (self._queries, self._width)
        found = Lists(
            rows=np.full(shape, -1, dtype=np.int64),
            scores=np.full(shape, -np.inf, dtype=np.float32),
            carried=np.full((self._carried, *shape), -np.inf, dtype=np.float32),
        )
        self._compact()
        for query, rows, scores, extra in self._pending:
            rank = np.arange(len(query)) - np.searchsorted(query, np.arange(self._queries))[query]
            found.rows[query, rank] = rows
            found.scores[query, rank] = scores
            found.carried[:, query, rank] = extra
        return found


def best(lists: Lists, by: Floats, width: int) -> Lists:
    """Return the best ``width`` of each list by other scores (Q, W); equal ones by ascending row."""
    order = np.lexsort((lists.rows, -by), axis=1)[:, :width]
    return Lists(
        rows=np.take_along_axis(lists.rows, order, axis=1),
        scores=np.take_along_axis(by, order, axis=1),
        carried=np.take_along_axis(lists.carried, order[None], axis=2),
    )


def within(lists: Lists, kept: NDArray[np.bool_]) -> Lists:
    """Return the lists without the rows that are not kept, ``kept`` being (Q, W); the order of the others stays."""
    by = np.where(kept, lists.scores, -np.inf).astype(np.float32)
    order = np.argsort(~kept, axis=1, kind="stable")
    return Lists(
        rows=np.take_along_axis(np.where(kept, lists.rows, -1), order, axis=1),
        scores=np.take_along_axis(by, order, axis=1),
        carried=np.take_along_axis(
            np.where(kept[None], lists.carried, -np.inf).astype(np.float32), order[None], axis=2
        ),
    )
