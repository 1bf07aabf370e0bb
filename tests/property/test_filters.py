"""Filters over columns are what single values say, whatever was written in whatever order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vicinal.errors import DtypeError, UnknownNameError
from vicinal.search import OPERATORS, Columns, compile_filter, held, pages
from vicinal.search import column as column_module
from vicinal.search.filter import COMPARED_KIND, MATCHES, OPERANDS, kind_of
from vicinal.search.meaning import MISSING, words_of

HUGE = [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 + 1, 10**400, -(10**400), 3**300, 3**300 + 1]
NUMBERS = (
    st.integers(-3, 3)
    | st.sampled_from([*HUGE, 0.5, 1.0, -0.0, 2.0**53, float(2**63), 1e308, -1e308, 5e-324])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
DATES = st.sampled_from(
    ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01 02:00+02:00", "2019-12-31T23:59:59.999999", "2020-13-01", "2020"]
)
PIECES = st.sampled_from(
    [
        "",
        "a",
        "ab",
        "aB",
        "b a",
        "Straße",
        "STRASSE",
        "ß",
        "ﬁ",
        "fi",
        "é_1",
        "日本 語",
        "\x00",
        "𝒳",
        "\ud800",
        "\udcff",
        "\udfff",
        "ÿ",
    ]
)
TEXTS = PIECES | DATES | st.text(max_size=4) | st.lists(PIECES, max_size=3).map(" ".join)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=3)
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))])
MOMENTS = st.sampled_from(
    [*map(datetime.fromisoformat, ("2020-01-01", "2019-12-31T23:59:59.999999", "0001-01-01", "9999-12-31T23:59:59"))]
)
DAYS = st.sampled_from([date(2020, 1, 1), date.min]) | st.builds(
    lambda at, zone: at.replace(tzinfo=zone), MOMENTS, ZONES
)
OPERANDS_DRAWN = VALUES | DAYS | st.lists(SCALARS | DAYS | st.lists(SCALARS | DAYS, max_size=2), max_size=3)
FIELDS = st.dictionaries(st.sampled_from(["f", "g"]), VALUES, max_size=2)


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Pages, tails and postings so small that every path is gone with a few values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_ROWS", 64)
        patch.setattr(pages, "BATCH_RECORDS", 5)
        patch.setattr(column_module, "MOST_IN_TAIL", 3)
        patch.setattr(column_module, "MOST_CHANGED", 4)
        patch.setattr(column_module, "FEW", 2)
        patch.setattr(column_module, "NARROW", 8)
        patch.setattr(held, "MANY", 1)
        yield


def labelled(records: list[dict[str, Any]], rows_of_each: int = 1) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Give each record its rows, one after the other."""
    return ((place * rows_of_each, rows_of_each, fields) for place, fields in enumerate(records))


def expected(rows: list[dict[str, Any]], operator: str, operand: Any) -> list[bool]:
    """Say row by row what the operator holds for."""
    return [MATCHES[operator](fields.get("f", MISSING), operand) for fields in rows]


def is_refused(where: Any, columns: Columns, rows: list[dict[str, Any]], operator: str, operand: Any) -> bool:
    """Return whether a filter is refused, and check that it had to be."""
    kinds = {kind_of(fields["f"]) for fields in rows if "f" in fields}
    try:
        compile_filter(where).bits(columns)
    except UnknownNameError:
        assert not kinds
        assert operator != "$exists"
        return True
    except DtypeError:
        asked = {"date": "text"}.get(kind_of(operand), kind_of(operand))
        assert asked not in kinds
        assert kinds - {"null"}
        return True
    assert (
        operator not in COMPARED_KIND
        or not kinds - {"null"}
        or {"date": "text"}.get(kind_of(operand), kind_of(operand)) in kinds
    )
    return False


def is_allowed(operator: str, operand: Any) -> bool:
    """Return whether an operand is one of the operator's."""
    if kind_of(operand) not in OPERANDS[operator] or (operator == "$match" and not words_of(operand)):
        return False
    if isinstance(operand, list):
        nested = any(isinstance(element, list) for element in operand)
        return operator in {"$in", "$nin"} or not nested
    return True


@settings(max_examples=200)
@given(st.lists(FIELDS, max_size=30), st.integers(1, 9), st.sampled_from(OPERATORS), OPERANDS_DRAWN)
def test_bits_are_what_single_values_say(
    records: list[dict[str, Any]], rows_of_each: int, operator: str, operand: Any
) -> None:
    """Every operator, every kind of value: nulls, missing ones, huge numbers, dates, lone surrogates, empty lists."""
    if not is_allowed(operator, operand):
        return
    rows = [fields for fields in records for _ in range(rows_of_each)]
    columns = Columns.empty().advanced(len(rows), labelled(records, rows_of_each))
    where = {"f": {operator: operand}}
    if is_refused(where, columns, rows, operator, operand):
        return
    found = compile_filter(where)
    assert found.mask(columns).tolist() == expected(rows, operator, operand)
    opposite = compile_filter({"$not": where})
    assert opposite.mask(columns).tolist() == [not one for one in expected(rows, operator, operand)]
    assert opposite.bits(columns).tobytes() == np.packbits(opposite.mask(columns), bitorder="little").tobytes().ljust(
        opposite.bits(columns).nbytes, b"\0"
    )


