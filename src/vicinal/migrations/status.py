"""Where a migration stands, told for people and for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.lifecycle.migrate import BRIDGED, MigrationState
from vicinal.lifecycle.reads import saved
from vicinal.store import Snapshot

BAND = (0.9, 0.1)
"""Of the speeds: the fast end, the slow end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStatus:
    """Where the migration of a collection stands.

    ``stage`` is one of ``copy``, ``ready``, ``soak``, ``back``, ``retired``, ``aborted``. ``done`` of ``records`` stand in
    both lanes; ``read_share`` is the share of the known reads that these had, None where none are known.
    ``left_s`` is what the backfill will still take, ``fast_s`` to ``slow_s`` where it goes on as the fastest or slowest
    tenth of the last parts. ``failed`` maps ids to what was wrong. ``soak_left_s`` is how long it can surely be rolled
    back. ``reason`` says why the gate was passed by, ``bridged`` whether questions are answered in the new space
    already. ``next`` is what to do. Times in ``history`` are seconds since 1970.
    """

    collection: str
    stage: str
    paused: bool
    model: str
    space: str
    former_model: str
    former_space: str
    done: int
    records: int
    read_share: float | None
    rate: float | None
    left_s: float | None
    fast_s: float | None
    slow_s: float | None
    cost: float | None
    failed: Mapping[str, str]
    plan: Mapping[str, Any] | None
    shadow: Mapping[str, Any] | None
    gate: Mapping[str, Any] | None
    reason: str
    bridged: bool
    blocked_ms: float | None
    soak_left_s: float | None
    history: tuple[tuple[str, float], ...]
    next: str


def status_of(snapshot: Snapshot, name: str, state: MigrationState) -> MigrationStatus:
    """Return where a migration stands as of a commit. Cost: that of a few look-ups."""
    lane = snapshot.lane(name)
    twin = snapshot.twin(lane)
    done = lane.records if twin is None else twin.records
    left = lane.records - done if state.stage not in {"retired", "aborted"} else 0
    rate, left_s, fast_s, slow_s = _time_left(state.rates, left)
    since = state.since("soak")
    plan = state.plan or {}
    cost = plan.get("cost")
    return MigrationStatus(
        collection=name,
        stage=state.stage,
        paused=state.paused,
        model=state.model,
        space=state.space,
        former_model=state.former.get("model", ""),
        former_space=state.former.get("space", ""),
        done=done,
        records=lane.records,
        read_share=_read_share(snapshot, name),
        rate=rate,
        left_s=left_s,
        fast_s=fast_s,
        slow_s=slow_s,
        cost=None if cost is None else cost * done / max(lane.records, 1),
        failed=dict(state.failed),
        plan=state.plan,
        shadow=state.shadow,
        gate=state.gate,
        reason=state.reason,
        bridged=bool(state.bridge) and state.stage in BRIDGED,
        blocked_ms=state.blocked_ms,
        soak_left_s=None if state.stage != "soak" or since is None else max(0.0, since + state.soak_s - time.time()),
        history=state.history,
        next=_next(name, state, left),
    )


def _time_left(rates: Sequence[float], left: int) -> tuple[float | None, float | None, float | None, float | None]:
    """Return (records a second, seconds left, at the fast end, at the slow end); the latest parts count most."""
    known = np.array([one for one in rates if one > 0])
    if not len(known):
        return None, None, None, None
    weights = 0.9 ** np.arange(len(known))[::-1]
    rate = float(weights.sum() / (weights / known).sum())  # times add up, speeds do not
    fast, slow = (float(np.quantile(known, share)) for share in BAND)
    return rate, left / rate, left / max(fast, rate), left / min(slow, rate)


def _read_share(snapshot: Snapshot, name: str) -> float | None:
    lane = snapshot.lane(name)
    twin, counts = snapshot.twin(lane), saved(snapshot, name)
    if twin is None or not counts:
        return None
    there = snapshot.chunks_of(twin, list(counts))
    return sum(count for one, count in counts.items() if one in there) / sum(counts.values())


def _next(name: str, state: MigrationState, left: int) -> str:
    """Return the command that leads on."""
    if state.paused:
        return f"vicinal migrate resume {name}"
    if state.stage == "copy":
        return f"vicinal migrate resume {name}"
    if state.stage in {"ready", "back"}:
        passed = (state.gate or {}).get("passed")
        return (
            f"vicinal migrate {'cutover' if passed and not left else 'resume'} {name}, or vicinal migrate abort {name}"
        )
    if state.stage == "soak":
        return f"vicinal migrate retire {name}, or vicinal migrate rollback {name}"
    return ""
