"""From the parts of a question to what tantivy is asked, and from its answer to who contributed what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vicinal.lexical.analysis import library
from vicinal.lexical.query import Clause, Leaf
from vicinal.lexical.words import is_code

CODE_WEIGHT = 2.0
"""What a code counts for: who types one wants that very thing. On SciFact's train questions 1 and 2 give the same."""
MEMO_LEAVES = 16_384
MOST_LEAVES = 256
"""Things that one question scores; where there are more, the rarest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one token, phrase, beginning or misspelt word adds to a row's score.

    ``score == weight * idf * (k1 + 1) * tf_part`` with ``tf_part = tf / (tf + k1 * (1 - b + b * length / mean_length))``;
    for beginnings and misspelt words ``score == weight * idf``, and there is no length (0).
    ``df`` counts the rows that have it, dead ones too; for a phrase it is 0 and ``idf`` is the sum of its tokens'.
    """

    kind: str
    field: str
    tokens: tuple[str, ...]
    tf: float
    df: int
    idf: float
    length: float
    mean_length: float
    tf_part: float
    weight: float
    score: float


def weights_of(reading: Any, clauses: Sequence[Clause], title_boost: float) -> tuple[dict[Leaf, float], int]:  # noqa: ANN401 - of _tantivy
    """Return what each leaf of a question weighs, those left out that no row has, and how many were too many."""
    counted: dict[Leaf, float] = {}
    for clause in clauses:
        if clause.occur != "not":
            for leaf in clause.leaves:
                counted[leaf] = counted.get(leaf, 0.0) + _importance(leaf)
    held = {leaf: weight for leaf, weight in counted.items() if _may_be_there(reading, leaf)}
    left_out = max(0, len(held) - MOST_LEAVES)
    if left_out:
        ordered = sorted(held.items(), key=lambda one: (_rarity(reading, one[0]), one[0].tokens))
        held = dict(ordered[:MOST_LEAVES])
    if title_boost:
        for leaf, weight in list(held.items()):
            heading = Leaf(kind=leaf.kind, field="title", tokens=leaf.tokens)
            if leaf.field == "body" and _may_be_there(reading, heading):
                held[heading] = held.get(heading, 0.0) + title_boost * weight
    return held, left_out


def compiled(reading: Any, clauses: Sequence[Clause], weights: Mapping[Leaf, float]) -> Any:  # noqa: ANN401 - of _tantivy
    """Return the query of a question."""
    should = [
        _matching(leaf) if weight == 1 and leaf.kind == "term" else _scored(reading, leaf, weight)
        for leaf, weight in weights.items()
    ]
    must, without = [], []
    for clause in clauses:
        if clause.occur == "should":
            continue
        groups = [library().combined([_matching(leaf) for leaf in group]) for group in clause.gate]
        if clause.occur == "must":
            must += groups
        elif groups:
            without.append(library().combined((), must=groups) if len(groups) > 1 else groups[0])
    return library().combined(should, must, without)


def contribution(reading: Any, leaf: Leaf, weight: float, row: int) -> Contribution | None:  # noqa: ANN401 - of _tantivy
    """Return what a leaf adds to a row's score, None where the row does not have it."""
    if leaf.kind in {"prefix", "fuzzy"}:
        return _constant(reading, leaf, weight, row)
    told = reading.explained(_matching(leaf), row)
    if told is None:
        return None
    while len(told.get("details", ())) == 1:
        told = told["details"][0]
    _, idf, tf_part = told["details"]
    tf, _, _, length, mean_length = (one["value"] for one in tf_part["details"])
    return Contribution(
        kind=leaf.kind,
        field=leaf.field,
        tokens=leaf.tokens,
        tf=tf,
        df=reading.frequency(leaf.field, leaf.tokens[0]) if leaf.kind == "term" else 0,
        idf=idf["value"],
        length=length,
        mean_length=mean_length,
        tf_part=tf_part["value"],
        weight=weight,
        score=weight * told["value"],
    )


def _constant(reading: Any, leaf: Leaf, weight: float, row: int) -> Contribution | None:  # noqa: ANN401 - of _tantivy
    """Return what a beginning or a misspelt word adds."""
    query = _matching(leaf)
    if reading.explained(query, row) is None:
        return None
    count = reading.matching(query)
    idf = _idf(reading.count, count)
    return Contribution(
        kind=leaf.kind,
        field=leaf.field,
        tokens=leaf.tokens,
        tf=1.0,
        df=count,
        idf=idf,
        length=0.0,
        mean_length=0.0,
        tf_part=1.0,
        weight=weight,
        score=weight * idf,
    )


def _scored(reading: Any, leaf: Leaf, weight: float) -> Any:  # noqa: ANN401 - of _tantivy
    """Return the query of a leaf with its scores."""
    query = _matching(leaf)
    if leaf.kind in {"prefix", "fuzzy"}:
        return library().constant(query, weight * _idf(reading.count, reading.matching(query)))
    return library().weighted(query, weight)


@lru_cache(maxsize=MEMO_LEAVES)
def _matching(leaf: Leaf) -> Any:  # noqa: ANN401 - of _tantivy
    """Return the query for the rows that have a leaf."""
    if leaf.kind == "term":
        return library().term(leaf.field, leaf.tokens[0])
    if leaf.kind == "phrase":
        return library().phrase(leaf.field, leaf.tokens)
    if leaf.kind == "prefix":
        return library().prefix(leaf.field, leaf.tokens[0])
    return library().fuzzy(leaf.field, leaf.tokens[0], leaf.edits)


def _may_be_there(reading: Any, leaf: Leaf) -> bool:  # noqa: ANN401 - of _tantivy
    """Return whether some row may have a leaf."""
    if leaf.kind == "term":
        return bool(reading.frequency(leaf.field, leaf.tokens[0]))
    return leaf.kind != "phrase" or all(reading.frequency(leaf.field, token) for token in leaf.tokens)


@lru_cache(maxsize=MEMO_LEAVES)
def _importance(leaf: Leaf) -> float:
    """Return what a leaf weighs each time that it is asked for."""
    return CODE_WEIGHT if leaf.kind == "term" and is_code(leaf.tokens[0]) else 1.0


def _rarity(reading: Any, leaf: Leaf) -> int:  # noqa: ANN401 - of _tantivy
    """Return how many rows have the rarest token of a leaf; what was asked for with signs comes first."""
    if leaf.kind in {"prefix", "fuzzy"}:
        return 0
    return min(int(reading.frequency(leaf.field, token)) for token in leaf.tokens)


def _idf(rows: int, count: int) -> float:
    """Return the weight of what so many of all rows have."""
    return math.log(1 + (rows - count + 0.5) / (count + 0.5))
