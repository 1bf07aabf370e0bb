"""One field of one page of rows: a code for each row, and what the codes mean.

Letters: R rows of the page from its first.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.search.dictionary import Dictionary, no_values
from vicinal.search.held import MOST_SPANS, NOTHING, Held
from vicinal.search.postings import Postings
from vicinal.types import Bits, Rows

Codes = NDArray[Any]

MOST_IN_TAIL = 1024
"""Values that wait for their place in the order: each costs a test by itself, and putting them in costs a copy."""
MOST_CHANGED = 4096
"""Rows that were changed since the postings were made."""
FEW = 32
"""Postings are asked when they name at most one row in so many; a scan of the codes is as fast for more."""
MOST_NARROW_SPANS = 16
"""Intervals of codes of one byte that are scanned one after the other: a table takes 40 times as long as one scan."""
FIRST_ROWS = 256
NARROW, WIDE = 1 << 8, 1 << 16

_GUARD = threading.Lock()


class _Buffer:
    """Room for codes: ``array[:used]`` belongs to readers and does not change."""

    __slots__ = ("array", "used")

    def __init__(self, array: Codes, used: int) -> None:
        self.array = array
        self.used = used

    def claim(self, count: int, end: int) -> bool:
        """Return whether the places [count, end) are the caller's alone from now on."""
        with _GUARD:
            if self.used != count or end > len(self.array):
                return False
            self.used = end
            return True


