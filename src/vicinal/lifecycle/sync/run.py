"""Make a collection what its sources are: encode what is new or changed, remove what is gone.

Each commit holds whole records, so that an interruption anywhere leaves a true ledger and the next run goes on there.
Nothing is removed before every source has been read to its end, nor from a place that could not be read.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from vicinal.chunk import Chunker
from vicinal.lifecycle.forms import Makers, Making
from vicinal.lifecycle.ingest import digest_of_text
from vicinal.lifecycle.sync import aside, commit
from vicinal.lifecycle.sync.encoding import Pending, Poison, cut_apart, encode_apart
from vicinal.lifecycle.sync.gone import gone_from, torn
from vicinal.lifecycle.sync.reuse import Held, HeldTexts
from vicinal.lifecycle.sync.sources import STREAM, Found, Sources, fixed_origin
from vicinal.lifecycle.sync.stale import Made, differs, is_of_another_making
from vicinal.space import Encoder
from vicinal.store import Lane, LedgerEntry, Store
from vicinal.types import Chunk, Document, Fields, Skipped, SyncProgress, SyncReport, Unmodified

LOOKED_UP_AT_ONCE = 500
"""Documents compared with the ledger in one go."""
PENDING_CHARS = 1 << 25
"""Text that waits to be encoded: what is read ahead so that the total is known."""
COMMIT_CHUNKS = 256
"""Chunks of one commit: some seconds of encoding, which is what an interruption can lose."""
CARRIED_CHUNKS = 4096
"""Chunks of one commit of vectors that are there already."""
COUNTED_AS = {"new": "new", "stale": "changed", "relabelled": "changed", "same": "unchanged"}
"""What a document is against the ledger → the count of the report."""


@dataclass(slots=True)
class _Run:
    """One run over some sources."""

    store: Store
    collection: str
    sources: Sources
    makers: Makers
    making: Making
    tell: Callable[[SyncProgress], None]
    report: SyncReport = field(default_factory=SyncReport)
    seen: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    aside: list[aside.Aside] = field(default_factory=list)
    held: HeldTexts | None = None
    taken_from: list[str] = field(default_factory=list)
    read_count: int = 0
    known_chunks: int = 0
    committed: int = 0
    as_of: int = 0

    @property
    def made(self) -> Made:
        return Made(chunker=self.making.chunker_id, space=self.making.encoder.space.id)

    def follow(self, lane: Lane) -> None:
        """Go on with what makes documents ready for the lane that the collection's name leads to by now."""
        if self.making.encoder.space != lane.space or self.making.chunker_id != lane.chunker:
            making = self.makers(lane)
            assert making is not None  # noqa: S101 - for the lane itself there is one, or an error
            lane.space.require(making.encoder.space, what="the encoder")
            self.making = making

    def count(self, **more: int) -> None:
        """Add to the report."""
        self.report = replace(self.report, **{name: getattr(self.report, name) + n for name, n in more.items()})

    def show(self, within: int = 0) -> None:
        """Tell how far the run is."""
        self.tell(
            SyncProgress(
                read=self.read_count,
                done_chunks=self.report.chunks + within,
                known_chunks=self.known_chunks,
                committed=self.committed,
            )
        )

    def skip(self, one: Skipped, origin: str) -> None:
        """Note what gave no document; what should have is set aside."""
        self.skipped.append(one)
        if one.failed:
            self.aside.append(aside.Aside(source=one.source, origin=origin, reason=one.reason, detail=one.detail))

    def set_aside(self, poison: Sequence[Poison], origin: str) -> None:
        """Note documents that cannot be cut up or encoded: what was stored of them before stays."""
        for one in poison:
            self.skip(
                Skipped(source=one.pending.document.id, reason=one.reason, detail=one.detail, failed=True), origin
            )
        self.count(aside=len(poison))

    def known_fields(self, record_id: str) -> Fields | None:
        """Return the fields of a record that is current, so that its source need not be read if it says the same."""
        return current_fields(self.store, self.collection, record_id, self.made)

    def held_texts(self) -> HeldTexts:
        """Return the texts that the sources gave before this run, looked up when the first new one comes."""
        with self.store.snapshot() as snapshot:
            lane = snapshot.lane(self.collection)
            if self.held is None or self.held.lane != lane.number:  # a migration may have been cut over
                self.held = HeldTexts.of(snapshot, lane, self.sources.origins(), self.made)
            return self.held