QUESTIONS = [
    {"f": {"$gte": 0}}, {"f": {"$lt": "b"}}, {"f": 1}, {"f": {"$in": [1, "a", None, [True]]}}, {"f": {"$ne": "ab"}},
    {"f": {"$gte": -1, "$lt": 2, "$ne": 1}}, {"f": {"$gt": "a", "$lte": "b", "$contains": "b"}}, {"f": {"$contains": "a"}}, {"f": {"$contains": 1}}, {"f": {"$match": "strasse"}}, {"f": {"$exists": False}},
    {"$or": [{"f": True}, {"$not": {"f": {"$gt": -1}}}]}, {"f": {"$lte": date(2020, 1, 1)}}, {"f": {"$eq": []}},
]  # fmt: skip


def holds(where: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Say what a filter holds for, by the meaning alone."""
    for name, condition in where.items():
        if name == "$or":
            return any(holds(one, fields) for one in condition)
        if name == "$not":
            return not holds(condition, fields)
        tests = condition if isinstance(condition, dict) else {"$eq": condition}
        if not all(MATCHES[operator](fields.get(name, MISSING), one) for operator, one in tests.items()):
            return False
    return True


class Followed(RuleBasedStateMachine):
    """Columns that follow what is written, against a list of what each row has; older ones stay as they were."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.records: list[tuple[int, int]] = []
        self.columns = Columns.empty(cache_bytes=4096)
        self.older: list[tuple[Columns, list[dict[str, Any]], list[tuple[int, int]]]] = []

    @initialize(folder=st.integers())
    def begin(self, folder: int) -> None:
        """Have all kinds of values, so that no question is refused."""
        self.write([({"f": value}, 1) for value in (1, "a", True, [1], None)], [], 0)

    @rule(
        new=st.lists(st.tuples(FIELDS, st.integers(0, 70)), max_size=6),
        changed=st.lists(st.tuples(st.integers(0, 1000), FIELDS), max_size=4),
        gap=st.sampled_from([0, 0, 0, 1, 64, 130]),
    )
    def write(self, new: list[tuple[dict[str, Any], int]], changed: list[tuple[int, dict[str, Any]]], gap: int) -> None:
        """Append records and give others new fields, as one commit."""
        self.older = [*self.older, (self.columns, list(self.rows), list(self.records))][-3:]
        self.rows += [{}] * gap
        appended = []
        for fields, count in new:
            if count:
                self.records.append((len(self.rows), count))
                appended.append((len(self.rows), count, fields))
            self.rows += [fields] * count
        relabelled = []
        for place, fields in changed if self.records else []:
            first, count = self.records[place % len(self.records)]
            self.rows[first : first + count] = [fields] * count
            relabelled.append((first, count, fields))
        self.columns = self.columns.advanced(len(self.rows), appended, relabelled)

    @rule(place=st.integers(0, 2))
    def go_back(self, place: int) -> None:
        """Advance older columns another way than they went before."""
        if place < len(self.older):
            self.columns, rows, records = self.older[place]
            self.rows, self.records = list(rows), list(records)

    @rule()
    def read_again(self) -> None:
        """Feed all records once more, as after a lost watermark."""
        feed = [(first, count, self.rows[first]) for first, count in self.records]
        self.columns = self.columns.advanced(len(self.rows), feed)

    @rule()
    def save_and_open(self) -> None:
        """Close the program in between."""
        with tempfile.TemporaryDirectory() as folder:
            self.columns.save(Path(folder), {"lane": 1})
            assert Columns.open(Path(folder), lambda meta: meta["lane"] == 2) is None
            found = Columns.open(Path(folder), lambda meta: meta["lane"] == 1)
        assert found is not None
        assert found.names == self.columns.names
        self.columns = found

    @invariant()
    def answers_are_those_of_the_rows(self) -> None:
        """Every version answers for its own rows."""
        for columns, rows, _ in [*self.older, (self.columns, self.rows, [])]:
            assert columns.next_row == len(rows)
            for where in QUESTIONS if columns.kinds("f") else []:
                try:
                    told = compile_filter(where).mask(columns).tolist()
                except DtypeError as error:
                    kinds = {kind_of(fields["f"]) for fields in rows if "f" in fields}
                    assert {"date": "text"}.get(error.got, error.got) not in kinds
                    continue
                assert told == [holds(where, fields) for fields in rows]


TestFollowed = Followed.TestCase
TestFollowed.settings = settings(max_examples=10, stateful_step_count=8, deadline=None, report_multiple_bugs=False)
