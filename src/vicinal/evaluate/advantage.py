"""What a bridge to another model is worth: how much of the new model's quality it delivers, times how much better that is.

::

    retention = cascade / full        gain = full / old        advantage = retention * gain = cascade / old

Each a ratio of means over the same questions. Above 1 a bridge answers better today than the old vectors do, while most
records are not encoded anew yet. Within 0.025 of 1 it is a coin flip; in 48 cases of a public replication of such bridges
the sign was right wherever the advantage was further from 1 than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vicinal._svg import Drawing
from vicinal.errors import RangeError
from vicinal.evaluate.metrics.column import Doubles, column
from vicinal.evaluate.significance import bootstrap_interval, queries_needed
from vicinal.evaluate.significance.randomization import BLOCK, DRAWS

COIN_FLIP = 0.025
"""An advantage that is no further from 1 says nothing."""
LEVEL = 0.95
SIDES = ("old", "cascade", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number and the ends of its 95 % interval over questions."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Advantage:
    """Whether to answer by a bridge until a migration is done, and what it costs.

    Parameters
    ----------
    metric : str
        What is measured, such as ``ndcg@10``.
    queries : int
        How many questions that had a right answer to be found.
    old, cascade, full : Measured
        The mean of the metric: of the old vectors, of the bridge, of everything encoded anew.
    retention, gain, advantage : Measured
        ``cascade / full``, ``full / old`` and ``cascade / old``.
    act : bool
        Whether a bridge pays: the advantage is above 1.025, and the low end of its interval above 1.
    reason : str
        Why, in one sentence.
    cost : mapping
        What it takes: see ``Collection.bridge``.
    notices : tuple of str
        What a reader of the numbers must know.
    """

    metric: str
    queries: int
    old: Measured
    cascade: Measured
    full: Measured
    retention: Measured
    gain: Measured
    advantage: Measured
    act: bool
    reason: str
    cost: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    @property
    def decision(self) -> str:
        """``act``, or ``do not act``."""
        return "act" if self.act else "do not act"

    def to_mapping(self) -> dict[str, Any]:
        """Return it as plain data; None for a number that is infinite, since JSON has none such."""
        told = {name: _finite(value) for name, value in asdict(self).items()}
        return {**told, "decision": self.decision, "cost": dict(self.cost), "notices": list(self.notices)}

    def svg(self) -> str:
        """Return a picture: the metric of the three, with intervals."""
        return _drawn(self)


def advantage_of(
    values: Mapping[str, Any],
    *,
    metric: str,
    draws: int = DRAWS,
    seed: int = 0,
    cost: Mapping[str, Any] | None = None,
    notices: tuple[str, ...] = (),
) -> Advantage:
    """Return what a bridge is worth, of the metric of each question on three sides.

    Parameters
    ----------
    values : mapping
        ``old``, ``cascade`` and ``full``: float arrays of shape (Q,), 2 <= Q, of the same questions in the same order.
    metric : str
        What they are.
    draws : int, 1 <= draws <= 10,000,000
        Sets of questions that are drawn for each interval.
    seed : int, 0 <= seed
        Of all draws.
    cost, notices
        Handed on.

    Raises
    ------
    ShapeError, DtypeError, NonFiniteError, RangeError
        The values are no such, or not as many on each side.

    Notes
    -----
    The intervals are percentiles over drawn sets of questions, the same draws for both ends of a ratio. A ratio over a
    mean of 0 is infinite, and 1 where both are 0.
    """
    sides = {name: column(values[name], name, least=2) for name in SIDES}
    if len({len(one) for one in sides.values()}) > 1:
        raise RangeError("The three sides must be of the same questions.", got=[len(one) for one in sides.values()])
    levels = {name: _mean(one, draws, seed) for name, one in sides.items()}
    pairs = (("cascade", "full"), ("full", "old"), ("cascade", "old"))
    retention, gain, advantage = (_ratio(sides[top], sides[bottom], draws, seed) for top, bottom in pairs)
    act, reason = _decision(sides, gain=gain, advantage=advantage)
    return Advantage(
        metric=metric,
        queries=len(sides["old"]),
        old=levels["old"],
        cascade=levels["cascade"],
        full=levels["full"],
        retention=retention,
        gain=gain,
        advantage=advantage,
        act=act,
        reason=reason,
        cost=dict(cost or {}),
        notices=notices,
    )


def _finite(value: Any) -> Any:  # noqa: ANN401 - a field's own
    """Return a field with None for what is not finite in it."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _mean(values: Doubles, draws: int, seed: int) -> Measured:
    low, high = bootstrap_interval(values, draws=draws, confidence=LEVEL, seed=seed)
    return Measured(value=float(values.mean()), low=low, high=high)


