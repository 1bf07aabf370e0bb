"""One question to a collection: the rows that a filter lets through, the best of them by vectors, words or both, and what is stored there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal import config
from vicinal.errors import IndexBehindWarning, StoreError
from vicinal.index import FunnelIndex
from vicinal.lexical import LexicalIndex
from vicinal.lifecycle.derived import derived_of
from vicinal.search import Candidate, Filter, nearest
from vicinal.search.hybrid import POOL, WEIGHTS, Fusion, Matched, Mode, fused
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Store, StoredChunk, rows_of
from vicinal.types import Bits, Hit, Neighbors, Rank

FUSION: Fusion = "convex"
MOST_TIES = 250
"""Chunks of equal BM25 that are told apart by their ids: a common word can give all chunks one score."""
TRIES = 5
MOST_BEHIND = 20_000
"""Chunks without postings that a question waits for: some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked beside the vectors. ``recall`` 1 compares every vector.

    ``mode`` says which sides answer: vectors, words (``texts``, one for each query), or both, fused by ``fusion`` with
    the weight ``weight`` for vectors (None: that of the fusion). ``or_dense``: vectors alone will do where the keyword index
    is far behind.
    """

    k: int
    recall: float
    condition: Filter | None = None
    mode: Mode = "dense"
    or_dense: bool = False
    texts: tuple[str, ...] = ()
    fusion: Fusion = FUSION
    weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The hits of one query, how much was compared for it, and the share of the true ones that is expected.

    ``complete`` is true where nothing better can have been missed.
    """

    items: list[Hit]
    work: int
    recall_estimate: float
    complete: bool
    mode: Mode = "dense"


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
class _Stored:
    """The chunks that candidates stand for, read together and kept while ties are told apart."""

    snapshot: Snapshot
    lane: Lane
    chunks: dict[int, StoredChunk] = field(default_factory=dict)

    def order(self, rows: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return what tells rows of equal score apart: the record's id, and where in it the chunk begins."""
        new = [row for row in rows if row not in self.chunks]
        if new:
            self.chunks.update(self.snapshot.chunks_at(self.lane, new))
        return {row: (self.chunks[row].record.id, self.chunks[row].start) for row in rows}


def ask(store: Store, name: str, vectors: Vectors | None, question: Question) -> list[Found]:
    """Return the hits of each query, best first, equal scores by id and place.

    Parameters
    ----------
    store : Store
    name : str
        The collection.
    vectors : Vectors, float32 of shape (Q, D), or None
        In its space; None where words alone are asked.
    question : Question

    Notes
    -----
    All is of one commit. Cost: that of the indexes, some 10 µs a hit for its record, and what was written since the last
    call.
    """
    for left in reversed(range(TRIES)):
        found = _asked_once(store, name, vectors, question, last=not left)
        if found is not None:
            return found
    raise StoreError(f"Collection {name!r} changed under each of {TRIES} tries to read it.", where=name)


def _asked_once(
    store: Store, name: str, vectors: Vectors | None, question: Question, *, last: bool
) -> list[Found] | None:
    """Return the hits as of one commit; None where another thread has led the keyword index on to a later one.

    Rows that died between both commits may have no postings there. The last try takes them as gone.
    """
    count = len(question.texts) if vectors is None else len(vectors)
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        if vectors is not None:  # the collection may have been dropped and made anew
            lane.space.require(vectors.space, what="the query vector")
        if not lane.rows:
            none = Found(items=[], work=0, recall_estimate=1.0, complete=True, mode=question.mode)
            return [none] * count
        asked = _asking(store, snapshot, lane, question)
        if asked.words is not None and not last and derived_of(store, lane).words_sequence > snapshot.sequence:
            return None
        together = asked.together(vectors) if vectors is not None and count > 1 else []
        found = []
        for query in range(count):
            one = None if vectors is None else vectors if count == 1 else vectors[query : query + 1]
            text = question.texts[query] if question.texts else ""
            found.append(asked.found(one, text, together[query] if together else None))
        return found


@dataclass(slots=True, kw_only=True)
class _Asking:
    """All that answers a question, as of one commit."""

    question: Question
    mask: Bits
    index: FunnelIndex | None
    words: LexicalIndex | None
    stored: _Stored

    def together(self, vectors: Vectors) -> list[Neighbors]:
        """Return the neighbours of each of several queries, which share the reading of the rows."""
        if self.index is None:
            return []
        k = self._places() + (self.question.mode == "dense")
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

    def found(self, vector: Vectors | None, text: str, first: Neighbors | None) -> Found:
        """Return the hits of one query."""
        if self.question.mode == "hybrid" and vector is not None:
            return self._by_both(vector, text, first)
        if self.question.mode == "lexical" or vector is None:
            words = self.words
            assert words is not None  # noqa: S101 - our own invariant: a question in words has them
            worded, k = _Worded(words, text), self.question.k
            best = nearest(worded, None, k=k, mask=self.mask, order=self.stored.order, most_ties=MOST_TIES)
            sides: list[tuple[Rank, ...]] = [
                (Rank(side="lexical", rank=rank, score=one.score),) for rank, one in enumerate(best, 1)
            ]
        else:
            assert self.index is not None  # noqa: S101 - our own invariant: a question of vectors has them
            asked = _Asked(self.index, self.question.recall, first)
            best = nearest(asked, vector, k=self.question.k, mask=self.mask, order=self.stored.order)
            sides = [() for _ in best]
        items = [_hit(one, self.stored.chunks[one.row], side) for one, side in zip(best, sides, strict=True)]
        return Found(
            items=items,
            work=best.work or 0,
            recall_estimate=best.recall_estimate,
            complete=best.complete,
            mode=self.question.mode,
        )

    def _by_both(self, vector: Vectors, text: str, first: Neighbors | None) -> Found:
        """Return the hits of both sides, fused."""
        assert self.index is not None  # noqa: S101 - our own invariant: both are there
        assert self.words is not None  # noqa: S101 - the same
        k, places = self.question.k, self._places()
        near = _Asked(self.index, self.question.recall, first).search(vector, k=places, mask=self.mask)
        worded = _Worded(self.words, text).search(None, k=places, mask=self.mask)
        dense, lexical = _candidates(near), _candidates(worded)
        fusion, weight = self.question.fusion, self.question.weight
        every = fused(
            dense,
            lexical,
            fusion=fusion,
            weight=WEIGHTS[fusion] if weight is None else weight,
            bounded=self.index.space.metric == "cosine",
            places=places,
        )
        last = every[min(k, len(every)) - 1].score if every else 0.0
        chosen = [one for place, one in enumerate(every) if place < k or one.score == last]
        place = self.stored.order([one.row for one in chosen])
        chosen.sort(key=lambda one: (-one.score, place[one.row]))
        exhausted = max(len(dense), len(lexical)) < places
        return Found(
            items=[_hit(Candidate(one.row, one.score), self.stored.chunks[one.row], _sides(one)) for one in chosen[:k]],
            work=sum(int(side.work[0]) for side in (near, worded) if side.work is not None),
            recall_estimate=near.recall_estimate,
            complete=near.complete and worded.complete and exhausted,
            mode="hybrid",
        )

    def _places(self) -> int:
        """How many places each side gives."""
        return self.question.k if self.question.mode == "dense" else max(POOL, self.question.k)


def _asking(store: Store, snapshot: Snapshot, lane: Lane, question: Question) -> _Asking:
    """Return what answers a question, as of a snapshot."""
    derived = derived_of(store, lane)
    view = store.view(snapshot, lane)
    behind = derived.words_behind(snapshot, lane, view) if question.or_dense else 0
    if behind > MOST_BEHIND:
        warnings.warn(
            f"The keyword index of {lane.name!r} lacks {behind} chunks, so words were not asked; compact() builds it.",
            IndexBehindWarning,
            stacklevel=4,
        )
        question = replace(question, mode="dense")
    mask = view.alive
    if question.condition is not None:
        mask = mask & question.condition.bits(derived.columns(snapshot, lane, view))
    return _Asking(
        question=question,
        mask=mask,
        index=None if question.mode == "lexical" else derived.index(snapshot, lane, view),
        words=None if question.mode == "dense" else derived.words(snapshot, lane, view),
        stored=_Stored(snapshot, lane),
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


def delete_where(store: Store, name: str, condition: Filter) -> int:
    """Delete the records that a filter lets through, as of the commit that deletes them; return how many.

    Cost: the columns as of the last commit, then what was written since they were read, which is nothing as a rule.
    """
    with (
        store.write() as transaction,
        store.snapshot() as before,
    ):  # nobody else writes: it is what the transaction sees
        lane = before.lane(name)
        view = store.view(before, lane)
        bits = view.alive & condition.bits(derived_of(store, lane).columns(before, lane, view))
        return transaction.delete_rows(transaction.lane(name), rows_of(bits).tolist())


def recall_setting(collection: int) -> str:
    """Return the name under which the database keeps the recall of a collection."""
    return f"collection {collection} recall"


def _hit(candidate: Candidate, chunk: StoredChunk, ranks: tuple[Rank, ...]) -> Hit:
    record = chunk.record
    return Hit(
        id=record.id,
        score=candidate.score,
        text=record.text[chunk.start : chunk.end],
        source=record.source or record.id,
        start=chunk.start,
        end=chunk.end,
        line=record.text.count("\n", 0, chunk.start) + 1,
        fields=record.fields,
        ranks=ranks,
    )
