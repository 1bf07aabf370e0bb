"""What a system answered and what people judged, and the grades of one query's documents in trec_eval's order."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, NonFiniteError, RangeError

Qrels: TypeAlias = Mapping[str, Mapping[str, int]]
"""Judgements: query id → document id → grade. Above 0 is relevant, 0 or less is judged as not relevant."""
Run: TypeAlias = Mapping[str, Mapping[str, float]]
"""What a system answered: query id → document id → score, larger is better. The order of writing counts for nothing."""
Grades: TypeAlias = NDArray[np.int64]

MAX_GRADE = 1_000_000
MAX_SCORE = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """One query's answer as metrics see it: grades instead of documents.

    ``ranked`` int64 (N,) holds the grade of each document of the answer, best first; 0 where nobody judged it, and
    where it was judged as not relevant. ``relevant`` int64 (R,) holds the grades above 0 of all documents that were
    judged for the query, found or not, highest first.
    """

    ranked: Grades
    relevant: Grades

    def first(self, k: int | None) -> Grades:
        """Return the grades of the first k documents, of all for None.

        Raises
        ------
        RangeError, DtypeError
            ``k`` is below 1, or no whole number.
        """
        return self.ranked if k is None else self.ranked[: whole_number(k, "k", low=1)]


def ranking(documents: Mapping[str, float], *, query_id: str = "") -> list[str]:
    """Return document ids, best first.

    Parameters
    ----------
    documents : mapping of str to float
        Document id → score.
    query_id : str
        What an error names.

    Returns
    -------
    list of str
        By score, and among equal scores by id, the highest first.

    Raises
    ------
    DtypeError
        An id is no string, or a score no number.
    NonFiniteError
        A score is NaN, infinite, or beyond float32.

    Notes
    -----
    As trec_eval 9 (``form_res_rels.c``): scores are compared as float32, so that two that differ by less are equal;
    ids are compared by their bytes in UTF-8, which is their order by code points; the rank and the order of writing
    of a run file count for nothing. That equal scores stand in descending order of ids favours nobody but who names
    documents so; what matters is that all programs do the same.
    trec_eval takes infinite scores; here they are refused, since all of them would be equal.
    """
    scores = dict(zip(documents, _float32(documents, query_id).tolist(), strict=True))
    return sorted(scores, key=lambda document: (scores[document], document), reverse=True)


def graded(documents: Mapping[str, float], grades: Mapping[str, int], *, query_id: str = "") -> Graded:
    """Return the grades of one query's documents, in the order of ``ranking``.

    Parameters
    ----------
    documents : mapping of str to float
        Document id → score. May be empty.
    grades : mapping of str to int
        Document id → grade, at most a million in size.
    query_id : str
        What an error names.

    Raises
    ------
    DtypeError, NonFiniteError, RangeError
        As ``ranking``; a grade is no whole number or too large.

    Notes
    -----
    Cost: a sort of N scores, and of the ids of those that share a relevant document's score.
    """
    relevant = {document: grade for document, grade in _whole_grades(grades, query_id).items() if grade > 0}
    ranked = np.zeros(len(documents), dtype=np.int64)
    found = [document for document in relevant if document in documents]
    ranked[_places(documents, found, query_id)] = [relevant[document] for document in found]
    return Graded(ranked=ranked, relevant=np.array(sorted(relevant.values(), reverse=True), dtype=np.int64))


def has_relevant(grades: Mapping[str, int]) -> bool:
    """Return whether a document has a grade above 0."""
    return any(grade > 0 for grade in grades.values())


def _places(documents: Mapping[str, float], found: list[str], query_id: str) -> Grades:
    """Return the places, from 0, that some of the documents have in ``ranking``, without ordering all."""
    scores = _float32(documents, query_id)
    theirs = np.array([documents[document] for document in found], dtype=np.float64).astype(np.float32)
    ascending = np.sort(scores)
    places = len(scores) - np.searchsorted(ascending, theirs, side="right")
    tied = len(scores) - np.searchsorted(ascending, theirs, side="left") - places > 1
    if not tied.any():
        return places
    ids, groups = list(documents), dict[float, list[str]]()
    rows = np.flatnonzero(np.isin(scores, theirs[tied]))
    for row, score in zip(rows.tolist(), scores[rows].tolist(), strict=True):
        groups.setdefault(score, []).append(ids[row])
    behind = {
        document: place for group in groups.values() for place, document in enumerate(sorted(group, reverse=True))
    }
    return np.asarray(places + [behind.get(document, 0) for document in found])


def _float32(documents: Mapping[str, float], query_id: str) -> NDArray[np.float32]:
    """Return the scores as trec_eval compares them, and refuse what is none."""
    for kind in set(map(type, documents.values())):
        if issubclass(kind, bool | np.bool_) or not issubclass(kind, numbers.Real):
            raise DtypeError(
                f"A score of query {query_id!r} must be a number, got {kind.__name__}.",
                expected="float",
                got=kind.__name__,
                where=query_id,
            )
    for kind in set(map(type, documents)):
        if not issubclass(kind, str):
            raise DtypeError(
                f"A document id of query {query_id!r} must be a string, got {kind.__name__}; write it as a string.",
                expected="str",
                got=kind.__name__,
                where=query_id,
            )
    scores = np.fromiter(documents.values(), dtype=np.float64, count=len(documents))
    if not (np.abs(scores) <= MAX_SCORE).all():
        raise NonFiniteError(
            f"A score of query {query_id!r} is NaN, infinite or beyond float32; leave that document out.",
            expected="finite float32",
            where=query_id,
        )
    return scores.astype(np.float32)


def _whole_grades(grades: Mapping[str, int], query_id: str) -> Mapping[str, int]:
    """Return grades as int, and refuse what is none."""
    if set(map(type, grades.values())) - {int}:
        grades = {document: _whole(grade, query_id) for document, grade in grades.items()}
    if any(not -MAX_GRADE <= grade <= MAX_GRADE for grade in grades.values()):
        raise RangeError(
            f"A grade of query {query_id!r} is beyond {MAX_GRADE}; use small whole numbers, such as 0 to 3.",
            expected=f"{-MAX_GRADE} to {MAX_GRADE}",
            where=query_id,
        )
    return grades


def _whole(grade: object, query_id: str) -> int:
    try:
        return operator.index(grade)  # type: ignore[arg-type]  # the TypeError is the check
    except TypeError:
        kind = type(grade).__name__
        raise DtypeError(
            f"A grade of query {query_id!r} must be a whole number, got {kind}.",
            expected="int",
            got=kind,
            where=query_id,
        ) from None
