"""Sets of rows as bitmaps: row r is bit r % 64 of word r // 64."""

from __future__ import annotations

import numpy as np

from vicinal.types import Bits, Mask, Rows


def no_bits(count: int) -> Bits:
    """Return an empty set with room for rows below ``count``: ceil(count / 64) words."""
    return np.zeros((count + 63) // 64, dtype=np.uint64)


def resized(bits: Bits, count: int) -> Bits:
    """Return a copy with room for rows below ``count``, which is no fewer than before."""
    grown = no_bits(count)
    grown[: len(bits)] = bits
    return grown


def fill(bits: Bits, first_row: int, row_count: int) -> None:
    """Put a range of rows into the set."""
    if row_count:
        first, last = first_row >> 6, (first_row + row_count - 1) >> 6
        low = (~0 << (first_row & 63)) & 0xFFFFFFFFFFFFFFFF
        high = 0xFFFFFFFFFFFFFFFF >> (63 - ((first_row + row_count - 1) & 63))
        if first == last:
            bits[first] |= np.uint64(low & high)
        else:
            bits[first] |= np.uint64(low)
            bits[first + 1 : last] = np.uint64(0xFFFFFFFFFFFFFFFF)
            bits[last] |= np.uint64(high)


def clear(bits: Bits, rows: Rows) -> None:
    """Take rows out of the set."""
    if len(rows):
        places = rows >> 6
        masks = ~(np.uint64(1) << (rows & 63).astype(np.uint64))
        np.bitwise_and.at(bits, places, masks)


def is_in(bits: Bits, row: int) -> bool:
    """Return whether a row is in the set."""
    return bool(int(bits[row >> 6]) >> (row & 63) & 1)


def cleared(bits: Bits, rows: Rows) -> Bits:
    """Return the set without some rows; the given one stays."""
    found = bits.copy()
    clear(found, rows)
    return found


def expanded(ranges: list[tuple[int, int]]) -> Rows:
    """Return the rows of (first row, row count) ranges, in their order: int64."""
    if not ranges:
        return np.empty(0, dtype=np.int64)
    firsts, counts = np.array(ranges, dtype=np.int64).T
    ends = np.cumsum(counts)
    return np.asarray(np.arange(ends[-1]) + np.repeat(firsts - (ends - counts), counts))


def rows_of(bits: Bits) -> Rows:
    """Return the rows of a set, ascending: int64."""
    return np.flatnonzero(mask_of(bits, len(bits) * 64)).astype(np.int64, copy=False)


def mask_of(bits: Bits, count: int) -> Mask:
    """Return a set as bool (count,)."""
    return np.unpackbits(bits.view(np.uint8), bitorder="little", count=count).view(np.bool_)


def count(bits: Bits) -> int:
    """Return how many rows are in a set."""
    return int.from_bytes(bits.tobytes(), "little").bit_count()
