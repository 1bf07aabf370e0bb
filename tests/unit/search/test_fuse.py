"""Fusions of ranked lists: values by hand, slow twins, and the laws that each promises."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError, ShapeError
from vicinal.search.fuse import distribution_based, min_max, reciprocal_rank, tuned_weight

FUSIONS = [reciprocal_rank, min_max, distribution_based]
CONVEX = [min_max, distribution_based]
CLOSE = 1e-9
"""Sums of a few float64 near 1."""

ONE_LIST = st.dictionaries(st.integers(0, 12), st.integers(-50, 50), max_size=9)
"""Whole scores: equal ones are frequent, and a shift rounds nothing."""
LISTS = st.lists(ONE_LIST, max_size=4)


def pair(scores):
    """Return a list as the functions take it."""
    return np.array(list(scores), dtype=np.int64), np.array(list(scores.values()), dtype=np.float64)


def pairs(lists):
    """Return several of them."""
    return [pair(scores) for scores in lists]


def as_dict(fused):
    """Return row → score."""
    return dict(zip(fused.rows.tolist(), fused.scores.tolist(), strict=True))


def slow_reciprocal_rank(lists, weights, k):
    """The paper's sum, in fractions."""
    found = {}
    for weight, scores in zip(weights, lists, strict=True):
        for row, score in scores.items():
            rank = 1 + sum(other > score for other in scores.values())
            found[row] = found.get(row, 0) + Fraction(weight) / (k + rank)
    return found


def slow_min_max(lists, weights):
    """α · (s - low) / (high - low), in fractions."""
    total = sum(map(Fraction, weights))
    found = dict.fromkeys({row for scores in lists for row in scores}, Fraction(0))
    for weight, scores in zip(weights, lists, strict=True):
        low, high = min(scores.values(), default=0), max(scores.values(), default=0)
        for row, score in scores.items():
            found[row] += Fraction(weight) / total * (1 if high == low else Fraction(score - low, high - low))
    return found


def slow_distribution_based(lists, weights):
    """α · (s - (μ - 3σ)) / 6σ, one row after the other."""
    total = sum(weights)
    found = dict.fromkeys({row for scores in lists for row in scores}, 0.0)
    for weight, scores in zip(weights, lists, strict=True):
        values = list(scores.values())
        mean = math.fsum(values) / max(len(values), 1)
        sigma = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / max(len(values), 1))
        for row in found:
            if len(set(values)) < 2:
                place = 0.5 if row in scores else 0.0
            else:
                place = (scores.get(row, min(values)) - (mean - 3 * sigma)) / (6 * sigma)
            found[row] += weight / total * place
    return found


def test_reciprocal_rank_by_hand():
    """Ranks count from 1 and the constant is 60; what one list lacks adds nothing."""
    fused = reciprocal_rank([([7, 8, 9], [0.9, 0.5, 0.1]), ([9, 4], [30.0, 2.0])])
    assert fused.rows.tolist() == [9, 7, 4, 8]
    expected = [1 / 63 + 1 / 61, 1 / 61, 1 / 62, 1 / 62]
    np.testing.assert_allclose(fused.scores, expected, rtol=1e-15)


def test_min_max_by_hand():
    """The lowest of a list is 0, the highest 1, and the mean is weighted; a lacking row counts as the lowest."""
    fused = min_max([([1, 2, 3], [0.2, 0.6, 1.0]), ([3, 4], [5.0, 10.0])], weights=[3, 1])
    assert as_dict(fused) == pytest.approx({3: 0.75, 2: 0.375, 4: 0.25, 1: 0.0})
    assert fused.rows.tolist() == [3, 2, 4, 1]


def test_distribution_based_by_hand():
    """With scores 1 and 3 the mean is 2 and σ is 1: they stand at 1/3 and 2/3, and a lacking row at 1/3."""
    fused = distribution_based([([1, 2], [3.0, 1.0]), ([3], [9.0])])
    assert as_dict(fused) == pytest.approx({1: 1 / 3, 2: 1 / 6, 3: 1 / 6 + 1 / 4})


def test_a_lowest_score_that_is_known_is_the_zero_of_its_scale():
    """BM25's 0 and the cosine's -1 take the place of the lowest that was seen."""
    lists = [([1, 2], [0.5, 0.0]), ([2, 3], [4.0, 2.0])]
    assert as_dict(min_max(lists, lowest=[-1.0, 0.0])) == pytest.approx({1: 0.5, 2: 1 / 3 + 0.5, 3: 0.25})
    told = as_dict(distribution_based(lists, lowest=[None, 0.0]))
    assert told[1] == pytest.approx(1 / 3 + (0.5 + (0.0 - 3.0) / 6) / 2)


