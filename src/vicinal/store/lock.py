"""Locks between processes: one writer at a time, and whether anyone who wrote is still alive.

``vicinal.lock`` is held alone for the length of one write.
``vicinal.session`` is held together by every process that has written since the database was last sealed;
when nobody holds it and the database is not sealed, its last writer died.
The operating system drops both when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vicinal._files import disk_errors
from vicinal.errors import LockedError

WAIT_S = 30.0
"""How long a writer waits for another one's write."""
POLL_S = 0.005


class FileLock:
    """An advisory lock on a file that stays where it is."""

    def __init__(self, path: Path, *, write: bool) -> None:
        with disk_errors(path):
            self._handle = os.open(path, (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY) | os.O_CLOEXEC, 0o644)
        self.path = path

    def try_alone(self) -> bool:
        """Take the lock for this holder alone, if nobody else has it."""
        return self._try(fcntl.LOCK_EX)

    def try_together(self) -> bool:
        """Take the lock together with others, if nobody has it alone."""
        return self._try(fcntl.LOCK_SH)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go of the lock."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the lock and of the file."""
        os.close(self._handle)

    @contextmanager
    def alone(self, wait_s: float = WAIT_S) -> Iterator[None]:
        """Hold the lock alone.

        Raises
        ------
        LockedError
            Another process held it for all of ``wait_s``.
        """
        self._wait(fcntl.LOCK_EX, wait_s)
        try:
            yield
        finally:
            self.release()

    def together(self, wait_s: float = WAIT_S) -> None:
        """Take the lock together with others, waiting for one who has it alone.

        Raises
        ------
        LockedError
            It was held alone for all of ``wait_s``.
        """
        self._wait(fcntl.LOCK_SH, wait_s)

    def _wait(self, kind: int, wait_s: float) -> None:
        end = time.monotonic() + wait_s
        while not self._try(kind):
            if time.monotonic() > end:
                raise LockedError(
                    f"Another process has been writing to {self.path.parent} for {wait_s:.0f} s. Try again when it is done.",
                    where=str(self.path.parent),
                )
            time.sleep(POLL_S)
