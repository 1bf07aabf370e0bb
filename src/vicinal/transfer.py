"""A collection's vectors to files of other programs and back: where the store and the formats meet."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vicinal.exchange import VectorBatch
from vicinal.lifecycle.forms import Makers, Making, form_of, ready, require_texts, write
from vicinal.lifecycle.records import documents_of
from vicinal.space import Space, Vectors
from vicinal.store import Form, Lane, Snapshot, Store
from vicinal.types import Fields, Progress, Record

EXPORTED_RECORDS = 2_000
"""Records of one batch."""


def take_in(store: Store, name: str, batch: VectorBatch, space: Space, *, makers: Makers) -> int:
    """Write the rows of a file as records in one commit, in place of those of the same ids; return how many.

    Raises
    ------
    InputError
        A record is wrong. Nothing of the batch is written.
    """
    documents = documents_of(
        (
            {**fields, "id": one, "text": text}
            for one, text, fields in zip(batch.ids, batch.texts, batch.fields, strict=True)
        ),
        first=batch.first_row,
    )
    if not documents:
        return 0

    def make(making: Making, progress: Progress | None) -> Form:
        """Encode the texts, for a lane in another space."""
        require_texts(documents)
        return form_of(documents, [""] * len(documents), making, progress)

    first = ready(documents, Vectors(batch.vectors, space))
    write(store, name, make, makers, replace_existing=True, first=first)
    return len(documents)


def batches_of(snapshot: Snapshot, lane: Lane) -> Iterator[VectorBatch]:
    """Go through the chunks of a lane with their vectors, by id; a record of several gives ``id#0``, ``id#1`` and so on."""
    waiting: list[str] = []
    for record_id in snapshot.ids(lane):
        waiting.append(record_id)
        if len(waiting) == EXPORTED_RECORDS:
            yield _batch(snapshot, lane, waiting)
            waiting = []
    if waiting:
        yield _batch(snapshot, lane, waiting)


def _batch(snapshot: Snapshot, lane: Lane, ids: list[str]) -> VectorBatch:
    stored = snapshot.chunks_of(lane, ids)
    names: list[str] = []
    texts: list[str] = []
    fields: list[Fields] = []
    rows: list[int] = []
    for found in (stored[one] for one in ids):
        record = found.record
        names += _names(snapshot, lane, record)
        texts += [record.text[start:end] for start, end in record.spans]
        fields += [{**record.fields, "source": record.source} if record.source else record.fields] * len(record.spans)
        rows += found.rows
    vectors = snapshot.vectors_at(lane, np.array(rows, dtype=np.int64))
    return VectorBatch(first_row=0, ids=names, texts=texts, fields=fields, vectors=vectors)


def _names(snapshot: Snapshot, lane: Lane, record: Record) -> list[str]:
    """Return an id for each chunk of a record, none of them that of another record."""
    count, mark = len(record.spans), "#"
    if count == 1:
        return [record.id]
    while any(snapshot.has(lane, f"{record.id}{mark}{place}") for place in range(count)):
        mark += "#"
    return [f"{record.id}{mark}{place}" for place in range(count)]
