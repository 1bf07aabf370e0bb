"""Take a snapshot: bring to a place what it lacks of one commit, and the manifest last."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from vicinal.errors import ConflictError, CorruptSnapshotError, RangeError
from vicinal.lifecycle.snapshots import lease
from vicinal.lifecycle.snapshots.capture import Captured, captured
from vicinal.lifecycle.snapshots.manifest import (
    BLOCKS,
    Manifest,
    StoredFile,
    digest_of,
    read_manifest,
    sequences,
)
from vicinal.lifecycle.snapshots.pieces import OpenFile, in_order
from vicinal.lifecycle.snapshots.place import FolderPlace, Place, open_place, path_of
from vicinal.store import Store
from vicinal.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A snapshot that was taken: the commit, the bytes of all its files, and what had to be written for it."""

    sequence: int
    size_bytes: int
    written_bytes: int
    written_pieces: int


def take(database: Store | str | Path, where: Place | str | Path, *, progress: Progress | None = None) -> Taken:
    """Write a snapshot of a database to a place; writers and readers of the database go on meanwhile.

    What the place has already, from earlier snapshots or from one that was interrupted, is not written again.
    The manifest is written last: interrupted at any moment, there is no snapshot, and nothing else is harmed.
    Derived files (the index) are no part of it.

    Parameters
    ----------
    database : Store, str or Path
        An open store, or the folder of a database. The state of its last commit is taken.
    where : Place, str or Path
        A folder or the URL of an object store; see ``open_place``. One place holds one history of one database.
    progress : callable, optional
        Called with (bytes done, bytes of the snapshot).

    Raises
    ------
    DatabaseNotFoundError
        There is no database in the folder.
    DtypeError, RangeError
        What came is no path or place; or the place lies in the database's own folder.
    ConflictError
        The place holds another database, or another history of this one: of the two, one was restored.
    LockedError
        A sweep is under way there.
    CorruptStoreError
        A vector file of the database does not match its checksums.
    StoreError, RemoteError
        The disk or the object store refused.

    Notes
    -----
    Cost: the truth is copied to a temporary file and digested; of the vectors, only files that have changed since
    the place's last snapshot are read and digested (about 1 GB/s). Memory: some 12 MiB.
    """
    place = open_place(where)
    if isinstance(database, Store):
        return _taken(database, place, progress)
    folder = path_of(database, "database")
    with closing(Store.open(folder, create=False, read_only=True)) as store:
        return _taken(store, place, progress)


def _taken(store: Store, place: Place, progress: Progress | None) -> Taken:
    _require_outside(place, store.folder)
    with lease.held(place, "snapshot") as work:
        before = _last(place)
        known = {file.stamp: file for file in before.files if file.stamp} if before else {}
        with captured(store, place.work_folder(), known.keys()) as state:
            _require_same_history(place, before, state)
            sending = _Sending(place, work, sum(file.size_bytes for file in state.files), progress)
            files = tuple(sending.send(file, known) for file in state.files)
            manifest = Manifest(
                database=state.database,
                epoch=state.epoch,
                sequence=state.sequence,
                taken_at=int(time.time()),
                files=files,
            )
            _publish(place, manifest, work)
    return Taken(
        sequence=manifest.sequence,
        size_bytes=manifest.size_bytes,
        written_bytes=sending.written_bytes,
        written_pieces=sending.written_pieces,
    )


def _require_outside(place: Place, folder: Path) -> None:
    """Refuse a place in the folder of the database itself, where it would be lost with it."""
    if isinstance(place, FolderPlace) and place.folder.resolve().is_relative_to(folder.resolve()):
        raise RangeError(
            f"{place.url} lies in the database {folder}, and would be lost with it; name a place elsewhere.",
            got=place.url,
            where="place",
        )


def _last(place: Place) -> Manifest | None:
    """Return the newest sound manifest of a place: what it knows need not be read again."""
    for sequence in reversed(sequences(place)):
        try:
            return read_manifest(place, sequence)
        except CorruptSnapshotError:
            continue
    return None


