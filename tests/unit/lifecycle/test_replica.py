"""Replicas: they equal their primary at one of its commits, whatever changed there, and never anything in between."""

from __future__ import annotations

import random
import shutil
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import store_worlds
from store_worlds import SPACE
from vicinal.errors import (
    CorruptStoreError,
    DatabaseNotFoundError,
    InputError,
    LockedError,
    RangeError,
    ReplicaError,
    SnapshotNotFoundError,
)
from vicinal.lifecycle import equivalence, snapshots
from vicinal.lifecycle.question import recall_setting
from vicinal.lifecycle.replica import Replica, digest
from vicinal.lifecycle.replica import replica as module
from vicinal.space import Vectors
from vicinal.store import NewRecord, Probe, Store
from vicinal.store.lock import FileLock

WIDER = replace(SPACE, dim=12, full_dim=12)
PROJECTED = replace(SPACE, projection="ab" * 32)


def digest_of(store):
    """Return the digest of a store's last commit."""
    with store.snapshot() as snapshot:
        return digest(snapshot)


def rows(count, space=SPACE, seed=0):
    """Return random vectors of a space."""
    return Vectors(np.random.default_rng(seed).standard_normal((count, space.dim)).astype(np.float32), space)


def put(store, name, records, space=SPACE, seed=0):
    """Write records to a collection that is made when it is missing."""
    with store.write() as transaction:
        if name not in transaction.collection_names():
            transaction.create_collection(name, model="m", space=space, chunker="c")
        count = sum(len(one.spans) for one in records)
        transaction.put(transaction.lane(name), records, rows(count, space, seed), replace_existing=True)


def delete(store, name, ids):
    """Delete records."""
    with store.write() as transaction:
        transaction.delete(transaction.lane(name), ids)


