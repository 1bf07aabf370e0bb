"""BM25 in plain Python, the obvious twin of the index: every row is scored, and all of it can be read in a minute.

Letters: N rows, n rows with the token, tf times it is in the row, dl tokens of the row, avgdl their mean.

    score = sum over tokens of  weight * ln(1 + (N - n + 0.5) / (n + 0.5)) * (k1 + 1) * tf / (tf + k1 * (1 - b + b * dl / avgdl))

A phrase counts as one token whose idf is the sum of its tokens'. What a beginning or a misspelt word finds scores
ln(1 + (N - n + 0.5) / (n + 0.5)), n being the rows that it finds.

References
----------
Robertson, Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", with the idf of Lucene, which is
never below 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vicinal.lexical.query import Clause, Leaf
from vicinal.lexical.topk import STEP

K1 = 1.2
B = 0.75
EXACT_LENGTH = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainRow:
    """The tokens of one row, by field."""

    body: tuple[str, ...]
    title: tuple[str, ...]
    forms: frozenset[str]
    language: str

    def tokens(self, name: str) -> tuple[str, ...]:
        """Return the tokens of a scored field."""
        return self.title if name == "title" else self.body


@dataclass(slots=True)
class PlainIndex:
    """All rows that were ever added, by number; the statistics are over all of them."""

    rows: dict[int, PlainRow] = field(default_factory=dict)

    def languages(self) -> Mapping[str, int]:
        """Return how many rows are in each language."""
        return Counter(row.language for row in self.rows.values())

    def search(
        self, weights: Mapping[Leaf, float], clauses: Iterable[Clause], *, k: int, lets: Callable[[int], bool]
    ) -> list[tuple[int, float]]:
        """Return the k best rows with their scores, best first, ties by row."""
        clauses = list(clauses)
        scores: dict[int, float] = {}
        for leaf, weight in weights.items():
            for number, score in self.scores(leaf).items():
                scores[number] = scores.get(number, 0.0) + weight * score
        kept = [number for number in scores if lets(number) and self._is_let_through(self.rows[number], clauses)]
        ordered = [(number, round(scores[number] / STEP) * STEP) for number in kept]
        return sorted(ordered, key=lambda one: (-one[1], one[0]))[:k]

    def scores(self, leaf: Leaf) -> dict[int, float]:
        """Return what a leaf adds to the score of each row that has it."""
        counts = {number: self.count(leaf, row) for number, row in self.rows.items()}
        found = {number: count for number, count in counts.items() if count}
        if leaf.kind in {"prefix", "fuzzy"}:
            return dict.fromkeys(found, self.idf(len(found)))
        idf = sum(self.idf(sum(token in row.tokens(leaf.field) for row in self.rows.values())) for token in leaf.tokens)
        mean = sum(len(row.tokens(leaf.field)) for row in self.rows.values()) / len(self.rows)
        lengths = {number: stored_length(len(self.rows[number].tokens(leaf.field))) for number in found}
        return {
            number: idf * (K1 + 1) * tf / (tf + K1 * (1 - B + B * lengths[number] / mean))
            for number, tf in found.items()
        }

    def idf(self, count: int) -> float:
        """Return the weight of what so many rows have."""
        return math.log(1 + (len(self.rows) - count + 0.5) / (count + 0.5))

    def count(self, leaf: Leaf, row: PlainRow) -> int:
        """Return how often a row has a leaf."""
        if leaf.kind == "prefix":
            return int(any(form.startswith(leaf.tokens[0]) for form in row.forms))
        if leaf.kind == "fuzzy":
            return int(any(edits_between(leaf.tokens[0], form) <= leaf.edits for form in row.forms))
        tokens, size = row.tokens(leaf.field), len(leaf.tokens)
        return sum(tokens[place : place + size] == leaf.tokens for place in range(len(tokens) - size + 1))

    def _is_let_through(self, row: PlainRow, clauses: Iterable[Clause]) -> bool:
        """Return whether a row has all that it must have and nothing that it must not."""
        return all(
            clause.occur == "should"
            or all(any(self.count(leaf, row) for leaf in group) for group in clause.gate) == (clause.occur == "must")
            for clause in clauses
        )


def stored_length(length: int) -> int:
    """Return a length as the index keeps it, in one byte: exact up to 40, then the first of four or more that share a byte.

    Up to 40 a step is 1; the next eight steps are 2 wide, the next eight 4, and so on.
    """
    if length <= EXACT_LENGTH:
        return length
    base, step = EXACT_LENGTH, 2
    while length >= base + 8 * step:
        base, step = base + 8 * step, 2 * step
    return base + (length - base) // step * step


def edits_between(one: str, other: str) -> int:
    """Return how many signs must be put in, left out, changed, or swapped with the next, to make one word of another.

    References
    ----------
    Damerau 1964; each part is edited at most once ("optimal string alignment").
    """
    rows = [list(range(len(other) + 1))]
    for place, sign in enumerate(one, start=1):
        row = [place]
        for column, against in enumerate(other, start=1):
            best = min(rows[-1][column] + 1, row[-1] + 1, rows[-1][column - 1] + (sign != against))
            if place > 1 and column > 1 and sign == other[column - 2] and against == one[place - 2]:
                best = min(best, rows[-2][column - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]
