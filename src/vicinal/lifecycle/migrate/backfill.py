"""The lane beside is filled with what the other has and it lacks: newest first, each record once, and never over a newer one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal.encode import apply, cut_vectors, uncached, usage_of
from vicinal.errors import EncodeError, InputError, MigrationError, VicinalError
from vicinal.lifecycle.forms import Making, form_of
from vicinal.lifecycle.ingest import document_of
from vicinal.lifecycle.migrate.state import KEPT_RATES, MOST_FAILED, OVER, VERBS, MigrationState, put_state, state_of
from vicinal.lifecycle.project import projection_of
from vicinal.space import Vectors
from vicinal.store import Form, Lane, LedgerEntry, NewRecord, Snapshot, Store, StoredRecord, Transaction
from vicinal.types import Document, Floats, Progress

LISTED = 100_000
"""Ids that are looked up in one go: some 10 MB."""
FIRST_PART, MOST_PART = 64, 1_000
"""Records of a part: of the first one, and of any. A commit of a thousand keeps other writers waiting for some 20 ms."""
MOST_CHARS = 1 << 22
"""Characters of a part."""
PART_S = 1.0
"""What a part should take: what an interruption can lose."""
NAP_S = 0.1

Makers = Callable[[Lane], Making]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast records are filled in: at most so many a second, and at most this share of the time."""

    rate: float | None = None
    share: float = 1.0

    def rest_s(self, records: int, took_s: float) -> float:
        """Return how long to rest after a part."""
        by_share = took_s * (1 - self.share) / self.share
        by_rate = 0.0 if self.rate is None else records / self.rate - took_s
        return max(0.0, by_share, by_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a run of the backfill did: records written, those that cannot be, and whether it was stopped before the end."""

    records: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    stopped: bool = False
    took_s: float = 0.0


class _OverError(Exception):
    """The migration was paused, cut over or aborted meanwhile: nothing of the part is written."""


def missing(snapshot: Snapshot, lane: Lane, twin: Lane, *, most: int = LISTED) -> list[str]:
    """Return ids of records that the lane beside lacks, newest first."""
    if lane.records == twin.records:
        return []  # whatever the one has, the other has as well: each record beside is one of here
    return snapshot.ids_without(lane, twin, most)


def fill(
    store: Store,
    name: str,
    makers: Makers,
    *,
    wanted: Sequence[str] = (),
    progress: Progress | None = None,
    stop: Callable[[], bool] = lambda: False,
    paced: bool = True,
) -> Filled:
    """Write what the lane beside a collection lacks, a part at a time, each in a commit.

    Parameters
    ----------
    store : Store
    name : str
        The collection.
    makers : callable
        Says what makes documents ready for the lane beside, or raises.
    wanted : sequence of str
        Ids that come first where they are missing: those that are read most.
    progress : callable, optional
        Called with (records there, records).
    stop : callable
        Asked after each part.
    paced : bool
        Whether the pace of the migration's state is kept, and it stands still where that is paused.

    Raises
    ------
    VicinalError
        The model cannot be had, or the disk refused. What was written stays, and another run goes on there.

    Notes
    -----
    Records are read and encoded without a lock. In the commit each is compared again: it is written only if its text is
    still the same and nothing stands under its id beside, so that a later write wins and what was deleted stays so.
    A record that the model refuses is left out and told; the run goes on.
    """
    begun = time.perf_counter()
    failed: dict[str, str] = {}
    written, size = 0, FIRST_PART
    while True:
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            twin = snapshot.twin(lane)
            listed = [] if twin is None else missing(snapshot, lane, twin, most=LISTED + len(failed))
        listed = [one for one in _first(wanted, listed) if one not in failed]
        if twin is None or not listed:
            if twin is not None:
                _tell_failed(store, name, failed)
            return Filled(records=written, failed=failed, stopped=twin is None, took_s=time.perf_counter() - begun)
        start = 0
        while start < len(listed):
            part, part_begun = listed[start : start + size], time.perf_counter()
            try:
                done, took = _fill_part(store, name, part, makers, failed, paced=paced)
            except _OverError:
                return Filled(records=written, failed=failed, stopped=True, took_s=time.perf_counter() - begun)
            start += took
            written += done
            took_s = time.perf_counter() - part_begun
            size = _next_size(size, took, took_s)
            if progress is not None:
                _tell(store, name, progress)
            if stop() or (paced and _rests(store, name, took, took_s, stop)):
                return Filled(records=written, failed=failed, stopped=True, took_s=time.perf_counter() - begun)


def _first(wanted: Sequence[str], listed: list[str]) -> list[str]:
    """Return ids with those that are wanted first, in the order in which they are."""
    lacking = set(listed)
    first = dict.fromkeys(one for one in wanted if one in lacking)
    return [*first, *(one for one in listed if one not in first)] if first else listed


def _next_size(size: int, records: int, took_s: float) -> int:
    """Return how many records the next part has, so that it takes as long as a part should; at most twice as many."""
    fitting = int(records * PART_S / max(took_s, 1e-6))
    return max(1, min(MOST_PART, 2 * size, fitting))


def _tell(store: Store, name: str, progress: Progress) -> None:
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        twin = snapshot.twin(lane)
    progress(lane.records if twin is None else twin.records, lane.records)


def _rests(store: Store, name: str, records: int, took_s: float, stop: Callable[[], bool]) -> bool:
    """Rest as the pace of the state says, which may change meanwhile; return whether to stop."""
    until = time.monotonic()
    while True:
        with store.snapshot() as snapshot:
            state = state_of(snapshot, name)
        if state is None or stop():
            return state is not None
        rest_s = Pace(rate=state.rate, share=state.share).rest_s(records, took_s)
        left = until + rest_s - time.monotonic()
        if left <= 0 or state.paused:
            return False  # the next part sees that it is paused
        time.sleep(min(left, NAP_S))


def _fill_part(
    store: Store, name: str, ids: Sequence[str], makers: Makers, failed: dict[str, str], *, paced: bool
) -> tuple[int, int]:
    """Make some records ready and write them; return how many were written, and how many of the ids were looked at."""
    begun = time.perf_counter()
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        twin = snapshot.twin(lane)
        if twin is None:
            raise _OverError
        looked, stored, entries = _bounded(snapshot, lane, ids)
        ready = _derived(snapshot, lane, twin, stored, entries)
    if ready is None:
        making = makers(twin)
        if (
            usage_of(making.encoder) is None
        ):  # what is paid for is asked once; else the cache would only be filled with all
            making = replace(making, encoder=uncached(making.encoder))
        ready = _made(stored, entries, making, failed)
    with store.write() as transaction:
        state = state_of(transaction, name)
        if state is not None and ((state.paused and paced) or state.stage in OVER):
            raise _OverError
        done = insert(transaction, name, ready)
        if state is not None:
            rate = len(stored) / max(time.perf_counter() - begun, 1e-6)
            rates = (*state.rates, round(rate, 3))[-KEPT_RATES:]
            put_state(transaction, name, replace(state, rates=rates, failed=_told(failed)))
    return done, looked


def _told(failed: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what the state tells of records that failed."""
    return tuple(sorted((one, why[:200]) for one, why in failed.items())[:MOST_FAILED])


def _tell_failed(store: Store, name: str, failed: Mapping[str, str]) -> None:
    """Let the state tell of those that failed now: others were deleted since, or changed, and are told no longer."""
    with store.snapshot() as snapshot:
        state = state_of(snapshot, name)
    if state is None or state.failed == _told(failed):
        return
    with store.write() as transaction:
        state = state_of(transaction, name)
        if state is not None:
            put_state(transaction, name, replace(state, failed=_told(failed)))


def _bounded(
    snapshot: Snapshot, lane: Lane, ids: Sequence[str]
) -> tuple[int, dict[str, StoredRecord], dict[str, LedgerEntry]]:
    """Return how many ids were looked up until their texts reach the bound, their records, and the entries of these."""
    found: dict[str, StoredRecord] = {}
    chars = looked = 0
    for start in range(0, len(ids), FIRST_PART):
        part = ids[start : start + FIRST_PART]
        more = snapshot.chunks_of(lane, part)
        found.update((one, more[one]) for one in part if one in more)
        chars += sum(len(one.record.text) for one in more.values())
        looked = start + len(part)
        if chars > MOST_CHARS:
            break
    return looked, found, snapshot.ledger(lane, list(found))


def insert(transaction: Transaction, name: str, form: Form) -> int:
    """Write records into the lane beside a collection, those that still stand as they were read; return how many.

    What was deleted or changed since is left out, and so is what stands there already. Source, fields and ledger are
    taken as they are now.
    """
    lane = transaction.lane(name)
    twin = transaction.twin(lane)
    if twin is None or not form.fits(twin.space, twin.chunker):
        raise _OverError
    ids = [record.id for record in form.records]
    now, entries = transaction.chunks_of(lane, ids), transaction.ledger(lane, ids)
    there = set(transaction.chunks_of(twin, ids))
    kept: list[NewRecord] = []
    rows: list[int] = []
    first = 0
    for record in form.records:
        own = range(first, first + len(record.spans))
        first = own.stop
        entry = entries.get(record.id)
        if entry is None or record.id in there or entry.text_digest != record.text_digest:
            continue
        stored = now[record.id].record
        kept.append(
            replace(
                record,
                source=stored.source,
                fields=stored.fields,
                origin=entry.origin,
                fields_digest=entry.fields_digest,
            )
        )
        rows += own
    if kept:
        vectors = Vectors(np.asarray(form.vectors)[np.array(rows, dtype=np.int64)], form.vectors.space)
        transaction.put(twin, kept, vectors, replace_existing=False)
    return len(kept)


def documents_of(
    stored: Mapping[str, StoredRecord], entries: Mapping[str, LedgerEntry]
) -> Iterator[tuple[Document, LedgerEntry]]:
    """Go through records as the documents that they were made of: the digest says how the text was built."""
    for one, found in stored.items():
        yield document_of(found.record, entries[one]), entries[one]


def _made(
    stored: Mapping[str, StoredRecord], entries: Mapping[str, LedgerEntry], making: Making, failed: dict[str, str]
) -> Form:
    """Return records cut up and encoded; those that the model refuses are left out and told."""
    pairs = list(documents_of(stored, entries))
    ready = []
    for document, entry in pairs:
        if stored[document.id].record.spans and not document.text.strip():
            failed[document.id] = "it has no text that another model could encode"
        else:
            ready.append((document, entry))
    parts = list(_encoded(ready, making, failed))
    records = tuple(record for part in parts for record in part.records)
    array = [np.asarray(part.vectors) for part in parts]
    space = making.encoder.space
    empty = np.empty((0, space.dim), dtype=np.float32)
    vectors = Vectors(np.concatenate([empty, *array]), space)
    return Form(records=records, vectors=vectors, chunker=making.chunker_id)


def _encoded(ready: Sequence[tuple[Document, LedgerEntry]], making: Making, failed: dict[str, str]) -> Iterator[Form]:
    """Go through the forms of documents; where the model refuses some, they are halved until the one is found."""
    if not ready:
        return
    try:
        made = form_of([one for one, _ in ready], [entry.origin for _, entry in ready], making)
    except (InputError, EncodeError) as error:
        if len(ready) == 1:
            failed[ready[0][0].id] = error.message
            return
        half = len(ready) // 2
        yield from _encoded(ready[:half], making, failed)
        yield from _encoded(ready[half:], making, failed)
        return
    told = [
        replace(record, text_digest=entry.text_digest, fields_digest=entry.fields_digest)
        for record, (_, entry) in zip(made.records, ready, strict=True)
    ]
    yield replace(made, records=tuple(told))


def deriving(snapshot: Snapshot, lane: Lane, twin: Lane) -> Callable[[Vectors], Vectors] | None:
    """Return what makes the vectors beside out of those of a lane, without its model: a projection or a cut. None: nothing does."""
    if lane.chunker != twin.chunker:
        return None
    changes: list[Callable[[Vectors], Vectors]] = []
    if twin.space.projection:
        projection = projection_of(snapshot, twin.space)
        changes += [] if projection is None else [lambda vectors: apply(projection, vectors)]
    if twin.space.dim < lane.space.dim:
        changes.append(lambda vectors: cut_vectors(vectors, twin.space.dim))
    none = Vectors(np.empty((0, lane.space.dim), dtype=np.float32), lane.space)
    for change in changes:
        try:
            if change(none).space == twin.space:
                return change
        except VicinalError:
            continue
    return None


def _derived(
    snapshot: Snapshot,
    lane: Lane,
    twin: Lane,
    stored: Mapping[str, StoredRecord],
    entries: Mapping[str, LedgerEntry],
) -> Form | None:
    """Return records with their vectors derived from those that are stored; None where they must be encoded."""
    change = deriving(snapshot, lane, twin)
    if change is None:
        return None
    rows = np.array([row for one in stored.values() for row in one.rows], dtype=np.int64)
    array: Floats = snapshot.vectors_at(lane, rows)
    records = tuple(
        NewRecord(
            id=one,
            text=found.record.text,
            source=found.record.source,
            fields=found.record.fields,
            spans=found.record.spans,
            chunker=entries[one].chunker,
            origin=entries[one].origin,
            text_digest=entries[one].text_digest,
            fields_digest=entries[one].fields_digest,
            cut_chunks=entries[one].cut_chunks,
        )
        for one, found in stored.items()
    )
    return Form(records=records, vectors=change(Vectors(array, lane.space)))


def require_state(state: MigrationState | None, name: str, *stages: str) -> MigrationState:
    """Return the state, if it is at one of some stages.

    Raises
    ------
    MigrationError
        There is no migration, or it is elsewhere; the message says what can be done there.
    """
    if state is None:
        raise MigrationError(
            f"Collection {name!r} is not being migrated. Begin with: vicinal migrate {name} --to MODEL", where=name
        )
    if state.stage in stages:
        return state
    told = f"The migration of {name!r} is at the stage {state.stage!r}; this can be done at {' or '.join(stages)}. "
    way = f"Begin another with: vicinal migrate {name} --to MODEL"
    if state.stage not in OVER:
        way = f"What can be done now, with vicinal migrate: {VERBS[state.stage]}"
    raise MigrationError(told + way, expected=", ".join(stages), got=state.stage, where=name)
