"""Cells of like texts: shares and index by hand, cells that grew by name, and no cell where chance is enough."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vicinal.lifecycle.drift.stability import compare, holm


def blobs(sizes, seed):
    """Return so many points around each corner of a wide square."""
    chance = np.random.default_rng(seed)
    corners = np.array([[0, 0], [20, 0], [0, 20], [20, 20]], np.float32)
    return np.concatenate(
        [
            corner + chance.standard_normal((size, 2)).astype(np.float32)
            for corner, size in zip(corners, sizes, strict=True)
        ]
    )


def test_a_cell_that_grew_is_named():
    """25 % in each corner, then 55 % in the last one: it is the first that is named, with its shares."""
    before, now = blobs([100, 100, 100, 100], 1), blobs([60, 60, 60, 220], 2)
    found = compare(before, now, chance=np.random.default_rng(0), cells=4)
    assert found.p < 0.001
    first = found.changed[0]
    assert first.grew
    assert (first.reference_share, first.current_share) == pytest.approx((0.25, 0.55))
    assert set(np.flatnonzero(found.cell_of == first.number)) == {*range(300, 400), *range(580, 800)}
    assert all(not one.grew for one in found.changed[1:])


def test_the_index_is_the_sum_of_its_cells():
    """(c - r) * log(c / r) over shares, half a text added to each count."""
    before, now = blobs([100, 100, 100, 100], 1), blobs([60, 60, 60, 220], 2)
    found = compare(before, now, chance=np.random.default_rng(0), cells=4)
    then, later = np.array([100.5] * 4) / 402, np.array([60.5, 60.5, 60.5, 220.5]) / 402
    assert found.psi == pytest.approx(((later - then) * np.log(later / then)).sum())
    assert found.psi == pytest.approx(sum(cell.psi for cell in found.cells))
    assert found.expected_psi == pytest.approx(3 * (1 / 400 + 1 / 400))


def test_the_p_value_is_that_of_chi_square():
    """With counts this large the drawn null is the one of the tables."""
    before, now = blobs([100, 100, 100, 100], 1), blobs([85, 95, 105, 115], 2)
    found = compare(before, now, chance=np.random.default_rng(0), cells=4)
    wanted = stats.chi2_contingency([[100, 100, 100, 100], [85, 95, 105, 115]]).pvalue
    assert found.p == pytest.approx(wanted, abs=0.03)


def test_equal_spreads_name_nothing():
    """What chance gives is no shift."""
    found = compare(blobs([50, 50, 50, 50], 1), blobs([50, 50, 50, 50], 2), chance=np.random.default_rng(0), cells=4)
    assert found.p > 0.9
    assert found.changed == ()


def test_few_rows_make_few_cells():
    """One cell for 25 rows; with a single one nothing can be told."""
    found = compare(np.ones((10, 2), np.float32), np.ones((12, 2), np.float32), chance=np.random.default_rng(0))
    assert len(found.cells) == 1
    assert (found.p, found.psi, found.changed) == (1, 0, ())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_corrected_p_values_keep_order_and_bounds(p_values):
    """Holm's are no smaller than the plain ones, no larger than Bonferroni's, and in the same order."""
    found = holm(p_values)
    assert all(one <= other <= min(1, len(p_values) * one) + 1e-12 for one, other in zip(p_values, found, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(found)[order]) >= 0)


def test_holm_by_hand():
    """.01, .04 and .03: three times .01, twice .03, and .04 no smaller than that."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
