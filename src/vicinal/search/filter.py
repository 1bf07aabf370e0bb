"""Filters: a condition over fields, checked when it is written and true or false for each record.

The grammar is in docs/reference/filters.md. ``MATCHES`` is its meaning, one value at a time.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vicinal.errors import DtypeError, InputError, RangeError, UnknownNameError
from vicinal.search.columns import MISSING, Column, Columns
from vicinal.types import Mask, Where

MAX_DEPTH = 32
"""Conditions inside conditions; more is no filter but an attack."""


def kind_of(value: object) -> str:
    """Return what a value is to a filter: a boolean is no number, and null is not missing."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "other"


def _equal(value: Any, operand: Any) -> bool:  # noqa: ANN401 - a value of any field
    if isinstance(value, list) and isinstance(operand, list):  # Python takes [1] for [True]
        return len(value) == len(operand) and all(map(_equal, value, operand))
    return kind_of(value) == kind_of(operand) and bool(value == operand)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a test of order that is false between different kinds."""
    return lambda value, operand: kind_of(value) == kind_of(operand) and test(value, operand)


def _contains(value: Any, operand: Any) -> bool:  # noqa: ANN401 - a value of any field
    if isinstance(value, list):
        return any(_equal(element, operand) for element in value)
    return isinstance(value, str) and isinstance(operand, str) and operand in value


MATCHES: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda value, operand: not _equal(value, operand),
    "$gt": _ordered(lambda value, operand: value > operand),
    "$gte": _ordered(lambda value, operand: value >= operand),
    "$lt": _ordered(lambda value, operand: value < operand),
    "$lte": _ordered(lambda value, operand: value <= operand),
    "$in": lambda value, operand: any(_equal(value, one) for one in operand),
    "$nin": lambda value, operand: not any(_equal(value, one) for one in operand),
    "$contains": _contains,
    "$prefix": lambda value, operand: isinstance(value, str) and value.startswith(operand),
    "$exists": lambda value, operand: (value is not MISSING) == operand,
}
OPERATORS = tuple(MATCHES)

OPERANDS: dict[str, tuple[str, ...]] = {
    "$eq": ("null", "boolean", "number", "text", "list"),
    "$ne": ("null", "boolean", "number", "text", "list"),
    "$gt": ("number", "text"),
    "$gte": ("number", "text"),
    "$lt": ("number", "text"),
    "$lte": ("number", "text"),
    "$in": ("list",),
    "$nin": ("list",),
    "$contains": ("null", "boolean", "number", "text"),
    "$prefix": ("text",),
    "$exists": ("boolean",),
}
"""What each operator may be given."""

COMPARED_KIND = {"$gt", "$gte", "$lt", "$lte", "$prefix"}
"""Operators that are false for values of another kind, so that a wrong kind would hide as an empty answer."""


class Filter(Protocol):
    """A compiled condition."""

    def mask(self, columns: Columns) -> Mask:
        """Return for which records it holds: bool (R,)."""
        ...


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[Filter, ...]

    def mask(self, columns: Columns) -> Mask:
        held = np.ones(len(columns.numbers), dtype=np.bool_)
        for part in self.parts:
            held &= part.mask(columns)
        return held


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple[Filter, ...]

    def mask(self, columns: Columns) -> Mask:
        held = np.zeros(len(columns.numbers), dtype=np.bool_)
        for part in self.parts:
            held |= part.mask(columns)
        return held


@dataclass(frozen=True, slots=True)
class _Not:
    part: Filter

    def mask(self, columns: Columns) -> Mask:
        return np.logical_not(self.part.mask(columns))


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    operator: str
    operand: Any

    def mask(self, columns: Columns) -> Mask:
        column = columns.by_name.get(self.name)
        if column is None:
            return self._unknown(columns)
        self._check_kind(column)
        matches = MATCHES[self.operator]
        held = np.array([matches(value, self.operand) for value in column.values], dtype=np.bool_)
        return np.asarray(held[column.codes])

    def _unknown(self, columns: Columns) -> Mask:
        """Answer for a field that no record has: loudly, unless that is the question or nothing is stored."""
        if len(columns.numbers) and self.operator != "$exists":
            close = difflib.get_close_matches(self.name, columns.by_name, n=1)
            hint = (
                f"Did you mean {close[0]!r}?"
                if close
                else f"There are: {', '.join(sorted(columns.by_name)) or 'none'}."
            )
            raise UnknownNameError(f"No record has a field {self.name!r}. {hint}", got=self.name, where="where")
        return np.full(len(columns.numbers), MATCHES[self.operator](MISSING, self.operand), dtype=np.bool_)

    def _check_kind(self, column: Column) -> None:
        """Refuse an operand that no value of the field could be compared with."""
        if self.operator not in COMPARED_KIND:
            return
        kinds = {kind_of(value) for value in column.values[1:]} - {"null"}
        if kinds and kind_of(self.operand) not in kinds:
            held = " and ".join(sorted(kinds))
            raise DtypeError(
                f"Field {self.name!r} holds {held}, but {self.operator} was given a {kind_of(self.operand)}.",
                expected=held,
                got=kind_of(self.operand),
                where=self.name,
            )


def compile_filter(where: Where) -> Filter:
    """Return the condition that a mapping describes.

    Parameters
    ----------
    where : mapping
        Field → value or {operator: operand}; ``$and`` and ``$or`` → list of conditions, ``$not`` → condition.
        All entries of a mapping must hold.

    Raises
    ------
    InputError, UnknownNameError, DtypeError, RangeError
        It is no condition; the message names the place.
    """
    return _compile(where, 0)


def _compile(where: object, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise RangeError(f"The filter is nested deeper than {MAX_DEPTH}.", expected=f"<= {MAX_DEPTH}", where="where")
    if not isinstance(where, Mapping):
        raise DtypeError(
            f"A filter must be an object of fields, got {kind_of(where)}.",
            expected="object",
            got=kind_of(where),
            where="where",
        )
    parts: list[Filter] = []
    for name, condition in where.items():
        if not isinstance(name, str):
            raise DtypeError(
                "The names in a filter must be strings.", expected="str", got=type(name).__name__, where="where"
            )
        parts.extend(_entry(name, condition, depth))
    return parts[0] if len(parts) == 1 else _All(tuple(parts))


def _entry(name: str, condition: object, depth: int) -> list[Filter]:
    """Return the conditions of one entry of a mapping."""
    if name in {"$and", "$or"}:
        if not isinstance(condition, list | tuple):
            raise DtypeError(
                f"{name} must be a list of filters, got {kind_of(condition)}.",
                expected="list",
                got=kind_of(condition),
                where=name,
            )
        inner = tuple(_compile(part, depth + 1) for part in condition)
        return [_All(inner) if name == "$and" else _Any(inner)]
    if name == "$not":
        return [_Not(_compile(condition, depth + 1))]
    if name.startswith("$"):
        raise UnknownNameError(
            f"{name!r} is no way to join filters; there are $and, $or, $not, and operators stand behind a field.",
            expected="$and, $or, $not",
            got=name,
            where="where",
        )
    if not isinstance(condition, Mapping):
        return [_test(name, "$eq", condition)]
    if not condition:
        raise InputError(f"Field {name!r} has an empty condition.", where=name)
    return [_test(name, str(operator), operand) for operator, operand in condition.items()]


def _test(name: str, operator: str, operand: Any) -> Filter:  # noqa: ANN401 - a value of any field
    if operator not in MATCHES:
        listed = ", ".join(OPERATORS)
        raise UnknownNameError(
            f"{operator!r} is no operator; there are {listed}.", expected=listed, got=operator, where=name
        )
    operand = list(operand) if isinstance(operand, tuple) else operand
    if kind_of(operand) not in OPERANDS[operator]:
        allowed = " or ".join(OPERANDS[operator])
        raise DtypeError(
            f"{operator} of field {name!r} needs {allowed}, got {kind_of(operand)}.",
            expected=allowed,
            got=kind_of(operand),
            where=name,
        )
    return _Test(name, operator, operand)
