"""A whole query through codes, int8 and floats: on worlds worked by hand, and beside its NumPy twin."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vicinal import kernels
from vicinal.errors import DtypeError, RangeError, ShapeError, UnknownNameError
from vicinal.kernels import codes as plain_codes

NEEDS_NATIVE = pytest.mark.skipif(kernels.native.module is None, reason="the native kernels were not built")
METRICS = ("dot", "cosine", "l2")


@pytest.fixture(params=["native", "numpy"])
def chosen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with each implementation."""
    if request.param == "native" and kernels.native.module is None:
        pytest.skip("the native kernels were not built")
    monkeypatch.setenv("VICINAL_KERNELS", request.param)
    return request.param


def world(count: int, dim: int = 24, seed: int = 0) -> np.ndarray:
    """Return vectors that lie near a space of eight dimensions, as embeddings lie near one of few."""
    basis = np.random.default_rng(dim).standard_normal((8, dim))
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, dim))
    return (random.standard_normal((count, 8)) @ basis + 0.3 * noise + 0.5).astype(np.float32)


def built(rows: np.ndarray, metric: Any = "dot", first: int = 0, **more: Any) -> kernels.Funnel:
    """Return a funnel over all rows in order, with everything that it can have."""
    unit = metric == "cosine"
    center = np.zeros(rows.shape[1], np.float32) if not len(rows) or unit else rows.mean(0)
    rotation = kernels.Rotation(dim=rows.shape[1], seed=1)
    coded = kernels.turned((plain_codes.unit(rows) if unit else rows) - center, rotation)
    codes, factors = kernels.encode_codes(coded, np.zeros(rows.shape[1], np.float32))
    bias = kernels.encode_bias(rows, center) if metric == "l2" else None
    run = kernels.Run(codes=codes, factors=factors, count=len(rows), first_row=first, bias=bias)
    int8 = [(first, *kernels.encode_int8(rows, center, normalize=unit))]
    return kernels.Funnel(
        rows.shape[1], metric, center, rotation, runs=[run], int8_parts=int8, float_parts=[(first, rows)], **more
    )


