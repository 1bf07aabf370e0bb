"""One way to store vectors with what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vicinal.evaluate.frontier.storage import Storage

Measure = Literal["recall", "ndcg"]
MEASURES = ("recall", "ndcg")
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over queries, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to store vectors, and what was measured of it.

    ``recall`` is the share of the k nearest by full float32 vectors that are found; of ties at the last place any counts.
    ``ndcg`` is nDCG@10, None without judgements. ``latency_ms`` is the median of one query over ``Frontier.timed``
    vectors with one thread; where ``is_native`` is false NumPy was timed, which says nothing about a kernel.
    """

    storage: Storage
    recall: Estimate
    ndcg: Estimate | None
    latency_ms: float
    is_native: bool

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of a vector, those of the rows that put the best in order included."""
        return self.storage.bytes_per_vector

    def estimate(self, measure: str) -> Estimate | None:
        """Return what was measured by a measure."""
        return self.recall if measure == "recall" else self.ndcg
