"""Sets of rows, one bit each: the filters and tombstones of a search.

Row r is bit r % 64 of word r // 64; bits behind the last row are 0. Letters: N rows, V values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.errors import RangeError, ShapeError
from vicinal.kernels import bits, native
from vicinal.kernels.checked import checked_line, checked_mask, checked_type
from vicinal.types import Bits, Mask, Rows

WORD = bits.WORD


def bits_of_mask(mask: Mask) -> Bits:
    """Return the set of the rows whose boolean is true.

    Parameters
    ----------
    mask : bool array of shape (N,)

    Returns
    -------
    uint64 array of shape (ceil(N / 64),)

    Raises
    ------
    DtypeError, ShapeError
        The mask is no line of booleans.
    """
    return bits.bits_of_mask(checked_mask(mask, np.size(mask)))


def mask_of_bits(held: Bits, count: int) -> Mask:
    """Return a boolean for each of the first ``count`` rows.

    Raises
    ------
    DtypeError, ShapeError
        ``held`` is no line of 64-bit words.
    RangeError
        ``count`` is beyond its bits, or below 0.
    """
    held = checked_line(held, np.uint64, "bits")
    return bits.mask_of_bits(held, whole_number(count, "count", low=0, high=len(held) * WORD))


def bits_of_range(codes: NDArray[Any], low: int, high: int, out: Bits) -> None:
    """Write the set of the rows whose code is within [low, high].

    Parameters
    ----------
    codes : uint8, uint16 or uint32 array of shape (N,), contiguous
    low, high : int
        Both ends are included; a range whose low is above its high holds nothing. They may lie outside of the type.
    out : uint64 array of shape (ceil(N / 64),), contiguous
        Written over.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.

    Notes
    -----
    Cost: one read of the codes, at the speed of the memory. The interpreter's lock is released.
    """
    codes, out = _checked_codes(codes, out)
    top = int(np.iinfo(codes.dtype).max)
    low, high = max(whole_number(low, "low", low=-(1 << 62)), 0), min(whole_number(high, "high", low=-(1 << 62)), top)
    serving = native.serving()
    if serving is None or low > high:
        bits.bits_of_range(codes, low, high, out)
    else:
        serving.bits_of_range(codes, low, high, out)


def bits_of_table(codes: NDArray[Any], held: NDArray[np.uint8], out: Bits) -> None:
    """Write the set of the rows whose code's entry in a table is not 0.

    Parameters
    ----------
    codes : uint8, uint16 or uint32 array of shape (N,), contiguous
    held : uint8 array of shape (V,), contiguous
        An entry for each code; a code of V or more is not held.
    out : uint64 array of shape (ceil(N / 64),), contiguous
        Written over.

    Raises
    ------
    DtypeError, ShapeError
        An array has another type or shape.
    """
    codes, out = _checked_codes(codes, out)
    held = checked_line(held, np.uint8, "held")
    serving = native.serving()
    if serving is None:
        bits.bits_of_table(codes, held, out)
    else:
        serving.bits_of_table(codes, held, out)


def bits_of_rows(rows: Rows, count: int) -> Bits:
    """Return the set of some rows.

    Parameters
    ----------
    rows : int64 array of shape (R,), contiguous
        In any order; each 0 to count - 1, repeated or not.
    count : int, 0 <= count
        N: the length of the set in rows.

    Raises
    ------
    DtypeError, ShapeError
        The rows are no line of int64.
    RangeError
        A row is outside of the set.
    """
    rows = checked_line(rows, np.int64, "rows")
    count = whole_number(count, "count", low=0)
    if len(rows) and not 0 <= rows.min() <= rows.max() < count:
        raise RangeError(
            f"rows must be 0 to {count - 1}, got {rows.min()} to {rows.max()}.",
            expected=f"0 to {count - 1}",
            got=f"{rows.min()} to {rows.max()}",
            where="rows",
        )
    serving = native.serving()
    if serving is None:
        return bits.bits_of_rows(rows, count)
    words = np.zeros(-(-count // WORD), dtype=np.uint64)
    serving.bits_of_rows(rows, words)
    return words


def rows_of_bits(held: Bits) -> Rows:
    """Return the rows of a set, ascending, int64.

    Raises
    ------
    DtypeError, ShapeError
        ``held`` is no line of 64-bit words.
    """
    held = checked_line(held, np.uint64, "bits")
    serving = native.serving()
    if serving is None:
        return bits.rows_of_bits(held)
    rows = np.empty(int(serving.count_bits(held)), dtype=np.int64)
    serving.rows_of_bits(held, rows)
    return rows


def count_bits(held: Bits) -> int:
    """Return how many rows a set has.

    Raises
    ------
    DtypeError, ShapeError
        ``held`` is no line of 64-bit words.
    """
    held = checked_line(held, np.uint64, "bits")
    serving = native.serving()
    return bits.count_bits(held) if serving is None else int(serving.count_bits(held))


def _checked_codes(codes: NDArray[Any], out: Bits) -> tuple[NDArray[Any], Bits]:
    """Return codes and the set to be written, if they fit together."""
    codes = checked_type(codes, "codes", np.uint8, np.uint16, np.uint32)
    codes = checked_line(codes, codes.dtype.type, "codes")
    out = checked_line(out, np.uint64, "out")
    if len(out) != -(-len(codes) // WORD) or not out.flags.writeable:
        raise ShapeError(
            f"out must be {-(-len(codes) // WORD)} words that can be written, got {len(out)}.",
            expected=-(-len(codes) // WORD),
            got=len(out),
            where="out",
        )
    return codes, out
