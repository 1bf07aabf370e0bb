"""The verbs of a migration at every stage and on bad input: what they do, what they refuse, and that the message says what to do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

import vicinal
from migration_worlds import Hashed, records
from vicinal import encode
from vicinal.errors import CommitNotFoundError, InputError, MigrationError, ModelNotFoundError, VicinalError
from vicinal.lifecycle import equivalence, fit
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.derived import Derived
from vicinal.lifecycle.forms import offer
from vicinal.lifecycle.migrate import backfill
from vicinal.store import beside
from vicinal.store.format import LOCK_NAME
from vicinal.store.lock import FileLock

ONE, TWO = Hashed("one"), Hashed("two")


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


STAGES = ("copy", "ready", "soak", "back", "retired", "aborted")
LEADS = {
    "backfill": {"copy": "copy", "ready": "ready", "soak": "soak", "back": "back"},
    "bridge": {"copy": "copy", "ready": "ready"},
    "unbridge": {"copy": "copy", "ready": "ready"},
    "cutover": {"ready": "soak", "back": "soak"},
    "rollback": {"soak": "back"},
    "pause": {"copy": "copy", "ready": "ready", "soak": "soak", "back": "back"},
    "resume": {"copy": "copy", "ready": "ready", "soak": "soak", "back": "back"},
    "abort": dict.fromkeys(("copy", "ready", "soak", "back"), "aborted"),
    "retire": {},
}


@pytest.mark.parametrize("verb", LEADS)
def test_each_verb_at_each_stage(db: vicinal.Database, verb: str) -> None:
    """It leads where it should, or is refused with the stage and what can be done there; questions are answered all the same."""
    for number, stage in enumerate(STAGES):
        notes = db.collection(f"notes {number}", model=ONE)
        notes.add(records(range(10)))
        migration = notes.migrate(TWO)
        migration.begin()
        if stage != "copy":
            migration.backfill()
            stages.mark(notes._store, notes.name, "ready", gate={"passed": True, "forcible": True})
        for step in {"soak": ["cutover"], "back": ["cutover", "rollback"], "aborted": ["abort"]}.get(stage, []):
            getattr(migration, step)()
        if stage == "retired":
            migration.cutover()
            migration.retire(early=True)
        leads = LEADS[verb].get(stage)
        if leads is None:
            with pytest.raises(MigrationError) as refused:
                getattr(migration, verb)()
            assert "vicinal migrate" in str(refused.value) or "soak" in str(refused.value)
        else:
            getattr(migration, verb)()
        status = migration.status()
        assert status is not None
        assert status.stage == (leads or stage)
        assert notes.search("q5x", mode="lexical")[0].id == "r5"


@pytest.mark.parametrize(
    "verb",
    ["backfill", "bridge", "unbridge", "compare", "gate", "cutover", "rollback", "pause", "resume", "abort", "retire"],
)
def test_what_was_never_begun_says_how_to_begin(notes: vicinal.Collection, verb: str) -> None:
    """No verb passes over that nothing was begun."""
    with pytest.raises(MigrationError, match="Begin with: vicinal migrate notes --to"):
        getattr(notes.migrate(TWO), verb)()


def test_a_rollback_goes_on_where_it_is_paused(notes: vicinal.Collection) -> None:
    """A pause holds back the cutover and the retirement; a way back is never closed by it."""
    migration = at(notes, "soak")
    with notes._store.write() as transaction:
        transaction.delete(transaction.lane(beside("notes")), ["r1"])
    migration.pause()
    assert migration.rollback().caught_up == 1
    assert notes.search("q1x", mode="lexical")[0].id == "r1"


def test_a_rollback_that_cannot_be_names_the_record_and_why(db: vicinal.Database) -> None:
    """What the old model refuses is named with what it said; once it is gone, the way back is open."""
    notes = db.collection("notes", model=Hashed("one", refuses=["BAD"]))
    notes.add(records(range(10)))
    migration = at(notes, "soak")
    notes.add([{"id": "new", "text": "a BAD text"}])
    with pytest.raises(MigrationError, match=r"'new' first: the model refuses a text\. Change or delete them"):
        migration.rollback()
    notes.delete(["new"])
    migration.rollback()
    assert notes.space == ONE.space


def test_a_record_that_failed_is_told_until_it_is_mended(notes: vicinal.Collection) -> None:
    """Deleted, it is told no longer, although nothing is left to fill in."""
    migration = at(notes, "copy", Hashed("two", refuses=["q7x"]))
    migration.backfill()
    status = migration.status()
    assert status is not None
    assert list(status.failed) == ["r7"]
    notes.delete(["r7"])
    assert not migration.backfill().failed
    status = migration.status()
    assert status is not None
    assert not status.failed


def test_nobody_goes_on_with_what_another_planned(notes: vicinal.Collection) -> None:
    """A migration that was planned and never begun does not carry on another one under way; the same one it does."""
    at(notes, "copy")
    with pytest.raises(MigrationError, match="not what was planned here"):
        notes.migrate(Hashed("three")).run()
    assert notes.migrate(TWO).run(stop=lambda: True).stage == "copy"


def test_without_a_soak_whoever_cuts_over_retires(notes: vicinal.Collection) -> None:
    """Also where another program began it."""
    notes.migrate(TWO, soak_s=0).begin()
    going = notes.migration()
    assert going is not None
    assert going.run(reason="this is a test").stage == "retired"


def test_what_became_empty_can_be_cut_over_with_a_reason(notes: vicinal.Collection) -> None:
    """Nothing can be asked of it, so the gate does not pass by itself, and nothing stands in the way of a person."""
    migration = at(notes, "copy")
    notes.delete(list(notes.ids()))
    assert migration.run(reason="it is empty").stage == "soak"


def test_a_single_record_can_be_carried_with_a_reason(db: vicinal.Database) -> None:
    """One question has no interval: the gate says so, and stops nothing that a person wants."""
    notes = db.collection("notes", model=ONE)
    notes.add(records([1]))
    status = notes.migrate(TWO).run()
    assert status.stage == "ready"
    assert status.gate is not None
    assert "1 question tells of no gain" in status.gate["checks"][-1]["detail"]
    going = notes.migration()
    assert going is not None
    assert going.run(reason="there is one").stage == "soak"


def test_a_migration_stays_with_the_collection_that_an_alias_stood_for(
    db: vicinal.Database, notes: vicinal.Collection
) -> None:
    """Where the alias stands for another one later, what is compared and rolled back is still the first."""
    db.collection("other", model=TWO).add(records(range(3)))
    db.alias("current", "notes")
    with pytest.raises(ModelNotFoundError):
        db.collection("current").migrate(TWO).begin()
    assert notes.migration() is None, "what is refused was not begun"
    named = db.collection("current", model=ONE)
    migration = named.migrate(TWO)
    migration.begin()
    migration.backfill()
    db.alias("current", "other")
    assert named.name == "other"
    assert migration.compare(["question 1"], k=5, mode="dense").queries == 1
    stages.mark(notes._store, "notes", "ready", gate={"passed": True})
    migration.cutover()
    assert notes.search("q5x").space == TWO.space.id
    assert len(named) == 3


def test_views_and_pages_say_that_the_space_changed(notes: vicinal.Collection) -> None:
    """What was opened before a cutover ends with a message that says so, and what to do."""
    then = notes.at(notes.info()["sequence"])
    migration = at(notes, "ready")
    pages = notes.pages("record number", k=5)
    next(pages)
    assert len(then) == 40
    migration.cutover()
    with pytest.raises(CommitNotFoundError, match="was cut over to another space since"):
        then.search("q5x")
    with pytest.raises(InputError, match="Ask for the first page again"):
        next(pages)


@pytest.mark.parametrize(
    "told",
    [
        {"delta": float("inf")},
        {"soak_s": float("inf")},
        {"rate": float("inf")},
        {"rate": 0},
        {"share": float("nan")},
        {"share": 1.5},
        {"chunker": 5},
        {"chunker": "nonsense"},
        {"dim": 0},
    ],
)
def test_what_means_nothing_is_refused(notes: vicinal.Collection, told: dict[str, Any]) -> None:
    """By an error of this program that names the parameter."""
    with pytest.raises(InputError) as refused:
        notes.migrate(None if "dim" in told else TWO, **told)
    assert next(iter(told)) in str(refused.value)


def test_other_nonsense_is_refused_too(notes: vicinal.Collection) -> None:
    """Never by an error of Python's."""
    wrong: Any = 5
    with pytest.raises(InputError):
        notes.migrate(wrong)
    planned = notes.migrate(TWO)
    for seconds in ("x", -1, float("nan")):
        with pytest.raises(InputError):
            planned.plan(seconds=seconds)  # type: ignore[arg-type]
    migration = at(notes, "ready")
    for call in (
        lambda: migration.cutover(reason=wrong),
        lambda: migration.gate(wrong),
        lambda: migration.bridge(seed=-1),
        lambda: migration.compare(wrong),
    ):
        with pytest.raises(VicinalError):
            call()


