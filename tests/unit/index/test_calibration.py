"""Settings for a recall: what counts as found, how sure a measurement is, and which setting is taken."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vicinal.index.calibration import Calibration, Costs, Setting, found_shares, front_of, gaps_of, measured
from vicinal.index.measuring import without
from vicinal.index.plan import crowding, plan_for, widened

INF = -np.inf


def setting(low: float, *, probes: int = 0, candidates: int = 100, cost: float = 1.0) -> Setting:
    """Return a setting with a lower bound."""
    return Setting(probes=probes, candidates=candidates, rescored=20, recall=min(1, low + 0.01), low=low, cost=cost)


CALIBRATION = Calibration(
    rows=1_000_000,
    cells=1024,
    queries=100,
    fronts={
        10: (
            setting(0.9, probes=64, cost=1),
            setting(0.99, probes=256, candidates=400, cost=3),
            setting(0.999, cost=9),
        ),
        100: (setting(0.9, probes=100, candidates=1000), setting(0.99, probes=400, candidates=1600)),
    },
    gaps={10: 0.04, 25: 0.03},
    reaches={10: tuple(range(20, 31)), 100: tuple(range(40, 51)), 1000: tuple(range(80, 91))},
    lags=((1, 0.01), (64, 0.1), (1024, 0.5)),
)


def test_a_tie_with_the_last_true_one_counts() -> None:
    """Of true scores 3, 2, 2: finding 3, 2 and another 2 is all, whichever row it is; 3, 1 is a third; none is none."""
    true = np.array([[3, 2, 2]] * 3, np.float32)
    found = np.array([[3, 2, 2], [3, 1, INF], [INF, INF, INF]], np.float32)
    assert found_shares(found, true).tolist() == [1, pytest.approx(1 / 3), 0]


def test_fewer_true_ones_than_places() -> None:
    """Where fewer rows than places are there, all of them is everything, and nothing of nothing too."""
    true = np.array([[3, INF], [INF, INF]], np.float32)
    assert found_shares(np.array([[3, INF], [INF, INF]], np.float32), true).tolist() == [1, 1]
    assert found_shares(np.array([[INF, INF], [1, INF]], np.float32), true).tolist() == [0, 1]


def test_bounds_are_wilsons() -> None:
    """90 of 100 independent trials: the score interval at z = 1.2816 is (p + z²/2n ± z sqrt(pq/n + z²/4n²)) / (1 + z²/n)."""
    found = measured(np.array([1.0] * 90 + [0.0] * 10), 1)
    z, n, p = 1.2816, 100, 0.9
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.recall == pytest.approx(0.9)
    assert found.low == pytest.approx((p + z * z / (2 * n) - half) / (1 + z * z / n))
    assert found.high == pytest.approx((p + z * z / (2 * n) + half) / (1 + z * z / n))


def test_misses_in_clusters_tell_less() -> None:
    """The same recall is less certain when one query misses all its places than when ten miss one each."""
    spread = measured(np.array([0.9] * 10 + [1.0] * 90), 10)
    cluster = measured(np.array([0.0] + [1.0] * 99), 10)
    assert spread.recall == pytest.approx(cluster.recall)
    assert cluster.low < spread.low < spread.recall
    assert measured(np.empty(0), 10).low == 0
    assert measured(np.ones(50), 10).low < 1


def test_the_cheapest_that_is_sure_enough() -> None:
    """The lower bound decides, not the mean; beyond what was measured, the best is taken."""
    assert CALIBRATION.setting(0.9, 10).probes == 64
    assert CALIBRATION.setting(0.905, 10).probes == 256
    assert CALIBRATION.setting(0.999, 10).probes == 0
    assert CALIBRATION.setting(0.9999, 10).low == 0.999
    assert CALIBRATION.setting(0.9, 3) == CALIBRATION.setting(0.9, 10)


def test_places_between_and_beyond() -> None:
    """k = 32 lies half way (by logarithms) between 10 and 100: widths are geometric means; k = 400 takes four times."""
    between = CALIBRATION.setting(0.9, 32)
    share = math.log(3.2) / math.log(10)
    assert between.probes == math.ceil(64 ** (1 - share) * 100**share)
    assert between.candidates == math.ceil(100 ** (1 - share) * 1000**share)
    beyond = CALIBRATION.setting(0.9, 400)
    assert (beyond.probes, beyond.candidates, beyond.rescored) == (200, 4000, 80)
    assert CALIBRATION.setting(0.99, 4000).probes == 0


def test_a_filter_reaches_as_far_as_what_was_measured() -> None:
    """k neighbours of a tenth lie as far as the 10 k nearest: cells grow by what holds them, beyond by the last slope."""
    assert CALIBRATION.filtered_probes(0.9, 10, 1.0) == 64
    assert CALIBRATION.filtered_probes(0.9, 10, 0.1) == pytest.approx(64 * 40 / 20, abs=1)
    assert CALIBRATION.filtered_probes(0.99, 10, 0.01) == pytest.approx(256 * 85 / 25, abs=1)
    assert CALIBRATION.filtered_probes(0.9, 10, 0.001) == pytest.approx(64 * 160 / 20, abs=1)
    assert CALIBRATION.filtered_probes(0.9, 10, 10**-0.5) == pytest.approx(64 * math.sqrt(40 / 20), abs=1)
    assert CALIBRATION.filtered_probes(0.99, 10, 1e-5) == 0
    assert CALIBRATION.filtered_probes(0.999, 10, 0.1) == 0


def test_without_a_measured_reach_cells_grow_by_the_root() -> None:
    """A file of an earlier version has no reaches: it is read, and a filter of a fortieth takes twice the cells of 100."""
    old = Calibration.from_dict({name: said for name, said in CALIBRATION.as_dict().items() if name != "reaches"})
    assert old is not None
    assert not old.reaches
    assert old.filtered_probes(0.9, 10, 0.025) == 200


def test_the_lag_of_a_number_of_cells() -> None:
    """Lags are interpolated by the logarithm of the cells; all cells, and cells of an older file, have none."""
    assert CALIBRATION.lag(64) == pytest.approx(0.1)
    assert CALIBRATION.lag(8) == pytest.approx(0.055)
    assert CALIBRATION.lag(256) == pytest.approx(0.3)
    assert CALIBRATION.lag(2000) == 0.5
    assert CALIBRATION.lag(0) == 0
    assert Calibration.assumed(10, 4).lag(3) == 0


def test_settings_with_a_doubt() -> None:
    """Between two numbers of places the larger doubt holds, and none where one has none; the usual candidates are told."""
    one = setting(0.9, candidates=1000)
    few, many = replace(one, doubt=1.0, compared=200), replace(one, candidates=4000, doubt=0.5, compared=800)
    between = replace(CALIBRATION, fronts={10: (few,), 100: (many,)}).setting(0.9, 32)
    share = math.log(3.2) / math.log(10)
    assert (between.doubt, between.usual) == (1.0, math.ceil(200 ** (1 - share) * 800**share))
    assert one.usual == 1000
    assert replace(CALIBRATION, fronts={10: (one,), 100: (many,)}).setting(0.9, 32).doubt == 0
    beyond = replace(CALIBRATION, fronts={10: (few,)}).setting(0.9, 20)
    assert (beyond.doubt, beyond.candidates, beyond.usual) == (1.0, 2000, 400)


def test_what_no_cheaper_one_beats() -> None:
    """Of settings, those stay that have a better bound than every cheaper one."""
    a, b, c, d = setting(0.9, cost=1), setting(0.8, cost=2), setting(0.95, cost=3), setting(0.95, cost=4)
    assert front_of([d, c, b, a]) == (a, c)


def test_plain_data_and_back() -> None:
    """A calibration survives a file; what is none is None, not an error."""
    assert Calibration.from_dict(CALIBRATION.as_dict()) == CALIBRATION
    wrong = [
        None,
        [],
        {},
        {**CALIBRATION.as_dict(), "fronts": {}},
        {**CALIBRATION.as_dict(), "fronts": {"10": []}},
        {**CALIBRATION.as_dict(), "fronts": {"x": []}},
        {**CALIBRATION.as_dict(), "rows": "many"},
        {**CALIBRATION.as_dict(), "rows": float("inf")},
        {**CALIBRATION.as_dict(), "queries": -1},
        {**CALIBRATION.as_dict(), "cells": 2**70},
        {**CALIBRATION.as_dict(), "cells": 0},
        {**CALIBRATION.as_dict(), "reaches": {"10": [1, 2]}},
        {**CALIBRATION.as_dict(), "reaches": {"10": [0] * 11}},
        {**CALIBRATION.as_dict(), "reaches": {"10": [2000] * 11}},
        {**CALIBRATION.as_dict(), "reaches": {"0": [1] * 11}},
        {**CALIBRATION.as_dict(), "reaches": [1]},
        *({**CALIBRATION.as_dict(), "lags": lags} for lags in ([1], [[0, 0.1]], [[9, 0.0]], [[9, 0.2], [9, 0.3]])),
        *(
            {**CALIBRATION.as_dict(), "lags": lags}
            for lags in ([[1, 0.2], [9, 0.1]], [[2000, 0.1]], [[1, "nan"]], ["12"], 7)
        ),
        {**CALIBRATION.as_dict(), "fronts": {"10": [{"probes": -1}]}},
        {**CALIBRATION.as_dict(), "fronts": {"10": [{**CALIBRATION.as_dict()["fronts"]["10"][0], "candidates": 0}]}},
        *(
            {**CALIBRATION.as_dict(), "fronts": {"10": [{**CALIBRATION.as_dict()["fronts"]["10"][0], name: value}]}}
            for name in ("probes", "candidates", "rescored", "doubt", "compared", "low")
            for value in (float("inf"), 2**70, -1)
        ),
    ]
    assert [Calibration.from_dict(one) for one in wrong] == [None] * len(wrong)


def test_the_source_is_no_answer() -> None:
    """A query's own row is taken out wherever it is, and the next move up."""
    rows = np.array([[7, 3, 5], [1, 2, 7], [4, -1, -1]])
    scores = np.array([[3, 2, 1], [3, 2, 1], [3, INF, INF]], np.float32)
    found, kept = without(rows, scores, np.array([7, 7, 4]), 2)
    assert found.tolist() == [[3, 5], [1, 2], [-1, -1]]
    assert kept.tolist() == [[2, 1], [3, 2], [INF, INF]]


