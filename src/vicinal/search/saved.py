"""Pages of columns as two arrays on disk: everything that they hold, end to end, and a directory of what is where.

```text
content    uint8   arrays of all columns, each begun at a multiple of 8 bytes
directory  uint8   JSON: {"next_row", "pages": [{"number", "row_count", "heads", "columns": [{"name", "arrays", "tail"}]}]}
                   heads: [place in content, length, type]; arrays: the same of each, in the order of ``_arrays``
```
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import DamagedIndexWarning
from vicinal.index import generation
from vicinal.search.column import Column
from vicinal.search.dictionary import Dictionary
from vicinal.search.lists import Lists
from vicinal.search.pages import PAGE_ROWS, Page, filled
from vicinal.search.postings import Postings
from vicinal.search.scalars import Numbers, Scalars
from vicinal.search.texts import Texts

VERSION = 2
VERSION_NAME = "columns_version"
STEP_BYTES = 8
TYPES = ("uint8", "uint16", "uint32", "uint64", "int64", "float64")


def save(folder: Path, held: Iterable[Page], next_row: int, meta: Mapping[str, Any]) -> None:
    """Publish pages as the newest generation of a folder, one column in memory at a time.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; what was published before is untouched.
    """
    with generation.publish_stream(folder, {**meta, VERSION_NAME: VERSION}) as draft:
        place = 0
        told = []

        def put(array: NDArray[Any]) -> list[Any]:
            """Append an array to the content; return where it is."""
            nonlocal place
            entry = [place, len(array), array.dtype.name]
            content = np.ascontiguousarray(array).view(np.uint8)
            rest = np.zeros(-len(content) % STEP_BYTES, dtype=np.uint8)
            for block in (content, rest):
                draft.append("content", block)
                place += len(block)
            return entry

        for page in held:
            columns = []
            for name, column in page.columns.items():
                whole = column.finished()
                entries = [put(array) for array in _arrays(whole)]
                columns.append({"name": name, "arrays": entries, "tail": list(whole.values.tail)})
            about = {"number": page.number, "row_count": page.row_count, "heads": put(page.heads)}
            told.append({**about, "columns": columns})
        directory = json.dumps({"next_row": next_row, "pages": told}, separators=(",", ":"))
        draft.append("content", np.zeros(STEP_BYTES, dtype=np.uint8))
        draft.put("directory", np.frombuffer(directory.encode(), dtype=np.uint8))


def load(folder: Path, accepts: Callable[[Mapping[str, Any]], bool]) -> tuple[int, dict[int, Page]] | None:
    """Return the row behind the last and the pages of the newest sound generation, mapped; None if there is none.

    Warns
    -----
    DamagedIndexWarning
        A file is damaged, and named.
    """
    found = generation.latest(folder, lambda meta: meta.get(VERSION_NAME) == VERSION and accepts(meta))
    if found is None:
        return None
    try:
        directory = json.loads(bytes(found.arrays["directory"]))
        pages = {told["number"]: _page(told, found.arrays["content"]) for told in directory["pages"]}
        next_row = int(directory["next_row"])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        warnings.warn(
            f"{found.path / 'directory.bin'} is no directory of columns. It is derived: nothing is lost, and it is built again.",
            DamagedIndexWarning,
            stacklevel=3,
        )
        return None
    return next_row, pages


def _arrays(column: Column) -> Iterator[NDArray[Any]]:
    """Go through the arrays of a column in the order of the file."""
    postings = column.postings or Postings(np.zeros(0, dtype=np.uint32), np.zeros(0, dtype=np.uint32))
    lists = column.values.lists
    yield column.codes
    yield from (postings.order, postings.starts)
    for scalars in (column.values.scalars, lists.scalars):
        yield from (scalars.numbers.high, scalars.numbers.low, scalars.texts.arena, scalars.texts.starts)
    yield from (lists.elements, lists.starts, lists.holders.order, lists.holders.starts)


def _page(told: Mapping[str, Any], content: NDArray[np.uint8]) -> Page:
    """Return a page of the directory."""
    number, row_count = int(told["number"]), int(told["row_count"])
    if number < 0 or not 0 < row_count <= PAGE_ROWS:
        raise ValueError(number, row_count)
    columns = {str(one["name"]): _column(one, content) for one in told["columns"]}
    heads = _view(content, *told["heads"])
    if any(len(column.codes) > row_count for column in columns.values()) or heads.dtype != np.uint64:
        raise ValueError(row_count)
    if len(heads) > -(-row_count // 64):
        raise ValueError(row_count)
    return filled(Page(number, row_count, {}, heads, 0), columns)


def _column(told: Mapping[str, Any], content: NDArray[np.uint8]) -> Column:
    """Return a column of the directory: views of the mapped file, nothing is read."""
    codes, order, starts, *values, elements, list_starts, holder_order, holder_starts = (
        _view(content, *entry) for entry in told["arrays"]
    )
    of_rows, of_lists = (
        Scalars(Numbers(high, low), Texts(arena, text_starts))
        for high, low, arena, text_starts in (values[:4], values[4:])
    )
    lists = Lists(of_lists, elements, list_starts, Postings(holder_order, holder_starts))
    dictionary = Dictionary(of_rows, lists, tuple(told["tail"]), {}).with_keys()
    if len(starts) and len(order) != len(codes):
        raise ValueError(len(order))
    return Column(codes, dictionary, Postings(order, starts) if len(starts) else None)


def _view(content: NDArray[np.uint8], place: int, length: int, kind: str) -> NDArray[Any]:
    """Return a part of the file as the array that it is."""
    if kind not in TYPES or place < 0 or length < 0 or place % STEP_BYTES:
        raise ValueError(kind)
    end = place + length * np.dtype(kind).itemsize
    if end > len(content):
        raise ValueError(end)
    return content[place:end].view(kind)
