"""Pieces on their way, several at once and few in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vicinal._files import disk_errors
from vicinal.errors import corrupt
from vicinal.lifecycle.snapshots.manifest import BLOCKS, damaged, digest_of
from vicinal.lifecycle.snapshots.place import Place

WORKERS = 4
"""Pieces that are read, digested or sent at one time: sending waits for a disk or a network."""
AHEAD = 2 * WORKERS
"""Pieces that are held in memory at most, beside those that are worked on."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Generator[Result]:
    """Go through the results of jobs in their order, while some of those ahead are worked on.

    An error, or the end of the caller's interest, drops what has not begun. Memory: ``AHEAD + WORKERS`` results.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="vicinal-pieces") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file that a snapshot reads: its committed bytes cannot change, and an open file outlives its name."""

    name: str
    path: Path
    handle: int
    size_bytes: int
    piece_bytes: int
    stamp: str = ""

    def offsets(self) -> range:
        """Return where its pieces begin."""
        return range(0, self.size_bytes, self.piece_bytes)

    def read(self, offset: int) -> bytes:
        """Return the piece that begins there.

        Raises
        ------
        CorruptStoreError
            The file has become shorter than what was committed.
        """
        wanted = min(self.piece_bytes, self.size_bytes - offset)
        parts: list[bytes] = []
        with disk_errors(self.path):
            while wanted and (part := os.pread(self.handle, wanted, offset)):
                parts.append(part)
                offset += len(part)
                wanted -= len(part)
        if wanted:
            raise corrupt(self.path, "it is shorter than what was committed", expected=self.size_bytes, got=offset)
        return b"".join(parts)


def fetch(place: Place, piece: str, size_bytes: int) -> bytes:
    """Return a piece, compared with the digest that is its name.

    Raises
    ------
    CorruptSnapshotError
        It is missing or damaged.
    """
    name = f"{BLOCKS}/{piece}"
    content = place.get(name, most_bytes=size_bytes + 1)
    if content is None:
        raise damaged(f"{place.url}/{name}", "it is missing")
    if len(content) != size_bytes or digest_of(content) != piece:
        raise damaged(f"{place.url}/{name}", "it does not match its digest")
    return content
