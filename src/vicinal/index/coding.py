"""How rows become codes: a base that is made at once, flat or by cells, and tails that grow behind it.

::

    base, flat     one run for each stretch of rows without a gap; position = row - first row
    base, cells    one run; positions sorted by cell, each cell padded to whole blocks; ``rows`` names them, -1 is padding
    tail           rows that came later, in order; arrays have room behind the last, which later versions fill

Letters: N rows, D components, d coded ones, M cells, W = ceil(d / 8).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.index.cells import assigned, centers_of, sample_count
from vicinal.index.parts import Part, is_unit, metric_of, portions, row_count_of, sampled, stretches, vectors_of
from vicinal.index.turning import Turn, turn_for
from vicinal.space import Space
from vicinal.types import Bits, Floats, Progress, Rows

CENTER_ROWS = 32_768
"""Rows whose mean is the center: the error of a mean of so many is below any that a 1-bit code can tell."""
BLOCK = kernels.BLOCK_ROWS
SORTED_POSITIONS = 1 << 18
"""Codes that are put in their order at a time."""

Int8Part = tuple[int, NDArray[np.int8], Floats]
Sink = Callable[[NDArray[np.int8], Floats], None]
"""Takes the int8 values and scales of the next rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    """What all codes of an index have in common: the center, and how vectors are turned.

    ``unit`` says that vectors have unit length when they are coded.
    """

    dim: int
    metric: kernels.Metric
    center: Floats
    turn: Turn | None
    unit: bool = False

    @property
    def normalizes(self) -> bool:
        """Whether vectors are divided by their length before they are coded."""
        return self.metric == "cosine"

    @property
    def code_dim(self) -> int:
        """How many components a code has bits for."""
        return self.dim if self.turn is None else self.turn.code_dim

    @property
    def width(self) -> int:
        """W, the bytes of one code."""
        return -(-self.code_dim // 8)

    def coded(self, vectors: Floats) -> Floats:
        """Return vectors (N, D) in the space of codes (N, d): less the center, and turned."""
        with np.errstate(over="ignore", invalid="ignore"):
            return kernels.turned(as_coded(vectors, self.metric) - self.center, self.turn)

    def bias_of(self, vectors: Floats) -> Floats | None:
        """Return what l2 adds to an estimate; nothing for other metrics."""
        return kernels.encode_bias(np.ascontiguousarray(vectors), self.center) if self.metric == "l2" else None

    def probing_terms(self, centers: Floats) -> Floats | None:
        """Return what is added to the term of each cell's center so that cells are probed by distance (M,).

        None where vectors have any length and score by products: then cells are probed by products. A cell of short
        mean is wide, and its rows reach nearer to a query than the product with the mean tells. At 1M x 384 the cells
        that hold 0.995 of the neighbours have 39 % of the rows in this order, 46 % in that of the products.
        """
        if self.metric != "l2" and not self.unit:
            return None
        terms = -np.einsum("md,md->m", centers, centers, dtype=np.float64)
        if self.metric != "l2":
            terms = terms / 2 - centers.astype(np.float64) @ kernels.turned(self.center[None], self.turn)[0]
        with np.errstate(over="ignore"):
            found: Floats = terms.astype(np.float32)
        return found

    def funnel(self, runs: Sequence[kernels.Run], int8: Sequence[Int8Part], parts: Sequence[Part]) -> kernels.Funnel:
        """Return what searches the runs."""
        ordered = [
            run if run.centers is None else replace(run, cell_terms=self.probing_terms(run.centers)) for run in runs
        ]
        return kernels.Funnel(
            self.dim,
            self.metric,
            self.center,
            self.turn,
            runs=ordered,
            int8_parts=int8,
            float_parts=[(part.first, part.vectors) for part in parts],
        )


def coder_of(parts: Sequence[Part], space: Space, alive: Bits | None, seed: int, *, cells: int = 0) -> Coder:
    """Return the coder for some rows: their mean, and the directions that are worth their bits."""
    dim, metric = space.dim, metric_of(space)
    rows = sampled(parts, CENTER_ROWS, np.random.default_rng(seed), alive)
    sample = as_coded(vectors_of(parts, rows, dim), metric)
    with np.errstate(over="ignore", invalid="ignore"):
        center = sample.mean(axis=0, dtype=np.float64).astype(np.float32) if len(sample) else np.zeros(dim, np.float32)
        center = np.where(np.isfinite(center), center, np.float32(0))
        residuals = sample - center
    turn = turn_for(residuals, rows=sum(len(part.vectors) for part in parts), cells=cells > 0, seed=seed)
    return Coder(dim=dim, metric=metric, center=center, turn=turn, unit=is_unit(space))


def as_coded(vectors: Floats, metric: kernels.Metric) -> Floats:
    """Return vectors as they are coded: of unit length for cosine."""
    if metric != "cosine":
        return vectors
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        usable = (lengths > 0) & np.isfinite(lengths)
        return np.where(usable, vectors / np.where(usable, lengths, np.float32(1)), np.float32(0)).astype(np.float32)


@dataclass(slots=True)
class _Steps:
    """How much of the passes over the rows is done."""

    total: int
    progress: Progress | None
    done: int = 0

    def tick(self) -> None:
        """Tell that work goes on; what the callback raises ends it."""
        self.add(0)

    def add(self, rows: int) -> None:
        """Tell of some more rows."""
        self.done += rows
        if self.progress is not None:
            self.progress(self.done, self.total)


def coded_base(
    parts: Sequence[Part],
    coder: Coder,
    *,
    cells: int,
    alive: Bits | None,
    seed: int,
    threads: int,
    progress: Progress | None,
    sink: Sink,
) -> list[kernels.Run]:
    """Return the runs of all rows, and give their int8 rows to the sink, in order of the rows.

    One pass over the rows. Memory: the codes (52 bytes a row at 384 coded components; with cells twice that while they
    are sorted, and 12 more), the sample of the centers, and one portion.
    """
    total = sum(len(part.vectors) for part in parts)
    steps = _Steps(total, progress)
    centers = _learned_centers(parts, coder, cells, alive, seed, threads, steps) if cells else None
    places = _places(parts) if centers is None else np.arange(total, dtype=np.int64)
    arrays = _Arrays.empty(coder, -(-(int(places[-1]) + 1 if total else 0) // BLOCK))
    cell_of = np.zeros(total, dtype=np.int32)
    done = 0
    for _, vectors in portions(parts, coder.dim):
        here = slice(done, done + len(vectors))
        coded = coder.coded(vectors)
        if centers is not None:
            cell_of[here] = assigned(coded, centers, threads=threads)
        arrays.write(coder, places[here], vectors, coded, centers, cell_of[here], threads)
        sink(*kernels.encode_int8(vectors, coder.center, normalize=coder.normalizes, threads=threads))
        done += len(vectors)
        steps.add(len(vectors))
    if centers is None:
        return list(_flat_runs(parts, arrays))
    return [_sorted_run(parts, coder, arrays, cell_of, alive, centers)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrays:
    """Codes, factors and for l2 biases of positions."""

    codes: NDArray[np.uint8]
    factors: Floats
    bias: Floats | None

    @classmethod
    def empty(cls, coder: Coder, blocks: int) -> _Arrays:
        """Return the arrays of so many blocks, all zeros."""
        return cls(
            codes=kernels.empty_codes(blocks, coder.code_dim),
            factors=np.zeros(blocks * BLOCK, dtype=np.float32),
            bias=np.zeros(blocks * BLOCK, dtype=np.float32) if coder.metric == "l2" else None,
        )

    def write(
        self,
        coder: Coder,
        places: Rows,
        vectors: Floats,
        coded: Floats,
        centers: Floats | None = None,
        cell_of: NDArray[np.int32] | None = None,
        threads: int = 1,
    ) -> None:
        """Code some rows to their places."""
        kernels.encode_codes_into(
            self.codes,
            self.factors,
            places,
            coded,
            np.zeros(coder.code_dim, dtype=np.float32) if centers is None else centers,
            cell_of=None if centers is None else cell_of,
            threads=threads,
        )
        if self.bias is not None:
            self.bias[places] = coder.bias_of(vectors)


def _places(parts: Sequence[Part]) -> Rows:
    """Return the position of each row without cells: rows in order, each stretch from a new block on."""
    places, start = [np.empty(0, dtype=np.int64)], 0
    for _, count in stretches(parts):
        places.append(np.arange(start, start + count, dtype=np.int64))
        start += -(-count // BLOCK) * BLOCK
    return np.concatenate(places)


def _flat_runs(parts: Sequence[Part], arrays: _Arrays) -> Iterator[kernels.Run]:
    """Go through the runs without cells: one for each stretch."""
    start = 0
    for first, count in stretches(parts):
        end = start + -(-count // BLOCK)
        positions = slice(start * BLOCK, end * BLOCK)
        yield kernels.Run(
            codes=arrays.codes[start:end],
            factors=arrays.factors[positions],
            count=count,
            first_row=first,
            bias=None if arrays.bias is None else arrays.bias[positions],
        )
        start = end


def _learned_centers(
    parts: Sequence[Part], coder: Coder, cells: int, alive: Bits | None, seed: int, threads: int, steps: _Steps
) -> Floats | None:
    """Return the centers of cells in the space of codes; None where no row lives."""
    chooser = np.random.default_rng(seed)
    rows = sampled(parts, sample_count(cells, coder.dim), chooser, alive)
    if not len(rows):
        return None
    sample = coder.coded(vectors_of(parts, rows, coder.dim))
    return centers_of(sample, cells, chooser=chooser, threads=threads, tick=steps.tick)


def _sorted_run(
    parts: Sequence[Part],
    coder: Coder,
    arrays: _Arrays,
    cell_of: NDArray[np.int32],
    alive: Bits | None,
    centers: Floats,
) -> kernels.Run:
    """Return the run of living rows sorted by cell, each cell from a new block on, from arrays in the order of rows."""
    numbers = np.concatenate([np.arange(part.first, part.end) for part in parts])
    living = np.ones(len(numbers), dtype=np.bool_)
    if alive is not None:
        living = kernels.mask_of_bits(alive, row_count_of(parts))[numbers]
    sizes = np.bincount(cell_of[living], minlength=len(centers)).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(-(-sizes // BLOCK) * BLOCK)])
    order = np.flatnonzero(living)[np.argsort(cell_of[living], kind="stable")]
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.full(int(offsets[-1]), -1, dtype=np.int64)
    source[np.repeat(offsets[:-1], sizes) + within] = order
    padding = source < 0
    found = _Arrays.empty(coder, len(source) // BLOCK)
    _sort_codes(arrays.codes, source, found.codes)
    found.factors[:] = np.where(padding, np.float32(0), arrays.factors[source])
    if found.bias is not None and arrays.bias is not None:
        found.bias[:] = np.where(padding, np.float32(0), arrays.bias[source])
    rows = np.where(padding, -1, numbers[source])
    short = not len(numbers) or int(numbers[-1]) <= np.iinfo(np.int32).max
    return kernels.Run(
        codes=found.codes,
        factors=found.factors,
        count=len(source),
        rows=rows.astype(np.int32) if short else rows,
        bias=found.bias,
        cell_offsets=offsets,
        centers=centers,
    )


def _sort_codes(codes: NDArray[np.uint8], source: Rows, out: NDArray[np.uint8]) -> None:
    """Fill codes from others: position p has that of position ``source[p]``, or zeros where that is below 0."""
    for start in range(0, len(source), SORTED_POSITIONS):
        wanted = source[start : start + SORTED_POSITIONS]
        lines = codes[wanted // BLOCK, :, wanted % BLOCK]
        lines[wanted < 0] = 0
        blocks = lines.reshape(-1, BLOCK, codes.shape[1]).transpose(0, 2, 1)
        out[start // BLOCK : start // BLOCK + len(blocks)] = blocks


class Tail:
    """Codes of one stretch of rows that grows: older versions of an index see its beginning, the newest all of it.

    Threads: many may read; of two that grow the same version, one copies.
    """

    def __init__(self, coder: Coder, first_row: int, capacity: int) -> None:
        self.first_row = first_row
        self._coder = coder
        self._arrays = _Arrays.empty(coder, -(-max(capacity, BLOCK) // BLOCK))
        self._filled = 0
        self._lock = threading.Lock()

    def run(self, count: int) -> kernels.Run:
        """Return the first ``count`` rows for a funnel."""
        held = self._arrays
        return kernels.Run(
            codes=held.codes, factors=held.factors, count=count, first_row=self.first_row, bias=held.bias
        )

    def grown(self, count: int, vectors: Floats, threads: int = 1) -> Tail:
        """Return a tail with the first ``count`` rows of this one and ``vectors`` behind them: this one if it has room."""
        with self._lock:
            if self._filled == count and count + len(vectors) <= len(self._arrays.factors):
                self._write(count, vectors, threads)
                return self
        copied = Tail(self._coder, self.first_row, max(2 * len(self._arrays.factors), count + len(vectors)))
        mine, theirs = copied._arrays, self._arrays
        blocks = -(-count // BLOCK)
        mine.codes[:blocks] = theirs.codes[:blocks]
        mine.factors[:count] = theirs.factors[:count]
        if mine.bias is not None and theirs.bias is not None:
            mine.bias[:count] = theirs.bias[:count]
        copied._write(count, vectors, threads)
        return copied

    def _write(self, start: int, vectors: Floats, threads: int) -> None:
        """Code vectors from a position on."""
        places = np.arange(start, start + len(vectors), dtype=np.int64)
        self._arrays.write(self._coder, places, vectors, self._coder.coded(vectors), threads=threads)
        self._filled = start + len(vectors)

    @property
    def hot_bytes(self) -> int:
        """The bytes of its arrays, the room behind the last row included."""
        held = self._arrays
        return held.codes.nbytes + held.factors.nbytes + (0 if held.bias is None else held.bias.nbytes)
