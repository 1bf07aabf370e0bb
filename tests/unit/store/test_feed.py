"""What changed since a commit: dead rows, new fields, deleted ids, and records to be sent on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from store_worlds import SPACE, put, records, vectors
from vicinal.errors import CollectionNotFoundError, RecordNotFoundError, ReplicaError
from vicinal.space import Vectors
from vicinal.store import Store, mask_of, rows_of
from vicinal.store.snapshot import Snapshot


@pytest.fixture
def store(tmp_path: Path):
    """Thirty records of two chunks, in the second commit."""
    made = Store.open(tmp_path / "db")
    put(made, [])
    put(made, records(range(30)), 1)
    yield made
    made.close()


def write(store: Store, kind: str, *words: object) -> int:
    """Write one commit and return its number."""
    with store.write() as transaction:
        getattr(transaction, kind)(transaction.lane("main"), *words)
    with store.snapshot() as snapshot:
        return snapshot.sequence


def read(store: Store, kind: str, *words: object) -> list[object]:
    """Return what one of the snapshot's methods gives."""
    with store.snapshot() as snapshot:
        return list(getattr(snapshot, kind)(snapshot.lane("main"), *words))


def test_dead_rows_are_told_by_commit(store: Store) -> None:
    """Record n has the rows 2n and 2n + 1; those of a deleted or replaced one are dead from that commit on."""
    first = write(store, "delete", ["r3", "r5", "r4", "nobody"])
    put(store, records([7]), 2)
    second = first + 1
    assert read(store, "dead_since", 0) == [6, 7, 8, 9, 10, 11, 14, 15]
    assert read(store, "dead_since", first) == [14, 15]
    assert read(store, "dead_since", second) == []


def test_records_are_deleted_by_rows(store: Store) -> None:
    """Any of its rows names a record."""
    with store.write() as transaction:
        assert transaction.delete_rows(transaction.lane("main"), [6, 7, 11]) == 2
    assert read(store, "dead_since", 0) == [6, 7, 10, 11]
    with store.snapshot() as snapshot:
        assert not snapshot.has(snapshot.lane("main"), "r3")
        assert {one.id for one in snapshot.deletions_since(0)} == {"r3", "r5"}


def test_fields_come_by_row(store: Store) -> None:
    """Each record is told once, by its first row and how many there are."""
    put(store, records([30, 31], spans=3), 4)
    assert [one[:2] for one in read(store, "fields_from", 58)] == [(58, 2), (60, 3), (63, 3)]
    assert [one[:2] for one in read(store, "fields_from", 59)] == [(60, 3), (63, 3)]
    assert [fields["number"] for _, _, fields in read(store, "fields_from", 0)] == list(range(32))


def test_new_fields_leave_the_vectors_and_are_told(store: Store) -> None:
    """Merged or replaced, fields are visible at once everywhere, and no row is given out."""
    before = write(store, "delete", [])
    with store.write() as transaction:
        lane = transaction.lane("main")
        assert transaction.set_fields(lane, {"r1": {"colour": "red"}, "nobody": {}}) == 1
        assert transaction.set_fields(lane, {"r2": {"colour": "blue"}}, merge=False) == 1
    merged, replaced = {"number": 1, "even": False, "colour": "red"}, {"colour": "blue"}
    assert read(store, "relabelled_since", before) == [(2, 2, merged), (4, 2, replaced)]
    assert read(store, "relabelled_since", before + 1) == []
    assert [one[2] for one in read(store, "fields_from", 2)][:2] == [merged, replaced]
    with store.snapshot() as snapshot:
        now = snapshot.lane("main")
        assert now.next_row == lane.next_row
        assert snapshot.record(now, "r2").fields == replaced
        assert snapshot.chunks_at(now, [3])[3].record.fields == merged
        assert snapshot.ledger(now, ["r1"])["r1"].fields_digest == "f"
    put(store, records([1]), 5)
    assert read(store, "relabelled_since", before) == [(4, 2, replaced)]
    store.check()


