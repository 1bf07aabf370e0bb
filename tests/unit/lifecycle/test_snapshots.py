"""Snapshots at a place: what they hold, what they cost, and that nothing less than whole comes back."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import store_worlds
from vicinal.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptSnapshotError,
    DatabaseNotFoundError,
    FormatVersionError,
    InputError,
    LockedError,
    NoSpaceLeftError,
    RangeError,
    SnapshotNotFoundError,
    UnknownNameError,
    UnsupportedError,
    VicinalError,
)
from vicinal.lifecycle import snapshots as s
from vicinal.lifecycle.snapshots import lease
from vicinal.lifecycle.snapshots import manifest as manifests
from vicinal.lifecycle.snapshots.manifest import Manifest, StoredFile, digest_of, read_manifest, unpack
from vicinal.lifecycle.snapshots.pieces import AHEAD, WORKERS, in_order
from vicinal.store import Store

DAY_S = 86_400


class MemoryPlace:
    """A place in memory that can be told to fail, with a clock that can be moved."""

    def __init__(self) -> None:
        self.url = "memory"
        self.held: dict[str, tuple[bytes, float]] = {}
        self.puts: list[str] = []
        self.gets: list[str] = []
        self.fail_at: int | None = None
        self.skew_s = 0.0
        self.guard = threading.Lock()

    def put(self, name, content):
        """Keep bytes; the put of number ``fail_at`` is the last thing that happens."""
        with self.guard:
            if self.fail_at is not None and len(self.puts) >= self.fail_at:
                raise KeyboardInterrupt
            self.puts.append(name)
            self.held[name] = (content, time.time() + self.skew_s)

    def get(self, name, *, most_bytes):
        """Return bytes."""
        self.gets.append(name)
        return self.held[name][0][:most_bytes] if name in self.held else None

    def names(self, folder):
        """List."""
        for name, (content, at) in list(self.held.items()):
            if name.startswith(f"{folder}/"):
                yield s.place.Placed(name=name, size_bytes=len(content), written_at=at)

    def delete(self, name):
        """Forget; the dead forget nothing."""
        if self.fail_at is None:
            self.held.pop(name, None)

    def settle(self):
        """Do nothing."""

    def clean(self, *, older_than_s):
        """Do nothing."""

    def work_folder(self):
        """Say that the system's will do."""

    def age(self, name, seconds):
        """Make what is held look older."""
        content, at = self.held[name]
        self.held[name] = (content, at - seconds)

    def below(self, folder):
        """Return the names below a folder."""
        return sorted(name for name in self.held if name.startswith(f"{folder}/"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database of some commits, closed, made once."""
    folder = tmp_path_factory.mktemp("made") / "db"
    store_worlds.make(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "db"))


def taken(folder, place, **more):
    """Open a database, take a snapshot, close it."""
    store = Store.open(folder)
    try:
        return s.take(store, place, **more)
    finally:
        store.close()


def change(folder, names, version):
    """Write some records anew."""
    store = Store.open(folder)
    store_worlds.put(store, store_worlds.records(names, version=version), version)
    store.close()


def test_what_is_restored_is_what_was_there(folder, tmp_path):
    """A restored database has the records and the vectors of the snapshot's commit, to the bit, and opens sealed."""
    before = store_worlds.contents(folder)
    done = taken(folder, tmp_path / "place")
    change(folder, range(50), 7)
    told = s.restore(tmp_path / "place", tmp_path / "new")
    assert told.sequence == done.sequence
    assert told.size_bytes == done.size_bytes
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "vectors",
        "vicinal.lock",
        "vicinal.seal",
        "vicinal.session",
        "vicinal.sqlite",
    ]
    assert store_worlds.contents(tmp_path / "new") == before != store_worlds.contents(folder)


def test_the_second_snapshot_writes_what_changed(folder, tmp_path):
    """After a commit that touches little, far less is written than the snapshot holds; after none, nothing."""
    store_worlds.make(tmp_path / "big", 6000)
    first = taken(tmp_path / "big", tmp_path / "place")
    again = taken(tmp_path / "big", tmp_path / "place")
    change(tmp_path / "big", [5], 3)
    second = taken(tmp_path / "big", tmp_path / "place")
    assert first.written_bytes <= first.size_bytes
    assert first.written_bytes > first.size_bytes * 0.9
    assert (again.written_bytes, again.written_pieces, again.sequence) == (0, 0, first.sequence)
    assert 0 < second.written_bytes < first.size_bytes / 2
    assert [one.sequence for one in s.snapshots(tmp_path / "place")] == [first.sequence, second.sequence]


def test_an_unchanged_vector_file_is_not_read_again(folder, tmp_path, monkeypatch):
    """A vector file with the stamp that the last manifest names is neither read nor compared with its blocks."""
    place = MemoryPlace()
    taken(folder, place)
    store = Store.open(folder)
    with store.write() as transaction:  # a commit that appends no row
        transaction.delete(transaction.lane("main"), ["r1"])
    read: list[str] = []
    bring = s.take.__globals__["_Sending"]._bring
    monkeypatch.setattr(
        s.take.__globals__["_Sending"],
        "_bring",
        lambda self, file, at: (read.append(file.name), bring(self, file, at))[1],
    )
    s.take(store, place)
    store.close()
    assert set(read) == {"vicinal.sqlite"}


def test_a_piece_that_went_missing_is_written_again(folder, tmp_path):
    """An unchanged file whose pieces are no longer all there is read and sent again, and the snapshot is whole."""
    place = MemoryPlace()
    taken(folder, place)
    for name in place.below("blocks"):
        del place.held[name]
    change(folder, [3], 4)
    taken(folder, place)
    s.restore(place, tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == store_worlds.contents(folder)


@pytest.mark.parametrize("offset", [0, 1, -1])
def test_a_commit_is_found_by_its_number(folder, tmp_path, offset):
    """``at`` gives the newest snapshot that is not after it; its own where there is one."""
    place, states = MemoryPlace(), {}
    for version in (3, 4, 5):
        change(folder, range(version * 10), version)
        change(folder, [version], version)  # two commits for each snapshot
        states[taken(folder, place).sequence] = store_worlds.contents(folder)
    middle = sorted(states)[1]
    told = s.restore(place, tmp_path / "new", at=middle + offset)
    assert told.sequence == max(sequence for sequence in states if sequence <= middle + offset)
    assert store_worlds.contents(tmp_path / "new") == states[told.sequence]


def test_a_commit_beyond_the_newest_is_not_found(folder, tmp_path):
    """Before the first and beyond the newest snapshot there is none; the error lists those that are."""
    place = MemoryPlace()
    with pytest.raises(SnapshotNotFoundError, match="none yet"):
        s.restore(place, tmp_path / "new")
    sequence = taken(folder, place).sequence
    for at in (0, sequence - 1, sequence + 1):
        with pytest.raises(SnapshotNotFoundError, match=f"It has: {sequence}"):
            s.restore(place, tmp_path / "new", at=at)
    assert not list(tmp_path.glob("*new*"))


def test_nothing_is_restored_over_something(folder, tmp_path):
    """A target that exists, be it empty or a broken link, is refused before anything is read."""
    place = MemoryPlace()
    taken(folder, place)
    place.gets.clear()
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in ("empty", "link", "db"):
        with pytest.raises(AlreadyExistsError):
            s.restore(place, tmp_path / target)
    assert place.gets == []


def test_a_snapshot_beside_a_writer_is_of_one_commit(tmp_path):
    """While a thread writes again and again, each snapshot restores to one of the states that were committed."""
    store = Store.open(tmp_path / "db")
    store_worlds.put(store, store_worlds.records(range(60), version=0), 0)
    ended = threading.Event()

    def write():
        version = 0
        while not ended.is_set():
            version += 1
            store_worlds.put(store, store_worlds.records(range(60), version=version), version)

    writer = threading.Thread(target=write)
    writer.start()
    place = MemoryPlace()
    try:
        for _ in range(4):
            s.take(store, place)
    finally:
        ended.set()
        writer.join()
        store.close()
    for number, one in enumerate(s.snapshots(place)):
        s.restore(place, tmp_path / f"new{number}", at=one.sequence)
        found = store_worlds.contents(tmp_path / f"new{number}")
        assert len(found) == 60
        assert len({text.rpartition(" ")[2] for text, _ in found.values()}) == 1, "two commits in one snapshot"


def test_a_file_that_goes_away_meanwhile_is_still_taken(folder, tmp_path, monkeypatch):
    """A vector file that is dropped and deleted after the commit was read is in the snapshot, whole."""
    before = store_worlds.contents(folder)
    store = Store.open(folder)
    place = MemoryPlace()
    took = place.put

    def put(name, content):
        for path in folder.rglob("*.vec"):
            path.unlink()
        took(name, content)

    monkeypatch.setattr(
        place, "put", lambda name, content: (took if name.startswith("leases/") else put)(name, content)
    )
    s.take(store, place)
    monkeypatch.undo()
    s.restore(place, tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == before


def test_two_snapshots_at_once(folder, tmp_path):
    """Two who take the same commit at once both succeed, and it is there once, whole."""
    place, done = MemoryPlace(), []
    store = Store.open(folder)
    threads = [threading.Thread(target=lambda: done.append(s.take(store, place))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert len({one.sequence for one in done}) == 1
    assert len(done) == 2
    assert s.verify(place).sequences == (done[0].sequence,)


def test_a_full_disk_leaves_nothing(folder, tmp_path, monkeypatch):
    """A disk that is full while a snapshot is restored is an error with a name, and leaves no folder."""
    place = MemoryPlace()
    taken(folder, place)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceLeftError):
        s.restore(place, tmp_path / "new")
    assert not list(tmp_path.glob("*new*"))


def test_a_folder_can_be_named_in_place_of_a_store(folder, tmp_path):
    """``take`` opens the database itself where a path is given; where there is none it says so."""
    assert s.take(folder, tmp_path / "place").sequence == s.take(str(folder), tmp_path / "place").sequence
    with pytest.raises(DatabaseNotFoundError):
        s.take(tmp_path / "none", tmp_path / "place")


def test_killed_at_any_put_there_is_no_snapshot_and_the_next_goes_on(folder, tmp_path):
    """Interrupted at each of its puts, a snapshot is not there; the next writes only what is still missing."""
    whole = MemoryPlace()
    taken(folder, whole)
    total = len(whole.puts)
    for fail_at in range(total):
        place = MemoryPlace()
        place.fail_at = fail_at
        with pytest.raises(KeyboardInterrupt):
            taken(folder, place)
        assert s.snapshots(place) == []
        place.fail_at = None
        there = len(place.below("blocks"))
        done = taken(folder, place)
        assert done.written_pieces == len(place.below("blocks")) - there
        assert s.verify(place).sequences == (done.sequence,)
    assert place.puts[-1] == whole.puts[-1] == f"snapshots/{done.sequence}.json", "the manifest comes last"


def test_killed_by_a_signal_the_place_stays_whole(folder, tmp_path):
    """Processes that take snapshots into a folder are killed at random: what is listed is whole, the next one succeeds."""
    chance, interrupted = random.Random(4), 0
    for version in range(12):
        change(folder, range(version, 60 + version), version)
        child = os.fork()
        if not child:
            try:
                s.take(folder, tmp_path / "place")
            finally:
                os._exit(0)
        time.sleep(chance.random() * 0.06)
        os.kill(child, signal.SIGKILL)
        interrupted += os.waitpid(child, 0)[1] == signal.SIGKILL
        listed = [one.sequence for one in s.snapshots(tmp_path / "place") if one.sound]
        assert not listed or list(s.verify(tmp_path / "place").sequences) == listed
    taken(folder, tmp_path / "place")
    s.restore(tmp_path / "place", tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == store_worlds.contents(folder)
    assert interrupted > 3, "the kills came too late to mean anything"


def test_every_damage_to_a_piece_is_found(folder, tmp_path):
    """A flipped bit, a lost tail, a tail too much, another piece, no piece: verify names it, restore makes nothing."""
    place = MemoryPlace()
    taken(folder, place)
    names = place.below("blocks")
    for turn, name in enumerate(names):
        content, at = place.held[name]
        bad = [
            bytes([content[0] ^ 1]) + content[1:],
            content[:-1],
            content + b"\0",
            place.held[names[turn - 1]][0],
            None,
        ][turn % 5]
        if bad is None:
            del place.held[name]
        else:
            place.held[name] = (bad, at)
        with pytest.raises(CorruptSnapshotError, match=name):
            s.verify(place)
        with pytest.raises(CorruptSnapshotError, match=name):
            s.restore(place, tmp_path / "new")
        place.held[name] = (content, at)
    assert not list(tmp_path.glob("*new*"))
    assert s.verify(place).pieces == len(names)


def test_verify_counts_what_is_damaged(folder):
    """The error tells how many pieces are bad and which snapshots that breaks; others stay whole."""
    place = MemoryPlace()
    first = taken(folder, place)
    before = set(place.below("blocks"))
    change(folder, [1], 8)
    second = taken(folder, place)
    for name in sorted(set(place.below("blocks")) - before):
        place.held[name] = (b"", 0.0)
    with pytest.raises(CorruptSnapshotError, match=rf"breaks the snapshots {second.sequence}\b"):
        s.verify(place)
    assert s.verify(place, at=first.sequence).sequences == (first.sequence,)


@given(place_of=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_every_flipped_bit_of_a_manifest_is_found(place_of, bit):
    """A manifest with any one bit flipped is refused, or says exactly the same (white space at its end)."""
    piece = digest_of(b"x")
    file = StoredFile(name="vicinal.sqlite", size_bytes=1, piece_bytes=65536, stamp="", pieces=(piece,))
    manifest = Manifest(database="0" * 32, sequence=5, taken_at=1, files=(file,))
    content = bytearray(manifest.pack())
    content[int(place_of * len(content))] ^= 1 << bit
    with suppress(CorruptSnapshotError):
        assert unpack(bytes(content), "m") == manifest


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "../evil"),
        ("name", "vectors/../../evil.vec"),
        ("name", "/etc/passwd"),
        ("name", "vicinal.seal"),
        ("size_bytes", -1),
        ("size_bytes", 1 << 40),
        ("size_bytes", True),
        ("piece_bytes", 0),
        ("piece_bytes", 1 << 40),
        ("pieces", ("../../etc/passwd",)),
        ("pieces", ()),
        ("stamp", 3),
    ],
)
def test_a_manifest_cannot_name_what_is_not_its_own(name, value):
    """A manifest with a right digest that leads out of the folder, or whose sums are wrong, is refused."""
    file = {"name": "vicinal.sqlite", "size_bytes": 1, "piece_bytes": 65536, "stamp": "", "pieces": (digest_of(b"x"),)}
    other = StoredFile(**{**file, "name": "vicinal.sqlite" if name != "name" else "vectors/0123456789abcdef/1.vec"})
    files = (StoredFile(**{**file, name: value}), *([other] if name == "name" else []))
    manifest = Manifest(database="0" * 32, sequence=5, taken_at=1, files=files)
    with pytest.raises(CorruptSnapshotError):
        unpack(manifest.pack(), "m")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b'{"digest":1,"snapshot":{}}', b"[" * 100_000, b"\xff" * 9]
)
def test_what_is_no_manifest_is_refused(content):
    """Any other content is a damaged manifest."""
    with pytest.raises(CorruptSnapshotError):
        unpack(content, "m")


def test_a_manifest_of_a_later_version_is_told(monkeypatch):
    """One that this program does not know is no damage."""
    file = StoredFile(name="vicinal.sqlite", size_bytes=1, piece_bytes=9, stamp="", pieces=(digest_of(b"x"),))
    manifest = Manifest(database="0" * 32, sequence=5, taken_at=1, files=(file,))
    monkeypatch.setattr(manifests, "MANIFEST_VERSION", 2)
    content = manifest.pack()
    monkeypatch.undo()
    with pytest.raises(FormatVersionError):
        unpack(content, "m")


def test_a_damaged_manifest_is_listed_and_the_others_serve(folder, tmp_path):
    """It is listed as unsound and cannot be restored; a snapshot goes on without it; prune removes no piece."""
    place = MemoryPlace()
    first = taken(folder, place)
    change(folder, [1], 8)
    second = taken(folder, place)
    place.held[f"snapshots/{second.sequence}.json"] = (b"{}", 0.0)
    assert [one.sound for one in s.snapshots(place)] == [True, False]
    with pytest.raises(CorruptSnapshotError):
        s.restore(place, tmp_path / "new")
    s.restore(place, tmp_path / "new", at=first.sequence)
    change(folder, [1], 9)
    third = taken(folder, place)
    with pytest.raises(CorruptSnapshotError):
        s.prune(place, grace_s=0)
    del place.held[f"snapshots/{second.sequence}.json"]
    assert s.verify(place).sequences == (third.sequence,), "prune had removed the manifest of the first"


def test_a_manifest_under_another_name_is_refused(folder, tmp_path):
    """A manifest that was copied to another commit's name does not pass for it."""
    place = MemoryPlace()
    done = taken(folder, place)
    place.held[f"snapshots/{done.sequence + 4}.json"] = place.held[f"snapshots/{done.sequence}.json"]
    with pytest.raises(CorruptSnapshotError, match="another commit"):
        s.restore(place, tmp_path / "new")


def test_a_manifest_that_lies_about_its_commit_makes_nothing(folder, tmp_path):
    """A manifest whose digest is right but whose pieces are those of another commit, or of no database, is refused."""
    place = MemoryPlace()
    done = taken(folder, place)
    sound = read_manifest(place, done.sequence)
    later = dataclasses.replace(sound, sequence=done.sequence + 1)
    place.put(later.name, later.pack())
    with pytest.raises(CorruptSnapshotError, match="database of another commit"):
        s.restore(place, tmp_path / "new")
    piece = digest_of(b"no database")
    place.put(f"blocks/{piece}", b"no database")
    truth = StoredFile(name="vicinal.sqlite", size_bytes=11, piece_bytes=65536, stamp="", pieces=(piece,))
    empty = dataclasses.replace(sound, sequence=done.sequence + 2, files=(truth,))
    place.put(empty.name, empty.pack())
    with pytest.raises(CorruptSnapshotError, match="damaged"):
        s.restore(place, tmp_path / "new")
    assert not list(tmp_path.glob("*new*"))


def test_a_place_holds_one_database(folder, tmp_path):
    """Another database is refused; so is a restored one beside the one that it was taken from, wherever either stands."""
    place = MemoryPlace()
    first = taken(folder, place)
    store_worlds.make(tmp_path / "other")
    with pytest.raises(ConflictError, match="another database"):
        taken(tmp_path / "other", place)
    s.restore(place, tmp_path / "branch")
    for version in (5, 6, 7):
        change(tmp_path / "branch", [2], version)
        with pytest.raises(ConflictError, match="restored"):
            taken(tmp_path / "branch", place)
    change(folder, [1], 5)
    second = taken(folder, place)
    own = MemoryPlace()
    taken(tmp_path / "branch", own)
    with pytest.raises(ConflictError, match="restored"):
        taken(folder, own)
    assert s.verify(place).sequences == (first.sequence, second.sequence)


def test_a_database_that_was_set_back_by_hand_is_refused(folder, tmp_path):
    """A copied folder tells nothing of another history; two states of one commit are still never taken for one."""
    place = MemoryPlace()
    shutil.copytree(folder, tmp_path / "branch")
    change(folder, [1], 5)
    change(tmp_path / "branch", [2], 6)
    taken(folder, place)
    with pytest.raises(ConflictError, match="another snapshot of commit"):
        taken(tmp_path / "branch", place)


def test_each_restore_begins_a_history(folder, tmp_path):
    """A database has no epoch until it is restored; two restores have two, kept over a snapshot's manifest, and no record differs."""
    place = MemoryPlace()
    first = taken(folder, place)
    assert read_manifest(place, first.sequence).epoch == ""
    epochs = []
    for name in ("a", "b"):
        s.restore(place, tmp_path / name)
        store = Store.open(tmp_path / name)
        store.check()
        with store.snapshot() as snapshot:
            epochs.append(snapshot.setting(s.EPOCH))
            assert (snapshot.database.hex(), snapshot.sequence) == (
                s.snapshots(place)[0].database,
                first.sequence + 1,
            )
        store.close()
        assert store_worlds.contents(tmp_path / name) == store_worlds.contents(folder)
    own = MemoryPlace()
    second = taken(tmp_path / "a", own)
    assert read_manifest(own, second.sequence).epoch == epochs[0]
    s.restore(own, tmp_path / "c")
    store = Store.open(tmp_path / "c", read_only=True)
    with store.snapshot() as snapshot:
        epochs.append(snapshot.setting(s.EPOCH))
    store.close()
    assert len(set(epochs)) == 3
    assert all(len(epoch) == 32 for epoch in epochs)


def test_a_place_in_the_database_is_refused(folder, tmp_path):
    """A place in the folder of the database would be lost with it; nothing is written there, under whatever name."""
    (tmp_path / "link").symlink_to(folder)
    before = sorted(folder.rglob("*"))
    for place in (folder, str(folder), folder / "backups", tmp_path / "link" / "x", f"file://{folder}/x"):
        with pytest.raises(RangeError, match="lies in the database"):
            taken(folder, place)
    assert [path for path in sorted(folder.rglob("*")) if not path.name.startswith("vicinal.")] == [
        path for path in before if not path.name.startswith("vicinal.")
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda folder, place: s.take(folder, 5),
        lambda folder, place: s.take(folder, None),
        lambda folder, place: s.take(folder, b"place"),
        lambda folder, place: s.take(folder, "a\0"),
        lambda folder, place: s.take(folder, "\ud800"),
        lambda folder, place: s.take(folder, "file:///a%00"),
        lambda folder, place: s.take(folder, "s3://[bucket"),
        lambda folder, place: s.take(5, place),
        lambda folder, place: s.take("a\0", place),
        lambda folder, place: s.snapshots(5),
        lambda folder, place: s.verify(5),
        lambda folder, place: s.verify(place, at="x"),
        lambda folder, place: s.verify(place, at=-1),
        lambda folder, place: s.restore(place, 5),
        lambda folder, place: s.restore(place, "a\0"),
        lambda folder, place: s.restore(place, folder.parent / "new", at="x"),
        lambda folder, place: s.restore(place, folder.parent / "new", at=1.5),
        lambda folder, place: s.restore(place, folder.parent / "new", at=True),
        lambda folder, place: s.prune(place, keep_last="x"),
        lambda folder, place: s.prune(place, older_than_s="x"),
        lambda folder, place: s.prune(place, older_than_s=True),
        lambda folder, place: s.prune(place, grace_s=[1]),
        lambda folder, place: s.prune(5),
    ],
)
def test_wrong_arguments_are_told(folder, call):
    """What is no path, place, commit or number of seconds is an InputError, whatever it is; nothing is made."""
    place = MemoryPlace()
    taken(folder, place)
    before = dict(place.held)
    with pytest.raises(InputError):
        call(folder, place)
    assert place.held == before
    assert not (folder.parent / "new").exists()


