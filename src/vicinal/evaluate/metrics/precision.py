"""Precision: how much of what was shown is relevant."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded


def precision_at_k(graded: Graded, *, k: int | None = None) -> float:
    """Return the share of relevant documents among the first k.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer.

    Returns
    -------
    float
        In [0, 1]. A document that nobody judged counts as not relevant.

    Notes
    -----
    ``P`` of trec_eval: the divisor is k, also where fewer documents were found. Without k it is ``set_P``: the
    divisor is the number of documents that were found, and an empty answer has 0.
    """
    first = graded.first(k)
    return int(np.count_nonzero(first)) / max(1, len(first) if k is None else k)
