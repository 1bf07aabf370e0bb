"""Pictures: axes, marks and labels for any numbers, in XML that any reader takes."""

from __future__ import annotations

import itertools
import math
from xml.etree import ElementTree as ET

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from vicinal._svg import Drawing, clean, shortened, width_of
from vicinal.evaluate.comparison import plots
from vicinal.evaluate.comparison.axis import linear, logarithmic
from vicinal.evaluate.comparison.plots import Box, Gain, Mark, frontier_plot, gain_plot, pareto

SVG = "{http://www.w3.org/2000/svg}"
finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=60)
costs = st.one_of(st.none(), st.just(0.0), st.floats(0, 1e308), st.sampled_from([48.0, 1536.0, 1536.0000001]))


def mark(name="a", cost=48.0, quality=0.5, *, mode="dense"):
    """Return a mark with an interval of 0.1."""
    return Mark(name=name, cost=cost, quality=quality, low=quality - 0.05, high=quality + 0.05, mode=mode)


def drawn(marks, kind="bytes"):
    """Return the tree of a frontier plot, read back from its text."""
    plot = frontier_plot("p", marks, title="a < b", quality="recall@100", cost="bytes & more", kind=kind)
    return ET.fromstring(plot.render(alone=True)), plot


@given(st.lists(st.floats(), max_size=6), st.floats(1e-6, 1))
def test_a_linear_axis_holds_all_values_with_round_ticks(values, least_span):
    """Ascending, three to nine of them, for equal, huge and no values."""
    axis = linear(values, least_span=least_span)
    known = [one for one in values if math.isfinite(one) and abs(one) < 1e290]
    assert 3 <= len(axis.ticks) <= 10
    assert all(one < other for one, other in itertools.pairwise(axis.ticks))
    assert all(0 <= axis.share(one) <= 1 for one in values if not math.isnan(one))
    if len(known) == len(values) and known:
        slack = 1e-6 * (axis.high - axis.low)
        assert axis.low - slack <= min(known)
        assert max(known) <= axis.high + slack
    assert len(axis.texts()) == len(axis.ticks)


@given(st.lists(st.floats(), max_size=6), st.sampled_from(["bytes", "ms"]))
def test_a_logarithmic_axis_holds_all_that_is_above_nothing(values, kind):
    """For one value, equal ones, and those of sixteen orders of magnitude."""
    axis = logarithmic(values, kind=kind)
    assert 1 <= len(axis.ticks) <= 7
    assert all(one < other for one, other in itertools.pairwise(axis.ticks))
    assert axis.low < axis.high
    for one in values:
        if 1e-290 < one < 1e290:
            assert axis.low * (1 - 1e-9) <= one <= axis.high * (1 + 1e-9)


def test_ticks_of_bytes_are_powers_of_two_and_of_time_1_2_5():
    """As they are read."""
    assert logarithmic([48, 1536], kind="bytes").texts() == (
        "32 B",
        "64 B",
        "128 B",
        "256 B",
        "512 B",
        "1 KiB",
        "2 KiB",
    )
    assert logarithmic([3, 40], kind="ms").texts() == ("2 ms", "5 ms", "10 ms", "20 ms", "50 ms")
    assert logarithmic([0.4, 4000], kind="ms").texts()[-1] == "10 s"
    assert linear([0.61, 0.69]).texts() == ("0.60", "0.62", "0.64", "0.66", "0.68", "0.70")
    assert linear([-0.1, 0.1]).texts()[0] == "−0.10"


def test_shares_do_not_pass_their_ends_unless_a_value_does():
    """There is no recall above 1."""
    assert linear([1.0, 1.0], within=(0, 1)).high == 1.0
    assert linear([0.0], within=(0, 1)).low == 0.0
    assert linear([1.5], within=(0, 1)).high > 1.5 - 1e-9


def test_the_frontier_is_what_nothing_cheaper_is_as_good_as():
    """The first of equal ones, the cheapest first."""
    marks = [mark("a", 8, 0.5), mark("b", 4, 0.5), mark("c", 16, 0.7), mark("d", 32, 0.6), mark("e", None, 0.9)]
    assert [one.name for one in pareto(marks)] == ["b", "c"]
    assert pareto([]) == []


def test_a_plot_says_what_it_shows_to_those_who_do_not_see_it():
    """A title and a description with the frontier, named by aria-labelledby; each mark has its own title."""
    tree, _ = drawn([mark("small", 48), mark("large", 1536, 0.6), mark("keyword", 0, 0.4, mode="lexical")])
    assert tree.get("role") == "img"
    ids = tree.get("aria-labelledby").split()
    said = [tree.find(f"{SVG}*[@id='{one}']").text for one in ids]
    assert said[0] == "a < b"
    assert said[1] == (
        "recall@100 against bytes & more. On the frontier: keyword with 0.400 at none; small with 0.500 at 48 B; "
        "large with 0.600 at 1.5 KiB."
    )
    assert [one.text for one in tree.iter(f"{SVG}title")][1:] == [
        "small: recall@100 0.500, 48 B",
        "large: recall@100 0.600, 1.5 KiB",
        "keyword: recall@100 0.400, none",
    ]


