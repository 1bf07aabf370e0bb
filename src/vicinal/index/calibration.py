"""What a recall costs: the widths of the stages for each recall, measured on sampled vectors of the set itself.

A true neighbour is one of the k rows with the best exact scores; a row that scores as well as the last of them counts
as well (ties). Recall is the share of the k that were found, over all sampled queries.
Letters: Q queries, K places, M cells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats

KS = (10, 100)
"""Places that are calibrated; between them widths are interpolated by their logarithms, beyond them by proportion."""
Z = 1.2816
"""One-sided: nine of ten lower bounds lie below the true recall."""
CANDIDATES = (
    *(16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192),
    *(12_288, 16_384, 24_576, 32_768),
)
REACHES = (10, 100, 1000)
"""Places of which it is known in how many cells they lie: a filter asks for the k nearest of its own rows, which lie as
far away as the k / share nearest of all."""
DOUBTS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.1, 2.5, 3.0)
"""Errors of an estimate by which a candidate may lie below the k-th of those compared; one error is about 0.6."""
RESCORED = (1.0, 1.6, 2.4, 3.2, 4.8, 6.4, 9.6)
"""Rows that reach the floats, in multiples of k."""
SHARES = (0.75,)
"""Of the cells: probing more than the largest costs more than probing all."""
TARGETS = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.998, 0.999)
CROWDED_KS = (10, 25)
"""Places at which it is known how far apart the scores of k and 4 k neighbours usually are."""
ASSUMED = 0.98
GROWTH = 1.5
DEAD = 0.3
SHORT = 0.05
"""Recall below what is asked for, from which every vector is compared instead."""
TAIL = 0.25
MOST_MARGIN = 1e6
MOST = 1 << 40
"""Beyond which no count of a calibration is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The widths of one search: cells (0: all), rows to int8, rows to floats; and what recall was measured with them.

    Cells are those of a query on average (``Calibration.lag``). With a ``doubt`` above 0, ``candidates`` are the most that
    go to int8 and ``compared`` those that did on average. ``low`` is the lower bound of the recall (one-sided, 90 %);
    ``cost`` is what ``Costs.search`` gives, in microseconds.
    """

    probes: int
    candidates: int
    rescored: int
    recall: float
    low: float
    cost: float = 0.0
    doubt: float = 0.0
    compared: int = 0

    @property
    def usual(self) -> int:
        """How many candidates go to int8, as far as is known."""
        return self.compared or self.candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A recall as it was measured: the mean, its bounds (each one-sided, 90 %), and how many queries were asked."""

    recall: float
    low: float
    high: float
    queries: int
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Settings for places and recalls, of a set with ``rows`` living rows; made by ``FunnelIndex.calibrate``.

    ``gaps`` holds how far the score of the 4 k-th neighbour is below that of the k-th, at least, for nine of ten queries.
    ``fronts`` holds, for each number of places that was measured, the settings that no cheaper one beats, by rising
    cost. ``reaches`` holds, for numbers of places, how many cells hold each share of so many neighbours that is in
    ``TARGETS``. ``lags`` holds pairs: with the lag of the second, a query looks into as many cells as the first, on
    average. Both are empty where there are no cells, and in files of earlier versions. ``queries`` is how many were asked:
    0 says that nothing was measured and the settings are assumed.
    """

    rows: int
    cells: int
    queries: int
    fronts: Mapping[int, tuple[Setting, ...]]
    gaps: Mapping[int, float] = field(default_factory=dict)
    reaches: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    lags: tuple[tuple[int, float], ...] = ()

    @classmethod
    def assumed(cls, rows: int, cells: int) -> Calibration:
        """Return wide settings for a set that was not measured yet: all cells, and many candidates."""
        fronts = {k: (Setting(probes=0, candidates=60 * k, rescored=4 * k, recall=ASSUMED, low=ASSUMED),) for k in KS}
        return cls(rows=rows, cells=cells, queries=0, fronts=fronts)

    def setting(self, recall: float, k: int) -> Setting:
        """Return the cheapest setting whose lower bound is the recall; where none is, the one with the best."""
        ks = sorted(self.fronts)
        below = max((one for one in ks if one <= k), default=ks[0])
        above = min((one for one in ks if one >= k), default=ks[-1])
        low, high = self._chosen(recall, below), self._chosen(recall, above)
        if k < below or below == above == k:
            return low
        if below == above:
            return _grown(high, k / above, self.cells)
        return _between(low, high, math.log(k / below) / math.log(above / below), self.cells)

    def falls_short(self, reached: float, recall: float) -> bool:
        """Return whether what the best setting reached is nowhere near a recall: coarse scores cannot tell these rows apart."""
        return bool(self.queries) and reached < recall - SHORT

    def lag(self, probes: int) -> float:
        """Return how far behind the nearest cells those lie that make so many on average; 0 where it is not known."""
        if not probes or not self.lags:
            return 0.0
        cells, lags = zip(*self.lags, strict=True)
        return float(np.interp(math.log(probes), np.log(cells), lags))

    def filtered_probes(self, recall: float, k: int, share: float) -> int:
        """Return the cells to be probed for k neighbours within a filter that lets this share of the rows through; 0: all.

        A filter that knows nothing of the query lets through a sample of its k / share nearest rows, and the cells that
        hold a part of them all hold as large a part of that sample. Where this was not measured, cells grow with the
        square root of the places.
        """
        if not self.reaches:
            return self.setting(recall, math.ceil(k / share)).probes
        probes = self.setting(recall, k).probes
        grown = math.ceil(probes * max(1.0, self._reach(recall, k / share) / self._reach(recall, k)))
        return grown if grown < self.cells else 0

    def _reach(self, recall: float, places: float) -> float:
        """Return how many cells hold that part of so many neighbours, by the logarithms of what was measured."""
        target = min(range(len(TARGETS)), key=lambda at: abs(TARGETS[at] - recall))
        known = sorted((math.log(k), math.log(cells[target])) for k, cells in self.reaches.items())
        asked = math.log(places)
        if len(known) == 1 or asked <= known[0][0]:
            return math.exp(known[0][1])
        (low, before), (high, after) = next(
            (pair for pair in itertools.pairwise(known) if asked <= pair[1][0]), (known[-2], known[-1])
        )
        return math.exp(before + (after - before) * (asked - low) / (high - low))

    def _chosen(self, recall: float, k: int) -> Setting:
        front = self.fronts[k]
        return next((one for one in front if one.low >= recall), front[-1])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for a file."""
        fronts = {str(k): [asdict(one) for one in front] for k, front in self.fronts.items()}
        return {
            "rows": self.rows,
            "cells": self.cells,
            "queries": self.queries,
            "fronts": fronts,
            "gaps": {str(k): gap for k, gap in self.gaps.items()},
            "reaches": {str(k): list(cells) for k, cells in self.reaches.items()},
            "lags": [list(pair) for pair in self.lags],
        }

    @classmethod
    def from_dict(cls, said: object) -> Calibration | None:
        """Return what ``as_dict`` gave, or None where it is nothing of the kind."""
        try:
            rows, cells, queries = (_count(said[name]) for name in ("rows", "cells", "queries"))  # type: ignore[index]  # the TypeError is the check
            fronts = {
                int(k): tuple(_checked(one, cells) for one in front)
                for k, front in said["fronts"].items()  # type: ignore[index]
            }
            found = cls(
                rows=rows,
                cells=cells,
                queries=queries,
                fronts=fronts,
                gaps={int(k): float(gap) for k, gap in said["gaps"].items()},  # type: ignore[index]
                reaches=_checked_reaches(said.get("reaches", {}), cells),  # type: ignore[attr-defined]
                lags=_checked_lags(said.get("lags", []), cells),  # type: ignore[attr-defined]
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None
        return found if fronts and all(front and k > 0 for k, front in fronts.items()) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Microseconds of one query, as sums of what its stages do; the unit costs are in ``plan.py``."""

    fixed: float
    position: float
    center: float
    candidate: float
    rescored: float
    gathered: float

    def search(self, *, positions: float, cells: int, candidates: int, rescored: int) -> float:
        """Return the cost of scanning positions after choosing among cells."""
        scanned = positions * self.position + cells * self.center
        return self.fixed + scanned + candidates * self.candidate + rescored * self.rescored

    def gather(self, *, rows: int, rescored: int) -> float:
        """Return the cost of scoring exactly these rows."""
        return self.fixed + rows * self.gathered + rescored * self.rescored


def found_shares(found: Floats, true: Floats) -> NDArray[np.float64]:
    """Return the share of its true neighbours that each query found, from scores (Q, K), best first; -inf is no row.

    The j-th found row is right if it scores as well as the last true one.
    """
    there = np.isfinite(true)
    wanted = there.sum(axis=1)
    last = np.where(there, true, np.float32(np.inf)).min(axis=1, initial=np.float32(np.inf))
    right = (np.isfinite(found) & (found >= last[:, None])).sum(axis=1)
    return np.where(wanted > 0, np.minimum(right, wanted) / np.maximum(wanted, 1), 1.0)


def measured(shares: NDArray[np.float64], k: int) -> Measurement:
    """Return the mean share and its bounds.

    Wilson's interval (1927) for a proportion, with the number of trials divided by the design effect: misses come in
    clusters, several of one query, so that Q * K trials tell less than as many independent ones (Kish 1965).
    """
    queries = len(shares)
    if not queries:
        return Measurement(recall=0.0, low=0.0, high=1.0, queries=0, k=k)
    mean = float(shares.mean())
    spread = mean * (1 - mean) / k
    effect = min(float(k), max(1.0, float(shares.var()) / spread)) if spread > 0 else 1.0
    trials = queries * k / effect
    half = Z * math.sqrt(mean * (1 - mean) / trials + Z * Z / (4 * trials * trials))
    middle, width = mean + Z * Z / (2 * trials), 1 + Z * Z / trials
    low, high = max(0.0, (middle - half) / width), min(1.0, (middle + half) / width)
    return Measurement(recall=mean, low=low, high=high, queries=queries, k=k)


def gaps_of(scores: Floats, k: int, lengths: NDArray[Any]) -> NDArray[np.float64]:
    """Return how far the score of the 4 k-th neighbour is below that of the k-th (Q,), for queries of unit length.

    Infinite where there are not so many. A small gap says that the neighbours are crowded: many rows score nearly as
    well, and coarse scores cannot tell them apart.
    """
    if scores.shape[1] < 4 * k:
        return np.full(len(scores), np.inf)
    with np.errstate(invalid="ignore"):
        gaps = (scores[:, k - 1].astype(np.float64) - scores[:, 4 * k - 1]) / np.where(lengths > 0, lengths, 1)
    return np.where(np.isfinite(scores[:, 4 * k - 1]), gaps, np.inf)


def front_of(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Return the settings that no cheaper one beats, by rising cost and recall."""
    front: list[Setting] = []
    for one in sorted(settings, key=lambda one: (one.cost, -one.low)):
        if not front or one.low > front[-1].low:
            front.append(one)
    return tuple(front)


def _count(said: Any) -> int:  # noqa: ANN401 - what a file says
    """Return a count from plain data."""
    count = int(said)
    if not 0 <= count <= MOST:
        raise ValueError
    return count


def _checked(said: Mapping[str, Any], cells: int) -> Setting:
    """Return a setting from plain data, for an index with so many cells."""
    one = Setting(
        probes=_count(said["probes"]),
        candidates=_count(said["candidates"]),
        rescored=_count(said["rescored"]),
        recall=float(said["recall"]),
        low=float(said["low"]),
        cost=float(said["cost"]),
        doubt=float(said.get("doubt", 0.0)),
        compared=_count(said.get("compared", 0)),
    )
    if one.probes > cells or one.candidates < 1 or one.rescored < 1 or not 0 <= one.recall <= 1:
        raise ValueError
    if not 0 <= one.doubt <= MOST_MARGIN or one.compared > one.candidates or not 0 <= one.low <= 1:
        raise ValueError
    return one


def _checked_reaches(said: Mapping[str, Any], cells: int) -> dict[int, tuple[int, ...]]:
    """Return how far neighbours reach from plain data, for an index with so many cells."""
    found = {_count(k): tuple(_count(one) for one in reach) for k, reach in said.items()}
    if any(
        not k or len(reach) != len(TARGETS) or not all(0 < one <= cells for one in reach) for k, reach in found.items()
    ):
        raise ValueError
    return found


def _checked_lags(said: Sequence[Any], cells: int) -> tuple[tuple[int, float], ...]:
    """Return the lags of numbers of cells from plain data, for an index with so many cells."""
    if not all(isinstance(pair, list) for pair in said):
        raise ValueError
    found = tuple((_count(count), float(lag)) for count, lag in said)
    rising = all(a < b and before <= after for (a, before), (b, after) in itertools.pairwise(found))
    if not rising or any(not 0 < count <= cells or not 0 < lag <= MOST_MARGIN for count, lag in found):
        raise ValueError
    return found


def _grown(one: Setting, times: float, cells: int) -> Setting:
    """Return a setting for more places than were measured."""
    probes = 0 if one.probes == 0 else min(cells, math.ceil(one.probes * math.sqrt(times)))
    return Setting(
        probes=0 if probes >= cells else probes,
        candidates=math.ceil(one.candidates * times),
        rescored=math.ceil(one.rescored * times),
        recall=one.recall,
        low=one.low,
        doubt=one.doubt,
        compared=math.ceil(one.compared * times),
    )


def _between(low: Setting, high: Setting, share: float, cells: int) -> Setting:
    """Return a setting between two, by the logarithms of their widths."""

    def mixed(a: float, b: float) -> int:
        return math.ceil(math.exp(math.log(a) * (1 - share) + math.log(b) * share))

    probes = mixed(low.probes or cells, high.probes or cells) if cells else 0
    return Setting(
        probes=0 if probes >= cells else probes,
        candidates=mixed(low.candidates, high.candidates),
        rescored=mixed(low.rescored, high.rescored),
        recall=min(low.recall, high.recall),
        low=min(low.low, high.low),
        doubt=max(low.doubt, high.doubt) if low.doubt and high.doubt else 0.0,
        compared=mixed(low.usual, high.usual),
    )
