"""For each code the places that have it: what makes a rare value cost microseconds.

Letters: N places, C codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Rows


@dataclass(frozen=True, slots=True)
class Postings:
    """The places of an array of codes, sorted by code and then by place.

    ``order`` uint32 (N,); those of code c are ``order[starts[c] : starts[c + 1]]``. ``starts`` uint32 (C + 1,).
    """

    order: NDArray[Any]
    starts: NDArray[Any]

    @classmethod
    def of(cls, codes: NDArray[Any], code_count: int) -> Postings:
        """Return the places by code. Cost: one sort."""
        starts = np.zeros(code_count + 1, dtype=np.uint32)
        np.cumsum(np.bincount(codes, minlength=code_count), out=starts[1:])
        keys = (codes.astype(np.uint64) << np.uint64(32)) | np.arange(len(codes), dtype=np.uint64)
        keys.sort()  # the place is in the key: several times faster than a stable sort of the codes
        return cls(keys.astype(np.uint32), starts)

    def count(self, low: int, high: int) -> int:
        """Return how many places have a code within [low, high)."""
        last = len(self.starts) - 1
        return int(self.starts[min(high, last)]) - int(self.starts[min(low, last)])

    def places(self, low: int, high: int) -> NDArray[Any]:
        """Return the places with a code within [low, high), by code."""
        last = len(self.starts) - 1
        return self.order[int(self.starts[min(low, last)]) : int(self.starts[min(high, last)])]

    def count_of(self, codes: Rows) -> int:
        """Return how many places have one of some distinct codes."""
        return int(self._lengths(codes)[1].sum()) if len(codes) else 0

    def places_of(self, codes: Rows) -> NDArray[Any]:
        """Return the places that have one of some distinct codes."""
        if not len(codes):
            return self.order[:0]
        first, lengths = self._lengths(codes)
        ends = np.cumsum(lengths)
        return np.asarray(self.order[np.repeat(first - (ends - lengths), lengths) + np.arange(ends[-1])])

    def _lengths(self, codes: Rows) -> tuple[Rows, Rows]:
        """Return for each code where its places begin, and how many they are; a code beyond the last has none."""
        last = len(self.starts) - 1
        first = self.starts[np.minimum(codes, last)].astype(np.int64)
        return first, self.starts[np.minimum(codes + 1, last)] - first
