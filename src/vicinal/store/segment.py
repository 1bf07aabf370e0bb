"""One vector file: rows of float32 behind a header, appended, mapped, and checked block by block."""

from __future__ import annotations

import errno
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicinal._files import disk_error, disk_errors, sync_folder
from vicinal.errors import corrupt
from vicinal.store.format import BLOCK_ROWS, HEADER_BYTES, VecHeader
from vicinal.types import Floats

Pending = Sequence[tuple[int, bytes]]
"""Rows of a file that stand in SQLite as well: the row of the file where they begin, and their bytes."""

AHEAD_BYTES = 1 << 23
"""Space that is taken ahead of the rows at most, so that a sync need not write the file's length and extents each time."""


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Segment:
    """A vector file as the truth describes it: ``row_count`` of its rows are committed. Nobody changes one.

    ``tail_crc`` is the CRC-32 of the rows of its last block, if that is not full, else 0.
    """

    path: Path
    header: VecHeader
    first_row: int
    row_count: int
    tail_crc: int = 0

    @property
    def next_row(self) -> int:
        """The row number behind its last."""
        return self.first_row + self.row_count

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.header.dim * 4

    @property
    def committed_bytes(self) -> int:
        """Length of the file without the garbage of a crash."""
        return HEADER_BYTES + self.row_count * self.row_bytes

    def create(self) -> None:
        """Write the header of a new file and make its name durable; a file left by a crash is replaced.

        Raises
        ------
        StoreError
            The disk refused.
        """
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            with self.path.open("xb") as file:
                file.write(self.header.pack())
                file.flush()
                os.fsync(file.fileno())
            for folder in (self.path.parent, self.path.parent.parent, self.path.parent.parent.parent):
                sync_folder(folder)

    def append(self, rows: Floats, pending: Pending = ()) -> int:
        """Write rows behind the committed ones and sync them; they exist once the truth says so.

        What lies behind the committed rows, a crash's garbage or space that was taken ahead, is written over.

        Parameters
        ----------
        rows : float32 array of shape (N, D)
            N may be 0.
        pending : sequence of (row of the file, bytes)
            Committed rows that were never synced, and are written once more: a power cut may have taken them.

        Returns
        -------
        int
            The length of the file in bytes, which is certain from now on.

        Raises
        ------
        StoreError
            The disk refused, or the file is shorter than what was committed.
        """
        content = bytes_of(rows)
        with disk_errors(self.path):
            handle = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                size_bytes = os.fstat(handle).st_size
                self._check_length(size_bytes)
                end = self.committed_bytes + len(content)
                if end > size_bytes:
                    _take_space(handle, size_bytes, end + min(end, AHEAD_BYTES))
                for row, its in pending:
                    _write(handle, its, HEADER_BYTES + row * self.row_bytes)
                _write(handle, content, self.committed_bytes)
                os.fdatasync(handle)
                return os.fstat(handle).st_size
            finally:
                os.close(handle)

    def lay(self, content: memoryview) -> None:
        """Write bytes of rows behind the committed ones without a sync, where the file has room for them.

        Whoever maps the file sees them; a power cut may take them, so that the truth must have them as well.

        Raises
        ------
        StoreError
            The disk refused.
        """
        with disk_errors(self.path):
            handle = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _write(handle, content, self.committed_bytes)
            finally:
                os.close(handle)

    def map(self, pending: Pending = ()) -> Floats:
        """Return the committed rows and whatever lies behind them: float32 (rows that the file has room for, D).

        Rows that are committed later into the same room appear in it by themselves. Where a power cut has taken some of
        the ``pending`` rows, those are laid over the file in memory, and what is returned has the committed rows alone.

        Parameters
        ----------
        pending : sequence of (row of the file, bytes)
            Committed rows of which the file may not be sure.

        Raises
        ------
        CorruptStoreError
            The file is missing, too short, or another one.
        """
        try:
            with self.path.open("rb") as file:
                self.header.check(file.read(HEADER_BYTES), self.path)
                size_bytes = os.fstat(file.fileno()).st_size
                self._check_length(size_bytes)
                mapped = mmap.mmap(file.fileno(), size_bytes, access=mmap.ACCESS_READ)
                lost = [(row, its) for row, its in pending if self._bytes_at(mapped, row, len(its)) != its]
                if lost:
                    mapped = self._laid_over(
                        mmap.mmap(file.fileno(), self.committed_bytes, access=mmap.ACCESS_COPY), lost
                    )
        except FileNotFoundError:
            raise corrupt(self.path, "it is missing") from None
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise disk_error(error, self.path) from error
            raise corrupt(self.path, f"it cannot be read ({error.strerror})") from error
        count = (len(mapped) - HEADER_BYTES) // self.row_bytes
        rows = np.frombuffer(mapped, dtype="<f4", offset=HEADER_BYTES, count=count * self.header.dim)
        rows.setflags(write=False)
        return rows.reshape(count, self.header.dim)

    def _bytes_at(self, mapped: mmap.mmap, row: int, size_bytes: int) -> bytes:
        start = HEADER_BYTES + row * self.row_bytes
        return mapped[start : start + size_bytes]

    def _laid_over(self, mapped: mmap.mmap, lost: Pending) -> mmap.mmap:
        """Return a private mapping with rows in place of what the file has there."""
        for row, its in lost:
            start = HEADER_BYTES + row * self.row_bytes
            mapped[start : start + len(its)] = its
        return mapped

    def _check_length(self, size_bytes: int) -> None:
        """Refuse a file that has lost committed rows."""
        if size_bytes < self.committed_bytes:
            raise corrupt(
                self.path, "it is shorter than what was committed", expected=self.committed_bytes, got=size_bytes
            )

    def check_blocks(self, rows: Floats, blocks: Mapping[int, tuple[int, int]]) -> None:
        """Compare every committed row with the checksum of its block.

        Cost: about 3 GB/s, one pass.

        Raises
        ------
        CorruptStoreError
            A block does not match, or the blocks do not add up to the rows.
        """
        if sum(count for count, _ in blocks.values()) != self.row_count:
            raise corrupt(self.path, "its blocks do not add up to its rows")
        for number, (count, crc) in sorted(blocks.items()):
            start = number * BLOCK_ROWS
            if zlib.crc32(rows[start : start + count].data) != crc:
                raise corrupt(
                    self.path, f"block {number} (rows {start} to {start + count}) does not match its checksum"
                )


