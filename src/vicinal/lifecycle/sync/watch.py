"""Watch: look at files again and again, and say when they have changed and come to rest.

By looking, not by being told: what systems tell of changes differs, is lost under load and over networks, and needs a
library; one look is a ``stat`` for each file (about 100,000 a second) and costs no memory but a digest.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from vicinal.read.folder import walk
from vicinal.read.sql.place import SQLITE, sqlite_path
from vicinal.types import Skipped, Source

REST_TIMES = 1
"""Looks with the same answer before a change counts as finished."""
MOST_WAIT_LOOKS = 20
"""Looks after which a source that never comes to rest is read all the same."""


def watch(
    sources: Sequence[Source],
    *,
    every_s: float,
    stopped: Callable[[], bool] = lambda: False,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[int]:
    """Give a number each time that files have changed and come to rest; the first at once.

    Parameters
    ----------
    sources : sequence of Source
        Files, folders and SQLite databases; others are not looked at.
    every_s : float, 0 < every_s
        How long between two looks.
    stopped : callable, optional
        Asked before each look: whether to end.
    pause : callable, optional
        Waits some seconds; for tests.
    """
    turn = 0
    seen = state_of(sources)
    yield turn
    while not stopped():
        pause(every_s)
        now = state_of(sources)
        if now == seen:
            continue
        for _ in range(MOST_WAIT_LOOKS):
            if stopped():
                return
            pause(every_s)
            before, now = now, state_of(sources)
            if now == before:
                break
        seen = now  # before it is read: what changes meanwhile is seen at the next look
        turn += 1
        yield turn


def state_of(sources: Sequence[Source]) -> str:
    """Return a digest of which files there are, and of length, time and inode of each."""
    digest = hashlib.blake2b(digest_size=16)
    for source in sources:
        for name in _files(source):
            digest.update(f"{name}\0{_stat(name)}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _files(source: Source) -> Iterator[str]:
    if source.place.startswith(SQLITE):
        path = str(sqlite_path(source.place))
        yield from (path, f"{path}-wal")
        return
    path = source.place
    if not os.path.isdir(path):  # noqa: PTH112 - a string is what is digested
        yield path
        return
    for place in walk(Path(path), path):
        yield place.source if isinstance(place, Skipped) else place.path


def _stat(name: str) -> tuple[int, ...]:
    with suppress(OSError, ValueError):
        said = os.stat(name)  # noqa: PTH116 - the same
        return said.st_size, said.st_mtime_ns, said.st_ino
    return ()