def _ratio(top: Doubles, bottom: Doubles, draws: int, seed: int) -> Measured:
    """Return the ratio of two means, with the interval of drawn questions."""
    chance, queries = np.random.default_rng(seed), len(top)
    ratios = np.empty(draws)
    most = max(1, BLOCK // queries)
    for start in range(0, draws, most):
        drawn = chance.integers(0, queries, (min(most, draws - start), queries))
        ratios[start : start + len(drawn)] = _divided(top[drawn].mean(axis=1), bottom[drawn].mean(axis=1))
    value = float(_divided(top.mean(keepdims=True), bottom.mean(keepdims=True))[0])
    low, high = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), method="nearest")
    return Measured(value=value, low=float(low), high=float(high))


def _divided(top: Doubles, bottom: Doubles) -> Doubles:
    empty = np.where(top > 0, np.inf, 1.0)
    return np.divide(top, bottom, out=empty, where=bottom > 0)


def _decision(sides: Mapping[str, Doubles], *, gain: Measured, advantage: Measured) -> tuple[bool, str]:
    """Return whether to act, and why."""
    told = f"the bridge gives {advantage.value:.3f} times what the old vectors give ({_interval(advantage)})"
    if advantage.value > 1 + COIN_FLIP and advantage.low > 1:
        return True, f"Act: {told}, and everything encoded anew {gain.value:.3f} times."
    if gain.value < 1 and advantage.value < 1:
        return False, f"Do not act: {told}, and the new model itself gives only {gain.value:.3f} times as much."
    if abs(advantage.value - 1) <= COIN_FLIP:
        return False, f"Do not act: it is a coin flip, {told}."
    if advantage.value < 1:
        return False, (
            f"Do not act: {told}. The new model gives {gain.value:.3f} times as much once all is encoded; "
            "migrate, and answer by the old vectors until then."
        )
    wanted = _needed(sides["cascade"] - sides["old"])
    return False, f"Do not act on so few questions: {told}; {wanted}."


def _interval(one: Measured) -> str:
    return f"95 %: {one.low:.3f} to {one.high:.3f}"


def _needed(gains: Doubles) -> str:
    """Return how many questions would tell, in words."""
    mean, spread = abs(float(gains.mean())), float(gains.std(ddof=1))
    if not mean or not spread:
        return "judge more"
    return f"some {queries_needed(mean, spread=spread)} of this kind would tell"


def _drawn(one: Advantage) -> str:
    """Return three bars with whiskers."""
    width, row, left, right = 640.0, 44.0, 150.0, 90.0
    drawing = Drawing(
        "bridge",
        width=width,
        height=row * len(SIDES) + 60,
        title=f"{one.metric} of {one.queries} questions",
        description=one.reason,
    )
    drawing.text(16, 26, f"{one.metric}, {one.queries} questions: {one.decision}", size=15)
    names = {"old": "old vectors", "cascade": "bridge", "full": "all encoded anew"}
    span = width - left - right
    for place, (side, name) in enumerate(names.items()):
        level: Measured = getattr(one, side)
        top = 46 + place * row
        css = {"old": "lexical", "cascade": "hybrid", "full": "dense"}[side]
        drawing.text(left - 10, top + 17, name, anchor="end")
        drawing.shape("rect", css="band", x=left, y=top, width=span, height=24)
        drawing.shape("rect", css=css, x=left, y=top, width=span * level.value, height=24, opacity=0.75)
        drawing.shape(
            "line", css="axis", x1=left + span * level.low, x2=left + span * level.high, y1=top + 12, y2=top + 12
        )
        drawing.text(left + span + 10, top + 17, f"{level.value:.3f}")
    return drawing.render(alone=True)
