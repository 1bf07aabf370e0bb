"""Success: whether there was anything of use."""

from __future__ import annotations

from vicinal.evaluate.ranking import Graded


def success_at_k(graded: Graded, *, k: int | None = None) -> float:
    """Return 1 if a relevant document is among the first k, else 0.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer.

    Returns
    -------
    float
        0 or 1. The mean over queries is what others call the hit rate.

    Notes
    -----
    ``success`` of trec_eval. Where each query has one relevant document it is ``recall_at_k``.
    """
    return float(graded.first(k).any())
