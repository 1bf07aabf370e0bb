"""Records that a question needed and the new collection lacked: encoded for the answer, and kept for all later ones.

Only inserted, never replaced: what a writer has put into the new collection meanwhile is newer. And only where the old
collection still holds the same text at the moment of the commit: what was deleted or changed while the model read it is not
brought back.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vicinal.chunk import Chunker
from vicinal.errors import EncodeError, InputError
from vicinal.lifecycle.ingest import WHOLE, cut_up, document_of, prepare
from vicinal.space import Encoder, Vectors
from vicinal.store import LedgerEntry, NewRecord, Store
from vicinal.types import Chunk, Document, Record

CHUNKS_AT_ONCE = 16
"""Chunks that go through the model between two looks at the clock: about half a second of MiniLM on one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A record of the old collection that the new one lacks, as of one commit, with what its ledger says of it."""

    record: Record
    entry: LedgerEntry

    def document(self) -> Document:
        """Return it as a chunker takes it; how the text is built is told by its digest."""
        return document_of(self.record, self.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A record ready for the new collection: what is written, and the vectors of its chunks, (C, D) in the encoder's space.

    ``record.text_digest`` is that of the text that was read.
    """

    record: NewRecord
    vectors: Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one question may spend on records that lack vectors: chunks, and milliseconds where they are bounded.

    The clock is looked at before each batch of ``CHUNKS_AT_ONCE``, so the last one may run over.
    """

    chunks: int
    ms: float | None = None


def encoded(
    missing: Sequence[Missing], *, encoder: Encoder, chunker: Chunker | None, budget: Budget
) -> Iterator[Encoded]:
    """Go through records as they are encoded, in their order, until the budget is spent.

    A record with more chunks than are left is passed over, and smaller ones behind it are still taken. One whose text the
    model refuses, or that has none, is left out: the migration tells it.

    Raises
    ------
    RemoteError
        The model's provider cannot be reached.
    """
    begun = time.perf_counter()
    left = budget.chunks
    waiting: list[tuple[Missing, list[Chunk]]] = []
    for one in missing:
        if not one.record.text.strip():
            continue  # its vectors came without a text, which no other model can encode
        (chunks,) = cut_up([one.document()], encoder, chunker)
        if not 0 < len(chunks) <= left:
            continue
        left -= len(chunks)
        waiting.append((one, chunks))
        if sum(len(part) for _, part in waiting) >= CHUNKS_AT_ONCE:
            yield from _read(waiting, encoder, chunker)
            waiting = []
            if budget.ms is not None and (time.perf_counter() - begun) * 1000 >= budget.ms:
                return
    yield from _read(waiting, encoder, chunker)


def _read(waiting: Sequence[tuple[Missing, list[Chunk]]], encoder: Encoder, chunker: Chunker | None) -> list[Encoded]:
    """Encode some records; one that the model refuses stands in the way of no other, and is left out."""
    try:
        return _prepared(waiting, encoder, chunker)
    except (InputError, EncodeError):
        if len(waiting) == 1:
            return []
        return [one for part in waiting for one in _read([part], encoder, chunker)]


def _prepared(
    waiting: Sequence[tuple[Missing, list[Chunk]]], encoder: Encoder, chunker: Chunker | None
) -> list[Encoded]:
    if not waiting:
        return []
    prepared = prepare(
        [one.document() for one, _ in waiting],
        [chunks for _, chunks in waiting],
        encoder=encoder,
        chunker=WHOLE if chunker is None else chunker.id,
        origins=[one.entry.origin for one, _ in waiting],
    )
    ends = np.cumsum([len(chunks) for _, chunks in waiting]).tolist()
    return [
        Encoded(
            record=replace(record, text_digest=one.entry.text_digest, fields_digest=one.entry.fields_digest),
            vectors=prepared.vectors[end - len(chunks) : end],
        )
        for (one, chunks), record, end in zip(waiting, prepared.records, ends, strict=True)
    ]


def write(store: Store, old: str, new: str, ready: Sequence[Encoded]) -> int:
    """Keep encoded records in the new collection, in one commit; return how many.

    Left out are those that the old collection no longer has with this text, and those that the new one has by now; all of
    them where the new one's name leads to another space or chunker by now, as it does behind a cutover.
    Source, fields and origin are written as the old collection has them at this commit.

    Raises
    ------
    LockedError, ReadOnlyError, ReplicaError, StoreError
        Nothing is written.
    """
    if not ready:
        return 0
    ids = [one.record.id for one in ready]
    with store.write() as transaction:
        source, target = transaction.lane(old), transaction.lane(new)
        if (target.space, target.chunker) != (ready[0].vectors.space, ready[0].record.chunker):
            return 0
        now, there = transaction.ledger(source, ids), transaction.chunks_of(target, ids)
        records = transaction.chunks_of(source, ids)
        kept = [
            one
            for one in ready
            if one.record.id not in there
            and one.record.id in now
            and now[one.record.id].text_digest == one.record.text_digest
        ]
        if kept:
            written = [_as_now(one.record, records[one.record.id].record, now[one.record.id]) for one in kept]
            vectors = Vectors.concatenate([one.vectors for one in kept])
            transaction.put(target, written, vectors, replace_existing=False)
    return len(kept)


def _as_now(record: NewRecord, stored: Record, entry: LedgerEntry) -> NewRecord:
    return replace(
        record,
        source=stored.source,
        fields=stored.fields,
        origin=entry.origin,
        fields_digest=entry.fields_digest,
    )
