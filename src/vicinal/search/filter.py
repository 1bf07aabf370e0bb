"""Filters: a condition over fields, checked when it is written and true or false for each row.

The grammar is in docs/reference/filters.md. ``MATCHES`` is its meaning, one value at a time.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, UnknownNameError
from vicinal.search.columns import Columns
from vicinal.search.dictionary import key_of
from vicinal.search.held import both, held_codes
from vicinal.search.meaning import MATCHES, NEGATED, OPERATORS, instant_of, kind_of, words_of
from vicinal.search.pages import Page
from vicinal.types import Bits, Mask, Where

__all__ = ["MATCHES", "OPERANDS", "OPERATORS", "Filter", "compile_filter", "kind_of"]

MAX_DEPTH = 32
"""Conditions inside conditions; more is no filter but an attack."""

SCALAR = ("null", "boolean", "number", "text", "date")
ORDERED = ("number", "text", "date")
OPERANDS: dict[str, tuple[str, ...]] = {
    "$eq": (*SCALAR, "list"),
    "$ne": (*SCALAR, "list"),
    "$gt": ORDERED,
    "$gte": ORDERED,
    "$lt": ORDERED,
    "$lte": ORDERED,
    "$in": ("list",),
    "$nin": ("list",),
    "$contains": SCALAR,
    "$prefix": ("text",),
    "$match": ("text",),
    "$exists": ("boolean",),
}
"""What each operator may be given."""

COMPARED_KIND = {"$gt", "$gte", "$lt", "$lte", "$prefix", "$match"}
"""Operators that are false for values of another kind, so that a wrong kind would hide as an empty answer."""


class _Condition(Protocol):
    """A part of a filter. ``key`` tells it from any part that means something else."""

    @property
    def key(self) -> bytes: ...

    def check(self, columns: Columns) -> None:
        """Refuse what could only be empty by mistake."""
        ...

    def bits(self, page: Page) -> Bits:
        """Return the rows of a page for which it holds; the caller may write to them."""
        ...


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled condition."""

    _condition: _Condition
    _key: bytes

    def bits(self, columns: Columns) -> Bits:
        """Return for which rows it holds, dead ones and gaps counted as records without fields.

        Returns
        -------
        uint64 array of ``ceil(columns.next_row / 64)`` words
            Not to be written to. Those of the last filters are remembered, up to 64 MB of them.

        Raises
        ------
        UnknownNameError
            No record has such a field.
        DtypeError
            An order, prefix or match was asked of a field that has no value of the operand's kind.

        Notes
        -----
        Cost: about 0.1 ms a condition and a million rows, less where few rows pass; ``$contains`` and ``$match``
        read the distinct texts of the field. What was asked before costs 1 µs, and after a commit its pages only.
        """
        return columns.bits(self._key, self._condition.check, self._condition.bits)

    def mask(self, columns: Columns) -> Mask:
        """Return the same as booleans, (next_row,)."""
        return columns.mask(self.bits(columns))


@dataclass(frozen=True, slots=True)
class _All:
    parts: tuple[_Condition, ...]

    @property
    def key(self) -> bytes:
        return _digest("$and", *sorted(part.key for part in self.parts))

    def check(self, columns: Columns) -> None:
        for part in self.parts:
            part.check(columns)

    def bits(self, page: Page) -> Bits:
        held = _every_row(page)
        for part in self.parts:
            held &= part.bits(page)
        return held


@dataclass(frozen=True, slots=True)
class _Any:
    parts: tuple[_Condition, ...]

    @property
    def key(self) -> bytes:
        return _digest("$or", *sorted(part.key for part in self.parts))

    def check(self, columns: Columns) -> None:
        for part in self.parts:
            part.check(columns)

    def bits(self, page: Page) -> Bits:
        held = np.zeros(page.word_count, dtype=np.uint64)
        for part in self.parts:
            held |= part.bits(page)
        return held


@dataclass(frozen=True, slots=True)
class _Not:
    part: _Condition

    @property
    def key(self) -> bytes:
        return _digest("$not", self.part.key)

    def check(self, columns: Columns) -> None:
        self.part.check(columns)

    def bits(self, page: Page) -> Bits:
        return _every_row(page) ^ self.part.bits(page)


@dataclass(frozen=True, slots=True)
class _Test:
    name: str
    operator: str
    operand: Any

    @property
    def key(self) -> bytes:
        return _digest(self.operator, self.name, _operand_key(self.operand))

    def check(self, columns: Columns) -> None:
        kinds = columns.kinds(self.name)
        if kinds is None:
            self._check_known(columns)
        elif self.operator in COMPARED_KIND:
            self._check_kind(columns, kinds)

    def _check_kind(self, columns: Columns, kinds: frozenset[str]) -> None:
        """Refuse an operand that no value of the field could be compared with."""
        given = kind_of(self.operand)
        if ("text" if given == "date" else given) in kinds:
            return
        held = " and ".join(sorted(kinds | ({"boolean"} if columns.has_booleans(self.name) else set())))
        if held:
            raise DtypeError(
                f"Field {self.name!r} holds {held}, but {self.operator} was given a {given}.",
                expected=held,
                got=given,
                where=self.name,
            )

    def _check_known(self, columns: Columns) -> None:
        """Refuse a field that no record has, unless that is the question or nothing is stored."""
        if not columns.next_row or self.operator == "$exists":
            return
        names = columns.names
        close = difflib.get_close_matches(self.name, names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names) or 'none'}."
        raise UnknownNameError(f"No record has a field {self.name!r}. {hint}", got=self.name, where="where")

    def bits(self, page: Page) -> Bits:
        column = page.columns.get(self.name)
        if column is None:
            return np.zeros(page.word_count, dtype=np.uint64)
        return column.bits(held_codes(column.values, self.operator, self.operand), page.word_count)


