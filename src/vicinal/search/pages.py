"""Runs of rows that are kept together: what changes touches the columns of its page and no others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from vicinal.errors import RangeError
from vicinal.search.column import Column, no_rows
from vicinal.search.meaning import MISSING
from vicinal.types import Bits, Fields, Rows

PAGE_ROWS = 1 << 18
"""Rows of a page: so many that what a condition costs beside its scan is small, and so few that a copy is cheap."""
BATCH_RECORDS = 1 << 15
"""Records whose values are gathered before they are numbered: what is held of them as objects."""

Labelled: TypeAlias = Iterable[tuple[int, int, Fields]]
"""(first row, row count, fields) of records: every row of a record has its fields."""
Batch: TypeAlias = Sequence[tuple[int, int, Fields, bool]]
"""The same within one page, rows counted from its first, and whether the record begins there, not on a page before."""

_SERIALS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Page:
    """The columns of the rows [number · PAGE_ROWS, … + row_count).

    ``heads`` has a bit for the first row of each record, in as many words as that takes; rows behind them are no heads.
    ``serial`` tells any two pages apart that ever were; 0 is a page on which nothing was written.
    """

    number: int
    row_count: int
    columns: Mapping[str, Column]
    heads: Bits
    serial: int

    @property
    def word_count(self) -> int:
        """The length of a bitmap of the page."""
        return -(-self.row_count // 64)


def blank(number: int, next_row: int) -> Page:
    """Return a page without fields, of a lane whose rows end before ``next_row``."""
    return Page(number, min(next_row - number * PAGE_ROWS, PAGE_ROWS), {}, np.zeros(0, dtype=np.uint64), 0)


def filled(page: Page, columns: Mapping[str, Column]) -> Page:
    """Return the page with other columns."""
    return replace(page, columns=columns, serial=next(_SERIALS))


def batches(labelled: Labelled, next_row: int) -> Iterator[tuple[int, Batch]]:
    """Go through records as (page number, those of its rows), at most ``BATCH_RECORDS`` at a time.

    Raises
    ------
    RangeError
        A record's rows are not within [0, next_row).
    """
    number, first, most = -1, 0, 0  # a record within [first, most) is of the page that is being gathered
    batch: list[tuple[int, int, Fields, bool]] = []
    for first_row, row_count, fields in labelled:
        if first <= first_row <= first_row + row_count <= most and len(batch) < BATCH_RECORDS:
            batch.append((first_row - first, row_count, fields, True))
            continue
        _require_rows(first_row, row_count, next_row)
        row, end = first_row, first_row + row_count
        while row < end:
            of_row, start = divmod(row, PAGE_ROWS)
            if of_row != number or len(batch) >= BATCH_RECORDS:
                if batch:
                    yield number, batch
                number, first, batch = of_row, row - start, []
                most = min(first + PAGE_ROWS, next_row)
            here = min(end - row, PAGE_ROWS - start)
            batch.append((start, here, fields, row == first_row))
            row += here
    if batch:
        yield number, batch


def _require_rows(first_row: int, row_count: int, next_row: int) -> None:
    """Refuse a record whose rows are none of the lane's."""
    if not 0 <= first_row <= first_row + row_count <= next_row:
        raise RangeError(
            f"The rows {first_row} to {first_row + row_count} of a record are not within 0 to {next_row}.",
            expected=f"0 to {next_row}",
            got=first_row,
            where="first_row",
        )


def appended(page: Page, batch: Batch) -> Page:
    """Return the page with records in rows that had none."""
    starts = np.array([start for start, _, _, _ in batch], dtype=np.int64)
    counts = np.array([count for _, count, _, _ in batch], dtype=np.int64)
    begun = np.array([is_head for _, _, _, is_head in batch], dtype=np.bool_)
    places: dict[str, list[int]] = {}
    for place, (_, _, fields, _) in enumerate(batch):
        for name in fields:
            if name in places:
                places[name].append(place)
            else:
                places[name] = [place]
    columns = dict(page.columns)
    for name, having in places.items():
        before = columns.get(name) or no_rows()
        if len(having) == len(batch):
            columns[name] = before.with_rows(starts, counts, [fields[name] for _, _, fields, _ in batch])
        else:
            columns[name] = before.with_rows(starts[having], counts[having], [batch[one][2][name] for one in having])
    return replace(filled(page, columns), heads=_with_heads(page.heads, starts[begun & (counts > 0)]))


def relabelled(page: Page, batch: Batch) -> Page:
    """Return the page with records whose fields are others now; what a record has no more is missing."""
    last = {start: (count, fields) for start, count, fields, _ in batch}
    starts = np.array(list(last), dtype=np.int64)
    counts = np.array([count for count, _ in last.values()], dtype=np.int64)
    columns = dict(page.columns)
    for name in {*columns, *(name for _, fields in last.values() for name in fields)}:
        values = [fields.get(name, MISSING) for _, fields in last.values()]
        columns[name] = (columns.get(name) or no_rows()).with_rows(starts, counts, values)
    return filled(page, columns)


def _with_heads(heads: Bits, rows: Rows) -> Bits:
    """Return the bits with those of further rows, in no more words than they take."""
    if not len(rows):
        return heads
    found = np.zeros(max(len(heads), int(rows.max()) // 64 + 1), dtype=np.uint64)
    found[: len(heads)] = heads
    np.bitwise_or.at(found, rows // 64, np.uint64(1) << (rows % 64).astype(np.uint64))
    return found


def settled(page: Page, *, is_over: bool) -> Page:
    """Return the page with its columns in order, where that pays; ``is_over`` says that no row will be added."""
    columns = {name: column.finished() if is_over else column.settled() for name, column in page.columns.items()}
    return page if all(columns[name] is page.columns[name] for name in columns) else filled(page, columns)
