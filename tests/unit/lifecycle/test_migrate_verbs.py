"""The verbs of a migration at every stage and on bad input: what they do, what they refuse, and that the message says what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vicinal
from migration_worlds import Hashed, records
from vicinal import encode
from vicinal.lifecycle import equivalence, fit
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.migrate import backfill
from vicinal.store import beside

ONE, TWO = Hashed("one"), Hashed("two")


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[vicinal.Database]:
    """A database in which nothing runs by itself."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    with vicinal.open(tmp_path / "db") as opened:
        yield opened


@pytest.fixture
def notes(db: vicinal.Database) -> vicinal.Collection:
    """A collection of forty records in the space one."""
    collection = db.collection("notes", model=ONE)
    collection.add(records(range(40)))
    return collection


def at(notes: vicinal.Collection, stage: str, to: Any = TWO) -> vicinal.migrations.Migration:
    """Bring a migration to a stage; what its gate measures is tested apart."""
    migration = notes.migrate(to)
    migration.begin()
    if stage != "copy":
        migration.backfill()
        stages.mark(notes._store, "notes", "ready", gate={"passed": True, "forcible": True})
    if stage in {"soak", "back", "retired"}:
        migration.cutover()
    if stage == "back":
        migration.rollback()
    if stage == "retired":
        migration.retire(early=True)
    if stage == "aborted":
        migration.abort()
    return migration


def test_a_projected_target_can_be_planned_before_the_database_has_it(notes: vicinal.Collection) -> None:
    """The projection of the new space comes with the plan's encoder: the database gets it when the migration begins."""
    assert notes.migrate(dim=4).plan(seconds=0.1).dim == 4
    projection = fit(notes._store, "notes", dim=3, kind="pca", seed=0)
    assert notes.migrate(encode.project(TWO, projection)).plan(seconds=0.1).records == 40


def test_what_is_read_most_comes_first_in_a_moment() -> None:
    """In the order of the reads, each once, then the others as they were; and for thousands among a hundred thousand."""
    assert backfill._first(["c", "x", "a", "c"], ["a", "b", "c", "d"]) == ["c", "a", "b", "d"]
    assert backfill._first([], ["b", "a"]) == ["b", "a"]
    listed = [str(number) for number in range(100_000)]
    begun = time.perf_counter()
    assert backfill._first(listed[::-20], listed)[:2] == [listed[-1], listed[-21]]
    assert time.perf_counter() - begun < 1


def test_the_model_that_serves_a_space_stays_with_its_lane(notes: vicinal.Collection) -> None:
    """Cut over and rolled back, the old lane is served by the model that was proven the same, and the new one never is."""
    with notes._store.write() as transaction:
        equivalence.serve(transaction, [transaction.lane("notes")], "another name")

    def served() -> list[str | None]:
        with notes._store.snapshot() as snapshot:
            lanes = [snapshot.lane("notes"), snapshot.lane(beside("notes"))]
            return [snapshot.setting(equivalence.model_setting(one)) for one in lanes]

    migration = at(notes, "ready")
    assert served() == ["another name", None]
    migration.cutover()
    assert served() == [None, "another name"]
    migration.rollback()
    assert served() == ["another name", None]
