"""How a query is answered: through all codes, through cells, or by gathering the few rows that a filter lets through.

The choice is by cost. The unit costs were fitted to what queries took, 100,000 and 1M x 384, with the native kernels on
one core of a Cascade Lake at 2.5 GHz (12.5 GB/s from memory). Other machines differ in proportion, which moves the crossing
points little and the answers not at all: every way holds the recall.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vicinal.index.calibration import Calibration, Costs, gaps_of
from vicinal.types import Floats

CACHE_BYTES = 16 << 20
CROWDED = 1.2
"""Times nearer than usual: neighbours of a filter that knows nothing of the query stay below."""
MOST_TIMES = 64.0
"""Times the calibrated candidates, beyond which codes tell too little and every row that is let through is compared."""
FINER = 8.0
"""Times fewer rows that int8 cannot tell apart than codes cannot, at least."""
FULL_SHARE = 0.97
"""A mask that lets more through is a set with a few deletions, not a filter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The way of one query and its widths; ``probes`` 0 is all cells, ``wanted`` the let-through rows that cells must give.

    ``lag`` and ``doubt`` are those of ``kernels.Funnel.search``.
    """

    way: Literal["scan", "gather", "none"]
    probes: int = 0
    lag: float = 0.0
    doubt: float = 0.0
    wanted: int = 0
    candidates: int = 1
    rescored: int = 1
    recall: float = 1.0
    filtered: bool = False


def costs_for(rows: int, dim: int, code_dim: int) -> Costs:
    """Return the unit costs for a set of this size."""
    code_bytes = -(-code_dim // 8)
    cached = rows * dim <= CACHE_BYTES
    return Costs(
        fixed=100.0,
        position=code_bytes * 0.1e-3,
        center=code_dim * 0.3e-3,
        candidate=0.1 + dim * (0.3e-3 if cached else 0.8e-3),
        rescored=0.05 + dim * 0.4e-3,
        gathered=0.01 + dim * 0.115e-3,
    )


def plan_for(
    calibration: Calibration,
    *,
    recall: float,
    k: int,
    rows: int,
    cells: int,
    dims: tuple[int, int],
    let_through: int,
    masked: bool,
) -> Plan:
    """Return how to answer a query over ``rows`` coded rows of which a mask lets ``let_through`` pass.

    ``dims`` are D and how many components are coded.
    """
    if not let_through:
        return Plan(way="none")
    share = min(1.0, let_through / rows)
    setting = calibration.setting(recall, k)
    costs = costs_for(rows, *dims)
    rescored = min(setting.rescored, let_through)
    candidates = min(setting.candidates, let_through)
    probes = setting.probes
    if share < FULL_SHARE and probes:
        probes = calibration.filtered_probes(recall, k, share)
        probes = probes if probes < cells else 0
    scanned = rows * (probes / cells if probes else 1.0)
    usual = min(setting.usual, let_through)
    scan = costs.search(positions=scanned, cells=cells, candidates=usual, rescored=rescored)
    filtered = share < FULL_SHARE
    if masked and costs.gather(rows=let_through, rescored=rescored) < scan:
        return Plan(way="gather", rescored=rescored, recall=setting.recall, filtered=filtered)
    wanted = math.ceil(scanned * share) if share < FULL_SHARE and probes else 0
    return Plan(
        way="scan",
        probes=probes,
        lag=calibration.lag(probes),
        doubt=setting.doubt,
        wanted=wanted,
        candidates=candidates,
        rescored=rescored,
        # What was measured without a filter does not prove more than what was asked for where cells are chosen with one.
        recall=min(setting.recall, recall) if filtered and cells else setting.recall,
        filtered=filtered,
    )


def lengths_for(queries: Floats, metric: str) -> NDArray[np.float64]:
    """Return what the scores of each query grow with (Q,): its length for dot products, else 1."""
    if metric != "dot":
        return np.ones(len(queries))
    return np.asarray(np.linalg.norm(queries.astype(np.float64), axis=1))


def crowding(calibration: Calibration, scores: Floats, k: int, lengths: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much nearer to one another the scores of neighbours are than usual: 1 where as usual, larger in a crowd.

    ``scores`` (Q, 4 k) are exact and best first; ``lengths`` those of the queries.
    """
    known = [one for one in calibration.gaps if one <= k] or list(calibration.gaps)
    if not known:
        return np.ones(len(scores))
    usual = calibration.gaps[max(known)] if k >= min(calibration.gaps) else calibration.gaps[min(known)]
    gaps = gaps_of(scores, k, lengths)
    return usual / np.maximum(gaps, 1e-3 * usual) if usual > 0 else np.ones(len(scores))


def widened(plan: Plan, crowd: float, *, rows: int, dims: tuple[int, int], let_through: int) -> Plan:
    """Return a plan for neighbours in a crowd: more candidates by its square, or a gather of all where that is cheaper.

    Twice as dense scores put twice as many rows within the error of an estimate, and the last of the true ones is as
    likely to be among any of them.
    """
    times = 4 * crowd * crowd
    candidates = min(let_through, math.ceil(plan.candidates * times))
    rescored = min(let_through, math.ceil(plan.rescored * max(1.0, times / FINER)))
    costs = costs_for(rows, *dims)
    scan = costs.search(positions=rows, cells=0, candidates=candidates, rescored=rescored)
    gathers = plan.way == "gather" or times > MOST_TIMES
    if gathers or costs.gather(rows=let_through, rescored=rescored) < scan:
        return replace(plan, way="gather", rescored=rescored)
    return replace(plan, probes=0, candidates=candidates, rescored=rescored)
