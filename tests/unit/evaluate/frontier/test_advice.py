"""The recommendation: the cheapest that suffices, promised only where a second half of the queries confirms it."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from vicinal.errors import RangeError, UnknownNameError, UnsupportedError
from vicinal.evaluate.frontier import Estimate, Frontier, Option, Storage
from vicinal.evaluate.frontier.bounds import Bounds, proportion_low

WAYS = (
    Storage(dim=64, cut="full", precision="float32"),
    Storage(dim=64, cut="full", precision="float16"),
    Storage(dim=64, cut="full", precision="int8"),
    Storage(dim=32, cut="pca", precision="float32"),
    Storage(dim=64, cut="full", precision="1bit"),
)


def frontier_of(recalls, ways=WAYS, ndcgs=None, **other):
    """Return a frontier of known values (F, Q)."""
    values = np.asarray(recalls, dtype=np.float64)
    gains = [None] * len(ways) if ndcgs is None else [Estimate(mean=one.mean(), low=0, high=1) for one in ndcgs]
    options = tuple(
        Option(
            storage=way,
            recall=Estimate(mean=float(line.mean()), low=float(line.mean()), high=float(line.mean())),
            ndcg=gain,
            latency_ms=1.0,
            is_native=way.precision != "4bit",
        )
        for way, line, gain in zip(ways, values, gains, strict=True)
    )
    told = {"documents": 1000, "sampled": 1000, "timed": 1000, "is_held_out": False, "seed": 0, **other}
    return Frontier(
        options=options,
        space="0" * 16,
        k=10,
        times=10,
        queries=values.shape[1],
        judged=0 if ndcgs is None else ndcgs.shape[1],
        recalls=values,
        ndcgs=ndcgs,
        **told,
    )


def constant(*means, queries=400):
    """Return lines of equal values."""
    return np.repeat(np.array(means)[:, None], queries, axis=1)


def test_the_cheapest_that_suffices_is_recommended():
    """int8 keeps 0.998 of the neighbours, 1 bit 0.7: for a loss of 1 % int8, for 40 % 1 bit, for 0.2 % float16."""
    found = frontier_of(constant(1, 1, 0.998, 0.95, 0.7))
    assert [str(found.recommend(loss).option.storage) for loss in (0.002, 0.01, 0.4)] == [
        "64 float16",
        "64 int8",
        "64 1bit",
    ]
    said = found.recommend(0.01)
    assert said.is_confirmed
    assert said.kept == pytest.approx(0.998)
    assert 0.99 <= said.low <= 0.998
    assert "68 bytes a vector instead of 256 (73% less)" in said.reason


def test_what_a_collection_can_hold_is_recommended_where_it_is_asked_for():
    """int8 cannot be applied, and is said not to be; a projection to half of the dimensions can, for 10 %."""
    found = frontier_of(constant(1, 1, 0.998, 0.95, 0.7))
    assert "cannot be applied here today" in found.recommend(0.1).reason
    held = found.recommend(0.1, held=True)
    assert str(held.option.storage) == "pca 32 float32"
    assert "Collection.project(target, dim=32)" in held.reason
    whole = found.recommend(0.01, held=True)
    assert (str(whole.option.storage), whole.is_confirmed) == ("64 float32", False)
    assert "can hold at rest today" in whole.reason


def test_nothing_is_lost_where_nothing_may_be():
    """With a loss of zero no other way is sure, not even one that missed nothing: 400 queries are not all queries."""
    said = frontier_of(constant(1, 1, 1, 1, 1)).recommend(0.0)
    assert str(said.option.storage) == "64 float32"


def test_few_queries_promise_nothing():
    """Forty are said to be too few, whatever they found."""
    said = frontier_of(constant(1, 1, 1, 1, 1, queries=40)).recommend(0.5)
    assert not said.is_confirmed
    assert "40 queries are too few" in said.reason


def test_a_promise_is_not_the_luck_of_the_choice():
    """Twenty ways that all lose a little more than allowed: the chance that one is promised stays below 5 % + noise."""
    ways = (WAYS[0], *(Storage(dim=dim, cut="pca", precision="float32") for dim in range(2, 22)))
    chance = np.random.default_rng(5)
    broken = 0
    for seed in range(60):
        losses = chance.binomial(10, 0.011, size=(len(ways), 200)) / 10
        values = 1 - losses
        values[0] = 1
        broken += frontier_of(values, ways, seed=seed).recommend(0.01).is_confirmed
    assert broken / 60 <= 0.10


def test_ndcg_is_a_share_of_that_of_full_vectors():
    """0.495 of 0.5 is a loss of 1 %: 200 queries carry 5 % of it, not 3 %; without judgements there is none."""
    ndcgs = constant(0.5, 0.5, 0.495, 0.3, 0.1)
    found = frontier_of(constant(1, 1, 1, 1, 1), ndcgs=ndcgs)
    assert str(found.recommend(0.05, "ndcg").option.storage) == "64 int8"
    assert str(found.recommend(0.03, "ndcg").option.storage) == "64 float16"
    with pytest.raises(UnsupportedError, match="judgements"):
        frontier_of(constant(1, 1, 1, 1, 1)).recommend(0.1, "ndcg")


def test_the_default_loss_is_the_frontiers():
    """What was given to the measurement counts where nothing is told."""
    found = frontier_of(constant(1, 1, 0.998, 0.95, 0.7), loss=0.4)
    assert found.recommend().option == found.recommend(0.4).option


def test_pareto_leaves_out_what_another_beats():
    """The projection costs more than int8 and finds less; full float32 finds no more than float16."""
    found = frontier_of(constant(1, 1, 0.998, 0.95, 0.7))
    assert [str(one.storage) for one in found.pareto()] == ["64 1bit", "64 int8", "64 float16"]


def test_everything_can_be_written_down():
    """As JSON, as a table of Markdown, and as a picture that is XML with a dot for every way."""
    found = frontier_of(constant(1, 1, 0.998, 0.95, 0.7), sampled=500)
    told = json.loads(json.dumps({**found.to_mapping(), "best": found.recommend().to_mapping()}))
    assert [one["is_pareto"] for one in told["options"]] == [False, True, True, False, True]
    assert told["best"]["reason"] == found.recommend().reason
    lines = found.table(found.options).splitlines()
    assert len(lines) == 2 + len(WAYS)
    assert len({line.count("|") for line in lines}) == 1
    circles = [one for one in ET.fromstring(found.svg()).iter() if one.tag.endswith("circle")]
    assert len(circles) == len(WAYS) + 5


def test_caveats_are_told():
    """That documents stood in for queries, and that only some were searched."""
    said = frontier_of(constant(1, 1, 1, 1, 1), is_held_out=True, sampled=500).recommend(0.1).reason
    assert "stood in for queries" in said
    assert "from 500 to all 1,000" in said


@pytest.mark.parametrize(("arguments", "error"), [((1.5,), RangeError), ((0.1, "mrr"), UnknownNameError)])
def test_what_cannot_be_asked_is_refused(arguments, error):
    """A loss is a share; a measure has a name."""
    with pytest.raises(error):
        frontier_of(constant(1, 1, 1, 1, 1)).recommend(*arguments)


def test_a_proportion_has_its_wilson_bound():
    """By hand: nothing missed in n trials has the lower bound n / (n + z²), z = 1.6449 for 95 %."""
    assert proportion_low(1.0, 100, 0.95) == pytest.approx(100 / (100 + 1.6448536**2))
    assert proportion_low(0.5, 10_000, 0.95) == pytest.approx(0.5 - 1.6448536 * 0.005, abs=1e-4)


def test_bootstrap_bounds_are_those_of_the_normal_law():
    """Of 1,000 values of spread 1 the 5 % quantile of the mean is 1.645 / sqrt(1000) below it, to a tenth."""
    values = np.random.default_rng(1).standard_normal((1, 1000)) + 5
    values = (values - values.mean()) / values.std() + 5
    drawn = Bounds(1000, seed=0).means(values)[0]
    assert np.quantile(drawn, 0.05) == pytest.approx(5 - 1.645 / np.sqrt(1000), abs=0.005)
    np.testing.assert_allclose(Bounds(1000, seed=0).kept(values, values[0])[0], 1)
