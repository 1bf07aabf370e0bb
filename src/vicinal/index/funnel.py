"""The funnel: 1-bit codes of all rows, int8 of the best of them, floats of the best of those; cells in front of many.

An index is frozen: ``extended`` gives a new one that shares what is coded. Rows that are not coded yet, and sets too
small for codes, are searched exactly, so that every stored vector is found from the moment it is stored.
Letters: N rows, Q queries, D components, K places, M cells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, RangeError
from vicinal.index import agreement, files
from vicinal.index.calibration import DEAD, GROWTH, TAIL, Calibration, Measurement
from vicinal.index.cells import cell_count
from vicinal.index.coding import Coder, Int8Part, Tail, coded_base, coder_of
from vicinal.index.measuring import calibrated, measured_recall, questions_of
from vicinal.index.parts import (
    WORD,
    Part,
    checked_bits,
    checked_parts,
    checked_queries,
    cut,
    merged,
    metric_of,
    nearest,
    row_count_of,
    stretches,
)
from vicinal.index.plan import CROWDED, FULL_SHARE, Plan, crowding, lengths_for, plan_for, widened
from vicinal.space import Space, Vectors
from vicinal.types import Bits, Floats, Mask, Neighbors, Progress, Rows

SMALL_ROWS = 4096
"""Sets up to this size have no codes: an exact search of them takes less time than it takes to notice."""
PLACES = 10
"""Neighbours that a calibration looks for, at least."""
WAITING_ROWS = 512
"""New rows are coded together when there are so many; until then they are searched exactly."""

MOST_PLANS = 256
"""Ways of asking that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """What is coded: runs that do not change, tails that grow, and int8 rows; all rows below ``end``.

    ``spans`` are the stretches of rows that were there when they were coded, dead ones too.
    """

    coder: Coder
    runs: tuple[kernels.Run, ...]
    int8: tuple[Int8Part, ...]
    spans: tuple[tuple[int, int], ...]
    end: int
    tails: tuple[tuple[Tail, int], ...] = ()

    @property
    def cells(self) -> int:
        """M, 0 without cells."""
        return max((len(run.centers) for run in self.runs if run.centers is not None), default=0)

    @property
    def tail_rows(self) -> int:
        """How many rows are outside of the base."""
        flat = sum(run.count for run in self.runs if run.rows is None) if self.cells else 0
        return flat + sum(count for _, count in self.tails)


