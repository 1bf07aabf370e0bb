"""The best rows of a query within a mask, exactly, with bounded work in memory whatever the words.

tantivy gives the best so many hits of all rows, ties in no order. Here more are asked for until k of them are let
through and nothing behind can equal them. A mask of few rows is asked as a set of rows. Where neither is enough (a common word
whose best hits are all masked, or thousands of equal scores), the rows are gone through stretch by stretch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from vicinal import kernels
from vicinal.types import Bits, Floats, Mask, Rows

STEP = 2.0**-14
"""Scores are multiples of it: rows that differ only by the order of a sum are equal, and stand in the order of rows."""
STEPS = np.float32(1 / STEP)
FEW_ROWS = 4096
"""A mask of so many rows at most may be asked as a set of rows."""
ROW_COST = 9.0
"""What a row of such a set costs, in hits that are looked at."""
MOST_HITS = 16_384
"""Hits that are looked at in one go; a hit costs about a microsecond."""
SMALL_HITS = 256
STRETCH_ROWS = 16_384
GROWTH = 4
MARGIN = 4
SPARE = 2.0
"""Hits come by chance: so many standard deviations more than the share of the mask says are asked for at first."""
WORD = 64
WORD_BITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query, and the rows that may answer it: those before ``end``, and of the mask where there is one."""

    reading: Any
    query: Any
    mask: Bits | None
    end: int
    library: ModuleType


@dataclass(slots=True)
class Found:
    """The rows found so far, their scores, and how many hits were looked at."""

    rows: Rows
    scores: Floats
    work: int = 0


def best(asked: Asked, k: int) -> Found:
    """Return the k best rows that are let through, best first, ties by row; fewer where fewer match."""
    count = asked.reading.count if asked.mask is None else kernels.count_bits(asked.mask)
    if not count or not asked.reading.count:
        return Found(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
    share = min(1.0, count / asked.reading.count)
    limit = min(MOST_HITS, int(k / share * (1 + SPARE * math.sqrt((1 - share) / k))) + MARGIN)
    if asked.mask is not None and count <= FEW_ROWS and count * ROW_COST < limit:
        return _of_few(asked, k, count)
    work = 0
    while True:
        limit = min(max(limit, k + 1), asked.reading.count + 1)
        if limit <= SMALL_HITS < MOST_HITS:
            small = _of_small(asked, k, limit)
            if small is not None:
                return small
            limit *= GROWTH
            continue
        rows, scores = _asked(asked, asked.query, limit)
        work += len(rows)
        whole = len(rows) < limit
        kept = _let_through(asked, rows)
        sure = kept if whole else kept & (scores > scores[-1])
        if whole or np.count_nonzero(sure) >= k:
            return _first(rows[sure], scores[sure], k, work)
        if limit >= MOST_HITS:
            return _by_stretches(asked, k, rows[sure], scores[sure], float(scores[-1]), work)
        limit = min(MOST_HITS, limit * GROWTH)


def _of_small(asked: Asked, k: int, limit: int) -> Found | None:
    """Return the answer if it is among few hits: lists are quicker than arrays then."""
    rows, scores = asked.reading.listed(asked.query, limit)
    stepped = [round(score / STEP) * STEP for score in scores]
    whole = len(rows) < limit
    floor = -1.0 if whole else stepped[-1]
    mask, end = asked.mask, asked.end if asked.mask is None else min(asked.end, len(asked.mask) * WORD)
    kept = [
        (-score, row)
        for row, score in zip(rows, stepped, strict=True)
        if score > floor and row < end and (mask is None or int(mask[row >> WORD_BITS]) >> (row % WORD) & 1)
    ]
    if len(kept) < k and not whole:
        return None
    kept = sorted(kept)[:k]
    return Found(
        np.array([row for _, row in kept], dtype=np.int64),
        np.array([-score for score, _ in kept], dtype=np.float32),
        len(rows),
    )


def _of_few(asked: Asked, k: int, count: int) -> Found:
    """Return the answer within a mask of few rows."""
    assert asked.mask is not None  # noqa: S101 - our own invariant: it was counted
    within = asked.library.of_rows(kernels.rows_of_bits(asked.mask))
    rows, scores = _asked(asked, asked.library.both(within, asked.query), count)
    kept = _let_through(asked, rows)
    return _first(rows[kept], scores[kept], k, len(rows))


def _by_stretches(asked: Asked, k: int, rows: Rows, scores: Floats, last: float, work: int) -> Found:
    """Return the answer when it is not among the best hits of all: ``rows`` are those that score above ``last``.

    All others score ``last`` at most. Rows ascend, so once k rows are known that score ``last`` or more, nothing that
    comes later can take a place.
    """
    found = Found(rows, scores, work)
    for first in range(0, asked.end, STRETCH_ROWS):
        end = min(asked.end, first + STRETCH_ROWS)
        if asked.mask is not None and not asked.mask[first // WORD : -(-end // WORD)].any():
            continue
        within = asked.library.both(asked.library.between(first, end), asked.query)
        more, their = _asked(asked, within, end - first)
        found.work += len(more)
        kept = _let_through(asked, more) & (their <= last)
        merged = _first(np.append(found.rows, more[kept]), np.append(found.scores, their[kept]), k, found.work)
        found = merged
        if len(found.rows) == k and found.scores[-1] >= last:
            break
    return _first(found.rows, found.scores, k, found.work)


def _asked(asked: Asked, query: Any, limit: int) -> tuple[Rows, Floats]:  # noqa: ANN401 - tantivy's class
    """Return the best hits of all rows, their scores in steps."""
    rows, scores = asked.reading.best(query, limit)
    scores *= STEPS  # a power of two: exact
    np.rint(scores, out=scores)
    scores /= STEPS
    return rows, scores


def _let_through(asked: Asked, rows: Rows) -> Mask:
    """Return which rows may be answers."""
    if asked.mask is None:
        return rows < asked.end
    if not len(asked.mask):
        return np.zeros(len(rows), dtype=np.bool_)
    within: Mask = rows < min(asked.end, len(asked.mask) * WORD)
    safe = rows * within
    shifts = (safe & (WORD - 1)).astype(np.uint64)
    within &= ((asked.mask[safe >> WORD_BITS] >> shifts) & np.uint64(1)).astype(np.bool_)
    return within


def _first(rows: Rows, scores: Floats, k: int, work: int) -> Found:
    """Return the k best of some rows."""
    order = np.lexsort((rows, -scores))[:k]
    return Found(rows[order], scores[order], work)
