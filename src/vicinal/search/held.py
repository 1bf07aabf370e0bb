"""Which codes of a dictionary a test lets through: its operator and operand, asked of the distinct values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from vicinal.search.dictionary import Dictionary, key_of, of_scalars
from vicinal.search.meaning import MATCHES, instant_of, kind_of, words_of
from vicinal.search.scalars import FIRST, NULL
from vicinal.search.texts import NO_DATE, encoded
from vicinal.types import Mask, Rows

NOTHING: Rows = np.zeros(0, dtype=np.int64)
MANY = 32
"""More texts or numbers of an ``$in`` are looked for together."""
MOST_SPANS = 4
"""More intervals than these are a table."""


@dataclass(frozen=True, slots=True)
class Held:
    """Codes that are let through: ``spans`` of them, half-open and ascending, and further ``codes`` one by one.

    0, which is missing, is never among them: an operator that holds where the value is missing is the contrary of one
    that does not.
    """

    spans: tuple[tuple[int, int], ...] = ()
    codes: Rows = field(default_factory=lambda: NOTHING)

    def as_spans(self, size: int) -> Held:
        """Return the same codes as intervals only."""
        edges = np.flatnonzero(np.diff(self.table(size).view(np.int8), prepend=0, append=0)).tolist()
        return Held(tuple(zip(edges[::2], edges[1::2], strict=True)))

    def table(self, size: int) -> Mask:
        """Return for each code whether it is let through: bool (size,)."""
        held = np.zeros(size, dtype=np.bool_)
        held[self.codes] = True
        for low, high in self.spans:
            held[low:high] = True
        return held


def both(one: Held, other: Held) -> Held:
    """Return the codes that two let through."""
    found = ((max(a[0], b[0]), min(a[1], b[1])) for a in one.spans for b in other.spans)
    spans = tuple((low, high) for low, high in found if low < high)
    if not len(one.codes) and not len(other.codes):
        return Held(spans)
    codes = [one.codes[_is_in(one.codes, other)], other.codes[_is_in(other.codes, Held(one.spans))]]
    return Held(spans, np.concatenate(codes))


def _is_in(codes: Rows, held: Held) -> Mask:
    """Return which codes are among those that are let through."""
    found = np.isin(codes, held.codes)
    for low, high in held.spans:
        found |= (codes >= low) & (codes < high)
    return found


def held_codes(values: Dictionary, operator: str, operand: Any) -> Held:  # noqa: ANN401 - an operand is any value
    """Return the codes whose values pass: ``MATCHES`` of each, without going through them.

    Parameters
    ----------
    values : Dictionary
        The distinct values.
    operator : str
        One of those that do not hold for a missing value.
    operand
        What the operator may be given.

    Notes
    -----
    Cost: some µs for a search in the sorted values; ``$contains`` and ``$match`` read the distinct texts, ``$contains``
    the lists of one element; a value of the tail is tested by itself.
    """
    spans, codes = TESTS[operator](values, operator, operand)
    matches = MATCHES[operator]
    end = values.first_of_tail
    if operator == "$in":  # each operand against each value of the tail would be thousands times a thousand
        plain = [key_of(one) for one in operand if kind_of(one) not in {"list", "date"}]
        operand = [one for one in operand if kind_of(one) in {"list", "date"}]
        known = [values.tail_codes[key] for key in plain if key in values.tail_codes]
        codes = np.concatenate([codes, np.array(known, dtype=np.int64)])
    told = [code for code, value in enumerate(values.tail, end) if matches(value, operand)]
    found = [np.asarray(one, dtype=np.int64) for one in (codes, told) if len(one)]
    return Held(
        tuple((low, high) for low, high in spans if low < high),
        np.concatenate(found) if len(found) > 1 else found[0] if found else NOTHING,
    )


Spans = list[tuple[int, int]]
Found = tuple[Spans, Rows]


def _equal(values: Dictionary, _: str, operand: Any) -> Found:  # noqa: ANN401 - an operand is any value
    if isinstance(operand, date):
        return _dates(values, lambda instants, instant: instants == instant, operand)
    if isinstance(operand, list):
        if any(isinstance(one, date) for one in operand):
            return [], _equal_lists(values, operand)
        return [], values.lists.equal_to(operand) + values.first_list
    code = values.scalars.code_of(operand)
    return ([(code, code + 1)] if code > 0 else []), NOTHING


def _equal_lists(values: Dictionary, operand: list[Any]) -> Rows:
    """Return the lists that are equal to one with dates in it, which may be spelled in many ways."""
    lists, found = values.lists, np.arange(len(values.lists))
    found = found[lists.starts[1:] - lists.starts[:-1] == len(operand)]
    for step, value in enumerate(operand):
        allowed = held_codes(of_scalars(lists.scalars), "$eq", value).table(lists.scalars.size)
        found = found[allowed[lists.elements[lists.starts[found] + step]]]
    return np.asarray(found + values.first_list)


def _one_of(values: Dictionary, _: str, operand: list[Any]) -> Found:
    spans: Spans = []
    codes = []
    texts = [one for one in operand if isinstance(one, str)]
    if len(texts) > MANY:
        codes.append(values.scalars.texts.places_of([encoded(one) for one in texts]) + values.scalars.first_text)
        operand = [one for one in operand if not isinstance(one, str)]
    numbers = [one for one in operand if kind_of(one) == "number"]
    if len(numbers) > MANY:
        codes.append(values.scalars.numbers.places_of(numbers) + FIRST)
        operand = [one for one in operand if kind_of(one) != "number"]
    for one in operand:
        more, other = _equal(values, "$eq", one)
        spans += more
        codes.append(other)
    if len(spans) <= MOST_SPANS:
        return sorted(set(spans)), np.concatenate([NOTHING, *codes])
    return [], np.concatenate([NOTHING, *(np.arange(low, high, dtype=np.int64) for low, high in spans), *codes])


def _ordered(values: Dictionary, operator: str, operand: Any) -> Found:  # noqa: ANN401 - a number, a text or a date
    if isinstance(operand, date):
        return _dates(values, DATE_TESTS[operator], operand)
    scalars = values.scalars
    inclusive = operator in {"$gte", "$lt"}  # where the border lies before the equal one
    if kind_of(operand) == "number":
        numbers = scalars.numbers
        border = FIRST + (numbers.first_at_least(operand) if inclusive else numbers.first_above(operand))
        low, high = FIRST, scalars.first_text
    else:
        text = encoded(operand)
        place = scalars.texts.first_at_least(text)
        is_there = place < len(scalars.texts) and scalars.texts[place] == text
        border = scalars.first_text + place + (is_there and not inclusive)
        low, high = scalars.first_text, scalars.size
    return [(border, high) if operator in {"$gt", "$gte"} else (low, border)], NOTHING


DATE_TESTS: dict[str, Callable[[Rows, int], Mask]] = {
    "$gt": lambda instants, instant: instants > instant,
    "$gte": lambda instants, instant: instants >= instant,
    "$lt": lambda instants, instant: (instants < instant) & (instants != NO_DATE),
    "$lte": lambda instants, instant: (instants <= instant) & (instants != NO_DATE),
}


def _dates(values: Dictionary, test: Callable[[Rows, int], Mask], operand: date) -> Found:
    """Return the codes of texts that are dates and pass a test."""
    instant = instant_of(operand)
    places = np.flatnonzero(test(values.scalars.texts.instants(), NO_DATE + 1 if instant is None else instant))
    first = values.scalars.first_text
    if len(places) and places[-1] - places[0] + 1 == len(places):  # spelled alike, dates are in their order
        return [(first + int(places[0]), first + int(places[-1]) + 1)], NOTHING
    return [], places + first


def _contains(values: Dictionary, _: str, operand: Any) -> Found:  # noqa: ANN401 - any scalar
    lists = values.lists
    if isinstance(operand, date):
        among = of_scalars(lists.scalars)
        held = np.flatnonzero(held_codes(among, "$eq", operand).table(lists.scalars.size))
        places = np.concatenate([NOTHING, *(lists.holding_codes(code, code + 1) for code in held.tolist())])
        return [], np.unique(places) + values.first_list
    found = lists.holding(operand) + values.first_list
    if isinstance(operand, str):
        found = np.concatenate([values.scalars.texts.holding(encoded(operand)) + values.scalars.first_text, found])
    return [], found


def _prefix(values: Dictionary, _: str, operand: str) -> Found:
    low, high = values.scalars.texts.beginning(encoded(operand))
    first = values.scalars.first_text
    return [(first + low, first + high)], NOTHING


def _match(values: Dictionary, _: str, operand: str) -> Found:
    return [], values.scalars.texts.with_words(sorted(set(words_of(operand)))) + values.scalars.first_text


def _there(values: Dictionary, _: str, __: bool) -> Found:
    return [(NULL, values.first_of_tail)], NOTHING


TESTS: dict[str, Callable[[Dictionary, str, Any], Found]] = {
    "$eq": _equal,
    "$in": _one_of,
    "$gt": _ordered,
    "$gte": _ordered,
    "$lt": _ordered,
    "$lte": _ordered,
    "$contains": _contains,
    "$prefix": _prefix,
    "$match": _match,
    "$exists": _there,
}
