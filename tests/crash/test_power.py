"""Power cuts between any two changes of the disk, deaths at each of them, and disks that refuse one: nothing is lost."""

from __future__ import annotations

import errno
import random
import tempfile
from pathlib import Path

import pytest

from crash import disk
from crash.faults import STEPS, WORK, cuts, failing, verify
from vicinal.errors import VicinalError

CUTS = 12


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The watched disk; without a compiler there is none."""
    found = disk.built(tmp_path_factory.mktemp("shim"))
    if found is None:
        pytest.skip("no C compiler, or another system than Linux")
    return found


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: what matters is the order of the changes."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else tmp_path) as folder:
        yield Path(folder)


def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(shim, memory):
    """Unsynced writes are dropped, torn and reordered; every acknowledged commit is there whole, and nothing else."""
    assert cuts(shim, memory, seed=1, count=CUTS) > 100


def test_a_power_cut_loses_no_small_commit(shim, memory):
    """The same where no vector file is synced but by the first commit, and where every third commit or so syncs one."""
    for seed in (4, 2):
        assert cuts(shim, memory, seed=seed, count=CUTS) > 100


@pytest.mark.parametrize("name", ["ENOSPC", "EIO"])
def test_a_disk_that_refuses_a_change_undoes_the_write(shim, memory, name):
    """Whichever change is refused, it is an error with a name, and what was acknowledged is there."""
    chance = random.Random(5)
    statuses = {
        failing(shim, memory, 2, at, FAIL_AT=at, FAIL_COUNT=chance.choice([1, 3, 1000]), ERRNO=getattr(errno, name))
        for at in chance.sample(range(1, 250), 5)
    }
    assert 3 in statuses


def test_death_at_any_change_loses_nothing_acknowledged(shim, memory):
    """The process is killed right before a change; what was acknowledged is there, whole."""
    chance = random.Random(6)
    assert {failing(shim, memory, 3, at, KILL_AT=at) for at in chance.sample(range(1, 250), 5)} == {-9}


def test_damage_is_still_an_error(shim, memory):
    """The comparison itself has teeth: a state of too few steps does not pass."""
    root = memory / "root"
    root.mkdir()
    assert disk.run(shim, root, WORK, str(root), "4", str(STEPS)) == 0
    with pytest.raises(AssertionError):
        verify(root / "db", 4, 0, STEPS - 3, "too few")
    with pytest.raises((AssertionError, VicinalError)):
        verify(root / "db", 5, STEPS, STEPS, "another seed")
