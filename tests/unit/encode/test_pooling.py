"""Pooling and length, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.encode.pooling import pool, unit
from vicinal.errors import EncodeError

TOKENS = np.float32([[[1, 2], [3, 6], [100, 100]], [[5, 5], [7, 9], [9, 7]]])
MASK = np.int64([[1, 1, 0], [1, 1, 1]])


def test_the_mean_is_over_the_tokens_that_are_there():
    """(1+3)/2, (2+6)/2; what stands in the padding does not count."""
    assert np.abs(pool(TOKENS, MASK, "mean") - [[2, 4], [7, 7]]).max() < 1e-6


def test_cls_is_the_first_token():
    """The first row of each text."""
    assert pool(TOKENS, MASK, "cls").tolist() == [[1, 2], [5, 5]]


def test_last_is_the_last_token_that_is_there():
    """Padding behind it does not count."""
    assert pool(TOKENS, MASK, "last").tolist() == [[3, 6], [9, 7]]


def test_the_weighted_mean_counts_the_later_tokens_more():
    """Weights 1, 2, 3 by place: (1*1 + 2*3) / 3, (1*2 + 2*6) / 3; (5 + 14 + 27) / 6, (5 + 18 + 21) / 6."""
    expected = [[7 / 3, 14 / 3], [46 / 6, 44 / 6]]
    assert np.abs(pool(TOKENS, MASK, "weighted_mean") - expected).max() < 1e-6


def test_max_is_the_largest_of_each_component():
    """Over the tokens that are there; padding has no say."""
    assert pool(TOKENS, MASK, "max").tolist() == [[3, 6], [9, 9]]


def test_unit_vectors_keep_their_direction():
    """(3, 4) has the length 5."""
    assert np.allclose(unit(np.float32([[3, 4]]), np.int64([0])), [[0.6, 0.8]], atol=1e-7)


@pytest.mark.parametrize("bad", [[0, 0], [np.nan, 1], [np.inf, 1], [3e38, 3e38]])
def test_what_has_no_direction_is_refused_with_its_text(bad):
    """Zero, NaN, infinity and a length beyond float32 are no vectors; the text's row is named, not its place here."""
    with pytest.raises(EncodeError, match="text 42") as caught:
        unit(np.float32([[3, 4], bad]), np.int64([7, 42]))
    assert caught.value.where == 42