def drop(store, name):
    """Drop a collection."""
    with store.write() as transaction:
        transaction.drop_collection(name)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database of some commits, closed, made once."""
    folder = tmp_path_factory.mktemp("made") / "db"
    store_worlds.make(folder, 60)
    return folder


@pytest.fixture
def primary(made, tmp_path):
    """A copy of it as a primary, open."""
    store = Store.open(shutil.copytree(made, tmp_path / "primary"))
    yield store
    store.close()


@pytest.fixture
def replica(primary, tmp_path):
    """A replica of it that has made no step."""
    with Replica.open(tmp_path / "replica", primary.folder) as one:
        yield one


def same(primary, replica):
    """Return whether both hold the same, the replica checked in full."""
    replica.store.check()
    return digest_of(primary) == digest_of(replica.store)


def test_the_first_step_copies_everything(primary, replica):
    """After one step both hold the same; another step does nothing and makes no commit."""
    done = replica.step()
    assert (done.records, done.deleted, done.lag) == (57, 0, 0)
    assert same(primary, replica)
    with replica.store.snapshot() as snapshot:
        before = snapshot.sequence
    again = replica.step()
    assert (again.sequence, again.records, again.deleted) == (done.sequence, 0, 0)
    with replica.store.snapshot() as snapshot:
        assert snapshot.sequence == before


def test_an_empty_primary_has_an_empty_replica(tmp_path):
    """No collection, no commit: the replica has none either, and follows all the same."""
    Store.open(tmp_path / "primary").close()
    with Replica.open(tmp_path / "replica", tmp_path / "primary") as one:
        assert one.step().records == 0
        assert one.status().lag == 0


@pytest.mark.parametrize("seed", range(4))
def test_after_any_changes_both_are_the_same(primary, replica, seed):
    """Random commits of every kind, a random number of them between two steps: each step ends with equal digests."""
    chance = random.Random(seed)
    spaces = {"main": SPACE, "other": WIDER, "third": SPACE}

    def change(turn):
        name = chance.choice(["main", "main", "other", "third"])
        names = [chance.randrange(80) for _ in range(chance.randrange(1, 9))]
        with primary.snapshot() as snapshot:
            there = name in snapshot.collection_names()
        kind = chance.choice(["put", "put", "delete", "relabel", "fields", "drop"]) if there else "put"
        new = store_worlds.records(sorted(set(names)), spans=chance.randrange(4), version=turn)
        if kind == "put":
            put(primary, name, new, spaces[name], turn)
        elif kind == "delete":
            delete(primary, name, [one.id for one in new])
        elif kind == "drop":
            if chance.random() < 0.3:
                drop(primary, name)
        else:
            with primary.write() as transaction:
                lane = transaction.lane(name)
                held = transaction.chunks_of(lane, [one.id for one in new])
                if kind == "relabel":
                    moved = [replace(one, fields={"turn": turn}, origin=f"o{turn}") for one in new if one.id in held]
                    transaction.relabel(lane, moved)
                else:
                    transaction.set_fields(lane, {record_id: {"turn": turn} for record_id in held})

    for turn in range(1, 9):
        for commit in range(chance.randrange(1, 6)):
            change(turn * 100 + commit)
        assert replica.step().lag == 0
        assert same(primary, replica)


def test_fields_that_changed_move_no_vectors(primary, replica):
    """A change in place gives out no row on the replica and buries none."""
    replica.step()
    with replica.store.snapshot() as snapshot:
        before = snapshot.lane("main").next_row
    with primary.write() as transaction:
        transaction.set_fields(transaction.lane("main"), {"r1": {"new": 1}, "r2": {"new": 2}})
    assert replica.step().records == 2
    with replica.store.snapshot() as snapshot:
        assert snapshot.lane("main").next_row == before
        assert snapshot.record(snapshot.lane("main"), "r2").fields["new"] == 2
    assert same(primary, replica)


def test_what_was_deleted_and_written_again_stays(primary, replica):
    """Deleted and written again between two steps, a record is as it was written last; deleted last, it is gone."""
    replica.step()
    delete(primary, "main", ["r1", "r2"])
    put(primary, "main", store_worlds.records([1], version=5))
    put(primary, "main", store_worlds.records([1000], version=5))
    delete(primary, "main", ["r1000"])
    replica.step()
    with replica.store.snapshot() as snapshot:
        lane = snapshot.lane("main")
        assert snapshot.record(lane, "r1").text == "record 1 in version 5"
        assert snapshot.record(lane, "r2") is None
        assert snapshot.record(lane, "r1000") is None
    assert same(primary, replica)


def test_collections_come_and_go(primary, replica):
    """New, dropped, and dropped and made again in another space: the replica has the same ones."""
    replica.step()
    put(primary, "new", store_worlds.records(range(5)))
    put(primary, "brief", store_worlds.records(range(5)))
    drop(primary, "brief")
    drop(primary, "main")
    put(primary, "main", store_worlds.records(range(3)), WIDER)
    replica.step()
    with replica.store.snapshot() as snapshot:
        assert snapshot.collection_names() == ["main", "new"]
        assert snapshot.lane("main").space == WIDER
    assert same(primary, replica)
    drop(primary, "main")
    drop(primary, "new")
    replica.step()
    assert same(primary, replica)


def test_canaries_and_projections_come_along(primary, replica):
    """The probes of a space and the projection that it names are on the replica, and follow when they change."""
    probes = [Probe(role="query", text="a", runtime="r", vector=np.ones(8, np.float32))]
    with primary.write() as transaction:
        transaction.create_collection("projected", model="m", space=PROJECTED, chunker="c")
        transaction.put_canary(PROJECTED, probes)
        transaction.put_projection(PROJECTED.projection, b"matrix")
    replica.step()
    with replica.store.snapshot() as snapshot:
        assert snapshot.projection(PROJECTED.projection) == b"matrix"
        assert snapshot.canary(PROJECTED)[0].text == "a"
    with primary.write() as transaction:
        transaction.put_canary(PROJECTED, [replace(probes[0], text="b")])
    replica.step()
    with replica.store.snapshot() as snapshot:
        assert [probe.text for probe in snapshot.canary(PROJECTED)] == ["b"]
    assert same(primary, replica)


def test_readers_never_see_a_step_in_the_midst(primary, replica, monkeypatch):
    """While a step writes its many parts, another reader of the replica sees the commit before, and then the one after."""
    from vicinal.lifecycle.replica import carry  # noqa: PLC0415 - its constant is changed

    monkeypatch.setattr(carry, "RECORDS_AT_ONCE", 10)
    replica.step()
    old = digest_of(primary)
    put(primary, "main", store_worlds.records(range(100), version=3), seed=3)
    put(primary, "other", store_worlds.records(range(30)))
    delete(primary, "main", ["r5"])
    reader, seen = Store.open(replica.path, read_only=True), []
    replica.step(progress=lambda done, total: seen.append(digest_of(reader)))
    assert len(seen) > 3
    assert set(seen) == {old}
    assert digest_of(reader) == digest_of(primary) != old
    reader.close()


def test_a_step_that_breaks_off_changes_nothing(primary, replica):
    """An interrupt in a step leaves the replica where it stood; the next step does all of it."""
    replica.step()
    old = digest_of(replica.store)
    put(primary, "main", store_worlds.records(range(100), version=3), seed=3)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replica.step(progress=interrupt)
    assert digest_of(replica.store) == old
    assert replica.status().lag == 1
    assert replica.step().records == 100
    assert same(primary, replica)


def test_nobody_else_writes_to_a_replica(primary, replica):
    """Before and after its first step a replica refuses writes by name; reading is free."""
    for _ in range(2):
        with pytest.raises(ReplicaError), replica.store.write():
            pytest.fail("a write began")
        other = Store.open(replica.path)
        with pytest.raises(ReplicaError):
            store_worlds.put(other, store_worlds.records([1]))
        other.close()
        replica.step()
    assert same(primary, replica)


def test_a_promoted_replica_is_a_primary(primary, replica, tmp_path):
    """It takes writes, has its own id and its history, follows nobody any more, and can be followed itself."""
    replica.step()
    with primary.snapshot() as snapshot:
        first, sequence = snapshot.database.hex(), snapshot.sequence
    told = replica.promote()
    assert (told.promoted, told.history, told.lag) == (True, ((first, sequence),), None)
    for refused in (replica.step, replica.promote, replica.resync):
        with pytest.raises(ReplicaError):
            refused()
    replica.close()
    with pytest.raises(ReplicaError, match="promoted"):
        Replica.open(tmp_path / "replica", primary.folder)
    store = Store.open(tmp_path / "replica")
    put(store, "main", store_worlds.records([500]))
    with store.snapshot() as snapshot:
        assert snapshot.database.hex() != first
    with Replica.open(tmp_path / "second", tmp_path / "replica") as second:
        second.step()
        assert digest_of(second.store) == digest_of(store) != digest_of(primary)
    store.close()


def test_without_its_primary_a_replica_tells_its_status_and_is_promoted(primary, replica, tmp_path):
    """Opened without a primary it cannot step, but says where it stands, is promoted, and says that afterwards."""
    sequence = replica.step().sequence
    replica.close()
    for missing in ({}, {"create": False}, {"primary": primary.folder, "create": False}):
        with pytest.raises(DatabaseNotFoundError):
            Replica.open(tmp_path / "none", **missing)
    with pytest.raises(ReplicaError, match="is no replica"):
        Replica.open(primary.folder)
    with Replica.open(tmp_path / "replica") as alone:
        with pytest.raises(ReplicaError, match="without its primary"):
            alone.step()
        told = alone.status()
        assert (told.applied, told.lag, told.promoted) == (sequence, None, False)
        alone.promote()
    with Replica.open(tmp_path / "replica") as alone:
        assert alone.status().promoted


def test_what_never_followed_cannot_be_promoted(replica):
    """There is nothing to promote before the first step."""
    with pytest.raises(ReplicaError, match="has not followed"):
        replica.promote()


def test_a_database_of_its_own_is_no_replica(primary, tmp_path):
    """A folder with a life of its own is not taken over."""
    store_worlds.make(tmp_path / "own", 3)
    before = store_worlds.contents(tmp_path / "own")
    with pytest.raises(ReplicaError, match="of its own"):
        Replica.open(tmp_path / "own", primary.folder)
    assert store_worlds.contents(tmp_path / "own") == before


def test_nobody_follows_itself(tmp_path):
    """A folder that is named as its own primary is refused, and nothing is made there."""
    with pytest.raises(ReplicaError, match="itself"):
        Replica.open(tmp_path / "a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_another_primary_is_refused_and_resync_takes_it(primary, replica, tmp_path):
    """A replica pointed at another database refuses by both ids; a resync makes it that one's, and notes the one it left."""
    replica.step()
    with primary.snapshot() as snapshot:
        first, sequence = snapshot.database.hex(), snapshot.sequence
    replica.close()
    store_worlds.make(tmp_path / "other", 20)
    other = Store.open(tmp_path / "other")
    with Replica.open(tmp_path / "replica", tmp_path / "other") as moved:
        with pytest.raises(ReplicaError, match=first):
            moved.step()
        assert digest_of(moved.store) == digest_of(primary)
        moved.resync()
        assert same(other, moved)
        assert moved.status().history == ((first, sequence),)
        put(other, "main", store_worlds.records([7], version=7))
        assert moved.step().records == 1
        assert same(other, moved)
    other.close()


