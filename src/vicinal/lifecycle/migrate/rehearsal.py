"""What a migration will take, measured: a sample of the records goes through the very same backfill, in a store of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vicinal.encode import projections_of, usage_of
from vicinal.errors import MigrationError, StoreError
from vicinal.lifecycle.forms import Making
from vicinal.lifecycle.migrate.backfill import fill
from vicinal.lifecycle.project import batches_of_records
from vicinal.space import Encoder, Vectors
from vicinal.store import Lane, Snapshot, Store, beside
from vicinal.store.format import LOCK_NAME
from vicinal.store.lock import FileLock
from vicinal.types import Progress

SAMPLE_RECORDS = 10_000
SAMPLE_CHARS = 1 << 24
PROVIDER_RECORDS = 100
"""Of a model that is paid for by the token."""
SAMPLE_S = 4.0
SHED = 0.25
"""The share of a rehearsal that is not counted: parts grow at first, and whatever is loaded late is loaded then."""
BAND = (0.1, 0.9)
NAME = "rehearsed"
SCRATCH = ".vicinal-plan-"
YOUNG_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What was measured on a sample: times in seconds for all records, with the band in which 8 of 10 parts lie."""

    sampled: int
    records: int
    chunks: int
    backfill_s: float
    fast_s: float
    slow_s: float
    disk_bytes: int
    tokens: int | None
    cost: float | None
    derived: bool


class _Timed:
    """How long each part took: (records, seconds)."""

    def __init__(self, before: float) -> None:
        self.before = before
        self.done = 0
        self.parts: list[tuple[int, float]] = []

    def note(self, done: int, _total: int) -> None:
        """Note a part."""
        now = time.perf_counter()
        self.parts.append((done - self.done, now - self.before))
        self.done, self.before = done, now


def rehearse(
    store: Store,
    name: str,
    making: Making,
    *,
    derived: bool,
    seconds: float = SAMPLE_S,
    progress: Progress | None = None,
) -> Rehearsal:
    """Carry a sample of a collection's records over in a store of its own, and return what all of them will take.

    Parameters
    ----------
    store : Store
    name : str
        The collection. It is only read.
    making : Making
        What the new lane is made by.
    derived : bool
        Whether the new vectors are made of the stored ones.
    seconds : float
        How long to carry at most; a part is finished.
    progress : callable, optional
        Called with (records carried, records of the sample).

    Raises
    ------
    MigrationError
        The collection is empty, or the model takes none of its records.
    """
    before = usage_of(making.encoder)
    with _scratch(store.folder.parent) as scratch:
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            sampled = _copy(snapshot, lane, scratch, making, paid=before is not None)
            live = store.folder / "index" / lane.space.id / str(lane.number)
        if not sampled:
            raise MigrationError(
                f"Collection {name!r} is empty: there is nothing to measure, or to migrate.", where=name
            )
        base_bytes, begun = _size(scratch.folder), time.perf_counter()
        timed = _Timed(begun)

        def told(done: int, total: int) -> None:
            timed.note(done, total)
            if progress is not None:
                progress(done, total)

        done = fill(
            scratch,
            NAME,
            lambda _: making,
            progress=told,
            stop=lambda: time.perf_counter() - begun > seconds,
            paced=False,
        )
        if not done.records:
            why = next(iter(done.failed.values()), "it was stopped")
            raise MigrationError(f"The model took none of {sampled} sampled records of {name!r}: {why}", where=name)
        grown = _size(scratch.folder) - base_bytes
        with scratch.snapshot() as snapshot:
            rows = snapshot.lane(beside(NAME)).rows
        tokens, cost = _spent(making.encoder, before, done.records, lane.records)
    per_record = _seconds_per_record(timed.parts)
    chunks = round(rows / done.records * lane.records)
    index_bytes = _size(live) * chunks / max(lane.rows, 1) * max(0.5, making.encoder.space.dim / lane.space.dim)
    return Rehearsal(
        sampled=done.records,
        records=lane.records,
        chunks=chunks,
        backfill_s=per_record[1] * lane.records,
        fast_s=per_record[0] * lane.records,
        slow_s=per_record[2] * lane.records,
        disk_bytes=round(grown / done.records * lane.records + index_bytes),
        tokens=tokens,
        cost=cost,
        derived=derived,
    )


