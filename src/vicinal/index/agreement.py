"""Whether an index says of rows what their vectors say: their codes and int8 rows, made anew, against those it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.index.coding import Coder, Int8Part
from vicinal.types import Floats, Mask, Rows

BLOCK = 64
ROUNDED = 0.05
"""The share of a code's bits that may differ, and one bit in any case: components near zero, turned in other company."""


def disagreeing(
    coder: Coder, runs: Sequence[kernels.Run], int8: Sequence[Int8Part], rows: Rows, vectors: Floats
) -> Rows:
    """Return those of some rows (N,) that no run has, or whose code or int8 row is not that of their vector (N, D).

    Cost: one pass over the row numbers of runs that are sorted by cell, and coding the rows.
    """
    agreed = np.zeros(len(rows), dtype=np.bool_)
    for run in runs:
        places, which = _positions(run, rows)
        if len(places):
            agreed[which] = _same_codes(coder, run, places, vectors[which])
    for first, values, scales in int8:
        which = np.flatnonzero((rows >= first) & (rows < first + len(values)))
        if not len(which):
            continue
        here = rows[which] - first
        made, steps = kernels.encode_int8(vectors[which], coder.center, normalize=coder.normalizes)
        agreed[which] &= (values[here] == made).all(axis=1) & (scales[here] == steps)
    return rows[~agreed]


def _positions(run: kernels.Run, rows: Rows) -> tuple[Rows, Rows]:
    """Return the positions in a run of those rows that it has, and which of the rows these are."""
    if run.rows is None:
        which = np.flatnonzero((rows >= run.first_row) & (rows < run.first_row + run.count))
        return rows[which] - run.first_row, which
    held = run.rows[: run.count]
    places = np.flatnonzero(np.isin(held, rows))
    order = np.argsort(rows, kind="stable")
    return places, order[np.searchsorted(rows[order], held[places])]


def _same_codes(coder: Coder, run: kernels.Run, places: Rows, vectors: Floats) -> Mask:
    """Return for each position whether its code is that of its vector."""
    coded = coder.coded(vectors)
    if run.centers is None or run.cell_offsets is None:
        made, _ = kernels.encode_codes(coded, np.zeros(coder.code_dim, dtype=np.float32))
    else:
        cells = (np.searchsorted(run.cell_offsets, places, side="right") - 1).astype(np.int32)
        made, _ = kernels.encode_codes(coded, run.centers, cell_of=cells)
    at = np.arange(len(places))
    differing: NDArray[np.uint8] = made[at // BLOCK, :, at % BLOCK] ^ run.codes[places // BLOCK, :, places % BLOCK]
    bits = np.unpackbits(differing, axis=1).sum(axis=1)
    same: Mask = bits <= max(1, ROUNDED * coder.code_dim)
    return same
