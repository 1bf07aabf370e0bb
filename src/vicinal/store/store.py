"""An open database: its connections, its locks, its state, and the one commit point."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vicinal._files import disk_errors, stamp_of, sync_folder
from vicinal.errors import (
    CorruptStoreError,
    DatabaseNotFoundError,
    LockedError,
    NoSpaceLeftError,
    ReadOnlyError,
    ReplicaError,
    StoreError,
    VicinalError,
    corrupt,
)
from vicinal.store import schema
from vicinal.store.catalog import Known, Lane
from vicinal.store.check import check_everything
from vicinal.store.compaction import SPARSE, Compacted, compact
from vicinal.store.format import (
    FOLLOWS,
    HEAD_NAME,
    LOCK_NAME,
    READ_AS_THEY_ARE,
    SEAL_NAME,
    SESSION_NAME,
    SQLITE_NAME,
    Seal,
)
from vicinal.store.lock import FileLock
from vicinal.store.older import upgrade, upgraded_copy
from vicinal.store.rows import settle
from vicinal.store.seal import Head, SealFile, check_sealed_truth, is_as_sealed
from vicinal.store.segment import Segment
from vicinal.store.snapshot import LaneView, Snapshot
from vicinal.store.transaction import Transaction
from vicinal.store.view import KeptView, advanced, first_view
from vicinal.types import Progress

READERS_WAIT_MS = 500
"""How long closing waits for readers of older commits; with one of them left, the database stays unsealed."""
ATTEMPTS = 5
"""How often the state is read anew when another process changes it meanwhile."""
PROBE_S = 0.2
"""How long the write lock must be taken to mean a writer, and not another one who looks whether there is one."""
GRACE_S = 60
"""How long the file of a dropped segment stays at least, for readers who began before and have not mapped it yet."""


_OPEN: Counter[Path] = Counter()
"""How many stores of a folder this process has open.

SQLite's locks belong to the process: whoever opens and closes its file by hand, to read it for the seal,
lets go of those of every other connection in the process.
"""


@dataclass(frozen=True, slots=True)
class _Stand:
    """What the readers of a database that cannot be read as it is read instead, and how to see that this has ended.

    In a folder that cannot be written the file is read without locks as long as its seal is the same (``stamp``);
    of an older format a private copy in the present form is read (``copy``), as of a commit (``sequence``).
    """

    stamp: str = ""
    copy: Path | None = None
    original: sqlite3.Connection | None = None
    sequence: int = 0

    def close(self) -> None:
        """Let go of the original, and delete the copy."""
        if self.original is not None:
            self.original.close()
        if self.copy is not None:
            shutil.rmtree(self.copy.parent, ignore_errors=True)


@dataclass
class _Inside:
    """What must be closed when the store is, also by the interpreter's end; apart from it so that it can be."""

    folder: Path
    process: int = field(default_factory=os.getpid)
    readers: list[sqlite3.Connection] = field(default_factory=list)
    stand: _Stand | None = None
    writer: sqlite3.Connection | None = None
    write_lock: FileLock | None = None
    session: FileLock | None = None
    head: int | None = None


