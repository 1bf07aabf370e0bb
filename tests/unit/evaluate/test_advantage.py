"""What a bridge is worth: ratios of means, their intervals, and a decision that does not act on a coin flip."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.evaluate.advantage import COIN_FLIP, Advantage, advantage_of

HALVES = np.tile([0.0, 1.0], 200)


def worth(old: np.ndarray, cascade: np.ndarray, full: np.ndarray, **said) -> Advantage:
    """Return what it is worth."""
    return advantage_of({"old": old, "cascade": cascade, "full": full}, metric="ndcg@10", draws=500, **said)


def level(value: float, queries: int = 400) -> np.ndarray:
    """Return as many values around a mean, that lie as those of the other levels do."""
    return np.clip(value + 0.1 * (np.arange(queries) % 5 - 2), 0, 1)


columns = arrays(np.float64, 12, elements=st.floats(0.01, 1))


@settings(max_examples=20)
@given(columns, columns, columns)
def test_the_advantage_is_retention_times_gain(old: np.ndarray, cascade: np.ndarray, full: np.ndarray) -> None:
    """cascade / old = cascade / full * full / old, each a ratio of means, and each interval holds its ratio's order."""
    found = worth(old, cascade, full)
    assert found.advantage.value == pytest.approx(found.retention.value * found.gain.value)
    assert found.advantage.value == pytest.approx(cascade.mean() / old.mean())
    for one in (found.retention, found.gain, found.advantage, found.old, found.cascade, found.full):
        assert one.low <= one.high
    assert (found.decision == "act") == found.act


@pytest.mark.parametrize(
    ("old", "cascade", "full", "act", "says"),
    [
        (0.5, 0.6, 0.62, True, "Act"),
        (0.5, 0.5 * (1 + COIN_FLIP - 0.005), 0.6, False, "coin flip"),
        (0.5, 0.5 * (1 - COIN_FLIP + 0.005), 0.6, False, "coin flip"),
        (0.5, 0.4, 0.6, False, "migrate"),
        (0.5, 0.35, 0.4, False, "new model itself"),
    ],
)
def test_the_decision_follows_the_advantage(old: float, cascade: float, full: float, act: bool, says: str) -> None:
    """Clearly above 1 is acted on; within 0.025 of it, and below it, nothing is done, and the sentence says why."""
    found = worth(level(old), level(cascade), level(full))
    assert found.act is act
    assert says in found.reason


def test_too_few_questions_are_not_acted_on() -> None:
    """A mean that is better by the luck of two questions has an interval that reaches below 1."""
    old = np.array([0.0, 1, 0, 1, 1, 0, 1, 0])
    cascade = np.array([1.0, 0, 1, 1, 1, 0, 1, 0])
    found = worth(old, cascade, cascade)
    assert found.advantage.value == 1.25
    assert found.advantage.low < 1
    assert not found.act
    assert "few" in found.reason


def test_the_interval_holds_the_ratio_of_the_source() -> None:
    """Of 60 sets of questions from one source, about 95 of 100 intervals hold the true ratio 0.6 / 0.5."""
    chance = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        old = chance.beta(2, 2, 150)
        cascade = np.clip(old + 0.1 + 0.1 * chance.standard_normal(150), None, None)
        one = worth(old, np.clip(cascade, 0, None), old)
        held += one.advantage.low <= 1.2 <= one.advantage.high
    assert held >= 52


def test_a_mean_of_zero_is_no_fault() -> None:
    """Old vectors that answer nothing make any bridge infinitely better; two that answer nothing are equal."""
    nothing = np.zeros(20)
    assert worth(nothing, HALVES[:20], HALVES[:20]).advantage.value == np.inf
    assert worth(nothing, nothing, HALVES[:20]).advantage.value == 1
    assert worth(nothing, HALVES[:20], HALVES[:20]).act
    assert not worth(nothing, nothing, HALVES[:20]).act


def test_the_same_seed_gives_the_same_numbers() -> None:
    """All chance is the seed's."""
    chance = np.random.default_rng(0)
    columns = [chance.random(40) for _ in range(3)]
    assert worth(*columns, seed=3) == worth(*columns, seed=3)
    assert worth(*columns, seed=3).advantage != worth(*columns, seed=4).advantage


def test_sides_of_other_questions_are_refused() -> None:
    """Fewer than two questions, other numbers of them, and what is no number."""
    with pytest.raises((RangeError, ShapeError)):
        worth(np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(RangeError):
        worth(np.ones(3), np.ones(4), np.ones(3))
    with pytest.raises(NonFiniteError):
        worth(np.ones(2), np.array([1, np.nan]), np.ones(2))


def test_the_picture_is_xml_and_says_what_it_shows() -> None:
    """It has a title, the sentence as its description, and the three numbers."""
    found = worth(level(0.5), level(0.6), level(0.62), cost={"pairs": 3}, notices=("said",))
    root = ET.fromstring(found.svg())
    texts = "".join(root.itertext())
    assert found.reason in texts
    assert all(f"{one.value:.3f}" in texts for one in (found.old, found.cascade, found.full))
    told = found.to_mapping()
    assert told["decision"] == "act"
    assert told["cost"] == {"pairs": 3}
    assert told["advantage"]["value"] == found.advantage.value


def test_plain_data_has_no_infinite_numbers():
    """Old vectors that find nothing give a ratio that JSON cannot hold."""
    found = advantage_of({"old": [0.0] * 4, "cascade": [1.0] * 4, "full": [1.0] * 4}, metric="ndcg@10", draws=50)
    told = json.loads(json.dumps(found.to_mapping(), allow_nan=False))
    assert found.advantage.value == float("inf")
    assert told["advantage"]["value"] is None
    assert told["cascade"]["value"] == 1
