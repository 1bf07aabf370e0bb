"""Reciprocal rank: how far down the first document of use is."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded


def reciprocal_rank(graded: Graded, *, k: int | None = None) -> float:
    """Return 1 / rank of the first relevant document, with ranks from 1.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.
    k : int, 1 <= k, optional
        How many documents count; a first relevant one behind them gives 0. Default: all of the answer.

    Returns
    -------
    float
        In [0, 1]; 0 where no relevant document was found. The mean over queries is known as MRR.

    Notes
    -----
    ``recip_rank`` of trec_eval, which has no k; with k it is MRR@k as MS MARCO has it, in trec_eval's order.
    Grades count as relevant or not.

    References
    ----------
    Voorhees 1999, "The TREC-8 question answering track report".
    """
    places = np.flatnonzero(graded.first(k))
    return 1.0 / (int(places[0]) + 1) if len(places) else 0.0
