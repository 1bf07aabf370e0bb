"""Where a search fails: the queries with the lowest value, what was found, and where the right ones stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vicinal.evaluate.judgements.judged import Judged
from vicinal.evaluate.ranking import Run, ranking

SHOWN = 5
"""Documents that are shown of what was found."""
MOST_RIGHT = 20
"""Relevant documents that are shown; there may be hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A relevant document: its grade, and its rank in the answer from 1, None where it was not found."""

    id: str
    grade: int
    rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A query that was answered badly.

    ``right`` are its relevant documents, those found first, the best grades first; ``found`` are the first documents
    of the answer, each with its grade, None where it was not judged: then it may be right after all.
    """

    query_id: str
    query: str
    value: float
    right: tuple[Right, ...]
    found: tuple[tuple[str, int | None], ...]


def failures(values: Mapping[str, float], run: Run, judged: Judged, *, k: int) -> list[Failure]:
    """Return the k queries with the lowest values below 1, lowest first, equal ones by id."""
    lowest = sorted((value, query) for query, value in values.items() if value < 1)[:k]
    return [_failure(query, value, run, judged) for value, query in lowest]


def _failure(query: str, value: float, run: Run, judged: Judged) -> Failure:
    grades = judged.qrels[query]
    order = ranking(run.get(query, {}), query_id=query)
    ranks = {one: rank for rank, one in enumerate(order, 1)}
    right = [Right(id=one, grade=grade, rank=ranks.get(one)) for one, grade in grades.items() if grade > 0]
    right.sort(key=lambda one: (one.rank is None, one.rank or 0, -one.grade, one.id))
    return Failure(
        query_id=query,
        query=judged.queries[query],
        value=value,
        right=tuple(right[:MOST_RIGHT]),
        found=tuple((one, grades.get(one)) for one in order[:SHOWN]),
    )
