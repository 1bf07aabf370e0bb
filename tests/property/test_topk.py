"""Laws of exact top-k on random and adversarial worlds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vicinal import kernels
from vicinal.index import ExactIndex
from vicinal.space import Space, Vectors

ADVERSARIAL = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -1e-45, 1e-38, 3.4e38, -3.4e38, 1e19, -1e19, 1 + 2**-23, 2.0**24]
).map(np.float32)
NUMBERS = ADVERSARIAL | st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, np.ndarray | None]:
    """Draw rows, some of them doubles of others, queries, k and a mask."""
    dim = draw(st.integers(1, 40))
    values = draw(st.sampled_from([ADVERSARIAL, NUMBERS]))
    few = draw(arrays.arrays(np.float32, (draw(st.integers(1, 6)), dim), elements=values))
    rows = few[draw(arrays.arrays(np.int64, draw(st.integers(0, 60)), elements=st.integers(0, len(few) - 1)))]
    queries = draw(arrays.arrays(np.float32, (draw(st.integers(0, 6)), dim), elements=values))
    kind = draw(st.sampled_from(["none", "all", "nothing", "some"]))
    mask = {
        "none": None,
        "all": np.ones(len(rows), np.bool_),
        "nothing": np.zeros(len(rows), np.bool_),
        "some": draw(arrays.arrays(np.bool_, len(rows))),
    }[kind]
    for array in (rows, queries, mask):
        if array is not None:
            array.flags.writeable = False
    return rows, queries, draw(st.integers(1, 70)), mask


@pytest.mark.skipif(kernels._native is None, reason="the native kernels were not built")
@given(worlds())
def test_native_is_the_twin_to_the_last_bit(world: tuple) -> None:
    """Rows, scores and counts of both implementations have the same bytes, on every instruction set."""
    rows, queries, k, mask = world
    expected = kernels.exact.top_k(rows, queries, mask, k)
    for level in kernels._native.levels():
        answers = (
            np.full((len(queries), k), -1),
            np.full((len(queries), k), -np.inf, np.float32),
            np.zeros(len(queries), np.int64),
        )
        kernels._native.top_k(rows, queries, mask, *answers, level)
        assert [one.tobytes() for one in answers] == [one.tobytes() for one in expected]


@given(worlds())
def test_answers_are_the_sorted_scores(world: tuple) -> None:
    """The places are the k first of all allowed rows, sorted by (score down, row up); the rest is unused."""
    rows, queries, k, mask = world
    found, scores, counts = kernels.top_k(rows, queries, k=k, mask=mask)
    allowed = np.arange(len(rows)) if mask is None else np.flatnonzero(mask)
    for place, query in enumerate(queries):
        every = kernels.exact.scores_of(rows, query, "dot")[allowed]
        order = sorted(range(len(allowed)), key=lambda at: (-every[at], allowed[at]))[:k]
        used = len(order)
        assert counts[place] == used == min(k, len(allowed))
        assert found[place].tolist() == [int(allowed[at]) for at in order] + [-1] * (k - used)
        assert scores[place].tolist() == [float(every[at]) for at in order] + [-np.inf] * (k - used)


@given(worlds())
def test_one_sum_is_near_the_true_one(world: tuple) -> None:
    """Where nothing overflows, a score differs from the sum in float64 by at most the bound of float32 summation."""
    rows, queries, _, _ = world
    if not len(queries):
        return
    exactly = rows.astype(np.float64) * queries[0].astype(np.float64)
    size = np.abs(exactly).sum(axis=1)
    safe = size < 1e37
    every = kernels.exact.scores_of(rows, queries[0], "dot")
    # A product and at most 3 + 4 additions each round by 2^-24; below the normal numbers by 2^-150.
    bound = size * 9 * 2.0**-24 + rows.shape[1] * 2.0**-149
    assert (np.abs(every - exactly.sum(axis=1))[safe] <= bound[safe]).all()


@given(worlds(), st.lists(st.integers(0, 60), max_size=4), st.integers(0, 5))
def test_any_split_into_parts_gives_the_same_answers(world: tuple, cuts: list[int], gap: int) -> None:
    """An index over parts, with gaps between their rows, answers as one over the whole."""
    rows, queries, k, mask = world
    space = Space(
        weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=1, overflow="cut",
        full_dim=rows.shape[1], dim=rows.shape[1], metric="dot", normalized=False,
    )  # fmt: skip
    asked = Vectors(queries, space)
    whole = ExactIndex([(0, rows)], space).search(asked, k=k, mask=mask)
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    places = np.arange(len(rows))
    pieces, moved = [], np.zeros(len(rows), np.int64)
    for number, (start, end) in enumerate(itertools.pairwise(edges)):
        pieces.append((start + gap * number, rows[start:end]))
        moved[start:end] = places[start:end] + gap * number
    index = ExactIndex(pieces[::-1], space)
    wide = None
    if mask is not None:
        wide = np.ones(index.row_count, np.bool_)
        wide[moved] = mask
    split = index.search(asked, k=k, mask=wide)
    assert split.scores.tobytes() == whole.scores.tobytes()
    assert split.counts.tolist() == whole.counts.tolist()
    expected = np.where(whole.rows < 0, -1, moved[whole.rows] if len(rows) else -1)
    assert split.rows.tolist() == expected.tolist()
