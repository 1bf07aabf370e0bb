"""Quantiles of Student's t: SciPy as oracle, and the edges."""

from __future__ import annotations

import pytest

from vicinal.errors import RangeError
from vicinal.evaluate.significance.student import t_quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 29, 299, 10**6])
@pytest.mark.parametrize("share", [0.005, 0.1, 0.5, 0.8, 0.975, 0.995])
def test_it_is_that_of_scipy(share, freedom):
    """Within 1 %, or exactly where a closed form is."""
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    close = 1e-9 if freedom <= 2 else 1e-2
    assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=close, abs=1e-9)


def test_the_table_of_the_textbook():
    """97.5 % at 1, 2, 10 and 30 degrees: 12.706, 4.303, 2.228, 2.042."""
    found = [t_quantile(0.975, freedom) for freedom in (1, 2, 10, 30)]
    assert found == pytest.approx([12.706, 4.303, 2.228, 2.042], abs=1e-3)


@pytest.mark.parametrize(("share", "freedom"), [(0, 5), (1, 5), (0.5, 0)])
def test_numbers_out_of_range_are_refused(share, freedom):
    """No chance is sure, and no spread comes of one number."""
    with pytest.raises(RangeError, match="share must be between 0 and 1 and freedom at least 1"):
        t_quantile(share, freedom)