def set_back(primary, tmp_path, *, by_hand=False):
    """Return a restored copy of the primary as it is now, after the primary has gone on; by hand it does not say so."""
    snapshots.take(primary, tmp_path / "place")
    for first in (200, 210, 220):
        put(primary, "main", store_worlds.records(range(first, first + 5), version=3))
    snapshots.restore(tmp_path / "place", tmp_path / "back")
    back = Store.open(tmp_path / "back")
    if by_hand:
        with back.write() as transaction:
            transaction.remove_setting(snapshots.EPOCH)
    return back


def test_a_restored_primary_is_refused_whatever_adds_up(primary, replica, tmp_path):
    """Other records of the same ids, as many commits, the same counts: it is known as another history, until a resync."""
    put(primary, "main", store_worlds.records([0]), seed=1)
    snapshots.take(primary, tmp_path / "place")
    put(primary, "main", store_worlds.records([0], version=5))
    replica.step()
    old = digest_of(replica.store)
    replica.close()
    snapshots.restore(tmp_path / "place", tmp_path / "back")
    back = Store.open(tmp_path / "back")
    with Replica.open(tmp_path / "replica", back.folder) as moved:
        for name in (None, 1, 2):
            if name:
                put(back, "main", store_worlds.records([name], version=6))
            with pytest.raises(ReplicaError, match="another history"):
                moved.step()
            assert (moved.status().lag, moved.status().lag_s) == (None, None)
            assert digest_of(moved.store) == old
        moved.resync()
        assert same(back, moved)
        assert moved.status().history == ()
        put(back, "main", store_worlds.records([3], version=6))
        assert moved.step().records == 1
        assert same(back, moved)
    for version in range(7, 12):
        put(primary, "main", store_worlds.records([0], version=version))
    with (
        Replica.open(tmp_path / "replica", primary.folder) as moved,
        pytest.raises(ReplicaError, match="another history"),
    ):
        moved.step()
    back.close()


