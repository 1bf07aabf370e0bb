"""Where the migration of a collection stands, kept in the database beside what it migrates."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from vicinal.errors import corrupt
from vicinal.lifecycle.question import migration_setting
from vicinal.store import Snapshot, Transaction
from vicinal.store.format import SQLITE_NAME

STAGES = ("copy", "ready", "soak", "back", "retired", "aborted")
"""
copy     what is written goes to both lanes, and the new one is filled with what was there before
ready    it was compared and measured; the gate said whether it may answer
soak     it answers, and the old one stands beside, written to as well
back     the old one answers again, and the new one stands beside
retired  the new one is alone
aborted  the old one is alone
"""
OVER = ("retired", "aborted")
VERBS = {
    "copy": "resume, pause, bridge, abort",
    "ready": "cutover, resume, pause, bridge, abort",
    "soak": "rollback, retire, pause, resume, abort",
    "back": "cutover, resume, pause, abort",
}
"""What can be done at each stage that is not over."""
OPEN = tuple(VERBS)
BRIDGED = ("copy", "ready")
"""The stages in which a bridge may answer: the name leads to the old lane, and the new one is on its way."""
KEPT_RATES = 64
"""Parts whose speed is remembered."""
MOST_FAILED = 100
"""Records whose failure is told by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """Where a migration stands. ``space``, ``model`` and ``chunker`` are the new lane's, ``former`` what the old one has.

    ``rates`` are records a second of the last parts that were filled; ``failed`` pairs ids with what was wrong; ``gate``
    and ``shadow`` hold what was measured; ``reason`` says why the gate was passed by. ``bridge`` is the digest of the bridge by
    which questions are answered in the new space before its lane is filled, ``""`` where they are answered by the old one. Times are seconds since 1970.
    """

    stage: str
    model: str
    space: str
    chunker: str
    former: Mapping[str, str]
    paused: bool = False
    delta: float = 0.0
    soak_s: float = 0.0
    rate: float | None = None
    share: float = 1.0
    rates: tuple[float, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    plan: Mapping[str, Any] | None = None
    shadow: Mapping[str, Any] | None = None
    gate: Mapping[str, Any] | None = None
    reason: str = ""
    bridge: str = ""
    blocked_ms: float | None = None
    history: tuple[tuple[str, float], ...] = field(default_factory=tuple)

    def at(self, stage: str, **changes: Any) -> Self:  # noqa: ANN401 - fields of this class
        """Return the state at another stage, the moment noted."""
        return replace(self, stage=stage, history=(*self.history, (stage, time.time())), **changes)

    def since(self, stage: str) -> float | None:
        """Return when a stage was last reached, None where it never was."""
        return next((when for name, when in reversed(self.history) if name == stage), None)

    def pack(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def unpack(cls, text: str) -> Self:
        """Return the state that JSON tells; what a later version added is left out."""
        said = json.loads(text)
        known = {one.name for one in fields(cls)}
        told = {name: value for name, value in said.items() if name in known}
        for name in ("rates", "failed", "history"):
            told[name] = tuple(tuple(one) if isinstance(one, list) else one for one in told.get(name, ()))
        if told["stage"] not in STAGES:
            raise ValueError(told["stage"])
        return cls(**told)


def state_of(snapshot: Snapshot, name: str) -> MigrationState | None:
    """Return where the migration of a collection stands; None where there never was one.

    Raises
    ------
    CollectionNotFoundError
        There is no such collection.
    CorruptStoreError
        It cannot be read.
    """
    text = snapshot.setting(migration_setting(snapshot.lane(name).collection))
    if text is None:
        return None
    try:
        return MigrationState.unpack(text)
    except (ValueError, KeyError, TypeError) as error:
        raise corrupt(SQLITE_NAME, f"where the migration of {name!r} stands cannot be read") from error


def put_state(transaction: Transaction, name: str, state: MigrationState) -> None:
    """Write where a migration stands, in the commit that brings it there."""
    transaction.put_setting(migration_setting(transaction.lane(name).collection), state.pack())