def plan(share: float, **how: object) -> object:
    """Return the plan for a million rows of which a share is let through."""
    asked = {"recall": 0.9, "k": 10, "rows": 1_000_000, "cells": 1024, "dims": (384, 192), "masked": True, **how}
    return plan_for(CALIBRATION, let_through=int(share * 1_000_000), **asked)  # type: ignore[arg-type]  # a table


def test_the_way_by_selectivity() -> None:
    """Nothing to find needs no way, few rows are gathered, many are scanned with more cells, all as without a filter."""
    assert plan(0).way == "none"
    assert plan(0.001).way == "gather"
    assert plan(0.5).way == "scan"
    assert plan(0.5).probes > plan(1).probes == 64
    assert plan(0.5).wanted > 0
    assert plan(0.5).filtered
    assert plan(0.5, cells=plan(0.5).probes).probes == 0
    assert not plan(0.99).filtered
    assert plan(1, masked=False).way == "scan"


def test_filters_claim_no_more_than_was_asked() -> None:
    """What a setting gave without a filter is no estimate where cells are chosen with one, unless it is less."""
    measured = CALIBRATION.setting(0.9, 10).recall
    assert plan(1).recall == measured
    assert plan(0.5).recall == min(measured, 0.9)
    assert plan(0.5, recall=0.5).recall == 0.5
    assert plan(0.5, recall=0.5, cells=0).recall == CALIBRATION.setting(0.5, 10).recall