def test_whose_history_a_replica_tells(primary, replica, tmp_path):
    """A replica has no epoch of its own, promoted or not, but for one that was restored itself, which has another one."""
    snapshots.take(primary, tmp_path / "place")
    snapshots.restore(tmp_path / "place", tmp_path / "back")
    with Replica.open(tmp_path / "one", tmp_path / "back") as one:
        one.step()
        snapshots.take(one.store, tmp_path / "of one")
        one.promote()
    snapshots.restore(tmp_path / "of one", tmp_path / "again")
    with Replica.open(tmp_path / "again", tmp_path / "back") as again:
        assert again.step().records == 0
        again.promote()
    epochs = []
    for name in ("back", "one", "again"):
        store = Store.open(tmp_path / name, read_only=True)
        with store.snapshot() as snapshot:
            epochs.append(snapshot.setting(snapshots.EPOCH))
        store.close()
    assert epochs[1] is None
    assert None not in (epochs[0], epochs[2])
    assert epochs[0] != epochs[2]


def test_the_kept_recall_comes_along(primary, replica):
    """What a collection keeps as its recall is the replica's too, under its own numbers, changes with it, and goes with it."""

    def kept(store, name):
        with store.snapshot() as snapshot:
            return snapshot.setting(recall_setting(snapshot.lane(name).collection))

    def keep(recall):
        with primary.write() as transaction:
            name = recall_setting(transaction.lane("main").collection)
            transaction.remove_setting(name) if recall is None else transaction.put_setting(name, recall)

    put(primary, "first", store_worlds.records([1]))
    drop(primary, "first")
    for recall in ("0.9", "0.95", None, "0.8"):
        before = digest_of(primary)
        keep(recall)
        replica.step()
        assert kept(replica.store, "main") == recall
        assert same(primary, replica)
        assert digest_of(primary) != before
    replica.resync()
    assert kept(replica.store, "main") == "0.8"
    drop(primary, "main")
    put(primary, "main", store_worlds.records([1]))
    replica.step()
    assert kept(replica.store, "main") is None
    assert same(primary, replica)