def test_what_a_killed_plan_left_goes_with_the_next(notes: vicinal.Collection, tmp_path: Path) -> None:
    """A scratch folder whose lock nobody holds; one that is in use, or was made just now, stays."""
    left, held, young = (tmp_path / f".vicinal-plan-{name}" for name in ("left", "held", "young"))
    for path in (left, held, young):
        (path / "scratch").mkdir(parents=True)
    lock = FileLock(held / LOCK_NAME, write=True)
    assert lock.try_together()
    for path in (left, held):
        os.utime(path, (1, 1))
    notes.migrate(TWO).plan(seconds=0)
    assert sorted(path.name for path in tmp_path.glob(".vicinal-plan-*")) == [held.name, young.name]
    lock.close()


def test_nobody_cuts_over_who_could_not_ask(notes: vicinal.Collection, tmp_path: Path) -> None:
    """Without the new model at hand the cutover is refused, and tells what to give; the way back needs no model."""
    at(notes, "ready")
    with vicinal.open(tmp_path / "db") as db:
        going = db.collection("notes", model=ONE).migration()
        assert going is not None
        for call in (going.cutover, going.gate, going.compare):
            with pytest.raises(ModelNotFoundError, match=r"migration of 'notes'.*collection\('notes', model=encoder\)"):
                call()
        assert {name for one in db.spaces() for name in one["collections"]} == {"notes"}
    at_hand = notes.migration()
    assert at_hand is not None
    at_hand.cutover()
    with vicinal.open(tmp_path / "db") as db:
        going = db.collection("notes", create=False).migration()
        assert going is not None
        going.rollback()
    assert notes.search("q5x").space == ONE.space.id


