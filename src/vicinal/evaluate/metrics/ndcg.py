"""Normalised discounted cumulative gain: the best documents first, where grades differ."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded, Grades


def ndcg_at_k(graded: Graded, *, k: int | None = None) -> float:
    """Return the discounted gain of the first k documents, over that of the best order that could be.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer.

    Returns
    -------
    float
        In [0, 1]; 0 where nothing is relevant to the query.

    Notes
    -----
    DCG is the sum of ``grade / log2(1 + rank)``, with ranks from 1, over the documents with a grade above 0.
    The gain is linear: the grade itself, not ``2**grade - 1``. The best order is of all judged documents, found or
    not, cut at k. So ``ndcg_cut`` and, without k, ``ndcg`` of trec_eval, which BEIR and MTEB report.
    With grades 0 and 1 both gains are the same.

    References
    ----------
    Järvelin, Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques". Differs from the paper: each rank
    is discounted, by log2(1 + rank), where the paper leaves the first ones as they are (its b = 2).
    """
    ideal = _discounted(graded.relevant[:k])
    return _discounted(graded.first(k)) / ideal if ideal else 0.0


def _discounted(grades: Grades) -> float:
    """Return the sum of grade / log2(1 + rank)."""
    places = np.flatnonzero(grades)
    return float((grades[places] / np.log2(places + 2)).sum())
