"""What a place has, whether it is whole, and a database made of it again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vicinal._arrays import whole_number
from vicinal._files import disk_errors, sync_folder
from vicinal.errors import AlreadyExistsError, CorruptSnapshotError, CorruptStoreError, SnapshotNotFoundError
from vicinal.lifecycle.snapshots.manifest import (
    BLOCKS,
    EPOCH,
    Manifest,
    StoredFile,
    damaged,
    read_manifest,
    sequences,
)
from vicinal.lifecycle.snapshots.pieces import fetch, in_order
from vicinal.lifecycle.snapshots.place import Place, open_place, path_of
from vicinal.store import Store
from vicinal.store.format import LOCK_NAME, SESSION_NAME, SQLITE_NAME
from vicinal.store.seal import SealFile
from vicinal.types import Progress

LEFTOVERS = ("-wal", "-shm")
"""What a reading connection leaves beside SQLite's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """A snapshot as a place lists it.

    ``taken_at`` is in seconds since 1970; ``size_bytes`` is what a restored database has.
    ``sound`` is false where the manifest itself is damaged, and then the rest is 0 and "".
    """

    sequence: int
    database: str = ""
    taken_at: int = 0
    size_bytes: int = 0
    sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What ``verify`` read and found whole."""

    sequences: tuple[int, ...]
    pieces: int
    size_bytes: int


def snapshots(where: Place | str | Path) -> list[StoredSnapshot]:
    """Return the snapshots of a place, oldest first; none where nothing was written yet.

    Raises
    ------
    StoreError, RemoteError
        The place cannot be read.
    """
    place = open_place(where)
    return [_listed(place, sequence) for sequence in sequences(place)]


def _listed(place: Place, sequence: int) -> StoredSnapshot:
    try:
        found = read_manifest(place, sequence)
    except CorruptSnapshotError:
        found = None
    if found is None:
        return StoredSnapshot(sequence=sequence, sound=False)
    return StoredSnapshot(
        sequence=sequence, database=found.database, taken_at=found.taken_at, size_bytes=found.size_bytes
    )


def manifest_at(place: Place, at: int | None) -> Manifest:
    """Return the manifest of the newest snapshot that is not after a commit.

    Raises
    ------
    SnapshotNotFoundError
        There is none, or ``at`` is beyond the newest; the message lists those that are.
    CorruptSnapshotError
        Its manifest is damaged.
    DtypeError, RangeError
        ``at`` is no number of a commit.
    """
    if at is not None:
        at = whole_number(at, "at", low=0)
    known = sequences(place)
    told = ", ".join(map(str, known[-20:])) or "none yet"
    chosen = [sequence for sequence in known if at is None or sequence <= at]
    if not chosen or (at is not None and at > known[-1]):
        raise SnapshotNotFoundError(
            f"{place.url} has no snapshot{'' if at is None else f' that reaches commit {at}'}. It has: {told}.",
            expected=told,
            got=at,
            where=place.url,
        )
    manifest = read_manifest(place, chosen[-1])
    if manifest is None:
        raise SnapshotNotFoundError(
            f"The snapshot of commit {chosen[-1]} was removed from {place.url} just now.", where=place.url
        )
    return manifest


def verify(where: Place | str | Path, *, at: int | None = None, progress: Progress | None = None) -> Verified:
    """Read every piece of one snapshot or of all, and compare it with its digest.

    Parameters
    ----------
    where : Place, str or Path
        See ``open_place``.
    at : int, optional
        As for ``restore``; all snapshots without it.
    progress : callable, optional
        Called with (bytes done, bytes to read); a piece that several snapshots share is read once.

    Raises
    ------
    CorruptSnapshotError
        A manifest or a piece is missing or damaged; the message names the first, and how many there are.
    SnapshotNotFoundError
        There is none at ``at``, or none at all.
    DtypeError, RangeError
        ``at`` is no number of a commit.
    """
    place = open_place(where)
    manifests = (_manifests(place) if at is None else []) or [manifest_at(place, at)]
    wanted = {piece: size for manifest in manifests for file in manifest.files for piece, size in file.sized()}
    total_bytes, done_bytes = sum(wanted.values()), 0
    faults: list[str] = []
    with closing(in_order(lambda one: _fault(place, *one), wanted.items())) as found:
        for size_bytes, fault in zip(wanted.values(), found, strict=True):
            done_bytes += size_bytes
            faults += [fault] if fault else []
            if progress is not None:
                progress(done_bytes, total_bytes)
    if faults:
        bad = {fault.rpartition("/")[2] for fault in faults}
        hit = [m.sequence for m in manifests if any(bad.intersection(file.pieces) for file in m.files)]
        raise damaged(
            faults[0],
            f"it is missing or does not match its digest, and so are {len(faults) - 1} other pieces; "
            f"that breaks the snapshots {', '.join(map(str, hit))}",
        )
    return Verified(
        sequences=tuple(manifest.sequence for manifest in manifests), pieces=len(wanted), size_bytes=total_bytes
    )


