"""The NumPy twin of the native funnel: what a whole query means, stage by stage.

    cells    the ``probes`` best centers, where a run has cells
    codes    an estimate of each position's score from its 1-bit code: the ``candidates`` best
    int8     a closer score of those: the ``rescored`` best
    floats   the exact score of those, as ``kernels.top_k`` has it: the k best

Scores of all metrics are larger when nearer: ``dot`` is <x, q>; ``cosine`` is <x, q> / (|x| |q|), 0 for a zero vector;
``l2`` is -||x - q||^2. For cosine, codes and int8 rows are those of x / |x|, and the query is divided likewise.

Estimate of a position with the factor f and the code bits, all in float32 and in this order:

    q'       the query; for cosine its unit vector; for l2 q - center
    y        q' in the space of codes: rotated, projected, or as it is
    s[d]     y as whole numbers of the step t (``quantised``)
    T        sum over d of (bit d ? s[d] : -s[d])                         an integer, below 2^24
    est      (f * T) * t + (<c, y> + <center, q'>)                        c: the center of the cell, 0 without cells
    l2       (f * T) * (2 t) + 2 <c, y> + bias                            bias: -||x - center||^2

With a doubt, the best ``4 * rescored + 64`` candidates go to int8, and of the others those for which

    est + f * (doubt * |y|)             l2: twice the last

is not below the k-th score by int8 of those. The same is asked of the rows outside of the 20 nearest cells before they are
candidates, with the k-th of the best within those cells. The error of an estimate grows with f and |y| (Gao, Long 2024, section 3.2.3, where
also how well a code fits its row counts; here it is taken as equal for all).

With a lag, a query looks into the cells whose nearness is at least

    lead - lag * u      lead: the mean nearness of the nearest sixteenth, 64 at most; u: their squared distance, |q'| where cells have no terms

and at least into 20. A query among many rows has few cells there, one that is far from all has many. SPANN prunes by the
distance of the nearest center alone (Chen et al. 2021, arXiv 2111.08566, section 3.3): a query that lies on a center then
has too few.

Letters: N rows, Q queries, D components, K places, M cells, W = ceil(D / 8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal.kernels.codes import BLOCK_ROWS, Codes, Int8, Projection, Turn, int8_of, rotated, unit
from vicinal.kernels.exact import scores_of, summed
from vicinal.types import Bits, Floats, Rows

Metric: TypeAlias = Literal["dot", "cosine", "l2"]
METRICS = ("dot", "cosine", "l2")

LOWEST = np.float32(-np.finfo(np.float32).max)
"""What an estimate that is no number counts as."""
MOST_ROWS = 1 << 31
GROUP = 4
GROUP_TOP = 63
"""The sum of four components' sizes at most: two sums of eight bits fit into a byte, and 4,096 components into 16 bits."""
STEPS_4 = GROUP_TOP - GROUP / 2
STEPS_8 = 255
FOREMOST = 20
LEADING, LEADING_SHARE = 64, 16
SURE_TIMES, SURE_MORE = 4, 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Codes of some positions that are scanned together: rows in order, or rows sorted by cell.

    Parameters
    ----------
    codes : uint8 array of shape (at least ceil(count / 64), W, 64), contiguous
        Blocks beyond the count are not looked at: a run may share an array that is still filled.
    factors : float32 array of shape (at least count,)
    count : int
        Positions.
    first_row : int
        The row of position 0, where ``rows`` is None; row = first_row + position.
    rows : int32 or int64 array of shape (at least count,), optional
        The row of each position; -1 for none, which is never an answer.
    bias : float32 array of shape (at least count,), optional
        For l2, and only there: ``-||x - center||^2`` of each position.
    cell_offsets : int64 array of shape (M + 1,), optional
        Cell m has the positions ``cell_offsets[m]`` to ``cell_offsets[m + 1]``, both multiples of 64; the last is count.
    centers : float32 array of shape (M, d), optional
        The centers of the cells in the space of codes, together with ``cell_offsets``; codes are of the difference.
    cell_terms : float32 array of shape (M,), optional
        Added to the score by which each cell is probed, and to nothing else: it makes scores probe by distance.
    """

    codes: Codes
    factors: Floats
    count: int
    first_row: int = 0
    rows: NDArray[np.int32] | Rows | None = None
    bias: Floats | None = None
    cell_offsets: Rows | None = None
    centers: Floats | None = None
    cell_terms: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """One query as the stages need it."""

    exact: Floats
    turned: Floats
    """For cosine the unit vector, for l2 the difference to the center."""
    coded: Floats
    """The same in the space of codes."""
    steps: NDArray[np.float32]
    step: np.float32


@dataclass(frozen=True, slots=True)
class _Found:
    """Positions with their rows, estimates and factors, and which are in the foremost cells."""

    places: Rows
    rows: Rows
    estimates: Floats
    factors: Floats
    foremost: NDArray[np.bool_]

    def only(self, chosen: NDArray[Any]) -> _Found:
        """Return some of them: by booleans, or by numbers."""
        return _Found(
            self.places[chosen], self.rows[chosen], self.estimates[chosen], self.factors[chosen], self.foremost[chosen]
        )

    def best(self, count: int) -> _Found:
        """Return those of the largest estimates, of equal ones the first, in the order of before."""
        return self.only(np.sort(np.argsort(-self.estimates, kind="stable")[:count]))

    def reached(self, margin: np.float32) -> Floats:
        """Return the score that each may reach."""
        return self.estimates + margin * self.factors


@dataclass(frozen=True, slots=True)
class _Let:
    """Which rows may be answers, and how many cells are looked into."""

    mask: Bits | None
    late: bool
    probes: int
    lag: float
    wanted: int


def sure_candidates(rescored: int) -> int:
    """Return how many candidates go to int8 whatever the doubt."""
    return SURE_TIMES * rescored + SURE_MORE


def leading_cells(cells: int) -> int:
    """Return how many cells lead the others."""
    return max(1, min(LEADING, cells // LEADING_SHARE))


def quantised(query: Floats, query_bits: int) -> tuple[Floats, np.float32]:
    """Return a query (D,) as whole numbers, float32, and the step between them.

    With 4 bits the sizes of each four components add up to at most 63, which makes one table lookup exact;
    with 8 bits a component has a size of at most 255, which takes two lookups. A query that cannot be: zeros, step 0.
    """
    sizes = np.abs(query.astype(np.float64))
    if query_bits == GROUP:
        padded = np.zeros(-(-len(query) // GROUP) * GROUP)
        padded[: len(query)] = sizes
        a, b, c, d = padded.reshape(-1, GROUP).T
        step = (((a + b) + c) + d).max(initial=0) / STEPS_4
    else:
        step = sizes.max(initial=0) / STEPS_8
    if not (step > 0 and np.isfinite(step)):
        return np.zeros(len(query), dtype=np.float32), np.float32(0)
    return np.rint(query.astype(np.float64) / step).astype(np.float32), np.float32(step)


class Funnel:
    """The twin of the native funnel: the same constructor, the same answers."""

    def __init__(
        self,
        dim: int,
        metric: Metric,
        center: Floats,
        turn: Turn | None,
        runs: Sequence[Run],
        int8_parts: Sequence[tuple[int, Int8, Floats]],
        float_parts: Sequence[tuple[int, Floats]],
        query_bits: int,
    ) -> None:
        self.dim, self.metric, self.center, self.turn = dim, metric, center, turn
        self.runs, self.int8_parts, self.float_parts = list(runs), list(int8_parts), list(float_parts)
        self.query_bits = query_bits

    def search(  # noqa: PLR0913 - the knobs of one search
        self,
        queries: Floats,
        *,
        k: int,
        candidates: int,
        doubt: float = 0.0,
        rescored: int,
        probes: int,
        lag: float = 0.0,
        mask: Bits | None,
        late: bool = False,
        wanted: int = 0,
    ) -> tuple[Rows, Floats, Rows, Rows]:
        """Return rows, scores, counts and work, as ``vicinal.kernels.Funnel.search`` does."""
        answers = _Answers(len(queries), k)
        with np.errstate(all="ignore"):  # overflow is part of the contract
            for place, query in enumerate(queries):
                asked = self._asked(query)
                found, work = self._scanned(asked, _Let(mask, late, probes, lag, wanted))
                if doubt > 0:
                    margin = self._margin(asked, doubt)
                    rows = self._hopeful(asked, found, k, candidates, sure_candidates(rescored), margin)
                else:
                    rows = self._known(found.best(candidates).rows)
                near = self._rescored(asked, rows, rescored)
                answers.put(place, *self._best(asked, near, k), work + len(rows) + len(near))
        return answers.all()

    def search_rows(self, queries: Floats, rows: Rows, *, k: int, rescored: int) -> tuple[Rows, Floats, Rows, Rows]:
        """Return rows, scores, counts and work, as ``vicinal.kernels.Funnel.search_rows`` does."""
        answers = _Answers(len(queries), k)
        known = self._known(rows)
        with np.errstate(all="ignore"):  # overflow is part of the contract
            for place, query in enumerate(queries):
                asked = self._asked(query)
                near = self._rescored(asked, known, rescored)
                answers.put(place, *self._best(asked, near, k), len(known) + len(near))
        return answers.all()

    def _asked(self, query: Floats) -> _Asked:
        """Return a query as the stages need it."""
        turned = query
        if self.metric == "cosine":
            turned = unit(query[None])[0]
        elif self.metric == "l2":
            turned = query - self.center
        if isinstance(self.turn, Projection):
            coded = scores_of(self.turn.matrix, turned, "dot")
        else:
            coded = rotated(turned[None], self.turn)[0]
        return _Asked(query, turned, coded, *quantised(coded, self.query_bits))

    def _scanned(self, asked: _Asked, let: _Let) -> tuple[_Found, int]:
        """Return all positions that are let through, ascending, and how many were compared."""
        found = [self._estimated(run, asked, let) for run in self.runs]
        nothing = np.empty(0, dtype=np.float32)
        rows = np.concatenate([np.empty(0, dtype=np.int64), *(one.rows for one, _ in found)])
        return _Found(
            np.arange(len(rows)),
            rows,
            np.concatenate([nothing, *(one.estimates for one, _ in found)]),
            np.concatenate([nothing, *(one.factors for one, _ in found)]),
            np.concatenate([nothing.astype(np.bool_), *(one.foremost for one, _ in found)]),
        ), sum(work for _, work in found)

    def _hopeful(self, asked: _Asked, found: _Found, k: int, candidates: int, sure: int, margin: np.float32) -> Rows:
        """Return the rows of the best candidates, then those of the others that may be as near as the k-th of these."""
        bar = self._bar(asked, found.only(found.foremost).best(min(candidates, sure)), k)
        found = found.only(found.foremost | ~(found.reached(margin) < bar)).best(candidates)
        first = found.best(sure)
        others = found.only(~np.isin(found.places, first.places))
        others = others.only(~(others.reached(margin) < self._bar(asked, first, k)))
        return self._known(np.concatenate([first.rows, others.rows]))

    def _margin(self, asked: _Asked, doubt: float) -> np.float32:
        """Return how much nearer than estimated a row of factor 1 may be."""
        length = np.sqrt(summed((asked.coded * asked.coded)[None])[0])
        return np.float32((np.float32(doubt) * length) * np.float32(2 if self.metric == "l2" else 1))

    def _bar(self, asked: _Asked, best: _Found, k: int) -> np.float32:
        """Return the score that another row must be able to reach: that of the k-th by int8."""
        rows = self._known(best.rows)
        if not self.int8_parts or len(rows) < k:
            return np.float32(-np.inf)
        return np.float32(np.sort(self._int8_scores(asked, rows))[len(rows) - k])

    def _estimated(self, run: Run, asked: _Asked, let: _Let) -> tuple[_Found, int]:
        """Return the positions of a run that are let through, and how many were compared."""
        positions, bases, foremost = self._positions(run, asked, let)
        rows = run.first_row + positions if run.rows is None else run.rows[positions].astype(np.int64)
        allowed = _let_through(rows, let.mask)
        work = len(positions)
        if let.mask is not None and not let.late:  # blocks without a bit are skipped
            work = int(np.isin(positions // BLOCK_ROWS, np.unique(positions[allowed] // BLOCK_ROWS)).sum())
        positions, bases, rows, foremost = positions[allowed], bases[allowed], rows[allowed], foremost[allowed]
        estimates = np.empty(len(positions), dtype=np.float32)
        portion = max(1, (1 << 22) // max(1, self.dim))
        double = np.float32(2 if self.metric == "l2" else 1)
        for start in range(0, len(positions), portion):
            part = slice(start, start + portion)
            totals = _code_sums(run.codes, positions[part], asked.steps)
            estimate = (run.factors[positions[part]] * totals) * (asked.step * double) + bases[part]
            if run.bias is not None:
                estimate = estimate + run.bias[positions[part]]
            estimates[part] = np.where(np.isnan(estimate), LOWEST, estimate)
        return _Found(positions, rows, estimates, run.factors[positions], foremost), work

    def _positions(self, run: Run, asked: _Asked, let: _Let) -> tuple[Rows, Floats, NDArray[np.bool_]]:
        """Return the positions that are looked at, the terms of their centers, and which are in the foremost cells."""
        everything = np.arange(run.count, dtype=np.int64)
        if run.cell_offsets is None or run.centers is None:
            base = np.float32(0) if self.metric == "l2" else scores_of(self.center[None], asked.turned, "dot")[0]
            return everything, np.full(run.count, base, dtype=np.float32), np.zeros(run.count, dtype=np.bool_)
        products = scores_of(run.centers, asked.coded, "dot")
        center_term = scores_of(self.center[None], asked.turned, "dot")[0]
        bases = products * np.float32(2) if self.metric == "l2" else products + center_term
        nearness = bases if run.cell_terms is None else bases + run.cell_terms
        nearness = np.where(np.isnan(nearness), LOWEST, nearness)
        sizes = np.diff(run.cell_offsets)
        cells = _probed(run, np.argsort(-nearness, kind="stable"), let, self._first_cells(run, asked, nearness, let))
        cell_of = np.repeat(np.arange(len(sizes)), sizes)
        chosen = np.zeros(len(sizes), dtype=np.bool_)
        chosen[cells] = True
        positions = everything[chosen[cell_of] & ~_padding(run)]
        return positions, bases[cell_of[positions]], np.isin(cell_of[positions], cells[:FOREMOST])

    def _first_cells(self, run: Run, asked: _Asked, nearness: Floats, let: _Let) -> int:
        """Return how many cells are looked into whatever the mask lets through."""
        if not let.probes:
            return len(nearness)
        if not let.lag > 0:
            return min(let.probes, len(nearness))
        ordered = np.sort(nearness)[::-1].astype(np.float64).tolist()
        squared = float(summed((asked.turned * asked.turned)[None])[0])
        unit = math.sqrt(squared)
        total = 0.0
        for one in ordered[: leading_cells(len(ordered))]:
            total += one
        lead = total / leading_cells(len(ordered))
        if run.cell_terms is not None and self.metric == "l2":
            unit = squared - lead
        elif run.cell_terms is not None:
            unit = squared + float(summed((self.center * self.center)[None])[0]) - 2 * lead
        bar = lead - let.lag * max(unit, 0.0)
        return max(min(FOREMOST, len(ordered)), int((~(nearness.astype(np.float64) < bar)).sum()))

    def _known(self, rows: Rows) -> Rows:
        """Return the rows that a part of the floats holds."""
        known = np.zeros(len(rows), dtype=np.bool_)
        for first, vectors in self.float_parts:
            known |= (rows >= first) & (rows < first + len(vectors))
        return rows[known]

    def _rescored(self, asked: _Asked, rows: Rows, rescored: int) -> Rows:
        """Return the rows of the best scores by int8, in the order that they came in."""
        if len(rows) <= rescored or not self.int8_parts:
            return rows
        scores = self._int8_scores(asked, rows)
        best = np.argsort(-scores, kind="stable")[:rescored]
        return rows[np.sort(best)]

    def _int8_scores(self, asked: _Asked, rows: Rows) -> Floats:
        """Return the score of each row by its int8 values; of one that has none, the exact one."""
        values, scales = int8_of(asked.turned[None])
        query, step = values[0].astype(np.int64), scales[0]
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        missing = np.ones(len(rows), dtype=np.bool_)
        base = np.float32(0) if self.metric == "l2" else scores_of(self.center[None], asked.turned, "dot")[0]
        for first, part, part_scales in self.int8_parts:
            inside = (rows >= first) & (rows < first + len(part))
            chosen = part[rows[inside] - first].astype(np.int64)
            scale = part_scales[rows[inside] - first]
            dots = (scale * (chosen @ query).astype(np.float32)) * step
            if self.metric == "l2":
                norms = (scale * scale) * np.einsum("nd,nd->n", chosen, chosen).astype(np.float32)
                scores[inside] = (dots * np.float32(2) - norms) - summed((asked.turned * asked.turned)[None])[0]
            else:
                scores[inside] = dots + base
            missing &= ~inside
        scores[missing] = self._exact_scores(asked, rows[missing])
        return np.where(np.isnan(scores), LOWEST, scores)

    def _exact_scores(self, asked: _Asked, rows: Rows) -> Floats:
        """Return the exact score of each row."""
        scores = np.full(len(rows), -np.inf, dtype=np.float32)
        for first, vectors in self.float_parts:
            inside = (rows >= first) & (rows < first + len(vectors))
            scores[inside] = scores_of(vectors[rows[inside] - first], asked.exact, self.metric)
        return scores

    def _best(self, asked: _Asked, rows: Rows, k: int) -> tuple[Rows, Floats]:
        """Return the rows of the k best exact scores, the best first, equal ones by row, and the scores."""
        scores = self._exact_scores(asked, rows)
        order = np.lexsort((rows, -scores))[:k]
        return rows[order], scores[order]


class _Answers:
    """The places of all queries."""

    def __init__(self, queries: int, k: int) -> None:
        self.rows = np.full((queries, k), -1, dtype=np.int64)
        self.scores = np.full((queries, k), -np.inf, dtype=np.float32)
        self.counts = np.zeros(queries, dtype=np.int64)
        self.work = np.zeros(queries, dtype=np.int64)

    def put(self, place: int, rows: Rows, scores: Floats, work: int) -> None:
        """Fill the places of one query."""
        self.rows[place, : len(rows)], self.scores[place, : len(rows)] = rows, scores
        self.counts[place], self.work[place] = len(rows), work

    def all(self) -> tuple[Any, Any, Any, Any]:
        """Return the arrays."""
        return self.rows, self.scores, self.counts, self.work


def _probed(run: Run, order: Rows, let: _Let, count: int) -> Rows:
    """Return the cells to be looked into: the first ones, and then more until enough rows are let through."""
    if count == len(order):
        return order
    if let.mask is None or not let.wanted or run.cell_offsets is None:
        return order[:count]
    positions = np.arange(run.count, dtype=np.int64)
    rows = run.first_row + positions if run.rows is None else run.rows[: run.count].astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(_let_through(rows, let.mask))])[run.cell_offsets]
    reached = np.cumsum(np.diff(ends)[order])
    first = int(reached[count - 1])
    # Where the mask lets fewer rows through than elsewhere, its nearest are farther: as many times more are wanted.
    wanted = let.wanted if first >= let.wanted else let.wanted * let.wanted // max(1, first)
    return order[: max(count, int(np.searchsorted(reached, min(wanted, MOST_ROWS))) + 1)]


def _padding(run: Run) -> NDArray[np.bool_]:
    """Return which positions are at the end of a cell and have no row."""
    assert run.cell_offsets is not None  # noqa: S101 - our own invariant
    if run.rows is None:
        return np.zeros(run.count, dtype=np.bool_)
    there = np.concatenate([np.flatnonzero(run.rows[: run.count] >= 0), [-1]])
    padding = np.ones(run.count, dtype=np.bool_)
    for start, end in zip(run.cell_offsets[:-1].tolist(), run.cell_offsets[1:].tolist(), strict=True):
        inside = there[(there >= start) & (there < end)]
        if len(inside):
            padding[start : int(inside[-1]) + 1] = False
    return padding


def _let_through(rows: Rows, mask: Bits | None) -> NDArray[np.bool_]:
    """Return for each row whether it is one and the mask has its bit."""
    allowed = rows >= 0
    if mask is not None:
        allowed &= rows < len(mask) * 64
        inside = rows[allowed]
        allowed[allowed] = (mask[inside // 64] >> (inside % 64).astype(np.uint64)) & np.uint64(1) == 1
    return allowed


def _code_sums(codes: Codes, positions: Rows, steps: Floats) -> Floats:
    """Return T of each position: the query's whole numbers, added where the bit is 1 and taken away where it is 0."""
    packed = codes[positions // BLOCK_ROWS, :, positions % BLOCK_ROWS]
    bits = np.unpackbits(packed, axis=1, bitorder="little")[:, : len(steps)].astype(np.float32)
    sums: Floats = 2 * (bits @ steps) - steps.sum(dtype=np.float32)  # whole numbers below 2^24: exact in any order
    return sums
