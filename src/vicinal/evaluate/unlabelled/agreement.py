"""How far two rankings agree: the share of documents in common, overlap that counts the top more, and the order.

Two systems that agree may both be wrong. What agreement says is whether a change can matter at all, and for which
queries it is worth looking.

Letters: A and B two rankings, S and L the documents of the shorter and of the longer, s and l how many they are, X(d)
how many the first d of each have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import whole_number
from vicinal.errors import InputError, RangeError
from vicinal.evaluate.ranking import Run, ranking

PERSISTENCE = 0.9
"""The first ten places have 86 % of the weight."""
MOST_RANKED = 10_000
"""Kendall's tau compares all pairs of the documents in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two runs agree on each query.

    Parameters
    ----------
    query_ids : tuple of str, Q
        The queries of both runs, ascending.
    k : int
        Documents that ``overlap`` looks at.
    overlap : float64 array of shape (Q,)
        The share of the first k in common, in [0, 1].
    rank_biased_overlap : float64 array of shape (Q,)
        In [0, 1]; the top counts most.
    tau : float64 array of shape (Q,)
        Kendall's rank correlation of the documents in common, in [-1, 1]; NaN where there are fewer than two.
    unshared : int
        Queries that only one of the runs has.
    """

    query_ids: tuple[str, ...]
    k: int
    overlap: NDArray[np.float64]
    rank_biased_overlap: NDArray[np.float64]
    tau: NDArray[np.float64]
    unshared: int = 0

    def mean(self) -> dict[str, float]:
        """Return the means over the queries; that of tau over those that have one, NaN for none."""
        known = self.tau[~np.isnan(self.tau)]
        return {
            f"overlap@{self.k}": float(self.overlap.mean()),
            "rank_biased_overlap": float(self.rank_biased_overlap.mean()),
            "tau": float(known.mean()) if len(known) else float("nan"),
        }

    def least(self, k: int = 10) -> tuple[str, ...]:
        """Return the k queries on which the runs agree least by rank-biased overlap: those worth judging first."""
        order = np.argsort(self.rank_biased_overlap, kind="stable")[: whole_number(k, "k", low=1)]
        return tuple(self.query_ids[place] for place in order.tolist())


def agreement(one: Run, other: Run, *, k: int = 10, persistence: float = PERSISTENCE) -> Agreement:
    """Return how far two runs agree on the queries that both have.

    Parameters
    ----------
    one, other : mapping
        Query id → document id → score.
    k : int, 1 <= k
        Documents that the overlap looks at.
    persistence : float, 0 < persistence < 1
        Of rank-biased overlap.

    Raises
    ------
    InputError
        The runs have no query in common.
    RangeError, DtypeError
        A number is out of range.
    """
    shared = sorted(one.keys() & other.keys())
    if not shared:
        raise InputError("The runs have no query in common; are their ids the same?", where="runs")
    pairs = [(ranking(one[query], query_id=query), ranking(other[query], query_id=query)) for query in shared]
    return Agreement(
        query_ids=tuple(shared),
        k=whole_number(k, "k", low=1),
        overlap=np.array([overlap_at_k(mine, theirs, k=k) for mine, theirs in pairs]),
        rank_biased_overlap=np.array(
            [rank_biased_overlap(mine, theirs, persistence=persistence) for mine, theirs in pairs]
        ),
        tau=np.array([kendall_tau(mine, theirs) for mine, theirs in pairs]),
        unshared=len(one.keys() ^ other.keys()),
    )


def overlap_at_k(one: Sequence[str], other: Sequence[str], *, k: int) -> float:
    """Return the share of documents that the first k of two rankings have in common, in [0, 1].

    The larger of the two parts is the whole, so that a list that breaks off early does not agree by that; two empty
    ones agree: 1.
    """
    k = whole_number(k, "k", low=1)
    mine, theirs = set(one[:k]), set(other[:k])
    longest = max(len(mine), len(theirs))
    return len(mine & theirs) / longest if longest else 1.0


def rank_biased_overlap(one: Sequence[str], other: Sequence[str], *, persistence: float = PERSISTENCE) -> float:
    """Return the rank-biased overlap of two rankings, extrapolated beyond their ends, in [0, 1].

    Parameters
    ----------
    one, other : sequence of str
        Documents, best first, each once; they may have different lengths, and documents of their own.
    persistence : float, 0 < persistence < 1
        The chance that a reader goes on to the next place: 0.9 looks at ten on average.

    Returns
    -------
    float
        1 for equal rankings, 0 for those without a common document; two empty ones agree: 1.

    Raises
    ------
    RangeError
        The persistence is out of range, or a document comes twice.

    References
    ----------
    Webber, Moffat, Zobel 2010, "A similarity measure for indefinite rankings", equation 32 (RBO_EXT for uneven lists).
    """
    if not 0 < persistence < 1:
        raise RangeError(
            f"persistence must be between 0 and 1, got {persistence}.", expected="0 < persistence < 1", got=persistence
        )
    for listed in (one, other):
        if len(set(listed)) != len(listed):
            raise RangeError("A document comes twice in a ranking.", where="ranking")
    short, long = sorted((one, other), key=len)
    if not short:
        return 0.0 if long else 1.0
    common = _common_counts(short, long)
    s, l = len(short), len(long)  # noqa: E741 - the paper's letters
    depths = np.arange(1, l + 1)
    weights = persistence**depths
    summed = float((common / depths * weights).sum())
    beyond = depths[s:]
    summed += float((common[s - 1] * (beyond - s) / (s * beyond) * weights[s:]).sum())
    end = (common[-1] - common[s - 1]) / l + common[s - 1] / s
    return min(1.0, float((1 - persistence) / persistence * summed + end * persistence**l))


def _common_counts(short: Sequence[str], long: Sequence[str]) -> NDArray[np.float64]:
    """Return X(d) for d = 1 … l; behind its end the shorter list has no further document."""
    mine: set[str] = set()
    theirs: set[str] = set()
    counts, common = [], 0
    for place, document in enumerate(long):
        other = short[place] if place < len(short) else None
        theirs.add(document)
        if other is not None:
            mine.add(other)
            common += other in theirs
        common += document in mine and document != other
        counts.append(common)
    return np.array(counts, dtype=np.float64)


def kendall_tau(one: Sequence[str], other: Sequence[str]) -> float:
    """Return Kendall's rank correlation of the documents that two rankings have in common, in [-1, 1].

    Parameters
    ----------
    one, other : sequence of str
        Documents, best first, each once. What only one of them has counts for nothing.

    Returns
    -------
    float
        1 for the same order, -1 for the reverse; NaN for fewer than two documents in common.

    Raises
    ------
    RangeError
        More than 10,000 documents are in common.

    References
    ----------
    Kendall 1938, "A new measure of rank correlation". Rankings have no ties, so tau-a and tau-b are one.
    """
    places = {document: place for place, document in enumerate(other)}
    found = np.array([places[document] for document in one if document in places], dtype=np.int64)
    if len(found) > MOST_RANKED:
        raise RangeError(f"At most {MOST_RANKED} documents may be in common, got {len(found)}; cut the runs.")
    if len(found) < 2:  # noqa: PLR2004 - a pair
        return float("nan")
    inverted = sum(int((found[place] > found[place + 1 :]).sum()) for place in range(len(found) - 1))
    return 1.0 - 4.0 * inverted / (len(found) * (len(found) - 1))