def test_crowds_are_noticed_and_widened() -> None:
    """Scores at half the usual distance are a crowd of 2: candidates by its square, or all rows where that is cheaper."""
    scores = np.zeros((2, 40), np.float32)
    scores[:, :10] = [[0.5], [0.5]]
    scores[0, 39], scores[1, 39] = 0.46, 0.48
    assert gaps_of(scores, 10, np.ones(2)).tolist() == pytest.approx([0.04, 0.02])
    crowd = crowding(CALIBRATION, scores, 10, np.ones(2))
    assert crowd.tolist() == pytest.approx([1, 2], rel=1e-5)
    assert crowding(CALIBRATION, scores[:, :39], 10, np.ones(2)).tolist() == [0, 0]
    before = plan(0.5)
    after = widened(before, 2.0, rows=1_000_000, dims=(384, 384), let_through=500_000)
    assert (after.probes, after.candidates, after.rescored) == (0, 16 * before.candidates, 2 * before.rescored)
    assert widened(before, 5.0, rows=1_000_000, dims=(384, 384), let_through=500_000).way == "gather"
    few = widened(plan(0.001), 2.0, rows=1_000_000, dims=(384, 384), let_through=1000)
    assert few.way == "gather"
    assert few.rescored > plan(0.001).rescored


def test_costs_add_up() -> None:
    """A search costs its fixed part, its positions, its centers, its candidates and its floats."""
    costs = Costs(fixed=1, position=2, center=3, candidate=5, rescored=7, gathered=11)
    assert costs.search(positions=1, cells=1, candidates=1, rescored=1) == 1 + 2 + 3 + 5 + 7
    assert costs.gather(rows=2, rescored=1) == 1 + 22 + 7
