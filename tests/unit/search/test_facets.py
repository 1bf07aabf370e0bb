"""Facets are what a walk over the records counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.errors import DtypeError, RangeError, ShapeError
from vicinal.search import Columns, facets, pages
from vicinal.search.dictionary import key_of
from vicinal.search.facets import RangeCount, ValueCount, facet, one_row_each, range_facet

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([0.5, 1.0, 2**53 + 1, 10**400, -1e308, 2.0**70])
    | st.sampled_from(["", "a", "b", "ä", "1", "\ud800"])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | st.just([["a"], "a"])
RECORDS = st.lists(
    st.tuples(st.integers(1, 3), st.none() | VALUES.map(lambda value: {"f": value})), min_size=20, max_size=60
) | st.lists(st.tuples(st.integers(1, 3), st.none() | VALUES.map(lambda value: {"f": value})), max_size=5)


def columns_of(records, *, parts=1):
    """Return (columns, heads) of (row count, fields) records, written in some commits."""
    labelled, heads, row = [], [], 0
    for count, fields in records:
        labelled.append((row, count, fields or {}))
        heads.append(row)
        row += count
    columns = Columns.empty()
    step = max(1, -(-len(labelled) // parts))
    for start in range(0, len(labelled), step):
        part = labelled[start : start + step]
        columns = columns.advanced(part[-1][0] + part[-1][1], part)
    return columns, kernels.bits_of_rows(np.array(heads, dtype=np.int64), row)


def all_rows(columns):
    """Return the bitmap of all rows."""
    return kernels.bits_of_mask(np.ones(columns.next_row, dtype=np.bool_))


def slow_facet(records):
    """Count by walking: ({key: count}, missing)."""
    counts, missing = Counter(), 0
    for _, fields in records:
        if not fields:
            missing += 1
            continue
        value = fields["f"]
        counts.update({key_of(one) for one in value} if isinstance(value, list) else [key_of(value)])
    return counts, missing


@settings(max_examples=80)
@given(RECORDS, st.integers(1, 3), st.data())
def test_counts_are_those_of_a_walk(records, parts, data):
    """Any values, any commits, any records let through: the counts by value, the others and the missing."""
    with pytest.MonkeyPatch.context() as patch:  # so that full pages have their values in order
        patch.setattr(pages, "PAGE_ROWS", 64)
        patch.setattr(facets, "PAGE_ROWS", 64)
        walk(records, parts, data)


def walk(records, parts, data):
    """Compare facets of some of the records with a walk over them."""
    columns, heads = columns_of(records, parts=parts)
    chosen = [data.draw(st.booleans()) for _ in records]
    rows = np.flatnonzero(kernels.mask_of_bits(heads, columns.next_row))[np.array(chosen, dtype=bool)]
    bits = kernels.bits_of_rows(rows.astype(np.int64), columns.next_row)
    counts, missing = slow_facet([record for record, is_in in zip(records, chosen, strict=True) if is_in])
    with pytest.MonkeyPatch.context() as patch:  # as if values were too many to be read, with keys that may collide
        if data.draw(st.booleans()):
            patch.setattr(facets, "MANY", 0)
            patch.setattr(facets, "FIRST_DEPTH", data.draw(st.sampled_from([-7, 64])))  # 4 · 2 - 7 is one
        if data.draw(st.booleans()):
            keys = facets.scalar_keys
            patch.setattr(facets, "scalar_keys", lambda scalars: keys(scalars) % np.uint64(2))
        found, few = facet(columns, "f", bits, k=100), facet(columns, "f", bits, k=2)
    assert {key_of(one.value): one.count for one in found.values} == dict(counts)
    places = [(-one.count, *facets._place(one.value)) for one in found.values]
    assert places == sorted(places)
    assert (found.others, found.missing, found.records) == (0, missing, sum(chosen))
    assert few.values == found.values[:2]
    assert few.others == sum(counts.values()) - sum(one.count for one in few.values)


@settings(max_examples=50)
@given(RECORDS, st.integers(1, 2))
def test_ranges_are_those_of_a_walk(records, parts):
    """Each record counts once in a range that holds one of its numbers; booleans and texts are none."""
    ranges = [(None, 0), (0, 2), (1, 3), (2**53 + 1, None), (None, None)]
    columns, heads = columns_of(records, parts=parts)
    found = range_facet(columns, "f", heads, ranges)
    values = [(fields["f"] if isinstance(fields["f"], list) else [fields["f"]]) for _, fields in records if fields]
    numbers = [[one for one in value if type(one) in {int, float}] for value in values]

    def inside(one, low, high):
        return (low is None or one >= low) and (high is None or one < high)

    expected = [sum(any(inside(x, low, high) for x in one) for one in numbers) for low, high in ranges]
    assert [one.count for one in found.ranges] == expected
    assert found.others == sum(not one for one in numbers)
    assert found.missing == len(records) - len(values)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=12), st.data())
def test_one_row_of_each_record(lengths, data):
    """Of each record the first row that is let through, wherever in the record it is."""
    total = sum(lengths)
    starts = np.cumsum([0, *lengths[:-1]]).astype(np.int64)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)), dtype=np.bool_)
    expected = [
        start + int(np.argmax(mask[start : start + length]))
        for start, length in zip(starts, lengths, strict=True)
        if mask[start : start + length].any()
    ]
    found = one_row_each(kernels.bits_of_mask(mask), kernels.bits_of_rows(starts, total))
    assert kernels.rows_of_bits(found).tolist() == expected


def test_by_hand():
    """Chunks do not count, lists count each value once, ties come by kind and value."""
    records = [
        (3, {"f": "a"}),
        (1, {"f": ["a", "b", "a"]}),
        (2, {"f": "b"}),
        (1, {"f": 2.0}),
        (1, {"f": True}),
        (1, None),
        (1, {"f": None}),
    ]
    columns, heads = columns_of(records)
    found = facet(columns, "f", one_row_each(all_rows(columns), heads), k=4)
    assert found.values == (
        ValueCount(value="a", count=2),
        ValueCount(value="b", count=2),
        ValueCount(value=None, count=1),
        ValueCount(value=True, count=1),
    )
    places = [(-one.count, *facets._place(one.value)) for one in found.values]
    assert places == sorted(places)
    assert (found.others, found.missing, found.records) == (1, 1, 7)
    ranges = range_facet(columns, "f", heads, [(0, 1), (2, None)])
    assert ranges.ranges == (RangeCount(low=0, high=1, count=0), RangeCount(low=2, high=None, count=1))
    assert ranges.others == 5


def test_over_pages_and_with_many_values(monkeypatch):
    """What is frequent only in sum over the pages is found, though most values are never read."""
    monkeypatch.setattr(pages, "PAGE_ROWS", 256)
    monkeypatch.setattr(facets, "PAGE_ROWS", 256)
    monkeypatch.setattr(facets, "MANY", 64)
    read = []
    value_of = facets._value_of
    monkeypatch.setattr(facets, "_value_of", lambda scalars, code: read.append(code) or value_of(scalars, code))
    random = np.random.default_rng(7)
    values = [f"v{n}" for n in random.zipf(1.3, 2000).tolist()]
    values[::5] = [f"only {place}" for place in range(len(values[::5]))]
    columns, heads = columns_of([(1, {"f": value}) for value in values], parts=7)
    found = facet(columns, "f", heads, k=5)
    expected = sorted(Counter(values).items(), key=lambda one: (-one[1], one[0]))[:5]
    assert [(one.value, one.count) for one in found.values] == expected
    assert found.others == 2000 - sum(count for _, count in expected)
    assert len(read) < 800
    monkeypatch.setattr(facets, "FIRST_DEPTH", 0)
    alone, _ = columns_of([(1, {"f": f"{place:04}"}) for place in range(600)])
    assert [one.value for one in facet(alone, "f", all_rows(alone), k=2).values] == ["0000", "0001"]


def test_a_field_that_nobody_has():
    """All are missing; nothing at all gives nothing."""
    columns, heads = columns_of([(2, {"g": 1}), (1, None)])
    found = facet(columns, "f", heads)
    assert (found.values, found.others, found.missing, found.records) == ((), 0, 2, 2)
    nothing = facet(Columns.empty(), "f", np.zeros(0, dtype=np.uint64))
    assert (nothing.values, nothing.records) == ((), 0)


def test_what_is_refused():
    """Bitmaps of other rows, ranges that hold nothing, ends that are no numbers, counts out of bounds."""
    columns, heads = columns_of([(1, {"f": 1})])
    with pytest.raises(ShapeError):
        facet(columns, "f", np.zeros(2, dtype=np.uint64))
    with pytest.raises(ShapeError):
        one_row_each(heads, np.zeros(2, dtype=np.uint64))
    with pytest.raises(RangeError):
        facet(columns, "f", heads, k=0)
    for ranges in ([(1, 1)], [(2, 1)], []):
        with pytest.raises(RangeError):
            range_facet(columns, "f", heads, ranges)
    for end in (True, "1", float("nan")):
        with pytest.raises(DtypeError):
            range_facet(columns, "f", heads, [(end, None)])