def test_what_is_kept_of_a_collection_comes_along(primary, replica):
    """Histories, sources, the model that serves it and proven spaces: under the replica's own numbers, and gone when they are."""

    def kept(store):
        with store.snapshot() as snapshot:
            here = snapshot.settings_of(snapshot.lane("main").collection)
            return {**here, "same": snapshot.setting(equivalence.SETTING)}

    put(primary, "first", store_worlds.records([1]))  # so that the numbers of both differ
    drop(primary, "first")
    with primary.write() as transaction:
        lane = transaction.lane("main")
        for word, value in (("drift", "[]"), ("canary", '[{"same": true}]'), ("sources", "{}"), ("a new word", "x")):
            transaction.put_setting(f"collection {lane.collection} {word}", value)
        transaction.put_setting(equivalence.SETTING, "[]")
        equivalence.serve(transaction, [lane], "another name")
    replica.step()
    assert kept(replica.store) == kept(primary)
    assert kept(replica.store)[f"model of {SPACE.id}"] == "another name"
    with primary.write() as transaction:
        transaction.remove_setting(f"collection {lane.collection} drift")
        transaction.remove_setting(equivalence.SETTING)
    replica.step()
    assert kept(replica.store) == kept(primary)
    assert "drift" not in kept(replica.store)


def test_a_database_with_snapshots_in_its_folder_is_a_database(primary, tmp_path):
    """A primary is followed itself even where something in its folder looks like a place."""
    snapshots.take(primary, tmp_path / "place")
    shutil.copytree(tmp_path / "place" / "snapshots", primary.folder / "snapshots")
    put(primary, "main", store_worlds.records([500]))
    with Replica.open(tmp_path / "replica", primary.folder) as one:
        assert one.step().records == 58
        assert same(primary, one)