@pytest.mark.parametrize("fusion", CONVEX)
def test_the_only_hit_of_a_list_counts_more_than_no_hit(fusion):
    """A list with one hit has no scale, and its hit still is ahead of what it lacks."""
    fused = fusion([([1, 2, 3], [0.9, 0.8, 0.7]), ([2], [17.0])])
    assert fused.rows[0] == 2


@settings(max_examples=40)
@given(LISTS, st.lists(st.integers(1, 9), min_size=4, max_size=4), st.integers(0, 60))
def test_every_fusion_is_its_slow_twin(lists, weights, k):
    """The same rows and scores as one row after the other."""
    weights = weights[: len(lists)]
    expected = {
        reciprocal_rank: slow_reciprocal_rank(lists, weights, k),
        min_max: slow_min_max(lists, weights),
        distribution_based: slow_distribution_based(lists, weights),
    }
    for fusion, twin in expected.items():
        more = {"k": k} if fusion is reciprocal_rank else {}
        found = as_dict(fusion(pairs(lists), weights=weights, **more))
        assert found == pytest.approx({row: float(score) for row, score in twin.items()}, abs=CLOSE)


@settings(max_examples=40)
@given(LISTS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_rows_come_best_first_and_equal_ones_by_row(fusion, lists):
    """Each row of any list once."""
    fused = fusion(pairs(lists))
    assert sorted(fused.rows.tolist()) == sorted({row for scores in lists for row in scores})
    keys = list(zip((-fused.scores).tolist(), fused.rows.tolist(), strict=True))
    assert keys == sorted(keys)


@settings(max_examples=40)
@given(LISTS, st.randoms(use_true_random=False))
@pytest.mark.parametrize("fusion", FUSIONS)
def test_neither_the_order_of_the_lists_nor_that_within_them_matters(fusion, lists, chance):
    """To the last bit."""
    before = fusion(pairs(lists))
    mixed = [dict(chance.sample(list(scores.items()), len(scores))) for scores in lists]
    chance.shuffle(mixed)
    after = fusion(pairs(mixed))
    assert after.rows.tolist() == before.rows.tolist()
    assert np.allclose(after.scores, before.scores, rtol=0, atol=1e-12)
    if fusion is not distribution_based:  # whose mean is a sum, added up in the order of the list
        assert after.scores.tolist() == before.scores.tolist()


@settings(max_examples=40)
@given(st.lists(ONE_LIST, min_size=1, max_size=3), st.data())
@pytest.mark.parametrize("fusion", [reciprocal_rank, min_max])
def test_a_better_score_never_lowers_a_row(fusion, lists, data):
    """A row of the largest score of all lists, raised in one list, does not fall behind another by it."""
    chosen = data.draw(st.integers(0, len(lists) - 1))
    assume(lists[chosen])
    row = data.draw(st.sampled_from(sorted(lists[chosen])))
    raised = [dict(scores) for scores in lists]
    raised[chosen][row] = max(lists[chosen].values())
    before, after = (as_dict(fusion(pairs(told))) for told in (lists, raised))
    assert after[row] >= before[row] - CLOSE


@settings(max_examples=40)
@given(LISTS, st.sampled_from([0.25, 2.0, 1024.0]), st.integers(-64, 64))
@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_scale_of_a_list_does_not_matter(fusion, lists, factor, shift):
    """Multiplied with a positive number and shifted, the scores say the same."""
    changed = [{row: score * factor + shift for row, score in scores.items()} for scores in lists]
    before, after = as_dict(fusion(pairs(lists))), as_dict(fusion(pairs(changed)))
    assert after == pytest.approx(before, abs=1e-7)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_no_lists_and_empty_lists_give_nothing(fusion):
    """(0,) and (0,); an empty list beside another changes no order."""
    for lists in ([], [([], [])], [([], []), ([], [])]):
        fused = fusion(lists)
        assert fused.rows.dtype == np.int64
        assert fused.rows.shape == fused.scores.shape == (0,)
    assert fusion([([5, 6], [1.0, 2.0]), ([], [])]).rows.tolist() == [6, 5]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_equal_scores_stay_equal(fusion):
    """What all lists say the same of has one score, in the order of the rows."""
    fused = fusion([([9, 3, 5], [2.0, 2.0, 2.0]), ([5, 9, 3], [1.0, 1.0, 1.0])])
    assert fused.rows.tolist() == [3, 5, 9]
    assert len(set(fused.scores.tolist())) == 1


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize(
    ("lists", "error"),
    [
        ([([1, 2], [1.0, math.nan])], NonFiniteError),
        ([([1, 2], [1.0, math.inf])], NonFiniteError),
        ([([1, 2], [1.0])], ShapeError),
        ([([[1]], [[1.0]])], ShapeError),
        ([([1.5], [1.0])], DtypeError),
        ([([1], ["best"])], DtypeError),
        ([([4, 4], [1.0, 2.0])], InputError),
    ],
)
def test_what_is_no_list_is_refused(fusion, lists, error):
    """By name, with its place."""
    with pytest.raises(error):
        fusion([([1], [1.0]), *lists])


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("weights", [[-1.0, 1.0], [math.nan, 1.0], [math.inf, 1.0]])
def test_a_weight_that_is_none_is_refused(fusion, weights):
    """Negative, NaN and infinite."""
    with pytest.raises(RangeError):
        fusion([([1], [1.0]), ([2], [1.0])], weights=weights)
    with pytest.raises(ShapeError):
        fusion([([1], [1.0]), ([2], [1.0])], weights=weights[:1])
    with pytest.raises(DtypeError):
        fusion([([1], [1.0])], weights=["much"])


@pytest.mark.parametrize("fusion", CONVEX)
def test_weights_without_any_weight_are_refused(fusion):
    """A mean needs something; and a score below what theory allows is no score of that list."""
    with pytest.raises(RangeError, match="above 0"):
        fusion([([1], [1.0])], weights=[0])
    with pytest.raises(RangeError, match="below its lowest"):
        fusion([([1], [-1.5])], lowest=[-1.0])
    with pytest.raises(ShapeError):
        fusion([([1], [1.0])], lowest=[0.0, 0.0])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_scores_at_the_ends_of_float64_stay_finite(fusion):
    """Neither their difference nor their square overflows."""
    fused = fusion([([1, 2, 3], [1e308, -1e308, 0.0]), ([2, 1], [5e-324, 0.0])])
    assert np.isfinite(fused.scores).all()


def test_a_weight_is_tuned_on_one_half_and_measured_on_the_other():
    """Where only the second list knows, its weight is all, and the queries that were never seen say so too."""
    good, bad = ([1, 2, 3], [3.0, 2.0, 1.0]), ([3, 2, 1], [3.0, 2.0, 1.0])
    found = tuned_weight([(bad, good)] * 10, [{1: 1.0}] * 9 + [{}])
    assert (found.tuning_queries, found.held_out_queries, found.unjudged) == (5, 4, 1)
    # At 0.5 all three rows are equal and come by row, so row 1 is first there too: the nearest to 0.5 of the best.
    assert found.weight == 0.5
    assert found.held_out == found.held_out_default == found.tuning == found.tuning_default == 1.0
    worse = tuned_weight([(good, bad)] * 4, [{3: 2.0, 2: 1.0}] * 4)
    even = (1 / 1 * 0 + 1 / math.log2(3) + 2 / math.log2(4)) / (2 + 1 / math.log2(3))
    assert worse.weight == 0.45
    assert worse.held_out == 1.0
    assert worse.held_out_default == pytest.approx(even)


def test_of_equally_good_weights_the_middle_is_taken():
    """Two lists that agree leave nothing to choose."""
    both = ([4, 5], [2.0, 1.0])
    assert tuned_weight([(both, both)] * 6, [{4: 1.0}] * 6).weight == 0.5


def test_tuning_is_the_same_for_the_same_seed():
    """And asks for enough queries to hold some out."""
    generator = np.random.default_rng(0)
    lists = [tuple((np.arange(20), generator.standard_normal(20)) for _ in range(2)) for _ in range(30)]
    judged = [{int(generator.integers(20)): 1.0} for _ in range(30)]
    assert tuned_weight(lists, judged, seed=3) == tuned_weight(lists, judged, seed=3)
    with pytest.raises(RangeError, match="At least 2"):
        tuned_weight(lists[:3], [{}, {}, {1: 1.0}])
    with pytest.raises(ShapeError):
        tuned_weight(lists, judged[:3])
    with pytest.raises(ShapeError):
        tuned_weight([(lists[0][0],)] * 2, judged[:2])