class Store:
    """A database folder, open.

    Reads are snapshots and can run in any number of threads and processes; writes are one at a time.
    Use ``Store.open``; close it, or let it be closed at the end of the program.
    """

    can = frozenset({"compact", "delete", "feed", "filter", "mmap", "read_only", "snapshot", "upsert"})

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.path = folder / SQLITE_NAME
        self.read_only = read_only
        self.kept: dict[str, object] = {}  # what higher layers keep for as long as the store is open
        self._inside = _Inside(folder)
        self._guard = threading.RLock()
        self._write_guard = threading.RLock()
        self._views: dict[int, KeptView] = {}
        self._known: Known | None = None
        self._generation = 0
        self._next_sweep: float | None = None
        self._must_overwrite = False
        self._closed = False
        _OPEN[folder] += 1
        self._finalizer = weakref.finalize(self, _close, self._inside)

    @classmethod
    def open(cls, folder: Path, *, create: bool = True, read_only: bool = False) -> Store:
        """Open a database, checked: what it answers has been compared with its checksums.

        A cleanly closed database is compared with its seal, which costs a few ``stat`` calls.
        One whose writer died is read in full, once.

        Raises
        ------
        DatabaseNotFoundError
            There is none, and ``create`` is false.
        StoreError
            It is damaged, of another format, or cannot be opened.
        """
        folder = Path(folder)
        if "\0" in str(folder):
            raise StoreError(f"No folder can be called {str(folder)!r}: it holds a NUL.", where=str(folder))
        with disk_errors(folder):
            is_there = (folder / SQLITE_NAME).exists()
        if not is_there:
            _require_absence(folder, create=create and not read_only)
            _create(folder)
        store = cls(folder.resolve(), read_only=read_only)
        try:
            store._check_at_opening()
        except BaseException:
            store.close()
            raise
        return store

    def _check_at_opening(self) -> None:
        """Compare the database with what is known of it, again while another process changes it."""
        for attempt in range(ATTEMPTS):
            compared = self._compared_state()
            try:
                self._check_state()
            except CorruptStoreError:
                is_as_compared = self._compared_state() == compared and not self._someone_is_writing()
                if attempt + 1 == ATTEMPTS or is_as_compared:
                    raise
            else:
                return

    def _compared_state(self) -> list[str]:
        """Return the stamps of head and seal: another process that opens or closes the database changes them."""
        stamps = []
        for name in (HEAD_NAME, SEAL_NAME):
            try:
                stamps.append(stamp_of(self.folder / name))
            except OSError:
                stamps.append("")
        return stamps

    def _check_state(self) -> None:
        """Check by the seal, trust a living writer, or read everything."""
        seal = None if Head(self.folder).exists() else SealFile(self.folder).read()
        if seal is not None:
            if _OPEN[self.folder] == 1:  # another store of this process has compared it, and must keep its locks
                check_sealed_truth(self.folder, seal)
            self._check_vectors(seal)
        elif not self._someone_is_writing():
            self._recover()

    def _check_vectors(self, seal: Seal) -> None:
        """Check the vector files of a sealed database; untouched ones by their stamp."""
        with self.snapshot() as snapshot:
            if snapshot.sequence != seal.sequence:
                raise corrupt(
                    self.path, "it is of another time than its seal", expected=seal.sequence, got=snapshot.sequence
                )
            for name in snapshot.collection_names():
                for segment in snapshot.segments(snapshot.lane(name)):
                    if not is_as_sealed(segment, self.folder, seal):
                        segment.check_blocks(snapshot.rows_in(segment), snapshot.blocks(segment))

    def _someone_is_writing(self) -> bool:
        """Return whether a session is alive, in this process or another.

        Sessions begin under the write lock, and so does whoever looks for one: else two who look at the same moment
        would take each other for a session.
        """
        try:
            writing = FileLock(self.folder / LOCK_NAME, write=not self.read_only)
        except StoreError:
            return False
        try:
            end = time.monotonic() + PROBE_S
            while not writing.try_alone():
                if time.monotonic() > end:
                    return True
                time.sleep(PROBE_S / 100)
            session = FileLock(self.folder / SESSION_NAME, write=not self.read_only)
            try:
                return not session.try_alone()
            finally:
                session.close()
        except StoreError:
            return False
        finally:
            writing.close()

    def _recover(self) -> None:
        """Check everything after a crash; where this process may write, seal the database again."""
        self._check_acknowledged()
        with self._reader() as connection:
            check_everything(connection, self.folder)
        if not self.read_only:
            with suppress(ReadOnlyError), self._write_lock().alone():
                self._begin_session()

    def _check_acknowledged(self) -> None:
        """Refuse a truth that has lost a commit which was acknowledged."""
        head = Head(self.folder)
        if not head.exists():
            return
        with self.snapshot() as snapshot:
            sequence = snapshot.sequence
        if head.exists() and sequence < (acknowledged := head.sequence()):
            log = self.path.with_name(self.path.name + "-wal")
            raise corrupt(log, "acknowledged commits are missing from it", expected=acknowledged, got=sequence)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read as of one commit, beside any writer. Cost: 20 µs where nothing was written since the last one.

        Raises
        ------
        StoreError
            The store is closed, or the database is damaged.
        """
        with self._reader() as connection, schema.sqlite_errors(self.path):
            connection.execute("BEGIN")
            try:
                snapshot = Snapshot(connection, self.folder, self._known)
                self._remember(snapshot.known)
                yield snapshot
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _remember(self, known: Known) -> None:
        """Keep what is known of the latest commit for the next snapshot."""
        if known is not self._known:
            with self._guard:
                if self._known is None or known.sequence >= self._known.sequence:
                    self._known = known

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading; it comes back to the others."""
        self._require_open()
        if self._inside.stand is not None:
            self._end_stand_if_over()
        with self._guard:
            generation = self._generation
            connection = self._inside.readers.pop() if self._inside.readers else None
        if connection is None:
            connection = self._connect_reader()
        try:
            yield connection
        finally:
            with self._guard:
                if self._closed or generation != self._generation:
                    connection.close()
                else:
                    self._inside.readers.append(connection)

    def _connect_reader(self) -> sqlite3.Connection:
        """Return a new reading connection: to the file, or to what stands in for it."""
        with self._guard:
            stand = self._inside.stand
            if stand is not None and stand.copy is not None:
                return schema.connect(stand.copy, write=False)
        connection = self._connect_file()
        if schema.version_of(connection) in READ_AS_THEY_ARE:
            return connection
        with self._guard, schema.sqlite_errors(self.path):
            sequence = _sequence_of(connection)
            if self._inside.stand is not None:
                self._inside.stand.close()
            self._inside.stand = _Stand(copy=upgraded_copy(self.path), original=connection, sequence=sequence)
            return self._connect_reader()

    def _connect_file(self) -> sqlite3.Connection:
        """Return a connection to the file; in a folder that cannot be written, one that asks for no locks."""
        try:
            return schema.connect(self.path, write=False)
        except (StoreError, ReadOnlyError) as error:
            if (
                isinstance(error, CorruptStoreError)
                or not (self.folder / SEAL_NAME).exists()
                or Head(self.folder).exists()
            ):
                raise
            with self._guard, disk_errors(self.folder):
                self._inside.stand = _Stand(stamp=stamp_of(self.folder / SEAL_NAME))
            return schema.connect(self.path, write=False, immutable=True)

    def _end_stand_if_over(self) -> None:
        """Read the file itself again once another process has written to it."""
        with self._guard, schema.sqlite_errors(self.path), disk_errors(self.folder):
            stand = self._inside.stand
            if stand is None:
                return
            if stand.original is not None:
                over = (
                    schema.version_of(stand.original) in READ_AS_THEY_ARE
                    or _sequence_of(stand.original) != stand.sequence
                )
            else:
                seal = self.folder / SEAL_NAME
                over = Head(self.folder).exists() or not seal.exists() or stamp_of(seal) != stand.stamp
            if over:
                self._generation += 1
                for reader in self._inside.readers:
                    reader.close()
                self._inside.readers.clear()
                stand.close()
                self._inside.stand = None

    def view(self, snapshot: Snapshot, lane: Lane) -> LaneView:
        """Return the mapped rows and living rows of a lane, kept from the last call and brought up to the snapshot.

        Cost: nothing where nothing was written since; else what was, and a copy of one bit for each row.
        """
        with self._guard:
            kept = self._views.get(lane.number)
        if isinstance(snapshot, Transaction):
            return first_view(snapshot, lane).view
        if kept is not None and kept.view.sequence == snapshot.sequence:
            return kept.view
        if kept is None or kept.view.sequence > snapshot.sequence:
            new = first_view(snapshot, lane)
        else:
            new = advanced(kept, snapshot, lane)
        with self._guard:
            kept = self._views.get(lane.number)
            if not self._closed and (kept is None or kept.view.sequence < new.view.sequence):
                self._views[lane.number] = new
        return new.view

    def forget(self, lane_number: int) -> None:
        """Drop the view that is kept of a lane, because it is gone; none is no error."""
        with self._guard:
            self._views.pop(lane_number, None)

    @contextmanager
    def write(self, *, following: bool = False) -> Iterator[Transaction]:
        """Write one commit: when the block ends well, it is durable; when it raises, nothing happened.

        Parameters
        ----------
        following : bool
            Whether it is the replica itself that writes, where the database is one.

        Raises
        ------
        ReplicaError
            The database follows another one.
        LockedError
            Another process is writing and did not finish.
        StoreError
            The disk refused, or the database is read-only or damaged.
        """
        self._require_open()
        if self.read_only:
            raise ReadOnlyError(f"{self.folder} was opened read-only.", where=str(self.folder))
        with self._write_guard, self._write_lock().alone():
            self._require_open()
            connection = self._begin_session()
            with schema.sqlite_errors(self.path):
                self._overwrite_failed_commit(connection)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(connection, self.folder, self._known, following=following)
                    if not following:
                        _require_primary(transaction, self.folder)
                    old_files = self._old_files(transaction)
                    yield transaction
                    known = transaction.finish()
                    self._must_overwrite = True
                    connection.execute("COMMIT")
                    self._must_overwrite = False
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
            self._remember(known)
            for number in transaction.dropped_lanes:
                self.forget(number)
            with suppress(StoreError):  # the commit is durable; the head may be too low, never too high
                self._acknowledge(transaction.sequence)
            for path in old_files:
                with suppress(OSError):
                    path.unlink()

    def _overwrite_failed_commit(self, connection: sqlite3.Connection) -> None:
        """Commit nothing, where the commit before failed in its last moment.

        Its end may stand in the log, whole, though SQLite does not count it. A crash would bring it to life,
        when other vectors may lie already where its own were; so something must lie over it before those are written.
        """
        if self._must_overwrite:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("UPDATE manifest SET crc = crc")
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            self._must_overwrite = False

    def _old_files(self, transaction: Transaction) -> list[Path]:
        """Return the files of dropped segments whose time is over, forgotten in this commit and to be deleted after it."""
        now = time.time()
        if self._next_sweep is not None and now < self._next_sweep:
            return []
        old = transaction.dropped_before(now - GRACE_S)
        self._next_sweep = now + GRACE_S
        return old

    def _acknowledge(self, sequence: int) -> None:
        """Note a durable commit in the head."""
        with disk_errors(self.folder):
            if self._inside.head is None:
                self._inside.head = os.open(Head(self.folder).path, os.O_WRONLY | os.O_CLOEXEC)
            Head.note(self._inside.head, sequence)

    def compact(self, name: str, *, sparse: float = SPARSE, progress: Progress | None = None) -> Compacted:
        """Rewrite the sparse vector files of a collection and give free pages back; readers and writers go on meanwhile.

        See ``compaction.compact``.
        """
        done = compact(self, name, sparse=sparse, progress=progress)
        with suppress(NoSpaceLeftError, LockedError):  # it only saves space
            self.give_back()
        return done

    def give_back(self) -> None:
        """Give the free pages of SQLite's file back to the file system, where they are many.

        Writers wait meanwhile (about 10 s for a gigabyte), readers do not; the disk needs room for a second file.
        """
        self._require_open()
        with self._write_guard, self._write_lock().alone(), schema.sqlite_errors(self.path):
            schema.vacuum(self._begin_session())

    def _write_lock(self) -> FileLock:
        if self._inside.write_lock is None:
            self._inside.write_lock = FileLock(self.folder / LOCK_NAME, write=True)
        return self._inside.write_lock

    def _begin_session(self) -> sqlite3.Connection:
        """Return the writing connection; on the first write of this process, mark the database as open."""
        inside = self._inside
        if inside.writer is not None and inside.head is not None:
            return inside.writer
        if inside.session is None:
            session = FileLock(self.folder / SESSION_NAME, write=True)
            try:
                session.together()
            except BaseException:
                session.close()
                raise
            inside.session = session
        if inside.writer is None:
            inside.writer = schema.connect(self.path, write=True)
        head = Head(self.folder)
        with schema.sqlite_errors(self.path):
            if not head.exists():
                head.create(_sequence_of(inside.writer))
                SealFile(self.folder).remove()
            upgrade(inside.writer, self.path)
        return inside.writer

    def check(self) -> None:
        """Compare everything with its checksums, stamps or not.

        Raises
        ------
        CorruptStoreError
            Something is damaged; the message names the file.
        """
        with self._reader() as connection:
            check_everything(connection, self.folder)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self.folder} is closed; open it again.", where=str(self.folder))

    def close(self) -> None:
        """Close the database. The last session to close seals it. Closing twice is no error."""
        with self._write_guard, self._guard:
            self._closed = True
            self._views.clear()
            self._known = None
            self._finalizer()


