"""Ways in which a disk, a file or a process can fail, and what must be there afterwards."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from crash import disk, plan

STEPS = 12
WORK = "import sys; from pathlib import Path; from crash import plan; plan.bound(int(sys.argv[2])); plan.work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))"
FAILING_WORK = """
import sys
from pathlib import Path
from crash import plan
from vicinal.errors import VicinalError
root, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
plan.bound(seed)
try:
    plan.work(root, seed, count, start=int(sys.argv[4]))
except (VicinalError, OSError):
    sys.exit(3)
"""


def _truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _flip_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _overwrite(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 600))
    new = chance.randbytes(end - start)
    while new == content[start:end]:
        new = chance.randbytes(end - start)
    content[start:end] = new
    path.write_bytes(content)


def _zero(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    last = max(place for place, byte in enumerate(content) if byte)
    start = chance.randrange(last + 1)
    path.write_bytes(content[:start] + bytes(len(content) - start))


def _replace(path: Path, chance: random.Random) -> None:
    foreign = chance.choice(
        [b"", b"hello\n", b"SQLite format 3\0" + bytes(4080), chance.randbytes(path.stat().st_size)]
    )
    path.write_bytes(foreign)


def _lengthen(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randint(1, 5000)))


def _take_away(path: Path, chance: random.Random) -> None:
    if path.name == "vicinal.seal":  # may be deleted, see test_store
        _truncate(path, chance)
    else:
        path.unlink()


KINDS: list[Callable[[Path, random.Random], None]] = [
    _truncate,
    _flip_bit,
    _flip_bit,
    _overwrite,
    _zero,
    _replace,
    _lengthen,
    _take_away,
]


def files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold anything."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def acknowledged(root: Path) -> int:
    """Return how many steps were acknowledged."""
    told = root / "acknowledged"
    return told.stat().st_size if told.exists() else 0


def verify(folder: Path, seed: int, least: int, most: int, told: str) -> None:
    """Compare what is stored with each state that may be there."""
    every = plan.states(seed, STEPS)
    if not (folder / "vicinal.sqlite").exists():
        assert least == 0, f"{told}: nothing is there of {least} acknowledged steps"
        return
    found = plan.stored(folder)
    assert found in every[least : most + 1], f"{told}: not what {least} to {most} steps leave"


def cuts(shim: Path, memory: Path, seed: int, count: int) -> int:
    """Cut the power at some moments of one run; return how many moments there are."""
    root, trace = memory / "root", memory / "trace"
    root.mkdir()
    assert disk.run(shim, root, WORK, str(root), str(seed), str(STEPS), trace=trace) == 0
    changes, chance = disk.read_trace(trace), random.Random(seed)
    moments = sorted(chance.sample(range(1, len(changes) + 1), min(count, len(changes))))
    state, at = disk.Disk(root), 0
    told = str(root.resolve() / "acknowledged")
    for turn, moment in enumerate(moments):
        for change in changes[at:moment]:
            state.play(change)
        at = moment
        log = state.files[state.names[told]] if told in state.names else disk.File()
        done = len(log.certain) + sum(change.kind == disk.WRITE for change in log.waiting)
        image = memory / f"image{turn}"
        state.cut(image, chance)
        verify(image / "db", seed, done, min(done + 1, STEPS), f"seed {seed}, change {moment} of {len(changes)}")
        shutil.rmtree(image, ignore_errors=True)
    shutil.rmtree(root)
    trace.unlink()
    return len(changes)


def failing(shim: Path, memory: Path, seed: int, at: int, **settings: int) -> int:
    """Run on a disk that refuses a change; then go on where it stopped. Return the exit status of the first run."""
    root = memory / f"root{at}"
    root.mkdir()
    status = disk.run(shim, root, FAILING_WORK, str(root), str(seed), str(STEPS), "0", **settings)
    assert status in {0, 3, -9}, f"change {at}: a foreign error, exit status {status}"
    done = acknowledged(root)
    verify(root / "db", seed, done, min(done + 1, STEPS), f"seed {seed}, change {at}, {settings}")
    shutil.rmtree(root)
    return status
