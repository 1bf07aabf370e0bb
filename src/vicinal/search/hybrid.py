"""Meaning and words together: two lists of one question, fused, and what each said of every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from vicinal.search.dense import Candidate
from vicinal.search.fuse import Fused, Ranked, distribution_based, min_max, reciprocal_rank

Mode: TypeAlias = Literal["dense", "lexical", "hybrid"]
Fusion: TypeAlias = Literal["convex", "dbsf", "min_max", "rrf"]
MODES = ("dense", "lexical", "hybrid")
POOL = 100
"""Places of each side that are fused by rank or by the spread of scores, at least."""
CONVEX_POOL = 40
"""The same for ``convex``, as good there as 100 on SciFact's train and CoSQA's dev questions, and cheaper under a filter."""
WEIGHTS: Mapping[str, float] = {"convex": 0.8, "dbsf": 0.5, "min_max": 0.5, "rrf": 0.5}
"""How much meaning counts where nothing is said; words have the rest. Chosen on SciFact's train and CoSQA's dev questions."""


CODE_WEIGHT = 0.6
"""The weight of meaning in ``convex`` where a question names a code: no vector tells XJ-4821 from XJ-4812."""
_MARKS = ".,;:?!()[]{}<>\"'`"
_SIGNS = frozenset("@_/\\")
_LONG_NUMBER = 4
"""Digits from which a number is a code: shorter ones are amounts."""


def weight_of(fusion: Fusion, text: str) -> float:
    """Return how much meaning counts where nothing is said: less for a question that names a code."""
    return CODE_WEIGHT if fusion == "convex" and names_code(text) else WEIGHTS[fusion]


def names_code(text: str) -> bool:
    """Return whether a word of a question is an identifier, a number of four digits or more, an address or a path."""
    return any(map(_is_code, text.split()))


def _is_code(word: str) -> bool:
    word = word.strip(_MARKS)
    digits = sum(map(str.isdigit, word))
    if digits:
        return digits >= _LONG_NUMBER or digits < len(word)
    within = word[1:-1]
    return any(sign in _SIGNS for sign in within) or (word[:1].islower() and any(map(str.isupper, within)))


class Matched(NamedTuple):
    """A row of a fused list, with its rank (from 1) and score on each side that has it."""

    row: int
    score: float
    dense: tuple[int, float] | None
    lexical: tuple[int, float] | None


def pool_of(fusion: Fusion, k: int, *, has_code: bool = False) -> int:
    """Return how many places of each side are fused for the best k.

    What a side lacks counts as its last score. A text that has a code and stands far in the space must not lose by that,
    so for a question that names one the last of many counts.
    """
    return max(CONVEX_POOL if fusion == "convex" and not has_code else POOL, k)


def convex(
    lists: Sequence[Ranked], *, weights: Sequence[float], bounded: bool = True, places: int = CONVEX_POOL
) -> Fused:
    """Return the weighted mean of each row's cosine and its BM25 as a share of the best one.

    Parameters
    ----------
    lists : the dense one and the lexical one, as in ``fuse``
        Best first.
    weights : (float, float)
        That of the dense one and of the lexical one.
    bounded : bool
        Whether the dense scores are cosines, which are taken as they are; others are brought to 0 … 1.
    places : int
        How many each side was asked for: one with fewer has all that there is.

    Notes
    -----
    What a side lacks counts as its last score, or for words, where the list is not full, as 0: it has none of them.
    A question whose words tell little (all texts have them) thus still has its best text at 1, but all others near it,
    and order comes from the cosines.

    References
    ----------
    Bruch, Gai, Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval", arXiv 2210.11934, section 4:
    convex combinations, with the theoretical minimum of BM25. Differs: the cosine keeps its own scale.
    """
    (rows, cosines), (worded, scores) = ((np.asarray(one[0]), np.asarray(one[1], np.float64)) for one in lists)
    if not bounded and len(cosines):
        low, high = float(cosines.min()), float(cosines.max())
        cosines = (cosines - low) / (high - low) if high > low else np.ones_like(cosines)
    best = float(scores.max(initial=0.0))
    shares = scores / best if best > 0 else np.zeros_like(scores)
    every = np.union1d(rows, worded)
    sides = (
        _spread(every, rows, cosines, float(cosines.min(initial=np.inf)) if len(cosines) else 0.0),
        _spread(every, worded, shares, float(shares.min()) if len(shares) >= places else 0.0),
    )
    found = (weights[0] * sides[0] + weights[1] * sides[1]) / (weights[0] + weights[1])
    order = np.lexsort((every, -found))
    return Fused(every[order], found[order])


FUSIONS: Mapping[str, Callable[..., Fused]] = {
    "convex": convex,
    "dbsf": distribution_based,
    "min_max": min_max,
    "rrf": reciprocal_rank,
}


def fused(
    dense: Sequence[Candidate],
    lexical: Sequence[Candidate],
    *,
    fusion: Fusion,
    weight: float,
    bounded: bool = True,
    places: int = CONVEX_POOL,
) -> list[Matched]:
    """Return the rows of either list, best first, equal ones by row.

    Parameters
    ----------
    dense, lexical : sequence of Candidate
        Best first.
    fusion : one of ``FUSIONS``
    weight : float, 0 <= weight <= 1
        That of meaning; words have the rest.
    bounded, places
        As ``convex``.
    """
    sides = [_told(dense), _told(lexical)]
    lists = [
        (np.array([one.row for one in side], dtype=np.int64), np.array([one.score for one in side]))
        for side in (dense, lexical)
    ]
    weights = [weight, 1.0 - weight]
    if fusion == "convex":
        found = convex(lists, weights=weights, bounded=bounded, places=places)
    else:
        found = FUSIONS[fusion](lists, weights=weights)
    return [
        Matched(row, score, sides[0].get(row), sides[1].get(row))
        for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True)
    ]


def _spread(every: np.ndarray, rows: np.ndarray, scores: np.ndarray, lacking: float) -> np.ndarray:
    """Return the score of each row of all, ``lacking`` for those that a list has not."""
    found = np.full(len(every), lacking)
    found[np.searchsorted(every, rows)] = scores
    return found


def _told(side: Sequence[Candidate]) -> dict[int, tuple[int, float]]:
    """Return row → (rank, score)."""
    return {one.row: (rank, one.score) for rank, one in enumerate(side, 1)}