def test_relabelling_moves_the_origin(store: Store) -> None:
    """The new origin is found, the old one is not."""
    new = replace(records([3])[0], origin="elsewhere/x", fields={})
    write(store, "relabel", [new])
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert snapshot.ids_from(lane, "elsewhere") == [("r3", "elsewhere/x")]
        assert "r3" not in {record_id for record_id, _ in snapshot.ids_from(lane, "file3.txt")}
    with pytest.raises(RecordNotFoundError):
        write(store, "relabel", [replace(new, id="nobody")])
    store.check()


def test_deletions_are_told_until_they_are_forgotten(store: Store) -> None:
    """In the order of the commits, whole collections with an empty id; what was forgotten is known to be."""
    first = write(store, "delete", ["r2", "r1"])
    with store.write() as transaction:
        transaction.create_collection("other", model="m", space=SPACE, chunker="c")
    with store.write() as transaction:
        assert transaction.drop_collection("other") == 0
    with store.snapshot() as snapshot:
        told = [(one.collection, one.id, one.sequence) for one in snapshot.deletions_since(0)]
        assert told == [("main", "r1", first), ("main", "r2", first), ("other", "", first + 2)]
        assert [one.id for one in snapshot.deletions_since(first)] == [""]
        assert snapshot.oldest_feed() == 0
        with pytest.raises(CollectionNotFoundError):
            snapshot.lane("other")
    with store.write() as transaction:
        transaction.forget_deletions(first)
    with store.snapshot() as snapshot:
        assert snapshot.oldest_feed() == first
        assert [one.id for one in snapshot.deletions_since(first)] == [""]
    store.check()


def copied(store: Store, copy: Store, since: int) -> int:
    """Bring a copy up with what changed; return the commit that it then stands for."""
    with store.snapshot() as snapshot, copy.write() as transaction:
        lane, mine = snapshot.lane("main"), transaction.lane("main")
        gone = [one.id for one in snapshot.deletions_since(since) if one.id]
        transaction.delete(mine, gone)
        for change in snapshot.changes(lane, since, at_once=7):
            if change.in_place:
                transaction.relabel(mine, change.records)
            else:
                transaction.put(mine, change.records, Vectors(change.vectors, lane.space), replace_existing=True)
        return snapshot.sequence


def test_a_copy_that_follows_the_changes_is_the_same(store: Store, tmp_path: Path) -> None:
    """Writes, replacements, deletions, new fields and compaction in between, in steps of any size."""
    copy = Store.open(tmp_path / "copy")
    put(copy, [])
    since, chance = 0, np.random.default_rng(3)
    for turn in range(12):
        for _ in range(int(chance.integers(1, 4))):
            names = [int(name) for name in chance.choice(40, size=6, replace=False)]
            ids = [f"r{name}" for name in names]
            kind = chance.choice(["put", "delete", "set", "compact"])
            if kind == "put":
                put(store, records(names, spans=int(chance.integers(0, 3)), version=turn), turn)
            elif kind == "delete":
                write(store, "delete", ids)
            elif kind == "set":
                write(store, "set_fields", {record_id: {"turn": turn} for record_id in ids})
            else:
                store.compact("main", sparse=0.01)
        since = copied(store, copy, since)
        assert everything(copy) == everything(store)
    copy.check()
    store.check()
    copy.close()


