"""What the new collection answers as of one commit, held against the old one as of the same commit.

The old collection is the truth of what there is, what its fields say and what its words are; the new one has the vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal import kernels
from vicinal.lexical import LexicalIndex
from vicinal.lexical.index import LexicalHits
from vicinal.lifecycle.asking import FIRST_PLACES, GROWTH, MOST_COMPARED, MOST_PLACES, Found, asking, told
from vicinal.lifecycle.bridge.backfill import Encoded
from vicinal.lifecycle.bridge.fetching import Entry, Memory, holds
from vicinal.lifecycle.question import Question
from vicinal.lifecycle.ranking import Asking, Ranking
from vicinal.search.shape import Scored, shaped
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Store, StoredChunk, cleared
from vicinal.store.bits import fill, resized
from vicinal.types import Bits, Floats, Hit, Mask, Record

SPARE_PLACES = 4
"""Places of the ranking that are looked at beyond the k asked for: among them some may be of records that are gone."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """The answer to one question, as of one snapshot. ``text`` is its words, ``""`` where vectors alone are asked."""

    store: Store
    snapshot: Snapshot
    old: Lane
    new: Lane
    question: Question
    text: str
    memory: Memory
    loose: dict[str, Encoded] = field(default_factory=dict)
    """What was encoded, could not be kept, and holds still."""
    vectors: dict[int, Floats] = field(default_factory=dict)
    """The vectors of its chunks, by rows that no chunk has."""
    allowed: Bits = field(init=False)
    words: LexicalIndex | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Find out which rows of the old collection the filter lets through, and whether words are asked."""
        self.allowed = np.empty(0, dtype=np.uint64)
        if self.old.rows:
            asked = asking(self.store, self.snapshot, self.old, self.question)
            self.allowed, self.words = asked.mask, asked.words

    def take(self, ready: Sequence[Encoded]) -> None:
        """Let what was encoded take part, where the new collection lacks it still and the old one has the same text still."""
        ids = [one.record.id for one in ready]
        there, now = self.snapshot.numbers(self.new, ids), self._allowed(ids)
        self.loose = {
            one.record.id: one
            for one in ready
            if one.record.id not in there
            and one.record.id in now
            and now[one.record.id].text_digest == one.record.text_digest
        }

    def best(self, vector: Vectors, fetched: Sequence[str], *, exhausted: bool) -> Found:
        """Return the hits of a question.

        Parameters
        ----------
        vector : Vectors of shape (1, D)
            In the new space.
        fetched : sequence of str
            Ids that the old index gave; ``exhausted`` where the filter lets no others through.
        """
        self.new.space.require(vector.space, what="the questions")
        asked, shape, k = self._asked(vector), self.question.shape, self.question.k
        places = k + SPARE_PLACES if shape.is_plain else max(FIRST_PLACES, k)
        most = MOST_COMPARED if shape.needs_vectors else MOST_PLACES
        while True:
            ranking = Ranking(candidates=[])
            if self.new.rows or self.loose:
                ranking = asked.ranking(vector, (self.text,), places)
            every = asked.stored.scored(ranking.candidates)[:places]
            true = self._true([one.id for one in every])
            false = [one.row for one in every if one.id not in true]
            if false:
                asked.mask = cleared(asked.mask, np.array(false, dtype=np.int64))
                continue
            shown = self._shaped(asked, every)[:k]
            is_below = shape.least_score is not None and bool(every) and every[-1].score < shape.least_score
            if len(shown) >= k or ranking.exhausted or is_below or places >= most:
                break
            places = min(places * GROWTH, max(most, places))
        looked = len(shown) >= k or ranking.exhausted or is_below
        complete = looked and ranking.complete and exhausted and self._covers(asked, fetched)
        found = told(asked, replace(ranking, complete=complete), shown, None)
        stored = self.snapshot.chunks_of(self.old, list({hit.id for hit in found.items}))
        return replace(found, items=[_as_old(hit, stored[hit.id].record) for hit in found.items])

    def _asked(self, vector: Vectors) -> Asking:
        """Return what answers: the new collection's vectors and those that could not be kept, the old one's words."""
        asked = asking(self.store, self.snapshot, self.new, replace(self.question, mode="dense"))
        if self.loose:
            self._join(asked)
        if self.words is not None:
            asked.question = replace(self.question, mode="hybrid")
            asked.words = _Words(self, asked, vector)  # type: ignore[assignment]  # it is only searched
        return asked

    def _join(self, asked: Asking) -> None:
        """Let the chunks that could not be kept be found, under the rows behind the last."""
        row = self.new.next_row
        for one in self.loose.values():
            told_as = Record(id=one.record.id, text=one.record.text, source="", fields={}, spans=one.record.spans)
            for (start, end), line in zip(one.record.spans, one.vectors, strict=True):
                asked.stored.chunks[row] = StoredChunk(-1, told_as, start, end)
                self.vectors[row] = line
                row += 1
        added = np.stack(list(self.vectors.values()))
        parts = (*self.store.view(self.snapshot, self.new).parts, (self.new.next_row, added))
        assert asked.index is not None  # noqa: S101 - our own invariant: a question of vectors has one
        asked.index = asked.index.extended(parts, at_most=0)
        mask = resized(asked.mask, row)
        fill(mask, self.new.next_row, len(added))
        asked.mask = mask

    def rows_of(self, asked: Asking, ids: Sequence[str]) -> dict[str, list[tuple[int, int, int]]]:
        """Return the chunks of some records in the new space, by id: (row, start, end) of those that may be answers."""
        found: dict[str, list[tuple[int, int, int]]] = {}
        for row in self.vectors:
            chunk = asked.stored.chunks[row]
            found.setdefault(chunk.record.id, []).append((row, chunk.start, chunk.end))
        for name, one in self.snapshot.chunks_of(self.new, ids).items():
            found[name] = [(row, *span) for row, span in zip(one.rows, one.record.spans, strict=True)]
        return {name: [one for one in found.get(name, ()) if holds(asked.mask, one[0])] for name in ids}

    def vectors_at(self, rows: Sequence[int]) -> Floats:
        """Return the vectors of rows, kept or not."""
        kept = [row for row in rows if row not in self.vectors]
        stored = self.snapshot.vectors_at(self.new, np.array(kept, dtype=np.int64))
        every = dict(zip(kept, stored, strict=True)) | self.vectors
        return np.stack([every[row] for row in rows])

    def _true(self, ids: Sequence[str]) -> dict[str, Entry]:
        """Return the records of the old collection that some of the new one stand for: of the same text, and let through."""
        now = self._allowed(list(dict.fromkeys(ids)))
        made = self.memory.entries(self.snapshot, self.new, [one for one in now if one not in self.loose])
        return {
            name: one
            for name, one in now.items()
            if name in self.loose or (name in made and made[name].text_digest == one.text_digest)
        }

    def _allowed(self, ids: Sequence[str]) -> dict[str, Entry]:
        """Return those of some records that the old collection has and the filter lets through there."""
        stored = self.memory.entries(self.snapshot, self.old, ids)
        return {name: one for name, one in stored.items() if one.rows and holds(self.allowed, one.first_row)}

    def _covers(self, asked: Asking, ids: Sequence[str]) -> bool:
        """Return whether some records are all that the filter lets through, and each was compared."""
        true = self._true(ids)
        if len(true) < len(ids) or kernels.count_bits(self.allowed) != sum(one.rows for one in true.values()):
            return False
        made = self.memory.entries(self.snapshot, self.new, [one for one in ids if one not in self.loose])
        return all(
            holds(asked.mask, row) for one in made.values() for row in range(one.first_row, one.first_row + one.rows)
        )

    def _shaped(self, asked: Asking, every: Sequence[Scored]) -> list[Scored]:
        """Return what of a ranking is shown."""
        known = asked.stored.known()
        return shaped(every, self.question.shape, known._replace(vectors=self.vectors_at), k=self.question.k)


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of the old collection as the new one's chunks have them.

    A chunk of the old one lends its BM25 to that chunk of the same record which shares text with it and is nearest to the
    question: both collections may be cut up differently. What has no vectors yet is passed over.
    """

    answer: Answer
    asked: Asking
    vector: Vectors

    def search(self, query: str, *, k: int, mask: Bits | Mask | None = None) -> LexicalHits:  # noqa: ARG002 - the old one's filter is asked
        """Return the chunks of the new collection whose words answer best."""
        answer = self.answer
        assert answer.words is not None  # noqa: S101 - our own invariant: it is made where there are words
        found = answer.words.search(query, k=k, mask=answer.allowed)
        chunks = answer.snapshot.chunks_at(answer.old, found.rows.tolist())
        ids = list(dict.fromkeys(chunk.record.id for chunk in chunks.values()))
        rows_of = answer.rows_of(self.asked, ids)
        kept: dict[int, float] = {}
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
            if row not in chunks:
                continue
            chunk = chunks[row]
            sharing = [at for at, start, end in rows_of[chunk.record.id] if start < chunk.end and chunk.start < end]
            if sharing:
                kept.setdefault(self._nearest(sharing), score)
        places = sorted(kept, key=lambda at: (-kept[at], at))
        return LexicalHits(
            rows=np.array(places, dtype=np.int64),
            scores=np.array([kept[at] for at in places], dtype=np.float32),
            complete=found.complete and len(kept) == len(found.rows),
            left_out=found.left_out,
            work=found.work,
        )

    def _nearest(self, rows: Sequence[int]) -> int:
        if len(rows) == 1:
            return rows[0]
        products = self.answer.vectors_at(rows) @ np.asarray(self.vector)[0]
        return rows[int(np.argmax(products))]


def _as_old(hit: Hit, record: Record) -> Hit:
    """Return a hit with source and fields as the old collection has them."""
    return replace(hit, source=record.source or record.id, fields=record.fields)
