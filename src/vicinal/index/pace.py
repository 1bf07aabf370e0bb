"""Which cells queries look into: those that lag no farther than some lag, and how many that makes on average.

A calibration counts cells, since cells are what a search pays for; the funnel takes a lag, so that a hard query gets more
of them than an easy one. The pace of some queries leads from one to the other. It searches nothing.
Letters: N rows, Q queries, D components, K places, M cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.index.calibration import MOST_MARGIN
from vicinal.index.coding import Coder, as_coded
from vicinal.types import Floats, Rows

FEW_CELLS = 4 * kernels.FOREMOST
"""Of so few a query looks into a number; of more, into those that do not lag too far."""
PACES = 64
"""Numbers of cells whose lags are kept."""


@dataclass(slots=True)
class Pace:
    """How far each cell lags behind the nearest of a query, and how many cells that makes on average. Made by ``of``.

    Where there are few cells, or none that lags, each query looks into as many: the lag is then the place of a cell in the
    order of the query, and the funnel is given a number of cells.

    ``lags`` (Q, M) are those of the queries that were asked, ``ordered`` all of them, ascending. ``sizes`` (M,) says how
    many rows each cell has, and ``cell_of`` the cell of each row, the last of none. ``table`` holds some numbers of cells
    with their lags, as a calibration keeps them; empty where cells are counted.
    """

    lags: NDArray[np.float64]
    ordered: NDArray[np.float64]
    sizes: NDArray[np.int64]
    cell_of: NDArray[np.int32]
    table: tuple[tuple[int, float], ...]
    _known: dict[tuple[int, int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, run: kernels.Run, queries: Floats, coder: Coder) -> Pace:
        """Return the pace of some queries (Q, D), in a run that has cells. Cost: Q * M products, and as many sorted."""
        assert run.centers is not None  # noqa: S101 - our own invariant
        near = cell_nearness(run.centers, queries, coder)
        lags = _lags(near, run.centers, queries, coder)
        cells, ordered = len(run.centers), np.sort(lags, axis=None)
        counts = sorted({min(cells, math.ceil(one)) for one in np.geomspace(1, max(1, cells), PACES)})
        held = [(count, float(ordered[count * len(lags) - 1])) for count in counts] if len(lags) else []
        table = tuple((count, lag) for count, lag in held if 0 < lag <= MOST_MARGIN)
        if not table or cells < FEW_CELLS:
            lags, table = np.argsort(np.argsort(-near, axis=1, kind="stable"), axis=1).astype(np.float64), ()
            ordered = np.sort(lags, axis=None)
        cell_of = _cells_of_rows(run)
        return cls(lags, ordered, np.bincount(cell_of[cell_of >= 0], minlength=cells), cell_of, table)

    @property
    def all_rows(self) -> int:
        """How many rows are in cells."""
        return int(self.sizes.sum())

    @property
    def least(self) -> int:
        """How many cells a query looks into at least, on average."""
        if not self.table:
            return 1
        return math.ceil(np.searchsorted(self.ordered, self.table[0][1], side="right") / len(self.lags))

    def lag(self, probes: int) -> float:
        """Return the lag of so many cells on average, for the funnel; 0 for all, and where it is given their number."""
        return self._last(probes) if probes and self.table else 0.0

    def rows(self, probes: int, queries: int) -> float:
        """Return how many rows of so many cells, 0 for all, the first queries look at, on average."""
        if not probes or not queries:
            return float(self.all_rows)
        if (probes, queries) not in self._known:
            self._known[probes, queries] = float(((self.lags[:queries] <= self._last(probes)) @ self.sizes).mean())
        return self._known[probes, queries]

    def ranks(self, rows: Rows) -> NDArray[np.int64]:
        """Return how many cells lag less than that of each row (Q, K) of the first queries, on average; 0 for one in none."""
        cells = self.cell_of[np.where(rows < len(self.cell_of), rows, -1)]
        lags = np.take_along_axis(self.lags[: len(rows)], np.maximum(cells, 0).astype(np.int64), axis=1)
        found = np.searchsorted(self.ordered, lags, side="left") // max(1, len(self.lags))
        return np.where(cells >= 0, found, 0)

    def _last(self, probes: int) -> float:
        """Return the lag of the last of so many cells on average."""
        last = float(self.ordered[min(probes * len(self.lags), len(self.ordered)) - 1])
        return max(self.table[0][1], last) if self.table else last


def cell_nearness(centers: Floats, queries: Floats, coder: Coder) -> Floats:
    """Return how near each cell is to each query (Q, M), as the funnel orders them."""
    with np.errstate(over="ignore", invalid="ignore"):
        asked = _asked(queries, coder)
        products: Floats = kernels.turned(np.ascontiguousarray(asked), coder.turn) @ centers.T
        terms = coder.probing_terms(centers)
        return (2 * products if coder.metric == "l2" else products) + (np.float32(0) if terms is None else terms)


def _asked(queries: Floats, coder: Coder) -> Floats:
    """Return queries as they are compared with centers: less the center for l2, of unit length for cosine."""
    return queries - coder.center if coder.metric == "l2" else as_coded(queries, coder.metric)


def _lags(near: Floats, centers: Floats, queries: Floats, coder: Coder) -> NDArray[np.float64]:
    """Return how far each cell lags behind those that lead, of each query (Q, M), as the funnel measures it."""
    with np.errstate(over="ignore", invalid="ignore"):
        asked, center = _asked(queries, coder).astype(np.float64), coder.center.astype(np.float64)
        nearness = near + (np.zeros(len(asked)) if coder.metric == "l2" else asked @ center)[:, None]
        squared = np.einsum("qd,qd->q", asked, asked)
        ordered = -np.sort(-nearness, axis=1)
        lead = ordered[:, : kernels.leading_cells(len(centers))].mean(axis=1)
        if coder.probing_terms(centers) is None:
            unit = np.sqrt(squared)
        elif coder.metric == "l2":
            unit = squared - lead
        else:
            unit = squared + float(center @ center) - 2 * lead
        lags = (lead[:, None] - nearness) / np.maximum(unit, np.finfo(np.float64).tiny)[:, None]
    lags[nearness >= ordered[:, min(kernels.FOREMOST, len(centers)) - 1, None]] = 0  # looked into in any case
    return np.where(np.isnan(lags), np.inf, lags)


def _cells_of_rows(run: kernels.Run) -> NDArray[np.int32]:
    """Return the cell of each row, -1 for one in none; the last is none."""
    assert run.rows is not None  # noqa: S101 - our own invariant
    assert run.cell_offsets is not None  # noqa: S101 - the same
    rows = run.rows[: run.count]
    numbers = np.repeat(np.arange(len(run.cell_offsets) - 1, dtype=np.int32), np.diff(run.cell_offsets))
    found = np.full(int(rows.max(initial=-1)) + 2, -1, dtype=np.int32)
    found[rows[rows >= 0]] = numbers[rows >= 0]
    return found
