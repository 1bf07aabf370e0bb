"""Make a collection what its sources are: encode what is new or changed, remove what is gone.

Each commit holds whole records, so that an interruption anywhere leaves a true ledger and the next run goes on there.
Nothing is removed before every source has been read to its end, nor from a place that could not be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vicinal.chunk import Chunker
from vicinal.lifecycle.forms import Makers, Making, form_of, write
from vicinal.lifecycle.ingest import cut_up, digest_of_fields, digest_of_text, new_record, prepare
from vicinal.read import read
from vicinal.read.place import id_of
from vicinal.space import Encoder
from vicinal.store import Form, Lane, LedgerEntry, Store
from vicinal.types import Chunk, Document, Skipped, SyncProgress, SyncReport

LOOKED_UP_AT_ONCE = 500
"""Documents compared with the ledger in one go."""
PENDING_CHARS = 1 << 25
"""Text that waits to be encoded: what is read ahead so that the total is known."""
COMMIT_CHUNKS = 256
"""Chunks of one commit: some seconds of encoding, which is what an interruption can lose."""
STREAM = "-"
SUSPICIOUS = ("binary", "database")
"""Reasons for which what was stored before is kept: a half-written file can look so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a run reads: files and folders, ``-`` for standard input, ``pydoc:`` for the documentation of this Python.

    Parameters
    ----------
    places : tuple of str or Path
        The sources.
    base : Path
        Ids of files are relative to it.
    text_field, id_field : str, optional
        The column of tables that holds the text, the id.
    """

    places: tuple[str | Path, ...]
    base: Path
    text_field: str | None = None
    id_field: str | None = None

    def streams(self) -> list[tuple[str, Iterator[Document | Skipped]]]:
        """Return each source with its documents.

        Raises
        ------
        NotFoundError
            One of them does not exist; none is read.
        """
        return [
            (str(place), read(place, base=self.base, text_field=self.text_field, id_field=self.id_field))
            for place in self.places
        ]


@dataclass(slots=True)
class _Run:
    """One run over some sources."""

    store: Store
    collection: str
    makers: Makers
    making: Making
    tell: Callable[[SyncProgress], None]
    report: SyncReport = field(default_factory=SyncReport)
    seen: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    read_count: int = 0
    known_chunks: int = 0
    committed: int = 0

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
    """
    begun = time.perf_counter()
    making = Making(encoder, chunker)
    run = _Run(store, collection, makers or making.alone, making, progress or (lambda _: None))
    for name, stream in sources.streams():
        _sync_stream(run, stream, name)
    for place in sources.places:
        _remove_gone(run, origin_of(place, sources.base))
    return replace(run.report, skipped=tuple(run.skipped), took_s=time.perf_counter() - begun)


def origin_of(source: str | Path, base: Path) -> str:
    """Return the name under which the ledger keeps a source: relative to the base where it lies inside."""
    name = str(source)
    if name == STREAM or name.endswith(":"):
        return name
    return id_of(Path(source), base)


def _sync_stream(run: _Run, stream: Iterable[Document | Skipped], source: str) -> None:
    """Bring one source's documents into the store, in windows of what may wait in memory."""
    fixed = source if source == STREAM or source.endswith(":") else None
    pending: list[tuple[Document, str]] = []
    waiting_chars = 0
    for documents in _in_groups(run, stream):
        for document in _stale(run, documents, fixed):
            pending.append((document, fixed if fixed is not None else document.source))
            waiting_chars += len(document.text)
        run.show()
        if waiting_chars >= PENDING_CHARS:
            _encode_and_commit(run, pending)
            pending, waiting_chars = [], 0
    _encode_and_commit(run, pending)


