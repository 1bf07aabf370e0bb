"""R-precision: precision where it equals recall."""

from __future__ import annotations

import numpy as np

from vicinal.evaluate.ranking import Graded


def r_precision(graded: Graded) -> float:
    """Return the share of relevant documents among the first R, where R documents are relevant to the query.

    Parameters
    ----------
    graded : Graded
        One query's answer and judgements.

    Returns
    -------
    float
        In [0, 1]; 0 where nothing is relevant to the query.

    Notes
    -----
    ``Rprec`` of trec_eval. There is no k to choose, so queries with few and with many relevant documents count alike.
    """
    relevant = len(graded.relevant)
    return int(np.count_nonzero(graded.ranked[:relevant])) / max(1, relevant)