@pytest.mark.parametrize(
    ("folder", "followed"), [(5, "x"), ("a\0", "x"), ("x", 5), ("x", b"y"), ("x", "a\0"), ("x", "\ud800")]
)
def test_what_is_no_path_is_told(tmp_path, monkeypatch, folder, followed):
    """Anything but a path, or a place, is an InputError, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        Replica.open(folder, followed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("poll_s", ["x", True, float("nan"), float("inf"), -1.0])
def test_a_pause_must_be_one(replica, poll_s):
    """Only a number of seconds, above 0 and at most a day, is waited."""
    with pytest.raises(InputError):
        replica.follow(poll_s=poll_s)


def test_a_primary_that_was_set_back_is_refused(primary, replica, tmp_path):
    """Restored to an earlier commit, the primary is behind its replica, which says so; resync makes it the same."""
    back = set_back(primary, tmp_path)
    replica.step()
    replica.close()
    with Replica.open(tmp_path / "replica", back.folder) as moved:
        with pytest.raises(ReplicaError, match="set back"):
            moved.step()
        moved.resync()
        assert same(back, moved)
    back.close()


def test_a_primary_that_was_set_back_and_went_on_is_refused(primary, replica, tmp_path):
    """Set back by hand, with more commits by now than its replica had seen, it does not add up, and nothing changes."""
    back = set_back(primary, tmp_path, by_hand=True)
    replica.step()
    old = digest_of(replica.store)
    replica.close()
    for version in range(5):
        put(back, "main", store_worlds.records([300 + version]))
    with Replica.open(tmp_path / "replica", back.folder) as moved:
        with pytest.raises(ReplicaError, match="is not what the primary's was"):
            moved.step()
        assert digest_of(moved.store) == old
        moved.resync()
        assert same(back, moved)
    back.close()


@pytest.mark.parametrize("held", ["other", "main"])
def test_another_history_of_the_same_primary_is_refused(primary, replica, tmp_path, held):
    """A set-back primary that lacks a collection of the replica, or has it in another space, does not add up."""
    back = set_back(primary, tmp_path, by_hand=True)
    put(primary, "other", store_worlds.records(range(3)))
    replica.step()
    old = digest_of(replica.store)
    replica.close()
    drop(back, "main")
    put(back, "main", store_worlds.records(range(3)), WIDER)
    for version in range(5):
        put(back, "main", store_worlds.records([version], version=version), WIDER)
    if held == "main":
        put(back, "other", store_worlds.records(range(3)), WIDER)
    with Replica.open(tmp_path / "replica", back.folder) as moved:
        with pytest.raises(ReplicaError, match="is not what the primary's was"):
            moved.step()
        assert digest_of(moved.store) == old
    back.close()


def test_many_deletions_go_in_parts(primary, replica, monkeypatch):
    """Deletions beyond what is held at one time are all applied."""
    from vicinal.lifecycle.replica import carry  # noqa: PLC0415 - its constant is changed

    monkeypatch.setattr(carry, "RECORDS_AT_ONCE", 4)
    replica.step()
    for start in (0, 20):
        delete(primary, "main", [f"r{name}" for name in range(start, start + 20)])
    assert replica.step().deleted == 38
    assert same(primary, replica)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"primary": "a"}', '{"primary":"a","applied":"x","promoted":false,"history":[]}']
)
def test_a_state_that_cannot_be_read_is_damage(primary, replica, text):
    """What a replica says of its primary is read with care: anything else is a damaged database."""
    with replica.store.write(following=True) as transaction:
        transaction.put_setting("follows", text)
    with pytest.raises(CorruptStoreError, match="primary cannot be read"):
        replica.step()


def test_a_primary_that_forgot_is_refused(primary, replica):
    """Behind what the primary remembers of its deletions, a replica says so, and a resync makes it the same."""
    replica.step()
    delete(primary, "main", ["r3"])
    put(primary, "main", store_worlds.records([4], version=4))
    with primary.write() as transaction:
        transaction.forget_deletions(transaction.sequence - 1)
    with pytest.raises(ReplicaError, match="knows only"):
        replica.step()
    replica.resync()
    assert same(primary, replica)
    put(primary, "main", store_worlds.records([4], version=5))
    replica.step()
    assert same(primary, replica)


def test_resync_becomes_visible_at_once(primary, replica):
    """Readers see the old state while everything is copied anew, and then the new one; never an empty one."""
    replica.step()
    old = digest_of(primary)
    put(primary, "main", store_worlds.records(range(100), version=3), seed=3)
    reader, seen = Store.open(replica.path, read_only=True), []
    replica.resync(progress=lambda done, total: seen.append(digest_of(reader)))
    assert set(seen) == {old}
    assert digest_of(reader) == digest_of(primary)
    reader.close()


def test_status_tells_how_far_behind(primary, replica, monkeypatch):
    """The lag is in commits, and in seconds since both were last the same; 0 where they are."""
    assert replica.status().applied == 0
    replica.step()
    told = replica.status()
    assert (told.lag, told.lag_s, told.promoted) == (0, 0.0, False)
    for version in range(3):
        put(primary, "main", store_worlds.records([1], version=version))
    now = time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + 50)
    told = replica.status()
    assert told.lag == 3
    assert 45 < told.lag_s < 60
    (replica.path / "vicinal.replica").unlink()
    assert replica.status().lag_s is None


def test_status_without_the_primary(primary, replica, tmp_path):
    """A primary that cannot be asked has an unknown lag; what was applied is still told."""
    sequence = replica.step().sequence
    primary.close()
    primary.folder.rename(tmp_path / "away")
    told = replica.status()
    assert (told.lag, told.lag_s, told.applied) == (None, None, sequence)


def test_follow_goes_on_until_it_is_told(primary, replica):
    """Beside a writer, follow steps again and again; it ends when it is told to, with the last commit there."""
    last = threading.Event()

    def write():
        for version in range(30):
            put(primary, "main", store_worlds.records(range(version), version=version), seed=version)
        last.set()

    writer = threading.Thread(target=write)
    writer.start()
    steps = []

    def until(done):
        steps.append(done.sequence)
        return last.is_set() and done.lag == 0

    replica.follow(poll_s=0.001, until=until)
    writer.join()
    replica.step()
    assert same(primary, replica)
    assert steps == sorted(steps)
    assert len(steps) > 1


def test_follow_waits_for_a_lock(replica, monkeypatch):
    """A lock that somebody else holds is waited for."""
    outcomes = [LockedError("held"), module.Applied(sequence=1, lag=2), module.Applied(sequence=2)]
    asked = []

    def step(progress=None):
        outcome = outcomes[len(asked)]
        asked.append(outcome)
        if isinstance(outcome, LockedError):
            raise outcome
        return outcome

    monkeypatch.setattr(replica, "step", step)
    assert replica.follow(poll_s=0.001, until=lambda done: done.sequence == 2) == outcomes[-1]
    with pytest.raises(RangeError):
        replica.follow(poll_s=0)


def test_two_who_step_at_once_do_no_harm(primary, replica, tmp_path):
    """Two processes' worth of steppers on one replica: each step does its work or says that another does it."""
    with Replica.open(tmp_path / "replica", primary.folder) as other:
        replica.step()
        faults = []

        def step(one):
            for _ in range(15):
                try:
                    one.step()
                except LockedError:
                    continue
                except BaseException as error:  # noqa: BLE001 - told below
                    faults.append(error)

        threads = [threading.Thread(target=step, args=(one,)) for one in (replica, other)]
        for thread in threads:
            thread.start()
        for version in range(15):
            put(primary, "main", store_worlds.records(range(9), version=version), seed=version)
        for thread in threads:
            thread.join()
        assert faults == []
        replica.step()
        assert same(primary, replica)


