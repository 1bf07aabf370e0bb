"""Documents in batches: counted, cut into blocks, gathered by number."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, NonFiniteError, ShapeError
from vicinal.evaluate.frontier import batches as module
from vicinal.evaluate.frontier.batches import Batches, spread


def rows_of(count, dim=3):
    """Return vectors whose first component is their number."""
    found = np.zeros((count, dim), dtype=np.float32)
    found[:, 0] = np.arange(count)
    return found


@settings(max_examples=50)
@given(st.lists(st.integers(0, 20), max_size=6), st.data())
def test_rows_are_found_again_whatever_the_batches(lengths, data):
    """Any wanted rows come back in order, from batches of any lengths, empty ones included, through small blocks."""
    whole = rows_of(sum(lengths))
    ends = np.cumsum([0, *lengths])
    parts = [whole[start:end] for start, end in itertools.pairwise(ends)]
    wanted = np.array(sorted(data.draw(st.sets(st.integers(0, max(len(whole) - 1, 0))))), dtype=np.int64)
    wanted = wanted[wanted < len(whole)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_ROWS", 4)
        found = Batches(parts, 3)
        assert found.count() == len(whole)
        np.testing.assert_array_equal(found.gathered(wanted)[:, 0], wanted)
        assert all(len(block) <= 4 for _, block in found.blocks())
        assert sum(len(rows) for rows, _ in found.chosen(wanted)) == len(wanted)


def test_an_array_is_one_batch():
    """It need not be wrapped."""
    assert Batches(rows_of(5), 3).count() == 5


def test_what_can_be_gone_through_once_is_refused():
    """A generator would be empty at the second pass."""
    with pytest.raises(DtypeError, match="several times"):
        Batches((one for one in [rows_of(3)]), 3)


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (np.zeros((2, 4), dtype=np.float32), ShapeError),
        (np.zeros(3, dtype=np.float32), ShapeError),
        (np.zeros((2, 3), dtype=np.int64), DtypeError),
    ],
)
def test_a_batch_that_does_not_fit_is_named_by_its_row(second, error):
    """The message says from which row on."""
    with pytest.raises(error, match="row 5"):
        Batches([rows_of(5), second], 3).count()


def test_a_row_that_is_no_number_is_named():
    """NaN in the second batch is counted from the first row of all."""
    bad = rows_of(3)
    bad[1, 2] = np.nan
    with pytest.raises(NonFiniteError, match="Row 6"):
        Batches([rows_of(5), bad], 3).count()


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_spread_numbers_are_below_the_count_and_even(count, wanted):
    """As many as wanted and there are, both ends among them."""
    found = spread(count, wanted)
    assert len(found) == min(count, wanted)
    assert found[0] == 0
    assert len(found) == 1 or found[-1] == count - 1
    assert (np.diff(found) >= 1).all()