def current_fields(store: Store, collection: str, record_id: str, made: Made) -> Fields | None:
    """Return the fields of a record that would be made as it is, None for any other."""
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        entry = snapshot.ledger(lane, [record_id]).get(record_id)
        if entry is None or is_of_another_making(entry, made):
            return None
        record = snapshot.record(lane, record_id)
    return None if record is None else record.fields


def sync(
    store: Store,
    collection: str,
    sources: Sources,
    *,
    encoder: Encoder,
    chunker: Chunker | None,
    makers: Makers | None = None,
    progress: Callable[[SyncProgress], None] | None = None,
) -> SyncReport:
    """Make a collection what the sources are, and say what was done.

    Parameters
    ----------
    store, collection
        Where to.
    sources : Sources
        From where.
    encoder : Encoder
        In the collection's space.
    chunker : Chunker or None
        None: each document is one chunk.
    makers : callable, optional
        Says which encoder and chunker make documents ready for a lane: a migration may be under way, and be cut over
        meanwhile.
    progress : callable, optional
        Called with a SyncProgress after each part that was read, encoded or committed.

    Raises
    ------
    NotFoundError
        A source does not exist; nothing is done.
    SpaceMismatchError
        The encoder is of another space.
    VicinalError
        The encoder itself does not work. What was committed stays.
    """
    begun = time.perf_counter()
    making = Making(encoder, chunker)
    run = _Run(store, collection, sources, makers or making.alone, making, progress or (lambda _: None))
    with store.snapshot() as snapshot:
        run.follow(snapshot.lane(collection))
        run.as_of = snapshot.sequence
    for origin, stream in sources.streams(run.known_fields):
        _sync_stream(run, stream, origin)
    gone: set[str] = set()
    for origin in sources.origins():
        gone |= _remove_gone(run, origin)
    moved = min(len(gone.intersection(run.taken_from)), run.report.new, run.report.removed)
    run.count(moved=moved, new=-moved, removed=-moved)
    commit.note_sources(store, collection, sources)
    aside.keep(store, collection, run.aside, sources.origins())
    return replace(run.report, skipped=tuple(run.skipped), took_s=time.perf_counter() - begun)


def _sync_stream(run: _Run, stream: Found, source: str) -> None:
    """Bring one source's documents into the store, in windows of what may wait in memory."""
    fixed = fixed_origin(source)
    pending: list[Pending] = []
    waiting_chars = 0
    for documents in _in_groups(run, stream, source):
        for one in _stale(run, [_pending(document, fixed) for document in documents]):
            pending.append(one)
            waiting_chars += len(one.document.text)
        run.show()
        if waiting_chars >= PENDING_CHARS:
            _encode_and_commit(run, pending, source)
            pending, waiting_chars = [], 0
    _encode_and_commit(run, pending, source)


def _pending(document: Document, fixed: str | None) -> Pending:
    return Pending(document=document, origin=document.source if fixed is None else fixed)


def _in_groups(run: _Run, stream: Found, source: str) -> Iterator[list[Document]]:
    """Give the documents in groups of what may wait, each id once; note what was skipped, and what need not be read."""
    group: list[Document] = []
    chars = 0
    for one in stream:
        if isinstance(one, Skipped):
            run.skip(one, source)
            continue
        if one.id in run.seen:  # two of the sources overlap
            if twice := run.sources.hole_of_twice(one.id, source):
                run.skip(twice, source)
            continue
        run.seen.add(one.id)
        run.read_count += 1
        if isinstance(one, Unmodified):
            run.count(unchanged=1)
            continue
        group.append(one)
        chars += len(one.text)
        if len(group) >= LOOKED_UP_AT_ONCE or chars >= PENDING_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def _stale(run: _Run, documents: Sequence[Pending]) -> list[Pending]:
    """Return the documents whose vectors are not there, write new fields and known vectors of the others, and count."""
    with run.store.snapshot() as snapshot:
        lane = snapshot.lane(run.collection)
        entries = snapshot.ledger(lane, [one.document.id for one in documents])
    run.follow(lane)
    held_texts = None
    stale: list[Pending] = []
    relabelled: list[tuple[Pending, LedgerEntry]] = []
    held: list[tuple[Pending, Held]] = []
    counted: Counter[str] = Counter()
    for one in documents:
        entry = entries.get(one.document.id)
        what = differs(entry, one.document, one.origin, run.made)
        counted[COUNTED_AS[what]] += 1
        if what in {"new", "stale"}:
            if held_texts is None and lane.records:
                held_texts = run.held_texts()
            known = None if held_texts is None else held_texts.get(digest_of_text(one.document))
            stale.append(one) if known is None else held.append((one, known))
        elif what == "relabelled" and entry is not None:
            relabelled.append((one, entry))
        else:
            counted["cut_records"] += entry is not None and entry.cut_chunks > 0
    run.count(**counted)
    if relabelled:
        commit.relabel(run.store, run.collection, relabelled)
        run.committed += len(relabelled)
    return [*stale, *_carry(run, held, set(entries))]


