"""Average precision: all relevant documents early, each counting the same."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded


def average_precision(graded: Graded, *, k: int | None = None) -> float:
    """Return the mean, over all relevant documents, of the precision at the rank where each was found.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count. Default: all of the answer.

    Returns
    -------
    float
        In [0, 1]; a relevant document that was not found counts 0, and so does a query without any.
        The mean over queries is known as MAP.

    Notes
    -----
    ``map`` of trec_eval, and ``map_cut`` with k: the divisor is R, the number of relevant documents, also where k is
    smaller. (Others divide by ``min(k, R)``, and get more.) Grades count as relevant or not.

    References
    ----------
    Buckley, Voorhees 2005, "Retrieval system evaluation", in "TREC: experiment and evaluation in information retrieval".
    """
    ranks = np.flatnonzero(graded.first(k)) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).sum()) / max(1, len(graded.relevant))
