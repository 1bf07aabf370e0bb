"""Which two are tested, and what the test says of them; kinds of question."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.evaluate.comparison import Setting, Standing, matrix
from vicinal.evaluate.comparison.flips import by_kind, kind_of
from vicinal.evaluate.comparison.pairs import best_of, pairs_of, planned
from vicinal.evaluate.significance import holm, randomization_test

Q = 60


def columns_of(**gains):
    """Return a column of chance for ``a``, and for each other name that column with a gain and some noise."""
    random = np.random.default_rng(7)
    base = random.random(Q)
    return {"a": base, **{name: base + gain + 0.01 * random.standard_normal(Q) for name, gain in gains.items()}}


def test_each_is_held_against_the_baseline_and_against_what_costs_more():
    """The reference is the most dimensions, the most bits, no reranker; each two come once."""
    made = matrix(mode=["hybrid"], dim=[128, 384], rerank=["late-interaction", "none"])
    assert planned(made, "hybrid 128d + late-interaction") == [
        ("hybrid 128d + late-interaction", "hybrid 128d", "rerank", "baseline"),
        ("hybrid 128d + late-interaction", "hybrid 384d + late-interaction", "dim", "baseline"),
        ("hybrid 128d + late-interaction", "hybrid 384d", "", "baseline"),
        ("hybrid 384d", "hybrid 128d", "dim", "contrast"),
        ("hybrid 384d", "hybrid 384d + late-interaction", "rerank", "contrast"),
    ]


def test_precisions_are_held_against_the_most_bits():
    """Whatever their order."""
    made = matrix(mode=["dense"], precision=["1bit", "float32", "int8"])
    told = planned([Setting(name="k", mode="lexical"), *made], "k")
    assert [one[:3] for one in told if one[3] == "contrast"] == [
        ("dense float32", "dense 1bit", "precision"),
        ("dense float32", "dense int8", "precision"),
    ]


def test_weights_are_held_against_the_first_among_those_that_have_one():
    """A search by words or by meaning has none, and is no reference for it."""
    made = matrix(mode=["lexical", "dense", "hybrid"], weight=[0.8, 0.5])
    assert [one for one in planned(made, "keyword") if one[3] == "contrast"] == [
        ("hybrid w=0.8", "hybrid w=0.5", "weight", "contrast")
    ]


def test_a_pair_has_the_numbers_of_the_tests():
    """Gain, spread and p-value as ``significance`` gives them; adjusted by Holm over all."""
    columns = columns_of(b=0.05, c=0.0)
    found = pairs_of([("a", "b", "", "baseline"), ("a", "c", "", "baseline")], columns, seed=3)
    difference = columns["b"] - columns["a"]
    assert found[0].gain == pytest.approx(difference.mean())
    assert found[0].spread == pytest.approx(difference.std(ddof=1))
    assert (found[0].wins, found[0].losses) == ((difference > 0).sum(), (difference < 0).sum())
    assert found[0].better
    assert not found[1].better
    assert [one.adjusted for one in found] == holm([one.p_value for one in found]).tolist()
    for one in found:
        assert one.wide_low <= one.low <= one.gain <= one.high <= one.wide_high


def test_the_wide_interval_is_students_over_all_pairs():
    """gain ± t(1 - 0.05 / (2 M)) · s / sqrt(Q): for M = 2 and Q = 60 the quantile is 2.3005 by tables.

    It is no narrower than ln(20) / Q, what so many questions may have missed wholly (the rule of three).
    """
    columns = columns_of(b=0.05, c=0.0)
    found = pairs_of([("a", "b", "", ""), ("a", "c", "", "")], columns, seed=3)[0]
    reach = max(2.3005 * found.spread / np.sqrt(Q), np.log(20) / Q)
    assert found.wide_high - found.gain == pytest.approx(reach, rel=2e-3)


def test_many_pairs_draw_again_what_is_small():
    """Of 10,000 draws the least p-value is 0.0001, which Holm over many tests makes large; drawn again it is smaller."""
    columns = columns_of(**{f"b{place}": 0.05 if place == 0 else 0.0 for place in range(30)})
    names = [("a", f"b{place}", "", "") for place in range(30)]
    found = pairs_of(names, columns, seed=0)
    assert found[0].better
    assert found[0].p_value < 1 / 10_001
    assert randomization_test(columns["a"], columns["b0"], draws=1000) == pytest.approx(1 / 1001)
    assert sum(one.better or one.worse for one in found[1:]) == 0


def test_settings_that_did_not_run_are_left_out():
    """The others are adjusted for those that did."""
    assert pairs_of([("a", "gone", "", "baseline")], columns_of(), seed=0) == []


def test_equal_columns_are_one_and_the_same():
    """A gain of 0 with no spread, a p-value of 1, and nothing infinite."""
    columns = columns_of()
    (one,) = pairs_of([("a", "b", "", "")], {**columns, "b": columns["a"].copy()}, seed=0)
    assert (one.gain, one.low, one.high, one.spread) == (0, 0, 0, 0)
    assert (one.wide_low, one.wide_high) == (-np.log(20) / Q, np.log(20) / Q)
    assert one.adjusted == 1
    assert one.to_mapping()["effect_size"] == 0


def test_a_gain_without_spread_has_no_effect_size_as_data():
    """It is infinite, which JSON does not have."""
    (one,) = pairs_of([("a", "b", "", "")], {"a": np.zeros(8), "b": np.ones(8)}, seed=0)
    assert one.effect_size == np.inf
    assert one.to_mapping()["effect_size"] is None


def standing(name, mean, size, ms=1.0):
    """Return a standing that has no interval."""
    return Standing(setting=Setting(name=name), mean=mean, low=mean, high=mean, bytes_per_vector=size, p50_ms=ms)


def test_the_best_is_the_cheapest_of_equal_means():
    """Bytes first, then time; what is not known is dear."""
    assert best_of([standing("a", 0.5, 8), standing("b", 0.5 + 1e-15, 9)]).name == "a"
    assert best_of([standing("a", 0.5, None), standing("b", 0.5, 9, 2.0), standing("c", 0.5, 9)]).name == "c"
    assert best_of([standing("a", 0.5, 1), standing("b", 0.6, None)]).name == "b"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("error E1234", "codes"),
        ("revenue in 2021", "codes"),
        ("what does max_length do", "codes"),
        ("parseInt fails", "codes"),
        ("call open() twice", "codes"),
        ("std::vector growth", "codes"),
        ("use os.path.join", "codes"),
        ("file in /etc/hosts", "codes"),
        ("what is the U.S. policy", "prose"),
        ("how do vaccines work", "prose"),
        ("DNA repair and NASA", "prose"),
        ("and/or", "prose"),
        ("", "prose"),
    ],
)
def test_what_looks_like_code_or_holds_a_number(text, kind):
    """And plain words with capitals do not."""
    assert kind_of(text) == kind


@given(st.text(max_size=500))
def test_every_text_is_of_a_kind(text):
    """Whatever it holds."""
    assert kind_of(text) in {"codes", "prose"}


def test_kinds_are_tested_apart_and_flips_are_the_largest_differences():
    """The search by words wins the codes, the other one the rest; p-values are multiplied with what was chosen among."""
    queries = [(f"q{place}", "part 7" if place < 20 else "plain words") for place in range(Q)]
    columns = {"words": np.r_[np.ones(20), np.zeros(40)], "dense": np.r_[np.zeros(20), np.full(40, 0.5)]}
    codes, prose = by_kind("words", "dense", columns, queries, seed=0)
    assert (codes.kind, codes.queries, codes.pair.gain, codes.pair.queries) == ("codes", 20, -1, 20)
    assert codes.pair.worse
    assert prose.pair.better
    assert [(one.query_id, one.reference, one.other) for one in codes.flips][:1] == [("q19", 1.0, 0.0)]
    assert len(prose.flips) == 5
    many = by_kind("words", "dense", columns, queries, seed=0, among=10_000)
    assert not many[0].pair.worse


def test_a_kind_of_one_question_is_not_tested():
    """A difference needs a spread."""
    queries = [("a", "no 1"), ("b", "plain"), ("c", "words")]
    columns = {"x": np.zeros(3), "y": np.array([0.0, 1.0, 0.5])}
    codes, prose = by_kind("x", "y", columns, queries, seed=0)
    assert codes.pair is None
    assert codes.queries == 1
    assert codes.flips == ()
    assert prose.pair.queries == 2
    assert codes.to_mapping()["pair"] is None


@pytest.mark.slow
def test_systems_that_do_not_differ_are_told_apart_no_more_often_than_the_level_says():
    """Of 200 comparisons of four such systems at most 0.05, and three standard errors, hold any claim at all."""
    random = np.random.default_rng(11)
    names = ["a", "b", "c", "d"]
    pairs = [("a", "b", "", ""), ("a", "c", "", ""), ("a", "d", "", ""), ("b", "c", "", "")]
    false = 0
    for run in range(200):
        easy = random.random(50)
        # Values as nDCG has them: many exact zeros and ones.
        columns = {name: np.round(np.clip(easy + 0.4 * random.standard_normal(50), 0, 1), 1) for name in names}
        false += any(one.better or one.worse for one in pairs_of(pairs, columns, seed=run))
    assert false / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
