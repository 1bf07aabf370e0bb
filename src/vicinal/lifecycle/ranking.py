"""The ranking of one question: by vectors, by words, by both, or of several questions that are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal import config
from vicinal.chunk import parents
from vicinal.index import FunnelIndex
from vicinal.lexical import LexicalIndex
from vicinal.lifecycle.ingest import document_of
from vicinal.lifecycle.question import Question
from vicinal.search import Candidate, nearest
from vicinal.search.fuse import reciprocal_rank
from vicinal.search.hybrid import POOL, Matched, fused, names_code, pool_of, weight_of
from vicinal.search.shape import Known, Scored
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, StoredChunk
from vicinal.types import Bits, Document, Floats, Neighbors, Rank

MOST_TIES = 250
"""Chunks of equal BM25 that are told apart by their ids: a common word can give all chunks one score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The best rows of one question, and what each side said of them.

    ``exhausted`` is true where there are no more; ``complete`` where nothing better can have been missed.
    """

    candidates: list[Candidate]
    sides: dict[int, tuple[Rank, ...]] = field(default_factory=dict)
    work: int = 0
    recall_estimate: float = 1.0
    complete: bool = True
    exhausted: bool = True


@dataclass(slots=True)
class _Asked:
    """An index at one recall. ``first`` is an answer that was found already, together with those of other queries."""

    index: FunnelIndex
    recall: float
    first: Neighbors | None = None

    def search(self, queries: Vectors, *, k: int, mask: Bits | None = None) -> Neighbors:
        """Return what the index finds at this recall."""
        found, self.first = self.first, None
        if found is not None and found.rows.shape[1] == k:
            return found
        return self.index.search(queries, k=k, mask=mask, recall=self.recall)


@dataclass(slots=True)
class Stored:
    """The chunks that candidates stand for, read together and kept while ties are told apart."""

    snapshot: Snapshot
    lane: Lane
    chunks: dict[int, StoredChunk] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)

    def order(self, rows: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return what tells rows of equal score apart: the record's id, and where in it the chunk begins."""
        new = [row for row in rows if row not in self.chunks]
        if new:
            self.chunks.update(self.snapshot.chunks_at(self.lane, new))
        return {row: (self.chunks[row].record.id, self.chunks[row].start) for row in rows}

    def scored(self, candidates: Sequence[Candidate]) -> list[Scored]:
        """Return candidates with what they stand for, best first, equal scores by id and place."""
        place = self.order([one.row for one in candidates])
        found = [Scored(one.row, one.score, *place[one.row]) for one in candidates]
        return sorted(found, key=lambda one: (-one.score, one.id, one.start))

    def known(self) -> Known:
        """Return what the shape of a ranking asks for."""
        return Known(self._end, self._text, self._vectors, self.parent)

    def parent(self, row: int, most_chars: int) -> tuple[int, int]:
        """Return the span of the section around a chunk; see ``chunk.parents``. Cost: one scan of the record's text."""
        chunk = self.chunks[row]
        document = self.documents.get(chunk.record.id)
        if document is None:
            document = document_of(chunk.record, self.snapshot.ledger(self.lane, [chunk.record.id])[chunk.record.id])
            self.documents[chunk.record.id] = document
        return parents(document, [(chunk.start, chunk.end)], most_chars=most_chars)[0]

    def _end(self, row: int) -> int:
        return self.chunks[row].end

    def _text(self, row: int) -> str:
        chunk = self.chunks[row]
        return chunk.record.text[chunk.start : chunk.end]

    def _vectors(self, rows: Sequence[int]) -> Floats:
        return self.snapshot.vectors_at(self.lane, np.asarray(rows, dtype=np.int64))


