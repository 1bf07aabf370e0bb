"""Killed at any moment, a store that keeps its past tells every commit that it has as it was."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
from pathlib import Path

import pytest

from history_worlds import begun, make_small, require_told, step
from vicinal.store import Store

KILLS = max(4, int(os.environ.get("LONG_STEPS", "0")) // 10)
LENGTH = 40


def played(folder: Path, seed: int) -> None:
    """Do what chance says, which is the same for the same seed."""
    world = begun(folder, pytest.MonkeyPatch(), days=3)
    chance = random.Random(seed)
    for _ in range(LENGTH):
        step(world, chance, keeps=False)


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_at_any_moment_the_past_is_whole(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same is done twice, once to the end: what the killed store tells of each commit is what the other one held."""
    make_small(monkeypatch)
    child = os.fork()
    if not child:
        try:
            gc.disable()  # what other tests have left is not the child's to end
            played(tmp_path / "killed", seed)
        finally:
            os._exit(0)
    while not (tmp_path / "killed" / "vicinal.sqlite").exists():
        time.sleep(0.001)
    time.sleep(random.Random(seed).random() * 0.4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    world = begun(tmp_path / "whole", monkeypatch, days=3)
    chance = random.Random(seed)
    for _ in range(LENGTH):
        step(world, chance, keeps=False)
    world.store.close()
    world.store = Store.open(tmp_path / "killed")
    try:
        world.store.check()
        with world.store.snapshot() as snapshot:
            names, sequence = snapshot.collection_names(), snapshot.sequence
        world.states = {one: held for one, held in world.states.items() if one <= sequence}
        assert sequence in world.states or not names
        assert not names or require_told(world) > 0
        if names:
            world.store.compact("main", sparse=0.01)
            world.store.check()
    finally:
        world.store.close()
