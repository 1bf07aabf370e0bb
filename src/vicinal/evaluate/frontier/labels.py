"""nDCG@10 of what a way to store vectors finds, where documents are judged.

Letters: Q queries, L listed rows, N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.evaluate.metrics import scored
from vicinal.types import Rows

PLACES = 10
METRIC = f"ndcg@{PLACES}"
LISTED = 100
"""Rows that are looked through for the best ten documents: a document may have several."""

Grades = Sequence[Mapping[int, int]]
Scorer = Callable[[Rows], NDArray[np.float64]]


def checked_grades(grades: Grades, owners: Rows | None, *, queries: int, documents: int) -> Grades:
    """Return the grades, if they and the owners fit the queries and the rows.

    Raises
    ------
    ShapeError, DtypeError, RangeError
        There are not as many grades as queries, or not as many owners as rows, or a number is none.
    """
    if len(grades) != queries:
        raise ShapeError(
            f"grades must be one mapping for each of the {queries} queries, got {len(grades)}.",
            expected=queries,
            got=len(grades),
            where="grades",
        )
    if owners is not None and (owners.shape != (documents,) or owners.dtype.kind != "i"):
        raise ShapeError(
            f"owners must be {documents} whole numbers, one for each row, got {owners.dtype} {owners.shape}.",
            expected=documents,
            got=owners.shape,
            where="owners",
        )
    highest = documents - 1 if owners is None else int(owners.max(initial=-1))
    for query, told in enumerate(grades):
        _check(query, told, highest)
    return grades


def scorer_of(grades: Grades, owners: Rows | None) -> Scorer:
    """Return what scores lists of rows by nDCG@10, linear gain, as trec_eval does.

    Parameters
    ----------
    grades : sequence of mappings
        For each query the grades of judged documents by number; above 0 is relevant. Checked.
    owners : int64 array of shape (N,), optional
        The number of the document that each row is a chunk of. Default: its own.

    Returns
    -------
    callable
        From rows (Q, L), best first, -1 behind the last, to float64 (Q,); NaN for a query without a relevant document.
    """
    qrels = {f"{query}": {f"{one}": int(grade) for one, grade in told.items()} for query, told in enumerate(grades)}

    def ndcg(rows: Rows) -> NDArray[np.float64]:
        run = {f"{query}": _ranked(listed, owners) for query, listed in enumerate(rows)}
        told = scored(run, qrels, [METRIC])
        found = np.full(len(rows), np.nan)
        found[[int(query) for query in told.query_ids]] = told.column(METRIC)
        return found

    return ndcg


def _check(query: int, told: Mapping[int, int], highest: int) -> None:
    """Refuse grades of a query that are none."""
    for document, grade in told.items():
        if not all(isinstance(one, int | np.integer) for one in (document, grade)):
            raise DtypeError(
                f"The grades of query {query} must be whole numbers by the number of a document.",
                expected="Mapping[int, int]",
                where=f"grades[{query}]",
            )
        if not 0 <= document <= highest:
            raise RangeError(
                f"The grades of query {query} name document {document}, and the last is {highest}.",
                expected=f"0 to {highest}",
                got=int(document),
                where=f"grades[{query}]",
            )


def _ranked(listed: Rows, owners: Rows | None) -> dict[str, float]:
    """Return the first documents of a list of rows, each with a score that keeps their order."""
    rows = listed[listed >= 0]
    documents = dict.fromkeys((rows if owners is None else owners[rows]).tolist())
    return {f"{document}": -float(place) for place, document in zip(range(PLACES), documents, strict=False)}
