"""Recall: how much of what is relevant was found at all."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded


def recall_at_k(graded: Graded, *, k: int | None = None) -> float:
    """Return the share of the relevant documents that are among the first k.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer.

    Returns
    -------
    float
        In [0, 1]; 0 where nothing is relevant to the query. With more than k relevant documents it cannot be 1;
        see ``capped_recall_at_k``.

    Notes
    -----
    ``recall`` of trec_eval, and ``set_recall`` without k. Grades count as relevant or not.
    """
    return int(np.count_nonzero(graded.first(k))) / max(1, len(graded.relevant))


def capped_recall_at_k(graded: Graded, *, k: int | None = None) -> float:
    """Return the relevant documents among the first k, as a share of those that k could hold.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer, which makes it ``recall_at_k``.

    Returns
    -------
    float
        In [0, 1]; 0 where nothing is relevant to the query.

    Notes
    -----
    The divisor is ``min(k, R)``, where recall has R. trec_eval has no such measure; its ``relative_P`` is the same.

    References
    ----------
    Thakur et al. 2021, "BEIR: a heterogeneous benchmark for zero-shot evaluation of information retrieval models",
    ``recall_cap``, there for TREC-COVID, whose queries have hundreds of relevant documents.
    """
    relevant = len(graded.relevant)
    return int(np.count_nonzero(graded.first(k))) / max(1, relevant if k is None else min(k, relevant))
