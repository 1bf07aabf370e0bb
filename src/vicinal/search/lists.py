"""Lists as values: their elements as codes, and for each element the lists that hold it.

Letters: L lists, E elements of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.search.postings import Postings
from vicinal.search.scalars import Scalars, is_kept, no_scalars
from vicinal.types import Mask, Rows


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of scalars, in no order.

    ``elements`` uint32 (E,) are codes of ``scalars``; list i has ``elements[starts[i] : starts[i + 1]]``;
    ``holders`` tells for the code of an element which lists have it, one as often as it does.
    """

    scalars: Scalars
    elements: NDArray[Any]
    starts: NDArray[Any]
    holders: Postings

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.starts) - 1

    def holding(self, value: Any) -> Rows:  # noqa: ANN401 - a value of any field
        """Return the places of the lists with an element, ascending."""
        code = self.scalars.code_of(value)
        return self.holding_codes(code, code + 1) if code > 0 else np.zeros(0, dtype=np.int64)

    def holding_codes(self, low: int, high: int) -> Rows:
        """Return the places of the lists with an element whose code is within [low, high), ascending."""
        found = np.sort(self.holders.places(low, high).astype(np.int64)) if high - low > 1 else self._holders(low)
        return found[np.diff(found, prepend=-1) > 0]

    def _holders(self, code: int) -> Rows:
        """Return the lists with an element of a code, ascending, one as often as it has it."""
        return self.holders.places(code, code + 1).astype(np.int64)

    def equal_to(self, values: Sequence[Any]) -> Rows:
        """Return the places of the lists with these elements in this order."""
        codes = [self.scalars.code_of(value) for value in values]
        if any(code <= 0 for code in codes):
            return np.zeros(0, dtype=np.int64)
        rarest = min(codes, key=lambda code: self.holders.count(code, code + 1), default=0)
        found = self.holding_codes(rarest, rarest + 1) if codes else np.arange(len(self))
        found = found[self.starts[found + 1] - self.starts[found] == len(codes)]
        for step, code in enumerate(codes):
            found = found[self.elements[self.starts[found] + step] == code]
        return np.asarray(found)

    def merged(self, keep: Mask, new: Sequence[Sequence[Any]]) -> tuple[Lists, Rows]:
        """Return these lists, without those not kept, with new ones behind them; and where the old are then."""
        lengths = np.diff(self.starts)
        elements = self.elements[np.repeat(keep, lengths)]
        used = np.zeros(self.scalars.size, dtype=np.bool_)
        used[elements] = True
        flat = [value for one in new for value in one]
        codes = _codes(self.scalars, flat)
        used[[code for code in codes if code >= 0]] = True  # also where only lists that go have had it so far
        fresh = list(dict.fromkeys(value for value, code in zip(flat, codes, strict=True) if code < 0))
        scalars, old, added = self.scalars.merged(used, fresh)
        code_of = dict(zip(fresh, added.tolist(), strict=True))
        flat_codes = [int(old[code]) if code >= 0 else code_of[value] for value, code in zip(flat, codes, strict=True)]
        elements = np.concatenate([old[elements], np.array(flat_codes, dtype=np.int64)])
        lengths = np.concatenate([lengths[keep], np.fromiter(map(len, new), dtype=np.int64, count=len(new))])
        return lists_of(scalars, elements, lengths), np.cumsum(keep) - 1


def _codes(scalars: Scalars, values: Sequence[Any]) -> list[int]:
    """Return the codes of values, -1 for those that are not there."""
    known: dict[tuple[type, Any], int] = {}
    codes = []
    for value in values:
        key = (type(value), value)
        code = known.get(key)
        if code is None:
            code = known[key] = scalars.code_of(value)
        codes.append(code)
    return codes


def lists_of(scalars: Scalars, elements: Rows, lengths: Rows) -> Lists:
    """Return lists of their elements' codes."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    codes = elements.astype(np.uint32)
    of_elements = Postings.of(codes, scalars.size)
    owners = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    return Lists(scalars, codes, starts.astype(np.uint32), Postings(owners[of_elements.order], of_elements.starts))


def no_lists() -> Lists:
    """Return none of them."""
    nothing = np.zeros(0, dtype=np.int64)
    return lists_of(no_scalars(), nothing, nothing)


def is_plain(values: Sequence[Any]) -> bool:
    """Return whether a list can be kept here: of scalars only."""
    return all(map(is_kept, values))
