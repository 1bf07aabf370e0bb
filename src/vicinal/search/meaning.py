"""What a filter means, one value at a time: kinds of values, and for each operator a test of one value.

Slow and obvious: the oracle of the columns, and what answers where a value is in none of their sorted parts.
The grammar is in docs/reference/filters.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

MISSING = object()
"""The value of a field that a record does not have; null is another."""

KINDS: dict[type, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "list",
}
"""The kinds of what JSON holds, by the type alone."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
"""Text that may be a date: ISO 8601 in its long form, with a time and a zone or without."""
WORD = re.compile(r"\w+")


def kind_of(value: object) -> str:
    """Return what a value is to a filter: a boolean is no number, and null is not missing."""
    found = KINDS.get(type(value))
    if found is not None:
        return found
    if value is MISSING:
        return "missing"
    if isinstance(value, date):
        return "date"
    return next((kind for base, kind in KINDS.items() if isinstance(value, base)), "other")


def instant_of(value: str | date) -> int | None:
    """Return the microseconds since 1970 (UTC) of a date, or of text that is one; None for other text.

    A date without a time is the start of its day; what names no zone is in UTC.
    """
    if isinstance(value, str):
        if DATE.fullmatch(value) is None:
            return None
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif value.tzinfo is None or value.utcoffset() is None:
        value = value.replace(tzinfo=UTC)
    return (value - EPOCH) // MICROSECOND


def words_of(text: str) -> list[str]:
    """Return the words of a text as ``$match`` compares them: runs of letters, digits and _, their case folded."""
    return WORD.findall(text.casefold())


def _equal(value: Any, operand: Any) -> bool:  # noqa: ANN401 - a value of any field
    if isinstance(value, list) and isinstance(operand, list):  # Python takes [1] for [True]
        return len(value) == len(operand) and all(map(_equal, value, operand))
    if isinstance(operand, date):
        return isinstance(value, str) and instant_of(value) == instant_of(operand)
    return kind_of(value) == kind_of(operand) and bool(value == operand)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a test of order that is false between different kinds; a date is compared with text that is one."""

    def holds(value: Any, operand: Any) -> bool:  # noqa: ANN401 - a value of any field
        if isinstance(operand, date):
            instant = instant_of(value) if isinstance(value, str) else None
            return instant is not None and test(instant, instant_of(operand))
        return kind_of(value) == kind_of(operand) and test(value, operand)

    return holds


def _contains(value: Any, operand: Any) -> bool:  # noqa: ANN401 - a value of any field
    if isinstance(value, list):
        return any(_equal(element, operand) for element in value)
    return isinstance(value, str) and isinstance(operand, str) and operand in value


def _has_words(value: Any, operand: str) -> bool:  # noqa: ANN401 - a value of any field
    return isinstance(value, str) and set(words_of(operand)) <= set(words_of(value))


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
    "$match": _has_words,
    "$exists": lambda value, operand: (value is not MISSING) == operand,
}
"""Operator → whether a value passes with an operand."""

OPERATORS = tuple(MATCHES)

NEGATED = {"$ne": "$eq", "$nin": "$in"}
"""Operators that are the contrary of another, also where the value is missing."""
