"""The rows that are looked at: drawn once, by a seed, with what is needed of their texts.

Letters: N sampled rows, D components.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vicinal.lexical.languages import guessed
from vicinal.lifecycle.chunks import in_turn, text_of
from vicinal.lifecycle.doctor.languages import script_of
from vicinal.store import Lane, LaneView, Snapshot, rows_of
from vicinal.store.snapshot import StoredChunk
from vicinal.types import Floats, Mask, Rows

SAMPLE_ROWS, SAMPLE_VALUES = 20_000, 30_000_000
"""Rows that are looked at, at most, and components in all: 120 MB, which are held up to four times."""
DIGEST_BYTES = 16
LANGUAGE_CHARS = 1000
"""Of a text, from which its language is guessed."""


@dataclass(frozen=True)
class Sample:
    """Some living rows of a lane, ascending, and their vectors as they are stored: float32 (N, D)."""

    rows: Rows
    vectors: Floats
    living: int

    def __len__(self) -> int:
        """Return N."""
        return len(self.rows)

    @property
    def is_whole(self) -> bool:
        """Whether every living row is in it."""
        return len(self.rows) == self.living

    @cached_property
    def lengths(self) -> Floats:
        """The length of each vector, float32 (N,)."""
        return np.asarray(np.sqrt(np.einsum("nd,nd->n", self.vectors, self.vectors, dtype=np.float64)), np.float32)

    @cached_property
    def has_direction(self) -> Mask:
        """Which vectors are not zero."""
        return np.asarray(self.lengths > 0)

    @cached_property
    def unit(self) -> Floats:
        """The vectors that are not zero, at unit length: float32 (M, D)."""
        kept = self.has_direction
        return np.ascontiguousarray(self.vectors[kept] / self.lengths[kept, None])

    @cached_property
    def unit_places(self) -> Rows:
        """The places in this sample of the rows of ``unit``."""
        return np.flatnonzero(self.has_direction)


@dataclass(frozen=True, slots=True)
class Texts:
    """What is known of the texts of the sampled rows; the texts themselves are not kept.

    ``chars`` counts code points without the white space around them; ``digests`` tell equal texts;
    ``next_rows`` is the row of the chunk that follows in the same record, -1 where none does.
    """

    ids: Sequence[str]
    chars: Rows
    digests: Sequence[bytes]
    scripts: Sequence[str]
    languages: Sequence[str]
    next_rows: Rows

    @classmethod
    def unknown(cls, count: int) -> Texts:
        """Return what is known of so many texts that cannot be read."""
        return cls(
            [""] * count, np.zeros(count, np.int64), [b""] * count, [""] * count, [""] * count, np.full(count, -1)
        )


def drawn(snapshot: Snapshot, lane: Lane, view: LaneView, *, count: int, seed: int) -> Sample:
    """Return rows of a lane, all where they are no more than the count, else drawn without return."""
    living, count = rows_of(view.alive), min(count, SAMPLE_VALUES // lane.space.dim)
    rows = living
    if len(living) > count:
        rows = np.sort(np.random.default_rng(seed).choice(living, count, replace=False))
    return Sample(rows=rows, vectors=snapshot.vectors_at(lane, rows), living=len(living))


def texts_of(snapshot: Snapshot, lane: Lane, rows: Rows) -> Texts:
    """Return what is known of the texts of some living rows. Memory: a hundred records at a time."""
    told = [_told(row, chunk) for row, chunk in in_turn(snapshot, lane, rows)]
    ids, chars, digests, scripts, languages, next_rows = zip(*told, strict=True) if told else ((),) * 6
    return Texts(
        ids=ids,
        chars=np.array(chars, dtype=np.int64),
        digests=digests,
        scripts=scripts,
        languages=languages,
        next_rows=np.array(next_rows, dtype=np.int64),
    )


def raw_texts(snapshot: Snapshot, lane: Lane, rows: Rows) -> list[str]:
    """Return the texts of a few living rows."""
    return [text_of(chunk) for _, chunk in in_turn(snapshot, lane, rows)]


def _told(row: int, chunk: StoredChunk | None) -> tuple[str, int, bytes, str, str, int]:
    """Return id, length, digest, script, language and the next row of a chunk; blanks for a row that no record has."""
    if chunk is None:
        return "", 0, b"", "", "", -1
    record = chunk.record
    text = record.text[chunk.start : chunk.end].strip()
    place = record.spans.index((chunk.start, chunk.end))
    following = row + 1 if place + 1 < len(record.spans) else -1
    if not text:
        return record.id, 0, b"", "", "", following
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
    return record.id, len(text), digest, script_of(text), guessed(text[:LANGUAGE_CHARS]) or "", following
