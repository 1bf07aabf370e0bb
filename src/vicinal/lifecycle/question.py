"""One question to a collection: the rows that a filter lets through, the nearest of them, and what is stored there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vicinal import config
from vicinal.index import FunnelIndex
from vicinal.lifecycle.derived import derived_of
from vicinal.search import Candidate, Filter, nearest
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Store, StoredChunk, rows_of
from vicinal.types import Bits, Hit, Neighbors


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked beside the vectors. ``recall`` 1 compares every vector."""

    k: int
    recall: float
    condition: Filter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The hits of one query, how many vectors were compared for it, and the share of the true ones that is expected.

    ``complete`` is true where nothing nearer can have been missed.
    """

    items: list[Hit]
    work: int
    recall_estimate: float
    complete: bool


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


def ask(store: Store, name: str, vectors: Vectors, question: Question) -> list[Found]:
    """Return the hits of each query, best first, equal scores by id and place.

    Parameters
    ----------
    store : Store
    name : str
        The collection.
    vectors : Vectors, float32 of shape (Q, D)
        In its space.
    question : Question

    Notes
    -----
    All is of one commit. Cost: the index's, some 10 µs a hit for its record, and what was written since the last call.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        lane.space.require(vectors.space, what="the query vector")  # the collection may have been dropped and made anew
        derived = derived_of(store, lane)
        if not lane.rows:
            return [Found(items=[], work=0, recall_estimate=1.0, complete=True) for _ in range(len(vectors))]
        view = store.view(snapshot, lane)
        mask = view.alive
        if question.condition is not None:
            mask = mask & question.condition.bits(derived.columns(snapshot, lane, view))
        index, stored = derived.index(snapshot, lane, view), _Stored(snapshot, lane)
        together = _asked_together(index, vectors, question, mask)
        found = []
        for query in range(len(vectors)):
            asked = _Asked(index, question.recall, together[query] if together else None)
            one = vectors if len(vectors) == 1 else vectors[query : query + 1]
            best = nearest(asked, one, k=question.k, mask=mask, order=stored.order)
            items = [_hit(candidate, stored.chunks[candidate.row]) for candidate in best]
            found.append(
                Found(items=items, work=best.work or 0, recall_estimate=best.recall_estimate, complete=best.complete)
            )
        return found


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


def _asked_together(index: FunnelIndex, vectors: Vectors, question: Question, mask: Bits) -> list[Neighbors]:
    """Return the neighbours of each of several queries, which share the reading of the rows; nothing for a single one."""
    if len(vectors) == 1:
        return []
    whole = index.search(vectors, k=question.k + 1, mask=mask, recall=question.recall, threads=config.threads())
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


def _hit(candidate: Candidate, chunk: StoredChunk) -> Hit:
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
    )
