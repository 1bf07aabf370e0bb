"""A migration under writers and readers, killed at random: nothing is lost, brought back, mixed or refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import soak_migrate
from soak_migrate import NAME, Told, check_vectors, opened, start_records, stored, text_of

import vicinal
from migration_worlds import Hashed


class _Processes:
    """Processes of soak_migrate.py, begun by one that has everything imported."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "VICINAL_THREADS": "1"}
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(
            [sys.executable, soak_migrate.__file__], env=environment, stdin=pipe, stdout=pipe, text=True
        )

    def start(self, role: str, folder: Path, seed: int, size: int) -> int:
        """Begin a process, and return its number once it is at work."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{role} {seed} {size} {folder}\n")
        self._server.stdin.flush()
        child = int(self._server.stdout.readline())
        _await(folder / f"ready-{role}-{seed}")
        return child

    def end(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()


def _await(path: Path) -> None:
    end = time.monotonic() + 300
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.01)


def soak(folder: Path, *, kills: int, size: int, full_every: int) -> dict[str, list[float]]:
    """Let a collection migrate to and fro while its process is killed again and again; return what was measured.

    A life is long enough for a backfill to end in it now and then: 40 s at most for 100,000 records.
    """
    chance, life_s = random.Random(kills), max(1.2, size / 2500)
    with vicinal.open(folder / "db") as db:
        ids = list(start_records(size))
        collection = db.collection(NAME, model=Hashed("one"))
        for start in range(0, len(ids), 5000):
            collection.add([{"id": one, "text": text_of(one, 0), "tag": -1} for one in ids[start : start + 5000]])
    told = [Told(folder, who, size) for who in "abc"]
    processes = _Processes()
    for role, seed in (("read", 900), ("write", 901)):
        processes.start(role, folder, seed, size)
    try:
        for kill in range(kills):
            child = processes.start("migrate", folder, kill, size)
            time.sleep(chance.random() * life_s)
            os.kill(child, signal.SIGKILL)
            faults = folder / "faults"
            assert not faults.exists(), faults.read_text()
            _verify(folder, told[:2], full=kill % full_every == full_every - 1)
    finally:
        (folder / "stop").touch()
        _await(folder / "ended-read-900")
        _await(folder / "ended-write-901")
        processes.end()
    assert not (folder / "faults").exists(), (folder / "faults").read_text()
    _verify(folder, told, full=True)
    with vicinal.open(folder / "db", create=False) as db:
        db.check()
    lines = (folder / "stats").read_text().split("\n") if (folder / "stats").exists() else []
    found: dict[str, list[float]] = {"reads": [float((folder / "read-900").read_text())]}
    for line in filter(None, lines):
        for name, value in json.loads(line).items():
            found.setdefault(name, []).append(value)
    found["reads"].append(sum(found.pop("asked", [])))
    return found


def _verify(folder: Path, writers: list[Told], *, full: bool) -> None:
    """Compare what stands with what the journals say."""
    db, collection = opened(folder)
    with db:
        for told in writers:
            told.read()
            models = told.models()
            if full:
                found = stored(collection, told.who)
            else:  # only what the last write is about, which may have happened or not
                about = [
                    one for one in models[0].keys() | models[-1].keys() if models[0].get(one) != models[-1].get(one)
                ]
                found = {one: kept for one, kept in models[0].items() if one not in about}
                found |= stored(collection, told.who, about)
            assert found in models, _difference(models, found)
            if told.begun:
                told.settle(happened=found != models[0])
        if full:
            check_vectors(collection)


def _difference(models: list[dict[str, tuple[int, int]]], found: dict[str, tuple[int, int]]) -> str:
    return " or ".join(
        str(
            {
                one: (model.get(one), found.get(one))
                for one in model.keys() | found.keys()
                if model.get(one) != found.get(one)
            }
        )
        for model in models
    )


@pytest.mark.slow
def test_a_migration_killed_at_random_loses_and_mixes_nothing(tmp_path: Path) -> None:
    """Killed at any moment, with writers and readers in three processes: 0 failed queries, 0 lost or resurrected records."""
    found = soak(tmp_path, kills=8, size=400, full_every=4)
    assert found["reads"][0] > 20
    assert max(found.get("cutover_ms", [0])) < 1000


@pytest.mark.slow
@pytest.mark.skipif("LONG_STEPS" not in os.environ, reason="LONG_STEPS says how many kills, of 100,000 records")
def test_a_large_migration_killed_many_times(tmp_path: Path) -> None:
    """The same at full scale."""
    found = soak(tmp_path, kills=int(os.environ["LONG_STEPS"]), size=100_000, full_every=10)
    told = {
        name: (len(values), sum(values), sorted(values)[len(values) // 2], max(values))
        for name, values in found.items()
    }
    print(told)  # noqa: T201 - what was measured: how often, in all, the middle, the most
