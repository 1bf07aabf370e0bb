"""A collection to be migrated, in a database in which nothing runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import vicinal
from migration_worlds import Hashed, records


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[vicinal.Database]:
    """A database in which nothing runs by itself."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    with vicinal.open(tmp_path / "db") as opened:
        yield opened


@pytest.fixture
def notes(db: vicinal.Database) -> vicinal.Collection:
    """A collection of forty records in the space one."""
    collection = db.collection("notes", model=Hashed("one"))
    collection.add(records(range(40)))
    return collection
