"""Small commits: their vectors stand in SQLite until their file is synced, and a power cut in between loses nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from store_worlds import contents, put, records, vectors
from vicinal.errors import AlreadyExistsError, CorruptStoreError
from vicinal.lifecycle import snapshots
from vicinal.store import Store
from vicinal.store.format import HEADER_BYTES

ROW_BYTES = 8 * 4
"""Of ``store_worlds``."""


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each sync of a vector file."""
    seen: list[int] = []
    sync = os.fdatasync

    def counted(handle: int) -> None:
        seen.append(handle)
        sync(handle)

    monkeypatch.setattr("vicinal.store.segment.os.fdatasync", counted)
    return seen


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open database of ten records, the last five of them of small commits whose file was not synced."""
    made = Store.open(tmp_path / "db")
    put(made, records(range(5), spans=1), 1)
    for name in range(5, 10):
        put(made, records([name], spans=1), name)
    yield made
    made.close()


def pending(folder: Path) -> list[tuple[int, int]]:
    """Return (row of the file, bytes) of what stands in SQLite."""
    connection = sqlite3.connect(f"file:{folder}/vicinal.sqlite?mode=ro", uri=True)
    try:
        return connection.execute("SELECT place % 262144, length(rows) FROM pending ORDER BY place").fetchall()
    finally:
        connection.close()


def after_cut(store: Store, folder: Path, garbage: bytes = b"\0") -> Path:
    """Return a copy of an open database as a power cut leaves it that took every row which was never synced."""
    shutil.copytree(store.folder, folder)
    (path,) = (folder / "vectors").glob("*/*.vec")
    with path.open("r+b") as file:
        for row, length in pending(folder):
            file.seek(HEADER_BYTES + row * ROW_BYTES)
            file.write((garbage * length)[:length])
    return folder


def wanted() -> dict[str, bytes]:
    """Return id → bytes of the vector of what ``store`` holds."""
    first = {f"r{name}": row.tobytes() for name, row in enumerate(np.asarray(vectors(5, 1)))}
    return first | {f"r{name}": np.asarray(vectors(1, name)).tobytes() for name in range(5, 10)}


def read(store: Store) -> dict[str, bytes]:
    """Return id → bytes of the vector, by ``vectors_at`` and by the view of an index, which must agree."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        found = snapshot.chunks_of(lane, list(snapshot.ids(lane)))
        rows = np.array([one.first_row for one in found.values()], dtype=np.int64)
        taken = snapshot.vectors_at(lane, rows)
        (first, viewed), *_ = store.view(snapshot, lane).parts
        np.testing.assert_array_equal(taken, viewed[rows - first])
        return {record_id: row.tobytes() for record_id, row in zip(found, taken, strict=True)}


def test_a_small_commit_syncs_once(tmp_path: Path, syncs: list[int]) -> None:
    """Its vector file is synced by the first commit of a process, which makes its length certain, and by none behind it."""
    store = Store.open(tmp_path / "db")
    put(store, records(range(5), spans=1), 1)
    assert len(syncs) == 1
    for name in range(5, 10):
        put(store, records([name], spans=1), name)
    assert len(syncs) == 1
    assert pending(store.folder) == [(row, ROW_BYTES) for row in range(5, 10)]
    store.close()
    assert pending(tmp_path / "db") == []
    assert {one: raw for one, (_, raw) in contents(tmp_path / "db").items()} == wanted()


@pytest.mark.parametrize(("small", "most"), [(2 * ROW_BYTES, 1 << 20), (1 << 15, 3 * ROW_BYTES)])
def test_large_commits_and_many_small_ones_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syncs: list[int], small: int, most: int
) -> None:
    """Beyond either bound the file is synced, with all that was pending, which then stands in SQLite no more."""
    monkeypatch.setattr("vicinal.store.rows.SMALL_BYTES", small)
    monkeypatch.setattr("vicinal.store.rows.PENDING_BYTES", most)
    store = Store.open(tmp_path / "db")
    for name, count in enumerate([1, 1, 2, 3, 1]):
        put(store, records(range(name * 10, name * 10 + count), spans=1), name)
    assert len(syncs) == 2
    assert pending(store.folder) == [(7, ROW_BYTES)]
    store.check()
    store.close()


@pytest.mark.parametrize("garbage", [b"\0", b"\xff\x7f\x01"])
def test_a_power_cut_behind_a_small_commit_loses_nothing(store: Store, tmp_path: Path, garbage: bytes) -> None:
    """Who may only read finds every vector and changes nothing; the next who writes brings them into the file."""
    cut = after_cut(store, tmp_path / "cut", garbage)
    (path,) = (cut / "vectors").glob("*/*.vec")
    before = path.read_bytes()
    reader = Store.open(cut, read_only=True)
    reader.check()
    assert read(reader) == wanted()
    assert path.read_bytes() == before
    writer = Store.open(cut)
    assert read(writer) == wanted()
    put(writer, records([20], spans=1), 20)
    more = wanted() | {"r20": np.asarray(vectors(1, 20)).tobytes()}
    assert read(writer) == read(reader) == more
    assert pending(cut) == []
    put(writer, records([21], spans=1), 21)
    assert read(reader) == read(writer) == more | {"r21": np.asarray(vectors(1, 21)).tobytes()}
    reader.close()
    writer.close()
    in_order = sorted(read_closed(cut).items(), key=lambda pair: int(pair[0][1:]))
    assert path.read_bytes()[HEADER_BYTES:] == b"".join(raw for _, raw in in_order)


