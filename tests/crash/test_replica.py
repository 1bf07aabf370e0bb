"""A replica killed at random under write load: its readers see commits of the primary, and in the end both are the same."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.soak_replica import trial


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses the same there, and a sync costs nothing."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_a_replica_killed_at_random_converges(memory: Path) -> None:
    """Eight kills, a writer that is killed as well, and a reader that finds no half of a commit."""
    done = trial(memory, 1, kills=8)
    assert done.same
    assert done.read > 20, "the reader saw too little to mean anything"
    assert done.steps > 6, "the replica was killed too early to mean anything"


@pytest.mark.slow
def test_a_replica_killed_at_random_converges_many_times(memory: Path) -> None:
    """The same, six times, or as often as LONG_STEPS says."""
    for seed in range(100, 100 + int(os.environ.get("LONG_STEPS", "4"))):
        world = memory / str(seed)
        world.mkdir()
        assert trial(world, seed, kills=12).same
