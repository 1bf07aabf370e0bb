"""Which share of new content a window of this size would have shown: measured on the reference itself.

A cell of like texts is taken out of the reference's store and put, as if it were new, into windows drawn from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal.index.cells import assigned, centers_of
from vicinal.lifecycle.drift.knn_novelty import DEPTHS, compared_at, null, scores
from vicinal.types import Floats

SHARES = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)
WANTED = 0.8
CELLS = 12
TRIED = 5
"""Cells that are taken out, one at a time."""
LEAST_ROWS = 10
TRIALS = 20
DRAWS = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """How often a share of new content is found by the test of novelty alone, at the level at which it is made.

    Parameters
    ----------
    shares, found : tuple of float
        A share of a window, and how often it is found.
    detectable : float or None
        The smallest share that is found ``WANTED`` times, between two of ``shares`` by a line; None: none of them.
    """

    shares: tuple[float, ...]
    found: tuple[float, ...]
    detectable: float | None


def curve(store: Floats, held_back: Floats, *, current: int, level: float, chance: np.random.Generator) -> Power:
    """Return how often each share of new content would have been found in a window.

    Parameters
    ----------
    store, held_back : float32 arrays of shape (N, D) and (H, D)
        The two halves of the reference, of unit length.
    current : int, 1 <= current
        Texts of the window.
    level : float, 0 < level < 1
    chance : numpy.random.Generator

    Notes
    -----
    What is new here is as far from the rest as the reference's own topics are from one another. Content that lies nearer
    to what is known needs a larger share, or a larger window.
    Cost: ``TRIED`` scorings of the reference, and ``TRIALS`` tests for each share and cell: about a second.
    """
    pooled = np.concatenate([store, held_back])
    centers = centers_of(np.ascontiguousarray(pooled), max(2, min(CELLS, len(pooled) // 20)), chooser=chance)
    cell_of = assigned(pooled, centers)
    in_store = np.arange(len(pooled)) < len(store)
    sizes = np.bincount(cell_of, minlength=len(centers))
    fit = [cell for cell in chance.permutation(len(centers)).tolist() if LEAST_ROWS <= sizes[cell] <= len(pooled) // 2]
    worlds = []
    for cell in fit[:TRIED]:
        kept = pooled[in_store & (cell_of != cell)]
        known = pooled[~in_store & (cell_of != cell)]
        if min(len(kept), len(known)) >= LEAST_ROWS:
            worlds.append((scores(known, kept), scores(pooled[cell_of == cell], kept)))
    if not worlds:
        return Power(shares=(), found=(), detectable=None)
    line = _line(len(held_back), current, level, chance)
    found: list[float] = []
    for share in SHARES:
        if found and found[-1] == 1:  # more of it is no harder to see
            found.append(1.0)
            continue
        hits = [
            _is_found(*world, len(held_back), current, share, line, chance) for world in worlds for _ in range(TRIALS)
        ]
        found.append(float(np.mean(hits)))
    return Power(shares=SHARES, found=tuple(found), detectable=_crossing(found))


def _line(held_back: int, current: int, level: float, chance: np.random.Generator) -> float:
    """Return what the statistic must pass at a level."""
    counts = np.unique(np.ceil(np.array(DEPTHS) * (held_back + current)).astype(np.int64))
    drawn = null(counts, held_back, current, chance=chance, draws=max(DRAWS, int(20 / level)))
    return float(np.quantile(drawn, 1 - level, method="higher"))


def _is_found(
    known: Floats, new: Floats, held_back: int, current: int, share: float, line: float, chance: np.random.Generator
) -> bool:
    """Return whether a share of new scores shows in one window, both samples drawn with replacement."""
    count = max(1, round(share * current))
    before = chance.choice(known, held_back)
    window: NDArray[np.float32] = np.concatenate([chance.choice(known, current - count), chance.choice(new, count)])
    return bool(compared_at(before, window)[2].max(initial=0.0) > line)


def _crossing(found: list[float]) -> float | None:
    """Return where the line between two shares reaches what is wanted."""
    for place, power in enumerate(found):
        if power >= WANTED:
            if not place or power == found[place - 1]:
                return SHARES[place]
            part = (WANTED - found[place - 1]) / (power - found[place - 1])
            return SHARES[place - 1] + part * (SHARES[place] - SHARES[place - 1])
    return None