class FunnelIndex:
    """The index of a collection: any metric, 8 to 4,096 components, from one vector to as many as the disk holds.

    Made by ``build``, ``open`` or ``extended``, not by its constructor.

    Notes
    -----
    Hot memory: an eighth of a byte for each coded component, and 4 bytes a row, 8 with cells (l2: 4 more); the int8
    rows are mapped from the files of a generation, or in memory where the index was built without a folder.
    Threads: safe for many readers; ``extended`` may be called by any thread at any time.

    References
    ----------
    Gao, Long 2024, arXiv 2405.12497 (codes and their estimator); Jégou et al. 2011, "Product quantization for nearest
    neighbor search" (cells with residual codes).
    """

    can = frozenset({"approximate", "filter", "insert", "mmap", "save"})

    def __init__(
        self,
        space: Space,
        parts: tuple[Part, ...],
        coded: Coded | None,
        calibration: Calibration | None = None,
        path: Path | None = None,
    ) -> None:
        self.space = space
        self.path = path
        self._parts = parts
        self._coded = coded
        self._metric = metric_of(space)
        self._seen = cut(parts, 0, coded.end) if coded is not None else ()
        self._waiting = cut(parts, coded.end, row_count_of(parts)) if coded is not None else parts
        self._waiting_rows = sum(len(part.vectors) for part in self._waiting)
        self._coded_rows = sum(len(part.vectors) for part in self._seen)
        self._funnel: kernels.Funnel | None = None
        self._present: Bits | None = None
        if coded is not None:
            _check_spans(self._seen, coded)
            self._funnel = coded.coder.funnel(_runs(coded), coded.int8, self._seen)
            self._present = _present(self._seen, coded)
            calibration = calibration or Calibration.assumed(self._coded_rows, coded.cells)
        self.calibration = calibration
        self._plans: dict[tuple[float, int] | None, Plan] = {}
        self._last_count: tuple[Bits | None, int] = (None, 0)

    @classmethod
    def build(  # noqa: PLR0913 - what, how, and where to
        cls,
        parts: Sequence[tuple[int, Floats]],
        space: Space,
        *,
        alive: Bits | Mask | None = None,
        cells: int | Literal["auto"] = "auto",
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
        folder: Path | None = None,
        meta: Mapping[str, Any] | None = None,
    ) -> FunnelIndex:
        """Return an index of all rows of the parts.

        Parameters
        ----------
        parts : sequence of (int, float32 array of shape (n, D))
            As ``ExactIndex`` takes them.
        space : Space
        alive : bits or booleans over rows, optional
            The rows that live; dead ones get no place in cells, and teach nothing.
        cells : int or "auto", 0 <= cells
            How many; 0 for none. ``auto`` makes none below the crossing point and about sqrt(N) above.
        seed : int
            Fixes the sample, the start of the cells and the rotation.
        threads : int, 1 <= threads
        progress : callable, optional
            Called with (rows done, rows to do).
        folder : Path, optional
            Where to publish the index as a generation. Its int8 rows then go to the file while they are made and are
            mapped afterwards, so that a set larger than the memory can be built.
        meta : mapping, optional
            What the caller must find again in ``open``: plain JSON.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            The parts or the numbers are not as said.
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused; nothing was published.

        Notes
        -----
        Cost: 1M x 384 takes some 8 to 13 seconds on one core.
        Interrupted by Ctrl-C, it publishes nothing.
        """
        ordered = checked_parts(parts, space.dim)
        living = checked_bits(alive, row_count_of(ordered))
        total = sum(len(part.vectors) for part in ordered)
        if total <= SMALL_ROWS:
            return cls(space, ordered, None)
        count = cell_count(total) if cells == "auto" else whole_number(cells, "cells", low=0)
        coder = coder_of(ordered, space, living, seed, cells=count)

        def base(sink: Callable[..., None]) -> list[kernels.Run]:
            return coded_base(
                ordered, coder, cells=count, alive=living, seed=seed, threads=threads, progress=progress, sink=sink
            )

        if folder is not None:
            files.publish_base(folder, space, coder, ordered, base, meta or {})
            found = cls.open(folder, parts, space, lambda said: said == dict(meta or {}))
            if found is not None:
                return found
        values = np.empty((total, space.dim), dtype=np.int8)
        scales = np.empty(total, dtype=np.float32)
        runs = base(files.Memory(values, scales))
        spans = tuple(stretches(ordered))
        coded = Coded(
            coder=coder,
            runs=tuple(runs),
            int8=tuple(files.int8_parts(spans, values, scales)),
            spans=spans,
            end=row_count_of(ordered),
        )
        return cls(space, ordered, coded)

    def extended(
        self, parts: Sequence[tuple[int, Floats]], *, threads: int = 1, at_most: int | None = None
    ) -> FunnelIndex:
        """Return an index of these parts, which are those of before with new rows behind, and perhaps some left out.

        Parameters
        ----------
        parts : sequence of (int, float32 array of shape (n, D))
            Rows that this index has may be missing (their segment was dropped); they are never read again. New rows
            must be behind all that this index has.
        threads : int, 1 <= threads
        at_most : int, optional
            More new rows than these are not coded now: they wait, and are searched exactly.

        Raises
        ------
        RangeError
            A new row is before one that is coded.
        DtypeError, ShapeError
            A part is none.

        Notes
        -----
        Cost: the new rows', once in ``WAITING_ROWS``; a call without any is some microseconds.
        """
        ordered = checked_parts(parts, self.space.dim)
        coded = self._coded
        if coded is None:
            total = sum(len(part.vectors) for part in ordered)
            if total <= SMALL_ROWS or (at_most is not None and total > at_most):
                return FunnelIndex(self.space, ordered, None)
            coder = coder_of(ordered, self.space, None, 0)
            coded = Coded(coder=coder, runs=(), int8=(), spans=(), end=0)
        waiting = cut(ordered, coded.end, row_count_of(ordered))
        count = sum(len(part.vectors) for part in waiting)
        if count >= WAITING_ROWS and (at_most is None or count <= at_most):
            coded = _with_tail(coded, waiting, threads)
        elif coded is self._coded and _same_rows(self._seen, cut(ordered, 0, coded.end)):
            return self._waiting_longer(ordered, waiting)
        return FunnelIndex(self.space, ordered, coded, self.calibration, self.path)

    def _waiting_longer(self, parts: tuple[Part, ...], waiting: tuple[Part, ...]) -> FunnelIndex:
        """Return this index with other rows waiting; the funnel is the same."""
        found = object.__new__(FunnelIndex)
        found.__dict__.update(self.__dict__)
        found._parts, found._waiting = parts, waiting
        found._waiting_rows = sum(len(part.vectors) for part in waiting)
        return found

    def search(
        self,
        queries: Vectors,
        *,
        k: int,
        mask: Bits | Mask | None = None,
        recall: float = 0.98,
        threads: int = 1,
        cold: bool = False,
    ) -> Neighbors:
        """Return the k stored vectors most similar to each query, or as many of them as the recall says.

        Parameters
        ----------
        queries : Vectors, float32 of shape (Q, D)
            Q may be 0.
        k : int, 1 <= k
        mask : bits or booleans over rows, optional
            The rows that may be answers: the living ones, and those that a filter lets through.
        recall : float, 0 < recall <= 1
            The share of the true neighbours that is wanted, on average over queries; 1 compares every vector.
        threads : int, 1 <= threads
            How many share the work; the answer is the same.
        cold : bool
            Whether rows are probably not in memory: their pages are then asked for together.

        Returns
        -------
        Neighbors
            Scores are exact: those of ``ExactIndex``. ``recall_estimate`` is what was measured for the widths taken,
            and no more than was asked for where a filter meets cells; ``work`` the vectors compared at any level.

        Raises
        ------
        SpaceMismatchError
            The queries are in another space.
        DtypeError, RangeError, ShapeError
            As ``ExactIndex.search``; or the recall is no number above 0 and at most 1.
        """
        array = checked_queries(queries, self.space)
        k = whole_number(k, "k", low=1)
        recall = checked_recall(recall)
        bits = checked_bits(mask, self.row_count)
        if self._funnel is None or self._coded is None or recall >= 1:
            return self._exact(self._parts, array, k, bits)
        found = self._through_codes(self._funnel, self._coded, array, k, bits, recall, threads=threads, cold=cold)
        if not self._waiting:
            return found
        new = self._exact(self._waiting, array, k, bits)
        both = merged([found, new], len(array), k)
        work = None if found.work is None or new.work is None else found.work + new.work
        return replace(both, work=work, recall_estimate=found.recall_estimate, complete=found.complete)

    def _through_codes(
        self,
        funnel: kernels.Funnel,
        coded: Coded,
        queries: Floats,
        k: int,
        mask: Bits | None,
        recall: float,
        *,
        threads: int,
        cold: bool,
    ) -> Neighbors:
        """Return the neighbours among coded rows; exactly where no widths come near the recall."""
        bits = self._let_through(coded, mask)
        let_through = self._coded_rows if bits is None else self._counted(mask, bits)
        if let_through == self._coded_rows and self._present is None:
            bits = None
        plan = self._planned(coded, recall, k, let_through, masked=bits is not None)
        if self.calibration is not None and self.calibration.falls_short(plan.recall, recall):
            return self._exact(self._seen, queries, k, mask)
        if bits is None or not plan.filtered:
            found = _answered(funnel, plan, queries, k, bits, threads=threads, cold=cold)
        else:
            found = self._filtered(funnel, plan, queries, k, bits, let_through, threads=threads, cold=cold)
        if found.complete or self.calibration is None:
            return found
        # A sample without a miss does not prove that there are none: half a miss is the least that it can tell.
        most = 1 - 0.5 / (PLACES * max(1, self.calibration.queries))
        return found if found.recall_estimate <= most else replace(found, recall_estimate=most)

    def _planned(self, coded: Coded, recall: float, k: int, let_through: int, *, masked: bool) -> Plan:
        """Return how to answer; without a filter it is the same each time, and is remembered."""
        assert self.calibration is not None  # noqa: S101 - our own invariant: what is coded is calibrated or assumed
        rows = max(1, self._coded_rows)
        key = None if let_through < FULL_SHARE * rows else (recall, k)
        if key in self._plans:
            return self._plans[key]
        plan = plan_for(
            self.calibration,
            recall=recall,
            k=k,
            rows=rows,
            cells=coded.cells,
            dims=(self.space.dim, coded.coder.code_dim),
            let_through=rows if key else let_through,
            masked=masked and key is None,
        )
        if key is not None and len(self._plans) < MOST_PLANS:
            self._plans[key] = plan
        return plan

    def _filtered(
        self,
        funnel: kernels.Funnel,
        plan: Plan,
        queries: Floats,
        k: int,
        bits: Bits,
        let_through: int,
        *,
        threads: int,
        cold: bool,
    ) -> Neighbors:
        """Return the neighbours that a filter lets through, widened for queries whose answers lie in a crowd.

        A filter that lets through what is far from the query leaves rows whose scores are much denser than those of
        near ones; then coarse scores need more candidates than were calibrated.
        """
        assert self.calibration is not None  # noqa: S101 - as above
        plan = replace(plan, rescored=max(plan.rescored, min(4 * k, let_through)))
        wide = _answered(funnel, plan, queries, 4 * k, bits, threads=threads, cold=cold)
        lengths = lengths_for(queries, self._metric)
        crowd = crowding(self.calibration, wide.scores, k, lengths)
        found = _first(wide, k)
        crowded = np.flatnonzero(crowd > CROWDED)
        if not len(crowded) or plan.rescored >= let_through:
            return found
        wider = widened(
            plan,
            float(crowd[crowded].max()),
            rows=self._coded_rows,
            dims=(funnel.dim, funnel.code_dim),
            let_through=let_through,
        )
        again = _answered(funnel, wider, np.ascontiguousarray(queries[crowded]), k, bits, threads=threads, cold=cold)
        found.rows[crowded], found.scores[crowded], found.counts[crowded] = again.rows, again.scores, again.counts
        if found.work is not None and again.work is not None:
            found.work[crowded] += again.work
        return found

    def _counted(self, mask: Bits | None, bits: Bits) -> int:
        """Return how many coded rows a mask lets through; of one that nobody can write to it is counted once."""
        last, count = self._last_count
        if mask is not None and mask is last:
            return count
        count = min(self._coded_rows, kernels.count_bits(bits))
        if mask is not None and not mask.flags.writeable:
            self._last_count = (mask, count)
        return count

    def _let_through(self, coded: Coded, mask: Bits | None) -> Bits | None:
        """Return the rows that a search of the codes may find: those of the mask that are coded and still there."""
        if mask is None:
            return self._present
        words = mask[: -(-coded.end // WORD)]
        return words if self._present is None else words & self._present[: len(words)]

    def _exact(self, parts: tuple[Part, ...], queries: Floats, k: int, mask: Bits | None) -> Neighbors:
        """Return the exact neighbours within some parts."""
        if not parts:
            return merged([], len(queries), k)
        first, end = parts[0].first // WORD * WORD, parts[-1].end
        booleans = None if mask is None else kernels.mask_of_bits(mask[first // WORD : -(-end // WORD)], end - first)
        found = nearest(parts, queries, k, booleans, self._metric, first)
        compared = sum(len(part.vectors) for part in parts) if booleans is None else int(booleans.sum())
        return replace(found, work=np.full(len(queries), compared, dtype=np.int64))

    def calibrate(
        self,
        alive: Bits | Mask | None = None,
        *,
        queries: int = 256,
        seed: int = 0,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> Calibration | None:
        """Return the settings for each recall, measured on own vectors against exact search; None without codes.

        Parameters
        ----------
        alive : bits or booleans over rows, optional
            The rows that live: only they are asked with and found.
        queries : int, 1 <= queries
            How many vectors are asked with: half are stored ones, half lie between stored ones.
        seed : int
        threads : int, 1 <= threads
        progress : callable, optional
            Called with (steps done, steps to do).

        Notes
        -----
        The row that a query was made of is no answer, neither for the exact search nor for the index.
        Cost: the exact search of all queries, and some tens of approximate ones each. Memory: Q * N * 0 beyond both.
        """
        bits = checked_bits(alive, self.row_count)
        if self._funnel is None or self._coded is None:
            return None
        return calibrated(
            self._funnel,
            next((run for run in self._coded.runs if run.centers is not None), None),
            self._coded.coder,
            self._seen,
            self._let_through(self._coded, bits),
            queries=whole_number(queries, "queries", low=1),
            seed=seed,
            threads=threads,
            progress=progress,
        )

    def measure(
        self,
        alive: Bits | Mask | None = None,
        *,
        recall: float = 0.98,
        k: int = 10,
        queries: int = 256,
        seed: int = 1,
        threads: int = 1,
    ) -> Measurement:
        """Return the recall that this index really has when it is asked for one, on own vectors against exact search.

        Parameters
        ----------
        alive, queries, seed, threads
            As ``calibrate``; another seed asks with other vectors.
        recall, k
            As ``search``.
        """
        bits = checked_bits(alive, self.row_count)

        def ask(vectors: Floats, places: int) -> tuple[Rows, Floats]:
            found = self.search(Vectors(vectors, self.space), k=places, mask=bits, recall=recall, threads=threads)
            return found.rows, found.scores

        k, queries = whole_number(k, "k", low=1), whole_number(queries, "queries", low=1)
        asked = questions_of(self._parts, self._metric, bits, count=queries, k=k, seed=seed, dim=self.space.dim)
        return measured_recall(ask, asked, k)

    def disagreeing(self, rows: Rows, vectors: Floats) -> Rows:
        """Return those of some living rows whose codes or int8 rows are not those of their vectors, or are not there.

        Rows that wait or came after the codes are searched by their vectors, and always agree. Cost: coding the rows, and
        one pass over the row numbers where there are cells.
        """
        if self._coded is None:
            return rows[:0]
        coded, known = self._coded, rows < self._coded.end
        return agreement.disagreeing(
            coded.coder, _runs(coded), coded.int8, rows[known], np.ascontiguousarray(vectors[known])
        )

    def with_calibration(self, calibration: Calibration | None) -> FunnelIndex:
        """Return this index with other settings; where it has files, they keep them."""
        if self._coded is None or calibration is None:
            return self
        if self.path is not None:
            files.keep_calibration(self.path, calibration)
        found = object.__new__(FunnelIndex)
        found.__dict__.update(self.__dict__)
        found.calibration = calibration
        found._plans = {}
        return found

    def stale(self, living: int | None = None) -> str:
        """Return why the index should be built or calibrated again; empty while it need not.

        Parameters
        ----------
        living : int, optional
            How many rows live; all of the parts without it.

        Returns
        -------
        str
            ``grown``: half as many rows again as were calibrated, or enough for codes or for cells. ``tail``: a quarter
            of the rows came after the base. ``dead``: three in ten coded rows are. ``uncalibrated``: nothing was measured.
        """
        stored = self._coded_rows + self._waiting_rows
        count = stored if living is None else living
        if self._coded is None or self.calibration is None:
            return "grown" if count > SMALL_ROWS else ""
        if not self._coded.cells and cell_count(count):
            return "grown"
        base = self._coded_rows - self._coded.tail_rows
        if count > GROWTH * max(1, self.calibration.rows):
            return "grown"
        if self._coded.tail_rows > TAIL * max(1, stored) or (self._coded.tails and not base):
            return "tail"
        if count < (1 - DEAD) * stored:
            return "dead"
        return "" if self.calibration.queries else "uncalibrated"

    def save(self, folder: Path, meta: Mapping[str, Any]) -> FunnelIndex:
        """Publish the index as the newest generation of a folder, and return it as it is opened from there.

        Rows that wait are not in it; int8 rows that are missing (of tails) are made on the way. A set without codes has
        nothing to save and is returned as it is.

        Raises
        ------
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused; what was published before is untouched.
        """
        if self._coded is None:
            return self
        coded = self._coded
        files.publish_runs(
            folder, self.space, coded.coder, _runs(coded), coded.spans, coded.int8, self._seen, meta, self.calibration
        )
        found = FunnelIndex.open(
            folder, [(part.first, part.vectors) for part in self._parts], self.space, lambda said: said == dict(meta)
        )
        return self if found is None else found

    @classmethod
    def open(
        cls,
        folder: Path,
        parts: Sequence[tuple[int, Floats]],
        space: Space,
        accepts: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> FunnelIndex | None:
        """Return the newest index of a folder that is sound, fits the parts and is accepted; None where none is.

        Parameters
        ----------
        folder : Path
            May be missing.
        parts, space
            The rows as they are now; those that the files do not have are waiting or are coded by ``extended``.
        accepts : callable, optional
            Asked with the meta that was given when it was published.

        Warns
        -----
        DamagedIndexWarning
            A file is damaged; it is named, and left aside.
        """
        ordered = checked_parts(parts, space.dim)
        opened = files.opened(folder, space, ordered, accepts)
        if opened is None:
            return None
        coded = Coded(coder=opened.coder, runs=opened.runs, int8=opened.int8, spans=opened.spans, end=opened.end)
        return cls(space, ordered, coded, opened.calibration, opened.path)

    @property
    def row_count(self) -> int:
        """The row number behind the last: the length of a mask."""
        return row_count_of(self._parts)

    @property
    def coded_rows(self) -> int:
        """How many rows are found through codes; the others are searched exactly."""
        return self._coded_rows

    @property
    def waiting_rows(self) -> int:
        """How many rows are not coded, and are searched exactly."""
        return self._waiting_rows

    def info(self) -> dict[str, Any]:
        """Return what the index is: rows, cells, bytes, and how it was calibrated."""
        coded = self._coded
        hot = 0 if coded is None else sum(_hot_bytes(run) for run in coded.runs)
        hot += 0 if coded is None else sum(tail.hot_bytes for tail, _ in coded.tails)
        return {
            "kind": "exact" if coded is None else ("cells" if coded.cells else "funnel"),
            "rows": self._coded_rows + self._waiting_rows,
            "coded_rows": self._coded_rows,
            "waiting_rows": self._waiting_rows,
            "tail_rows": 0 if coded is None else coded.tail_rows,
            "cells": 0 if coded is None else coded.cells,
            "code_dim": 0 if coded is None else coded.coder.code_dim,
            "hot_bytes": hot,
            "mapped_bytes": 0
            if coded is None
            else sum(values.nbytes + scales.nbytes for _, values, scales in coded.int8),
            "calibrated_rows": 0 if self.calibration is None else self.calibration.rows,
            "calibrated_queries": 0 if self.calibration is None else self.calibration.queries,
        }


def checked_recall(recall: object) -> float:
    """Return a recall above 0 and at most 1.

    Raises
    ------
    DtypeError, RangeError
        It is none.
    """
    if isinstance(recall, bool) or not isinstance(recall, int | float | np.floating):
        raise DtypeError(
            f"recall must be a number, got {type(recall).__name__}.",
            expected="float",
            got=type(recall).__name__,
            where="recall",
        )
    if not 0 < recall <= 1:
        raise RangeError(
            f"recall must be above 0 and at most 1, got {recall}.",
            expected="0 < recall <= 1",
            got=recall,
            where="recall",
        )
    return float(recall)


def _answered(
    funnel: kernels.Funnel, plan: Plan, queries: Floats, k: int, bits: Bits | None, *, threads: int, cold: bool
) -> Neighbors:
    """Return what a plan gives."""
    if plan.way == "none":
        found = merged([], len(queries), k)
        return replace(found, work=np.zeros(len(queries), dtype=np.int64))
    if plan.way == "gather" and bits is not None:
        asked = kernels.rows_of_bits(bits)
        rows, scores, counts, work = funnel.search_rows(queries, asked, k=k, rescored=plan.rescored, cold=cold)
    else:
        rows, scores, counts, work = funnel.search(
            queries,
            k=k,
            candidates=plan.candidates,
            doubt=plan.doubt,
            rescored=plan.rescored,
            probes=plan.probes,
            lag=plan.lag,
            wanted=plan.wanted,
            mask=bits,
            late=not plan.filtered,
            threads=threads,
            cold=cold,
        )
    return Neighbors(rows=rows, scores=scores, counts=counts, work=work, recall_estimate=plan.recall, complete=False)


def _first(found: Neighbors, k: int) -> Neighbors:
    """Return the k best of more."""
    return replace(
        found,
        rows=np.ascontiguousarray(found.rows[:, :k]),
        scores=np.ascontiguousarray(found.scores[:, :k]),
        counts=np.minimum(found.counts, k),
    )


def _runs(coded: Coded) -> list[kernels.Run]:
    """Return all runs, tails as far as they belong to this index."""
    return [*coded.runs, *(tail.run(count) for tail, count in coded.tails)]


def _with_tail(coded: Coded, waiting: Sequence[Part], threads: int) -> Coded:
    """Return what is coded with the waiting rows behind it."""
    tails, spans = list(coded.tails), list(coded.spans)
    for part in waiting:
        if tails and tails[-1][0].first_row + tails[-1][1] == part.first:
            tail, count = tails.pop()
        else:
            tail, count = Tail(coded.coder, part.first, max(WAITING_ROWS * 4, len(part.vectors))), 0
        tails.append((tail.grown(count, part.vectors, threads), count + len(part.vectors)))
        if spans and sum(spans[-1]) == part.first:
            spans[-1] = (spans[-1][0], spans[-1][1] + len(part.vectors))
        else:
            spans.append((part.first, len(part.vectors)))
    return replace(coded, tails=tuple(tails), spans=tuple(spans), end=row_count_of(waiting))


def _same_rows(before: Sequence[Part], after: Sequence[Part]) -> bool:
    """Return whether two sets of parts have the same rows in the same pieces."""
    return [(part.first, part.end) for part in before] == [(part.first, part.end) for part in after]


def _check_spans(seen: Sequence[Part], coded: Coded) -> None:
    """Refuse rows that should be coded and are not."""
    if not files.within(stretches(seen), coded.spans):
        raise RangeError(
            f"Rows before {coded.end} came that were not there when the index was made; build it again.",
            expected=f">= {coded.end}",
            where="parts",
        )


def _present(seen: Sequence[Part], coded: Coded) -> Bits | None:
    """Return the coded rows that are still there, None where all are."""
    if sum(len(part.vectors) for part in seen) == sum(count for _, count in coded.spans):
        return None
    mask = np.zeros(coded.end, dtype=np.bool_)
    for part in seen:
        mask[part.first : part.end] = True
    return kernels.bits_of_mask(mask)


def _hot_bytes(run: kernels.Run) -> int:
    """Return the bytes of what every query reads of a run."""
    arrays = (run.codes, run.factors, run.rows, run.bias, run.cell_offsets, run.centers)
    return sum(array.nbytes for array in arrays if array is not None)
