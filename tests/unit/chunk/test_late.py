"""Late chunking: means of token vectors, by hand."""

import numpy as np
import pytest

from vicinal.chunk import late_vectors
from vicinal.errors import NonFiniteError, RangeError, ShapeError

VECTORS = np.array([[9, 9], [1, 0], [0, 1], [0, 3], [9, 9]], dtype=np.float32)
SPANS = np.array([[0, 0], [0, 2], [3, 5], [6, 8], [0, 0]])


def test_a_chunk_is_the_mean_of_the_tokens_that_begin_in_it():
    """(1, 0), (0, 1) and (0, 3): the first two give (1, 1) / √2, all three (1, 4) / √17; special tokens count nowhere."""
    found = late_vectors(VECTORS, SPANS, [(0, 6), (0, 8), (3, 4)])
    expected = [np.array([1, 1]) / 2**0.5, np.array([1, 4]) / 17**0.5, [0, 1]]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_a_chunk_without_tokens_and_one_whose_tokens_cancel_out_are_zeros():
    """They have no direction."""
    assert not late_vectors(VECTORS, SPANS, [(1, 3), (8, 9), (4, 4)]).any()
    assert not late_vectors([[1.0], [-1.0]], [[0, 1], [1, 2]], [(0, 2)]).any()


def test_tokens_of_overlapping_windows_need_no_order():
    """Any order of the tokens gives the same."""
    order = [3, 0, 2, 4, 1]
    spans = [(0, 6), (3, 8)]
    found = late_vectors(VECTORS[order], SPANS[order], spans)
    np.testing.assert_allclose(found, late_vectors(VECTORS, SPANS, spans), atol=1e-7)


def test_many_tokens_give_what_each_chunk_gives_alone():
    """The running sums are as exact as a sum of the chunk's own tokens."""
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((5_000, 16)).astype(np.float32) + 3
    places = np.stack([np.arange(5_000), np.arange(5_000) + 1], axis=1)
    spans = [(at, at + 37) for at in range(0, 4_900, 111)]
    means = np.array([vectors[low:high].mean(axis=0, dtype=np.float64) for low, high in spans])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(late_vectors(vectors, places, spans), expected, atol=1e-6)


def test_input_is_not_modified():
    """Arrays that cannot be written are taken."""
    vectors, spans = VECTORS.copy(), SPANS.copy()
    vectors.flags.writeable = spans.flags.writeable = False
    late_vectors(vectors, spans, [(0, 8)])


def test_empty_is_a_shape():
    """No chunks, and no tokens."""
    assert late_vectors(VECTORS, SPANS, []).shape == (0, 2)
    assert late_vectors(np.zeros((0, 3)), np.zeros((0, 2)), [(0, 4)]).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(
    ("vectors", "spans", "chunks", "error"),
    [
        (VECTORS, SPANS[:2], [], ShapeError),
        (VECTORS[0], SPANS, [], ShapeError),
        ([[np.nan]], [[0, 1]], [], NonFiniteError),
        (VECTORS, SPANS, [(-1, 2)], RangeError),
        (VECTORS, SPANS, [(3, 2)], RangeError),
    ],
)
def test_what_is_no_window_is_refused(vectors, spans, chunks, error):
    """Shapes that do not belong together, NaN, and spans that are none."""
    with pytest.raises(error):
        late_vectors(vectors, spans, chunks)
