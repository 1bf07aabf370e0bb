"""One thing that was looked at: what was measured, what it means, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from vicinal.errors import VicinalError

State: TypeAlias = Literal["ok", "notice", "alarm", "skipped"]
FAMILIES = (
    "ledger",
    "identity",
    "vectors",
    "index",
    "texts",
    "duplicates",
    "languages",
    "hubness",
    "geometry",
    "codecs",
    "disk",
)
"""In the order of worth: what is lost or wrong, before what answers badly, before what could be cheaper."""
STATES: tuple[State, ...] = ("alarm", "notice", "ok", "skipped")
CALIBRATED = "calibrated"
"""Set on the collections of docs/how-to/doctor.md, none of which raises an alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where a number begins to be noticed, and where it is an alarm. ``below`` turns both round: less is worse."""

    notice: float | None = None
    alarm: float | None = None
    below: bool = False
    source: str = CALIBRATED

    def state(self, value: float) -> State:
        """Return what a value means; one exactly on a limit is still on its good side."""
        for name, limit in (("alarm", self.alarm), ("notice", self.notice)):
            if limit is not None and (value < limit if self.below else value > limit):
                return "alarm" if name == "alarm" else "notice"
        return "ok"

    @property
    def text(self) -> str:
        """The limits as a person reads them; ``""`` where there are none."""
        sign = "<" if self.below else ">"
        told = [
            f"{name} {sign} {limit:g}"
            for name, limit in (("notice", self.notice), ("alarm", self.alarm))
            if limit is not None
        ]
        return ", ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name, family : str
        What it is called, and which of ``FAMILIES`` it belongs to.
    state : {"ok", "notice", "alarm", "skipped"}
        ``skipped`` could not be measured; ``told`` says why.
    value : float or None
        What was measured, in ``unit``; shares are 0 to 1.
    limit, source : str
        From where on it is a notice or an alarm, and where that comes from.
    told : str
        One sentence about what was found.
    advice : str
        What to do; ``""`` where there is nothing to do.
    details : mapping
        More, as plain data: ids, counts, languages.
    """

    name: str
    family: str
    state: State
    value: float | None = None
    unit: str = ""
    limit: str = ""
    source: str = ""
    told: str
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value_text(self) -> str:
        """What was measured as a person reads it: shares in per cent, other numbers with their unit."""
        if self.value is None:
            return ""
        if self.unit.startswith("share"):
            return f"{100 * self.value:.3g} %{self.unit.removeprefix('share')}"
        number = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"  # noqa: PLR2004 - no decimals help there
        return f"{number} {self.unit}".strip()


def judged(
    name: str,
    family: str,
    value: float,
    limits: Limits,
    *,
    told: str,
    unit: str = "share",
    advice: str = "",
    details: Mapping[str, Any] | None = None,
) -> Check:
    """Return the check of a number, its state by the limits; the advice goes with what is not ok."""
    state = limits.state(value)
    return Check(
        name=name,
        family=family,
        state=state,
        value=float(value),
        unit=unit,
        limit=limits.text,
        source=limits.source if limits.text else "",
        told=told,
        advice="" if state == "ok" else advice,
        details=details or {},
    )


def skipped(name: str, family: str, why: str) -> Check:
    """Return a check that could not be made."""
    return Check(name=name, family=family, state="skipped", told=why)


def broken(name: str, family: str, error: VicinalError, advice: str) -> Check:
    """Return the alarm that an error is: its message says what, and names the file."""
    return Check(
        name=name, family=family, state="alarm", told=error.message, advice=advice, details={"code": error.code}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What is drawn: how often each cosine of two random vectors comes, each count of a hub, each share of variance.

    ``cosines`` are counts of 40 bins from -1 to 1; ``hubs`` pairs (times among the neighbours of others, vectors);
    ``spectrum`` the shares of the variance along the principal directions, the largest first, 100 at most.
    """

    cosines: tuple[int, ...] = ()
    hubs: tuple[tuple[int, int], ...] = ()
    spectrum: tuple[float, ...] = ()


RESTORE = "Restore the last snapshot (vicinal snapshot restore), or make a new database and index the sources again."


def in_order(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return checks, alarms first, then notices, those that are well, those that were skipped; within them by family."""
    listed: Sequence[Check] = list(checks)
    return tuple(sorted(listed, key=lambda one: (STATES.index(one.state), FAMILIES.index(one.family))))