@pytest.mark.parametrize("verb", ["at", "migrate", "bridge", "plan_sync"])
def test_who_was_idle_through_a_cutover_begins_in_the_new_space(
    notes: vicinal.Collection, tmp_path: Path, verb: str
) -> None:
    """Another program's first verb since is of the lane that answers now, also where no vector is asked."""
    (tmp_path / "docs").mkdir()
    with vicinal.open(tmp_path / "db") as db:
        for encoder in (ONE, TWO):
            offer(db._store, encoder)
        idle = db.collection("notes")
        idle.search("q5x")
        at(notes, "soak")
        if verb == "at":
            assert idle.at(idle.history().last).search("q5x").space == TWO.space.id
        elif verb == "migrate":
            with pytest.raises(InputError, match="nothing to migrate"):
                idle.migrate(TWO)
        elif verb == "bridge":
            assert idle.bridge(ONE, judged=idle.known_queries(5, kind="keywords"), candidates=5).cost["records"] == 40
        else:
            assert idle.plan_sync(tmp_path / "docs").new == 0
        assert idle.space == TWO.space


@pytest.mark.parametrize("end", ["retire", "abort"])
def test_what_a_migration_left_in_memory_goes_with_it(notes: vicinal.Collection, tmp_path: Path, end: str) -> None:
    """In every program that has the collection open: the other model, and the index of the lane that is gone."""
    with vicinal.open(tmp_path / "db") as db:
        for encoder in (ONE, TWO):
            offer(db._store, encoder)
        idle = db.collection("notes")
        migration = at(notes, "soak")
        idle.search("q5x")
        migration.rollback()
        idle.search("q5x")
        assert len(idle._stands) == 2
        migration.cutover()
        migration.retire(early=True) if end == "retire" else migration.abort()
        idle.info()
        for one in (notes, idle):
            assert list(one._stands) == [one._stand.lane.number]
            kept = [name for name, what in one._store.kept.items() if isinstance(what, Derived)]
            assert len(kept) == (one is idle), "nobody asked the other one"


def test_what_is_derived_of_a_retired_lane_goes_with_the_next_upkeep(
    notes: vicinal.Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever retired it may have been killed between the commit and the removal of its index."""
    notes.compact()
    migration = at(notes, "soak")
    monkeypatch.setattr("vicinal.lifecycle.migrate.stages.forget", lambda *_: None)
    migration.retire(early=True)
    folder = tmp_path / "db" / "index"
    assert (folder / ONE.space.id).is_dir()
    notes.compact()
    assert not list((folder / ONE.space.id).iterdir())
    assert list((folder / TWO.space.id).iterdir())