def in_cells(rows: np.ndarray, metric: Any, cells: int = 9) -> kernels.Funnel:
    """Return a funnel over rows sorted by cell, each cell padded to whole blocks."""
    unit = metric == "cosine"
    centers = rows[:: len(rows) // cells][:cells].copy()
    if unit:
        centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    cell_of = kernels.assign(rows, centers, metric=metric)
    sizes = np.bincount(cell_of, minlength=len(centers))
    offsets = np.concatenate([[0], np.cumsum(-(-sizes // 64) * 64)]).astype(np.int64)
    order = np.argsort(cell_of, kind="stable")
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    positions = np.empty(len(rows), np.int64)
    positions[order] = offsets[cell_of[order]] + within
    total = int(offsets[-1])
    numbers = np.full(total, -1, np.int32)
    numbers[positions] = np.arange(len(rows))
    codes, factors = kernels.empty_codes(total // 64, rows.shape[1]), np.zeros(total, np.float32)
    center = np.zeros(rows.shape[1], np.float32)
    kernels.encode_codes_into(
        codes, factors, positions, plain_codes.unit(rows) if unit else rows, centers, cell_of=cell_of
    )
    bias = None
    if metric == "l2":
        bias = np.zeros(total, np.float32)
        bias[positions] = kernels.encode_bias(rows, center)
    run = kernels.Run(
        codes=codes, factors=factors, count=total, rows=numbers, bias=bias, cell_offsets=offsets, centers=centers
    )
    int8 = [(0, *kernels.encode_int8(rows, center, normalize=unit))]
    return kernels.Funnel(rows.shape[1], metric, center, None, runs=[run], int8_parts=int8, float_parts=[(0, rows)])


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Return the share of the true rows that were found."""
    pairs = zip(found.tolist(), true.tolist(), strict=True)
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in pairs]))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bits", [4, 8])
def test_all_candidates_give_the_exact_answer(chosen: str, metric: str, bits: int) -> None:
    """With every row a candidate, rows and scores are those of ``top_k``, bit for bit."""
    rows = world(300)
    queries = np.concatenate([rows[:5] + 1, np.zeros((1, 24), np.float32)])
    found = built(rows, metric, query_bits=bits).search(queries, k=7, candidates=300, rescored=300)
    true = kernels.top_k(rows, queries, k=7, metric=metric)
    for mine, theirs in zip(found[:3], true, strict=True):
        assert np.array_equal(mine, theirs)
    assert found[3].tolist() == [900] * 6


@pytest.mark.parametrize("metric", METRICS)
def test_few_candidates_find_nearly_all(chosen: str, metric: str) -> None:
    """A twentieth of the rows as candidates holds nearly all of the ten nearest, flat and in cells."""
    rows, queries = world(3000, 64), world(20, 64, seed=5)
    true = kernels.top_k(rows, queries, k=10, metric=metric)[0]
    flat = built(rows, metric).search(queries, k=10, candidates=150, rescored=30)
    assert recall(flat[0], true) > 0.97
    cells = in_cells(rows, metric)
    assert recall(cells.search(queries, k=10, candidates=150, rescored=30)[0], true) > 0.97
    some = cells.search(queries, k=10, candidates=150, rescored=30, probes=4)
    assert recall(some[0], true) > 0.6
    assert (some[3] < flat[3]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_a_doubt_spares_rows_that_cannot_be_near(chosen: str, metric: str) -> None:
    """With a doubt of three, the answer is that of all candidates, and far fewer of them are compared; a tiny one loses."""
    rows, queries = world(3000, 64), world(20, 64, seed=5)
    for funnel in (built(rows, metric), in_cells(rows, metric, 40)):
        every = funnel.search(queries, k=10, candidates=2000, rescored=12)
        sure = funnel.search(queries, k=10, candidates=2000, doubt=3, rescored=12)
        assert recall(sure[0], every[0]) > 0.995
        assert (sure[3] < every[3]).all()
        little = funnel.search(queries, k=10, candidates=2000, doubt=1e-6, rescored=12)
        assert (little[3] <= sure[3]).all()
        assert np.median(little[3] - every[3]) < -1000
        assert recall(little[0], every[0]) <= recall(sure[0], every[0])


def test_a_run_without_cells_or_rows_has_no_answer(chosen: str) -> None:
    """Nothing is found in a run of no cells, however it is asked."""
    nothing = np.zeros((0, 8), np.float32)
    run = kernels.Run(
        codes=np.zeros((0, 1, 64), np.uint8),
        factors=np.zeros(0, np.float32),
        count=0,
        rows=np.zeros(0, np.int32),
        cell_offsets=np.zeros(1, np.int64),
        centers=nothing,
    )
    funnel = kernels.Funnel(8, "dot", np.zeros(8, np.float32), None, runs=[run], float_parts=[(0, nothing)])
    for lag in (0.0, 0.5):
        found = funnel.search(np.ones((2, 8), np.float32), k=1, candidates=5, rescored=2, probes=1, lag=lag, doubt=1.0)
        assert found[2].tolist() == [0, 0]


def test_a_doubt_without_int8_rows_compares_all(chosen: str) -> None:
    """Where no row has int8 values, or fewer rows than places are there, nothing tells what is too far."""
    rows = world(500)
    run, center, turn = (funnel := built(rows)).runs[0], funnel.center, funnel.turn
    bare = kernels.Funnel(24, "dot", center, turn, runs=[run], float_parts=[(0, rows)])
    found = bare.search(rows[:3], k=5, candidates=400, doubt=0.5, rescored=20)
    assert found[3].tolist() == [500 + 400 + 400] * 3
    many = funnel.search(rows[:3], k=450, candidates=450, doubt=0.5, rescored=450)
    assert many[2].tolist() == [450] * 3


def test_a_lag_looks_into_more_cells_where_none_stands_out(chosen: str) -> None:
    """Of one lag, a query on a row has fewer cells than one far from all; more lag is more cells, and 20 are the fewest."""
    rows = world(4000, 32)
    plain = in_cells(rows, "l2", 60)
    centers, offsets = plain.runs[0].centers, plain.runs[0].cell_offsets
    assert centers is not None
    assert offsets is not None
    run = replace(plain.runs[0], cell_terms=-(centers**2).sum(axis=1))
    funnel = kernels.Funnel(32, "l2", plain.center, None, runs=[run], float_parts=[(0, rows)])
    queries = np.stack([rows[5], -20 * rows[5]])

    def compared(lag: float) -> list[int]:
        return [int(one) - 10 for one in funnel.search(queries, k=5, candidates=5, rescored=5, probes=1, lag=lag)[3]]

    held = np.array([(run.rows[start:end] >= 0).sum() for start, end in itertools.pairwise(offsets)])  # type: ignore[index]  # it has rows
    nearest = [np.argsort(np.linalg.norm(centers - query, axis=1))[:20] for query in queries]
    assert compared(1e-9) == [int(held[cells].sum()) for cells in nearest]
    least, some, most = compared(1e-9), compared(0.3), compared(1e6)
    assert all(a <= b <= c for a, b, c in zip(least, some, most, strict=True))
    assert some[0] < some[1]
    assert most == [4000, 4000]


def test_best_first_and_ties_by_row(chosen: str) -> None:
    """Scores descend, equal ones go by row, and unused places hold -1 and -inf."""
    rows = np.array([[1, 0], [3, 0], [2, 0], [3, 5], [2, 1]], dtype=np.float32)
    found, scores, counts, work = built(rows).search(np.eye(2, dtype=np.float32), k=7, candidates=5, rescored=5)
    assert found.tolist() == [[1, 3, 2, 4, 0, -1, -1], [3, 4, 0, 1, 2, -1, -1]]
    assert scores.tolist() == [[3, 3, 2, 2, 1, -np.inf, -np.inf], [5, 1, 0, 0, 0, -np.inf, -np.inf]]
    assert counts.tolist() == [5, 5]
    assert work.tolist() == [15, 15]


def test_equal_estimates_keep_the_first_positions(chosen: str) -> None:
    """Of rows that all look alike to the codes, the first are the candidates."""
    rows = np.ones((500, 8), dtype=np.float32)
    found = built(rows).search(rows[:2], k=3, candidates=5, rescored=4)
    assert found[0].tolist() == [[0, 1, 2]] * 2


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65])
def test_every_length_around_a_block(chosen: str, count: int) -> None:
    """No row behind the last is an answer, and none of those there is lost."""
    rows = world(count)
    found, _, counts, _ = built(rows).search(np.ones((3, 24), np.float32), k=70, candidates=70, rescored=70)
    assert counts.tolist() == [count] * 3
    assert sorted(found[0][:count].tolist()) == list(range(count))
    none = built(rows).search(np.ones((0, 24), np.float32), k=2, candidates=5, rescored=4)
    assert [array.shape for array in none] == [(0, 2), (0, 2), (0,), (0,)]


MASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "empty": lambda rows: rows < 0,
    "full": lambda rows: rows >= 0,
    "alternating": lambda rows: rows % 2 == 0,
    "last": lambda rows: rows == rows[-1],
    "one block": lambda rows: rows // 64 == 3,
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("first", [0, 5, 64])
def test_mask_lets_through(chosen: str, name: str, first: int) -> None:
    """Only rows of the mask are answers, wherever the rows begin, and all of them can be."""
    rows = world(400)
    mask = MASKS[name](np.arange(first + 400))
    held = kernels.bits_of_mask(mask)
    found = built(rows, first=first).search(rows[:2], k=5, candidates=400, rescored=400, mask=held)
    true = kernels.top_k(rows, rows[:2], k=5, mask=mask[first:])
    assert np.array_equal(np.where(found[0] >= 0, found[0] - first, -1), true[0])
    assert np.array_equal(found[2], true[2])


def test_mask_in_cells_and_short_masks(chosen: str) -> None:
    """Cells obey a mask too, and rows behind the end of a mask are not let through."""
    rows = world(500)
    mask = np.zeros(128, np.bool_)
    mask[::3] = True
    for funnel in (in_cells(rows, "dot"), built(rows)):
        found = funnel.search(rows[:3], k=60, candidates=99, rescored=99, mask=kernels.bits_of_mask(mask))[0]
        assert {frozenset(one[one >= 0].tolist()) for one in found} == {frozenset(range(0, 128, 3))}
        assert not funnel.search(rows[:1], k=3, candidates=9, rescored=9, mask=np.zeros(0, np.uint64))[2].any()


def test_wanted_goes_on_through_the_cells(chosen: str) -> None:
    """With a mask, cells beyond the probes are looked into until enough rows of the mask were compared."""
    rows = world(900)
    mask = np.zeros(900, np.bool_)
    mask[np.argsort(rows @ rows[5])[:40]] = True  # the rows that lie farthest from the query
    held = kernels.bits_of_mask(mask)
    knobs: dict[str, Any] = {"k": 5, "candidates": 40, "rescored": 40, "probes": 1, "mask": held}
    funnel = in_cells(rows, "dot")
    true = kernels.top_k(rows, rows[5:6], k=5, mask=mask)[0]
    assert np.array_equal(funnel.search(rows[5:6], wanted=40, **knobs)[0], true)
    assert funnel.search(rows[5:6], **knobs)[3] < funnel.search(rows[5:6], wanted=40, **knobs)[3]


def test_rows_without_floats_are_no_answers(chosen: str) -> None:
    """A row that no part of the floats holds is left out, from the scan and from chosen rows."""
    rows = world(200)
    funnel = built(rows)
    gone = kernels.Funnel(
        24,
        "dot",
        funnel.center,
        funnel.turn,
        runs=funnel.runs,
        int8_parts=funnel.int8_parts,
        float_parts=[(0, rows[:50]), (100, rows[100:])],
    )
    found = gone.search(rows[60:61], k=200, candidates=200, rescored=200)
    assert found[2].tolist() == [150]
    assert not np.isin(np.arange(50, 100), found[0]).any()
    chosen_rows = np.array([49, 50, 99, 100, 5000, -3], dtype=np.int64)
    assert sorted(gone.search_rows(rows[:1], chosen_rows, k=9, rescored=9)[0][0][:2].tolist()) == [49, 100]


@pytest.mark.parametrize("kept", [0.99, 0.3, 0.0])
def test_a_mask_looked_at_late_lets_the_same_through(chosen: str, kept: float) -> None:
    """Whenever the mask is looked at, the answers are the same; what was compared before it is counted."""
    rows, queries = world(1500), world(6, seed=2)
    mask = kernels.bits_of_mask(np.random.default_rng(1).random(1500) < kept)
    for funnel in (built(rows), in_cells(rows, "dot", 30)):
        for doubt in (0.0, 1.0):
            how: dict[str, Any] = {"k": 5, "candidates": 200, "doubt": doubt, "rescored": 10, "mask": mask}
            early, late = funnel.search(queries, **how), funnel.search(queries, **how, late=True)
            assert all(np.array_equal(a, b) for a, b in zip(early[:3], late[:3], strict=True))
            assert (late[3] >= early[3]).all()
            assert (late[3] >= 1500).all()


@pytest.mark.parametrize("metric", METRICS)
def test_chosen_rows(chosen: str, metric: str) -> None:
    """Exactly the chosen rows are compared, by int8 and then by floats."""
    rows, queries = world(600), world(4, seed=2)
    picked = np.random.default_rng(0).permutation(600)[:80].astype(np.int64)
    mask = np.zeros(600, np.bool_)
    mask[picked] = True
    found = built(rows, metric).search_rows(queries, picked, k=5, rescored=40)
    true = kernels.top_k(rows, queries, k=5, mask=mask, metric=metric)
    assert np.array_equal(found[0], true[0])
    assert np.array_equal(found[1], true[1])
    assert found[3].tolist() == [120] * 4
    assert built(rows).search_rows(queries, picked[:0], k=5, rescored=5)[2].tolist() == [0] * 4


@pytest.mark.parametrize("threads", [2, 3, 9])
def test_threads_change_nothing(chosen: str, threads: int) -> None:
    """One query split over threads, and queries split over threads, give the answer of one thread."""
    rows = world(5000)
    for funnel in (built(rows), in_cells(rows, "dot")):
        for queries in (rows[:1], rows[:7]):
            alone = funnel.search(queries, k=10, candidates=50, rescored=20, probes=5)
            shared = funnel.search(queries, k=10, candidates=50, rescored=20, probes=5, threads=threads, cold=True)
            for mine, theirs in zip(alone, shared, strict=True):
                assert np.array_equal(mine, theirs)
            adaptive = {"k": 10, "candidates": 900, "doubt": 1.0, "rescored": 20, "probes": 5, "lag": 0.2}
            alone, shared = funnel.search(queries, **adaptive), funnel.search(queries, **adaptive, threads=threads)
            for mine, theirs in zip(alone, shared, strict=True):
                assert np.array_equal(mine, theirs)


def test_searches_at_once(chosen: str) -> None:
    """Several threads of Python may search one funnel."""
    rows = world(800)
    funnel = built(rows)
    alone = funnel.search(rows[:40], k=5, candidates=60, rescored=20)[0]
    found: dict[int, np.ndarray] = {}

    def search(start: int) -> None:
        found[start] = funnel.search(rows[start : start + 10], k=5, candidates=60, rescored=20)[0]

    threads = [threading.Thread(target=search, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(np.concatenate([found[start] for start in sorted(found)]), alone)


def test_a_query_alone_and_in_company(chosen: str) -> None:
    """The answer to a query does not depend on the queries beside it."""
    rows, queries = world(900), world(70, seed=9)
    funnel = built(rows)
    together = funnel.search(queries, k=5, candidates=40, rescored=20)
    for place in (0, 3, 64, 69):
        alone = funnel.search(queries[place : place + 1], k=5, candidates=40, rescored=20)
        assert all(np.array_equal(a[0], b[place]) for a, b in zip(alone, together, strict=True))


def test_arrays_are_held_and_not_changed(chosen: str) -> None:
    """The funnel keeps its arrays alive, reads read-only ones, and sees nothing behind a run's count."""
    rows = world(200)
    for array in (funnel := built(rows)).runs[0].codes, rows:
        array.flags.writeable = False
    before = funnel.search(rows[:2], k=3, candidates=20, rescored=10)
    run = funnel.runs[0]
    room = np.concatenate([run.codes, np.full((2, 3, 64), 255, np.uint8)])
    wide = kernels.Run(codes=room, factors=np.append(run.factors, np.float32(99)), count=200)
    after = kernels.Funnel(
        24, "dot", funnel.center, funnel.turn, runs=[wide], int8_parts=funnel.int8_parts, float_parts=[(0, rows)]
    )
    for mine, theirs in zip(before, after.search(rows[:2], k=3, candidates=20, rescored=10), strict=True):
        assert np.array_equal(mine, theirs)


def test_wrong_arguments_are_errors_with_a_name(chosen: str) -> None:
    """Parts that do not fit together, and knobs out of range, are refused."""
    rows = world(100)
    funnel = built(rows)
    run, center, rotation = funnel.runs[0], funnel.center, funnel.turn

    def refused(kind: type, words: str, *, metric: Any = "dot", **more: Any) -> None:
        parts: dict[str, Any] = {"runs": [run], "int8_parts": funnel.int8_parts, "float_parts": [(0, rows)]} | more
        with pytest.raises(kind, match=words):
            kernels.Funnel(24, metric, center, rotation, **parts)

    def changed(**more: Any) -> list[kernels.Run]:
        names = ("codes", "factors", "count", "first_row", "rows", "bias", "cell_offsets", "centers")
        return [kernels.Run(**({name: getattr(run, name) for name in names} | more))]

    refused(UnknownNameError, "metric", metric="hamming")
    refused(RangeError, "query_bits", query_bits=5)
    refused(ShapeError, "bias must be given for l2", metric="l2")
    refused(RangeError, "count", runs=changed(count=129))
    refused(ShapeError, "factors must have 100", runs=changed(factors=run.factors[:99]))
    refused(ShapeError, "codes must be", runs=changed(codes=run.codes[:, :2].copy()))
    refused(DtypeError, "rows must be", runs=changed(rows=np.zeros(100, np.int16)))
    refused(ShapeError, "given together", runs=changed(centers=rows[:1]))
    cells = {"centers": rows[:1], "cell_offsets": np.array([0, 100], np.int64)}
    refused(ShapeError, "multiples of 64", runs=changed(**cells))
    refused(ShapeError, "centers must have the shape", runs=changed(**cells | {"centers": rows[:2]}))
    refused(RangeError, "overlap", float_parts=[(0, rows), (99, rows)])
    refused(ShapeError, "shape", float_parts=[(0, rows[:, :9].copy())])
    refused(DtypeError, "int8", int8_parts=[(0, rows, rows[:, 0].copy())])
    refused(ShapeError, "scales", int8_parts=[(0, np.zeros((9, 24), np.int8), np.zeros(8, np.float32))])
    for name in ("k", "candidates", "rescored"):
        knobs = {"k": 1, "candidates": 9, "rescored": 9} | {name: 0}
        with pytest.raises(RangeError, match=name):
            funnel.search(rows[:1], **knobs)
    for name in ("doubt", "lag"):
        for wrong in (-0.1, float("nan"), float("inf"), 1e31):
            with pytest.raises(RangeError, match=f"{name} must be at least 0"):
                funnel.search(rows[:1], k=1, candidates=9, rescored=9, **{name: wrong})
        with pytest.raises(DtypeError, match=name):
            funnel.search(rows[:1], k=1, candidates=9, rescored=9, **{name: "much"})
    with pytest.raises(ShapeError, match="queries"):
        funnel.search(rows[:1, :9].copy(), k=1, candidates=2, rescored=2)
    with pytest.raises(DtypeError, match="mask"):
        funnel.search(rows[:1], k=1, candidates=2, rescored=2, mask=np.ones(100, np.bool_))  # type: ignore[arg-type]


@NEEDS_NATIVE
def test_native_side_refuses_what_it_could_not_read() -> None:
    """Called without its checks, the native funnel still reads and writes nothing beyond an array."""
    native = kernels.native.module
    codes, factors, center = np.zeros((1, 1, 64), np.uint8), np.zeros(64, np.float32), np.zeros(8, np.float32)
    for arguments in (
        (9, "dot", center, None, None, 4),
        (5000, "dot", center, None, None, 4),
        (8, "far", center, None, None, 4),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            native.Funnel(*arguments)
    funnel = native.Funnel(8, "dot", center, None, None, 4)
    short = np.zeros(3, np.int32)
    offsets = np.array([0, 32, 64], np.int64)
    for run in (
        (codes, factors, 65, 0, None, None, None, None),
        (codes, factors[:5], 6, 0, None, None, None, None),
        (codes, factors, 64, -1, None, None, None, None),
        (codes, factors, 64, 0, short, None, None, None),
        (codes, factors, 64, 0, None, factors, None, None),
        (codes, factors, 64, 0, None, None, offsets, np.zeros((2, 8), np.float32)),
        (codes, factors, 64, 0, None, None, offsets[:2], np.zeros((2, 8), np.float32)),
        (np.zeros((1, 2, 64), np.uint8), factors, 64, 0, None, None, None, None),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            funnel.add_run(*run, terms=None)
    with pytest.raises(ValueError, match="shape"):
        funnel.add_int8(0, np.zeros((2, 8), np.int8), factors)
    funnel.add_floats(0, np.zeros((4, 8), np.float32))
    with pytest.raises(ValueError, match="overlap"):
        funnel.add_floats(3, np.zeros((4, 8), np.float32))
    places = np.zeros((1, 2), np.int64), np.zeros((1, 2), np.float32), np.zeros(1, np.int64), np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="must not fall"):
        funnel.search(center[None], 1, 0, 1, 0, 0, None, False, 0, 1, False, *places)  # noqa: FBT003 - a native signature
    with pytest.raises(ValueError, match="one row for each query"):
        funnel.search(np.zeros((2, 8), np.float32), 9, 0, 9, 0, 0, None, False, 0, 1, False, *places)  # noqa: FBT003 - the same


SHORT_OF_MEMORY = """
import resource
import numpy as np
from vicinal import kernels

rows, queries = np.zeros((1 << 22, 8), np.float32), np.ones((8, 8), np.float32)
run = kernels.Run(codes=np.zeros((1 << 16, 1, 64), np.uint8), factors=np.zeros(1 << 22, np.float32), count=1 << 22)
funnel = kernels.Funnel(8, "dot", np.zeros(8, np.float32), None, runs=[run], float_parts=[(0, rows)])
funnel.search(queries, k=2, candidates=9, rescored=9, threads=2)
with open("/proc/self/statm") as told:
    taken = int(told.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (12 << 20),) * 2)
for threads in (1, 2, 16):
    try:
        funnel.search(queries, k=2, candidates=1 << 22, rescored=9, threads=threads)
    except MemoryError:
        print(threads)
"""


@NEEDS_NATIVE
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_no_memory_in_a_thread_is_an_error() -> None:
    """Candidates that no memory is left for raise a MemoryError from any thread, where queries or rows are shared."""
    done = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "2", "16"]), done.stderr


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_many_candidates_in_small_groups(chosen: str, threads: int) -> None:
    """Where many candidates make the groups of queries small, each query has the answer that it has alone."""
    rows = world(40_000, 8)
    funnel, queries = built(rows), world(9, 8, seed=1)
    how: dict[str, Any] = {"k": 3, "candidates": 1 << 30, "rescored": 40}
    together = funnel.search(queries, threads=threads, **how)
    for place in range(len(queries)):
        alone = funnel.search(queries[place : place + 1], **how)
        assert all((one[place] == other[0]).all() for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize("kind", [np.float16, np.uint16])
@pytest.mark.parametrize("metric", METRICS)
def test_rows_of_sixteen_bits(chosen: str, kind: type, metric: str) -> None:
    """Exact search over float16, or the bits of bfloat16, is that over the same numbers as float32."""
    bits = np.arange(65536, dtype=np.uint16)
    rows = (bits.view(np.float16) if kind is np.float16 else bits).reshape(-1, 32)
    wide = kernels.exact.widened(rows)
    usable = np.isfinite(wide).all(axis=1)
    rows, wide = np.ascontiguousarray(rows[usable]), np.ascontiguousarray(wide[usable])
    queries = np.random.default_rng(0).standard_normal((3, 32)).astype(np.float32)
    for mine, theirs in zip(
        kernels.top_k(rows, queries, k=9, metric=metric), kernels.top_k(wide, queries, k=9, metric=metric), strict=True
    ):
        assert np.array_equal(mine, theirs)
