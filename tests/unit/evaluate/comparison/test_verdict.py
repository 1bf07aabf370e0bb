"""A verdict claims what the numbers carry, and nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.evaluate.comparison import Choice, Pair, Setting, Standing, verdict
from vicinal.evaluate.comparison.flips import KindGain
from vicinal.evaluate.comparison.verdict import LEAST_QUERIES, amount, needed_queries, number, signed
from vicinal.evaluate.significance import smallest_detectable_gain

KEYWORD = Setting(name="keyword", mode="lexical")
HYBRID = Setting(name="hybrid", mode="hybrid")


def standing(setting: Setting, mean: float = 0.6, *, size: float | None = 1536.0, ms: float = 10.0) -> Standing:
    """Return what a setting measured."""
    return Standing(setting=setting, mean=mean, low=mean - 0.03, high=mean + 0.03, bytes_per_vector=size, p50_ms=ms)


def pair(  # noqa: PLR0913 - a pair has many numbers
    reference: str = "keyword",
    other: str = "hybrid",
    gain: float = 0.05,
    half: float = 0.02,
    *,
    adjusted: float = 0.001,
    wide: float | None = None,
    role: str = "baseline",
    field: str = "",
    queries: int = 300,
) -> Pair:
    """Return a tested pair, whose wide interval is half as wide again."""
    reach = 1.5 * half if wide is None else wide
    return Pair(
        reference=reference,
        other=other,
        field=field,
        role=role,
        gain=gain,
        low=gain - half,
        high=gain + half,
        wide_low=gain - reach,
        wide_high=gain + reach,
        p_value=adjusted,
        adjusted=adjusted,
        effect_size=gain / 0.2,
        spread=0.2,
        queries=queries,
        wins=60,
        losses=40,
    )


def said(standings, pairs, **more):
    """Return the verdict about nDCG@10 with the search by words as baseline."""
    return verdict(standings, pairs, **{"metric": "ndcg@10", "baseline": "keyword", **more})


BOTH = [standing(KEYWORD, 0.65, size=0.0, ms=2.0), standing(HYBRID, 0.70)]


def test_hybrid_beats_keyword():
    """With how much, how sure, and on how many queries."""
    found = said(BOTH, [pair()])
    assert found.headline.kind == "beats"
    assert found.headline.text == (
        "hybrid beats keyword by 0.050 ± 0.020 on 300 queries (ndcg@10 0.700 against 0.650)."
    )
    assert found.recommended == "hybrid"


def test_keyword_is_enough():
    """Where nothing else gains what counts, by the interval that holds for all pairs."""
    found = said(BOTH, [pair(gain=0.001, half=0.004, adjusted=0.7)])
    assert found.headline.kind == "enough"
    assert found.headline.text == (
        "keyword is enough: on 300 queries nothing else gains 0.010 or more in ndcg@10 (gain at most 0.007)."
    )
    assert found.recommended == "keyword"


def test_a_gain_that_is_certain_and_does_not_count_leaves_keyword_enough():
    """It is told among the reasons."""
    found = said(BOTH, [pair(gain=0.003, half=0.002)])
    assert found.headline.kind == "enough"
    assert "keyword is beaten by hybrid by 0.003 ± 0.002." in found.text


def test_keyword_is_enough_where_it_is_the_better_one():
    """And it is told by how much."""
    found = said(BOTH, [pair(gain=-0.05)])
    assert found.headline.kind == "enough"
    assert "no gain" in found.headline.text
    assert "keyword beats hybrid by 0.050 ± 0.020." in found.text


def test_too_few_queries_to_say():
    """With how many would be needed, which is what shows such a gain with a power of 0.8."""
    undecided = pair(gain=0.03, half=0.04, adjusted=0.2, queries=60)
    found = said(BOTH, [undecided])
    assert found.headline.kind == "too_few"
    assert found.headline.text.startswith(
        "Too few queries to say: hybrid and keyword are 0.030 apart in ndcg@10, which on 60 queries may be chance."
    )
    needed = int(re.search(r"About ([\d,]+) would", found.headline.text)[1].replace(",", ""))
    assert (
        smallest_detectable_gain(needed, spread=0.2) <= 0.03 < smallest_detectable_gain(int(needed * 0.9), spread=0.2)
    )
    assert found.recommended == "keyword"


def test_few_queries_never_make_anything_enough():
    """An interval of few queries is too rough to claim that there is no difference."""
    same = pair(gain=0.0, half=0.0, adjusted=1.0, queries=LEAST_QUERIES - 1)
    found = said(BOTH, [replace(same, spread=0.0, wins=0, losses=0)])
    assert found.headline.kind == "too_few"
    assert "nothing you can measure" not in found.text


def test_few_queries_may_show_a_large_difference():
    """The test carries it, so it is claimed."""
    assert said(BOTH, [pair(gain=0.3, half=0.1, queries=20)]).headline.kind == "beats"


def test_one_setting_is_compared_with_nothing():
    """And none at all measures nothing."""
    assert said(BOTH[:1], []).headline.kind == "alone"
    nothing = said([], [], failures={"dense": "model_not_found"})
    assert nothing.headline.kind == "nothing"
    assert nothing.recommended == ""
    assert "1 setting was not measured: dense (model_not_found)." in nothing.text


SMALL = Setting(name="hybrid 128d", mode="hybrid", dim=128)
LARGE = Setting(name="hybrid 384d", mode="hybrid", dim=384)


def of_dims(**numbers):
    """Return the verdict on 128 dimensions in place of 384."""
    held = [standing(LARGE, 0.70), standing(SMALL, 0.699, size=512.0)]
    one = pair("hybrid 384d", "hybrid 128d", field="dim", **numbers)
    return said(held, [one], baseline="hybrid 384d", against_best=[replace(one, role="best", field="")])


def test_dimensions_lose_nothing_you_can_measure():
    """With the bound, and with what is saved."""
    found = of_dims(gain=-0.001, half=0.004, adjusted=0.8)
    assert (
        "128 dimensions lose nothing you can measure against 384 dimensions (loss at most 0.007), "
        "with 512 bytes a vector in place of 1536." in found.text
    )
    assert found.recommended == "hybrid 128d"


def test_dimensions_lose():
    """By how much."""
    found = of_dims(gain=-0.04, half=0.01)
    assert "128 dimensions lose 0.040 ± 0.010 against 384 dimensions" in found.text
    assert found.recommended == "hybrid 384d"


def test_dimensions_on_too_few_queries():
    """Neither is claimed: the interval is told."""
    found = of_dims(gain=-0.004, half=0.02, adjusted=0.6)
    assert (
        "Too few queries to say what 128 dimensions do against 384 dimensions: between −0.024 and +0.016" in found.text
    )
    assert "lose" not in found.text.replace("lose 0.", "").split("Too few queries to say what")[1].split("with")[0]


def test_the_same_on_every_query_is_said_so():
    """No bound is needed where no query differs."""
    one = replace(
        pair("hybrid 384d", "hybrid 128d", gain=0.0, half=0.0, adjusted=1.0, field="dim"), wins=0, losses=0, spread=0.0
    )
    found = said([standing(LARGE), standing(SMALL)], [one], baseline="hybrid 384d")
    assert "nothing you can measure against 384 dimensions (the same on every query)" in found.text


RERANKED = Setting(name="hybrid + late-interaction", mode="hybrid", rerank="late-interaction")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"gain": 0.02, "half": 0.01}, "gains 0.020 ± 0.010 and costs 35 ms a query."),
        ({"gain": -0.02, "half": 0.01}, "loses 0.020 ± 0.010 and costs 35 ms a query."),
        (
            {"gain": 0.0, "half": 0.004, "adjusted": 0.9},
            "gains nothing that counts (gain at most 0.006) and costs 35 ms",
        ),
        ({"gain": 0.01, "half": 0.02, "adjusted": 0.9}, "does: between −0.010 and +0.030; it costs 35 ms a query."),
    ],
)
def test_the_reranker_gains_and_costs(numbers, text):
    """Both are told, or that the first is not known."""
    held = [standing(HYBRID, 0.7, ms=10.0), standing(RERANKED, 0.72, ms=45.0)]
    one = pair("hybrid", RERANKED.name, field="rerank", **numbers)
    assert f"he reranker late-interaction {text}" in said(held, [one], baseline="hybrid").text


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("weight", 0.5, "A weight of 0.5 gains 0.050 ± 0.020 over the collection's own weight."),
        ("fusion", "rrf", "The fusion rrf gains 0.050 ± 0.020 over the collection's own fusion."),
        ("model", "m", "The model m gains 0.050 ± 0.020 over the collection's own model."),
        ("dim", 8, "8 dimensions gain 0.050 ± 0.020 over the collection's own dimensions."),
        ("precision", "int8", "int8 gains 0.050 ± 0.020 over the collection's own precision."),
    ],
)
def test_each_field_is_spoken_of_as_what_it_is(field, value, text):
    """A name of the user's keeps its letters at the beginning of a sentence."""
    other = Setting(name="other", mode="hybrid", **{field: value})
    held = [standing(HYBRID), standing(other, 0.75)]
    assert text in said(held, [pair("hybrid", "other", field=field)], baseline="hybrid").text


