"""How vectors are coded: the NumPy twins of the native encoders, and what each byte means.

A vector of the space of codes with the center c of its run or cell has the residual r = x - c. Its code has one bit for
each component, its factor makes the code's dot product an estimate of the residual's (RaBitQ, arXiv 2405.12497):

    bit d = r[d] > 0;    factor = ||r||^2 / ||r||_1;    <r, q>  is about  factor * sum over d of (bit d ? q[d] : -q[d])

    codes[b, w, i]: block b = rows 64b … 64b + 63; byte w = components 8w … 8w + 7, the lowest bit first; row 64b + i.

One byte of 64 rows is one register of AVX-512, two of AVX2, four of NEON, and each half of it is looked up in a table
of 16 sums. Letters: N rows, D components, M cells, W = ceil(D / 8).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vicinal.kernels.exact import summed
from vicinal.types import Floats, Rows

BLOCK_ROWS = 64
ROUNDS = 4
"""Of signs and Walsh-Hadamard transforms: after four, single large components are spread over all others."""
INT8_TOP = 127
SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
PORTION_VALUES = 1 << 22

Codes = NDArray[np.uint8]
Cells = NDArray[np.int32]
Int8 = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """An orthonormal map of D components, drawn from a seed, the same for ever on every machine.

    Each of ``ROUNDS`` rounds flips signs and transforms a window of the largest power of two within D components
    (fast Walsh-Hadamard): the first components in even rounds, the last ones in odd rounds, so that all are mixed
    though D may be any number. Cost: ``ROUNDS * D * log2(D)`` additions a vector.

    Parameters
    ----------
    dim : int, 1 <= dim
    seed : int
    """

    dim: int
    seed: int = 0

    @cached_property
    def signs(self) -> Floats:
        """The signs, +1 or -1, float32 of shape (ROUNDS, D)."""
        wanted = ROUNDS * self.dim
        drawn = hashlib.shake_256(f"vicinal rotation {self.seed}".encode()).digest((wanted + 7) // 8)
        bits = np.unpackbits(np.frombuffer(drawn, dtype=np.uint8), bitorder="little")[:wanted]
        return (1 - 2 * bits.astype(np.float32)).reshape(ROUNDS, self.dim)

    @property
    def code_dim(self) -> int:
        """D: as many components go out as come in."""
        return self.dim

    @property
    def window(self) -> int:
        """How many components are transformed together: the largest power of two within D."""
        return 1 << (self.dim.bit_length() - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Projection:
    """A linear map of D components onto d of them, with orthonormal rows: what it leaves out is not coded.

    Parameters
    ----------
    matrix : float32 array of shape (d, D), contiguous, 1 <= d <= D
    """

    matrix: Floats

    @property
    def dim(self) -> int:
        """D."""
        return int(self.matrix.shape[1])

    @property
    def code_dim(self) -> int:
        """How many components go out: d."""
        return int(self.matrix.shape[0])


Turn = Rotation | Projection
"""From vectors less their center to the space of codes."""


def rotated(vectors: Floats, rotation: Rotation | None) -> Floats:
    """Return the vectors turned, or as they are without a rotation."""
    if rotation is None:
        return vectors
    turned = vectors.copy()
    window = rotation.window
    scale = np.float32(1.0 / np.sqrt(np.float64(window)))
    for number, signs in enumerate(rotation.signs):
        turned *= signs
        first = (rotation.dim - window) * (number % 2)
        turned[:, first : first + window] = _transformed(turned[:, first : first + window]) * scale
    return turned


def _transformed(values: Floats) -> Floats:
    """Return the Walsh-Hadamard transform of each row, without a scale: sums and differences at 1, 2, 4, … apart."""
    count, width = values.shape
    step = 1
    while step < width:
        pairs = values.reshape(count, width // (2 * step), 2, step)
        left, right = pairs[:, :, 0], pairs[:, :, 1]
        values = np.stack((left + right, left - right), axis=2).reshape(count, width)
        step *= 2
    return values


def unit(vectors: Floats) -> Floats:
    """Return each vector divided by its length; one whose length is 0 or beyond float32 as zeros."""
    lengths = np.sqrt(summed(vectors * vectors))
    usable = (lengths > 0) & np.isfinite(lengths)
    divided = vectors / np.where(usable, lengths, np.float32(1))[:, None]
    return np.where(usable[:, None], divided, np.float32(0))


def encode_codes_into(
    codes: Codes,
    factors: Floats,
    positions: Rows,
    vectors: Floats,
    centers: Floats,
    cell_of: Cells | None,
) -> None:
    """Write each vector's code and factor to its position, as ``vicinal.kernels.encode_codes_into`` does."""
    portion = max(1, PORTION_VALUES // max(1, vectors.shape[1]))
    with np.errstate(all="ignore"):  # overflow is part of the contract
        for start in range(0, len(vectors), portion):
            part = slice(start, start + portion)
            residuals = vectors[part] - (centers[:1] if cell_of is None else centers[cell_of[part]])
            _write_codes(codes, positions[part], residuals)
            factors[positions[part]] = _factors(residuals)


def _write_codes(codes: Codes, positions: Rows, residuals: Floats) -> None:
    """Write the signs of the residuals (n, D) to their positions."""
    packed = np.packbits(residuals > 0, axis=1, bitorder="little")
    codes[positions // BLOCK_ROWS, :, positions % BLOCK_ROWS] = packed


def _factors(residuals: Floats) -> Floats:
    """Return ``||r||^2 / ||r||_1`` of each residual, 0 where that is no number."""
    factors = summed(residuals * residuals) / summed(np.abs(residuals))
    return np.where(np.isfinite(factors), factors, np.float32(0))


def encode_int8(vectors: Floats, center: Floats, *, normalize: bool) -> tuple[Int8, Floats]:
    """Return what ``vicinal.kernels.encode_int8`` returns, of arguments that it has checked."""
    values = np.empty(vectors.shape, dtype=np.int8)
    scales = np.empty(len(vectors), dtype=np.float32)
    portion = max(1, PORTION_VALUES // max(1, vectors.shape[1]))
    with np.errstate(all="ignore"):  # overflow is part of the contract
        for start in range(0, len(vectors), portion):
            part = slice(start, start + portion)
            rows = (unit(vectors[part]) if normalize else vectors[part]) - center
            values[part], scales[part] = int8_of(rows)
    return values, scales


def int8_of(rows: Floats) -> tuple[Int8, Floats]:
    """Return each row as whole numbers from -127 to 127 and the scale that brings them back.

    A row whose largest component is below the normal numbers of float32, or infinite, has the scale 0 and zeros.
    """
    scales = np.abs(rows).max(axis=1, initial=0) / np.float32(INT8_TOP)
    usable = (scales >= np.float32(SMALLEST_NORMAL)) & np.isfinite(scales)
    scales = np.where(usable, scales, np.float32(0))
    divided = np.rint(rows / np.where(usable, scales, np.float32(1))[:, None])
    return np.where(usable[:, None], divided, np.float32(0)).astype(np.int8), scales


def encode_bias(vectors: Floats, center: Floats) -> Floats:
    """Return ``-||x - center||^2`` of each vector, float32 of shape (N,)."""
    biases = np.empty(len(vectors), dtype=np.float32)
    portion = max(1, PORTION_VALUES // max(1, vectors.shape[1]))
    with np.errstate(all="ignore"):  # overflow is part of the contract
        for start in range(0, len(vectors), portion):
            part = slice(start, start + portion)
            residuals = vectors[part] - center
            biases[part] = -summed(residuals * residuals)
    return biases


def assign(vectors: Floats, centers: Floats, *, metric: str) -> Cells:
    """Return the number of the nearest center of each vector, of equally near ones the lowest."""
    found = np.empty(len(vectors), dtype=np.int32)
    length = np.sqrt(np.einsum("md,md->m", centers, centers, dtype=np.float64))
    if metric == "cosine":
        centers = (centers / np.where(length > 0, length, 1)[:, None]).astype(np.float32)
    halves = (length**2 / 2).astype(np.float32) if metric == "l2" else np.float32(0)
    portion = max(1, PORTION_VALUES // max(1, len(centers)))
    for start in range(0, len(vectors), portion):
        found[start : start + portion] = np.argmax(vectors[start : start + portion] @ centers.T - halves, axis=1)
    return found
