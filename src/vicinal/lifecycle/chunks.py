"""Chunks read in turn: a sample of them is never held with all of its records, which may be long."""

from __future__ import annotations

from collections.abc import Iterator

from vicinal.store import Lane, Snapshot
from vicinal.store.snapshot import StoredChunk
from vicinal.types import Rows

RECORDS_AT_ONCE = 100


def in_turn(snapshot: Snapshot, lane: Lane, rows: Rows) -> Iterator[tuple[int, StoredChunk | None]]:
    """Go through some living rows and their chunks; None for a row that no record has.

    Notes
    -----
    Memory: a hundred records, as long as the caller keeps none of them.
    """
    for start in range(0, len(rows), RECORDS_AT_ONCE):
        part = rows[start : start + RECORDS_AT_ONCE].tolist()
        found = snapshot.chunks_at(lane, part)
        yield from ((row, found.get(row)) for row in part)


def text_of(chunk: StoredChunk | None) -> str:
    """Return the text of a chunk, "" for none."""
    return "" if chunk is None else chunk.record.text[chunk.start : chunk.end]


def has_context(chunker_id: str) -> bool:
    """Return whether a chunker puts headings before a chunk when it is encoded, which are not stored with it."""
    return "-c" in chunker_id