def _seconds_per_record(parts: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Return (fast, mean, slow) seconds a record of the parts behind the first, by their quantiles."""
    counted = [(records, took_s) for records, took_s in parts if records > 0]
    total = sum(took_s for _, took_s in counted)
    gone, late = 0.0, []
    for records, took_s in counted:
        if gone >= SHED * total:
            late.append((records, took_s))
        gone += took_s
    late = late or counted
    mean = sum(took_s for _, took_s in late) / sum(records for records, _ in late)
    each = np.array([took_s / records for records, took_s in late])
    fast, slow = (float(np.quantile(each, share)) for share in BAND)
    return min(fast, mean), mean, max(slow, mean)


def _spent(
    encoder: Encoder, before: dict[str, float] | None, sampled: int, records: int
) -> tuple[int | None, float | None]:
    """Return the tokens and the cost of all records by those of the sample; None for a model of this machine."""
    now = usage_of(encoder)
    if before is None or now is None:
        return None, None
    scale = records / sampled
    tokens = sum(now.get(one, 0) - before.get(one, 0) for one in ("tokens", "estimated_tokens"))
    cost = None if "cost" not in now else (now["cost"] - before.get("cost", 0.0)) * scale
    return round(tokens * scale), cost


def _copy(snapshot: Snapshot, lane: Lane, scratch: Store, making: Making, *, paid: bool) -> int:
    """Write a sample of a lane's records into the scratch store, and an empty lane beside them."""
    ids = list(snapshot.ids(lane))
    most = PROVIDER_RECORDS if paid else SAMPLE_RECORDS
    chosen = [ids[place] for place in sorted(np.random.default_rng(0).permutation(len(ids))[:most].tolist())]
    space = making.encoder.space
    with scratch.write() as transaction:
        transaction.create_collection(NAME, model="", space=lane.space, chunker=lane.chunker)
        transaction.create_collection(beside(NAME), model="", space=space, chunker=making.chunker_id)
        for one in projections_of(making.encoder):  # the database has them from the beginning of the migration on
            transaction.put_projection(one.digest, one.to_bytes())
    copied = chars = 0
    for _, records, rows in batches_of_records(snapshot, lane, chosen):
        array = snapshot.vectors_at(lane, np.array(rows, dtype=np.int64))
        with scratch.write() as transaction:
            transaction.put(transaction.lane(NAME), records, Vectors(array, lane.space), replace_existing=False)
        copied += len(records)
        chars += sum(len(one.text) for one in records)
        if chars > SAMPLE_CHARS:
            break
    return copied


@contextmanager
def _scratch(near: Path) -> Iterator[Store]:
    """Give a store on the same disk that is gone at the end; what killed processes have left there goes as well."""
    _remove_leftovers(near)
    try:
        folder = tempfile.TemporaryDirectory(prefix=SCRATCH, dir=near, ignore_cleanup_errors=True)
    except OSError:
        folder = tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True)
    with folder as name:
        lock = FileLock(Path(name) / LOCK_NAME, write=True)
        lock.try_together()
        try:
            scratch = Store.open(Path(name) / "scratch")
            try:
                yield scratch
            finally:
                scratch.close()
        finally:
            lock.close()


def _remove_leftovers(near: Path) -> None:
    """Remove the scratch folders whose lock nobody holds; a young one may not have its lock yet."""
    for path in near.glob(f"{SCRATCH}*"):
        with suppress(OSError, StoreError):
            if time.time() - path.stat().st_mtime < YOUNG_S:
                continue
            lock = FileLock(path / LOCK_NAME, write=True)
            try:
                if lock.try_alone():
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                lock.close()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
