"""An open database: its connections, its locks, its state, and the one commit point."""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vicinal._files import disk_errors
from vicinal.errors import CorruptStoreError, DatabaseNotFoundError, ReadOnlyError, StoreError, VicinalError, corrupt
from vicinal.store import schema
from vicinal.store.check import check_everything
from vicinal.store.format import LOCK_NAME, SEAL_NAME, SESSION_NAME, SQLITE_NAME, Seal, row_crc
from vicinal.store.lock import FileLock
from vicinal.store.seal import Head, SealFile, check_sealed_truth, is_as_sealed
from vicinal.store.segment import Segment
from vicinal.store.snapshot import Lane, LaneView, Snapshot
from vicinal.store.transaction import Transaction

READERS_WAIT_MS = 500
"""How long closing waits for readers of older commits; with one of them left, the database stays unsealed."""
ATTEMPTS = 5
"""How often the state is read anew when another process changes it meanwhile."""


_OPEN: Counter[Path] = Counter()
"""How many stores of a folder this process has open.

SQLite's locks belong to the process: whoever opens and closes its file by hand, to read it for the seal,
lets go of those of every other connection in the process.
"""


@dataclass
class _Inside:
    """What must be closed when the store is, also by the interpreter's end; apart from it so that it can be."""

    folder: Path
    process: int = field(default_factory=os.getpid)
    readers: list[sqlite3.Connection] = field(default_factory=list)
    writer: sqlite3.Connection | None = None
    write_lock: FileLock | None = None
    session: FileLock | None = None


class Store:
    """A database folder, open.

    Reads are snapshots and can run in any number of threads and processes; writes are one at a time.
    Use ``Store.open``; close it, or let it be closed at the end of the program.
    """

    can = frozenset({"delete", "filter", "mmap", "upsert"})

    def __init__(self, folder: Path, *, read_only: bool) -> None:
        self.folder = folder
        self.path = folder / SQLITE_NAME
        self.read_only = read_only
        self._inside = _Inside(folder)
        self._guard = threading.RLock()
        self._write_guard = threading.RLock()
        self._views: dict[int, LaneView] = {}
        self._immutable = False
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
            try:
                self._check_state()
            except CorruptStoreError:
                if attempt + 1 == ATTEMPTS or not self._someone_is_writing():
                    raise
            else:
                return

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
                        segment.check_blocks(segment.map(), snapshot.blocks(segment))

    def _someone_is_writing(self) -> bool:
        """Return whether a session is alive, in this process or another."""
        try:
            lock = FileLock(self.folder / SESSION_NAME, write=not self.read_only)
        except StoreError:
            return False
        try:
            return not lock.try_alone()
        finally:
            lock.close()

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
        """Read as of one commit, beside any writer.

        Raises
        ------
        StoreError
            The store is closed, or the database is damaged.
        """
        with self._reader() as connection, schema.sqlite_errors(self.path):
            connection.execute("BEGIN")
            try:
                yield Snapshot(connection, self.folder)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for reading; it comes back to the others."""
        self._require_open()
        with self._guard:
            connection = self._inside.readers.pop() if self._inside.readers else None
        if connection is None:
            connection = self._connect_reader()
        try:
            yield connection
        finally:
            with self._guard:
                if self._closed:
                    connection.close()
                else:
                    self._inside.readers.append(connection)

    def _connect_reader(self) -> sqlite3.Connection:
        """Return a new reading connection; in a folder that cannot be written, one that asks for no locks."""
        if self._immutable:
            return schema.connect(self.path, write=False, immutable=True)
        try:
            return schema.connect(self.path, write=False)
        except (StoreError, ReadOnlyError) as error:
            if (
                isinstance(error, CorruptStoreError)
                or not (self.folder / SEAL_NAME).exists()
                or Head(self.folder).exists()
            ):
                raise
            self._immutable = True
            return schema.connect(self.path, write=False, immutable=True)

    def view(self, snapshot: Snapshot, lane: Lane) -> LaneView:
        """Return the mapped rows and living rows of a lane, kept from the last call where nothing changed."""
        with self._guard:
            kept = self._views.get(lane.number)
        if kept is not None and kept.sequence == snapshot.sequence:
            return kept
        parts = tuple((segment.first_row, segment.map()) for segment in snapshot.segments(lane))
        view = LaneView(sequence=snapshot.sequence, parts=parts, alive=snapshot.alive(lane))
        with self._guard:
            self._views[lane.number] = view
        return view

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Write one commit: when the block ends well, it is durable; when it raises, nothing happened.

        Raises
        ------
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
                connection.execute("BEGIN IMMEDIATE")
                try:
                    transaction = Transaction(connection, self.folder)
                    yield transaction
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
            with suppress(StoreError):  # the commit is durable; the head may be too low, never too high
                Head(self.folder).acknowledge(transaction.sequence)

    def _write_lock(self) -> FileLock:
        if self._inside.write_lock is None:
            self._inside.write_lock = FileLock(self.folder / LOCK_NAME, write=True)
        return self._inside.write_lock

    def _begin_session(self) -> sqlite3.Connection:
        """Return the writing connection; on the first write of this process, mark the database as open."""
        inside = self._inside
        if inside.session is None:
            session = FileLock(self.folder / SESSION_NAME, write=True)
            session.together()
            inside.session = session
        if inside.writer is None:
            inside.writer = schema.connect(self.path, write=True)
        head = Head(self.folder)
        if not head.exists():
            head.create(Snapshot(inside.writer, self.folder).sequence)
            SealFile(self.folder).remove()
        with schema.sqlite_errors(self.path):
            schema.upgrade(inside.writer)
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
            self._finalizer()


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
            schema.create(folder / SQLITE_NAME, database, row_crc(database.hex(), 0))
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
    try:
        if inside.session is not None and inside.write_lock is not None:
            with suppress(VicinalError, sqlite3.Error), inside.write_lock.alone():
                _seal_if_last(inside, inside.session)
    finally:
        for lock in (inside.session, inside.write_lock):
            if lock is not None:
                lock.close()
        inside.session = inside.write_lock = None


def _seal_if_last(inside: _Inside, session: FileLock) -> None:
    """Move SQLite's log into its file and write the seal, unless another session or a reader stands in the way."""
    connection, inside.writer = inside.writer, None
    if connection is None:
        return
    try:
        if _OPEN[inside.folder] > 0 or not session.try_alone():
            return
        connection.execute(f"PRAGMA busy_timeout={READERS_WAIT_MS}")
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        snapshot = Snapshot(connection, inside.folder)
        segments = [s for name in snapshot.collection_names() for s in snapshot.segments(snapshot.lane(name))]
    finally:
        connection.close()
    if busy:
        return
    _cut_garbage(segments)
    SealFile(inside.folder).write(snapshot.sequence, segments)
    Head(inside.folder).remove()


def _cut_garbage(segments: list[Segment]) -> None:
    """Cut what a crash left behind the committed rows, so that the sealed lengths are exact."""
    for segment in segments:
        with disk_errors(segment.path), segment.path.open("r+b") as file:
            if file.seek(0, 2) > segment.committed_bytes:
                file.truncate(segment.committed_bytes)
