"""The stages of a migration, each reached in one commit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from vicinal.errors import MigrationError
from vicinal.lifecycle.derived import forget
from vicinal.lifecycle.migrate.backfill import Makers, fill, require_state
from vicinal.lifecycle.migrate.state import OPEN, OVER, MigrationState, put_state, state_of
from vicinal.space import Space
from vicinal.store import Lane, Probe, Store, Transaction, beside

ROUNDS = 20
"""How often what is missing is caught up with before a cutover gives up: writers who know one encoder leave holes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a cutover or a rollback was: for how long writers had to wait, and how long all of it took."""

    blocked_ms: float
    took_s: float
    caught_up: int


class _HolesError(Exception):
    """The lane beside lacks a record: the names do not change places."""


def begin(
    store: Store,
    name: str,
    *,
    model: str,
    space: Space,
    chunker: str,
    probes: Sequence[Probe],
    projections: Sequence[tuple[str, bytes]],
    **settings: Any,  # noqa: ANN401 - fields of the state
) -> MigrationState:
    """Make the lane beside a collection: from this commit on, what is written is written to both.

    Raises
    ------
    MigrationError
        One is under way, or the new lane would be as the old one is.
    """
    with store.write() as transaction:
        lane = transaction.lane(name)
        before = state_of(transaction, name)
        if before is not None and before.stage not in OVER:
            raise MigrationError(
                f"Collection {name!r} is being migrated to {before.model or before.space} (stage {before.stage!r}). "
                f"Go on with it, or abort it first: vicinal migrate abort {name}",
                where=name,
            )
        if lane.space == space and lane.chunker == chunker:
            raise MigrationError(
                f"Collection {name!r} is in that space, and cut by that chunker: there is nothing to migrate.",
                where=name,
            )
        if transaction.twin(lane) is not None:  # left by hand: no state tells of it
            transaction.drop_collection(beside(name))
        transaction.create_collection(beside(name), model=model, space=space, chunker=chunker)
        transaction.put_canary(space, probes)
        for digest, content in projections:
            transaction.put_projection(digest, content)
        former = {"model": lane.model, "space": lane.space.id, "chunker": lane.chunker}
        state = MigrationState(
            stage="copy",
            model=model,
            space=space.id,
            chunker=chunker,
            former=former,
            history=(("copy", time.time()),),
            **settings,
        )
        put_state(transaction, name, state)
        return state


def mark(store: Store, name: str, stage: str | None = None, **changes: Any) -> MigrationState:  # noqa: ANN401 - fields of the state
    """Write what was measured, and the stage that it leads to; nothing else changes.

    Raises
    ------
    MigrationError
        The migration is cut over or over by now.
    """
    with store.write() as transaction:
        state = require_state(state_of(transaction, name), name, "copy", "ready", "back")
        state = replace(state, **changes) if stage in {None, state.stage} else state.at(str(stage), **changes)
        put_state(transaction, name, state)
        return state


def pause(store: Store, name: str) -> MigrationState:
    """Stop the backfill, wherever it runs, and let nothing be cut over or retired; writes go to both lanes all the same."""
    return _flagged(store, name, paused=True)


def resume(store: Store, name: str, **settings: Any) -> MigrationState:  # noqa: ANN401 - rate and share
    """Let it go on, perhaps at another pace."""
    return _flagged(store, name, paused=False, **settings)


def _flagged(store: Store, name: str, **changes: Any) -> MigrationState:  # noqa: ANN401 - fields of the state
    with store.write() as transaction:
        state = replace(require_state(state_of(transaction, name), name, *OPEN), **changes)
        put_state(transaction, name, state)
        return state


def cut_over(store: Store, name: str, makers: Makers, *, reason: str = "") -> Cut:
    """Let the name lead to the new lane, in one commit; the old one stands beside and is written to as well.

    Raises
    ------
    MigrationError
        The gate did not let it pass and no reason was given, it is paused, or records are missing beside that cannot be
        filled in.
    """

    def ready(transaction: Transaction) -> MigrationState:
        state = require_state(state_of(transaction, name), name, "ready", "back")
        _require_running(state, name)
        if not (state.gate or {}).get("passed") and not (reason and (state.gate or {}).get("forcible")):
            raise MigrationError(
                f"The gate did not let the migration of {name!r} pass; see vicinal migrate status {name}. "
                "What is about quality alone can be overruled with a reason that is kept.",
                where=name,
            )
        return state.at("soak", reason=reason)

    return _exchanged(store, name, makers, ready)


def roll_back(store: Store, name: str, makers: Makers) -> Cut:
    """Let the name lead to the old lane again, in one commit; what was written meanwhile is in it.

    Raises
    ------
    MigrationError
        It is not cut over, or records are missing in the old lane that cannot be filled in.
    """
    return _exchanged(
        store, name, makers, lambda transaction: require_state(state_of(transaction, name), name, "soak").at("back")
    )


def _exchanged(store: Store, name: str, makers: Makers, ready: Any) -> Cut:  # noqa: ANN401 - a function of a transaction
    """Exchange the lanes once none lacks a record of the other."""
    begun, caught_up, failed = time.perf_counter(), 0, dict[str, str]()
    for _ in range(ROUNDS):
        with suppress(_HolesError):
            with store.write() as transaction:
                locked = time.perf_counter()
                _exchange(transaction, name, ready(transaction))
            ended = time.perf_counter()
            return Cut(blocked_ms=(ended - locked) * 1000, took_s=ended - begun, caught_up=caught_up)
        done = fill(store, name, makers, paced=False)
        caught_up += done.records
        failed = dict(done.failed)
        if failed:
            break
    why = "they are written faster than they can be filled in, by programs that know one model only. Try again."
    if failed:
        first, said = min(failed.items())
        why = f"{len(failed)} of them cannot be made, {first!r} first: {said}. Change or delete them, and try again."
    raise MigrationError(
        f"Records of {name!r} are missing in the lane beside, and a name never leads to a lane that lacks one; {why}",
        got=len(failed) or None,
        where=name,
    )


def _exchange(transaction: Transaction, name: str, state: MigrationState) -> None:
    lane = transaction.lane(name)
    twin = transaction.twin(lane)
    if (
        twin is None or twin.records != lane.records
    ):  # each record beside is one of here, so equal counts are equal sets
        raise _HolesError
    transaction.exchange(name)
    put_state(transaction, name, state)


def retire(store: Store, name: str, *, early: bool = False) -> int:
    """Drop the old lane, in one commit: there is no way back from then on. Return how many records it had.

    Raises
    ------
    MigrationError
        It is not cut over, it is paused, or its soak is not over and ``early`` is false.
    """
    with store.write() as transaction:
        state = require_state(state_of(transaction, name), name, "soak")
        _require_running(state, name)
        left_s = (state.since("soak") or 0.0) + state.soak_s - time.time()
        if left_s > 0 and not early:
            raise MigrationError(
                f"The soak of {name!r} goes on for another {left_s / 3600:.1f} h: until then it can be rolled back in a "
                f"moment. To retire it all the same: vicinal migrate retire {name} --early",
                where=name,
            )
        lane = _required_twin(transaction, name)
        count = transaction.drop_collection(lane.name)
        put_state(transaction, name, state.at("retired"))
    forget(store, lane)
    return count


def abort(store: Store, name: str) -> int:
    """Drop the new lane and answer from the old one, in one commit, at whatever stage; return how many records it had.

    Raises
    ------
    MigrationError
        There is none under way, or the old lane lacks a record: then it must be rolled back first.
    """
    with store.write() as transaction:
        state = require_state(state_of(transaction, name), name, *OPEN)
        if state.stage == "soak":
            lane = transaction.lane(name)
            if _required_twin(transaction, name).records != lane.records:
                raise MigrationError(
                    f"The old lane of {name!r} lacks records that were written since; roll back first, which fills them "
                    f"in: vicinal migrate rollback {name}",
                    where=name,
                )
            transaction.exchange(name)
        lane = _required_twin(transaction, name)
        count = transaction.drop_collection(lane.name)
        put_state(transaction, name, state.at("aborted", paused=False))
    forget(store, lane)
    return count


def _required_twin(transaction: Transaction, name: str) -> Lane:
    twin = transaction.twin(transaction.lane(name))
    if twin is None:
        raise MigrationError(f"Nothing stands beside {name!r}: the migration is over.", where=name)
    return twin


def _require_running(state: MigrationState, name: str) -> None:
    if state.paused:
        raise MigrationError(
            f"The migration of {name!r} is paused. Go on with: vicinal migrate resume {name}", got="paused", where=name
        )
