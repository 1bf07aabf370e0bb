"""The exhaustive index on worlds small enough to work by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vicinal.errors import DtypeError, RangeError, ShapeError, SpaceMismatchError
from vicinal.index import ExactIndex
from vicinal.space import Space, Vectors

SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=8, overflow="cut", full_dim=2, dim=2
)


def unit(*degrees: float) -> np.ndarray:
    """Return vectors of unit length at angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_scores_are_cosines_and_rows_are_global() -> None:
    """A row number counts through all parts; the score is the cosine of the angle between."""
    index = ExactIndex([(0, unit(0, 90)), (2, unit(30, 180))], SPACE)
    found = index.search(Vectors(unit(0), SPACE), k=4)
    assert found.rows.tolist() == [[0, 2, 1, 3]]
    assert found.scores[0] == pytest.approx([1, np.sqrt(3) / 2, 0, -1], abs=1e-6)
    assert found.counts.tolist() == [4]


def test_ties_across_parts_by_row() -> None:
    """Equal vectors in different parts come by ascending row, wherever their part was named."""
    index = ExactIndex([(10, unit(0, 0)), (0, unit(0, 0)), (5, unit(0))], SPACE)
    assert index.search(Vectors(unit(0), SPACE), k=4).rows.tolist() == [[0, 1, 5, 10]]


def test_mask_is_by_global_row() -> None:
    """The mask has one element for each row number, gaps included."""
    index = ExactIndex([(1, unit(0, 0)), (5, unit(0, 90))], SPACE)
    assert index.row_count == 7
    mask = np.array([True, False, True, True, True, False, True])
    found = index.search(Vectors(unit(0), SPACE), k=3, mask=mask)
    assert found.rows.tolist() == [[2, 6, -1]]
    assert found.counts.tolist() == [2]
    assert found.scores[0, 2] == -np.inf


def test_empty_in_empty_out() -> None:
    """No parts, empty parts and no queries have the shapes of any other answer."""
    for parts in ([], [(0, unit())], [(0, unit()), (0, unit())]):
        index = ExactIndex(parts, SPACE)
        found = index.search(Vectors(unit(0, 1), SPACE), k=3, mask=np.zeros(0, np.bool_))
        assert found.rows.tolist() == [[-1] * 3] * 2
        assert found.counts.tolist() == [0, 0]
    none = ExactIndex([(0, unit(0))], SPACE).search(Vectors(unit(), SPACE), k=3)
    assert none.rows.shape == none.scores.shape == (0, 3)
    assert none.counts.shape == (0,)


def test_other_space_is_refused() -> None:
    """Queries of another space raise, and the differing field is named; a bare array has no space at all."""
    index = ExactIndex([(0, unit(0))], SPACE)
    with pytest.raises(SpaceMismatchError, match="pooling") as caught:
        index.search(Vectors(unit(0), replace(SPACE, pooling="cls")), k=1)
    assert caught.value.fields == ("pooling",)
    with pytest.raises(DtypeError, match="queries must be Vectors, got ndarray"):
        index.search(unit(0), k=1)  # type: ignore[arg-type]  # the wrong type is the test


def test_each_metric_by_hand() -> None:
    """Of (3, 4), (0, 0) and (1, 0) asked with (2, 0): products 6, 0, 2; cosines 0.6, 0, 1; squares of distances 17, 4, 1."""
    stored = np.array([[3, 4], [0, 0], [1, 0]], np.float32)
    expected = {
        ("dot", False): ([0, 2, 1], [6, 2, 0]),
        ("cosine", False): ([2, 0, 1], [1, 0.6, 0]),
        ("l2", False): ([2, 1, 0], [-1, -4, -17]),
        ("l2", True): ([2, 1, 0], [-1, -4, -17]),
    }
    for (metric, normalized), (rows, scores) in expected.items():
        space = replace(SPACE, metric=metric, normalized=normalized)
        found = ExactIndex([(0, stored)], space).search(Vectors(np.array([[2, 0]], np.float32), space), k=3)
        assert found.rows.tolist() == [rows]
        assert found.scores[0].tolist() == pytest.approx(scores, abs=1e-6)


def test_bits_let_through_what_booleans_do() -> None:
    """A mask of bits, also one that is longer than the rows, answers as the same mask of booleans."""
    index = ExactIndex([(1, unit(0, 10)), (70, unit(20, 30, 40))], SPACE)
    mask = np.zeros(index.row_count, np.bool_)
    mask[[2, 71]] = True
    bits = np.array([1 << 2, 1 << 7, 0], np.uint64)
    for given in (mask, bits[:2], bits):
        assert index.search(Vectors(unit(0), SPACE), k=3, mask=given).rows.tolist() == [[2, 71, -1]]
    with pytest.raises(ShapeError, match="a bit for each of 73 rows"):
        index.search(Vectors(unit(0), SPACE), k=3, mask=bits[:1])


@pytest.mark.parametrize(
    ("parts", "error", "told"),
    [
        ([(0, unit(0, 1)), (1, unit(2))], RangeError, "overlap: one ends before row 2, the next begins at row 1"),
        ([(-1, unit(0))], RangeError, "first row of a part must be >= 0"),
        ([(0, np.zeros((1, 3), np.float32))], ShapeError, r"\(n, 2\), got \(1, 3\)"),
        ([(0, np.zeros((1, 2)))], DtypeError, "float32"),
        ([(0, np.zeros((2, 3), np.float32)[:, :2])], ShapeError, "contiguous"),
    ],
)
def test_wrong_parts_are_named(parts: list, error: type[Exception], told: str) -> None:
    """A part that cannot be searched is refused when the index is made."""
    with pytest.raises(error, match=told):
        ExactIndex(parts, SPACE)


def test_wrong_arguments_are_named() -> None:
    """The number of places and the mask are checked, also where there is nothing to search."""
    for index in (ExactIndex([], SPACE), ExactIndex([(0, unit(0))], SPACE)):
        query = Vectors(unit(0), SPACE)
        with pytest.raises(RangeError, match="k must be >= 1"):
            index.search(query, k=0)
        with pytest.raises(ShapeError, match="mask"):
            index.search(query, k=1, mask=np.zeros(5, np.bool_))
        with pytest.raises(DtypeError, match="mask"):
            index.search(query, k=1, mask=np.zeros(index.row_count))  # type: ignore[arg-type]  # the wrong type is the test


def test_capabilities_are_declared() -> None:
    """What the index can do is a set on the class."""
    assert ExactIndex.can == {"exact", "filter", "mmap"}
