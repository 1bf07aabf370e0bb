"""Settings side by side: what each measured, which two are tested, and what each test says."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.evaluate.comparison.settings import BITS, FIELDS, UNUSED, Setting, differing
from vicinal.evaluate.significance import holm, paired, randomization_test
from vicinal.evaluate.significance.student import t_quantile

LEVEL = 0.05
"""How often a difference may be claimed that is none, over all pairs together."""
FEW_TESTS = 25
DRAWS_PER_TEST = 400
"""The least p-value of 10,000 draws is 0.0001, which Holm over more than that many tests makes too large; so small ones
are drawn again with so many draws for each test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one setting measured, in the numbers that a verdict needs.

    Parameters
    ----------
    setting : Setting
        With its name.
    mean, low, high : float
        The metric over all questions, and its 95 % interval.
    bytes_per_vector : float or None
        What a vector takes; 0 for a search by words, None where it is not known.
    p50_ms : float
        Half of the answers came within so long.
    """

    setting: Setting
    mean: float
    low: float
    high: float
    bytes_per_vector: float | None
    p50_ms: float

    @property
    def name(self) -> str:
        """The name of the setting."""
        return self.setting.name

    @property
    def price(self) -> tuple[float, float]:
        """Bytes, then time: the smaller is the cheaper. What is not known counts as dear."""
        known = self.bytes_per_vector
        return (float("inf") if known is None else known, self.p50_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A setting tested against another one on the same questions.

    Parameters
    ----------
    reference, other : str
        Names. All numbers are of ``other`` less ``reference``.
    field : str
        The one field in which they differ, ``""`` where it is more than one.
    role : {"baseline", "contrast", "best"}
        Why it is looked at: against the baseline, for its one difference, or against the best mean.
    gain, low, high : float
        The mean difference of the metric and its 95 % interval.
    wide_low, wide_high : float
        The interval that holds for all pairs of the comparison at once, with 95 % (Student's t, Bonferroni), and is
        never narrower than the one of the pair alone.
    p_value, adjusted : float
        Of the paired randomisation test; by Holm over all pairs that are tested.
    effect_size : float
        The gain in standard deviations of the differences; infinite where all differ alike, and then None as data.
    spread : float
        The standard deviation of the differences.
    queries, wins, losses : int
        How many questions; on how many of them ``other`` is better, and worse.
    """

    reference: str
    other: str
    field: str
    role: str
    gain: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    p_value: float
    adjusted: float
    effect_size: float
    spread: float
    queries: int
    wins: int
    losses: int

    @property
    def better(self) -> bool:
        """Whether the test carries that ``other`` is better: by its adjusted p-value and by its interval."""
        return self.adjusted <= LEVEL and self.low > 0

    @property
    def worse(self) -> bool:
        """Whether the test carries that ``other`` is worse."""
        return self.adjusted <= LEVEL and self.high < 0

    @property
    def half_width(self) -> float:
        """Half of the 95 % interval."""
        return (self.high - self.low) / 2

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        told = {name: getattr(self, name) for name in (*self.__dataclass_fields__, "better", "worse")}
        return {**told, "effect_size": self.effect_size if math.isfinite(self.effect_size) else None}


def planned(settings: Sequence[Setting], baseline: str) -> list[tuple[str, str, str, str]]:
    """Return the pairs that will be tested, before anything is measured: (reference, other, field, role).

    Each against the baseline, and any two that differ in one field of which the reference has the value that costs
    most (the most dimensions and bits, no reranker) or that came first. Each two come once.
    """
    by_name = {one.name: one for one in settings}
    found = {
        frozenset((baseline, one.name)): (
            baseline,
            one.name,
            _only(differing(by_name[baseline], one)),
            "baseline",
        )
        for one in settings
        if one.name != baseline
    }
    for field in FIELDS:
        first = _reference_value(settings, field)
        for one in settings:
            for other in settings:
                if one.get(field) == first and differing(one, other) == (field,):
                    found.setdefault(frozenset((one.name, other.name)), (one.name, other.name, field, "contrast"))
    return list(found.values())


