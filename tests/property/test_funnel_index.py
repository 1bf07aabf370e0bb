"""Laws of the funnel index: whatever comes and goes, scores are exact and nothing that is gone is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.index import ExactIndex, FunnelIndex, funnel
from vicinal.space import Space, Vectors

DIM = 9
SPACE = Space(
    weights="w", architecture="a", tokenizer="t", pooling="mean", max_tokens=8, overflow="cut", full_dim=DIM, dim=DIM
)
KINDS = [{}, {"normalized": False}, {"metric": "dot", "normalized": False}, {"metric": "l2", "normalized": False}]
POOL = np.random.default_rng(3).standard_normal((4096, DIM)).astype(np.float32)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 150)),
        st.tuples(st.just("drop"), st.integers(0, 5)),
        st.tuples(st.just("skip"), st.integers(1, 70)),
        st.tuples(st.just("rebuild"), st.sampled_from([0, 3])),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(autouse=True, scope="module")
def _small() -> object:
    """Codes from 60 rows on, coded 40 at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(funnel, "SMALL_ROWS", 60)
        patch.setattr(funnel, "WAITING_ROWS", 40)
        yield


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=STEPS,
    kind=st.sampled_from(KINDS),
    k=st.integers(1, 20),
    share=st.sampled_from([None, 0.0, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
def test_any_history(steps: list, kind: dict, k: int, share: float | None, seed: int) -> None:
    """After any history each answer is there, let through and exactly scored, as many as can be; recall 1 is exact."""
    space = replace(SPACE, **kind)
    pool = POOL / np.linalg.norm(POOL, axis=1, keepdims=True) if space.normalized else POOL
    parts: list[tuple[int, np.ndarray]] = []
    end = 0
    index = FunnelIndex.build(parts, space)
    for what, number in steps:
        if what == "append":
            parts.append((end, np.ascontiguousarray(pool[end : end + number], dtype=np.float32)))
            end += number
        elif what == "drop" and parts:
            parts.pop(number % len(parts))
        elif what == "skip":
            end += number
        index = FunnelIndex.build(parts, space, cells=number) if what == "rebuild" else index.extended(parts)
    rows = index.row_count
    mask = None if share is None else np.random.default_rng(seed).random(rows) < share
    queries = Vectors(np.ascontiguousarray(pool[seed * 7 : seed * 7 + 3] + np.float32(0.01)), space)
    given_mask = mask if mask is None or seed % 2 else kernels.bits_of_mask(mask)
    found = index.search(queries, k=k, mask=given_mask)
    exact = ExactIndex(parts, space).search(queries, k=max(1, rows), mask=mask)
    for query in range(3):
        true = {
            row: score
            for row, score in zip(exact.rows[query].tolist(), exact.scores[query].tolist(), strict=True)
            if row >= 0
        }
        got = [row for row in found.rows[query].tolist() if row >= 0]
        assert len(got) == len(set(got)) == found.counts[query] == min(k, len(true))
        assert [true[row] for row in got] == found.scores[query, : len(got)].tolist()
        assert got == sorted(got, key=lambda row: (-true[row], row))
    all_of_it = index.search(queries, k=k, mask=given_mask, recall=1.0)
    assert np.array_equal(all_of_it.rows, exact.rows[:, :k]) if rows >= k else True


@settings(max_examples=25, deadline=None)
@given(
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
    count=st.integers(61, 200),
    different=st.integers(0, 3),
    kind=st.sampled_from(KINDS[1:]),
    cells=st.sampled_from([0, 2]),
)
def test_adversarial_values(value: float, count: int, different: int, kind: dict, cells: int) -> None:
    """Rows that are all equal but for a few, of any length from denormal to near infinity, build, calibrate and answer."""
    space = replace(SPACE, **kind)
    rows = np.full((count, DIM), value, np.float32)
    rows[:different] = POOL[:different]
    index = FunnelIndex.build([(0, rows)], space, cells=cells)
    index = index.with_calibration(index.calibrate(queries=5))
    found = index.search(Vectors(rows[-1:], space), k=2)
    assert found.counts.tolist() == [2]
    true = ExactIndex([(0, rows)], space).search(Vectors(rows[-1:], space), k=count)
    scores = dict(zip(true.rows[0].tolist(), true.scores[0].tolist(), strict=True))
    assert [scores[row] for row in found.rows[0].tolist()] == found.scores[0].tolist()