def _carry(run: _Run, held: Sequence[tuple[Pending, Held]], stored: set[str]) -> list[Pending]:
    """Store documents whose text is held already; return those whose vectors are not there any more."""
    left: list[Pending] = []
    for part in _portions(held):
        carried, more = commit.put_carried(run.store, run.collection, part, run.held_texts().lane, run.made)
        left += more
        run.committed += len(carried)
        run.taken_from += [one.before for one in carried if one.record.id not in stored]
        run.count(
            reused_chunks=sum(len(one.rows) for one in carried),
            cut_records=sum(one.record.cut_chunks > 0 for one in carried),
        )
        run.show()
    return left


def _portions(held: Sequence[tuple[Pending, Held]]) -> Iterator[list[tuple[Pending, Held]]]:
    """Cut a list into parts of one commit each."""
    part: list[tuple[Pending, Held]] = []
    size = 0
    for one in held:
        part.append(one)
        size += len(one[1].spans)
        if size >= CARRIED_CHUNKS:
            yield part
            part, size = [], 0
    if part:
        yield part


def _encode_and_commit(run: _Run, pending: Sequence[Pending], source: str) -> None:
    """Cut up and encode documents, and commit them in parts of some seconds each."""
    sound, chunks, poison = cut_apart(pending, run.making.encoder, run.making.chunker) if pending else ([], [], [])
    run.set_aside(poison, source)
    run.known_chunks += sum(len(part) for part in chunks)
    run.show()
    start = size = 0
    for end, part in enumerate(chunks, 1):
        size += len(part)
        if size >= COMMIT_CHUNKS or end == len(chunks):
            _commit(run, sound[start:end], chunks[start:end], source)
            start, size = end, 0


def _commit(run: _Run, pending: Sequence[Pending], chunks: Sequence[Sequence[Chunk]], source: str) -> None:
    parts, poison = encode_apart(
        pending,
        chunks,
        encoder=run.making.encoder,
        chunker=run.making.chunker_id,
        progress=lambda done, _: run.show(done),
    )
    run.set_aside(poison, source)
    for part, form in parts:
        written = commit.put(run.store, run.collection, part, form, run.makers)
        run.committed += len(written.records)
        run.count(
            chunks=len(written.vectors),
            cut_records=sum(record.cut_chunks > 0 for record in written.records),
            empty=sum(not record.spans for record in written.records),
        )
        run.show()


def _remove_gone(run: _Run, origin: str) -> set[str]:
    """Delete the records of a source that it no longer has; return which."""
    if origin == STREAM:
        return set()  # a stream has no yesterday
    for place, one in torn(run.store, run.collection, origin, skipped=run.skipped, seen=run.seen).items():
        run.skipped[place] = one
        run.aside.append(aside.Aside(source=one.source, origin=origin, reason=one.reason, detail=one.detail))
    gone = gone_from(
        run.store, run.collection, run.sources, origin, seen=run.seen, skipped=run.skipped, as_of=run.as_of
    )
    for start in range(0, len(gone), LOOKED_UP_AT_ONCE):
        removed = commit.delete(run.store, run.collection, gone[start : start + LOOKED_UP_AT_ONCE])
        run.count(removed=removed)
        run.committed += removed
    return set(gone)