def _in_groups(run: _Run, stream: Iterable[Document | Skipped]) -> Iterator[list[Document]]:
    """Give the documents in groups, each id once; note what was skipped."""
    group: list[Document] = []
    for one in stream:
        if isinstance(one, Skipped):
            run.skipped.append(one)
            continue
        if one.id in run.seen:
            continue  # two of the sources overlap
        run.seen.add(one.id)
        run.read_count += 1
        group.append(one)
        if len(group) >= LOOKED_UP_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _stale(run: _Run, documents: Sequence[Document], fixed: str | None) -> list[Document]:
    """Return the documents whose vectors must be made, write new fields of the others, and count."""
    with run.store.snapshot() as snapshot:
        lane = snapshot.lane(run.collection)
        entries = snapshot.ledger(lane, [document.id for document in documents])
    run.follow(lane)
    stale: list[Document] = []
    relabelled: list[tuple[Document, LedgerEntry]] = []
    for document in documents:
        entry = entries.get(document.id)
        if entry is None:
            run.count(new=1)
            stale.append(document)
        elif (
            entry.text_digest != digest_of_text(document)
            or entry.chunker != run.making.chunker_id
            or entry.space != lane.space.id
        ):
            run.count(changed=1)
            stale.append(document)
        elif entry.fields_digest != digest_of_fields(document) or entry.origin != (
            document.source if fixed is None else fixed
        ):
            run.count(changed=1)
            relabelled.append((document, entry))
        else:
            run.count(unchanged=1, cut_records=1 if entry.cut_chunks else 0)
    if relabelled:
        _relabel(run, relabelled, fixed)
    return stale


def _relabel(run: _Run, relabelled: Sequence[tuple[Document, LedgerEntry]], fixed: str | None) -> None:
    """Write new fields beside vectors that still hold."""
    with run.store.write() as transaction:
        lane = transaction.lane(run.collection)
        now = transaction.ledger(lane, [document.id for document, _ in relabelled])
        same = [  # what another process wrote meanwhile, the next run compares again
            new_record(document, (), chunker=entry.chunker, origin=document.source if fixed is None else fixed)
            for document, entry in relabelled
            if now.get(document.id) == entry
        ]
        transaction.relabel(lane, same)
    run.committed += len(relabelled)


def _encode_and_commit(run: _Run, pending: Sequence[tuple[Document, str]]) -> None:
    """Cut up and encode documents, and commit them in parts of some seconds each."""
    documents = [document for document, _ in pending]
    chunks = cut_up(documents, run.making.encoder, run.making.chunker)
    run.known_chunks += sum(len(part) for part in chunks)
    run.show()
    start = size = 0
    for end, part in enumerate(chunks, 1):
        size += len(part)
        if size >= COMMIT_CHUNKS or end == len(chunks):
            _commit(run, pending[start:end], chunks[start:end])
            start, size = end, 0


def _commit(run: _Run, pending: Sequence[tuple[Document, str]], chunks: Sequence[Sequence[Chunk]]) -> None:
    documents, origins = [document for document, _ in pending], [origin for _, origin in pending]
    prepared = prepare(
        documents,
        chunks,
        encoder=run.making.encoder,
        chunker=run.making.chunker_id,
        origins=origins,
        progress=lambda done, _: run.show(done),
    )
    first = Form(records=prepared.records, vectors=prepared.vectors, chunker=run.making.chunker_id)
    written = write(
        run.store,
        run.collection,
        lambda making, _: form_of(documents, origins, making),
        run.makers,
        replace_existing=True,
        first=first,
    )
    run.committed += len(written.records)
    run.count(
        chunks=len(written.vectors),
        cut_records=sum(record.cut_chunks > 0 for record in written.records),
        empty=sum(not record.spans for record in written.records),
    )
    run.show()


def _remove_gone(run: _Run, origin: str) -> None:
    """Delete the records of a source that it no longer has."""
    if origin == STREAM:
        return  # a stream has no yesterday
    unreadable = [one.source for one in run.skipped if one.failed or one.reason in SUSPICIOUS]
    with run.store.snapshot() as snapshot:
        lane = snapshot.lane(run.collection)
        stored = snapshot.ids_from(lane, origin)
        gone = [
            record_id
            for record_id, came_from in stored
            if record_id not in run.seen and not _is_hidden(came_from, unreadable)
        ]
    for start in range(0, len(gone), LOOKED_UP_AT_ONCE):
        with run.store.write() as transaction:
            removed = transaction.delete(transaction.lane(run.collection), gone[start : start + LOOKED_UP_AT_ONCE])
        run.count(removed=removed)
        run.committed += removed


def _is_hidden(origin: str, unreadable: Sequence[str]) -> bool:
    """Return whether a place could not be read now: it, a folder above it, or a row inside of it."""
    if "." in unreadable and not origin.startswith("/"):
        return True  # the base itself could not be listed
    return any(
        origin == place or origin.startswith(place.rstrip("/") + "/") or place.startswith((origin + "#", origin + ":"))
        for place in unreadable
    )