def test_a_damaged_vector_file_gives_no_snapshot(folder, tmp_path):
    """A vector file that does not match its checksums is found while it is read, and nothing is published."""
    place = MemoryPlace()
    store = Store.open(folder)
    [path] = folder.rglob("*.vec")
    content = bytearray(path.read_bytes())
    content[5000] ^= 4
    path.write_bytes(content)
    with pytest.raises(VicinalError, match="does not match its checksum"):
        s.take(store, place)
    store.close()
    assert s.snapshots(place) == []


def test_garbage_behind_the_committed_rows_is_left_out(folder, tmp_path):
    """What a crash left at the end of a vector file is no part of a snapshot."""
    [path] = folder.rglob("*.vec")
    store = Store.open(folder)
    with store.snapshot() as snapshot:
        committed = snapshot.segments(snapshot.lane("main"))[0].committed_bytes
    with path.open("ab") as file:
        file.write(b"garbage")
    place = MemoryPlace()
    s.take(store, place)
    store.close()
    s.restore(place, tmp_path / "new")
    [restored] = (tmp_path / "new").rglob("*.vec")
    assert restored.stat().st_size == committed


def test_an_empty_database_has_snapshots_too(tmp_path):
    """No collection, no vector file: the snapshot is the truth alone."""
    Store.open(tmp_path / "db").close()
    done = taken(tmp_path / "db", tmp_path / "place")
    assert done.sequence == 0
    s.restore(tmp_path / "place", tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == {}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_database_of_an_older_format_can_be_taken(tmp_path, version):
    """A database of format 1 or 2 is taken without being changed, and restores to the same records and vectors."""
    fixture = Path(__file__).resolve().parents[2] / "fixtures" / "store" / version
    folder = Path(shutil.copytree(fixture, tmp_path / "db"))
    before = (folder / "vicinal.sqlite").read_bytes()
    s.take(folder, tmp_path / "place")
    assert (folder / "vicinal.sqlite").read_bytes() == before
    s.restore(tmp_path / "place", tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == store_worlds.contents(folder) != {}


def test_a_read_only_folder_can_be_taken(folder, tmp_path):
    """A sealed database that cannot be written can be taken; the snapshot restores."""
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to this user")
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    store = Store.open(folder, read_only=True)
    try:
        s.take(store, tmp_path / "place")
    finally:
        store.close()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    s.restore(tmp_path / "place", tmp_path / "new")
    assert store_worlds.contents(tmp_path / "new") == store_worlds.contents(folder)


def test_progress_ends_at_the_total(folder, tmp_path):
    """Bytes done rise to the total in taking, verifying and restoring."""
    place = MemoryPlace()
    for work in (
        lambda told: taken(folder, place, progress=told),
        lambda told: s.verify(place, progress=told),
        lambda told: s.restore(place, tmp_path / "new", progress=told),
    ):
        said: list[tuple[int, int]] = []
        work(lambda done, total, said=said: said.append((done, total)))
        assert [done for done, _ in said] == sorted(done for done, _ in said)
        assert said[-1][0] == said[-1][1]


def test_an_interrupted_restore_leaves_nothing(folder, tmp_path):
    """Ctrl-C in the midst of a restore leaves no folder, under any name."""
    place = MemoryPlace()
    taken(folder, place)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        s.restore(place, tmp_path / "new", progress=interrupt)
    assert not list(tmp_path.glob("*new*"))


def test_prune_keeps_what_is_needed(folder, tmp_path):
    """The newest stay, with every piece of theirs; pieces that only the others had go, and no other."""
    place, states = MemoryPlace(), {}
    for version in range(3, 8):
        change(folder, range(version), version)
        states[taken(folder, place).sequence] = store_worlds.contents(folder)
    gone, kept = sorted(states)[:3], sorted(states)[3:]
    done = s.prune(place, keep_last=2, grace_s=0)
    needed = {
        f"blocks/{piece}" for sequence in kept for file in read_manifest(place, sequence).files for piece in file.pieces
    }
    assert (list(done.sequences), done.postponed) == (gone, False)
    assert done.pieces > 0
    assert set(place.below("blocks")) == needed
    assert place.below("leases") == []
    for sequence in kept:
        s.restore(place, tmp_path / str(sequence), at=sequence)
        assert store_worlds.contents(tmp_path / str(sequence)) == states[sequence]


def test_prune_by_age(folder):
    """Only snapshots that were taken longer ago go, and never the newest."""
    place = MemoryPlace()
    for version in range(3, 6):
        change(folder, range(version), version)
        taken(folder, place)
    assert s.prune(place, older_than_s=DAY_S).sequences == ()
    first, *_ = found = [read_manifest(place, one.sequence) for one in s.snapshots(place)]
    old = Manifest(
        database=first.database, sequence=first.sequence, taken_at=first.taken_at - 2 * DAY_S, files=first.files
    )
    place.put(old.name, old.pack())
    assert s.prune(place, older_than_s=DAY_S).sequences == (first.sequence,)
    assert s.prune(place, older_than_s=0, keep_last=2).sequences == ()
    assert len(s.snapshots(place)) == len(found) - 1


def test_young_pieces_stay(folder):
    """Pieces that no manifest names stay for the time of grace."""
    place = MemoryPlace()
    taken(folder, place)
    place.put("blocks/" + digest_of(b"orphan"), b"orphan")
    assert s.prune(place).pieces == 0
    place.age("blocks/" + digest_of(b"orphan"), 2 * lease.LEASE_S)
    done = s.prune(place)
    assert (done.pieces, done.freed_bytes) == (1, 6)


def test_no_sweep_beside_a_snapshot(folder):
    """While a snapshot is under way prune removes manifests and no piece; while a sweep is, no snapshot begins."""
    place = MemoryPlace()
    taken(folder, place)
    change(folder, [1], 5)
    taken(folder, place)
    pieces = place.below("blocks")
    with lease.held(place, "snapshot"):
        done = s.prune(place, grace_s=lease.LEASE_S)
        assert (len(done.sequences), done.pieces, done.postponed) == (1, 0, True)
    assert place.below("blocks") == pieces
    with lease.held(place, "sweep"), pytest.raises(LockedError, match="sweep is under way"):
        taken(folder, place)
    assert not s.prune(place, grace_s=0).postponed


def test_ages_are_by_the_clock_of_the_place(folder):
    """A place whose clock differs by days from this machine's: living leases and young pieces are still known as such."""
    place = MemoryPlace()
    taken(folder, place)
    place.skew_s = -3 * DAY_S
    place.put("blocks/" + digest_of(b"orphan"), b"orphan")
    with lease.held(place, "snapshot"):
        assert s.prune(place).postponed
    assert (s.prune(place).pieces, s.prune(place).postponed) == (0, False)


def test_a_dead_snapshot_does_not_stop_prune_for_ever(folder):
    """The lease of a killed snapshot counts for an hour, and is then removed."""
    place = MemoryPlace()
    place.fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        taken(folder, place)
    place.fail_at = None
    assert s.prune(place).postponed
    [left] = place.below("leases")
    place.age(left, 2 * lease.LEASE_S)
    assert not s.prune(place).postponed
    assert place.below("leases") == []


def test_a_snapshot_that_stood_still_is_not_published(folder, monkeypatch):
    """Work that gave no sign of life for half of a lease is given up: a sweep may have begun."""
    place = MemoryPlace()
    clock = iter(range(0, 10_000_000, 2000))
    monkeypatch.setattr(lease.time, "monotonic", lambda: float(next(clock)))
    with pytest.raises(LockedError, match="stood still"):
        taken(folder, place)
    assert s.snapshots(place) == []


def test_a_long_snapshot_renews_its_lease(folder, monkeypatch):
    """Work that goes on says so every five minutes."""
    place = MemoryPlace()
    clock = iter(range(0, 10_000_000, 400))
    monkeypatch.setattr(lease.time, "monotonic", lambda: float(next(clock)))
    taken(folder, place)
    assert max(Counter(name for name in place.puts if name.startswith("leases/")).values()) > 1


@pytest.mark.parametrize(("keep_last", "more"), [(0, {}), (1, {"older_than_s": -1.0}), (1, {"grace_s": float("nan")})])
def test_prune_refuses_what_makes_no_sense(keep_last, more):
    """All snapshots cannot be pruned away, and ages are not negative."""
    with pytest.raises(RangeError):
        s.prune(MemoryPlace(), keep_last=keep_last, **more)


def test_a_folder_holds_pieces_whole_or_not_at_all(folder, tmp_path, monkeypatch):
    """A file that could not be finished has no name; leftovers of kills are not listed, and prune removes them."""
    place = s.FolderPlace(tmp_path / "place")
    taken(folder, place)
    listed = [one.name for one in place.names("blocks")]
    left = tmp_path / "place/blocks/.abc.0123.part"
    left.write_bytes(b"half")
    (tmp_path / "place/.vicinal-left").mkdir()
    assert [one.name for one in place.names("blocks")] == listed
    s.prune(place)
    assert left.exists()
    s.prune(place, grace_s=0)
    assert sorted(path.name for path in (tmp_path / "place").iterdir()) == ["blocks", "leases", "snapshots"]
    assert not left.exists()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VicinalError, match="full"):
        place.put("blocks/x", b"x")
    assert [one.name for one in place.names("blocks")] == listed


def test_places_by_name(tmp_path):
    """A path and a file URL are folders; other schemes are named, and credentials in a URL are refused unseen."""
    assert s.open_place(tmp_path).folder == tmp_path
    assert s.open_place(f"file://{tmp_path}/a%20b").folder == tmp_path / "a b"
    with pytest.raises(UnknownNameError, match="ftp"):
        s.open_place("ftp://host/x")
    with pytest.raises(UnsupportedError):
        s.open_place("file://host/x")
    with pytest.raises(RangeError) as told:
        s.open_place("s3://name:secret@bucket/x")
    assert "secret" not in str(told.value)


def test_an_empty_place_lists_nothing(tmp_path):
    """A place that was never written to has no snapshots, is not said to be whole, and stays unmade."""
    assert s.snapshots(tmp_path / "place") == []
    with pytest.raises(SnapshotNotFoundError, match="none yet"):
        s.verify(tmp_path / "place")
    assert not (tmp_path / "place").exists()


def test_results_come_in_order_and_few_are_held():
    """Jobs are worked on ahead, but never more than the bound beyond what was taken, and an error ends the rest."""
    begun: list[int] = []

    def work(job):
        begun.append(job)
        if job == 500:
            raise ValueError
        return job * job

    results = in_order(work, iter(range(10_000)))
    assert [next(results) for _ in range(100)] == [job * job for job in range(100)]
    assert len(begun) <= 100 + AHEAD + WORKERS + 1
    with pytest.raises(ValueError):
        list(results)
    assert max(begun) <= 500 + AHEAD + WORKERS + 1


def test_manifest_is_json_that_a_person_can_read(folder, tmp_path):
    """The manifest names each file with its length, and the pieces' names are the BLAKE2b-256 of their bytes."""
    done = taken(folder, tmp_path / "place")
    said = json.loads((tmp_path / f"place/snapshots/{done.sequence}.json").read_text())["snapshot"]
    for file in said["files"]:
        content = b"".join((tmp_path / "place/blocks" / piece).read_bytes() for piece in file["pieces"])
        assert len(content) == file["size_bytes"]
    for path in (tmp_path / "place/blocks").iterdir():
        assert digest_of(path.read_bytes()) == path.name
    shutil.rmtree(tmp_path / "place")


def test_paths_only_for_folders():
    """A Path is a folder whatever it looks like."""
    assert s.open_place(Path("memory:")).folder.name == "memory:"
