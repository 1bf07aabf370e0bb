"""Vectors of equal texts: what moved, was renamed or copied is stored with the vectors that the collection has.

The same text, in the same form, by the same chunker, in the same space, has the same vectors. They are copied from the
rows of the record that had the text when the run began, alive or dead: rows never change and no number is given twice,
so they can be read for as long as their file is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from vicinal.lifecycle.ingest import new_record
from vicinal.lifecycle.sync.encoding import Pending
from vicinal.lifecycle.sync.stale import Made
from vicinal.space import Vectors
from vicinal.store import Form, Lane, NewRecord, Snapshot, Transaction
from vicinal.types import Rows

MOST_HELD = 1_000_000
"""Texts whose places are known, some 300 bytes each; what moved beyond them is encoded again."""


class Held(NamedTuple):
    """Where the vectors of a text lie: the record that had it, its first row, its spans, its cut chunks."""

    id: str
    first_row: int
    spans: tuple[tuple[int, int], ...]
    cut_chunks: int


class Carried(NamedTuple):
    """A record to be written with the vectors of another: which that was, and their rows."""

    record: NewRecord
    before: str
    rows: Rows


@dataclass(slots=True)
class HeldTexts:
    """The texts of some origins as they were when the run began, by digest; ``lane`` is the number of the lane of the rows."""

    lane: int
    held: dict[str, Held] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, lane: Lane, origins: Iterable[str], made: Made) -> HeldTexts:
        """Return the texts that came from some origins and were made as they would be now."""
        texts = cls(lane.number)
        for origin in origins:
            for one in snapshot.placed_from(lane, origin):
                if one.spans and (one.chunker or lane.chunker) == made.chunker and len(texts.held) < MOST_HELD:
                    texts.held[one.text_digest] = Held(one.id, one.first_row, one.spans, one.cut_chunks)
        return texts

    def get(self, text_digest: str) -> Held | None:
        """Return where the vectors of a text lie, if they are known."""
        return self.held.get(text_digest)


def carry(
    transaction: Transaction, lane: Lane, pending: Sequence[tuple[Pending, Held]], made: Made
) -> tuple[list[Carried], list[Pending]]:
    """Return records with the rows of equal texts, and the documents whose vectors are not there any more."""
    now = transaction.ledger(lane, [held.id for _, held in pending])
    places = transaction.chunks_of(lane, [held.id for _, held in pending])
    carried: list[Carried] = []
    left: list[Pending] = []
    for one, held in pending:
        record = new_record(
            one.document, held.spans, chunker=made.chunker, origin=one.origin, cut_chunks=held.cut_chunks
        )
        rows = np.arange(held.first_row, held.first_row + len(held.spans), dtype=np.int64)
        entry = now.get(held.id)
        if entry is not None and entry.text_digest == record.text_digest and entry.chunker == made.chunker:
            rows = np.array(places[held.id].rows, dtype=np.int64)
        if len(rows) == len(held.spans) and transaction.has_rows(lane, rows):
            carried.append(Carried(record, held.id, rows))
        else:
            left.append(one)
    return carried, left


def carried_beside(transaction: Transaction, twin: Lane, carried: Sequence[Carried]) -> dict[str, Carried]:
    """Return by id the same records in the form of the lane beside, those whose text it has."""
    now = transaction.ledger(twin, [one.before for one in carried])
    places = transaction.chunks_of(twin, [one.before for one in carried])
    found: dict[str, Carried] = {}
    for one in carried:
        entry = now.get(one.before)
        if entry is None or entry.text_digest != one.record.text_digest or entry.chunker != twin.chunker:
            continue
        place = places[one.before]
        record = replace(one.record, spans=place.record.spans, chunker=twin.chunker, cut_chunks=entry.cut_chunks)
        found[record.id] = Carried(record, one.before, np.array(place.rows, dtype=np.int64))
    return found


def form_at(transaction: Transaction, lane: Lane, carried: Sequence[Carried]) -> Form:
    """Return records with their vectors as they stand in a lane, copied."""
    rows = np.concatenate([np.empty(0, dtype=np.int64), *(one.rows for one in carried)])
    vectors = Vectors(transaction.vectors_at(lane, rows), lane.space)
    return Form(records=tuple(one.record for one in carried), vectors=vectors, chunker=lane.chunker)
