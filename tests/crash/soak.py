"""The long runs of the crash tests: kills, damages and power cuts by the thousand, of all kinds of files.

python tests/crash/soak.py [--kills 2000] [--damages 2000] [--cuts 200] [--refusals 200] [--derived 500] [--seed 1]
"""

from __future__ import annotations

import argparse
import errno
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from crash import derived_worlds, disk, faults
from store_worlds import contents, make
from vicinal.errors import VicinalError


def kills(shim: Path, memory: Path, count: int, seed: int) -> Counter[str]:
    """Die before a change of the disk, at each in turn, over runs of different seeds."""
    found: Counter[str] = Counter()
    at = 0
    for _ in range(count):
        at += 1
        status = faults.failing(shim, memory, seed, at, KILL_AT=at)
        found["killed" if status == -9 else "ran to its end"] += 1
        if status != -9:
            seed, at = seed + 1, 0
    return found


def refusals(shim: Path, memory: Path, count: int, seed: int) -> Counter[str]:
    """Refuse a change of the disk, at each in turn: no space, an error of the medium, no file handles left."""
    found: Counter[str] = Counter()
    chance, at = random.Random(seed), 0
    for _ in range(count):
        at += 1
        name = chance.choice(["ENOSPC", "EIO", "EDQUOT"])
        status = faults.failing(
            shim, memory, seed, at, FAIL_AT=at, FAIL_COUNT=chance.choice([1, 5, 10_000]), ERRNO=getattr(errno, name)
        )
        found[f"{name} told" if status == 3 else f"{name} without effect"] += 1
        if at > 300:
            seed, at = seed + 1, 0
    return found


def power_cuts(shim: Path, memory: Path, count: int, seed: int) -> Counter[str]:
    """Cut the power at twenty moments of each run."""
    found: Counter[str] = Counter()
    while found["cuts"] < count:
        faults.cuts(shim, memory, seed, min(20, count - found["cuts"]))
        found["cuts"] += min(20, count - found["cuts"])
        seed += 1
    return found


def damages(memory: Path, count: int, seed: int) -> Counter[str]:
    """Damage a file of a closed database, with compaction behind it: an error that names it."""
    found: Counter[str] = Counter()
    chance = random.Random(seed)
    whole = memory / "whole"
    make(whole)
    expected = contents(whole)
    names = [path.relative_to(whole) for path in faults.files(whole)]
    for turn in range(count):
        folder = memory / f"turn{turn}"
        shutil.copytree(whole, folder)
        name, kind = chance.choice(names), chance.choice(faults.KINDS)
        kind(folder / name, chance)
        try:
            assert contents(folder) == expected, f"turn {turn}: {kind.__name__} of {name} changed the answer in silence"
            found["without effect"] += 1
        except VicinalError as error:
            assert name.name in str(error), f"turn {turn}: {kind.__name__} of {name}: {error}"
            found[f"{name.suffix[1:]} refused"] += 1
        shutil.rmtree(folder)
    return found


def derived(memory: Path, count: int, seed: int) -> Counter[str]:
    """Damage a file of an index or of columns: no answer changes."""
    found: Counter[str] = Counter()
    chance, whole = random.Random(seed), memory / "derived"
    derived_worlds.make(whole)
    expected = derived_worlds.answers(whole)
    for turn in range(count):
        folder = memory / f"derived{turn}"
        shutil.copytree(whole, folder)
        told = derived_worlds.damaged(folder, faults.KINDS, chance)
        assert derived_worlds.answers(folder) == expected, f"turn {turn}: {told}"
        found["without effect"] += 1
        shutil.rmtree(folder)
    return found


def main() -> None:
    """Run them and print what was found; a fault ends the run with its message."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (
        ("kills", 2000),
        ("damages", 2000),
        ("cuts", 200),
        ("refusals", 200),
        ("derived", 500),
        ("seed", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=count)
    chosen = parser.parse_args()
    warnings.simplefilter("error")
    base = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=base if base.is_dir() else None) as folder:
        memory = Path(folder)
        shim = disk.built(memory)
        if shim is None:
            sys.exit("no C compiler")
        for name, found in (
            ("derived", lambda: derived(memory, chosen.derived, chosen.seed)),
            ("damages", lambda: damages(memory, chosen.damages, chosen.seed)),
            ("cuts", lambda: power_cuts(shim, memory, chosen.cuts, chosen.seed)),
            ("refusals", lambda: refusals(shim, memory, chosen.refusals, chosen.seed)),
            ("kills", lambda: kills(shim, memory, chosen.kills, chosen.seed)),
        ):
            begun = time.perf_counter()
            told = dict(found())
            sys.stdout.write(f"{name}: {told} in {time.perf_counter() - begun:.0f} s\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