def _require_same_history(place: Place, before: Manifest | None, state: Captured) -> None:
    if before is not None and before.database != state.database:
        raise ConflictError(
            f"{place.url} holds snapshots of another database. Give each database a place of its own.",
            expected=before.database,
            got=state.database,
            where=place.url,
        )
    if before is not None and before.epoch != state.epoch:
        raise ConflictError(
            f"{place.url} holds snapshots of another history of this database: one of the two was restored from a "
            "snapshot. Give it a place of its own.",
            expected=before.epoch,
            got=state.epoch,
            where=place.url,
        )


class _Sending:
    """Brings files to a place, piece by piece, and counts. ``present`` is name → length of what is there."""

    def __init__(self, place: Place, work: lease.Lease, total_bytes: int, progress: Progress | None) -> None:
        self._place = place
        self._work = work
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._progress = progress
        self._guard = threading.Lock()
        self._present = {one.name.removeprefix(f"{BLOCKS}/"): one.size_bytes for one in place.names(BLOCKS)}
        self.written_bytes = self.written_pieces = 0

    def send(self, file: OpenFile, known: Mapping[str, StoredFile]) -> StoredFile:
        """Bring a file; one whose stamp is known is there already, unless a piece of it has gone."""
        same = known.get(file.stamp)
        if same is not None and self._is_there(file, same):
            self._advance(file.size_bytes)
            pieces = same.pieces
        else:
            with closing(self._pieces(file)) as brought:
                pieces = tuple(brought)
        return StoredFile(
            name=file.name, size_bytes=file.size_bytes, piece_bytes=file.piece_bytes, stamp=file.stamp, pieces=pieces
        )

    def _is_there(self, file: OpenFile, same: StoredFile) -> bool:
        """Return whether the pieces of an earlier snapshot are those of the file, and at the place."""
        if (same.name, same.size_bytes, same.piece_bytes) != (file.name, file.size_bytes, file.piece_bytes):
            return False
        return all(self._present.get(piece) == size_bytes for piece, size_bytes in same.sized())

    def _pieces(self, file: OpenFile) -> Generator[str]:
        """Go through the digests of a file's pieces, each of which is at the place by then."""
        with closing(in_order(lambda offset: self._bring(file, offset), file.offsets())) as brought:
            for offset, piece in zip(file.offsets(), brought, strict=True):
                self._work.renew()
                self._advance(min(file.piece_bytes, file.size_bytes - offset))
                yield piece

    def _bring(self, file: OpenFile, offset: int) -> str:
        """Return the digest of a piece, and put it where it is missing."""
        content = file.read(offset)
        piece = digest_of(content)
        with self._guard:
            if self._present.get(piece) == len(content):
                return piece
            self._present[piece] = len(content)
            self.written_bytes += len(content)
            self.written_pieces += 1
        self._place.put(f"{BLOCKS}/{piece}", content)
        return piece

    def _advance(self, done_bytes: int) -> None:
        self._done_bytes += done_bytes
        if self._progress is not None:
            self._progress(self._done_bytes, self._total_bytes)


def _publish(place: Place, manifest: Manifest, work: lease.Lease) -> None:
    """Write the manifest, unless the place has a snapshot of this commit already."""
    stands = read_manifest(place, manifest.sequence)
    if stands is not None:
        same = [(file.name, file.pieces) for file in stands.files] == [(f.name, f.pieces) for f in manifest.files]
        if same and stands.database == manifest.database:
            return
        raise ConflictError(
            f"{place.url} has another snapshot of commit {manifest.sequence}: this database was set back and went on, "
            "or was written anew without a commit. Give it a place of its own, or take the snapshot after the next commit.",
            got=manifest.sequence,
            where=place.url,
        )
    place.settle()
    work.renew()
    place.put(manifest.name, manifest.pack())
    place.settle()
