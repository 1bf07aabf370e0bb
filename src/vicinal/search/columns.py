"""The fields of a lane by column: for each row the code of its record's value, page by page.

A page is 262,144 rows. What was appended or changed touches the columns of its page; all others are shared with the
columns of before, so that following a commit costs what the commit wrote, and not what is stored.
"""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal import kernels
from vicinal.errors import RangeError
from vicinal.search import pages, saved
from vicinal.search.pages import Labelled, Page
from vicinal.search.scalars import FALSE, TRUE
from vicinal.types import Bits, Mask

CACHE_BYTES = 64 << 20
"""Bytes of bitmaps that are remembered."""

ENTRY_BYTES = 512
"""What a remembered bitmap takes beside itself."""

_SERIALS = itertools.count(1)


class _Remembered:
    """Bitmaps by filter and by what they are of; the longest unused go first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._found: OrderedDict[Any, Bits] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: Any) -> Bits | None:  # noqa: ANN401 - any hashable
        """Return what was put under a key."""
        with self._guard:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: Any, bits: Bits) -> None:  # noqa: ANN401 - any hashable
        """Remember a bitmap, which is not to be changed any more."""
        bits.flags.writeable = False
        with self._guard:
            if bits.nbytes * 4 > self._most or key in self._found:
                return
            self._found[key] = bits
            self._bytes += bits.nbytes + ENTRY_BYTES
            while self._bytes > self._most:
                _, gone = self._found.popitem(last=False)
                self._bytes -= gone.nbytes + ENTRY_BYTES


class Columns:
    """All fields of the rows of a lane, as of one commit. Made by ``empty``, ``open`` and ``advanced``.

    ``next_row`` is the row number behind the last. Rows that died keep what they had: who asks lets the living through.

    Notes
    -----
    Memory: 1, 2 or 4 bytes a row and field, and each distinct value once a page; a field of distinct numbers takes
    20 bytes a row, postings included.
    Threads: nothing that a reader sees changes; ``advanced`` returns another object.
    """

    __slots__ = ("_remembered", "_serial", "next_row", "pages")

    def __init__(self, next_row: int, held: Mapping[int, Page], remembered: _Remembered) -> None:
        self.next_row = next_row
        self.pages = held
        self._remembered = remembered
        self._serial = next(_SERIALS)

    @classmethod
    def empty(cls, *, cache_bytes: int = CACHE_BYTES) -> Columns:
        """Return the columns of no rows, which remember at most so many bytes of bitmaps."""
        return cls(0, {}, _Remembered(cache_bytes))

    @property
    def names(self) -> list[str]:
        """The fields that a record has, or had, sorted."""
        return sorted({name for page in self.pages.values() for name in page.columns})

    def kinds(self, name: str) -> frozenset[str] | None:
        """Return the kinds of a field's values beside booleans and null; None if no record has it."""
        columns = [page.columns[name] for page in self.pages.values() if name in page.columns]
        return frozenset[str]().union(*(column.values.kinds for column in columns)) if columns else None

    def has_booleans(self, name: str) -> bool:
        """Return whether a row has true or false in a field. Cost: a pass over its codes."""
        columns = (page.columns[name] for page in self.pages.values() if name in page.columns)
        return any(bool(((column.codes == FALSE) | (column.codes == TRUE)).any()) for column in columns)

    @property
    def byte_count(self) -> int:
        """Bytes of all arrays."""
        columns = (column for page in self.pages.values() for column in page.columns.values())
        return sum(column.byte_count for column in columns) + sum(page.heads.nbytes for page in self.pages.values())

    def advanced(self, next_row: int, appended: Labelled = (), relabelled: Labelled = ()) -> Columns:
        """Return the columns as of a later commit.

        Parameters
        ----------
        next_row : int, self.next_row <= next_row
            The row number behind the last.
        appended : iterable of (int, int, fields)
            First row, row count and fields of records in rows that had none; ascending.
        relabelled : iterable of (int, int, fields)
            The same of records whose fields changed; what a record had and has no more is missing then.

        Raises
        ------
        RangeError
            A row lies behind ``next_row``, or ``next_row`` went back.

        Notes
        -----
        Cost: about 0.5 µs a value; some 100 µs where a page is changed that is not the last.
        Memory: the values of some 32,768 records beside the columns.
        """
        if next_row < self.next_row:
            raise RangeError(
                f"Columns of {self.next_row} rows cannot go back to {next_row}.",
                expected=f">= {self.next_row}",
                got=next_row,
                where="next_row",
            )
        held = dict(self.pages)
        before = -1
        for number, batch in pages.batches(appended, next_row):
            if before not in {-1, number}:
                held[before] = pages.settled(held[before], is_over=True)
            page = held.get(number) or pages.blank(number, next_row)
            is_new = number * pages.PAGE_ROWS + batch[0][0] >= self.next_row
            held[number] = (pages.appended if is_new else pages.relabelled)(page, batch)
            before = number
        for number, batch in pages.batches(relabelled, next_row):
            held[number] = pages.relabelled(held.get(number) or pages.blank(number, next_row), batch)
        for number, page in held.items():
            held[number] = self._settled(page, next_row)
        return Columns(next_row, held, self._remembered)

    def _settled(self, page: Page, next_row: int) -> Page:
        """Return a page as it is to be kept: as it was, if nothing happened on it."""
        row_count = min(next_row - page.number * pages.PAGE_ROWS, pages.PAGE_ROWS)
        before = self.pages.get(page.number)
        if before is page and page.row_count == row_count:
            return page
        page = pages.filled(replace(page, row_count=row_count), page.columns)
        is_over = row_count == pages.PAGE_ROWS and (before is None or before.row_count < pages.PAGE_ROWS)
        return pages.settled(page, is_over=is_over)

    def heads(self) -> Bits:
        """Return the first row of each record, ``ceil(next_row / 64)`` words; rows that died keep theirs."""
        words = pages.PAGE_ROWS // 64
        found = np.zeros(-(-self.next_row // 64), dtype=np.uint64)
        for number, page in self.pages.items():
            found[number * words : number * words + len(page.heads)] = page.heads
        return found

    def bits(self, key: Any, check: Callable[[Columns], None], test: Callable[[Page], Bits]) -> Bits:  # noqa: ANN401
        """Return the rows that a test lets through, page by page, remembered under a key.

        Parameters
        ----------
        key : hashable
            What tells the test from any other.
        check : callable
            Raises if the test is not to be asked of these columns; called where nothing is remembered.
        test : callable
            Page → bitmap of its rows.

        Returns
        -------
        uint64 array of ``ceil(next_row / 64)`` words
            Not to be written to. Rows without a record are those of a record without fields.
        """
        whole = self._remembered.get((self._serial, key))
        if whole is not None:
            return whole
        check(self)
        found = [self._page_bits(page, key, test) for page in self._all_pages()]
        whole = np.concatenate(found) if len(found) > 1 else found[0] if found else np.zeros(0, dtype=np.uint64)
        self._remembered.put((self._serial, key), whole)
        return whole

    def _page_bits(self, page: Page, key: Any, test: Callable[[Page], Bits]) -> Bits:  # noqa: ANN401 - any hashable
        """Return the bitmap of one page, which is the same for all columns that share it."""
        if not page.serial:
            return test(page)
        bits = self._remembered.get((-page.serial, key))
        if bits is None:
            bits = test(page)
            self._remembered.put((-page.serial, key), bits)
        return bits

    def _all_pages(self) -> Iterator[Page]:
        """Go through the pages, those without any field too."""
        for number in range(-(-self.next_row // pages.PAGE_ROWS)):
            page = self.pages.get(number)
            yield page or pages.blank(number, self.next_row)

    def pruned(self, alive: Bits) -> Columns:
        """Return the columns without the pages on which no row lives: after a compaction, those that it emptied."""
        words = pages.PAGE_ROWS // 64
        held = {
            number: page for number, page in self.pages.items() if alive[number * words : (number + 1) * words].any()
        }
        return self if len(held) == len(self.pages) else Columns(self.next_row, held, self._remembered)

    def save(self, folder: Path, meta: Mapping[str, Any]) -> None:
        """Publish the columns in a folder, with what ``open`` is to know them by.

        Parameters
        ----------
        folder : Path
            Holds these columns and nothing else; made if it is not there.
        meta : mapping
            Plain JSON.

        Raises
        ------
        NoSpaceLeftError, ReadOnlyError, StoreError
            The disk refused; what was published before is untouched.
        """
        saved.save(folder, (self.pages[number] for number in sorted(self.pages)), self.next_row, meta)

    @classmethod
    def open(
        cls, folder: Path, accepts: Callable[[Mapping[str, Any]], bool], *, cache_bytes: int = CACHE_BYTES
    ) -> Columns | None:
        """Return the columns that were saved last, mapped; None if there are none that are sound and accepted.

        Parameters
        ----------
        folder : Path
            May be missing.
        accepts : callable
            Asked with the meta: whether they are of this lane, and of its history.
        cache_bytes : int
            As ``empty``.

        Warns
        -----
        DamagedIndexWarning
            A file is damaged, and named; the columns are to be built again from the store.

        Notes
        -----
        Cost: a millisecond and some 50 µs for each field and page; values are read when they are asked for.
        """
        found = saved.load(folder, accepts)
        return None if found is None else cls(*found, _Remembered(cache_bytes))

    def mask(self, bits: Bits) -> Mask:
        """Return a bitmap of these rows as booleans."""
        return kernels.mask_of_bits(bits, self.next_row)