@dataclass(frozen=True, slots=True)
class _Tests:
    """Several operators of one field, as the two ends of a range: one scan for all of them."""

    name: str
    tests: tuple[_Test, ...]

    @property
    def key(self) -> bytes:
        return _digest("$and", *sorted(test.key for test in self.tests))

    def check(self, columns: Columns) -> None:
        for test in self.tests:
            test.check(columns)

    def bits(self, page: Page) -> Bits:
        column = page.columns.get(self.name)
        if column is None:
            return np.zeros(page.word_count, dtype=np.uint64)
        found = (held_codes(column.values, test.operator, test.operand) for test in self.tests)
        return column.bits(functools.reduce(both, found), page.word_count)


def _every_row(page: Page) -> Bits:
    """Return the bitmap of all rows of a page."""
    bits = np.full(page.word_count, np.iinfo(np.uint64).max, dtype=np.uint64)
    if page.row_count % 64:
        bits[-1] = (1 << page.row_count % 64) - 1
    return bits


def _digest(*parts: Any) -> bytes:  # noqa: ANN401 - whatever its ``repr`` tells from others
    """Return what tells a condition from any other in a few bytes, however long its operand."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _operand_key(operand: Any) -> Any:  # noqa: ANN401 - any operand
    """Return what tells an operand from others of another meaning."""
    if isinstance(operand, list):
        return ("list", *map(_operand_key, operand))
    if isinstance(operand, float) and operand.is_integer():
        operand = int(operand)  # one number, however it is written
    return ("date", instant_of(operand)) if isinstance(operand, date) else (kind_of(operand), key_of(operand))


def compile_filter(where: Where) -> Filter:
    """Return the condition that a mapping describes.

    Parameters
    ----------
    where : mapping
        Field → value or {operator: operand}; ``$and`` and ``$or`` → list of conditions, ``$not`` → condition.
        All entries of a mapping must hold. An operand may be a ``datetime.date`` or ``datetime.datetime``.

    Raises
    ------
    InputError, UnknownNameError, DtypeError, RangeError, NonFiniteError
        It is no condition; the message names the place.
    """
    condition = _compile(where, 0)
    return Filter(condition, condition.key)


def _compile(where: object, depth: int) -> _Condition:
    if depth > MAX_DEPTH:
        raise RangeError(f"The filter is nested deeper than {MAX_DEPTH}.", expected=f"<= {MAX_DEPTH}", where="where")
    if not isinstance(where, Mapping):
        raise DtypeError(
            f"A filter must be an object of fields, got {kind_of(where)}.",
            expected="object",
            got=kind_of(where),
            where="where",
        )
    parts: list[_Condition] = []
    for name, condition in where.items():
        if not isinstance(name, str):
            raise DtypeError(
                "The names in a filter must be strings.", expected="str", got=type(name).__name__, where="where"
            )
        parts.extend(_entry(name, condition, depth))
    return parts[0] if len(parts) == 1 else _All(tuple(parts))


def _entry(name: str, condition: object, depth: int) -> list[_Condition]:
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
    tests = [_test(name, str(operator), operand) for operator, operand in condition.items()]
    plain = tuple(test for test in tests if isinstance(test, _Test))
    if len(plain) <= 1:
        return tests
    return [_Tests(name, plain), *(test for test in tests if not isinstance(test, _Test))]


def _test(name: str, operator: str, operand: Any) -> _Condition:  # noqa: ANN401 - a value of any field
    if operator not in MATCHES:
        listed = ", ".join(OPERATORS)
        raise UnknownNameError(
            f"{operator!r} is no operator; there are {listed}.", expected=listed, got=operator, where=name
        )
    operand = _checked_operand(name, operator, operand, OPERANDS[operator])
    if operator == "$match" and not words_of(operand):
        raise RangeError(f"$match of field {name!r} needs at least one word.", where=name)
    if operator in NEGATED:
        return _Not(_Test(name, NEGATED[operator], operand))
    if operator == "$exists" and not operand:
        return _Not(_Test(name, operator, operand=True))
    return _Test(name, operator, operand)


def _checked_operand(name: str, operator: str, operand: Any, allowed: tuple[str, ...]) -> Any:  # noqa: ANN401 - any
    """Return an operand, tuples as lists, if it and its elements are of the kinds that the operator takes."""
    operand = list(operand) if isinstance(operand, tuple) else operand
    kind = kind_of(operand)
    if kind not in allowed:
        listed = " or ".join(allowed)
        raise DtypeError(
            f"{operator} of field {name!r} needs {listed}, got {kind}.", expected=listed, got=kind, where=name
        )
    if kind == "number" and operand != operand:  # noqa: PLR0124 - NaN is not equal to itself
        raise NonFiniteError(f"{operator} of field {name!r} was given NaN, which is equal to nothing.", where=name)
    if kind != "list":
        return operand
    inner = OPERANDS["$eq"] if operator in {"$in", "$nin"} and allowed == OPERANDS[operator] else SCALAR
    return [_checked_operand(name, operator, element, inner) for element in operand]
