"""The native kernels of the funnel and their NumPy twins: the same bits, on random and on adversarial data.

Sums over codes and int8 rows are whole numbers, and all others have one order, so nothing is near: all is equal.
``assign`` alone may differ, and its bound is tested beside it (tests/unit/kernels/test_encoding.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.kernels import codes as coding
from vicinal.kernels import engine, funnel

pytestmark = pytest.mark.skipif(kernels.native.module is None, reason="the native kernels were not built")

COUNTS = (0, 1, 2, 63, 64, 65, 200, 1023, 1025, 2100)
DIMS = (1, 3, 8, 9, 20, 64, 100, 127, 384)
METRICS = ("dot", "cosine", "l2")
KINDS = {
    "normal": lambda rows, random: rows,
    "equal": lambda rows, random: np.broadcast_to(rows[:1], rows.shape).copy(),
    "zero": lambda rows, random: rows * np.float32(0),
    "huge": lambda rows, random: rows * np.float32(1e37),
    "tiny": lambda rows, random: rows * np.float32(1e-25),
    "denormal": lambda rows, random: rows * np.float32(1e-40),
    "mixed": lambda rows, random: rows * (10.0 ** random.integers(-30, 30, len(rows))).astype(np.float32)[:, None],
    "coarse": lambda rows, random: np.round(rows[:, :1] * 2) * np.ones((1, rows.shape[1]), np.float32),
    "one component": lambda rows, random: rows * np.float32([1000] + [0.01] * (rows.shape[1] - 1)),
}
MASKS = {
    "none": lambda rows, random: None,
    "empty": lambda rows, random: rows < 0,
    "full": lambda rows, random: rows >= 0,
    "alternating": lambda rows, random: rows % 2 == 0,
    "some": lambda rows, random: random.random(len(rows)) < 0.1,
    "short": lambda rows, random: np.ones(len(rows) // 2, np.bool_),
}


def cells_of(
    random: np.random.Generator, rows: np.ndarray, coded: np.ndarray, metric: str, center: np.ndarray, first: int
) -> funnel.Run:
    """Return a run of rows in random cells, padded to whole blocks."""
    many = int(random.choice([1, 3, 8, 50]))
    centers = np.nan_to_num(coded[random.integers(0, len(rows), many)])
    cell_of = random.integers(0, many, len(rows)).astype(np.int32)
    sizes = np.bincount(cell_of, minlength=many)
    offsets = np.concatenate([[0], np.cumsum(-(-sizes // 64) * 64)]).astype(np.int64)
    order = np.argsort(cell_of, kind="stable")
    positions = np.empty(len(rows), np.int64)
    positions[order] = offsets[cell_of[order]] + np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    total = int(offsets[-1])
    numbers = np.full(total, -1, np.int32 if random.random() < 0.5 else np.int64)
    numbers[positions] = first + np.arange(len(rows))
    codes, factors = np.zeros((total // 64, -(-coded.shape[1] // 8), 64), np.uint8), np.zeros(total, np.float32)
    kernels.encode_codes_into(codes, factors, positions, coded, centers, cell_of=cell_of)
    bias = None
    if metric == "l2":
        bias = np.zeros(total, np.float32)
        bias[positions] = kernels.encode_bias(rows, center)
    terms = None if random.random() < 0.5 else random.standard_normal(many).astype(np.float32)
    return funnel.Run(
        codes=codes,
        factors=factors,
        count=total,
        rows=numbers,
        bias=bias,
        cell_offsets=offsets,
        centers=centers,
        cell_terms=terms,
    )


def flat_of(rows: np.ndarray, coded: np.ndarray, metric: str, center: np.ndarray, first: int) -> funnel.Run:
    """Return a run of rows in order, in arrays with room behind."""
    codes, factors = np.zeros((-(-len(rows) // 64) + 1, -(-coded.shape[1] // 8), 64), np.uint8), np.zeros(len(rows) + 3)
    factors = factors.astype(np.float32)
    kernels.encode_codes_into(codes, factors, np.arange(len(rows)), coded, np.zeros(coded.shape[1], np.float32))
    bias = kernels.encode_bias(rows, center) if metric == "l2" else None
    return funnel.Run(codes=codes, factors=factors, count=len(rows), first_row=first, bias=bias)


def turn_of(random: np.random.Generator, dim: int, seed: int) -> Any:
    """Return nothing, a rotation or a projection."""
    kind = random.integers(0, 3)
    if kind == 0:
        return None
    if kind == 1:
        return kernels.Rotation(dim=dim, seed=seed)
    matrix = random.standard_normal((int(random.integers(1, dim + 1)), dim))
    return kernels.Projection(matrix=matrix.astype(np.float32))


def queries_for(random: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Return up to nine queries: a zero one, a huge one and one of the rows among them."""
    queries = random.standard_normal((int(random.choice([0, 1, 3, 4, 5, 9])), rows.shape[1])).astype(np.float32)
    if len(queries) > 2:
        queries[0] = 0
        queries[1] *= np.float32(1e30)
        queries[2] = rows[0] if len(rows) else 1
    return queries


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from(COUNTS),
    dim=st.sampled_from(DIMS),
    metric=st.sampled_from(METRICS),
    kind=st.sampled_from(sorted(KINDS)),
    held=st.sampled_from(sorted(MASKS)),
    bits=st.sampled_from([4, 8]),
    split=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_native_is_the_twin(
    seed: int, count: int, dim: int, metric: Any, kind: str, held: str, bits: int, split: float
) -> None:
    """Rows, scores, counts and work of every instruction set are the twin's, over runs with and without cells."""
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(KINDS[kind](random.standard_normal((count, dim)).astype(np.float32), random))
        center = np.zeros(dim, np.float32) if split or not count else np.nan_to_num(rows.mean(0))
        turn = turn_of(random, dim, seed)
        first, cut = int(random.choice([0, 5, 64, 1000])), int(random.integers(0, count + 1))
        coded = kernels.turned((coding.unit(rows) if metric == "cosine" else rows) - center, turn)
        half = int(count * split)
        runs = [cells_of(random, rows[:half], coded[:half], metric, center, first)] if half else []
        if half < count or not half:
            runs.append(flat_of(rows[half:], coded[half:], metric, center, first + half))
        values, scales = kernels.encode_int8(rows, center, normalize=metric == "cosine")
        int8 = [(first, values[:cut], scales[:cut])] if random.random() < 0.8 else []
        floats = [(first, rows[:cut]), (first + cut, rows[cut:])][: int(random.choice([1, 2, 2, 2]))]
        mask = MASKS[held](np.arange(first + count), random)
        mask = None if mask is None else kernels.bits_of_mask(mask)
        queries = queries_for(random, rows)
        k = int(random.choice([1, 3, 10, count + 5]))
        rescored = max(k, int(random.choice([1, 2, 12, 50])))
        candidates = max(rescored, int(random.choice([1, 20, 100, 300, count + 1])))
        probes, wanted = int(random.choice([0, 1, 2, 5])), int(random.choice([0, 1, 40]))
        late = bool(random.random() < 0.3)
        lag, doubt = float(random.choice([0, 0.05, 0.5, 3])), float(random.choice([0, 0.1, 1, 4]))
        picked = random.permutation(first + count)[: int(random.integers(0, first + count + 1))].astype(np.int64)
        parts = (dim, metric, center, turn, runs, int8, floats, bits)
        twin = funnel.Funnel(*parts)
        want = twin.search(
            queries,
            k=k,
            candidates=candidates,
            doubt=doubt,
            rescored=rescored,
            probes=probes,
            lag=lag,
            mask=mask,
            late=late,
            wanted=wanted,
        )
        widths = (candidates, doubt, rescored, probes, lag)
        want_rows = twin.search_rows(queries, picked, k=k, rescored=rescored)
    native = kernels.native.module
    for level in native.funnel_levels():
        fast = engine.native_funnel(native, *parts, level=level)
        for threads in (1, 3):
            got = engine._places(len(queries), k)
            fast.search(queries, *widths, mask, late, wanted, threads, False, *got)  # noqa: FBT003 - a native signature
            for mine, theirs in zip(got, want, strict=True):
                assert np.array_equal(mine, theirs), (level, threads)
        got = engine._places(len(queries), k)
        fast.search_rows(queries, picked, rescored, False, *got)  # noqa: FBT003 - a native signature
        for mine, theirs in zip(got, want_rows, strict=True):
            assert np.array_equal(mine, theirs), level


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from(COUNTS),
    dim=st.sampled_from(DIMS),
    kind=st.sampled_from(sorted(KINDS)),
    normalize=st.booleans(),
)
def test_codes_are_the_twins(seed: int, count: int, dim: int, kind: str, *, normalize: bool) -> None:
    """Codes, factors, int8 values and scales of every instruction set are the twin's bytes."""
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(KINDS[kind](random.standard_normal((count, dim)).astype(np.float32), random))
        center = random.standard_normal(dim).astype(np.float32)
        codes, factors = np.zeros((-(-count // 64), -(-dim // 8), 64), np.uint8), np.empty(count, np.float32)
        places = random.permutation(count)
        coding.encode_codes_into(codes, factors, places, rows, center[None], None)
        want = codes, factors, *coding.encode_int8(rows, center, normalize=normalize)
    native = kernels.native.module
    for level in native.funnel_levels():
        got = [np.zeros_like(array) for array in want]
        native.encode_codes(*got[:2], places, rows, center[None], None, 2, level)
        native.encode_int8(*got[2:], rows, center, normalize, 2, level)
        for mine, theirs in zip(got, want, strict=True):
            assert mine.tobytes() == theirs.tobytes(), level


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from(COUNTS),
    dim=st.sampled_from(DIMS),
    metric=st.sampled_from(METRICS),
    kind=st.sampled_from(sorted(KINDS)),
)
def test_exact_search_is_the_twins(seed: int, count: int, dim: int, metric: str, kind: str) -> None:
    """The exhaustive search of every metric and instruction set is the twin's, bit for bit."""
    random = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(KINDS[kind](random.standard_normal((count, dim)).astype(np.float32), random))
        queries = queries_for(random, rows)
        want = kernels.exact.top_k(rows, queries, None, 7, metric)
    native = kernels.native.module
    for level in native.levels():
        got = engine._places(len(queries), 7)[:3]
        native.top_k(rows, queries, None, *got, level, metric)
        for mine, theirs in zip(got, want, strict=True):
            assert np.array_equal(mine, theirs), level