def test_a_plot_can_be_read_in_the_light_and_in_the_dark():
    """Alone it brings its colours for both along; in a page it has those of the page."""
    _, plot = drawn([mark()])
    assert "prefers-color-scheme: dark" in plot.render(alone=True)
    assert "<style" not in plot.render(alone=False)
    assert "style=" not in plot.render(alone=False), "the page's policy allows none"


def test_marks_at_one_place_share_a_label_and_are_all_named():
    """Below the picture; those whose cost is not known too."""
    tree, _ = drawn([mark("first"), mark("second"), mark("third"), mark("dear", None)])
    texts = [one.text for one in tree.iter(f"{SVG}text")]
    assert "first +2" in texts
    assert "first +2: second; third" in texts
    assert "Cost not known: dear" in texts


@settings(max_examples=80, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.lists(
        st.builds(
            Mark,
            name=names,
            cost=costs,
            quality=finite,
            low=finite,
            high=finite,
            mode=st.sampled_from(["lexical", "dense", "hybrid", "plain", "x"]),
        ),
        max_size=9,
    ),
    st.sampled_from(["bytes", "ms"]),
)
def test_any_numbers_and_names_give_well_formed_pictures_whose_labels_do_not_touch(marks, kind):
    """Equal, zero, huge, or none: one XML tree, labels apart from one another and within the picture, no mark unnamed."""
    tree, plot = drawn(marks, kind)
    labels = []
    for one in tree.iter(f"{SVG}text"):
        x, y = float(one.get("x")), float(one.get("y"))
        assert math.isfinite(x)
        assert 0 <= y <= plot.height
        if one.get("class") == "label":
            size = float(one.get("font-size"))
            labels.append(Box(x, y - size + 1, x + width_of(one.text or "", size) - 0.1, y + 3))
    for one, other in itertools.combinations(labels, 2):
        assert not one.touches(other)
    assert all(one.left >= 0 and one.right <= plot.width for one in labels)
    assert len(
        [
            one
            for one in tree.iter()
            if "dot" in (one.get("class") or "").split() and one.find(f"{SVG}title") is not None
        ]
    ) == len([one for one in marks if one.cost is not None])


def test_many_settings_still_have_labels_that_do_not_touch():
    """A hundred of them, many of one cost: who has no room is named below."""
    marks = [mark(f"setting number {place}", 48.0 * (1 + place % 3), 0.5 + place / 1000) for place in range(100)]
    tree, _ = drawn(marks)
    shown = " ".join(one.text or "" for one in tree.iter(f"{SVG}text"))
    assert all(f"setting number {place}" in shown for place in range(100))


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            Gain, name=names, gain=finite, low=finite, high=finite, told=names, certain=st.booleans(), mode=names
        ),
        max_size=6,
    ),
    st.sampled_from([0.0, 0.01, 1.0]),
)
def test_gains_of_any_size_are_drawn(gains, allowed_loss):
    """One row each, well-formed."""
    plot = gain_plot("g", gains, title="gains", axis="ndcg@10", allowed_loss=allowed_loss)
    tree = ET.fromstring(plot.render(alone=True))
    dots = [one for one in tree.iter() if "dot" in (one.get("class") or "").split()]
    assert len(dots) == len(gains)
    assert sum("open" in one.get("class").split() for one in dots) == sum(not one.certain for one in gains)


@given(st.text(max_size=80), st.floats(0, 300))
def test_shortened_texts_have_room(text, width):
    """But for the … itself."""
    short = shortened(text, width, 12)
    assert width_of(short, 12) <= max(width, width_of("…", 12))
    assert short == clean(text) or short.endswith("…")


def test_what_xml_cannot_hold_is_replaced():
    """Control characters and lone surrogates, which no escaping helps."""
    drawing = Drawing("d", width=10, height=10, title="a\x00b\ud800c", description="\x1b[31m]]>")
    drawing.text(1, float("inf"), "<script>&\ufffe")
    tree = ET.fromstring(drawing.render(alone=False).encode())
    assert tree.find(f"{SVG}title").text == "a�b�c"
    assert tree.find(f"{SVG}text").text == "<script>&�"


@pytest.mark.parametrize("count", [1, 2, 30])
def test_a_picture_grows_with_what_it_names(count):
    """So that nothing is cut off."""
    _, plot = drawn([mark(f"n{place}", None) for place in range(count)])
    assert plot.height >= plots.HEIGHT + plots.LINE
