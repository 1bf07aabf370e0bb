"""Columns: what is shared, what is remembered, what is on disk, and what a damaged file does."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vicinal import kernels
from vicinal.errors import DamagedIndexWarning, DtypeError, RangeError
from vicinal.index import generation
from vicinal.search import Columns, compile_filter, saved
from vicinal.search import column as column_module
from vicinal.search import columns as columns_module
from vicinal.search import pages as pages_module

FIELDS: dict[str, Any] = {"year": 2020, "name": "a", "tags": ["x"], "ok": True, "big": 2**63, "huge": 10**400}


def labelled(first: int, end: int) -> list[tuple[int, int, dict[str, Any]]]:
    """Return records of one row each, every field another value in each."""
    return [
        (row, 1, {"number": row, "name": f"n{row:05}", "tags": [row % 7], "half": row % 2 == 0})
        for row in range(first, end)
    ]


def found(columns: Columns, where: dict[str, Any]) -> list[int]:
    """Return the rows that a filter lets through."""
    return np.flatnonzero(compile_filter(where).mask(columns)).tolist()


def test_nothing_is_changed_for_readers_of_before():
    """An older version answers as it did, after appending in its buffers, changing its rows, and advancing it twice."""
    old = Columns.empty().advanced(3, labelled(0, 3))
    new = old.advanced(6, labelled(3, 6), [(1, 1, {"number": 99})])
    other = old.advanced(4, [(3, 1, {"number": -1})])
    assert found(old, {"number": {"$gte": 0}}) == [0, 1, 2]
    assert found(new, {"number": {"$gte": 3}}) == [1, 3, 4, 5]
    assert found(other, {"number": {"$lt": 1}}) == [0, 3]
    assert found(new, {"name": {"$exists": False}}) == [1]


def test_appending_shares_what_is_there():
    """The codes of the rows before lie in the same memory, until there is no room."""
    old = Columns.empty().advanced(3, labelled(0, 3))
    new = old.advanced(6, labelled(3, 6))
    for name, column in old.pages[0].columns.items():
        assert np.shares_memory(column.codes, new.pages[0].columns[name].codes)
    assert old.advanced(3).pages[0] is old.pages[0]


def test_threads_that_advance_the_same_columns_do_not_meet():
    """Each of eight gets what it wrote, though only one of them may write behind the old rows."""
    old = Columns.empty().advanced(10, labelled(0, 10))
    made: list[Columns | None] = [None] * 8
    gate = threading.Barrier(8)

    def advance(place: int) -> None:
        gate.wait()
        made[place] = old.advanced(11, [(10, 1, {"number": 1000 + place})])

    threads = [threading.Thread(target=advance, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found(columns, {"number": 1000 + place}) for place, columns in enumerate(made) if columns] == [[10]] * 8


def test_many_values_are_put_in_order_and_found_by_postings(monkeypatch: pytest.MonkeyPatch):
    """5,000 distinct values of each kind, in random order and in two commits: ranges, single ones and lists of them."""
    monkeypatch.setattr(column_module, "MOST_CHANGED", 64)
    order = np.random.default_rng(0).permutation(5000).tolist()
    records = [
        (row, 1, {"number": value, "name": f"n{value:05}", "tags": [value, "t"]}) for row, value in enumerate(order)
    ]
    columns = Columns.empty().advanced(3000, records[:3000]).advanced(5000, records[3000:])
    column = columns.pages[0].columns["number"]
    assert column.posted >= 3000
    assert len(column.values.tail) <= column_module.MOST_IN_TAIL
    for where, low, high in [
        ({"number": {"$gte": 17, "$lt": 23}}, 17, 23),
        ({"number": {"$lt": 4000}}, 0, 4000),
        ({"name": {"$gt": "n00016", "$lte": "n00022"}}, 17, 23),
        ({"name": {"$prefix": "n0002"}}, 20, 30),
        ({"name": {"$in": ["n00021", "n00022", "nobody"]}}, 21, 23),
        ({"number": {"$in": list(range(100, 400))}}, 100, 400),
        ({"tags": {"$contains": 7}}, 7, 8),
        ({"tags": [8, "t"]}, 8, 9),
    ]:
        assert found(columns, where) == [row for row, value in enumerate(order) if low <= value < high], where


def test_what_was_asked_is_remembered_until_its_page_changes(monkeypatch: pytest.MonkeyPatch):
    """The same filter, written another way, gives the same array; one of another meaning does not."""
    columns = Columns.empty().advanced(100, labelled(0, 100))
    first = compile_filter({"number": {"$in": [1, 2]}, "half": True}).bits(columns)
    again = compile_filter({"$and": [{"half": True}, {"number": {"$in": [1.0, 2]}}]}).bits(columns)
    assert again is first
    assert not first.flags.writeable
    assert compile_filter({"number": 1}).bits(columns) is not compile_filter({"number": True}).bits(columns)
    assert found(columns, {"number": True}) == []
    assert compile_filter({"number": {"$in": [1, 2]}, "half": True}).bits(columns.advanced(101)) is not first


def test_what_is_remembered_is_bounded():
    """Of many bitmaps of 1,600 bytes at most as many are kept as fit, what each takes beside itself counted."""
    columns = Columns.empty(cache_bytes=160_000).advanced(12_800, [(0, 12_800, {"a": 1})])
    for value in range(300):
        compile_filter({"a": value}).bits(columns)
    assert columns._remembered._bytes <= 160_000
    kept = columns._remembered._found.values()
    assert sum(bits.nbytes + columns_module.ENTRY_BYTES for bits in kept) == columns._remembered._bytes


def test_rows_are_checked():
    """Rows behind the last, and a last row that goes back, are errors."""
    columns = Columns.empty().advanced(5, [(0, 5, {"a": 1})])
    with pytest.raises(RangeError, match="cannot go back"):
        columns.advanced(4)
    with pytest.raises(RangeError, match="not within 0 to 6"):
        columns.advanced(6, [(5, 2, {"a": 1})])
    with pytest.raises(RangeError, match="not within"):
        columns.advanced(6, (), [(-1, 2, {"a": 1})])


def test_pages_without_a_living_row_are_let_go():
    """After a compaction emptied the first page, its columns are gone and its rows are as those without fields."""
    page = 1 << 18
    columns = Columns.empty().advanced(page + 2, [(0, 1, {"a": 1}), (page, 2, {"a": 2})])
    pruned = columns.pruned(kernels.bits_of_rows(np.array([page]), page + 2))
    assert list(pruned.pages) == [1]
    assert found(pruned, {"a": {"$gte": 1}}) == [page, page + 1]
    assert columns.pruned(kernels.bits_of_rows(np.array([0, page]), page + 2)) is columns
    assert found(pruned.advanced(page + 3, [(page + 2, 1, {"a": 1})]), {"a": 1}) == [page + 2]


def test_a_field_of_booleans_is_not_ordered():
    """True and false have no order with numbers, and the error says that they are there; null alone is no error."""
    columns = Columns.empty().advanced(2, [(0, 1, {"ok": True, "none": None})])
    with pytest.raises(DtypeError, match="holds boolean, but"):
        found(columns, {"ok": {"$gt": 0}})
    assert found(columns, {"none": {"$gt": 0}}) == []


def test_saved_columns_are_opened_mapped(tmp_path: Path):
    """What is opened answers the same for all kinds of values, owns no array, and goes on."""
    columns = Columns.empty().advanced(3000, [*labelled(0, 2999), (2999, 1, FIELDS)])
    columns.save(tmp_path, {"lane": 3})
    opened = Columns.open(tmp_path, lambda meta: meta["lane"] == 3)
    assert opened is not None
    assert (opened.next_row, opened.names) == (3000, columns.names)
    column = opened.pages[0].columns["number"]
    assert not column.codes.flags.owndata
    assert not column.codes.flags.writeable
    for where in ({"number": {"$lt": 9}}, {"name": "a"}, {"huge": {"$gt": 10**399}}, {"big": 2**63}, {"tags": ["x"]}):
        assert found(opened, where) == found(columns, where)
        assert found(opened, where)
    later = opened.advanced(3001, [(3000, 1, FIELDS)], [(0, 1, {"name": "a"})])
    assert found(later, {"name": "a"}) == [0, 2999, 3000]
    assert Columns.open(tmp_path, lambda meta: meta["lane"] == 4) is None
    assert Columns.open(tmp_path / "nowhere", lambda _: True) is None


@pytest.mark.parametrize("name", ["content.bin", "directory.bin", "manifest.json"])
def test_damage_is_a_warning_and_nothing_is_opened(tmp_path: Path, name: str):
    """A changed byte of any file: the file is named, and the caller builds the columns again."""
    Columns.empty().advanced(3, labelled(0, 3)).save(tmp_path, {})
    (path,) = tmp_path.rglob(name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(DamagedIndexWarning, match=name.partition(".")[0]):
        assert Columns.open(tmp_path, lambda _: True) is None


@pytest.mark.parametrize(
    "directory",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"next_row": 1}',
        b'{"next_row": 1, "pages": [{"number": -1, "row_count": 1, "columns": []}]}',
        b'{"next_row": 1, "pages": [{"number": 0, "row_count": 1e9, "columns": []}]}',
        b'{"next_row": 1, "pages": [{"number": 0, "row_count": 1, "columns": [{"name": "a", "arrays": [], "tail": []}]}]}',
        b'{"next_row": 1, "pages": [{"number": 0, "row_count": 1, "columns": [{"name": "a", "arrays": [[0, 99, "uint8"]], "tail": []}]}]}',
        b'{"next_row": 1, "pages": [{"number": 0, "row_count": 1, "columns": [{"name": "a", "arrays": [[0, 1, "object"]], "tail": []}]}]}',
    ],
)
def test_a_directory_that_is_none_is_a_warning(tmp_path: Path, directory: bytes):
    """Whatever another program wrote under sound checksums is no error and no wrong answer."""
    arrays = {"content": np.zeros(8, np.uint8), "directory": np.frombuffer(directory, np.uint8)}
    generation.publish(tmp_path, arrays, {saved.VERSION_NAME: saved.VERSION})
    with pytest.warns(DamagedIndexWarning, match=r"directory\.bin"):
        assert Columns.open(tmp_path, lambda _: True) is None


def test_a_list_that_shares_an_element_with_the_one_it_replaces(tmp_path: Path) -> None:
    """The element keeps its meaning when the list that had it first is gone from the dictionary."""
    columns = Columns.empty().advanced(2, [(0, 1, {"tags": ["billing", "old"]}), (1, 1, {"tags": ["card"]})])
    for step in range(3):
        columns.save(tmp_path / str(step), {})
        opened = Columns.open(tmp_path / str(step), lambda _: True)
        assert opened is not None
        columns = opened.advanced(2, [], [(0, 1, {"tags": ["billing", f"new{step}"]})])
        for tag, rows in (("billing", [True, False]), ("card", [False, True]), (f"new{step}", [True, False])):
            assert compile_filter({"tags": {"$contains": tag}}).mask(columns).tolist() == rows


@pytest.mark.parametrize("page_rows", [64, 128, 1 << 18])
def test_heads_are_the_first_rows_of_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_rows: int):
    """Each record has one head, wherever pages and calls end between its rows; relabelling and saving keep them."""
    monkeypatch.setattr(pages_module, "PAGE_ROWS", page_rows)
    random = np.random.default_rng(3)
    columns, row, heads = Columns.empty(), 0, []
    for _ in range(20):
        records = []
        for _ in range(int(random.integers(1, 9))):
            count = int(random.integers(0, 90))
            records.append((row, count, {"year": row} if row % 3 else {}))
            heads += [row] * (count > 0)
            row += count
        columns = columns.advanced(row, records)
    assert kernels.rows_of_bits(columns.heads()).tolist() == heads
    columns = columns.advanced(row + 5, (), [(heads[4], heads[5] - heads[4], {"name": "other"})])
    assert kernels.rows_of_bits(columns.heads()).tolist() == heads
    assert len(columns.heads()) == -(-(row + 5) // 64)
    columns.save(tmp_path, {})
    opened = Columns.open(tmp_path, lambda _: True)
    assert opened is not None
    assert opened.heads().tolist() == columns.heads().tolist()
