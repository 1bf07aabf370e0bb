"""The page and the data of a health: whole, harmless, and asking for nothing."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import StoreError
from vicinal.lifecycle.doctor import Check, Health
from vicinal.lifecycle.doctor.check import FAMILIES, STATES, Pictures, in_order
from vicinal.lifecycle.doctor.page import drawings_of

VOID = {"meta", "rect", "line", "br"}


class Balance(HTMLParser):
    """Keeps which elements are open, and every attribute that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, str | None]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        self.tags.add(tag)
        self.seen += attrs
        if tag not in VOID or tag in {"rect", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.tags.add(tag)
        self.seen += attrs

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag


def health(checks: list[Check], pictures: Pictures | None = None) -> Health:
    """Return a health of some checks."""
    return Health(
        collection="<b>notes</b>",
        records=3,
        chunks=4,
        sampled=4,
        seed=0,
        took_s=0.1,
        checks=in_order(checks),
        pictures=pictures or Pictures(),
    )


CHECKS = st.builds(
    Check,
    name=st.text(max_size=20),
    family=st.sampled_from(FAMILIES),
    state=st.sampled_from(STATES),
    value=st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
    unit=st.sampled_from(["share", "share of D", "cosine", ""]),
    told=st.text(max_size=40),
    advice=st.sampled_from(["", "do <this>", "do & that"]),
)
PICTURES = st.builds(
    Pictures,
    cosines=st.just(()) | st.lists(st.integers(0, 1000), min_size=40, max_size=40).map(tuple),
    hubs=st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 90)), max_size=20, unique_by=lambda one: one[0]).map(
        lambda listed: tuple(sorted(listed))
    ),
    spectrum=st.lists(st.floats(0, 1, width=32), max_size=100).map(tuple),
)


@given(st.lists(CHECKS, max_size=6), PICTURES)
def test_every_page_is_whole_and_harmless(checks: list[Check], pictures: Pictures) -> None:
    """Elements close in order; what a check says stays text; nothing is fetched and no script runs."""
    found = health(checks, pictures)
    page = found.html()
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert not balance.tags & {"script", "b", "img", "link", "iframe", "this"}
    assert [name for name, _ in balance.seen if name in {"src", "href", "onclick"}] == []
    assert page.count("<tr>") == len(checks) + 1
    assert json.loads(json.dumps(found.to_mapping()))["state"] == found.state


@given(PICTURES)
def test_every_bar_lies_within_its_picture(pictures: Pictures) -> None:
    """No bar is drawn outside of the frame, whatever is counted."""
    for drawing in drawings_of(pictures):
        balance = Balance()
        balance.feed(drawing.render(alone=True))
        numbers = {name: float(value or 0) for name, value in balance.seen if name in {"x", "y", "width", "height"}}
        assert all(-0.01 <= value <= 320.01 for value in numbers.values())


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", ""),
        (0.5, "share", "50 %"),
        (0.0123, "share of D", "1.23 % of D"),
        (0.98123, "cosine", "0.981 cosine"),
        (1234.0, "files", "1,234 files"),
        (2.0, "", "2"),
    ],
)
def test_values_are_told_as_a_person_reads_them(value: float | None, unit: str, text: str) -> None:
    """Shares in per cent, large numbers without decimals, each with its unit."""
    assert Check(name="a", family="disk", state="ok", told="", value=value, unit=unit).value_text == text


def test_advice_is_told_once_and_in_order() -> None:
    """The alarm's first; the same advice of two checks once; a check is found by its name."""
    checks = [
        Check(name="late", family="disk", state="notice", told="", advice="two"),
        Check(name="same", family="disk", state="notice", told="", advice="one"),
        Check(name="first", family="geometry", state="alarm", told="", advice="one"),
        Check(name="fine", family="ledger", state="ok", told=""),
    ]
    found = health(checks)
    assert found.advice == ("one", "two")
    assert (found.state, [one.name for one in found.alarms]) == ("alarm", ["first"])
    assert found.check("fine").state == "ok"
    with pytest.raises(KeyError):
        found.check("nothing")
    assert health([]).state == "ok"


def test_damage_is_a_health_of_its_own() -> None:
    """What could not be opened is one alarm with the error's words."""
    found = Health.of_damage("main", StoreError("the file is gone"))
    assert [(one.state, one.told) for one in found.checks] == [("alarm", "the file is gone")]
    assert not np.any([found.records, found.chunks, found.sampled])
