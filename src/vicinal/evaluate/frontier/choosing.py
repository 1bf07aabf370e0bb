"""What a measurement is made with: which documents are searched, which are fitted on, and the queries.

Letters: N documents, Q queries, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vicinal.errors import DtypeError, NonFiniteError, ShapeError
from vicinal.evaluate.frontier.batches import MATRIX_AXES, Batches, spread
from vicinal.evaluate.frontier.labels import Grades, Scorer, checked_grades, scorer_of
from vicinal.types import Floats, Rows

FITTED_ROWS = 50_000
FITTED_BYTES = 1 << 27
"""A projection and centers are fitted on at most so many vectors, evenly spread, and queries are timed on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The numbers that were asked for; as in ``measure``."""

    k: int
    times: int
    samples: int
    query_samples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """Everything that chance decides.

    ``rows`` (n,) are the documents that are searched, ascending; ``own`` (Q,) is the document that a query is, or -1.
    """

    count: int
    rows: Rows
    fitted: Floats
    queries: Floats
    own: Rows
    scorer: Scorer | None

    @property
    def is_held_out(self) -> bool:
        """Whether documents stand in for queries."""
        return bool((self.own >= 0).any())


def stand_in(numbers: Numbers, batches: Batches, count: int, dim: int) -> Chosen:
    """Return documents as queries, drawn at random, and what is searched for them."""
    chance = np.random.default_rng(numbers.seed)
    own = np.sort(chance.choice(count, min(numbers.query_samples, count), replace=False))
    rows = _searched(count, numbers.samples, chance, own[:0])
    fitted = spread(count, _fitted_rows(dim))
    wanted = np.union1d(fitted, own)
    found = batches.gathered(wanted)
    return Chosen(
        count=count,
        rows=rows,
        fitted=found[np.searchsorted(wanted, fitted)],
        queries=found[np.searchsorted(wanted, own)],
        own=own,
        scorer=None,
    )


def given(
    numbers: Numbers,
    batches: Batches,
    count: int,
    queries: Floats,
    *,
    grades: Grades | None,
    owners: Rows | None,
    scorer: Scorer | None,
) -> Chosen:
    """Return the queries that were given, some of them where they are too many, and what is searched for them."""
    chance = np.random.default_rng(numbers.seed)
    asked = np.arange(len(queries))
    if scorer is None and len(queries) > numbers.query_samples:
        asked = np.sort(chance.choice(len(queries), numbers.query_samples, replace=False))
    judged = np.empty(0, dtype=np.int64)
    if grades is not None:
        sound = checked_grades(grades, owners, queries=len(queries), documents=count)
        kept = [sound[place] for place in asked.tolist()]
        scorer = scorer_of(kept, owners)
        judged = _rows_of(kept, owners)
    samples = count if scorer is not None and grades is None else numbers.samples
    return Chosen(
        count=count,
        rows=_searched(count, samples, chance, judged),
        fitted=batches.gathered(spread(count, _fitted_rows(queries.shape[1]))),
        queries=queries[asked],
        own=np.full(len(asked), -1, dtype=np.int64),
        scorer=scorer,
    )


def checked_queries(queries: object, dim: int) -> Floats:
    """Return queries as float32 (Q, D).

    Raises
    ------
    DtypeError, ShapeError, NonFiniteError
        They are no such matrix, or there are none.
    """
    found = np.asarray(queries)
    if found.dtype.kind != "f":
        raise DtypeError(
            f"queries must be float32, got {found.dtype}.", expected="float32", got=str(found.dtype), where="queries"
        )
    if found.ndim != MATRIX_AXES or found.shape[1] != dim or not len(found):
        raise ShapeError(
            f"queries must have the shape (Q, {dim}) with Q of at least 1, got {found.shape}.",
            expected=f"(Q, {dim})",
            got=found.shape,
            where="queries",
        )
    if not np.isfinite(found).all():
        raise NonFiniteError("A query holds NaN or infinity.", expected="finite", where="queries")
    return np.ascontiguousarray(found, dtype=np.float32)


def _fitted_rows(dim: int) -> int:
    """Return how many rows are held to fit on: less memory for long vectors, and more rows than dimensions always."""
    return max(min(FITTED_ROWS, FITTED_BYTES // (4 * dim)), 2 * dim)


def _searched(count: int, samples: int, chance: np.random.Generator, needed: Rows) -> Rows:
    """Return the documents that are searched: all, or some at random with those that are needed, ascending."""
    if count <= samples:
        return np.arange(count, dtype=np.int64)
    return np.union1d(chance.choice(count, samples, replace=False), needed).astype(np.int64)


def _rows_of(grades: list[Mapping[int, int]], owners: Rows | None) -> Rows:
    """Return the rows of all judged documents."""
    documents = np.unique(np.array([one for told in grades for one in told], dtype=np.int64))
    return documents if owners is None else np.flatnonzero(np.isin(owners, documents))