def everything(store: Store) -> dict[str, tuple[object, ...]]:
    """Return id → all that is stored under it."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        found = snapshot.chunks_of(lane, list(snapshot.ids(lane)))
        entries = snapshot.ledger(lane, list(found))
        return {
            record_id: (
                one.record.text,
                dict(one.record.fields),
                one.record.spans,
                entries[record_id].origin,
                snapshot.vectors_at(lane, np.array(one.rows, dtype=np.int64)).tobytes(),
            )
            for record_id, one in found.items()
        }


def test_a_view_is_brought_up_by_what_changed(store: Store) -> None:
    """After any writes the kept view is the one that is made anew; an older snapshot gets its own."""
    chance = np.random.default_rng(5)
    with store.snapshot() as old:
        lane = old.lane("main")
        store.view(old, lane)
        for turn in range(20):
            names = [int(name) for name in chance.choice(80, size=5, replace=False)]
            if turn % 3:
                put(store, records(names, version=turn), turn)
            else:
                write(store, "delete", [f"r{name}" for name in names])
            if turn % 7 == 6:
                store.compact("main", sparse=0.05)
            with store.snapshot() as snapshot:
                now = snapshot.lane("main")
                view = store.view(snapshot, now)
                np.testing.assert_array_equal(view.alive, snapshot.alive(now))
                assert view.next_row == now.next_row
                assert len(rows_of(view.alive)) == now.rows
                for (first, rows), segment in zip(view.parts, snapshot.segments(now), strict=True):
                    assert first == segment.first_row
                    np.testing.assert_array_equal(rows, segment.map())
                assert store.view(snapshot, now) is view
        again = store.view(old, lane)
        assert again.next_row == lane.next_row == 60
        assert mask_of(again.alive, 60).all()
        np.testing.assert_array_equal(again.parts[0][1], np.asarray(vectors(60, 1)))


def test_an_unchanged_database_is_read_by_one_query(store: Store) -> None:
    """Lane and segments of a commit are read once, whoever asks; one's own writes are known without reading."""
    with store.snapshot() as snapshot:
        snapshot.segments(snapshot.lane("main"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Snapshot, "_read_lane", lambda *_: pytest.fail("read again"))
        patched.setattr(Snapshot, "_read_segments", lambda *_: pytest.fail("read again"))
        with store.snapshot() as snapshot:
            assert len(snapshot.segments(snapshot.lane("main"))) == 1
        write(store, "delete", ["r1"])
        with store.snapshot() as snapshot:
            assert snapshot.lane("main").records == 29


def test_settings_are_kept_with_the_commit(store: Store) -> None:
    """A name has one value; a write that is undone leaves the old one."""
    with store.write() as transaction:
        transaction.put_setting("told", "a")
        transaction.put_setting("told", "b")

    def fail() -> None:
        with store.write() as transaction:
            transaction.put_setting("told", "c")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with store.snapshot() as snapshot:
        assert snapshot.setting("told") == "b"
        assert snapshot.setting("nothing") is None
    with store.write() as transaction:
        transaction.remove_setting("told")
    with store.snapshot() as snapshot:
        assert snapshot.setting("told") is None


def test_a_replica_is_written_by_its_follower_alone(store: Store) -> None:
    """While the setting is there, a write must say that it follows."""
    with store.write() as transaction:
        transaction.put_setting("follows", "a primary")
    with pytest.raises(ReplicaError), store.write():
        pass
    with store.write(following=True) as transaction:
        transaction.remove_setting("follows")
    put(store, records([90]), 4)


def test_closing_tells_first(store: Store) -> None:
    """What works in the background is told once, while the store is still open."""
    told = []

    def hear() -> None:
        with store.snapshot() as snapshot:
            told.append(snapshot.sequence)

    store.on_close(hear)
    store.close()
    store.close()
    assert told == [2]


def test_fingerprints_tell_rows_apart(tmp_path: Path) -> None:
    """Full blocks of the same rows have the same one, whatever is behind them."""
    one, other = Store.open(tmp_path / "one"), Store.open(tmp_path / "other")
    found = []
    for store, seed in ((one, 1), (other, 2)):
        put(store, records(range(700)), seed)
        for _ in range(2):
            with store.snapshot() as snapshot:
                (told,) = snapshot.fingerprints(snapshot.lane("main")).values()
            found.append(told)
            put(store, records([999]), seed)
    assert found[0] == found[1] == (0, 1, found[0][2])
    assert found[2] == found[3]
    assert found[0][2] != found[2][2]
    one.close()
    other.close()