@dataclass(slots=True, kw_only=True)
class Asking:
    """All that answers a question, as of one commit."""

    question: Question
    mask: Bits
    index: FunnelIndex | None
    words: LexicalIndex | None
    stored: Stored

    def neighbors(self, vectors: Vectors) -> list[Neighbors]:
        """Return the neighbours of each of several queries, which share the reading of the rows."""
        if self.index is None:
            return []
        k = self._places(self.question.k, self.question.texts) + (self.question.mode == "dense")
        whole = self.index.search(vectors, k=k, mask=self.mask, recall=self.question.recall, threads=config.threads())
        return [
            replace(
                whole,
                rows=whole.rows[query : query + 1],
                scores=whole.scores[query : query + 1],
                counts=whole.counts[query : query + 1],
                work=None if whole.work is None else whole.work[query : query + 1],
            )
            for query in range(len(vectors))
        ]

    def ranking(self, vectors: Vectors | None, texts: Sequence[str], k: int, first: Neighbors | None = None) -> Ranking:
        """Return the best k rows of a question, and more where more were looked at anyway.

        Parameters
        ----------
        vectors : Vectors of shape (Q, D), or None
            One for each of the queries that make the question.
        texts : sequence of str
            The same in words; empty where only vectors are asked.
        k : int, 1 <= k
        first : Neighbors, optional
            What the index says of the only query already.
        """
        count = len(texts) if vectors is None else len(vectors)
        if count == 1 and not self.question.together:
            return self._of_one(vectors, texts[0] if texts else "", k, first)
        each = [
            self._of_one(
                None if vectors is None else vectors[query : query + 1],
                texts[query] if texts else "",
                max(POOL, k),
                None,
            )
            for query in range(count)
        ]
        return _by_rank(each)

    def _of_one(self, vector: Vectors | None, text: str, k: int, first: Neighbors | None) -> Ranking:
        """Return the ranking of one query."""
        if self.question.mode == "hybrid" and vector is not None:
            return self._by_both(vector, text, k, first)
        if self.question.mode == "lexical" or vector is None:
            assert self.words is not None  # noqa: S101 - our own invariant: a question in words has them
            worded = _Worded(self.words, text)
            best = nearest(worded, None, k=k, mask=self.mask, order=self.stored.order, most_ties=MOST_TIES)
            sides: dict[int, tuple[Rank, ...]] = {
                one.row: (Rank(side="lexical", rank=rank, score=one.score),) for rank, one in enumerate(best, 1)
            }
        else:
            assert self.index is not None  # noqa: S101 - our own invariant: a question of vectors has them
            asked = _Asked(self.index, self.question.recall, first)
            best = nearest(asked, vector, k=k, mask=self.mask, order=self.stored.order)
            sides = {}
        return Ranking(
            candidates=list(best),
            sides=sides,
            work=best.work or 0,
            recall_estimate=best.recall_estimate,
            complete=best.complete,
            exhausted=len(best) < k,
        )

    def _by_both(self, vector: Vectors, text: str, k: int, first: Neighbors | None) -> Ranking:
        """Return what both sides found, fused; no more than the best k of it, and those as good as the last."""
        assert self.index is not None  # noqa: S101 - our own invariant: both are there
        assert self.words is not None  # noqa: S101 - the same
        places = self._places(k, [text])
        near = _Asked(self.index, self.question.recall, first).search(vector, k=places, mask=self.mask)
        worded = _Worded(self.words, text).search(None, k=places, mask=self.mask)
        dense, lexical = _candidates(near), _candidates(worded)
        fusion, weight = self.question.fusion, self.question.weight
        every = fused(
            dense,
            lexical,
            fusion=fusion,
            weight=weight_of(fusion, text) if weight is None else weight,
            bounded=self.index.space.metric == "cosine",
            places=places,
        )
        last = every[min(k, len(every)) - 1].score if every else 0.0
        chosen = [one for place, one in enumerate(every) if place < k or one.score == last]
        exhausted = max(len(dense), len(lexical)) < places
        best = self.stored.scored([Candidate(one.row, one.score) for one in chosen])
        return Ranking(
            candidates=[Candidate(one.row, one.score) for one in best],
            sides={one.row: _sides(one) for one in chosen},
            work=sum(int(side.work[0]) for side in (near, worded) if side.work is not None),
            recall_estimate=near.recall_estimate,
            complete=near.complete and worded.complete and exhausted,
            exhausted=len(chosen) == len(every) and exhausted,
        )

    def _places(self, k: int, texts: Sequence[str]) -> int:
        """How many places each side gives for the best k."""
        if self.question.mode == "dense":
            return k
        return pool_of(self.question.fusion, k, has_code=any(map(names_code, texts)))


def _by_rank(each: Sequence[Ranking]) -> Ranking:
    """Return the rankings of several queries as one, by reciprocal ranks."""
    lists = [
        (
            np.array([one.row for one in ranking.candidates], dtype=np.int64),
            np.array([one.score for one in ranking.candidates], dtype=np.float64),
        )
        for ranking in each
    ]
    found = reciprocal_rank(lists)
    return Ranking(
        candidates=list(map(Candidate, found.rows.tolist(), found.scores.tolist())),
        work=sum(one.work for one in each),
        recall_estimate=min(one.recall_estimate for one in each),
        complete=all(one.complete and one.exhausted for one in each),
        exhausted=all(one.exhausted for one in each),
    )


@dataclass(frozen=True, slots=True)
class _Worded:
    """A keyword index with one question in words, in the manner of an index of vectors."""

    words: LexicalIndex
    text: str

    def search(self, _queries: Vectors | None, *, k: int, mask: Bits | None = None) -> Neighbors:
        """Return the k rows that answer the words best."""
        found = self.words.search(self.text, k=k, mask=mask)
        return Neighbors(
            rows=found.rows[None],
            scores=found.scores[None],
            counts=np.array([len(found.rows)], dtype=np.int64),
            work=np.array([found.work], dtype=np.int64),
            complete=found.complete,
        )


def _candidates(found: Neighbors) -> list[Candidate]:
    """Return the rows of one query that an index found, best first."""
    count = int(found.counts[0])
    return list(map(Candidate, found.rows[0, :count].tolist(), found.scores[0, :count].tolist()))


def _sides(one: Matched) -> tuple[Rank, ...]:
    """Return what each side said of a fused row."""
    told: list[Rank] = []
    if one.dense is not None:
        told.append(Rank(side="dense", rank=one.dense[0], score=one.dense[1]))
    if one.lexical is not None:
        told.append(Rank(side="lexical", rank=one.lexical[0], score=one.lexical[1]))
    return tuple(told)
