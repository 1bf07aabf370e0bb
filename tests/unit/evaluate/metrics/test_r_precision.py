"""R-precision: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.evaluate.metrics import r_precision
from vicinal.evaluate.ranking import Graded


@pytest.mark.parametrize(
    ("ranked", "relevant", "expected"),
    [([1, 0, 2, 1], [2, 1, 1], 2 / 3), ([1], [1, 1], 1 / 2), ([0, 1], [1], 0), ([], [1], 0), ([0], [], 0)],
)
def test_by_hand(ranked, relevant, expected):
    """Where R documents are relevant, the share of relevant ones in the first R; a short answer is divided by R too."""
    answer = Graded(ranked=np.array(ranked, dtype=np.int64), relevant=np.array(relevant, dtype=np.int64))
    assert r_precision(answer) == expected
