"""Whether a database was closed cleanly, and what it then consisted of.

Two small files tell the state::

    vicinal.seal alone    closed cleanly: the files are exactly as the seal says
    vicinal.head exists   somebody has written since; if no session is alive, the last writer died
    neither               the seal was deleted: nothing is known

The head holds the number of the last acknowledged commit. It is written behind each commit, without a sync:
after a power cut it can only be too low, never too high. A truth that is behind its head has lost a commit.
"""

from __future__ import annotations

import os
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from vicinal._files import disk_errors, stamp_of, sync_folder, write_atomically
from vicinal.errors import corrupt
from vicinal.store.format import (
    HEAD_NAME,
    SEAL_LIMIT_BYTES,
    SEAL_NAME,
    SLOT_BYTES,
    SQLITE_NAME,
    Seal,
    SealedFile,
    damaged_seal,
    pack_slot,
    unpack_slot,
)
from vicinal.store.segment import Segment

TICK_S = 0.02
"""Longer than the coarsest clock that a file system stamps its files with."""
CRC_PORTION_BYTES = 1 << 22


class Head:
    """The file ``vicinal.head``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / HEAD_NAME

    def exists(self) -> bool:
        """Return whether the database is open or was left so."""
        return self.path.exists()

    def create(self, sequence: int) -> None:
        """Mark the database as open, durably."""
        write_atomically(self.path, pack_slot(sequence) * 2)

    @staticmethod
    def note(handle: int, sequence: int) -> None:
        """Note a commit that is durable, in the slot that the commit before did not use; without a sync."""
        os.pwrite(handle, pack_slot(sequence), SLOT_BYTES * (sequence % 2))

    def sequence(self) -> int:
        """Return the last acknowledged commit.

        Raises
        ------
        CorruptStoreError
            Both slots are damaged, or the file has another length.
        """
        with disk_errors(self.path), self.path.open("rb") as file:
            content = file.read(2 * SLOT_BYTES + 1)
        said = [unpack_slot(content[start : start + SLOT_BYTES]) for start in (0, SLOT_BYTES)]
        known = [sequence for sequence in said if sequence is not None]
        if not known or len(content) != 2 * SLOT_BYTES:
            raise corrupt(self.path, "it does not match its checksum")
        return max(known)

    def remove(self) -> None:
        """Mark the database as closed, durably."""
        with disk_errors(self.path):
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)


@dataclass(frozen=True, slots=True)
class SealFile:
    """The file ``vicinal.seal``."""

    folder: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / SEAL_NAME

    def read(self) -> Seal | None:
        """Return the seal, or None where there is none.

        Raises
        ------
        CorruptStoreError
            It is damaged.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(SEAL_LIMIT_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise corrupt(self.path, f"it cannot be read ({error.strerror})") from error
        if len(content) > SEAL_LIMIT_BYTES:
            raise damaged_seal(self.path)
        return Seal.unpack(content, self.path)

    def write(self, sequence: int, segments: list[Segment]) -> None:
        """Record the files as they are now. SQLite's log must be empty and no writer alive."""
        sqlite = self.folder / SQLITE_NAME
        with disk_errors(self.folder):
            _let_the_clock_tick([sqlite, *(segment.path for segment in segments)])
            files = {
                SQLITE_NAME: SealedFile(size_bytes=sqlite.stat().st_size, stamp=stamp_of(sqlite), crc32=crc_of(sqlite))
            }
            for segment in segments:
                name = segment.path.relative_to(self.folder).as_posix()
                files[name] = SealedFile(size_bytes=segment.committed_bytes, stamp=stamp_of(segment.path))
        write_atomically(self.path, Seal(sequence=sequence, files=files).pack())

    def remove(self) -> None:
        """Take the seal away, durably; it goes before anything changes."""
        with disk_errors(self.path):
            self.path.unlink(missing_ok=True)
            sync_folder(self.folder)


def _let_the_clock_tick(paths: list[Path]) -> None:
    """Wait until a later change of these files is certain to get another time stamp."""
    last = max(path.stat().st_ctime_ns for path in paths) / 1e9
    time.sleep(min(TICK_S, max(0.0, last + TICK_S - time.time())))


def crc_of(path: Path) -> int:
    """Return the CRC-32 of a file's content."""
    crc = 0
    with path.open("rb") as file:
        while portion := file.read(CRC_PORTION_BYTES):
            crc = zlib.crc32(portion, crc)
    return crc


def check_sealed_truth(folder: Path, seal: Seal) -> None:
    """Compare SQLite's file with the seal; its content is read only if its stamp has changed.

    Raises
    ------
    CorruptStoreError
        It differs, or a log lies beside it that a sealed database does not have.
    """
    path = folder / SQLITE_NAME
    sealed = seal.files.get(SQLITE_NAME)
    if sealed is None:
        raise damaged_seal(folder / SEAL_NAME)
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise corrupt(
            log, "it is not of this database, which was closed without one", expected=0, got=log.stat().st_size
        )
    if not path.exists():
        raise corrupt(path, "it is missing")
    if stamp_of(path) == sealed.stamp:
        return
    size_bytes = path.stat().st_size
    if size_bytes != sealed.size_bytes:
        raise corrupt(path, "it has another length than when it was closed", expected=sealed.size_bytes, got=size_bytes)
    if crc_of(path) != sealed.crc32:
        raise corrupt(path, "it does not match its checksum")


def is_as_sealed(segment: Segment, folder: Path, seal: Seal) -> bool:
    """Return whether a vector file is untouched since the seal, by its stamp.

    Raises
    ------
    CorruptStoreError
        It has another length, or is missing.
    """
    name = segment.path.relative_to(folder).as_posix()
    sealed = seal.files.get(name)
    if sealed is None:
        return False
    if not segment.path.exists():
        raise corrupt(segment.path, "it is missing")
    size_bytes = segment.path.stat().st_size
    if size_bytes != sealed.size_bytes:
        raise corrupt(
            segment.path, "it has another length than when it was closed", expected=sealed.size_bytes, got=size_bytes
        )
    return stamp_of(segment.path) == sealed.stamp