def test_a_reranker_that_takes_no_time_costs_none():
    """A clock is no better than a few percent."""
    held = [standing(HYBRID, 0.7, ms=10.0), standing(RERANKED, 0.72, ms=10.2)]
    one = pair("hybrid", RERANKED.name, field="rerank")
    assert "costs no time that shows" in said(held, [one], baseline="hybrid").text


def test_the_cheapest_that_loses_less_than_is_allowed():
    """It is recommended in place of the best mean; without the bound it is not."""
    cheap = standing(Setting(name="int8", mode="hybrid", precision="int8"), 0.698, size=384.0, ms=9.0)
    held = [*BOTH, cheap]
    pairs = [pair(), pair(other="int8", gain=0.048)]
    near = pair("hybrid", "int8", gain=-0.002, half=0.003, adjusted=0.5, role="best")
    found = said(held, pairs, against_best=[near])
    assert (
        "The cheapest that loses less than 0.010 against the best mean (hybrid) is int8: "
        "384 bytes a vector, 9 ms a query, loss at most 0.007." in found.text
    )
    assert found.recommended == "int8"
    rough = replace(near, wide_low=-0.02)
    assert said(held, pairs, against_best=[rough]).recommended == "hybrid"
    assert said(held, pairs, against_best=[near], allowed_loss=0.005).recommended == "hybrid"


