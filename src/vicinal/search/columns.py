"""Fields by column: each record's value as the number of a distinct value, so that a test runs once per value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vicinal.types import Mask, Rows

MISSING = object()
"""The value of a field that a record does not have; null is another."""


@dataclass(slots=True)
class Column:
    """One field: ``values[codes[i]]`` is its value in the i-th record; code 0 is ``MISSING``."""

    codes: Rows
    values: list[Any] = field(default_factory=lambda: [MISSING])
    _code_of: dict[tuple[type, Any], int] = field(default_factory=dict)

    def put(self, place: int, value: Any) -> None:  # noqa: ANN401 - a value of any field
        """Set the value of the record at a place."""
        key = (type(value), _hashable(value))  # the type too: 1, 1.0 and True are equal but not the same
        code = self._code_of.get(key)
        if code is None:
            code = self._code_of[key] = len(self.values)
            self.values.append(value)
        self.codes[place] = code


def _hashable(value: Any) -> Any:  # noqa: ANN401 - a value of any field
    """Return a list as a tuple of typed elements, anything else as it is."""
    return tuple((type(element), element) for element in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """All fields of some records. ``numbers`` int64 (R,), ascending, are the records'."""

    numbers: Rows
    by_name: Mapping[str, Column]

    @classmethod
    def of(cls, records: Iterable[tuple[int, Mapping[str, Any]]]) -> Columns:
        """Return the columns of (record number, fields), numbers ascending. Cost: one pass, about 1 µs a value."""
        listed = list(records)
        columns: dict[str, Column] = {}
        for place, (_, fields) in enumerate(listed):
            for name, value in fields.items():
                if name not in columns:
                    columns[name] = Column(np.zeros(len(listed), dtype=np.int64))
                columns[name].put(place, value)
        return cls(numbers=np.array([number for number, _ in listed], dtype=np.int64), by_name=columns)

    def rows(self, of_records: Mask, owner: Rows) -> Mask:
        """Return which rows belong to the records that a mask (R,) lets through: bool, one for each in ``owner``.

        ``owner`` int64 has the record number of each row, -1 for a dead one.
        """
        if not len(self.numbers):
            return np.zeros(len(owner), dtype=np.bool_)
        places = np.minimum(np.searchsorted(self.numbers, owner), len(self.numbers) - 1)
        return np.asarray((self.numbers[places] == owner) & of_records[places])
