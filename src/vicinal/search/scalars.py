"""Distinct values that are no lists, numbered so that a range of numbers or of texts is a range of codes.

```text
code   0        1     2      3     4 …              … 4 + numbers …        … size
       missing  null  false  true  numbers, rising  texts, by code points
```
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.search.meaning import kind_of
from vicinal.search.texts import Texts, encoded
from vicinal.types import Mask, Rows

NULL, FALSE, TRUE, FIRST = 1, 2, 3, 4
"""Codes of null, false and true, and of the first number."""

MOST_LOW = 1 << 62
"""The part of a whole number that its float leaves over is kept in 64 bits; larger numbers are not kept here."""


MOST_EXACT = 1 << 53
"""Up to here a whole number is its float."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Distinct numbers, rising: whole ones and floats in one order, exact.

    ``high`` float64 is the nearest float of each, ``low`` int64 what a whole number has beyond it:
    rounding never turns two numbers around, so (high, low) are in the order of the numbers.
    ``low`` is empty where all of it is 0, as for whole numbers up to 2^53.
    """

    high: NDArray[np.float64]
    low: Rows

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.high)

    def first_at_least(self, number: float) -> int:
        """Return the place of the first number that is not below."""
        return self._place(number, "left")

    def first_above(self, number: float) -> int:
        """Return the place of the first number that is greater."""
        return self._place(number, "right")

    def _place(self, number: float, side: Any) -> int:  # noqa: ANN401 - "left" or "right"
        high, low = pair_of(number)
        if not len(self.low) and not low:
            return int(self.high.searchsorted(high, side))
        start, end = int(self.high.searchsorted(high, "left")), int(self.high.searchsorted(high, "right"))
        lows = self.low[start:end].tolist() if len(self.low) else [0] * (end - start)
        return start + (bisect_left if side == "left" else bisect_right)(lows, low)

    def places_of(self, numbers: Sequence[float]) -> Rows:
        """Return the places of those numbers that are here."""
        high, low = _pairs(numbers) if all(map(is_kept, numbers)) else (self.high[:0], self.low[:0])
        if len(high) < len(numbers) or len(self.low) or low.any():
            found = [(self.first_at_least(number), self.first_above(number)) for number in numbers]
            return np.array([start for start, end in found if start < end], dtype=np.int64)
        places = self.high.searchsorted(high)
        places, high = places[places < len(self)], high[places < len(self)]
        return np.asarray(places[self.high[places] == high])

    def merged(self, keep: Mask, new: Sequence[float]) -> tuple[Numbers, Rows, Rows]:
        """Return these numbers, without those not kept, with new ones (distinct, in any order); and where all are."""
        kept = self if keep.all() else Numbers(self.high[keep], self.low[keep] if len(self.low) else self.low)
        high, low = _pairs(new)
        rising = np.lexsort((low, high)) if low.any() else np.argsort(high)
        high, low = high[rising], low[rising]
        if len(kept.low) or low.any():
            ascending = (new[place] for place in rising.tolist())
            places = np.fromiter(map(kept.first_at_least, ascending), dtype=np.int64, count=len(new))
            old_low = kept.low if len(kept.low) else np.zeros(len(kept), dtype=np.int64)
            lows = np.insert(old_low, places, low)
        else:
            places, lows = kept.high.searchsorted(high), low[:0]
        order = np.arange(len(kept))
        old = (order + np.searchsorted(places, order, side="right"))[np.cumsum(keep) - 1] if len(kept) else keep * 0
        codes = np.zeros(len(new), dtype=np.int64)
        codes[rising] = places + np.arange(len(new))
        return Numbers(np.insert(kept.high, places, high), lows), np.asarray(old), codes


def _pairs(numbers: Sequence[float]) -> tuple[NDArray[np.float64], Rows]:
    """Return ``pair_of`` each of some numbers."""
    if not len(numbers) or (min(numbers) >= -MOST_EXACT and max(numbers) <= MOST_EXACT):
        return np.array(numbers, dtype=np.float64), np.zeros(len(numbers), dtype=np.int64)
    pairs = [pair_of(number) for number in numbers]
    return np.array([high for high, _ in pairs]), np.array([low for _, low in pairs], dtype=np.int64)


def pair_of(number: float) -> tuple[float, int]:
    """Return a number as its nearest float, and what a whole number has beyond that."""
    if isinstance(number, float):
        return number, 0
    try:
        high = float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf, 0
    return high, number - int(high)


def is_kept(value: Any) -> bool:  # noqa: ANN401 - a value of any field
    """Return whether a value has a place here: all but lists, numbers that are none, and whole ones beyond all use."""
    kind = kind_of(value)
    if kind == "number":
        if -MOST_LOW < value < MOST_LOW:  # nearly all; NaN is not
            return True
        high, low = pair_of(value)
        return math.isfinite(high) and abs(low) < MOST_LOW
    return kind in {"missing", "null", "boolean", "text"}


@dataclass(frozen=True, slots=True)
class Scalars:
    """Distinct numbers and texts with the codes of the drawing above."""

    numbers: Numbers
    texts: Texts

    @property
    def first_text(self) -> int:
        """The code of the first text."""
        return FIRST + len(self.numbers)

    @property
    def size(self) -> int:
        """The code behind the last."""
        return FIRST + len(self.numbers) + len(self.texts)

    def code_of(self, value: Any) -> int:  # noqa: ANN401 - a value of any field
        """Return the code of a value, -1 if it is not here."""
        kind = kind_of(value)
        if kind == "text":
            place = self.texts.place_of(encoded(value))
            return place if place < 0 else self.first_text + place
        if kind == "number":
            start = self.numbers.first_at_least(value)
            return FIRST + start if start < self.numbers.first_above(value) else -1
        return {"missing": 0, "null": NULL, "boolean": TRUE if value else FALSE}.get(kind, -1)

    def merged(self, keep: Mask, new: Sequence[Any]) -> tuple[Scalars, Rows, Rows]:
        """Return these values with new ones, and the codes of the old and of the new.

        Parameters
        ----------
        keep : bool array of shape (size,)
            Which stay; a code of one that goes is not to be used again.
        new : sequence
            Distinct numbers and texts that are not here, in any order.

        Returns
        -------
        Scalars
            All of them, in order.
        int64 array of shape (size,), int64 array of shape (len(new),)
            Old code → code; place among the new → code.
        """
        is_text = [isinstance(value, str) for value in new]
        numbers = [place for place, text in enumerate(is_text) if not text]
        as_bytes = {place: encoded(new[place]) for place, text in enumerate(is_text) if text}
        texts = sorted(as_bytes, key=as_bytes.__getitem__)
        found, old_numbers, new_numbers = self.numbers.merged(
            keep[FIRST : self.first_text], [new[place] for place in numbers]
        )
        held, old_texts, new_texts = self.texts.merged(keep[self.first_text :], [as_bytes[place] for place in texts])
        both = Scalars(found, held)
        old = np.concatenate([np.arange(FIRST), old_numbers + FIRST, old_texts + both.first_text])
        codes = np.zeros(len(new), dtype=np.int64)
        codes[numbers] = new_numbers + FIRST
        codes[texts] = new_texts + both.first_text
        return both, old, codes


def no_scalars() -> Scalars:
    """Return an empty one."""
    nothing = Numbers(np.zeros(0, dtype=np.float64), np.zeros(0, dtype=np.int64))
    return Scalars(nothing, Texts.of([]))