def test_ties_go_to_the_cheaper_by_bytes_and_then_by_time():
    """Of three with one mean the smallest is named, and of two as small the faster."""
    a, b, c = (Setting(name=name, mode="dense") for name in "abc")
    held = [BOTH[0], standing(a, 0.7, size=100), standing(b, 0.7, size=50, ms=9.0), standing(c, 0.7, size=50, ms=8.0)]
    found = said(held, [pair(other=name) for name in "abc"])
    assert found.headline.about == ("c", "keyword")
    assert "keyword is also beaten by a by 0.050 ± 0.020, b by 0.050 ± 0.020." in found.text


def test_a_winner_that_was_selected_among_many_is_told_on_other_queries():
    """Whether they confirm it or not; nothing is said where there was nothing to select from."""
    before, after = pair(gain=0.06, queries=150), pair(gain=0.03, half=0.02, queries=150)
    chosen = Choice(selected="hybrid", among=8, before=before, after=after)
    text = said(BOTH, [pair()], choice=chosen).text
    assert (
        "hybrid was the best of 8 on 150 queries, by +0.060 over keyword; "
        "on the other 150 it gains 0.030 ± 0.020, which confirms it." in text
    )
    unsure = replace(chosen, after=pair(gain=0.01, half=0.03, adjusted=0.4, queries=150))
    assert "which does not confirm it by itself" in said(BOTH, [pair()], choice=unsure).text
    assert "was the best of" not in said(BOTH, [pair()], choice=replace(chosen, among=2)).text
    itself = Choice(selected="keyword", among=8, before=None, after=None)
    assert "would have been keyword itself" in said(BOTH, [pair()], choice=itself).text