def bytes_of(rows: Floats) -> memoryview:
    """Return rows as they stand in a vector file."""
    return np.ascontiguousarray(rows, dtype="<f4").reshape(-1).view(np.uint8).data


def _write(handle: int, content: bytes | memoryview, at: int) -> None:
    """Write bytes at a place of a file, however often the system must be asked."""
    done = os.pwrite(handle, content, at)
    while done < len(content):
        done += os.pwrite(handle, content[done:], at + done)


def _take_space(handle: int, size_bytes: int, wanted_bytes: int) -> None:
    """Take space for a file ahead; where the file system cannot or has no more, writing says so if it matters."""
    with suppress(OSError):
        os.posix_fallocate(handle, size_bytes, wanted_bytes - size_bytes)


def extended_blocks(rows: Floats, row_count: int, tail_crc: int) -> tuple[dict[int, int], int]:
    """Return the blocks that rows fill when they are appended, block → CRC-32, and the checksum of the new tail.

    Parameters
    ----------
    rows : float32 array of shape (N, D)
        The new rows.
    row_count : int
        Rows of the segment before them.
    tail_crc : int
        The checksum of the last block, if it is not full: a CRC-32 goes on where it stopped.
    """
    full: dict[int, int] = {}
    done, crc = 0, tail_crc
    while done < len(rows):
        block, filled = divmod(row_count + done, BLOCK_ROWS)
        take = min(BLOCK_ROWS - filled, len(rows) - done)
        crc = zlib.crc32(rows[done : done + take].data, crc if filled else 0)
        done += take
        if filled + take == BLOCK_ROWS:
            full[block], crc = crc, 0
    return full, crc
