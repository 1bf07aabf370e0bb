"""The cache itself: what is found in its file, what is kept there, and what is done when the file is not to be had."""

from __future__ import annotations

import os
import sqlite3
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from vicinal._arrays import whole_number
from vicinal.encode.cache import tables
from vicinal.encode.cache.file import Held, free_bytes, log_size_of, require_ours, size_of
from vicinal.encode.cache.tables import BUSY_S, DIGEST_BYTES, HEAD_BYTES, ROW_BYTES
from vicinal.errors import FallbackWarning
from vicinal.types import Floats, Mask

MIN_BYTES = 1 << 20
MAX_BYTES = 1 << 50
CHUNK_ROWS = 1024
"""Rows of one statement."""
PAUSE_S = 1.0
"""How long the file is left alone after it was busy or refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """What a cache holds, and what it did since it was opened here.

    ``bytes`` is the size of its files. ``dropped`` counts damaged rows, ``rebuilt`` damaged files,
    ``passed`` the times that it was busy or refused and was done without.
    """

    vectors: int = 0
    bytes: int = 0
    limit_bytes: int = 0
    hits: int = 0
    misses: int = 0
    dropped: int = 0
    rebuilt: int = 0
    passed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a cache knows of N digests: which (N,), their vectors (N, D), zeros for the others, and whose text was cut (N,)."""

    found: Mask
    vectors: Floats
    cut: Mask


