"""What a replica follows: the folder of a database, or a place of snapshots."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from vicinal._files import disk_errors
from vicinal.errors import SnapshotNotFoundError, StoreError
from vicinal.lifecycle.snapshots import Place
from vicinal.lifecycle.snapshots.manifest import BLOCKS, read_manifest, sequences
from vicinal.lifecycle.snapshots.place import Placed
from vicinal.lifecycle.snapshots.restore import restore_unchanged
from vicinal.store import Snapshot, Store
from vicinal.store.format import LOCK_NAME, SQLITE_NAME
from vicinal.store.lock import FileLock

SUFFIX = ".source"
"""The end of the names of folders that hold restored snapshots."""


class Source(Protocol):
    """A primary that can be read as of one commit, again and again."""

    url: str

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Read as of its newest commit."""

    def close(self) -> None:
        """Let go of it."""


class FolderSource:
    """A primary on a file system of this machine; it is opened read-only, and its writers go on meanwhile.

    Parameters
    ----------
    folder : Path
        Its folder. When another database appears there, that one is read from then on.
    """

    def __init__(self, folder: Path) -> None:
        self.url = str(folder)
        self._folder = folder
        self._store: Store | None = None
        self._inode = 0

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read as of the newest commit.

        Raises
        ------
        DatabaseNotFoundError, StoreError
            It is not there, or damaged.
        """
        with self._opened().snapshot() as snapshot:
            yield snapshot

    def _opened(self) -> Store:
        """Return the store, opened again when its file is another one than before."""
        path = self._folder / SQLITE_NAME
        with disk_errors(path):
            inode = path.stat().st_ino if path.exists() else 0
        if self._store is None or inode != self._inode:
            self.close()
            self._store = Store.open(self._folder, create=False, read_only=True)
            self._inode = inode
        return self._store

    def close(self) -> None:
        """Close the primary's store."""
        if self._store is not None:
            self._store.close()
            self._store = None


class PlaceSource:
    """A place of snapshots: the way to follow a primary of another machine. It is as new as its newest snapshot.

    Parameters
    ----------
    place : Place
        Where the primary's snapshots are.
    beside : Path
        The replica's folder; the newest snapshot is restored beside it, for as long as it is the newest.
    """

    def __init__(self, place: Place, beside: Path) -> None:
        self.url = place.url
        self._place = place
        self._beside = beside
        self._restored: _Restored | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Read the newest snapshot; pieces that the one before had are not fetched again.

        Raises
        ------
        SnapshotNotFoundError
            There is none yet.
        CorruptSnapshotError
            It is damaged.
        """
        known = sequences(self._place)
        if not known:
            raise SnapshotNotFoundError(f"{self.url} has no snapshot yet.", where=self.url)
        before = self._restored
        if before is None or known[-1] != before.sequence:
            place = self._place if before is None else _Nearby(self._place, before)
            self._restored = _Restored(place, known[-1], self._beside)
            if before is not None:
                before.remove()
        assert self._restored is not None  # noqa: S101 - restored just now
        with self._restored.source.snapshot() as snapshot:
            yield snapshot

    def close(self) -> None:
        """Remove the restored snapshot."""
        if self._restored is not None:
            self._restored.remove()
            self._restored = None


class _Restored:
    """A snapshot restored beside a replica, in a folder whose lock tells that it is in use."""

    def __init__(self, place: Place, sequence: int, beside: Path) -> None:
        _remove_leftovers(beside)
        with disk_errors(beside.parent):
            made = tempfile.mkdtemp(prefix=f".{beside.name}.", suffix=SUFFIX, dir=beside.parent)
        self.sequence = sequence
        self._work = Path(made)
        self._lock = FileLock(self._work / LOCK_NAME, write=True)
        self._lock.try_together()
        try:
            restore_unchanged(place, self.folder, at=sequence)
            manifest = read_manifest(place, sequence)
        except BaseException:
            self._end()
            raise
        self.files = () if manifest is None else manifest.files
        self.source = FolderSource(self.folder)

    @property
    def folder(self) -> Path:
        """The restored database."""
        return self._work / "primary"

    def remove(self) -> None:
        """Close the database and remove it."""
        self.source.close()
        self._end()

    def _end(self) -> None:
        self._lock.close()
        shutil.rmtree(self._work, ignore_errors=True)


def _remove_leftovers(beside: Path) -> None:
    """Remove what killed processes have restored."""
    for path in beside.parent.glob(f".{glob.escape(beside.name)}.*{SUFFIX}"):
        with suppress(StoreError):
            lock = FileLock(path / LOCK_NAME, write=True)
            try:
                if lock.try_alone():
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                lock.close()


class _Nearby:
    """A place whose pieces are looked for in a restored snapshot first; whoever asks compares them with their digests."""

    def __init__(self, place: Place, restored: _Restored) -> None:
        self.url = place.url
        self._place = place
        self._at = {
            f"{BLOCKS}/{piece}": (restored.folder / file.name, number * file.piece_bytes, size_bytes)
            for file in restored.files
            for number, (piece, size_bytes) in enumerate(file.sized())
        }

    def get(self, name: str, *, most_bytes: int) -> bytes | None:
        """Return what a name holds, from here if it is here."""
        if name in self._at:
            path, offset, size_bytes = self._at[name]
            with suppress(OSError), path.open("rb") as file:
                file.seek(offset)
                return file.read(min(size_bytes, most_bytes))
        return self._place.get(name, most_bytes=most_bytes)

    def names(self, folder: str) -> Iterator[Placed]:
        """Go through the names of the place."""
        return self._place.names(folder)

    def put(self, name: str, content: bytes) -> None:
        """Write to the place."""
        self._place.put(name, content)

    def delete(self, name: str) -> None:
        """Remove from the place."""
        self._place.delete(name)

    def settle(self) -> None:
        """Settle the place."""
        self._place.settle()

    def clean(self, *, older_than_s: float) -> None:
        """Clean the place."""
        self._place.clean(older_than_s=older_than_s)

    def work_folder(self) -> Path | None:
        """Return the place's."""
        return self._place.work_folder()
