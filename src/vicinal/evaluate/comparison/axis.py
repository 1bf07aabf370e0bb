"""Where a number lies on an axis, and which numbers are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["plain", "bytes", "ms"]
LARGEST = 1e300
SMALLEST = 1e-300
"""Of a logarithmic axis; what is smaller or larger lies at its ends."""
FEWEST_TICKS, MOST_TICKS = 3, 7
STEPS = (1, 2, 5, 10)
EDGE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale from ``low`` to ``high``, both finite and ``low < high``; ``ticks`` lie between them, ascending."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool
    kind: Kind

    def share(self, value: float) -> float:
        """Return where a value lies, 0 at ``low`` and 1 at ``high``; what is beyond lies at the end."""
        low, high, at = self.low, self.high, _bounded(value)
        if self.is_log:
            low, high, at = math.log(low), math.log(high), math.log(max(at, SMALLEST))
        # Halved, since the difference of two huge numbers may be infinite.
        return min(1.0, max(0.0, (at / 2 - low / 2) / (high / 2 - low / 2)))

    def texts(self) -> tuple[str, ...]:
        """Return what is written at each tick."""
        if self.kind == "bytes":
            return tuple(map(bytes_text, self.ticks))
        if self.kind == "ms":
            return tuple(map(ms_text, self.ticks))
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 0.0
        return tuple(plain_text(one, step) for one in self.ticks)


def linear(values: Sequence[float], *, least_span: float = 0.02, within: tuple[float, float] | None = None) -> Axis:
    """Return an axis that holds all values, from a round number to a round number.

    Parameters
    ----------
    values : sequence of float
        May be empty, equal or not finite: what is not finite is left out.
    least_span : float, 0 < least_span
        What the axis spans at least, so that equal values do not fill it.
    within : (float, float), optional
        Ends that the axis does not pass where no value does, such as 0 and 1 of a share.
    """
    known = [_bounded(one) for one in values if math.isfinite(one)] or [0.0]
    low, high = min(known), max(known)
    span = max(high / 2 - low / 2, least_span / 2, max(abs(low), abs(high)) * 1e-6)
    step = _step(span * 2 / (MOST_TICKS - 2))
    first, last = math.floor(low / step + EDGE), math.ceil(high / step - EDGE)
    least, most = (-math.inf, math.inf) if within is None or low < within[0] or high > within[1] else within
    while last - first < FEWEST_TICKS - 1:
        first = first - 1 if (first - 1) * step >= least - EDGE else first
        last = last + 1 if (last + 1) * step <= most + EDGE else last
    ticks = tuple(place * step for place in range(first, last + 1))
    return Axis(low=ticks[0], high=ticks[-1], ticks=ticks, is_log=False, kind="plain")


def logarithmic(values: Sequence[float], *, kind: Kind) -> Axis:
    """Return a logarithmic axis that holds all values above 0: powers of 2 for bytes, 1, 2, 5 and 10 for others."""
    known = [min(max(one, SMALLEST), LARGEST) for one in values if math.isfinite(one) and one > 0] or [1.0]
    low, high = min(known), max(known)
    ladder = _powers(low, high, 2) if kind == "bytes" else _steps_of_ten(low, high)
    return Axis(low=ladder[0], high=ladder[-1], ticks=_thinned(ladder), is_log=True, kind=kind)


def _powers(low: float, high: float, base: int) -> list[float]:
    """Return the powers of a base from below to above, at least three of them."""
    first, last = math.floor(math.log(low, base) + EDGE), math.ceil(math.log(high, base) - EDGE)
    first, last = (first, last) if last - first > 1 else (first - 1, last + 1)
    return [float(base) ** place for place in range(first, last + 1)]


def _steps_of_ten(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 of each decade from below to above; whole decades where there are more than three."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) + EDGE)
    if last - first > 3:  # noqa: PLR2004 - twelve steps are enough
        return _powers(low, high, 10)
    rungs = [float(f"{step}e{place}") for place in range(first - 1, last + 1) for step in STEPS[:3]]
    begin = max(0, sum(one <= low * (1 + EDGE) for one in rungs) - 1)
    end = sum(one < high * (1 - EDGE) for one in rungs)
    return rungs[max(0, begin - 1) if end - begin < FEWEST_TICKS - 1 else begin : end + 1]


def _thinned(ladder: Sequence[float]) -> tuple[float, ...]:
    """Return at most so many ticks as can be read, evenly."""
    every = -(-len(ladder) // MOST_TICKS)
    return tuple(ladder[::every])


def _step(rough: float) -> float:
    """Return the round number at or above a rough step: 1, 2 or 5 times a power of ten."""
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(factor * decade for factor in STEPS if factor * decade >= rough * (1 - EDGE))


def _bounded(value: float) -> float:
    return min(max(value, -LARGEST), LARGEST)


def plain_text(value: float, step: float) -> str:
    """Return a number with the decimals that its step has."""
    if step <= 0 or abs(value) >= 1e6 or step < 1e-6:  # noqa: PLR2004 - beyond, powers of ten are shorter
        return f"{value:.4g}"
    decimals = max(0, -math.floor(math.log10(step) + EDGE))
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def bytes_text(count: float) -> str:
    """Return a number of bytes: ``48 B``, ``1.5 KiB``."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":  # noqa: PLR2004 - the next unit
            return f"{count:.4g} {unit}"
        count /= 1024
    raise AssertionError  # pragma: no cover - the last unit returns


def ms_text(ms: float) -> str:
    """Return milliseconds: ``0.2 ms``, ``50 ms``, ``2 s``."""
    return f"{ms / 1000:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"  # noqa: PLR2004 - a second
