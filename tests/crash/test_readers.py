"""Two processes read while one writes: no error and no wrong answer in a thousand queries."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import vicinal
from vicinal.testing import ToyEncoder

QUERIES = 1000
READERS = 2


def text(name: int, version: int) -> str:
    """Return a text whose toy vector differs with its name, and which says who it is."""
    return f"{'a' * (name % 13)} {'1' * (name // 13)} version {version}"


def read(folder: Path) -> None:
    """Ask half of the queries; every answer must be of one commit: all records of the same version."""
    with vicinal.open(folder, create=False) as db:
        notes = db.collection("main", model=ToyEncoder())
        for turn in range(QUERIES // READERS):
            name = turn % 60
            hits = notes.search(text(name, 0), k=60)
            assert len(hits) == 60, f"{len(hits)} of 60 records"
            assert len({hit.id for hit in hits}) == 60, "a record twice"
            assert len({hit.text.rpartition(" ")[2] for hit in hits}) == 1, "two commits in one answer"
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def write(folder: Path, version: int) -> None:
    """Replace all records by those of a version, in one commit."""
    with vicinal.open(folder) as db:
        notes = db.collection("main", model=ToyEncoder())
        notes.upsert([{"id": f"r{name}", "text": text(name, version)} for name in range(60)])


def test_two_readers_beside_one_writer(tmp_path: Path) -> None:
    """The writer replaces everything again and again, also closing and sealing in between."""
    folder = tmp_path / "db"
    write(folder, 0)
    children = []
    for _ in range(READERS):
        child = os.fork()
        if not child:
            status = 1
            try:
                read(folder)
                status = 0
            except BaseException:  # noqa: BLE001 - told by the exit status
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    version, statuses = 0, {}
    while len(statuses) < READERS:
        version += 1
        write(folder, version)
        for child in children:
            if child not in statuses:
                done, status = os.waitpid(child, os.WNOHANG)
                if done:
                    statuses[child] = status
    assert set(statuses.values()) == {0}
    assert version > 3