def _require_primary(snapshot: Snapshot, folder: Path) -> None:
    """Refuse to write to a database that follows another one."""
    if snapshot.setting(FOLLOWS) is not None:
        raise ReplicaError(f"{folder} is a replica: write to its primary, or promote it first.", where=str(folder))


def _require_absence(folder: Path, *, create: bool) -> None:
    """Refuse to make a database where there is something else, or where none was asked for."""
    if not create:
        raise DatabaseNotFoundError(f"There is no database at {folder}.", where=str(folder))
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"{folder} is a file; a database is a folder.", where=str(folder))
    if folder.exists() and ((folder / SEAL_NAME).exists() or (folder / "vectors").exists() or Head(folder).exists()):
        raise corrupt(folder / SQLITE_NAME, "it is missing")


def _create(folder: Path) -> None:
    """Make an empty database; when two processes do so at once, one does it and both go on."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME, write=True)
    try:
        with lock.alone():
            if (folder / SQLITE_NAME).exists():
                return
            FileLock(folder / SESSION_NAME, write=True).close()
            database = secrets.token_bytes(16)
            schema.create(folder / SQLITE_NAME, database)
            SealFile(folder).write(0, [])
    finally:
        lock.close()


def _close(inside: _Inside) -> None:
    """Close everything; seal the database if this was the last session that had written.

    A child process that was forked with an open store has no part in it: connections and locks are its parent's.
    """
    if inside.process != os.getpid():
        return
    _OPEN[inside.folder] -= 1
    for reader in inside.readers:
        reader.close()
    inside.readers.clear()
    if inside.stand is not None:
        inside.stand.close()
    try:
        if inside.session is not None and inside.write_lock is not None:
            with suppress(VicinalError, sqlite3.Error), inside.write_lock.alone():
                _seal_if_last(inside, inside.session)
    finally:
        for lock in (inside.session, inside.write_lock):
            if lock is not None:
                lock.close()
        inside.session = inside.write_lock = None
        if inside.head is not None:
            os.close(inside.head)
            inside.head = None


def _seal_if_last(inside: _Inside, session: FileLock) -> None:
    """Move SQLite's log into its file and write the seal, unless another session or a reader stands in the way."""
    connection, inside.writer = inside.writer, None
    if connection is None:
        return
    try:
        if _OPEN[inside.folder] > 0 or not session.try_alone():
            return
        connection.execute(f"PRAGMA busy_timeout={READERS_WAIT_MS}")
        connection.execute("DELETE FROM dropped")
        settle(connection, inside.folder)
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        snapshot = Snapshot(connection, inside.folder)
        segments = snapshot.all_segments()
    finally:
        connection.close()
    if busy:
        return
    _cut_garbage(segments)
    _remove_orphans(inside.folder, segments)
    SealFile(inside.folder).write(snapshot.sequence, segments)
    Head(inside.folder).remove()


def _cut_garbage(segments: list[Segment]) -> None:
    """Cut what lies behind the committed rows, so that the sealed lengths are exact."""
    for segment in segments:
        with disk_errors(segment.path), segment.path.open("r+b") as file:
            if file.seek(0, 2) > segment.committed_bytes:
                file.truncate(segment.committed_bytes)
                os.fsync(file.fileno())  # else a power cut brings the old length back, which the seal does not know


def _remove_orphans(folder: Path, segments: list[Segment]) -> None:
    """Delete the vector files that no lane has: of dropped segments, and of writes that were undone."""
    kept = {segment.path for segment in segments}
    gone = [path for path in (folder / "vectors").glob("*/*.vec") if path not in kept]
    with disk_errors(folder):
        for path in gone:
            path.unlink()
        for parent in {path.parent for path in gone}:
            sync_folder(parent)


def _sequence_of(connection: sqlite3.Connection) -> int:
    """Return the number of the last commit, of a database of any format."""
    return int(connection.execute("SELECT sequence FROM manifest").fetchone()[0])
