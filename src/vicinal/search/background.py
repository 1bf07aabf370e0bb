"""What a score is worth: how often a pair that has nothing in common reaches it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.types import Floats


class Background:
    """What scores mean in one space: how often a pair that has nothing in common reaches them.

    A cosine of 0.3 is near in one model and nothing in another; the share of unrelated pairs that score as much can
    be compared.

    Parameters
    ----------
    scores : array of shape (N,), N >= 1
        Of pairs drawn at random: questions with chunks that do not answer them. A thousand say it to about 0.03.

    Raises
    ------
    ShapeError, NonFiniteError
        There is none, or one is NaN or infinite.
    """

    __slots__ = ("_scores",)

    def __init__(self, scores: Sequence[float] | Floats) -> None:
        found = np.sort(np.asarray(scores, dtype=np.float64).ravel())
        if not len(found):
            raise ShapeError("A background needs at least one score.", expected=">= 1", got=0, where="scores")
        if not np.isfinite(found).all():
            raise NonFiniteError("A score of the background is NaN or infinite.", expected="finite", where="scores")
        self._scores = found

    def share(self, score: float) -> float:
        """Return the share of the unrelated pairs that score at least so much, from 0 to 1."""
        return 1.0 - int(self._scores.searchsorted(score, "left")) / len(self._scores)

    def threshold(self, share: float) -> float:
        """Return the least score that at most this share of the unrelated pairs reach; infinite where none is.

        Parameters
        ----------
        share : float, 0 <= share <= 1
            0.01: one unrelated chunk in a hundred passes.
        """
        if not 0 <= share <= 1:
            raise RangeError(f"share must be 0 to 1, got {share}.", expected="0 to 1", got=share, where="share")
        allowed = math.floor(share * len(self._scores) + 1e-9)  # 0.07 · 100 is 7.000000000000001
        if allowed == len(self._scores):
            return -math.inf
        return float(np.nextafter(self._scores[len(self._scores) - allowed - 1], np.inf))
