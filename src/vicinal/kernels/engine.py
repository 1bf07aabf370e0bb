"""The funnel: a whole query in one call, from 1-bit codes through int8 to the stored floats (``funnel.py``).

Letters: N rows, Q queries, D components, K places, M cells, W = ceil(D / 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from vicinal._arrays import one_of, real_number, whole_number
from vicinal.errors import RangeError, ShapeError
from vicinal.kernels import funnel as twin
from vicinal.kernels import native
from vicinal.kernels.checked import checked_line, checked_matrix, checked_type
from vicinal.kernels.codes import BLOCK_ROWS, Int8, Projection, Turn
from vicinal.kernels.encoding import check_codes, check_turn, checked_center
from vicinal.kernels.funnel import METRICS, Metric, Run
from vicinal.types import Bits, Floats, Rows

LARGEST_DIM = 4096
QUERY_BITS = (4, 8)
LARGEST_POSITIONS = (1 << 32) - 256
"""Positions are numbered with 32 bits."""
LARGEST_MARGIN = 1e30
LARGEST_ROW = (1 << 62) - 1
"""Of the first rows: so the row behind a stretch has a number too."""


class Funnel:
    """Codes, int8 rows and floats of the same rows, searched together. Holds the arrays; copies none of the large ones.

    Parameters
    ----------
    dim : int, 1 to 4096
    metric : {"dot", "cosine", "l2"}
        Of the answers. For cosine, codes and int8 rows must have been made with ``normalize=True``.
    center : float32 array of shape (D,)
        What is taken from vectors before they are coded, and the center of int8 rows.
    turn : Rotation, Projection or None
        From vectors less the center to the space of codes.
    runs : sequence of Run
        What is scanned; no row twice.
    int8_parts : sequence of (int, int8 array (n, D), float32 array (n,))
        First row, values and scales. Rows without any are scored by their floats.
    float_parts : sequence of (int, float32 array (n, D))
        First row and vectors, perhaps mapped from files. A row that is in no part is no answer.
    query_bits : {4, 8}
        How finely queries are read against codes. 8 costs twice the time and gains only where components differ by
        orders of magnitude.

    Raises
    ------
    DtypeError, ShapeError, RangeError, UnknownNameError
        A part does not fit.

    Notes
    -----
    Both implementations give the same answers, bit for bit: sums over codes and int8 rows are whole numbers, all
    others have the order of ``kernels.top_k``.
    Threads: safe for many readers; the interpreter's lock is released; Ctrl-C is looked for.

    References
    ----------
    Gao, Long 2024, arXiv 2405.12497; Gao et al. 2024, arXiv 2409.09913. André et al. 2017, "Accelerated nearest
    neighbor search with Quick ADC", for sums of table lookups within registers.
    """

    def __init__(
        self,
        dim: int,
        metric: Metric,
        center: Floats,
        turn: Turn | None,
        *,
        runs: Sequence[Run],
        int8_parts: Sequence[tuple[int, Int8, Floats]] = (),
        float_parts: Sequence[tuple[int, Floats]] = (),
        query_bits: int = 4,
    ) -> None:
        self.dim = whole_number(dim, "dim", low=1, high=LARGEST_DIM)
        self.metric: Metric = metric
        one_of(metric, "metric", METRICS)
        if query_bits not in QUERY_BITS:
            raise RangeError(
                f"query_bits must be 4 or 8, got {query_bits}.", expected="4 or 8", got=query_bits, where="query_bits"
            )
        center = checked_center(center, self.dim)
        check_turn(turn, self.dim)
        for run in runs:
            _check_run(run, self.dim if turn is None else turn.code_dim, metric)
        positions = sum(-(-run.count // BLOCK_ROWS) * BLOCK_ROWS for run in runs)
        whole_number(positions, "the positions of all runs", low=0, high=LARGEST_POSITIONS)
        int8_parts = sorted((_checked_int8(part, self.dim) for part in int8_parts), key=lambda part: part[0])
        float_parts = sorted((_checked_floats(part, self.dim) for part in float_parts), key=lambda part: part[0])
        _check_apart([(first, len(values)) for first, values, _ in int8_parts], "int8_parts")
        _check_apart([(first, len(vectors)) for first, vectors in float_parts], "float_parts")
        self.center, self.turn, self.runs = center, turn, tuple(runs)
        self.int8_parts, self.float_parts, self.query_bits = int8_parts, float_parts, query_bits
        self._native: Any = None
        self._twin: twin.Funnel | None = None

    @property
    def code_dim(self) -> int:
        """How many components codes have bits for."""
        return self.dim if self.turn is None else self.turn.code_dim

    def search(  # noqa: PLR0913 - the knobs of one search
        self,
        queries: Floats,
        *,
        k: int,
        candidates: int,
        doubt: float = 0.0,
        rescored: int,
        probes: int = 0,
        lag: float = 0.0,
        mask: Bits | None = None,
        late: bool = False,
        wanted: int = 0,
        threads: int = 1,
        cold: bool = False,
    ) -> tuple[Rows, Floats, Rows, Rows]:
        """Return the rows with the k best exact scores among those that the coarser stages let through.

        Parameters
        ----------
        queries : float32 array of shape (Q, D), contiguous
            Finite. Q may be 0.
        k : int, 1 <= k
        candidates : int
            How many rows pass from codes to int8, by the largest estimate, of equal ones the first position.
            At least ``rescored``; less is taken as that.
        doubt : float, 0 <= doubt
            Above 0, candidates beyond the first ``4 * rescored + 64`` go to int8 only if they may be as near as the k-th
            of those: if the estimate is at most this many times its error below. 0 lets all go.
        rescored : int
            How many pass from int8 to floats. At least ``k``; less is taken as that.
        probes : int, 0 <= probes
            Cells that are looked into, of each run that has cells; 0 for all.
        lag : float, 0 <= lag
            Above 0, and with ``probes``: the cells that lag no farther behind the nearest are looked into, however many
            they are; the unit is in ``vicinal.kernels.funnel``.
        mask : uint64 array of shape (at least ceil(rows / 64),), optional
            The rows that may be answers; a row behind its end may not.
        late : bool
            Whether the mask is looked at only for rows whose codes pass: it costs less where the mask lets nearly all rows
            through. The answers are the same; ``work`` then counts the blocks that it would have passed over.
        wanted : int, 0 <= wanted
            With a mask: cells are looked into beyond these, the nearest first, until this many rows that may be
            answers were compared, or all were; as many times more as the first ones had too few. So a filter that lies away from a query still finds its rows.
        threads : int, 1 <= threads
            How many share the work; the answer is the same.
        cold : bool
            Whether the pages of candidates are asked for together before they are read: for files out of the cache.

        Returns
        -------
        rows : int64 array of shape (Q, k)
            Best first; equal scores by ascending row; -1 in unused places.
        scores : float32 array of shape (Q, k)
            The exact scores, larger is nearer; -inf in unused places.
        counts : int64 array of shape (Q,)
            How many places are used.
        work : int64 array of shape (Q,)
            How many rows were compared, over all stages.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            An argument has another type or shape, or is out of its range.
        """
        queries = self._checked_queries(queries)
        k, candidates, rescored = _checked_counts(k, candidates, rescored)
        probes, wanted = whole_number(probes, "probes", low=0), whole_number(wanted, "wanted", low=0)
        lag, doubt = _checked_margin(lag, "lag"), _checked_margin(doubt, "doubt")
        threads = whole_number(threads, "threads", low=1)
        mask = None if mask is None else checked_line(mask, np.uint64, "mask")
        serving = native.serving()
        if serving is None:
            return self._plain().search(
                queries,
                k=k,
                candidates=candidates,
                doubt=doubt,
                rescored=rescored,
                probes=probes,
                lag=lag,
                mask=mask,
                late=late,
                wanted=wanted,
            )
        places = _places(len(queries), k)
        widths = (candidates, doubt, rescored, probes, lag)
        self._fast(serving).search(queries, *widths, mask, bool(late), wanted, threads, bool(cold), *places)
        return places

    def search_rows(
        self, queries: Floats, rows: Rows, *, k: int, rescored: int, cold: bool = False
    ) -> tuple[Rows, Floats, Rows, Rows]:
        """Return the k best of exactly these rows: int8, then floats. For filters that let few rows through.

        Parameters
        ----------
        queries : float32 array of shape (Q, D), contiguous
        rows : int64 array of shape (R,)
            No row twice. One that no part of the floats holds is left out.
        k, rescored, cold
            As in ``search``.

        Returns
        -------
        tuple
            As ``search``.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            As ``search``.
        """
        queries = self._checked_queries(queries)
        k, _, rescored = _checked_counts(k, 1, rescored)
        rows = checked_line(rows, np.int64, "rows")
        serving = native.serving()
        if serving is None:
            return self._plain().search_rows(queries, rows, k=k, rescored=rescored)
        places = _places(len(queries), k)
        self._fast(serving).search_rows(queries, rows, rescored, bool(cold), *places)
        return places

    def _parts(self) -> tuple[Any, ...]:
        """Return what both implementations are made of."""
        parts = (self.center, self.turn, self.runs, self.int8_parts, self.float_parts, self.query_bits)
        return (self.dim, self.metric, *parts)

    def _plain(self) -> twin.Funnel:
        """Return the twin."""
        if self._twin is None:
            self._twin = twin.Funnel(*self._parts())
        return self._twin

    def _fast(self, serving: ModuleType) -> Any:  # noqa: ANN401 - a class of the native module
        """Return the native funnel over the same arrays."""
        if self._native is None:
            self._native = native_funnel(serving, *self._parts())
        return self._native

    def _checked_queries(self, queries: Floats) -> Floats:
        """Return queries of the dimension."""
        queries = checked_matrix(queries, "queries")
        if queries.shape[1] != self.dim:
            raise ShapeError(
                f"queries must have {self.dim} components, got {queries.shape[1]}.",
                expected=self.dim,
                got=queries.shape[1],
                where="queries",
            )
        return queries


def native_funnel(  # noqa: PLR0913, PLR0917 - the parts of an index
    serving: ModuleType,
    dim: int,
    metric: Metric,
    center: Floats,
    turn: Turn | None,
    runs: Sequence[Run],
    int8_parts: Sequence[tuple[int, Int8, Floats]],
    float_parts: Sequence[tuple[int, Floats]],
    query_bits: int,
    level: str = "",
) -> Any:  # noqa: ANN401 - a class of the native module
    """Return the native funnel of parts that are checked and in order; ``level`` is the instruction set, by name."""
    matrix = turn.matrix if isinstance(turn, Projection) else None
    signs = None if turn is None or isinstance(turn, Projection) else turn.signs
    built = serving.Funnel(dim, metric, center, signs, matrix, query_bits, level)
    for run in runs:
        built.add_run(
            run.codes,
            run.factors,
            run.count,
            run.first_row,
            run.rows,
            run.bias,
            run.cell_offsets,
            run.centers,
            run.cell_terms,
        )
    for first, values, scales in int8_parts:
        built.add_int8(first, values, scales)
    for first, vectors in float_parts:
        built.add_floats(first, vectors)
    return built


def _places(queries: int, k: int) -> tuple[Rows, Floats, Rows, Rows]:
    """Return rows, scores, counts and work, unused."""
    return (
        np.full((queries, k), -1, dtype=np.int64),
        np.full((queries, k), -np.inf, dtype=np.float32),
        np.zeros(queries, dtype=np.int64),
        np.zeros(queries, dtype=np.int64),
    )


def _checked_counts(k: int, candidates: int, rescored: int) -> tuple[int, int, int]:
    """Return k and the widths of the stages, none below the next."""
    k = whole_number(k, "k", low=1)
    rescored = max(k, whole_number(rescored, "rescored", low=1))
    return k, max(rescored, whole_number(candidates, "candidates", low=1)), rescored


def _checked_margin(value: float, name: str) -> float:
    """Return a number of 0 or more that float32 holds."""
    number = real_number(value, name)
    if not 0 <= number <= LARGEST_MARGIN:
        raise RangeError(
            f"{name} must be at least 0 and at most {LARGEST_MARGIN:g}, got {number}.",
            expected=f"0 to {LARGEST_MARGIN:g}",
            got=number,
            where=name,
        )
    return number


def _check_run(run: Run, dim: int, metric: Metric) -> None:
    """Refuse a run whose arrays do not fit together."""
    check_codes(run.codes, dim)
    count = whole_number(run.count, "count", low=0, high=len(run.codes) * BLOCK_ROWS)
    whole_number(run.first_row, "first_row", low=0, high=LARGEST_ROW)
    lines: list[tuple[str, Any, Any]] = [("factors", run.factors, np.float32)]
    if run.rows is not None:
        lines.append(("rows", run.rows, checked_type(run.rows, "rows", np.int32, np.int64).dtype.type))
    if run.bias is not None:
        lines.append(("bias", run.bias, np.float32))
    for name, line, kind in lines:
        if len(checked_line(line, kind, name)) < count:
            raise ShapeError(
                f"{name} must have {count} elements, got {len(line)}.", expected=count, got=len(line), where=name
            )
    if (run.bias is not None) != (metric == "l2"):
        raise ShapeError("bias must be given for l2, and only there.", expected="bias for l2 only", where="bias")
    if (run.cell_offsets is None) != (run.centers is None):
        raise ShapeError("cell_offsets and centers must be given together.", where="cell_offsets")
    if run.cell_offsets is not None and run.centers is not None:
        _check_cells(run.cell_offsets, run.centers, dim, count)
    if run.cell_terms is not None:
        wanted = 0 if run.centers is None else len(run.centers)
        if len(checked_line(run.cell_terms, np.float32, "cell_terms")) != wanted:
            raise ShapeError(
                f"cell_terms must be one for each of {wanted} cells, got {len(run.cell_terms)}.",
                expected=wanted,
                got=len(run.cell_terms),
                where="cell_terms",
            )


def _check_cells(offsets: Rows, centers: Floats, dim: int, count: int) -> None:
    """Refuse offsets that do not cut the positions into cells of whole blocks, or centers that do not fit."""
    checked_line(offsets, np.int64, "cell_offsets")
    if checked_matrix(centers, "centers").shape != (len(offsets) - 1, dim):
        expected = f"({len(offsets) - 1}, {dim})"
        raise ShapeError(
            f"centers must have the shape {expected}, got {centers.shape}.",
            expected=expected,
            got=centers.shape,
            where="centers",
        )
    if offsets[0] != 0 or offsets[-1] != count or bool((np.diff(offsets) < 0).any() or (offsets % BLOCK_ROWS).any()):
        raise ShapeError(
            f"cell_offsets must rise from 0 to {count} by multiples of {BLOCK_ROWS}.",
            expected=f"0 to {count}, rising by multiples of {BLOCK_ROWS}",
            where="cell_offsets",
        )


def _checked_int8(part: tuple[int, Int8, Floats], dim: int) -> tuple[int, Int8, Floats]:
    """Return a part of int8 rows, if it is one."""
    first, values, scales = part
    first = whole_number(first, "the first row of a part", low=0, high=LARGEST_ROW)
    checked_type(values, "values", np.int8)
    if values.shape != (len(values), dim) or not values.flags.c_contiguous:
        raise ShapeError(
            f"values must be contiguous with the shape (n, {dim}), got {values.shape}.",
            expected=f"(n, {dim})",
            got=values.shape,
            where="int8_parts",
        )
    if len(checked_line(scales, np.float32, "scales")) != len(values):
        raise ShapeError(
            f"scales must have the length {len(values)}, got {len(scales)}.",
            expected=len(values),
            got=len(scales),
            where="int8_parts",
        )
    return first, values, scales


def _checked_floats(part: tuple[int, Floats], dim: int) -> tuple[int, Floats]:
    """Return a part of float rows, if it is one."""
    first = whole_number(part[0], "the first row of a part", low=0, high=LARGEST_ROW)
    vectors = checked_matrix(part[1], "a part")
    if vectors.shape[1] != dim:
        raise ShapeError(
            f"A part must have the shape (n, {dim}), got {vectors.shape}.",
            expected=f"(n, {dim})",
            got=vectors.shape,
            where="float_parts",
        )
    return first, vectors


def _check_apart(parts: list[tuple[int, int]], name: str) -> None:
    """Refuse parts (first row, rows), by first row, that overlap."""
    end = 0
    for first, count in parts:
        if first < end:
            raise RangeError(
                f"{name} overlap: one ends before row {end}, the next begins at row {first}.",
                expected=f">= {end}",
                got=first,
                where=name,
            )
        end = first + count
