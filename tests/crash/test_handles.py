"""A process without free file handles: what it is told is an error with a name, and what was acknowledged is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vicinal
from crash import derived_worlds

WORK = """
import os, resource, sys
from pathlib import Path
import vicinal
from crash import derived_worlds as worlds
from vicinal.errors import VicinalError
folder, free = Path(sys.argv[1]), int(sys.argv[2])
told, held = [], []
db = vicinal.open(folder)
notes = db.collection("notes", model=worlds.encoder())
notes.search(worlds.vectors(1, 1))
highest = max(int(name) for name in os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + free, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    for number in held[len(held) - free:]:
        os.close(number)
refused = 0
for number in range(30):
    for step in (
        lambda: notes.add([{"id": f"new{number}", "text": "x", "group": 1}], vectors=worlds.vectors(1, number)),
        lambda: notes.search(worlds.vectors(1, number), where={"group": 1}),
        lambda: vicinal.open(folder, read_only=True).close(),
        lambda: notes.compact() if number == 15 else None,
    ):
        try:
            step()
        except VicinalError as error:
            refused += 1
            assert str(error), "an error without words"
    try:
        notes.get(f"new{number}")
    except VicinalError:
        continue
    told.append(f"new{number}")
resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
db.close()
print(refused, *told)
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open files here")
@pytest.mark.parametrize("free", [0, 1, 2, 3, 5, 8, 12])
def test_without_handles_nothing_acknowledged_is_lost(tmp_path: Path, free: int) -> None:
    """With so many handles left, each verb works or raises a VicinalError; what was stored is there afterwards."""
    derived_worlds.make(tmp_path / "db")
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path / "db"), str(free)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "", "VICINAL_MAINTENANCE": "0", "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    refused, *told = done.stdout.split()
    assert free or int(refused), "nothing was refused: the handles had not run out"
    with vicinal.open(tmp_path / "db", read_only=True) as db:
        notes = db.collection("notes", model=derived_worlds.encoder())
        assert set(told) <= set(notes.ids())
        assert len(notes.search(derived_worlds.vectors(1, 1), k=3)) == 3