class EncodingCache:
    """Vectors by the digest of what made them, in one file that processes and threads share.

    Parameters
    ----------
    path : path
        The file. It is made, with its folder, when it is not there; ``-wal``, ``-shm`` and ``.lock`` lie beside it.
    limit_bytes : int, 1 MiB <= limit_bytes
        How large its files may become together: five eighths hold vectors, the rest is for the log of writes.
        What was of no use for longest makes room, a part at a time.

    Raises
    ------
    InputError
        There is a folder or a file at ``path`` that is no cache: it is not touched.
    RangeError, DtypeError
        ``limit_bytes`` is out of its range.

    Warns
    -----
    FallbackWarning
        Once, if the file cannot be made or written: everything is encoded, as without a cache.

    Notes
    -----
    Threads: safe. Processes: safe, forked ones too. It is never waited for longer than 0.25 s, and not again within
    the next second. A power cut may lose the last writes and nothing else.
    A damaged file is begun anew as soon as no other process holds it; until then it is done without.
    The order of use is kept to a sixteenth of the limit: what was found again only recently need not be noted.
    """

    def __init__(self, path: str | Path, *, limit_bytes: int) -> None:
        self.path = Path(path).expanduser().absolute()
        self.limit_bytes = whole_number(limit_bytes, "limit_bytes", low=MIN_BYTES, high=MAX_BYTES)
        self._told = False
        self._closed = False
        self._info = CacheInfo(limit_bytes=self.limit_bytes)
        self._held = Held()
        require_ours(self.path)
        with self._connected():
            pass  # made now, so that what stands against it is said now

    def __enter__(self) -> Self:
        """Return the cache."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the cache."""
        self.close()

    def close(self) -> None:
        """Close the file. What is asked of a closed cache is not found, and nothing is kept."""
        self._closed = True
        held = self._mine()
        with held.lock:
            held.close()

    def info(self) -> CacheInfo:
        """Return what it holds and what it did since it was opened here."""
        vectors = 0
        with self._connected() as db:
            if db is not None:
                vectors = tables.count(db)
        return replace(self._info, vectors=vectors, bytes=size_of(self.path))

    def get(self, digests: Sequence[bytes], dim: int) -> Known:
        """Return those vectors that are known.

        Parameters
        ----------
        digests : sequence of bytes
            16 bytes each, different ones.
        dim : int, 1 <= dim
            D of the vectors.

        Notes
        -----
        Cost: two look-ups and a crc a vector, about 8 microseconds for 384 numbers.
        """
        found, cut = np.zeros((2, len(digests)), dtype=np.bool_)
        vectors = np.zeros((len(digests), dim), dtype=np.float32)
        for start in range(0, len(digests), CHUNK_ROWS):
            with self._connected() as db:
                if db is None:
                    break
                payloads = self._read(db, digests[start : start + CHUNK_ROWS], HEAD_BYTES + 4 * dim)
                if payloads:
                    rows = np.array(list(payloads), dtype=np.int64) + start
                    raw = np.frombuffer(b"".join(payloads.values()), dtype=np.uint8).reshape(len(rows), -1)
                    vectors[rows] = raw[:, HEAD_BYTES:].view("<f4")
                    cut[rows] = raw[:, DIGEST_BYTES] != 0
                    found[rows] = True
        hits = int(found.sum())
        self._count(hits=hits, misses=len(digests) - hits)
        return Known(found=found, vectors=vectors, cut=cut)

    def add(self, digests: Sequence[bytes], vectors: Floats, cut: Mask) -> None:
        """Keep vectors, as many as there is room for; those that are known already stay as they are.

        Parameters
        ----------
        digests : sequence of bytes
            16 bytes each, different ones.
        vectors : float32 array of shape (N, D)
        cut : bool array of shape (N,)
            Whose text was cut at the window.
        """
        flags = cut.astype("<u4").tobytes()
        numbers = np.ascontiguousarray(vectors, dtype="<f4")
        payloads = [
            digest + flags[4 * place : 4 * place + 4] + vector.tobytes()
            for place, (digest, vector) in enumerate(zip(digests, numbers, strict=True))
        ]
        each = HEAD_BYTES + 4 * numbers.shape[1] + ROW_BYTES
        portion = max(min(self.limit_bytes // 16 // each, CHUNK_ROWS), 1)
        for start in range(0, len(payloads), portion):
            with self._connected(write=True) as db:
                if db is None:
                    return
                self._write(db, payloads[start : start + portion], each)

    def _read(self, db: sqlite3.Connection, digests: Sequence[bytes], length: int) -> dict[int, bytes]:
        """Return the payloads of the digests that are known by their places; drop damaged rows, and note the use."""
        payloads, rows, damaged = tables.find(db, digests, length)
        if damaged:
            self._count(dropped=len(damaged))
            tables.drop(db, damaged)
        old = tables.clock(db) - self.limit_bytes // 16
        long_known = [row for row in rows if row < old]
        if long_known:
            tables.note_use(db, long_known, old)
        return payloads

    def _write(self, db: sqlite3.Connection, payloads: list[bytes], each: int) -> None:
        """Store payloads, if the file and its log have room."""
        need = each * len(payloads)
        room, longest = self.limit_bytes * 5 // 8, self.limit_bytes // 8
        if need > room // 2:
            return
        if log_size_of(self.path) > longest:
            tables.shorten_log(db)
        if log_size_of(self.path) <= longest:
            tables.insert(db, payloads, need, room)

    @contextmanager
    def _connected(self, *, write: bool = False) -> Iterator[sqlite3.Connection | None]:
        """Give the connection, or None where there is none to be had now; swallow what the file does."""
        held = self._mine()
        until = max(held.read_after, held.write_after) if write else held.read_after
        if self._closed or time.monotonic() < until or not held.lock.acquire(timeout=BUSY_S):
            yield None
            return
        try:
            db = self._open(held)
            try:
                yield db
            except sqlite3.Error as error:
                self._pass(held, error, write=write)
        finally:
            held.lock.release()

    def _mine(self) -> Held:
        """Return what this process holds; what its parent holds is left alone."""
        if self._held.process != os.getpid():
            self._held.leave()
            self._held = Held()
        return self._held

    def _open(self, held: Held) -> sqlite3.Connection | None:
        """Return the connection to the file that lies at the path now, made where it is not there."""
        if self._closed or held.leads_to(self.path):
            return held.db
        held.leave()
        try:
            try:
                held.open(self.path, self.limit_bytes)
            except sqlite3.Error as error:
                if not self._pass(held, error):
                    return None
                held.open(self.path, self.limit_bytes)  # the damaged file was removed: this is a new one
        except (OSError, sqlite3.Error) as error:
            held.close()
            held.read_after = time.monotonic() + PAUSE_S
            self._count(passed=1)
            if not isinstance(error, BlockingIOError):  # another process is about to begin the file anew
                self._tell(str(error))
        return held.db

    def _pass(self, held: Held, error: sqlite3.Error, *, write: bool = False) -> bool:
        """Begin a damaged file anew and return True, or do without the file for a while."""
        fault = tables.fault(error, free=free_bytes(self.path) > self.limit_bytes)
        if fault == "damaged" and held.begin_anew(self.path):
            self._count(rebuilt=1)
            return True
        self._count(passed=1)
        until = time.monotonic() + PAUSE_S
        if write and fault == "busy":
            held.write_after = until  # what is known can still be read
            return False
        held.read_after = until
        if fault == "refused":
            self._tell(str(error))
        if fault != "busy" or held.file is None:
            held.close()
        return False

    def _tell(self, why: str) -> None:
        """Say once that there is no cache."""
        if not self._told:
            self._told = True
            warnings.warn(
                f"The encoding cache {self.path} is done without: {why}. Everything is encoded anew.",
                FallbackWarning,
                stacklevel=2,
            )

    def _count(self, **more: int) -> None:
        self._info = replace(self._info, **{name: getattr(self._info, name) + by for name, by in more.items()})
