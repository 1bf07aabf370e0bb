"""One question to a collection, as of one commit: what is let through, ranked, shaped, and what is stored there."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vicinal.errors import DtypeError, IndexBehindWarning, SpaceMismatchError, StoreError
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.question import Question
from vicinal.lifecycle.ranking import Asking, Ranking, Stored
from vicinal.lifecycle.snapshots.manifest import EPOCH
from vicinal.search import Filter
from vicinal.search.cursor import page_of
from vicinal.search.facets import Facet, RangeFacet, facet, range_facet
from vicinal.search.hybrid import Mode
from vicinal.search.shape import Scored, shaped
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Store, cleared, rows_of
from vicinal.types import Hit, Neighbors, Rank, Record

TRIES = 5
MOST_BEHIND = 20_000
"""Chunks without postings that a question waits for: some seconds."""
FIRST_PLACES = 50
"""Places that are looked at first where not all of a ranking is shown."""
GROWTH = 4
MOST_PLACES = 100_000
"""Places that are looked at for hits that may be shown."""
MOST_COMPARED = 2_000
"""The same where their vectors are compared with one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The hits of one query, how much was compared for it, and the share of the true ones that is expected.

    ``complete`` is true where nothing better can have been missed. ``cursor`` says where the next page begins.
    """

    items: list[Hit]
    work: int
    recall_estimate: float
    complete: bool
    mode: Mode = "dense"
    cursor: str | None = None


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
        if vectors is not None:  # the collection may have been dropped and made anew, or cut over to another space
            lane.space.require(vectors.space, what="the query vector")
        if question.space and question.space != lane.space.id:
            raise SpaceMismatchError(
                f"Collection {name!r} is in another space by now.",
                expected=lane.space.id,
                got=question.space,
                where=name,
            )
        if not lane.rows:
            none = Found(items=[], work=0, recall_estimate=1.0, complete=True, mode=question.mode)
            return [none] * count
        asked = asking(store, snapshot, lane, question)
        if asked.words is not None and not last and derived_of(store, lane).words_sequence > snapshot.sequence:
            return None
        if question.together:
            return [_found(asked, vectors, question.texts, None)]
        together = asked.neighbors(vectors) if vectors is not None and count > 1 and question.is_plain else []
        found = []
        for query in range(count):
            one = None if vectors is None else vectors if count == 1 else vectors[query : query + 1]
            first = together[query] if together else None
            found.append(_found(asked, one, question.texts[query : query + 1], first))
        return found


def _found(asked: Asking, vectors: Vectors | None, texts: Sequence[str], first: Neighbors | None) -> Found:
    """Return the hits of one question."""
    question = asked.question
    if question.is_plain:
        ranking = asked.ranking(vectors, texts, question.k, first)
        best = [Scored(one.row, one.score, "", 0) for one in ranking.candidates[: question.k]]
        if question.together:
            best = asked.stored.scored(ranking.candidates)[: question.k]
        return told(asked, ranking, best, None)
    return _shaped(asked, vectors, texts)


def _shaped(asked: Asking, vectors: Vectors | None, texts: Sequence[str]) -> Found:
    """Return the hits of one question that are shown; ever more of the ranking is looked at until there are enough."""
    question = asked.question
    wanted = question.depth if question.paged else question.k
    most = wanted if question.paged else MOST_COMPARED if question.shape.needs_vectors else MOST_PLACES
    places = wanted if question.paged else max(FIRST_PLACES, wanted)
    while True:
        ranking = asked.ranking(vectors, texts, places)
        every = asked.stored.scored(ranking.candidates)
        best = shaped(every, question.shape, asked.stored.known(), k=wanted)
        least = question.shape.least_score
        is_below = least is not None and bool(every) and every[-1].score < least
        if len(best) >= wanted or ranking.exhausted or is_below or places >= most:
            break
        places = min(places * GROWTH, most)
    if len(best) < wanted and not ranking.exhausted and not is_below:
        ranking = replace(ranking, complete=False)
    if not question.paged:
        return told(asked, ranking, best[: question.k], None)
    page = page_of(
        best[: question.depth],
        k=question.k,
        binding=_bound(asked.stored, question.binding),
        sequence=asked.stored.snapshot.last_change(asked.stored.lane),
        after=question.after,
    )
    return told(asked, ranking, page.candidates, None if page.cursor is None else str(page.cursor))


def _bound(stored: Stored, binding: str) -> str:
    """Return what tells a question to a lane from any other, also to one of another database or of another history."""
    snapshot = stored.snapshot
    return " ".join((binding, snapshot.database.hex(), str(stored.lane.number), snapshot.setting(EPOCH) or ""))


def told(asked: Asking, ranking: Ranking, best: Sequence[Scored], cursor: str | None) -> Found:
    """Return the hits of rows, and how they were found."""
    stored, most = asked.stored, asked.question.shape.parent_chars
    items = []
    for one in best:
        chunk = stored.chunks[one.row]
        span = (chunk.start, chunk.end) if most is None else stored.parent(one.row, most)
        items.append(_hit(one.score, chunk.record, span, ranking.sides.get(one.row, ())))
    return Found(
        items=items,
        work=ranking.work,
        recall_estimate=ranking.recall_estimate,
        complete=ranking.complete,
        mode=asked.question.mode,
        cursor=cursor,
    )


def asking(store: Store, snapshot: Snapshot, lane: Lane, question: Question) -> Asking:
    """Return what answers a question, as of a snapshot."""
    derived = derived_of(store, lane)
    view = store.view(snapshot, lane)
    behind = derived.words_behind(snapshot, lane, view) if question.or_dense else 0
    if question.or_dense and behind > MOST_BEHIND:
        warnings.warn(
            f"The keyword index of {lane.name!r} lacks {behind} chunks, so words were not asked; compact() builds it.",
            IndexBehindWarning,
            stacklevel=4,
        )
        question = replace(question, mode="dense")
    mask = view.alive
    if question.apart_from:
        rows = [row for one in snapshot.chunks_of(lane, question.apart_from).values() for row in one.rows]
        mask = cleared(mask, np.array(rows, dtype=np.int64))
    if question.condition is not None:
        mask = mask & question.condition.bits(derived.columns(snapshot, lane, view))
    return Asking(
        question=question,
        mask=mask,
        index=None if question.mode == "lexical" else derived.index(snapshot, lane, view),
        words=None if question.mode == "dense" else derived.words(snapshot, lane, view),
        stored=Stored(snapshot, lane),
    )


def _hit(score: float, record: Record, span: tuple[int, int], ranks: tuple[Rank, ...]) -> Hit:
    start, end = span
    return Hit(
        id=record.id,
        score=score,
        text=record.text[start:end],
        source=record.source or record.id,
        start=start,
        end=end,
        line=record.text.count("\n", 0, start) + 1,
        fields=record.fields,
        ranks=ranks,
    )


def delete_where(store: Store, name: str, condition: Filter) -> int:
    """Delete the records that a filter lets through, as of the commit that deletes them; return how many.

    Cost: the columns as of the last commit, then what was written since they were read, which is nothing as a rule.
    """
    with (
        store.write() as transaction,
        store.snapshot() as before,
    ):  # nobody else writes: it is what the transaction sees
        lane = before.lane(name)
        if not lane.rows:
            return 0
        view = store.view(before, lane)
        bits = view.alive & condition.bits(derived_of(store, lane).columns(before, lane, view))
        return transaction.delete_rows(transaction.lane(name), rows_of(bits).tolist())


def facets_of(
    store: Store,
    name: str,
    names: Sequence[str],
    condition: Filter | None,
    *,
    k: int,
    ranges: Mapping[str, Sequence[tuple[float | None, float | None]]],
) -> dict[str, Facet | RangeFacet]:
    """Return how many of the records that a filter lets through have each value of some fields, or lie in each range.

    Cost: the columns as of the last commit, and one pass over those of each field.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        view = store.view(snapshot, lane)
        columns = derived_of(store, lane).columns(snapshot, lane, view)
    bits = view.alive & columns.heads()
    if condition is not None:
        bits = bits & condition.bits(columns)
    found: dict[str, Facet | RangeFacet] = {one: facet(columns, one, bits, k=k) for one in names}
    return found | {one: range_facet(columns, one, bits, _pairs(of, one)) for one, of in ranges.items()}


def _pairs(value: Any, name: str) -> list[tuple[float | None, float | None]]:  # noqa: ANN401 - checked here
    """Return bounds as pairs."""
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    if any(not isinstance(one, Sequence) or isinstance(one, str | bytes) or len(one) != 2 for one in listed):  # noqa: PLR2004 - a pair
        raise DtypeError(
            f"The bounds of {name!r} must be a list of (low, high).",
            expected="list of (low, high)",
            got=type(value).__name__,
            where="bounds",
        )
    return [(one[0], one[1]) for one in listed]
