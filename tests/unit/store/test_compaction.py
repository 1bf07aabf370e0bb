"""Compaction: what is sparse is written again in short commits, nothing is lost, and nobody waits."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from store_worlds import contents, put, records
from vicinal.store import Store, compactable, mask_of, use_of
from vicinal.store import store as store_module
from vicinal.store.rows import merged

FILE_ROWS = 100


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Three hundred records of two chunks in files of a hundred rows; every second one of the first half is deleted."""
    monkeypatch.setattr("vicinal.store.rows.SEGMENT_ROWS", FILE_ROWS)
    monkeypatch.setattr("vicinal.store.compaction.STEP_ROWS", 30)
    made = Store.open(tmp_path / "db")
    put(made, records(range(300)), 1)
    with made.write() as transaction:
        transaction.delete(transaction.lane("main"), [f"r{name}" for name in range(0, 150, 2)])
    yield made
    made.close()


def files(store: Store) -> list[str]:
    """Return the names of the vector files."""
    return sorted(path.name for path in store.folder.rglob("*.vec"))


def test_sparse_files_are_told(store: Store) -> None:
    """Half of the rows of the first three files of six are dead."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert [round(use.dead_share, 2) for use in use_of(snapshot, lane)] == [0.5, 0.5, 0.5, 0, 0, 0]
        assert [use.segment.first_row for use in compactable(snapshot, lane)] == [0, 100, 200]
        assert compactable(snapshot, lane, sparse=0.6) == []
        assert snapshot.counts(lane)["dead_bytes"] == 150 * 8 * 4


def test_compaction_keeps_everything(store: Store) -> None:
    """The living rows move in their order, the files go at the end, and the rows are numbered on with gaps.

    Records that share a group with the last of them move along.
    """
    before = contents(store.folder)
    told = []
    done = store.compact("main", progress=lambda *far: told.append(far))
    assert 150 <= done.moved_rows < 150 + 2 * 30
    assert done.dropped_segments == 3
    assert done.dropped_bytes == 3 * (4096 + FILE_ROWS * 32)
    assert told[-1] == (done.moved_rows, done.moved_rows)
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        view = store.view(snapshot, lane)
        assert [first for first, _ in view.parts] == [300, 400, 500, 600, 700]
        assert lane.next_row == view.next_row == 600 + done.moved_rows
        assert not mask_of(view.alive, lane.next_row)[:300].any()
        assert all(use.segment.first_row >= 300 and use.living_rows for use in use_of(snapshot, lane))
        assert snapshot.counts(lane)["dead_rows"] == done.moved_rows - 150
        numbers = [fields["number"] for _, _, fields in snapshot.fields_from(lane, 600)]
        assert numbers[:75] == [name for name in range(150) if name % 2]
    assert contents(store.folder) == before


def test_old_deletions_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay with the whole commit of the oldest of them; before it the feed has holes, and says so."""
    for name in (200, 210, 220):
        with store.write() as transaction:
            transaction.delete(transaction.lane("main"), [f"r{name}", f"r{name + 1}"])
    with store.snapshot() as snapshot:
        last = snapshot.sequence
    store.compact("main", sparse=1)
    with store.snapshot() as snapshot:
        assert (snapshot.sequence, snapshot.oldest_feed()) == (last, 0)
    monkeypatch.setattr("vicinal.store.compaction.KEPT_DELETIONS", 3)
    for _ in range(2):
        store.compact("main", sparse=1)
        with store.snapshot() as snapshot:
            assert (snapshot.sequence, snapshot.oldest_feed()) == (last + 1, last - 2)
            assert [one.id for one in snapshot.deletions_since(last - 2)] == ["r210", "r211", "r220", "r221"]
            assert len(list(snapshot.deletions_since(0))) == 4
    store.check()


def test_everything_deleted_leaves_one_empty_file(store: Store) -> None:
    """All files go but a new one without rows, behind which rows are numbered on."""
    with store.write() as transaction:
        lane = transaction.lane("main")
        transaction.delete(lane, list(transaction.ids(lane)))
    store.compact("main")
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert [(segment.first_row, segment.row_count) for segment in snapshot.segments(lane)] == [(600, 0)]
        assert store.view(snapshot, lane).parts[0][1].shape == (0, 8)
    put(store, records([5]), 3)
    assert set(contents(store.folder)) == {"r5"}
    with store.snapshot() as snapshot:
        assert snapshot.lane("main").next_row == 602


def test_a_reader_keeps_its_commit_through_compaction(store: Store) -> None:
    """One who began before maps the old files even after they were dropped; when the database is closed they are gone."""
    with store.snapshot() as old:
        lane = old.lane("main")
        store.compact("main")
        assert len(store.view(old, lane).parts) == 6
    assert len(files(store)) == 6 + 2
    store.close()
    assert len(files(store)) == 5
    assert len(contents(store.folder)) == 225


def test_dropped_files_go_when_their_time_is_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database stays open a later write deletes them."""
    store.compact("main")
    put(store, records([900]), 4)
    assert len(files(store)) == 8
    monkeypatch.setattr(store_module, "GRACE_S", -2)
    monkeypatch.setattr(store, "_next_sweep", None)
    put(store, records([901]), 5)
    assert len(files(store)) == 5


def test_a_compaction_that_is_undone_changes_nothing(store: Store) -> None:
    """An error in a step undoes that step, and the next compaction completes it."""
    before = contents(store.folder)

    def fail(*_: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.compact("main", progress=fail)
    assert contents(store.folder) == before
    store.compact("main")
    assert contents(store.folder) == before


def test_readers_and_writers_go_on_meanwhile(store: Store) -> None:
    """Every snapshot during a compaction is whole, and what is written between the steps stays."""
    faults: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                with store.snapshot() as snapshot:
                    lane = snapshot.lane("main")
                    alive = np.flatnonzero(mask_of(store.view(snapshot, lane).alive, lane.next_row))
                    assert len(snapshot.chunks_at(lane, alive.tolist())) == lane.rows
        except BaseException as error:  # noqa: BLE001 - carried to the test
            faults.append(error)

    def write(*far: int) -> None:
        put(store, records([1000 + far[0]]), far[0])

    thread = threading.Thread(target=read)
    thread.start()
    store.compact("main", progress=write)
    done.set()
    thread.join()
    assert not faults
    assert len(contents(store.folder)) > 225


def test_free_pages_are_given_back(store: Store) -> None:
    """After much was deleted and compacted SQLite's file is smaller."""
    store.compact("main")
    put(store, records(range(2000, 4000)), 6)
    with store.write() as transaction:
        transaction.delete(transaction.lane("main"), [f"r{name}" for name in range(2000, 4000)])
    with store.snapshot() as snapshot:
        assert snapshot.free_bytes() > 100_000
    store.give_back()
    with store.snapshot() as snapshot:
        assert snapshot.free_bytes() == 0
    store.check()


def test_ranges_that_touch_are_one() -> None:
    """Ranges are sorted; a gap of one row parts them."""
    assert merged([(4, 2), (0, 2), (2, 1), (6, 1)]) == [(0, 3), (4, 3)]