def test_compaction_on_either_side_changes_nothing(primary, replica):
    """Rows that move to other files, on the primary or on the replica, are no change of what is held."""
    replica.step()
    delete(primary, "main", [f"r{name}" for name in range(0, 60, 2)])
    primary.compact("main", sparse=0.1)
    replica.step()
    assert same(primary, replica)
    assert replica.step().records == 0
    delete(primary, "main", [f"r{name}" for name in range(1, 20, 2)])
    put(primary, "main", store_worlds.records(range(40, 90), version=4))
    primary.compact("main", sparse=0.1)
    with primary.write() as transaction:
        transaction.set_fields(transaction.lane("main"), {"r41": {"x": 1}, "r23": {"x": 2}})
    assert replica.store.compact("main", sparse=0.1).dropped_segments
    replica.step()
    assert same(primary, replica)
    assert replica.store.compact("main", sparse=0.1).dropped_segments
    assert same(primary, replica)


def test_a_place_of_snapshots_is_followed(primary, tmp_path):
    """A replica that follows a place equals its newest snapshot, and leaves nothing of it beside itself."""
    with pytest.raises(SnapshotNotFoundError), Replica.open(tmp_path / "early", f"file://{tmp_path}/place") as early:
        early.step()
    snapshots.take(primary, tmp_path / "place")
    old = digest_of(primary)
    with Replica.open(tmp_path / "replica", tmp_path / "place") as one:
        one.step()
        put(primary, "main", store_worlds.records(range(200, 230), version=3))
        assert one.step().records == 0
        assert digest_of(one.store) == old
        snapshots.take(primary, tmp_path / "place")
        assert one.step().records == 30
        assert same(primary, one)
    with Replica.open(tmp_path / "replica", primary.folder) as one:
        assert one.step().records == 0
    assert not list(tmp_path.glob(".replica*"))


def test_a_newer_snapshot_is_fetched_in_part(primary, tmp_path):
    """Of a newer snapshot only the pieces that the one before did not have are asked for."""
    from vicinal.lifecycle.snapshots import FolderPlace  # noqa: PLC0415 - used here alone

    asked = []

    class Counted(FolderPlace):
        def get(self, name, *, most_bytes):
            asked.append(name)
            return super().get(name, most_bytes=most_bytes)

    place = Counted(tmp_path / "place")
    snapshots.take(primary, place)
    old = {one.name for one in place.names("blocks")}
    with Replica.open(tmp_path / "replica", place) as one:
        one.step()
        put(primary, "main", store_worlds.records([5], version=9))
        snapshots.take(primary, place)
        asked.clear()
        assert one.step().records == 1
        assert old.isdisjoint(asked)
        assert same(primary, one)


