"""The plain data between the stages: frozen, without shared state, and Hits as a sequence."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from vicinal import types
from vicinal.types import Chunk, Document, Hit, Hits, Record

DATA = [one for _, one in inspect.getmembers(types, dataclasses.is_dataclass)]


def hit(name: str, score: float) -> Hit:
    """Return a hit of one character."""
    return Hit(id=name, score=score, text="x", source=name, start=0, end=1, line=1, fields={})


@pytest.fixture
def hits() -> Hits:
    """Three hits, best first."""
    items = (hit("a", 0.9), hit("b", 0.5), hit("c", 0.1))
    return Hits(items=items, complete=True, recall_estimate=1.0, work=3, space="0" * 16, took_ms=0.0)


@pytest.mark.parametrize("kind", DATA, ids=lambda one: one.__name__)
def test_data_is_frozen_slotted_and_keyword_only(kind):
    """No plain class can be changed, given a stray attribute, or be filled by position."""
    settings = kind.__dataclass_params__
    assert settings.frozen
    assert "__slots__" in vars(kind)
    assert all(one.kw_only for one in dataclasses.fields(kind))


def test_setting_a_field_is_refused():
    """A document cannot be changed after it was made."""
    document = Document(id="a", text="one")
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = "two"


def test_defaults_are_not_shared():
    """Two documents without fields have two mappings."""
    assert Document(id="a", text="").fields is not Document(id="b", text="").fields


def test_equal_data_is_equal():
    """Plain data compares by what it holds."""
    assert Chunk(text="b", start=1, end=2) == Chunk(text="b", start=1, end=2)
    assert Record(id="a", text="b", source="", fields={}, spans=((0, 1),)) != Record(
        id="a", text="b", source="", fields={}, spans=()
    )


def test_hits_are_a_sequence(hits):
    """Length, order, index from both ends, slices and membership are those of the items."""
    assert len(hits) == 3
    assert [one.id for one in hits] == ["a", "b", "c"]
    assert (hits[0].id, hits[-1].id) == ("a", "c")
    assert hits[1:] == hits.items[1:]
    assert hits.items[1] in hits
    assert [one.id for one in reversed(hits)] == ["c", "b", "a"]


def test_no_hit_is_falsy(hits):
    """``if hits`` asks whether there is one, and past the end is the sequence's own IndexError."""
    assert hits
    nothing = dataclasses.replace(hits, items=())
    assert not nothing
    with pytest.raises(IndexError):
        nothing[0]


def test_a_hit_without_a_mark_has_none(hits):
    """The nearest sentence is only there when it was asked for, and the score's kind is said."""
    assert hits[0].best is None
    assert hits.score_kind == "cosine"
