"""What one process holds of a cache: the connection to its file, the mark that the file is ours, and the lock.

``<path>.lock`` marks the path as a cache. Every process that uses it holds the lock together with the others;
who finds the file damaged and can have the lock alone begins it anew.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vicinal.encode.cache import tables
from vicinal.errors import InputError

_MARK = b"vicinal encoding cache\n"
_LEFT: list[sqlite3.Connection] = []
"""Connections that must not be closed: a parent process's, or those to a file that is gone, whose names are another's."""


@dataclass(slots=True)
class Held:
    """The connection, the file that it leads to, the locks, and until when the file is left alone."""

    db: sqlite3.Connection | None = None
    file: tuple[int, int] | None = None
    handle: int | None = None
    read_after: float = 0.0
    write_after: float = 0.0
    process: int = field(default_factory=os.getpid)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def leads_to(self, path: Path) -> bool:
        """Return whether the connection is to the file that lies at the path now."""
        return self.db is not None and self.file == _file_of(path)

    def open(self, path: Path, limit_bytes: int) -> None:
        """Connect to the file, and make it where it is not there.

        Raises
        ------
        OSError
            The operating system refuses; ``BlockingIOError`` if another process is about to begin the file anew.
        sqlite3.Error
            The file is damaged or busy.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self.handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        os.pwrite(self.handle, _MARK, 0)
        self.db = sqlite3.connect(path, timeout=tables.BUSY_S, isolation_level=None, check_same_thread=False)
        tables.prepare(self.db, limit_bytes)
        self.file = _file_of(path)

    def close(self) -> None:
        """Close the connection and let go of the file."""
        if self.db is not None:
            with suppress(sqlite3.Error):
                self.db.close()
        self.db = None
        self.leave()

    def leave(self) -> None:
        """Let go of the file without closing a connection that is another's, or whose file is."""
        if self.db is not None:
            _LEFT.append(self.db)
        if self.handle is not None:
            os.close(self.handle)
        self.db = self.handle = self.file = None

    def begin_anew(self, path: Path) -> bool:
        """Remove a damaged file, if no other process holds it; return whether it was."""
        handle, self.handle = self.handle, None
        self.close()
        if handle is None:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in _files(path):
                name.unlink(missing_ok=True)
        except OSError:
            return False
        finally:
            os.close(handle)
        return True


def require_ours(path: Path) -> None:
    """Refuse a path at which something lies that was never a cache.

    The file itself is not opened: to close it again would drop the locks that this process may hold on it.

    Raises
    ------
    InputError
        There is a folder, or a file without the mark beside it.
    """
    with suppress(OSError):
        found = path.stat()
        marked = _lock_of(path).is_file() and _lock_of(path).read_bytes()[: len(_MARK)] == _MARK
        if not path.is_dir() and (not found.st_size or marked):
            return
        raise InputError(
            f"{path} is no encoding cache; what lies there is not touched. Name another path, or remove it.",
            where="path",
        )


def size_of(path: Path) -> int:
    """Return the bytes of the file and of what SQLite keeps beside it."""
    return sum(map(_bytes_of, _files(path)))


def log_size_of(path: Path) -> int:
    """Return the bytes of the log of writes."""
    return _bytes_of(_files(path)[0])


def free_bytes(path: Path) -> int:
    """Return how much room the disk has."""
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _files(path: Path) -> list[Path]:
    """Return the file and those that SQLite keeps beside it, the log first: without it the file is an older state."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "")]


def _file_of(path: Path) -> tuple[int, int] | None:
    """Return which file lies at a path now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _bytes_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