def test_keep_keyword_for_codes():
    """Where the queries with codes carry it; and nothing where they do not."""
    codes = KindGain(kind="codes", queries=42, pair=pair(gain=-0.1, half=0.05, queries=42), flips=())
    prose = KindGain(kind="prose", queries=258, pair=pair(gain=0.08, queries=258), flips=())
    text = said(BOTH, [pair()], kinds=[codes, prose], kinds_of=("keyword", "hybrid")).text
    assert "Keep keyword for codes: on 42 queries with numbers or codes keyword beats hybrid by 0.100 ± 0.050." in text
    assert "On 258 plain queries hybrid beats keyword by 0.080 ± 0.020." in text
    unsure = replace(codes, pair=replace(codes.pair, adjusted=0.06))
    assert "Keep" not in said(BOTH, [pair()], kinds=[unsure], kinds_of=("keyword", "hybrid")).text
    none = KindGain(kind="codes", queries=1, pair=None, flips=())
    assert "Keep" not in said(BOTH, [pair()], kinds=[none], kinds_of=("keyword", "hybrid")).text


def test_numbers_show_a_digit_that_is_not_nothing():
    """Three decimals, more where three would say 0."""
    assert number(0.01) == "0.010"
    assert number(0.0) == "0.000"
    assert number(0.0004) == "0.0004"
    assert amount(0.05, 0.00002) == "0.05000 ± 0.00002"
    assert signed(-0.5) == "−0.500"
    assert signed(0) == "0"


def test_queries_needed_are_more_than_there_are():
    """Else the sentence would contradict itself."""
    assert needed_queries(pair(gain=0.5, queries=300), 0.01, 1) > 300


finite = st.floats(-1, 1)


FIELDS = st.sampled_from(["", "dim", "precision", "rerank", "model", "weight", "chunker", "fusion"])
LEVELS = st.sampled_from([0.0001, 0.05, 0.0500001, 1.0])


@st.composite
def pairs_between(draw, reference, other, queries, role):
    """Return a pair with any numbers that a test may give."""
    gain, half = draw(finite), draw(st.floats(0, 1))
    made = pair(reference, other, gain, half, adjusted=draw(LEVELS), field=draw(FIELDS), role=role, queries=queries)
    return replace(made, effect_size=draw(st.sampled_from([0.0, 2.0, -math.inf])), spread=draw(st.floats(0, 1)))


@st.composite
def worlds(draw):
    """Return standings and pairs of up to five settings, of equal, zero and huge costs too."""
    names = [f"s{place}" for place in range(draw(st.integers(1, 4)))]
    costs = st.sampled_from([None, 0.0, 1.0, 1e300])
    held = [
        standing(
            Setting(
                name=name, mode=draw(st.sampled_from(["lexical", "dense", None])), dim=draw(st.sampled_from([None, 8]))
            ),
            draw(st.floats(0, 1)),
            size=draw(costs),
            ms=draw(st.sampled_from([0.0, 0.1, 5000.0])),
        )
        for name in names
    ]
    queries = draw(st.sampled_from([2, 60, 5000]))
    best = max(held, key=lambda one: one.mean).name
    pairs = [draw(pairs_between("s0", name, queries, "baseline")) for name in names[1:]]
    pairs += [draw(pairs_between("s1", name, queries, "contrast")) for name in names[2:]]
    near = [draw(pairs_between(best, name, queries, "best")) for name in names if name != best]
    return held, pairs, near


@settings(max_examples=150)
@given(worlds(), st.sampled_from([0.0, 0.01, 1.0]))
def test_no_numbers_break_it_and_nothing_is_claimed_that_the_test_does_not_carry(world, allowed_loss):
    """Every sentence that claims a difference names a pair whose adjusted p-value and interval carry it."""
    held, pairs, near = world
    found = verdict(held, pairs, metric="ndcg@10", baseline="s0", against_best=near, allowed_loss=allowed_loss)
    certain = {(one.other, one.reference) for one in pairs if one.better}
    certain |= {(one.reference, one.other) for one in pairs if one.worse}
    assert found.recommended in {one.name for one in held}
    for one in (found.headline, *found.reasons):
        first, *others = one.about or ("",)
        if one.kind == "beats":
            assert {(first, other) for other in others} <= certain
        if one.kind == "beaten":
            assert {(other, first) for other in others} <= certain
        if one.kind == "gain":
            assert one.about in certain
        if one.kind == "lose":
            assert one.about[::-1] in certain
        if one.kind == "enough":
            assert all(each.wide_high < allowed_loss for each in pairs if each.role == "baseline")
        if one.kind in {"enough", "lose_nothing", "cheapest"}:
            assert pairs[0].queries >= LEAST_QUERIES
