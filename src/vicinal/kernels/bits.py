"""Sets of rows, one bit each: the NumPy twins of the native bitmap kernels.

Row r is bit r % 64 of word r // 64, little-endian; bits behind the last row are 0. Letters: N rows, V values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Bits, Mask, Rows

WORD = 64


def bits_of_mask(mask: Mask) -> Bits:
    """Return the set of the rows whose boolean is true."""
    words = np.zeros(-(-len(mask) // WORD), dtype="<u8")
    packed = np.packbits(mask, bitorder="little")
    words.view(np.uint8)[: len(packed)] = packed
    return words.astype(np.uint64, copy=False)


def mask_of_bits(bits: Bits, count: int) -> Mask:
    """Return a boolean for each of the first ``count`` rows."""
    unpacked = np.unpackbits(bits.astype("<u8", copy=False).view(np.uint8), bitorder="little", count=count)
    return unpacked.view(np.bool_)


def bits_of_range(codes: NDArray[Any], low: int, high: int, out: Bits) -> None:
    """Write the set of the rows whose code is within [low, high]."""
    out[:] = bits_of_mask((codes >= low) & (codes <= high)) if low <= high else 0


def bits_of_table(codes: NDArray[Any], held: NDArray[np.uint8], out: Bits) -> None:
    """Write the set of the rows whose code's entry in the table is not 0; a code behind the table has none."""
    inside = codes < len(held)
    out[:] = bits_of_mask(inside & (np.append(held, np.uint8(0))[np.where(inside, codes, len(held))] != 0))


def bits_of_rows(rows: Rows, count: int) -> Bits:
    """Return the set of some rows below ``count``."""
    mask = np.zeros(count, dtype=np.bool_)
    mask[rows] = True
    return bits_of_mask(mask)


def rows_of_bits(bits: Bits) -> Rows:
    """Return the rows of a set, ascending."""
    return np.flatnonzero(mask_of_bits(bits, len(bits) * WORD))


def count_bits(bits: Bits) -> int:
    """Return how many rows a set has."""
    return int(np.bitwise_count(bits).sum())
