"""How often each value of a field occurs among some rows: counted by code, page by page, and only then read as values.

A record counts once, however many chunks it has, and a list counts each of its values once. The slow and obvious twin
is in ``tests/unit/search/test_facets.py``.

Letters: R rows of a page, C codes of a page's dictionary.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.search.column import Column
from vicinal.search.columns import Columns
from vicinal.search.dictionary import key_of
from vicinal.search.lists import Lists
from vicinal.search.meaning import KINDS, kind_of
from vicinal.search.pages import PAGE_ROWS
from vicinal.search.scalars import FALSE, FIRST, NULL, TRUE, Scalars, is_kept, no_scalars
from vicinal.search.texts import Texts
from vicinal.types import Bits, Mask, Rows

Counts = NDArray[np.int64]

MOST_VALUES, MOST_RANGES = 10_000, 1_000
"""How many values, and ranges, one facet may name."""
MANY = 4096
"""Distinct values up to which all are read; of more, those that can be among the most frequent."""
FIRST_DEPTH = 64
"""Values that are read of each section at first, beside those that must be."""
BLOCK_BYTES = 1 << 18
"""Bytes of texts whose keys are made together."""
KNOWN = -1
"""In place of the section of a value whose count is no bound."""
SEED, MULTIPLIER, POWERS = 4, 0x9E3779B97F4A7C15, 1024
"""Of the keys of texts. Any will do: a collision costs a look-up, never the answer."""
MOST_WHOLE = 2.0**63
"""Beyond, a number is given as the float that it was kept as."""
FULL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
ORDER = ("null", "boolean", "number", "text", "list", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCount:
    """A value and the number of records that have it: text, number, boolean, or None for null."""

    value: Any
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeCount:
    """The numbers [low, high), None where there is no end, and how many records have one of them."""

    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """The values of a field among some records.

    ``values`` are the most frequent, largest count first, equal ones in the order null, booleans, numbers, texts;
    ``others`` is the sum of the counts of all that are not named. A list counts once for each of its values.
    ``missing`` records have no such field, ``records`` is the number of all.
    """

    name: str
    values: tuple[ValueCount, ...]
    others: int
    missing: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeFacet:
    """The numbers of a field among some records, by ranges in the order that was asked for.

    ``others`` records have the field, but no number in any range; ``missing`` and ``records`` as in ``Facet``.
    Ranges may overlap; a record counts in each that holds one of its numbers.
    """

    name: str
    ranges: tuple[RangeCount, ...]
    others: int
    missing: int
    records: int


def one_row_each(bits: Bits, heads: Bits) -> Bits:
    """Return the first row of each record among some rows.

    Parameters
    ----------
    bits : uint64 array of W words
        Rows.
    heads : uint64 array of W words
        The first row of each record; its others follow until the next head.

    Raises
    ------
    ShapeError
        The bitmaps have different lengths.

    Notes
    -----
    Cost: about 8 ms a million rows. Where ``bits`` holds whole records, as those of a filter and the living do,
    ``bits & heads`` is the same in a tenth of that.
    """
    if bits.shape != heads.shape:
        raise ShapeError(
            f"heads must have the {len(bits)} words of bits, got {len(heads)}.",
            expected=len(bits),
            got=len(heads),
            where="heads",
        )
    if not (bits & ~heads).any():
        return bits
    count = len(bits) * 64
    record = np.cumsum(kernels.mask_of_bits(heads, count), dtype=np.int32)
    rows = kernels.rows_of_bits(bits)
    first = np.zeros(count, dtype=np.bool_)
    first[rows] = np.diff(record[rows], prepend=-1) > 0
    return kernels.bits_of_mask(first)


def facet(columns: Columns, name: str, bits: Bits, *, k: int = 10) -> Facet:
    """Return how many records have each of the k most frequent values of a field.

    Parameters
    ----------
    columns : Columns
        The fields of a lane.
    name : str
        The field. One that no record has is missing everywhere.
    bits : uint64 array of ceil(next_row / 64) words
        One row of each record that counts; see ``one_row_each``.
    k : int, 1 <= k <= 10,000
        How many values are named.

    Returns
    -------
    Facet
        Exact.

    Raises
    ------
    ShapeError
        The bitmap is of other rows.

    Notes
    -----
    Cost: one pass over the codes, some milliseconds a million rows, and some µs for each of up to 4,096 distinct
    values. More are told apart by 64-bit keys of their bytes, some 0.2 µs each, and only those that can be among the k
    are read; the counts that are given are looked up, so that no collision of keys changes them.
    """
    k = whole_number(k, "k", low=1, high=MOST_VALUES)
    tally = _Tally()
    for column, counts in _counted(columns, name, bits, tally):
        _add_values(tally, column, counts)
    best = _most_frequent(tally, k)
    return Facet(
        name=name,
        values=tuple(ValueCount(value=value, count=count) for value, count in best),
        others=tally.total - sum(count for _, count in best),
        missing=tally.missing,
        records=tally.records,
    )


def range_facet(
    columns: Columns, name: str, bits: Bits, ranges: Sequence[tuple[float | None, float | None]]
) -> RangeFacet:
    """Return how many records have a number in each of some ranges.

    Parameters
    ----------
    columns, name, bits
        As ``facet``.
    ranges : sequence of (low, high), 1 to 1,000
        Numbers low <= x < high; None for no end. They may overlap.

    Raises
    ------
    DtypeError, RangeError
        An end is no number, a range holds nothing, or there are too many.
    ShapeError
        The bitmap is of other rows.

    Notes
    -----
    Cost: as ``facet``; no value is read, whatever their number.
    """
    asked = [_checked_range(low, high) for low, high in ranges]
    whole_number(len(asked), "the number of ranges", low=1, high=MOST_RANGES)
    tally, found, within = _Tally(), np.zeros(len(asked), dtype=np.int64), 0
    for column, counts in _counted(columns, name, bits, tally):
        anywhere = np.zeros(len(counts), dtype=np.bool_)
        for place, (low, high) in enumerate(asked):
            held = _codes_within(column, low, high)
            found[place] += counts[held].sum()
            anywhere |= held
        within += int(counts[anywhere].sum())
    return RangeFacet(
        name=name,
        ranges=tuple(
            RangeCount(low=low, high=high, count=int(count))
            for (low, high), count in zip(asked, found.tolist(), strict=True)
        ),
        others=tally.records - tally.missing - within,
        missing=tally.missing,
        records=tally.records,
    )


@dataclass(slots=True)
class _Tally:
    """What was counted so far: of each page the counts by code, and the values that have no place in an order."""

    sections: list[tuple[Scalars, Counts]] = field(default_factory=list)
    loose: dict[Any, tuple[Any, int]] = field(default_factory=dict)
    total: int = 0
    missing: int = 0
    records: int = 0

    def add(self, scalars: Scalars, counts: Counts) -> None:
        """Take the counts by code of some scalars."""
        if counts[1:].any():
            self.sections.append((scalars, counts))
            self.total += int(counts[1:].sum())

    def add_loose(self, value: Any, count: int) -> None:  # noqa: ANN401 - a value of any field
        """Take the count of one value."""
        key = key_of(value)
        self.loose[key] = (value, self.loose.get(key, (value, 0))[1] + count)
        self.total += count

    def settle(self) -> None:
        """Put the loose values that have a place in an order into a section of their own."""
        kept = {key: one for key, one in self.loose.items() if is_kept(one[0])}
        if kept:
            fresh = [value for value, _ in kept.values() if kind_of(value) in {"number", "text"}]
            scalars, _, _ = no_scalars().merged(np.ones(FIRST, dtype=np.bool_), fresh)
            counts = np.zeros(scalars.size, dtype=np.int64)
            for value, count in kept.values():
                counts[scalars.code_of(value)] = count
            self.sections.append((scalars, counts))
            self.loose = {key: one for key, one in self.loose.items() if key not in kept}


def _counted(columns: Columns, name: str, bits: Bits, tally: _Tally) -> Iterator[tuple[Column, Counts]]:
    """Go through the pages that have the field, with how many of the rows have each code; tell the tally of the rest."""
    if len(bits) != -(-columns.next_row // 64):
        raise ShapeError(
            f"bits must have {-(-columns.next_row // 64)} words, got {len(bits)}.",
            expected=-(-columns.next_row // 64),
            got=len(bits),
            where="bits",
        )
    tally.records = tally.missing = kernels.count_bits(bits)
    words = PAGE_ROWS // 64
    for number, page in sorted(columns.pages.items()):
        column = page.columns.get(name)
        if column is None or not len(column.codes):
            continue
        counts = _by_code(column, bits[number * words : (number + 1) * words])
        present = int(counts[1:].sum())
        tally.missing -= present
        if present:
            yield column, counts


def _by_code(column: Column, bits: Bits) -> Counts:
    """Return how many of the rows of a page have each code, int64 (C,). Rows behind the column's have none."""
    codes = column.codes
    words = np.ascontiguousarray(bits[: -(-len(codes) // 64)])
    whole, rest = divmod(len(codes), 64)
    is_full = (words[:whole] == FULL).all() and (not rest or int(words[-1]) & ((1 << rest) - 1) == (1 << rest) - 1)
    held = codes if is_full else _held(codes, kernels.rows_of_bits(words))
    return np.bincount(held, minlength=column.values.size).astype(np.int64, copy=False)


def _held(codes: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return the codes of some ascending rows; those behind the last have none."""
    return codes[rows[: rows.searchsorted(len(codes))]]


def _add_values(tally: _Tally, column: Column, counts: Counts) -> None:
    """Take the counts of a page: those of scalars by code, those of lists by element, those of the tail by value."""
    values = column.values
    tally.add(values.scalars, counts[: values.first_list])
    of_lists = counts[values.first_list : values.first_of_tail]
    if of_lists.any():
        tally.add(values.lists.scalars, _by_element(values.lists, of_lists))
    for value, count in zip(values.tail, counts[values.first_of_tail :].tolist(), strict=True):
        if count:
            for one in _distinct(value) if isinstance(value, list) else (value,):
                tally.add_loose(one, count)


def _by_element(lists: Lists, counts: Counts) -> Counts:
    """Return how often each element's code is in a list that counts, one as often as it has it."""
    owners = np.repeat(np.arange(len(lists), dtype=np.int64), lists.starts[1:].astype(np.int64) - lists.starts[:-1])
    held = counts[owners] > 0
    size = lists.scalars.size
    pairs = np.unique(owners[held] * size + lists.elements[held])
    found = np.bincount(pairs % size, weights=counts[pairs // size], minlength=size)
    return found.astype(np.int64)  # a float64 counts to 2^53 without a fault


def _distinct(values: Sequence[Any]) -> list[Any]:
    """Return each element of a list once."""
    return list({key_of(value): value for value in values}.values())


def _most_frequent(tally: _Tally, k: int) -> list[tuple[Any, int]]:
    """Return the k values with the largest counts, with these."""
    tally.settle()
    if sum(np.count_nonzero(counts[1:]) for _, counts in tally.sections) <= MANY:
        found = _all_totals(tally)
        return sorted(found.values(), key=lambda one: (-one[1], *_place(one[0])))[:k]
    bounds, depth = _bounds(tally), 4 * k + FIRST_DEPTH
    while True:
        best = _read(tally, bounds, k, depth)
        if best is not None:
            return best
        depth *= 8


def _all_totals(tally: _Tally) -> dict[Any, tuple[Any, int]]:
    """Return every value with its count, by key."""
    found = dict(tally.loose)
    for scalars, counts in tally.sections:
        codes = 1 + np.flatnonzero(counts[1:])
        for code, count in zip(codes.tolist(), counts[codes].tolist(), strict=True):
            value = _value_of(scalars, code)
            key = key_of(value)
            found[key] = (value, found.get(key, (value, 0))[1] + count)
    return found


def _bounds(tally: _Tally) -> list[Counts]:
    """Return for each code of each section the most that its value can count in all, 0 where the section has none of it.

    That is the sum over the values with the same 64-bit key in all sections: the count itself, unless keys collide.
    """
    used = [np.flatnonzero(counts) for _, counts in tally.sections]
    keys = [scalar_keys(scalars)[codes] for (scalars, _), codes in zip(tally.sections, used, strict=True)]
    held = [counts[codes] for (_, counts), codes in zip(tally.sections, used, strict=True)]
    _, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    totals = np.bincount(inverse, weights=np.concatenate(held)).astype(np.int64)[inverse]
    bounds, first = [], 0
    for (_, counts), codes in zip(tally.sections, used, strict=True):
        bound = np.zeros(len(counts), dtype=np.int64)
        bound[codes] = totals[first : first + len(codes)]
        bound[0] = 0
        bounds.append(bound)
        first += len(codes)
    return bounds


def _read(tally: _Tally, bounds: list[Counts], k: int, depth: int) -> list[tuple[Any, int]] | None:
    """Return the k values with the largest counts, reading the ``depth`` likeliest of each section; None if these are too few.

    What has the largest bound is looked up in every section. If it counts that much, nothing before it can come.
    """
    queue = _Queue(tally, bounds, depth)
    best: dict[Any, tuple[Any, int]] = {}
    while queue.entries and len(best) < k:
        bound, place, section, step = heapq.heappop(queue.entries)
        if section >= 0:
            queue.offer(section, step + 1)
            if step + 1 == depth:
                return None
        value = queue.values[place]
        key = key_of(value)
        if key in best:
            continue
        count = -bound if section < 0 else _total(tally, value)
        if count == -bound:
            best[key] = (value, count)
        else:
            heapq.heappush(queue.entries, (-count, place, KNOWN, 0))
    return list(best.values())


class _Queue:
    """Values by their bounds, largest first, equal ones in order: (-bound, place, section or ``KNOWN``, step)."""

    __slots__ = ("_bounds", "_chosen", "_tally", "entries", "values")

    def __init__(self, tally: _Tally, bounds: list[Counts], depth: int) -> None:
        self._tally = tally
        self._bounds = bounds
        self._chosen = [_likeliest(bound, depth) for bound in bounds]
        self.values: dict[tuple[int, Any], Any] = {}
        self.entries: list[tuple[int, tuple[int, Any], int, int]] = []
        for section in range(len(bounds)):
            self.offer(section, 0)
        for value, count in tally.loose.values():
            self._put(count, value, KNOWN, 0)

    def offer(self, section: int, step: int) -> None:
        """Put in the next value of a section, if there is one."""
        if step < len(self._chosen[section]):
            code = self._chosen[section][step]
            value = _value_of(self._tally.sections[section][0], code)
            self._put(int(self._bounds[section][code]), value, section, step)

    def _put(self, bound: int, value: Any, section: int, step: int) -> None:  # noqa: ANN401 - a value of any field
        place = _place(value)
        self.values[place] = value
        heapq.heappush(self.entries, (-bound, place, section, step))


def _likeliest(bound: Counts, depth: int) -> list[int]:
    """Return the codes with the largest bounds, at most ``depth``, equal ones by code, which is the order of values."""
    count = int(np.count_nonzero(bound))
    if count <= depth:
        codes = np.flatnonzero(bound)
    else:
        least = np.partition(bound, len(bound) - depth)[len(bound) - depth]
        above = np.flatnonzero(bound > least)
        codes = np.sort(np.concatenate([above, np.flatnonzero(bound == least)[: depth - len(above)]]))
    return list(map(int, codes[np.argsort(-bound[codes], kind="stable")]))


def _total(tally: _Tally, value: Any) -> int:  # noqa: ANN401 - a value of any field
    """Return the count of one value over all sections."""
    total = 0
    for scalars, counts in tally.sections:
        code = scalars.code_of(value)
        total += int(counts[code]) if code > 0 else 0
    return total


def scalar_keys(scalars: Scalars) -> NDArray[np.uint64]:
    """Return a number for each code, uint64 (C,): equal for equal values of any two sections, hardly ever else."""
    numbers = (scalars.numbers.high + 0.0).view(np.uint64) * _powers()[1]  # + 0.0: minus zero is zero
    return np.concatenate([np.arange(FIRST, dtype=np.uint64), numbers, _text_keys(scalars.texts)])


def _text_keys(texts: Texts) -> NDArray[np.uint64]:
    """Return a polynomial of the bytes of each text, modulo 2^64. Memory: some 30 bytes a byte of a block."""
    starts = texts.starts.astype(np.int64)
    keys = np.empty(len(texts), dtype=np.uint64)
    first = 0
    while first < len(texts):
        last = max(first + 1, int(starts.searchsorted(starts[first] + BLOCK_BYTES, "right")) - 1)
        low = starts[first:last] - starts[first]
        steps = np.arange(starts[last] - starts[first]) - np.repeat(low, np.diff(starts[first : last + 1]))
        found = _salts()[texts.arena[starts[first] : starts[last]]] * _powers()[steps % POWERS]
        keys[first:last] = np.add.reduceat(found, low)
        first = last
    return keys


@cache
def _salts() -> NDArray[np.uint64]:
    """Return a fixed odd-looking number for each byte."""
    return np.asarray(np.random.default_rng(SEED).integers(1, 1 << 63, 256), dtype=np.uint64)


@cache
def _powers() -> NDArray[np.uint64]:
    """Return the powers of a fixed odd number modulo 2^64."""
    return np.asarray(np.cumprod(np.array([1] + [MULTIPLIER] * (POWERS - 1), dtype=np.uint64)), dtype=np.uint64)


def _value_of(scalars: Scalars, code: int) -> Any:  # noqa: ANN401 - a value of any field
    """Return what a code means: a whole number where it is one, whether it was written as 2 or as 2.0."""
    if code < FIRST:
        return {NULL: None, FALSE: False, TRUE: True}[code]
    if code >= scalars.first_text:
        return scalars.texts.text(code - scalars.first_text)
    place = code - FIRST
    high = float(scalars.numbers.high[place])
    if len(scalars.numbers.low) and scalars.numbers.low[place]:
        return int(high) + int(scalars.numbers.low[place])
    return int(high) if high.is_integer() and abs(high) <= MOST_WHOLE else high


def _place(value: Any) -> tuple[int, Any]:  # noqa: ANN401 - a value of any field
    """Return the place of a value in the order of kinds, and among those of its kind."""
    kind = kind_of(value)
    if kind in {"boolean", "number", "text"} and value == value:  # noqa: PLR0124 - NaN has no place
        return ORDER.index(kind), value
    return ORDER.index(kind if kind in {"null", "list"} else "other"), repr(value)


def _checked_range(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Return a range that can hold a number."""
    for end in (low, high):
        if end is not None and (KINDS.get(type(end)) != "number" or math.isnan(end)):
            raise DtypeError(
                f"The end of a range must be a number or None, got {type(end).__name__}.",
                expected="a number",
                got=type(end).__name__,
                where="ranges",
            )
    if low is not None and high is not None and low >= high:
        raise RangeError(
            f"A range must have its low below its high, got [{low}, {high}).",
            expected="low < high",
            got=f"[{low}, {high})",
            where="ranges",
        )
    return low, high


def _codes_within(column: Column, low: float | None, high: float | None) -> Mask:
    """Return of each code whether it is a number within [low, high), or a list with one."""
    values = column.values
    held = np.zeros(values.size, dtype=np.bool_)
    held[slice(*_interval(values.scalars, low, high))] = True
    if len(values.lists):
        held[values.first_list + values.lists.holding_codes(*_interval(values.lists.scalars, low, high))] = True
    for place, value in enumerate(values.tail, values.first_of_tail):
        held[place] = any(_is_within(one, low, high) for one in (value if isinstance(value, list) else (value,)))
    return held


def _interval(scalars: Scalars, low: float | None, high: float | None) -> tuple[int, int]:
    """Return the half-open interval of the codes of the numbers within [low, high)."""
    first = 0 if low is None else scalars.numbers.first_at_least(low)
    behind = len(scalars.numbers) if high is None else scalars.numbers.first_at_least(high)
    return FIRST + first, FIRST + max(first, behind)


def _is_within(value: Any, low: float | None, high: float | None) -> bool:  # noqa: ANN401 - a value of any field
    return kind_of(value) == "number" and (low is None or value >= low) and (high is None or value < high)
