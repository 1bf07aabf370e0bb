"""The distinct values of a field, numbered: sorted ones, lists, and behind them those that came since.

```text
code   0 … scalars.size   … + lists   … size
       scalars            lists       tail: values as they came, each tested by itself
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.search.lists import Lists, is_plain, no_lists
from vicinal.search.meaning import MISSING, kind_of
from vicinal.search.scalars import FIRST, Scalars, is_kept, no_scalars
from vicinal.types import Mask

Codes = NDArray[np.uint32]
BASIC = {str, int, float}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Distinct values and their codes. Nothing changes: what adds values returns another one that shares the arrays.

    ``tail`` are values that have no place in the order yet, or can have none (a whole number of 400 digits);
    ``tail_codes`` maps the key of each to its code.
    """

    scalars: Scalars
    lists: Lists
    tail: tuple[Any, ...]
    tail_codes: Mapping[Any, int]

    @property
    def first_list(self) -> int:
        """The code of the first list."""
        return self.scalars.size

    @property
    def first_of_tail(self) -> int:
        """The code of the first value of the tail."""
        return self.scalars.size + len(self.lists)

    @property
    def size(self) -> int:
        """The code behind the last."""
        return self.first_of_tail + len(self.tail)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of the values from the first number on: what an order can be asked of."""
        found = {kind_of(value) for value in self.tail}
        sections = (
            ("number", len(self.scalars.numbers)),
            ("text", len(self.scalars.texts)),
            ("list", len(self.lists)),
        )
        return frozenset(found | {kind for kind, count in sections if count})

    def with_values(self, values: Sequence[Any]) -> tuple[Dictionary, Codes]:
        """Return a dictionary that has all of some values, and their codes, uint32 (len(values),).

        Notes
        -----
        Cost: about 0.1 µs a value, and a search of some µs for each distinct one.
        """
        kinds = set(map(type, values))
        keys = values if kinds <= BASIC else [key_of(value) for value in values]
        first = dict(zip(keys, values, strict=True))
        is_blank = self.first_of_tail == FIRST and kinds <= BASIC
        codes = {
            key: code if code is not None else -1 if is_blank else self._settled_code(value)
            for (key, value), code in zip(first.items(), map(self.tail_codes.get, first), strict=True)
        }
        fresh = [key for key, code in codes.items() if code < 0]
        codes.update(zip(fresh, range(self.size, self.size + len(fresh)), strict=True))
        of_values = np.fromiter(map(codes.__getitem__, keys), dtype=np.uint32, count=len(keys))
        if not fresh:
            return self, of_values
        tail = (*self.tail, *map(first.__getitem__, fresh))
        tail_codes = {**self.tail_codes, **{key: codes[key] for key in fresh}}
        return Dictionary(self.scalars, self.lists, tail, tail_codes), of_values

    def _settled_code(self, value: Any) -> int:  # noqa: ANN401 - a value of any field
        """Return the code of a value before the tail, -1 if it has none."""
        if not isinstance(value, list):
            return self.scalars.code_of(value)
        if not is_plain(value):
            return -1
        found = self.lists.equal_to(value)
        return self.first_list + int(found[0]) if len(found) else -1

    def code_of(self, value: Any) -> int:  # noqa: ANN401 - a value of any field
        """Return the code of a value, -1 if it is not here."""
        code = self.tail_codes.get(key_of(value))
        return self._settled_code(value) if code is None else code

    def packed(self, used: Mask) -> tuple[Dictionary, Codes]:
        """Return a dictionary whose values are in order, those not used left out, and old code → code.

        Parameters
        ----------
        used : bool array of shape (size,)
            Whether a code is used by any row.
        """
        alive = [(code, value) for code, value in enumerate(self.tail, self.first_of_tail) if used[code]]
        as_scalars = [(code, value) for code, value in alive if is_kept(value)]
        as_lists = [(code, value) for code, value in alive if isinstance(value, list) and is_plain(value)]
        settled = {code for code, _ in as_scalars + as_lists}
        rest = [(code, value) for code, value in alive if code not in settled]
        scalars, old, new = self.scalars.merged(used[: self.first_list], [value for _, value in as_scalars])
        lists, old_lists = self.lists.merged(
            used[self.first_list : self.first_of_tail], [value for _, value in as_lists]
        )
        packed = Dictionary(scalars, lists, tuple(value for _, value in rest), {})
        moved = np.zeros(self.size, dtype=np.uint32)
        moved[: self.first_list] = old
        moved[self.first_list : self.first_of_tail] = old_lists + packed.first_list
        moved[[code for code, _ in as_scalars]] = new
        ends = ((as_lists, packed.first_of_tail - len(as_lists)), (rest, packed.first_of_tail))
        for entries, first in ends:
            moved[[code for code, _ in entries]] = np.arange(first, first + len(entries))
        return packed.with_keys(), moved

    def with_keys(self) -> Dictionary:
        """Return it with the codes of its tail."""
        codes = {key_of(value): code for code, value in enumerate(self.tail, self.first_of_tail)}
        return Dictionary(self.scalars, self.lists, self.tail, codes)


def key_of(value: Any) -> Any:  # noqa: ANN401 - a value of any field
    """Return what tells values apart that Python takes for equal, or cannot compare.

    1 and 1.0 are one number, and true is another kind; NaN is itself.
    """
    kind = kind_of(value)
    if kind == "text":
        return value
    if kind == "number":
        return value if value == value else ("number", "nan")  # noqa: PLR0124 - NaN is not equal to itself
    if kind == "list" and set(map(type, value)) <= {str}:
        return ("list", *value)
    if kind == "list" and is_plain(value):
        return ("list", *map(key_of, value))
    return (kind, None if value is MISSING else repr(value))


def of_scalars(scalars: Scalars) -> Dictionary:
    """Return a dictionary of these alone."""
    return Dictionary(scalars, no_lists(), (), {})


def no_values() -> Dictionary:
    """Return an empty one."""
    return of_scalars(no_scalars())