def test_what_a_killed_follower_restored_is_removed(primary, tmp_path):
    """Folders of dead processes beside the replica go; one that somebody holds stays."""
    snapshots.take(primary, tmp_path / "place")
    dead, alive = tmp_path / ".replica.dead.source", tmp_path / ".replica.alive.source"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "half").touch()
    lock = FileLock(alive / "vicinal.lock", write=True)
    assert lock.try_together()
    with Replica.open(tmp_path / "replica", tmp_path / "place") as one:
        one.step()
    lock.close()
    assert list(tmp_path.glob(".replica*")) == [alive]


def test_a_restored_replica_is_a_replica(primary, replica, tmp_path):
    """A snapshot of a replica restores to one that goes on from its commit."""
    replica.step()
    snapshots.take(replica.store, tmp_path / "place")
    snapshots.restore(tmp_path / "place", tmp_path / "again")
    put(primary, "main", store_worlds.records([900]))
    with Replica.open(tmp_path / "again", primary.folder) as again:
        assert again.step().records == 1
        assert same(primary, again)


CHANGES = {
    "text": {"text": "other"},
    "source": {"source": "other"},
    "fields": {"fields": {"a": 2}},
    "spans": {"spans": ((0, 1), (1, 3))},
    "chunker": {"chunker": "d"},
    "origin": {"origin": "other"},
    "text_digest": {"text_digest": "x"},
    "fields_digest": {"fields_digest": "x"},
    "cut_chunks": {"cut_chunks": 1},
    "id": {"id": "b"},
}


def test_the_digest_knows_every_part(tmp_path):
    """It changes with any one part of a record, with a vector and with the collection's name, and goes back with it."""
    record = NewRecord(
        id="a",
        text="text",
        source="s",
        fields={"a": 1},
        spans=((0, 1), (1, 2)),
        chunker="c",
        text_digest="t",
        fields_digest="f",
    )
    store = Store.open(tmp_path / "db")
    put(store, "main", [record])
    first, found = digest_of(store), set()
    for changes in CHANGES.values():
        delete(store, "main", ["a"])
        put(store, "main", [replace(record, **changes)])
        found.add(digest_of(store))
        delete(store, "main", ["b"])
    put(store, "main", [record], seed=1)
    found.add(digest_of(store))
    put(store, "main", [record])
    assert digest_of(store) == first
    drop(store, "main")
    put(store, "renamed", [record])
    found.add(digest_of(store))
    store.close()
    assert len(found | {first}) == len(CHANGES) + 3


def test_the_digest_knows_no_order(tmp_path):
    """Written in another order, in other commits, with detours: the digest is the same."""
    records = store_worlds.records(range(40))
    vectors = rows(80)
    found = []
    for turn in range(4):
        store = Store.open(tmp_path / str(turn))
        order = list(range(40))
        random.Random(turn).shuffle(order)
        with store.write() as transaction:
            transaction.create_collection("main", model="m", space=SPACE, chunker="c")
        if turn % 2:
            put(store, "main", store_worlds.records(range(30, 50), version=8))
            delete(store, "main", [f"r{name}" for name in range(40, 50)])
        for start in range(0, 40, 13):
            part = order[start : start + 13]
            with store.write() as transaction:
                its = np.concatenate([np.asarray(vectors)[2 * place : 2 * place + 2] for place in part])
                transaction.put(
                    transaction.lane("main"),
                    [records[place] for place in part],
                    Vectors(its, SPACE),
                    replace_existing=True,
                )
        found.append(digest_of(store))
        store.close()
    assert len(set(found)) == 1


def test_a_primary_that_keeps_its_past_is_followed_all_the_same(primary, replica):
    """The dead that it keeps do not come along, through deletions, changes in place and compactions."""
    with primary.write() as transaction:
        transaction.keep_history(7)
    for turn in range(6):
        put(primary, "main", store_worlds.records(range(turn, 40, 3), spans=turn % 3, version=turn), seed=turn)
        delete(primary, "main", [f"r{name}" for name in range(turn, 60, 7)])
        with primary.write() as transaction:
            transaction.set_fields(transaction.lane("main"), {f"r{name}": {"turn": turn} for name in range(20)})
        if turn % 2:
            primary.compact("main", sparse=0.01)
        replica.step()
        assert same(primary, replica)
