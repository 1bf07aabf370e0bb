"""The past against a plain model: each remembered commit is told exactly as it was, or refused with the window named."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from history_worlds import (
    DAY_S,
    at_once,
    begun,
    compact,
    delete,
    elsewhere,
    make_small,
    relabel,
    require_listed,
    require_told,
    set_fields,
    step,
    write,
    write_all,
)
from vicinal.errors import CommitNotFoundError
from vicinal.store.history.past import PastStore
from vicinal.testing.store.worlds import read

STEPS = max(1, int(os.environ.get("LONG_STEPS", "0")) // 60)
LENGTH = 60 if STEPS > 1 else 25
CHECKED = 12
"""Steps between two comparisons."""


@pytest.mark.parametrize("seed", range(3 * STEPS))
def test_every_commit_is_told_as_it_was_or_refused(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random writes, deletions, changes in place, compactions, clocks and settings, each followed by what a model says."""
    make_small(monkeypatch)
    chance = random.Random(seed)
    world = begun(tmp_path / "db", monkeypatch, days=3 if seed % 3 else 0)
    told = 0
    try:
        for number in range(LENGTH):
            step(world, chance, keeps=bool(seed % 3))
            if number % CHECKED == CHECKED - 1 or number == LENGTH - 1:
                told += require_told(world)
                require_listed(world)
                world.store.check()
        assert told >= LENGTH // CHECKED  # that of now, each time
    finally:
        world.store.close()


def test_a_view_is_of_its_commit_whatever_is_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One view, asked again after each step, gives the same until its commit leaves the window; then it refuses."""
    make_small(monkeypatch)
    chance = random.Random(5)
    world = begun(tmp_path / "db", monkeypatch, days=3)
    try:
        for _ in range(5):
            write(world, chance)
        world.remember()
        with world.store.snapshot() as snapshot:
            sequence, lane = snapshot.sequence, snapshot.lane("main")
        view = PastStore(world.store, lane, sequence)
        for action in (write, delete, set_fields, relabel, at_once, compact, elsewhere, delete, compact, write) * 3:
            action(world, chance)
            with view.snapshot() as past:
                assert read(past) == world.states[sequence]
                lane = past.lane("main")
                seen = view.view(past, lane)
                assert (seen.sequence, seen.next_row) == (sequence, lane.next_row)
                assert np.array_equal(seen.alive, past.alive(lane))
        world.now += 9 * DAY_S
        write(world, chance)
        world.now += 9 * DAY_S
        compact(world, chance)
        with pytest.raises(CommitNotFoundError, match="A snapshot"), view.snapshot():
            pass
    finally:
        world.store.close()


def test_a_dead_record_that_was_moved_did_not_die_when_it_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its death leaves the window before its move does, and its group stays for the sake of another: it stays dead."""
    make_small(monkeypatch)
    monkeypatch.setattr("vicinal.store.record.GROUP_CHARS", 10_000)
    world = begun(tmp_path / "db", monkeypatch, days=3)
    try:
        write_all(world, ("a", "b", "c"))
        for name in ("a", "b"):
            world.now += DAY_S
            with world.store.write() as transaction:
                transaction.delete(transaction.lane("main"), [name])
            del world.contents[name]
            world.remember()
        world.store.compact("main", sparse=0.01)
        world.remember()
        world.now += 2 * DAY_S + DAY_S // 2
        world.store.compact("main", sparse=0.99)
        world.remember()
        with world.store.snapshot() as snapshot:
            assert snapshot.first_told(snapshot.lane("main")) == 3
        assert require_told(world) >= 3
    finally:
        world.store.close()