def _only(fields: tuple[str, ...]) -> str:
    return fields[0] if len(fields) == 1 else ""


def _reference_value(settings: Sequence[Setting], field: str) -> Any:  # noqa: ANN401 - a field's value
    """Return the value of a field that others are held against."""
    values = list(dict.fromkeys(one.get(field) for one in settings if field not in UNUSED.get(one.mode or "", ())))
    if not values:
        return None
    if field == "dim":
        return None if None in values else max(values)
    if field == "precision":
        return max(values, key=lambda value: BITS.get(value, 64))
    return "none" if field == "rerank" and "none" in values else values[0]


def pairs_of(
    pairs: Sequence[tuple[str, str, str, str]],
    columns: Mapping[str, NDArray[np.float64]],
    *,
    seed: int,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
) -> list[Pair]:
    """Return pairs with what the tests say of them.

    Parameters
    ----------
    pairs : sequence of (reference, other, field, role)
    columns : mapping of name to float64 array of shape (Q,)
        The metric of each setting for each question, in the same order.
    seed : int
        Fixes the draws; each pair has draws of its own, which do not depend on what else is compared.
    masks : mapping of role to boolean array of shape (Q,), optional
        The questions that pairs of a role are tested on. Default: all.

    Returns
    -------
    list of Pair
        In the order given; adjusted together. Those of which a setting has no column are left out.
    """
    known = [one for one in pairs if one[0] in columns and one[1] in columns]
    found = []
    for reference, other, field, role in known:
        mask = slice(None) if masks is None else masks[role]
        drawn = zlib.crc32(f"{seed}\0{reference}\0{other}".encode())
        told = _tested(columns[reference][mask], columns[other][mask], tests=len(known), seed=drawn)
        found.append(replace(told, reference=reference, other=other, field=field, role=role))
    adjusted = holm([one.p_value for one in found])
    return [replace(one, adjusted=float(value)) for one, value in zip(found, adjusted, strict=True)]


def _tested(reference: NDArray[np.float64], other: NDArray[np.float64], *, tests: int, seed: int) -> Pair:
    """Return what is known of two columns, as one of so many tests; their names are still to come."""
    told = paired(reference, other, seed=seed)
    difference = other - reference
    p_value = told.p_value
    if tests > FEW_TESTS and p_value <= FEW_TESTS * LEVEL / tests:
        # Below this only: a p-value that is replaced where it is small keeps its level, since the new one does.
        p_value = randomization_test(reference, other, draws=DRAWS_PER_TEST * tests, seed=seed)
    count = len(difference)
    # So many queries may hold none of a kind that is a share ln(1 / LEVEL) / count of all (the rule of three), and on
    # such a query a setting may lose everything: no interval is narrower than that, however alike both are on these.
    unseen = math.log(1 / LEVEL) / count
    reach = max(t_quantile(1 - LEVEL / tests / 2, count - 1) * told.spread / math.sqrt(count), unseen)
    return Pair(
        reference="",
        other="",
        field="",
        role="",
        gain=told.gain,
        low=told.low,
        high=told.high,
        wide_low=min(told.gain - reach, told.low),
        wide_high=max(told.gain + reach, told.high),
        p_value=p_value,
        adjusted=1.0,
        effect_size=told.effect_size,
        spread=told.spread,
        queries=count,
        wins=int(np.count_nonzero(difference > 0)),
        losses=int(np.count_nonzero(difference < 0)),
    )


def best_of(standings: Sequence[Standing]) -> Standing:
    """Return the one with the largest mean; of equal ones the cheapest, and of those the first."""
    most = max(one.mean for one in standings)
    return min((one for one in standings if one.mean >= most - TIE), key=lambda one: one.price)


TIE = 1e-12
"""Means that differ by no more are equal: they are sums of the same numbers in another order."""
