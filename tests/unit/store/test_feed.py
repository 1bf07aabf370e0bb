"""What changed since a commit: dead rows, new fields, deleted ids, and records to be sent on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from store_worlds import SPACE, put, records, vectors
from vicinal.errors import CollectionNotFoundError, RangeError, RecordNotFoundError, ReplicaError
from vicinal.space import Vectors
from vicinal.store import Store, mask_of, rows_of
from vicinal.store import store as store_module
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


def test_texts_from_a_row(store: Store) -> None:
    """The text of each chunk comes with its row, ascending, from any row on, also from the middle of a record."""
    put(store, records([30], spans=3), 2)
    every = read(store, "texts_from", 0)
    assert [row for row, _ in every] == list(range(63))  # type: ignore[misc]  # pairs
    assert [text for _, text in every][60:] == ["recor", "ecord", "cord "]  # type: ignore[misc]  # the same
    for first in (0, 1, 17, 58, 61, 63):
        assert read(store, "texts_from", first) == every[first:]


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
                    np.testing.assert_array_equal(rows, snapshot.rows_in(segment))
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


def test_vectors_outlast_a_compaction_and_what_is_written_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once asked for vectors, a snapshot has those of the whole lane, though the files are deleted; a write sees its own."""
    monkeypatch.setattr(store_module, "GRACE_S", -2)
    with store.snapshot() as old:
        lane = old.lane("main")
        assert old.vectors_at(lane, np.array([], dtype=np.int64)).shape == (0, 8)
        write(store, "delete", [f"r{name}" for name in range(0, 30, 2)])
        store.compact("main")
        monkeypatch.setattr(store, "_next_sweep", None)
        with store.write() as transaction:
            transaction.put(transaction.lane("main"), records([40]), vectors(2, 7), replace_existing=False)
            now = transaction.lane("main")
            last = np.arange(now.next_row - 2, now.next_row)
            np.testing.assert_array_equal(transaction.vectors_at(now, last), np.asarray(vectors(2, 7)))
            transaction.put(now, records([41]), vectors(2, 8), replace_existing=False)
            np.testing.assert_array_equal(transaction.vectors_at(now, last + 2), np.asarray(vectors(2, 8)))
        assert not any(segment.path.exists() for segment in old.segments(lane))
        np.testing.assert_array_equal(old.vectors_at(lane, np.arange(60)), np.asarray(vectors(60, 1)))


def test_fields_beyond_the_most_are_refused(store: Store) -> None:
    """A record has two fields: 1,022 more are the most, whether merged or not, and else nothing is written."""
    before = write(store, "set_fields", {"r1": {f"f{place}": place for place in range(1022)}})
    for fields, merge in (({"more": 1}, True), ({f"f{place}": place for place in range(1025)}, False)):
        with pytest.raises(RangeError, match="'r1' would have 1025 fields") as caught, store.write() as transaction:
            transaction.set_fields(transaction.lane("main"), {"r2": {"colour": "red"}, "r1": fields}, merge=merge)
        assert (caught.value.got, caught.value.where) == (1025, "r1")
    assert read(store, "relabelled_since", before) == []


def test_a_dropped_collection_leaves_nothing(store: Store) -> None:
    """Neither the settings of its number nor its view; those of other numbers that begin alike stay."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        store.view(snapshot, lane)
    mine, other = f"collection {lane.collection} recall", f"collection {lane.collection}0 recall"
    with store.write() as transaction:
        transaction.put_setting(mine, "0.9")
        transaction.put_setting(other, "0.8")
    with store.write() as transaction:
        transaction.drop_collection("main")
    assert lane.number not in store._views
    with store.snapshot() as snapshot:
        assert (snapshot.setting(mine), snapshot.setting(other)) == (None, "0.8")
    store.check()


def test_a_forgotten_view_is_made_anew(store: Store) -> None:
    """Forgetting it loses nothing, and what is not kept can be forgotten."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        kept = store.view(snapshot, lane)
        for _ in range(2):
            store.forget(lane.number)
        again = store.view(snapshot, lane)
        assert again is not kept
        np.testing.assert_array_equal(again.alive, kept.alive)


def test_a_mass_update_is_read_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and fields are told without the texts; records to be sent on come a part at a time."""
    before = write(store, "set_fields", {f"r{name}": {"turn": name} for name in range(30)}) - 1
    monkeypatch.setattr("vicinal.store.feed.AT_ONCE", 7)
    parts: list[int] = []
    lines = Snapshot._lines
    monkeypatch.setattr(Snapshot, "_lines", lambda *words: parts.append(len(words[2])) or lines(*words))
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        told = list(snapshot.relabelled_since(lane, before))
        assert not parts
        changes = list(snapshot.changes(lane, before, at_once=7))
    number = {"number": 0, "even": True, "turn": 0}
    assert told[0] == (0, 2, number)
    assert [(first, count, fields["turn"]) for first, count, fields in told] == [(2 * n, 2, n) for n in range(30)]
    assert parts == [len(change.records) for change in changes] == [7, 7, 7, 7, 2]
    assert [one.fields["turn"] for change in changes for one in change.records] == list(range(30))


def test_many_rows_are_deleted_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record whose rows lie in two parts is counted once."""
    monkeypatch.setattr("vicinal.store.transaction.AT_ONCE", 7)
    with store.write() as transaction:
        assert transaction.delete_rows(transaction.lane("main"), range(1, 41)) == 21
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert list(snapshot.ids(lane)) == [f"r{name}" for name in range(21, 30)]
        assert len([*snapshot.deletions_since(0)]) == 21
    store.check()


def test_rows_are_told_by_the_commits_that_wrote_them(store: Store) -> None:
    """Record n of the second commit has the rows 2n and 2n + 1; later ones follow; ranges hold their end, not their start."""
    put(store, records(range(30, 33)), 2)
    put(store, records([7]), 3)
    last = write(store, "delete", ["r1"])
    every = read(store, "rows_written", 0)
    assert every == list(range(68))
    assert read(store, "rows_written", 0, 2) == list(range(60))
    assert read(store, "rows_written", 2) == list(range(60, 68))
    assert read(store, "rows_written", 2, 3) == list(range(60, 66))
    assert read(store, "rows_written", 3, last) == [66, 67]
    assert read(store, "rows_written", last) == []


def test_a_record_that_compaction_moved_was_written_when_it_was(store: Store) -> None:
    """Its rows are new ones, its commit is the old one."""
    put(store, records(range(30, 33)), 2)
    write(store, "delete", [f"r{number}" for number in range(29)])
    store.compact("main", sparse=1.0)
    with store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        alive = mask_of(snapshot.alive(lane), lane.next_row)
        before = [row for row in snapshot.rows_written(lane, 0, 2).tolist() if alive[row]]
        after = [row for row in snapshot.rows_written(lane, 2).tolist() if alive[row]]
        assert {chunk.record.id for chunk in snapshot.chunks_at(lane, before).values()} == {"r29"}
        assert {chunk.record.id for chunk in snapshot.chunks_at(lane, after).values()} == {"r30", "r31", "r32"}