def _manifests(place: Place) -> list[Manifest]:
    found = [read_manifest(place, sequence) for sequence in sequences(place)]
    return [manifest for manifest in found if manifest is not None]


def _fault(place: Place, piece: str, size_bytes: int) -> str:
    """Return where a piece is that is not as it should be, "" for one that is."""
    try:
        fetch(place, piece, size_bytes)
    except CorruptSnapshotError:
        return f"{place.url}/{BLOCKS}/{piece}"
    return ""


def restore(
    where: Place | str | Path, target: str | Path, *, at: int | None = None, progress: Progress | None = None
) -> StoredSnapshot:
    """Make a database of a snapshot, in a new folder, which appears whole and checked or not at all.

    Every piece is compared with its digest, the whole database with its own checksums, and it is sealed, so that
    it opens at once. It begins with a commit of its own, which notes that another history begins here (``EPOCH``):
    so replicas and places of the database that it was taken from do not take it for that one.

    Parameters
    ----------
    where : Place, str or Path
        See ``open_place``.
    target : str or Path
        A folder that does not exist; the one above it does.
    at : int, optional
        A commit: the newest snapshot that is not after it is restored, and the result says which that is.
        The newest of all without it.
    progress : callable, optional
        Called with (bytes done, bytes of the snapshot).

    Raises
    ------
    AlreadyExistsError
        There is something at ``target``.
    SnapshotNotFoundError
        There is no snapshot, or ``at`` lies before the first or beyond the newest.
    CorruptSnapshotError
        A piece is missing or damaged.
    DtypeError, RangeError
        An argument is no path, place or number of a commit.
    StoreError, RemoteError
        The disk or the object store refused.
    """
    return _restored(open_place(where), path_of(target, "target"), at, progress, finish=_begin_history)


def restore_unchanged(place: Place, target: Path, *, at: int) -> StoredSnapshot:
    """Make a database of a snapshot as ``restore`` does, but to be read only: its history stays the one it was taken from."""
    return _restored(place, target, at, None, finish=lambda _: None)


def _restored(
    place: Place, target: Path, at: int | None, progress: Progress | None, *, finish: Callable[[Path], None]
) -> StoredSnapshot:
    """Restore aside, check, seal, finish and rename."""
    _require_absence(target)
    manifest = manifest_at(place, at)
    with _aside(target) as part:
        _write_files(place, manifest, part, progress)
        _seal(place, manifest, part)
        finish(part)
        for folder in [part, *(path for path in part.rglob("*") if path.is_dir())]:
            sync_folder(folder)
        _require_absence(target)
        part.rename(target)
        sync_folder(target.parent)
    return StoredSnapshot(
        sequence=manifest.sequence,
        database=manifest.database,
        taken_at=manifest.taken_at,
        size_bytes=manifest.size_bytes,
    )


def _require_absence(target: Path) -> None:
    if os.path.lexists(target):
        raise AlreadyExistsError(
            f"{target} exists already; a snapshot is restored into a new folder.", got=str(target), where=str(target)
        )


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Give a folder beside the target for what is not whole yet; it is gone afterwards, unless it was renamed."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    with disk_errors(target):
        part.mkdir()
    try:
        with disk_errors(target):
            yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_files(place: Place, manifest: Manifest, part: Path, progress: Progress | None) -> None:
    """Write the files of a snapshot below a folder, each piece compared with its digest."""
    done_bytes = 0
    for file in manifest.files:
        path = part / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out, closing(_contents(place, file)) as contents:
            for content in contents:
                out.write(content)
                done_bytes += len(content)
                if progress is not None:
                    progress(done_bytes, manifest.size_bytes)
            out.flush()
            os.fsync(out.fileno())
    for name in (LOCK_NAME, SESSION_NAME):
        (part / name).touch()


def _contents(place: Place, file: StoredFile) -> Generator[bytes]:
    return in_order(lambda one: fetch(place, *one), file.sized())


def _seal(place: Place, manifest: Manifest, part: Path) -> None:
    """Check a restored database in full, and seal it: from now on its files are known by their stamps."""
    where = f"{place.url}/{manifest.name}"
    try:
        store = Store.open(part, create=False, read_only=True)  # unsealed: this reads and compares everything
        try:
            with store.snapshot() as snapshot:
                told = (snapshot.database.hex(), snapshot.sequence)
                segments = [s for name in snapshot.collection_names() for s in snapshot.segments(snapshot.lane(name))]
        finally:
            store.close()
    except CorruptStoreError as error:
        raise damaged(where, "the database that it makes is damaged") from error
    if told != (manifest.database, manifest.sequence):
        raise damaged(where, "it makes the database of another commit")
    for leftover in LEFTOVERS:
        (part / f"{SQLITE_NAME}{leftover}").unlink(missing_ok=True)
    SealFile(part).write(manifest.sequence, segments)


def _begin_history(part: Path) -> None:
    """Note in a sealed database that its commits from here on are not those of the one it was taken from."""
    with closing(Store.open(part, create=False)) as store, store.write(following=True) as transaction:
        transaction.put_setting(EPOCH, secrets.token_hex(16))
