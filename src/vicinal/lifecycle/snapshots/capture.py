"""A database held still: an image of its truth, and its vector files open, both of one commit."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from vicinal._files import disk_errors, stamp_of
from vicinal.lifecycle.snapshots.manifest import EPOCH, SQLITE_PIECE_BYTES, VECTOR_PIECE_BYTES
from vicinal.lifecycle.snapshots.pieces import OpenFile
from vicinal.store import Snapshot, Store, schema
from vicinal.store.format import SQLITE_NAME
from vicinal.store.segment import Segment

PAGES_AT_ONCE = 1024
"""Pages of the truth that are copied between two looks at whether someone pressed Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What a snapshot is made of. ``database`` is in hexadecimal digits, ``epoch`` is "" where it was never restored."""

    database: str
    epoch: str
    sequence: int
    files: tuple[OpenFile, ...]


@contextmanager
def captured(store: Store, work: Path | None, known_stamps: Collection[str]) -> Iterator[Captured]:
    """Hold one commit of a database while the block runs; writers and readers go on meanwhile.

    The image is SQLite's own backup inside of one read transaction, which ends before the block begins.
    Vector files are opened in that transaction: they are only appended to, and an open file outlives its name,
    so a compaction may drop them meanwhile.

    Parameters
    ----------
    store : Store
        Open, so that the database is known to be sound.
    work : Path or None
        Where the image is written, as large as the truth; None for the system's folder of temporary files.
    known_stamps : collection of str
        Vector files with one of these stamps were compared with their checksums before, and are not again.

    Raises
    ------
    CorruptStoreError
        A vector file does not match its checksums.
    StoreError
        The disk refused.
    """
    with ExitStack() as stack:
        with disk_errors(work or tempfile.gettempdir()):
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix=".vicinal-", dir=work))
        image = Path(made) / SQLITE_NAME
        with store.snapshot() as snapshot:
            segments = [s for name in snapshot.collection_names() for s in snapshot.segments(snapshot.lane(name))]
            blocks = [snapshot.blocks(segment) for segment in segments]
            rows = [snapshot.rows_in(segment) for segment in segments]  # also compares header and length
            files = [_opened(stack, segment, store.folder) for segment in segments]
            epoch = snapshot.setting(EPOCH) or ""
            _copy(snapshot, image)
        for segment, its_rows, its_blocks, file in zip(segments, rows, blocks, files, strict=True):
            if file.stamp not in known_stamps:
                segment.check_blocks(its_rows, its_blocks)
        truth = OpenFile(
            name=SQLITE_NAME,
            path=image,
            handle=_handle(stack, image),
            size_bytes=image.stat().st_size,
            piece_bytes=SQLITE_PIECE_BYTES,
        )
        yield Captured(database=snapshot.database.hex(), epoch=epoch, sequence=snapshot.sequence, files=(*files, truth))


def _opened(stack: ExitStack, segment: Segment, folder: Path) -> OpenFile:
    """Return the committed bytes of a vector file, held open until the stack is left."""
    handle = _handle(stack, segment.path)
    with disk_errors(segment.path):
        stamp = stamp_of(segment.path)
    return OpenFile(
        name=segment.path.relative_to(folder).as_posix(),
        path=segment.path,
        handle=handle,
        size_bytes=segment.committed_bytes,
        piece_bytes=VECTOR_PIECE_BYTES,
        stamp=stamp,
    )


def _handle(stack: ExitStack, path: Path) -> int:
    with disk_errors(path):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, handle)
    return handle


def _copy(snapshot: Snapshot, image: Path) -> None:
    """Write an image of what a snapshot reads."""
    with schema.sqlite_errors(image), closing(sqlite3.connect(image, isolation_level=None)) as target:
        target.execute("PRAGMA synchronous=OFF")
        target.execute("PRAGMA journal_mode=OFF")
        source = snapshot._connection  # noqa: SLF001 - the image must be of this very read transaction
        source.backup(target, pages=PAGES_AT_ONCE, progress=lambda *_: None)
