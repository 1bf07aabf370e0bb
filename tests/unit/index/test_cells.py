"""Cells: centers that stand where the rows are, none of them idle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vicinal import kernels
from vicinal.index.cells import CROSSING_ROWS, assigned, cell_count, centers_of, sample_count
from vicinal.index.coding import Coder, _sort_codes, coded_base
from vicinal.index.pace import Pace, cell_nearness
from vicinal.index.parts import Part, sampled, stretches


def test_how_many() -> None:
    """None below the crossing point; then the power of two at or above the root, 1,024 for a million, and a limit."""
    assert [cell_count(rows) for rows in (0, CROSSING_ROWS - 1, 1_000_000, 10_000_000, 10**12)] == [
        0,
        0,
        1024,
        4096,
        65536,
    ]
    assert sample_count(1024, 384) == 65_536
    assert sample_count(4096, 4096) == 16_384
    assert sample_count(65_536, 4096) == 65_536


def test_separate_groups_are_found() -> None:
    """Eight groups far apart get a center each, near their mean, and rows of one group one cell."""
    places = np.eye(8, 16, dtype=np.float32)
    chooser = np.random.default_rng(0)
    rows = np.repeat(places, 50, axis=0) + 0.01 * chooser.standard_normal((400, 16)).astype(np.float32)
    centers = centers_of(rows, 32, chooser=chooser)
    cell_of = assigned(rows, centers)
    assert np.abs(rows - centers[cell_of]).max() < 0.1
    groups = [set(cell_of[start : start + 50].tolist()) for start in range(0, 400, 50)]
    assert sum(len(group) for group in groups) == len(set().union(*groups))


def test_more_cells_than_rows() -> None:
    """There are never more centers than rows, and equal rows do no harm."""
    rows = np.ones((5, 8), np.float32)
    centers = centers_of(rows, 99, chooser=np.random.default_rng(0))
    assert centers.shape == (5, 8)
    assert np.isfinite(centers).all()


def test_every_living_row_has_one_place() -> None:
    """The base by cells names each living row once, in the cell of its nearest center, and pads with -1."""
    chooser = np.random.default_rng(0)
    rows = chooser.standard_normal((700, 12)).astype(np.float32)
    parts = [Part(5, rows[:300]), Part(400, rows[300:])]
    alive = np.ones(800, np.bool_)
    alive[[5, 9, 799]] = False
    coder = Coder(dim=12, metric="l2", center=rows.mean(axis=0), turn=None)
    (run,) = coded_base(
        parts, coder, cells=6, alive=kernels.bits_of_mask(alive), seed=0, threads=1, progress=None, sink=lambda *_: None
    )
    assert run.rows is not None
    assert run.cell_offsets is not None
    assert run.centers is not None
    living = [row for row in [*range(5, 305), *range(400, 800)] if alive[row]]
    assert sorted(run.rows[run.rows >= 0].tolist()) == living
    assert (run.cell_offsets % 64 == 0).all()
    for cell in range(6):
        held = run.rows[run.cell_offsets[cell] : run.cell_offsets[cell + 1]]
        held = held[held >= 0]
        vectors = rows[np.where(held < 305, held - 5, held - 100)]
        assert (assigned(coder.coded(vectors), run.centers) == cell).all()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_terms_order_by_distance(metric: str) -> None:
    """With their terms, the scores of cells order centers as the distance in the space of codes does."""
    chooser = np.random.default_rng(0)
    centers, query = chooser.standard_normal((50, 6)).astype(np.float32), chooser.standard_normal((1, 8))
    query = (query / np.linalg.norm(query)).astype(np.float32)
    turn = kernels.Projection(matrix=np.linalg.qr(chooser.standard_normal((8, 6)))[0].T.astype(np.float32).copy())
    coder = Coder(dim=8, metric=metric, center=chooser.random(8, dtype=np.float32), turn=turn, unit=True)  # type: ignore[arg-type]  # one of the names
    order = np.argsort(-cell_nearness(centers, query, coder)[0])
    assert order.tolist() == np.argsort(np.linalg.norm(centers - coder.coded(query), axis=1)).tolist()
    assert replace(coder, metric="dot", unit=False).probing_terms(centers) is None


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_a_pace_is_that_of_the_funnel(metric: str) -> None:
    """A search with the lag of 50 cells looks at the rows that the pace says, and into 50 cells on average."""
    chooser = np.random.default_rng(3)
    rows = (chooser.standard_normal((6000, 16)) + 1).astype(np.float32)
    parts = [Part(0, rows)]
    coder = Coder(dim=16, metric=metric, center=rows.mean(axis=0), turn=None)  # type: ignore[arg-type]  # one of the names
    (run,) = coded_base(parts, coder, cells=120, alive=None, seed=0, threads=1, progress=None, sink=lambda *_: None)
    queries = chooser.standard_normal((200, 16)).astype(np.float32)
    pace = Pace.of(run, queries, coder)
    lag = pace.lag(50)
    assert (pace.lags <= lag).sum(axis=1).mean() == pytest.approx(50, abs=0.1)
    (work,) = coder.funnel([run], [], parts).search(queries, k=1, candidates=1, rescored=1, probes=50, lag=lag)[3:]
    assert (work - 2).mean() == pytest.approx(pace.rows(50, len(queries)), rel=0.01)
    assert pace.rows(0, 200) == pace.all_rows == 6000
    assert pace.lag(0) == 0
    assert all(lag == pace.lag(cells) for cells, lag in pace.table)
    assert pace.table[-1][0] == 120
    assert 20 <= pace.least <= pace.table[0][0]


def test_few_cells_are_counted_and_not_measured() -> None:
    """Of 40 cells each query looks into as many, in its own order; so it is where nothing lags."""
    chooser = np.random.default_rng(5)
    rows = chooser.standard_normal((3000, 16)).astype(np.float32)
    for vectors, cells in ((rows, 40), (np.ones_like(rows), 100)):
        coder = Coder(dim=16, metric="l2", center=np.zeros(16, np.float32), turn=None)
        (run,) = coded_base(
            [Part(0, vectors)], coder, cells=cells, alive=None, seed=0, threads=1, progress=None, sink=lambda *_: None
        )
        pace = Pace.of(run, vectors[:50], coder)
        assert (pace.table, pace.least, pace.lag(7)) == ((), 1, 0)
        assert np.sort(pace.lags, axis=1).tolist() == [list(range(pace.lags.shape[1]))] * 50
        work = coder.funnel([run], [], [Part(0, vectors)]).search(
            vectors[:50], k=1, candidates=1, rescored=1, probes=7
        )[3]
        assert (work - 2).mean() == pytest.approx(pace.rows(7, 50))


def test_the_rank_of_a_cell_is_how_many_lag_less() -> None:
    """The row nearest to a query that is a row lies in the first cells; a row in no cell costs none."""
    chooser = np.random.default_rng(4)
    rows = chooser.standard_normal((3000, 16)).astype(np.float32)
    coder = Coder(dim=16, metric="l2", center=np.zeros(16, np.float32), turn=None)
    (run,) = coded_base(
        [Part(0, rows)], coder, cells=40, alive=None, seed=0, threads=1, progress=None, sink=lambda *_: None
    )
    pace = Pace.of(run, rows[:100], coder)
    assert np.median(pace.ranks(np.arange(100)[:, None])) < 20
    assert (pace.ranks(np.full((100, 1), 3000)) == 0).all()
    assert (pace.ranks(np.full((100, 1), -1)) == 0).all()


def test_codes_are_sorted_by_their_source() -> None:
    """Position p of the sorted codes is that of its source; padding is zeros."""
    chooser = np.random.default_rng(0)
    codes = chooser.integers(0, 256, (3, 5, 64)).astype(np.uint8)
    source = np.full(256, -1, dtype=np.int64)
    source[chooser.permutation(256)[:150]] = chooser.permutation(192)[:150]
    out = np.ones((4, 5, 64), dtype=np.uint8)
    _sort_codes(codes, source, out)
    lines, before = out.transpose(0, 2, 1).reshape(-1, 5), codes.transpose(0, 2, 1).reshape(-1, 5)
    assert np.array_equal(lines, np.where(source[:, None] < 0, 0, before[source]))


def test_samples_and_stretches() -> None:
    """A sample has different living rows of the parts, ascending; parts that touch are one stretch."""
    parts = [
        Part(3, np.zeros((10, 2), np.float32)),
        Part(13, np.zeros((5, 2), np.float32)),
        Part(50, np.zeros((500, 2), np.float32)),
    ]
    assert stretches(parts) == [(3, 15), (50, 500)]
    every = set(range(3, 18)) | set(range(50, 550))
    for count in (1, 20, 400, 515, 9999):
        rows = sampled(parts, count, np.random.default_rng(1), None)
        assert len(rows) == min(count, 515) or len(rows) >= 0.8 * count
        assert set(rows.tolist()) <= every
        assert (np.diff(rows) > 0).all()
    alive = np.zeros(550, np.bool_)
    alive[[4, 60]] = True
    assert sampled(parts, 9, np.random.default_rng(1), kernels.bits_of_mask(alive)).tolist() == [4, 60]