@dataclass(frozen=True, slots=True)
class Column:
    """The codes of a field: uint8, uint16 or uint32 (R,), rows behind them missing; and the dictionary of its values.

    ``postings`` are of the first ``posted`` rows as they were; ``changed`` are those of them that are other now.
    A column does not change: one with other rows is another, which shares the arrays. Only the newest is appended
    to in place, behind what any older one sees.
    """

    codes: Codes
    values: Dictionary
    postings: Postings | None = None
    changed: Rows = field(default_factory=lambda: NOTHING)
    buffer: _Buffer | None = None

    @property
    def posted(self) -> int:
        """How many rows the postings know."""
        return 0 if self.postings is None else len(self.postings.order)

    @property
    def byte_count(self) -> int:
        """Bytes of the arrays, without the values of the tail."""
        scalars, lists = self.values.scalars, self.values.lists
        arrays = [self.codes, scalars.numbers.high, scalars.numbers.low, scalars.texts.arena, scalars.texts.starts]
        arrays += [lists.elements, lists.starts, lists.holders.order, lists.holders.starts]
        arrays += [lists.scalars.numbers.high, lists.scalars.texts.arena, lists.scalars.texts.starts]
        arrays += [] if self.postings is None else [self.postings.order, self.postings.starts]
        return sum(array.nbytes for array in arrays)

    def with_rows(self, rows: Rows, counts: Rows, values: Sequence[Any]) -> Column:
        """Return the column with other values in some rows.

        Parameters
        ----------
        rows, counts : int64 arrays
            Value i is that of ``counts[i]`` rows from row ``rows[i]`` of the page. Each row at most once.
        values : sequence
            ``MISSING`` takes a value away.

        Notes
        -----
        Cost: of new rows, by their number; of rows that are there, a copy of the codes if one of them changes.
        """
        dictionary, codes = self.values.with_values(values)
        places = _expanded(rows, counts)
        codes = np.repeat(codes, counts) if len(places) != len(codes) else codes
        end = int(places.max(initial=-1)) + 1
        if int(places.min(initial=len(self.codes))) >= len(self.codes):
            return self._appended(dictionary, places, codes, end)
        before = np.zeros(len(places), dtype=np.uint32)
        known = places < len(self.codes)
        before[known] = self.codes[places[known]]
        other = before != codes
        if not other.any():
            return self
        places, codes = places[other], codes[other]
        array = np.zeros(max(len(self.codes), end), dtype=_narrowest(dictionary.size))
        array[: len(self.codes)] = self.codes
        array[places] = codes
        changed = np.union1d(self.changed, places[places < self.posted])
        if len(changed) > MOST_CHANGED:
            return Column(array, dictionary, buffer=_Buffer(array, len(array)))
        return replace(self, codes=array, values=dictionary, changed=changed, buffer=_Buffer(array, len(array)))

    def _appended(self, dictionary: Dictionary, places: Rows, codes: Codes, end: int) -> Column:
        """Return the column with new rows, in place where there is room and nobody else has begun to use it."""
        buffer, dtype = self.buffer, _narrowest(dictionary.size)
        count = len(self.codes)
        if buffer is None or buffer.array.dtype.itemsize < dtype.itemsize or not buffer.claim(count, end):
            array = np.zeros(max(2 * count, end, FIRST_ROWS), dtype=max(dtype, self.codes.dtype, key=_item_bytes))
            array[:count] = self.codes
            buffer = _Buffer(array, end)
        buffer.array[places] = codes
        return replace(self, codes=buffer.array[:end], values=dictionary, buffer=buffer)

    def settled(self) -> Column:
        """Return the column with its values in order and its postings made, where that is worth its cost.

        Notes
        -----
        Cost: one pass over the page and a sort of it; happens once for some hundred new values, and when the page
        has doubled, so that a row's share of it is small.
        """
        count = len(self.codes)
        is_wide = self.codes.dtype.itemsize > 1
        if len(self.values.tail) > MOST_IN_TAIL or (is_wide and count > 2 * self.posted + MOST_CHANGED):
            return self.packed(room=count)
        return self

    def finished(self) -> Column:
        """Return the column as it stays: nothing in the tail that has a place in the order, postings of all rows."""
        is_posted = self.values.size <= NARROW or self.posted == len(self.codes)
        return self if is_posted and not self.values.tail and not len(self.changed) else self.packed()

    def packed(self, *, room: int = 0) -> Column:
        """Return the column with its values in order, unused ones left out, and with postings if they are many.

        ``room`` is how many more rows can be appended without a copy.
        """
        used = np.bincount(self.codes, minlength=self.values.size)[: self.values.size] > 0
        dictionary, moved = self.values.packed(used)
        array = np.zeros(len(self.codes) + room, dtype=_narrowest(dictionary.size))
        codes = array[: len(self.codes)]
        np.take(moved.astype(array.dtype), self.codes, out=codes, mode="clip")  # "raise" would copy
        postings = Postings.of(codes, dictionary.size) if dictionary.size > NARROW else None
        return Column(codes, dictionary, postings, buffer=_Buffer(array, len(codes)) if room else None)

    def bits(self, held: Held, word_count: int) -> Bits:
        """Return which rows of the page have one of these codes; rows behind the column's have none.

        Notes
        -----
        Cost: a scan of the codes; for few rows, by their number.
        """
        out = np.zeros(word_count, dtype=np.uint64)
        words = out[: -(-len(self.codes) // 64)]
        if not (held.spans or len(held.codes)) or not len(words):
            return out
        rows = self._few_rows(held)
        if rows is not None:
            words[:] = kernels.bits_of_rows(rows, len(self.codes))
            return out
        if self.values.size <= NARROW and len(held.codes):
            held = held.as_spans(self.values.size)
        most = MOST_SPANS if self.codes.itemsize > 1 else MOST_NARROW_SPANS
        if len(held.codes) or len(held.spans) > most:
            kernels.bits_of_table(self.codes, held.table(self.values.size).view(np.uint8), words)
        else:
            self._scan(held, words)
        return out

    def _scan(self, held: Held, words: Bits) -> None:
        """Write which rows have a code within one of a few intervals."""
        kernels.bits_of_range(self.codes, held.spans[0][0], held.spans[0][1] - 1, words)
        for low, high in held.spans[1:]:
            more = np.empty_like(words)
            kernels.bits_of_range(self.codes, low, high - 1, more)
            words |= more

    def _few_rows(self, held: Held) -> Rows | None:
        """Return the rows by the postings, or None if they are many or there are none."""
        if self.postings is None:
            return None
        most, unposted = len(self.codes) // FEW, len(self.codes) - self.posted
        found = sum(self.postings.count(low, high) for low, high in held.spans)
        if unposted + found > most or found + self.postings.count_of(held.codes) > most:
            return None
        if len(held.spans) == 1 and not len(held.codes) and not unposted and not len(self.changed):
            return self.postings.places(*held.spans[0]).astype(np.int64)
        runs = [self.postings.places(low, high) for low, high in held.spans]
        rows = np.concatenate([*runs, self.postings.places_of(held.codes)]).astype(np.int64)
        if unposted or len(self.changed):
            later = np.concatenate([self.changed, np.arange(self.posted, len(self.codes))])
            both = np.concatenate([rows, later])
            rows = both[held.table(self.values.size)[self.codes[both]]]
        return rows


def no_rows() -> Column:
    """Return a column without rows."""
    return Column(np.zeros(0, dtype=np.uint8), no_values())


def _expanded(rows: Rows, counts: Rows) -> Rows:
    """Return every row of some runs of rows."""
    if (counts == 1).all():
        return rows
    ends = np.cumsum(counts)
    return np.repeat(rows - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)


def _narrowest(size: int) -> np.dtype[Any]:
    """Return the type that holds codes below ``size``."""
    return np.dtype(np.uint8 if size <= NARROW else np.uint16 if size <= WIDE else np.uint32)


def _item_bytes(dtype: np.dtype[Any]) -> int:
    """Return the bytes of one code."""
    return dtype.itemsize
