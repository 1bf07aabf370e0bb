"""How rows become codes: a base that is made at once, flat or by cells, and tails that grow behind it.

::

    base, flat     one run for each stretch of rows without a gap; position = row - first row
    base, cells    one run; positions sorted by cell, each cell padded to whole blocks; ``rows`` names them, -1 is padding
    tail           rows that came later, in order; arrays have room behind the last, which later versions fill

Letters: N rows, D components, M cells, W = ceil(D / 8).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.index.cells import assigned, centers_of, probing_terms, sample_count
from vicinal.index.parts import Part, is_unit, metric_of, portions, row_count_of, sampled, stretches, vectors_of
from vicinal.space import Space
from vicinal.types import Bits, Floats, Progress, Rows

CENTER_ROWS = 32_768
"""Rows whose mean is the center: the error of a mean of so many is below any that a 1-bit code can tell."""
FLAT_ALIGNMENT = 0.775
"""Below this mean cosine between residuals and their codes (0.798 where components are Gaussian) a rotation pays."""
BLOCK = kernels.BLOCK_ROWS

Int8Part = tuple[int, NDArray[np.int8], Floats]
Sink = Callable[[NDArray[np.int8], Floats], None]
"""Takes the int8 values and scales of the next rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coder:
    """What all codes of an index have in common: the center, and perhaps a rotation.

    ``unit`` says that vectors have unit length when they are coded.
    """

    dim: int
    metric: kernels.Metric
    center: Floats
    rotation: kernels.Rotation | None
    unit: bool = False

    @property
    def normalizes(self) -> bool:
        """Whether vectors are divided by their length before they are coded."""
        return self.metric == "cosine"

    @property
    def width(self) -> int:
        """W, the bytes of one code."""
        return -(-self.dim // 8)

    def bias_of(self, vectors: Floats) -> Floats | None:
        """Return what l2 adds to an estimate; nothing for other metrics."""
        return kernels.encode_bias(vectors, self.center) if self.metric == "l2" else None

    def ordered(self, run: kernels.Run) -> kernels.Run:
        """Return a run that probes its cells by distance, where vectors have unit length."""
        if run.centers is None or not self.unit:
            return run
        return replace(run, cell_terms=probing_terms(run.centers))

    def funnel(self, runs: Sequence[kernels.Run], int8: Sequence[Int8Part], parts: Sequence[Part]) -> kernels.Funnel:
        """Return what searches the runs."""
        runs = [self.ordered(run) for run in runs]
        return kernels.Funnel(
            self.dim,
            self.metric,
            self.center,
            self.rotation,
            runs=runs,
            int8_parts=int8,
            float_parts=[(part.first, part.vectors) for part in parts],
        )


def coder_of(parts: Sequence[Part], space: Space, alive: Bits | None, seed: int) -> Coder:
    """Return the coder for some rows: their mean, and a rotation where a few components are much larger than others."""
    dim, metric = space.dim, metric_of(space)
    rows = sampled(parts, CENTER_ROWS, np.random.default_rng(seed), alive)
    sample = as_coded(vectors_of(parts, rows, dim), metric)
    with np.errstate(over="ignore", invalid="ignore"):
        center = sample.mean(axis=0, dtype=np.float64).astype(np.float32) if len(sample) else np.zeros(dim, np.float32)
        center = np.where(np.isfinite(center), center, np.float32(0))
        residuals = (sample - center).astype(np.float64)
        lengths = np.linalg.norm(residuals, axis=1) * np.sqrt(dim)
        cosines = np.abs(residuals).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    turns = len(cosines) > 0 and float(np.mean(cosines)) < FLAT_ALIGNMENT
    return Coder(
        dim=dim,
        metric=metric,
        center=center,
        rotation=kernels.Rotation(dim=dim, seed=seed) if turns else None,
        unit=is_unit(space),
    )


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

    Memory: 52 bytes a row at D = 384 (60 with cells while it works), the sample of the centers, and one portion.
    """
    total = sum(len(part.vectors) for part in parts)
    steps = _Steps(total * (2 if cells else 1), progress)
    layout = _by_cell(parts, coder, cells, alive, seed, threads, steps) if cells else _flat(parts, coder)
    done = 0
    for _, vectors in portions(parts, coder.dim):
        places = layout.positions[done : done + len(vectors)]
        kept = slice(None) if layout.whole else places >= 0
        layout.write(
            coder,
            places[kept],
            vectors[kept],
            None if layout.cell_of is None else layout.cell_of[done : done + len(vectors)][kept],
            threads,
        )
        sink(*kernels.encode_int8(vectors, coder.center, normalize=coder.normalizes, threads=threads))
        done += len(vectors)
        steps.add(len(vectors))
    return layout.runs(parts)


@dataclass(slots=True, kw_only=True)
class _Layout:
    """The arrays of a base that is being coded, and where each row goes."""

    positions: Rows
    whole: bool
    codes: NDArray[np.uint8]
    factors: Floats
    bias: Floats | None
    cell_of: NDArray[np.int32] | None = None
    centers: Floats | None = None
    offsets: Rows | None = None
    rows: NDArray[np.int32] | Rows | None = None

    def write(
        self, coder: Coder, places: Rows, vectors: Floats, cell_of: NDArray[np.int32] | None, threads: int
    ) -> None:
        """Code some rows to their places."""
        vectors = np.ascontiguousarray(vectors)
        kernels.encode_codes_into(
            self.codes,
            self.factors,
            places,
            vectors,
            coder.center if self.centers is None else self.centers,
            cell_of=cell_of,
            rotation=coder.rotation,
            normalize=coder.normalizes,
            threads=threads,
        )
        if self.bias is not None:
            self.bias[places] = kernels.encode_bias(vectors, coder.center)

    def runs(self, parts: Sequence[Part]) -> list[kernels.Run]:
        """Return what was coded."""
        if self.offsets is not None:
            return [
                kernels.Run(
                    codes=self.codes,
                    factors=self.factors,
                    count=int(self.offsets[-1]),
                    rows=self.rows,
                    bias=self.bias,
                    cell_offsets=self.offsets,
                    centers=self.centers,
                )
            ]
        found, start = [], 0
        for first, count in stretches(parts):
            end = start + -(-count // BLOCK)
            found.append(
                kernels.Run(
                    codes=self.codes[start:end],
                    factors=self.factors[start * BLOCK : end * BLOCK],
                    count=count,
                    first_row=first,
                    bias=None if self.bias is None else self.bias[start * BLOCK : end * BLOCK],
                )
            )
            start = end
        return found


def _arrays(coder: Coder, blocks: int) -> tuple[NDArray[np.uint8], Floats, Floats | None]:
    """Return empty codes, factors and biases."""
    bias = np.zeros(blocks * BLOCK, dtype=np.float32) if coder.metric == "l2" else None
    codes = np.zeros((blocks, coder.width, BLOCK), dtype=np.uint8)
    return codes, np.zeros(blocks * BLOCK, dtype=np.float32), bias


def _flat(parts: Sequence[Part], coder: Coder) -> _Layout:
    """Return the layout without cells: rows in order, each stretch from a new block on."""
    places, start = [np.empty(0, dtype=np.int64)], 0
    for _, count in stretches(parts):
        places.append(np.arange(start, start + count, dtype=np.int64))
        start += -(-count // BLOCK) * BLOCK
    codes, factors, bias = _arrays(coder, start // BLOCK)
    return _Layout(positions=np.concatenate(places), whole=True, codes=codes, factors=factors, bias=bias)


def _by_cell(
    parts: Sequence[Part], coder: Coder, cells: int, alive: Bits | None, seed: int, threads: int, steps: _Steps
) -> _Layout:
    """Return the layout by cells: living rows sorted by cell, each cell from a new block on; none where no row lives."""
    chooser = np.random.default_rng(seed)
    rows = sampled(parts, sample_count(cells, coder.dim), chooser, alive)
    if not len(rows):
        steps.total //= 2  # no pass to choose cells
        return _flat(parts, coder)
    sample = as_coded(vectors_of(parts, rows, coder.dim), coder.metric)
    centers = centers_of(sample, cells, chooser=chooser, metric=coder.metric, threads=threads, tick=steps.tick)
    del sample
    numbers = np.concatenate([np.arange(part.first, part.end) for part in parts])
    cell_of = np.empty(len(numbers), dtype=np.int32)
    done = 0
    for _, vectors in portions(parts, coder.dim):
        found = assigned(as_coded(vectors, coder.metric), centers, metric=coder.metric, threads=threads)
        cell_of[done : done + len(vectors)] = found
        done += len(vectors)
        steps.add(len(vectors))
    living = np.ones(len(numbers), dtype=np.bool_)
    if alive is not None:
        living = kernels.mask_of_bits(alive, row_count_of(parts))[numbers]
    return _sorted_layout(coder, numbers, cell_of, living, centers)


def _sorted_layout(
    coder: Coder, numbers: Rows, cell_of: NDArray[np.int32], living: NDArray[np.bool_], centers: Floats
) -> _Layout:
    """Return the layout of rows whose cells are known."""
    sizes = np.bincount(cell_of[living], minlength=len(centers)).astype(np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(-(-sizes // BLOCK) * BLOCK)])
    order = np.flatnonzero(living)[np.argsort(cell_of[living], kind="stable")]
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = np.full(len(numbers), -1, dtype=np.int64)
    positions[order] = np.repeat(offsets[:-1], sizes) + within
    rows = np.full(int(offsets[-1]), -1, dtype=np.int64)
    rows[positions[order]] = numbers[order]
    short = not len(numbers) or int(numbers[-1]) <= np.iinfo(np.int32).max
    codes, factors, bias = _arrays(coder, int(offsets[-1]) // BLOCK)
    return _Layout(
        positions=positions,
        whole=bool(living.all()),
        codes=codes,
        factors=factors,
        bias=bias,
        cell_of=cell_of,
        centers=centers,
        offsets=offsets,
        rows=rows.astype(np.int32) if short else rows,
    )


class Tail:
    """Codes of one stretch of rows that grows: older versions of an index see its beginning, the newest all of it.

    Threads: many may read; of two that grow the same version, one copies.
    """

    def __init__(self, coder: Coder, first_row: int, capacity: int) -> None:
        self.first_row = first_row
        self._coder = coder
        self._codes, self._factors, self._bias = _arrays(coder, -(-max(capacity, BLOCK) // BLOCK))
        self._filled = 0
        self._lock = threading.Lock()

    def run(self, count: int) -> kernels.Run:
        """Return the first ``count`` rows for a funnel."""
        return kernels.Run(
            codes=self._codes, factors=self._factors, count=count, first_row=self.first_row, bias=self._bias
        )

    def grown(self, count: int, vectors: Floats, threads: int = 1) -> Tail:
        """Return a tail with the first ``count`` rows of this one and ``vectors`` behind them: this one if it has room."""
        with self._lock:
            if self._filled == count and count + len(vectors) <= len(self._factors):
                self._write(count, vectors, threads)
                return self
        copied = Tail(self._coder, self.first_row, max(2 * len(self._factors), count + len(vectors)))
        blocks = -(-count // BLOCK)
        copied._codes[:blocks] = self._codes[:blocks]
        copied._factors[:count] = self._factors[:count]
        if copied._bias is not None and self._bias is not None:
            copied._bias[:count] = self._bias[:count]
        copied._write(count, vectors, threads)
        return copied

    def _write(self, start: int, vectors: Floats, threads: int) -> None:
        """Code vectors from a position on."""
        places = np.arange(start, start + len(vectors), dtype=np.int64)
        coder = self._coder
        kernels.encode_codes_into(
            self._codes,
            self._factors,
            places,
            vectors,
            coder.center,
            rotation=coder.rotation,
            normalize=coder.normalizes,
            threads=threads,
        )
        if self._bias is not None:
            self._bias[places] = kernels.encode_bias(vectors, coder.center)
        self._filled = start + len(vectors)

    @property
    def hot_bytes(self) -> int:
        """The bytes of its arrays, the room behind the last row included."""
        return self._codes.nbytes + self._factors.nbytes + (0 if self._bias is None else self._bias.nbytes)