def read_closed(folder: Path) -> dict[str, bytes]:
    """Return id → bytes of the vector of a closed database."""
    store = Store.open(folder)
    found = read(store)
    store.close()
    return found


def test_a_power_cut_is_mended_by_closing_too(store: Store, tmp_path: Path) -> None:
    """A session that wrote nothing behind it brings the rows into the file when it seals."""
    cut = after_cut(store, tmp_path / "cut")
    writer = Store.open(cut)
    with writer.write() as transaction:
        transaction.put_setting("some", "value")
    assert len(pending(cut)) == 5
    writer.close()
    assert pending(cut) == []
    assert (cut / "vicinal.seal").exists()
    assert read_closed(cut) == wanted()


def test_a_length_that_another_left_is_not_trusted(store: Store, tmp_path: Path, syncs: list[int]) -> None:
    """A file may have been made longer without a sync by one who died: the first commit of a process syncs it."""
    cut = after_cut(store, tmp_path / "cut")
    (path,) = (cut / "vectors").glob("*/*.vec")
    os.truncate(path, path.stat().st_size + (1 << 20))
    syncs.clear()
    writer = Store.open(cut)
    put(writer, records([20], spans=1), 20)
    assert len(syncs) == 1
    writer.close()


def test_two_writers_in_turn(store: Store) -> None:
    """Neither trusts what it knew of the file before the other wrote; both read everything."""
    other = Store.open(store.folder)
    for name in range(20, 30):
        put(other if name % 3 else store, records([name], spans=1), name)
    names = wanted() | {f"r{name}": np.asarray(vectors(1, name)).tobytes() for name in range(20, 30)}
    assert read(store) == read(other) == names
    other.check()
    other.close()


def test_a_write_that_is_undone_leaves_nothing_pending(store: Store) -> None:
    """What it had written into the file is written over by the next."""

    def twice() -> None:
        with store.write() as transaction:
            for _ in range(2):
                transaction.put(transaction.lane("main"), records([20], spans=1), vectors(1), replace_existing=False)

    with pytest.raises(AlreadyExistsError):
        twice()
    assert len(pending(store.folder)) == 5
    put(store, records([21], spans=1), 21)
    assert read(store) == wanted() | {"r21": np.asarray(vectors(1, 21)).tobytes()}
    store.check()


def test_dropped_files_leave_nothing_pending(store: Store) -> None:
    """Neither a collection that goes nor a file that compaction empties leaves rows behind in SQLite."""
    with store.write() as transaction:
        transaction.delete(transaction.lane("main"), [f"r{name}" for name in range(8)])
    store.compact("main", sparse=0.1)
    store.check()
    assert set(read(store)) == {"r8", "r9"}
    put(store, records([20], spans=1), 20)
    with store.write() as transaction:
        transaction.drop_collection("main")
    assert pending(store.folder) == []
    store.check()


def test_the_reader_of_the_page_reads_what_is_pending(store: Store, tmp_path: Path) -> None:
    """The reader of docs/reference/format.md needs no file that was synced."""
    page = (Path(__file__).parents[3] / "docs/reference/format.md").read_text()
    scope: dict[str, Callable[..., Iterator[tuple[str, np.ndarray]]]] = {}
    exec(page.split("<!-- test: reader -->\n```python\n")[1].split("```")[0], scope)
    for folder in (store.folder, after_cut(store, tmp_path / "cut")):
        assert {record_id: row.tobytes() for record_id, row in scope["read"](folder)} == wanted()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pending SET rows = zeroblob(32) WHERE place % 262144 = 7",
        "UPDATE pending SET place = place + 1000 WHERE place % 262144 = 9",
        "UPDATE pending SET place = place + 262144 * 9 WHERE place % 262144 = 9",
    ],
)
def test_damage_of_what_is_pending_is_an_error(store: Store, tmp_path: Path, statement: str) -> None:
    """Each row has its checksum, and a place in a file that is there."""
    cut = after_cut(store, tmp_path / "cut")
    connection = sqlite3.connect(cut / "vicinal.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(CorruptStoreError, match=r"vicinal\.sqlite"):
        Store.open(cut)


def test_a_snapshot_of_a_cut_database_is_whole(store: Store, tmp_path: Path) -> None:
    """What is restored of it has every vector, though the pieces of the file lack them: the image has what is pending."""
    reader = Store.open(after_cut(store, tmp_path / "cut"), read_only=True)
    snapshots.take(reader, tmp_path / "place")
    reader.close()
    snapshots.restore(tmp_path / "place", tmp_path / "restored")
    assert read_closed(tmp_path / "restored") == wanted()
