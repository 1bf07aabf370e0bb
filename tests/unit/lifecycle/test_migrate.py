"""Migrations: two lanes with the same records, a name that leads to one of them, and never a comparison across."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from migration_worlds import Hashed, records, vector_of
from vicinal.errors import (
    InputError,
    MigrationError,
    ModelNotFoundError,
    RangeError,
    SpaceMismatchError,
    UnsupportedError,
)
from vicinal.lifecycle import asking
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.forms import offer
from vicinal.lifecycle.migrate import backfill
from vicinal.lifecycle.migrate.backfill import Pace
from vicinal.lifecycle.reads import MOST_COUNTED, Reads, reads_of, saved
from vicinal.lifecycle.replica import Replica, digest
from vicinal.migrations.shadow import distance
from vicinal.space import Space, Vectors
from vicinal.store import SWAPPED, Store, beside
from vicinal.store.transaction import Transaction

ONE, TWO = Hashed("one"), Hashed("two")
NAMES = {ONE.space.id: "one", TWO.space.id: "two"}


def ready(migration: vicinal.migrations.Migration) -> None:
    """Let the gate have passed: what it measures is tested apart."""
    stages.mark(migration._store, migration.collection.name, "ready", gate={"passed": True, "forcible": True})


def carried(collection: vicinal.Collection, to: Any = TWO) -> vicinal.migrations.Migration:
    """Carry a collection over, up to the cutover."""
    migration = collection.migrate(to)
    migration.begin()
    assert not migration.backfill().failed
    ready(migration)
    return migration


def check(collection: vicinal.Collection) -> None:
    """Require that both lanes hold vectors of their own space for their own texts, and nothing that the name's lane has not."""
    with collection._store.snapshot() as snapshot:
        lane = snapshot.lane(collection.name)
        twin = snapshot.twin(lane)
        if twin is not None:
            found = stages.parity(snapshot, lane, twin)
            assert not found.beyond, found
            assert not found.different, found
        for one in filter(None, (lane, twin)):
            for change in snapshot.changes(one, 0):
                texts = [record.text[start:end] for record in change.records for start, end in record.spans]
                rights = np.stack([vector_of(NAMES[one.space.id], text) for text in texts])
                assert np.allclose(rights, change.vectors, atol=1e-6)


def check_answer(collection: vicinal.Collection, query: str) -> str:
    """Require that each score of an answer is the one of the space that it says it is of; return that space's name."""
    hits = collection.search(query, k=5, mode="dense")
    name = NAMES[hits.space]
    for hit in hits:
        assert abs(hit.score - float(vector_of(name, query) @ vector_of(name, hit.text))) < 1e-5
    return name


def test_what_is_written_is_written_to_both(notes: vicinal.Collection) -> None:
    """After random writes of every kind in mid-migration each lane is what a plain dict says, its vectors in its own space."""
    migration = notes.migrate(TWO)
    migration.begin()
    chance, model = random.Random(3), {f"r{number}": 0 for number in range(40)}
    for step in range(1, 60):
        some = [chance.randrange(60) for _ in range(3)]
        kind = chance.choice(["upsert", "delete", "where", "update", "ready", "fill"])
        if kind in {"upsert", "ready"}:
            new = records(sorted(set(some)), step)
            made = ONE.encode_documents([str(one["text"]) for one in new]) if kind == "ready" else None
            notes.upsert(new, vectors=made)
            model |= {str(one["id"]): step for one in new}
        elif kind == "delete":
            notes.delete([f"r{one}" for one in some])
            model = {one: version for one, version in model.items() if one not in {f"r{n}" for n in some}}
        elif kind == "where":
            notes.delete(where={"number": some[0]})
            model.pop(f"r{some[0]}", None)
        elif kind == "update" and f"r{some[0]}" in model:
            notes.update({f"r{some[0]}": {"tag": step}})
        elif step % 5 == 0:
            migration.backfill()
        check(notes)
    migration.backfill()
    check(notes)
    assert sorted(model) == list(notes.ids()) == sorted(_ids(notes, beside("notes")))
    assert {one: notes.get(one).fields["version"] for one in model} == model


def _ids(notes: vicinal.Collection, name: str) -> list[str]:
    with notes._store.snapshot() as snapshot:
        return list(snapshot.ids(snapshot.lane(name)))


@pytest.mark.parametrize("kind", ["upsert", "ready", "delete", "update"])
def test_the_backfill_never_writes_over_what_came_later(notes: vicinal.Collection, kind: str) -> None:
    """A record that is changed or deleted between being read and being written by the backfill is left to the later write."""
    migration = notes.migrate(TWO)
    migration.begin()
    began = threading.Event()

    def making_of(lane: Any) -> Any:
        if not began.is_set():
            began.set()
            if kind == "delete":
                notes.delete(["r1", "r2"])
            elif kind == "update":
                notes.update({"r1": {"tag": "later"}})
            else:
                new = records([1, 2], 7)
                made = ONE.encode_documents([str(one["text"]) for one in new]) if kind == "ready" else None
                notes.upsert(new, vectors=made)
        return notes._making_of(lane)

    stages.fill(notes._store, "notes", making_of)
    check(notes)
    assert list(notes.ids()) == _ids(notes, beside("notes"))
    assert ("r1" in notes) == (kind != "delete")


def test_a_writer_that_knows_one_model_leaves_holes_and_nothing_stale(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the other model cannot be had, the record's former version goes from beside, and the backfill brings the new one."""
    migration = carried(notes)
    monkeypatch.setattr(
        type(notes), "_making", lambda self, lane: None if lane.name == beside("notes") else self._making_of(lane)
    )
    notes.upsert(records([1, 2, 100], 5))
    assert {"r1", "r2", "r100"}.isdisjoint(_ids(notes, beside("notes")))
    check(notes)
    monkeypatch.undo()
    cut = migration.cutover()
    assert cut.caught_up == 3
    check(notes)
    assert check_answer(notes, "x") == "two"


def test_a_cutover_and_a_rollback_lose_nothing(notes: vicinal.Collection) -> None:
    """The name leads to the new lane and back, and what was written meanwhile is on both sides."""
    migration = carried(notes)
    assert check_answer(notes, "x") == "one"
    migration.cutover()
    assert check_answer(notes, "x") == "two"
    notes.add(records([200]))
    notes.delete(["r3"])
    notes.update({"r4": {"tag": "new"}})
    check(notes)
    assert migration.rollback().took_s < 1
    assert check_answer(notes, "x") == "one"
    assert ("r200" in notes, "r3" in notes, notes.get("r4").fields["tag"]) == (True, False, "new")
    check(notes)
    migration.cutover()
    assert migration.retire(early=True) == 40
    assert (check_answer(notes, "x"), len(notes)) == ("two", 40)
    status = migration.status()
    assert status is not None
    assert [name for name, _ in status.history] == ["copy", "ready", "soak", "back", "soak", "retired"]


def test_others_follow_by_themselves(tmp_path: Path, notes: vicinal.Collection) -> None:
    """A collection that another store has open reads and writes on, through a cutover, a rollback, and a retirement."""
    with vicinal.open(tmp_path / "db") as other:
        for encoder in (ONE, TWO):
            offer(other._store, encoder)
        same = other.collection("notes", create=False)
        migration = carried(notes)
        assert check_answer(same, "x") == "one"
        migration.cutover()
        same.add(records([300]))
        assert check_answer(same, "x") == "two"
        assert same.search("x", mode="lexical").space == TWO.space.id
        migration.rollback()
        assert same.search("q5x", mode="lexical").space == ONE.space.id
        assert (same.recommend("r1", k=3).space, len(same.search_many(["x", "y"]))) == (ONE.space.id, 2)
        migration.cutover()
        same.upsert(records([300], 2))
        migration.retire(early=True)
        same.upsert(records([300], 3))
        assert (check_answer(same, "x"), check_answer(notes, "x")) == ("two", "two")
        check(notes)


def test_many_threads_ask_through_cutovers(notes: vicinal.Collection) -> None:
    """No query fails, and each is answered wholly in one space, while the name leads to and fro."""
    migration = carried(notes)
    faults: list[BaseException] = []
    seen: set[str] = set()
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                seen.add(check_answer(notes, f"question {random.random()}"))
        except BaseException as error:  # noqa: BLE001 - told below
            faults.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(12):
        (migration.rollback if turn % 2 else migration.cutover)()
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert seen == {"one", "two"}


def _unguarded(right: Callable[..., Any]) -> Callable[..., Any]:
    """Return the search that does not look whose space the query is of."""

    def asked(store: Any, name: Any, vectors: Any, question: Any, *, last: bool) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Space, "require", lambda *_, **__: None)
            return right(store, name, vectors, asking.replace(question, space=""), last=last)

    return asked


def _first_form(right: Callable[..., Any]) -> Callable[..., Any]:
    """Return the write that takes what is there for the lane beside, whatever space it is in."""

    def put(self: Any, lane: Any, new: Any, vectors: Any, *, replace_existing: bool, others: Any = ()) -> Any:
        right(self, lane, new, vectors, replace_existing=replace_existing)
        twin = self.twin(lane)
        if twin is not None:
            self._put(twin, new, Vectors(np.asarray(vectors), twin.space), replace_existing=True)

    return put


FAULTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a question is compared with vectors of another space": (asking, "_asked_once", _unguarded),
    "vectors of one space are written into the other": (Transaction, "put", _first_form),
}


def _half_way(tmp_path: Path, db: vicinal.Database) -> None:
    """Migrate half of a collection, write, ask, cut over and ask as one who has not heard of it."""
    notes = db.collection("notes", model=ONE)
    notes.add(records(range(40)))
    with vicinal.open(tmp_path / "db") as other:
        offer(other._store, TWO)
        late = other.collection("notes", model=ONE)
        _ = late.encoder
        migration = notes.migrate(TWO)
        migration.begin()
        notes.upsert(records(range(20), 1))
        check_answer(notes, "half")
        check(notes)
        migration.backfill()
        ready(migration)
        migration.cutover()
        check_answer(late, "half")
        check(notes)


def test_half_a_migration_never_mixes(tmp_path: Path, db: vicinal.Database) -> None:
    """Half filled, cut over, and asked by one who does not know: every score is of one space."""
    _half_way(tmp_path, db)


@pytest.mark.parametrize("fault", FAULTS)
def test_mixed_spaces_would_be_seen(
    tmp_path: Path, db: vicinal.Database, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """The test above is no rubber stamp: with either guard taken away it fails, though both spaces have 8 dimensions."""
    where, name, wrong = FAULTS[fault]
    monkeypatch.setattr(where, name, wrong(getattr(where, name)))
    with pytest.raises(AssertionError):
        _half_way(tmp_path, db)


def test_the_gate_lets_an_equal_model_pass(notes: vicinal.Collection) -> None:
    """The same records in another space of the same worth pass; what was measured is kept."""
    migration = notes.migrate(TWO, delta=0.2)
    migration.begin()
    migration.backfill()
    found = migration.gate(samples=40)
    status = migration.status()
    assert found.passed
    assert {check.name for check in found.checks} == {"complete", "equal", "canary", "recall", "quality"}
    assert status is not None
    assert (status.stage, status.gate is not None and status.gate["passed"]) == ("ready", True)
    migration.cutover()


class Worse(Hashed):
    """An encoder whose questions have nothing to do with its documents."""

    def encode_queries(self, texts: Any, *, progress: Any = None) -> Vectors:
        """Return the vectors of other texts."""
        return self.encoded([f"{text} elsewhere" for text in texts], progress)


def test_the_gate_stops_a_worse_model(notes: vicinal.Collection) -> None:
    """A model that does not find what is asked for is stopped; a reason overrules it, and is kept."""
    judged = vicinal.evaluate.judgements.Judged.of(
        {f"q{number}": str(records([number])[0]["text"]) for number in range(40)},
        {f"q{number}": {f"r{number}": 1} for number in range(40)},
    )
    migration = notes.migrate(Worse("worse"))
    status = migration.run(judged)
    assert (status.stage, status.gate is not None and status.gate["passed"]) == ("ready", False)
    with pytest.raises(MigrationError, match="gate"):
        migration.cutover()
    migration.cutover(reason="it is cheaper")
    status = migration.status()
    assert status is not None
    assert (status.stage, status.reason) == ("soak", "it is cheaper")


def test_a_missing_record_cannot_be_overruled(notes: vicinal.Collection) -> None:
    """What the model refuses is told and left out, the gate stops, and no reason leads over it."""
    migration = notes.migrate(Hashed("two", refuses=["q7x"]))
    status = migration.run(reason="never mind")
    assert status.failed == {"r7": "the model refuses a text"}
    assert (status.stage, status.done, status.records) == ("copy", 39, 40)
    with pytest.raises(MigrationError):
        migration.cutover(reason="never mind")
    notes.delete(["r7"])
    assert migration.run(reason="now").stage == "soak"


def test_vectors_without_texts_cannot_be_migrated(notes: vicinal.Collection) -> None:
    """A record that has vectors and no text is named, not encoded as an empty text."""
    notes.add([{"id": "bare", "text": ""}], vectors=ONE.encode_documents([""]))
    migration = notes.migrate(TWO)
    migration.begin()
    assert "no text" in migration.backfill().failed["bare"]


def test_paused_it_stands_still_and_writes_go_on(notes: vicinal.Collection) -> None:
    """Pausing ends the backfill, holds back the cutover, and leaves dual writes as they are; resuming goes on."""
    migration = notes.migrate(TWO)
    migration.begin()
    migration.pause()
    assert migration.backfill().stopped
    notes.upsert(records([1], 9))
    assert _ids(notes, beside("notes")) == ["r1"]
    with pytest.raises(MigrationError, match="stage"):
        migration.cutover()
    status = migration.resume(rate=500.0, share=0.5)
    assert not status.paused
    assert not migration.backfill().stopped
    ready(migration)
    migration.pause()
    with pytest.raises(MigrationError, match="paused"):
        migration.cutover()


def test_a_stopped_backfill_goes_on_where_it_was(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after any part, another run encodes only what is left; newest come first, and what is read most before them."""
    monkeypatch.setattr(backfill, "FIRST_PART", 8)
    monkeypatch.setattr(backfill, "PART_S", 0.0)
    two = Hashed("two")
    reads_of(notes._store, "notes").note(["r3", "r3", "r5"])
    migration = notes.migrate(two)
    migration.begin()
    before = two.calls
    assert migration.backfill(stop=lambda: True).stopped
    assert two.calls - before == 8
    assert set(_ids(notes, beside("notes"))) == {"r3", "r5", *(f"r{number}" for number in range(34, 40))}
    assert not migration.backfill().stopped
    assert two.calls - before == 40


def test_a_pace_is_kept() -> None:
    """Rest is what the share or the rate leaves, whichever is longer: worked by hand."""
    assert Pace(share=0.25).rest_s(10, 1.0) == pytest.approx(3.0)
    assert Pace(rate=5.0).rest_s(10, 0.5) == pytest.approx(1.5)
    assert Pace(rate=100.0, share=0.5).rest_s(10, 1.0) == pytest.approx(1.0)
    assert Pace().rest_s(10, 1.0) == 0.0


@pytest.mark.parametrize("stage", ["copy", "ready", "soak", "back"])
def test_it_can_be_given_up_at_every_stage(notes: vicinal.Collection, stage: str) -> None:
    """Aborted, the old lane is alone, with all that was written meanwhile."""
    migration = notes.migrate(TWO)
    migration.begin()
    if stage != "copy":
        migration.backfill()
        ready(migration)
    if stage in {"soak", "back"}:
        migration.cutover()
    if stage == "back":
        migration.rollback()
    notes.upsert(records([1], 4))
    migration.abort()
    assert (check_answer(notes, "x"), notes.get("r1").fields["version"], len(notes)) == ("one", 4, 40)
    with notes._store.snapshot() as snapshot:
        assert snapshot.collection_names() == ["notes"]
    with pytest.raises(MigrationError, match="stage"):
        migration.abort()


def test_a_soak_holds_the_retirement_back(notes: vicinal.Collection) -> None:
    """Before its soak is over the old lane stays, unless it is said."""
    migration = notes.migrate(TWO, soak_s=3600)
    migration.begin()
    migration.backfill()
    ready(migration)
    migration.cutover()
    with pytest.raises(MigrationError, match="soak"):
        migration.retire()
    status = migration.status()
    assert status is not None
    assert 3500 < (status.soak_left_s or 0) <= 3600
    migration.retire(early=True)


def test_fewer_dimensions_are_made_of_the_stored_vectors(notes: vicinal.Collection) -> None:
    """A migration to principal directions encodes no stored record, and equals the projection of each."""
    migration = notes.migrate(dim=4)
    calls = ONE.calls
    migration.begin()
    migration.backfill()
    assert ONE.calls == calls
    notes.upsert(records([1], 3))
    ready(migration)
    migration.cutover()
    assert (notes.space.dim, notes.search(str(records([1], 3)[0]["text"]), mode="dense")[0].id) == (4, "r1")


def test_another_chunker_is_the_same_way(db: vicinal.Database) -> None:
    """Texts are cut anew, the space stays, and every chunk's vector is that of its own text."""
    notes = db.collection("notes", model=ONE)
    text = " ".join(f"word{number}" for number in range(100))
    notes.add([{"id": "long", "text": text}, {"id": "short", "text": "a few words"}])
    before = notes.info()["chunks"]
    migration = notes.migrate(chunker="structure-16-4-v2")
    migration.begin()
    notes.upsert([{"id": "later", "text": text + " end"}])
    migration.backfill()
    ready(migration)
    migration.cutover()
    assert notes.info()["chunks"] > before
    assert notes.info()["chunker"] == "structure-16-4-v2"
    check(notes)
    notes.upsert([{"id": "later", "text": text + " last"}])
    check(notes)


def test_settings_stay_with_the_name(notes: vicinal.Collection) -> None:
    """The recall that a collection keeps is the same before and behind a cutover, and gone with the collection."""
    notes.keep_recall(0.9)
    migration = carried(notes)
    migration.cutover()
    with notes._store.snapshot() as snapshot:
        assert snapshot.settings_of(snapshot.lane("notes").collection)["recall"] == "0.9"
        left = snapshot.settings_of(snapshot.lane(beside("notes")).collection)
        assert [
            name for name in left if not name.startswith("lane ")
        ] == []  # what is noted of a lane's past stays with it


def test_the_lane_beside_is_nobodys(db: vicinal.Database, notes: vicinal.Collection) -> None:
    """It is in no list, cannot be opened, made or dropped by name, and goes with its collection."""
    carried(notes)
    assert db.collections() == ["notes"]
    for call in (db.collection, db.drop):
        with pytest.raises(RangeError):
            call(beside("notes"))
    with pytest.raises(RangeError):
        notes.project(beside("x"))
    db.drop("notes")
    with db._store.snapshot() as snapshot:
        assert snapshot.collection_names() == []
    db.check()


def test_what_cannot_be_migrated_is_said(db: vicinal.Database, notes: vicinal.Collection) -> None:
    """Nothing to change, one under way already, a precision that no lane has, and numbers out of range."""
    with pytest.raises(InputError, match="what is to change"):
        notes.migrate()
    with pytest.raises(InputError, match="nothing to migrate"):
        notes.migrate(Hashed("one"))
    with pytest.raises(UnsupportedError, match="float32"):
        notes.migrate(TWO, precision="int8")
    with pytest.raises(InputError, match="dim"):
        notes.migrate(TWO, dim=4)
    for told in ({"share": 0.0}, {"share": 2.0}, {"rate": -1.0}, {"delta": -0.1}):
        with pytest.raises(RangeError):
            notes.migrate(TWO, **told)  # type: ignore[arg-type]
    assert notes.migration() is None
    notes.migrate(TWO).begin()
    with pytest.raises(MigrationError, match="being migrated"):
        notes.migrate(Hashed("three")).begin()
    with pytest.raises(MigrationError, match="stage"):
        stages.roll_back(notes._store, "notes", notes._making_of)


def test_an_encoder_of_ones_own_must_be_given_again(tmp_path: Path, notes: vicinal.Collection) -> None:
    """Another process that does not have it is told so; given that of the lane beside, it goes on behind the cutover."""
    migration = carried(notes)
    with vicinal.open(tmp_path / "db") as other:
        early = other.collection("notes", model=TWO)
        with pytest.raises(ModelNotFoundError, match="give it again"):
            early.search("x")
        migration.cutover()
        assert check_answer(early, "x") == "two"
        with pytest.raises(SpaceMismatchError):
            other.collection("notes", model=Hashed("three"))


def test_a_plan_tells_what_it_takes(notes: vicinal.Collection) -> None:
    """The plan counts records and chunks, names what differs, and leaves neither traces nor a changed collection."""
    notes.add(records(range(40, 400)))
    before = notes.info()["sequence"]
    plan = notes.migrate(TWO).plan(seconds=0.2)
    assert (plan.records, plan.chunks, plan.differs, plan.derived) == (400, 400, ("weights",), False)
    assert 0 < plan.fast_s <= plan.backfill_s <= plan.slow_s
    assert plan.disk_bytes > 400 * 8 * 4
    assert notes.info()["sequence"] == before
    assert not list(notes._store.folder.parent.glob(".vicinal-plan-*"))


def test_shadow_reads_tell_how_far_answers_agree(notes: vicinal.Collection) -> None:
    """Overlap is 1 for a space that ranks alike, and small for one that does not; the least alike come first."""
    migration = carried(notes)
    found = migration.compare(["q1x name", "q2x name", "number 3"], k=5, mode="dense")
    assert (found.queries, found.k) == (3, 5)
    assert 0 <= found.overlap < 0.8
    assert [one.overlap for one in found.worst] == sorted(one.overlap for one in found.worst)
    again = migration.compare(["q1x"], k=5, mode="lexical")
    assert (again.overlap, again.rank_biased_overlap, again.jaccard, again.score_shift) == (1.0, 1.0, 1.0, 0.0)
    with pytest.raises(RangeError):
        migration.compare(["  "])


def test_the_distance_of_two_samples_is_that_of_kolmogorov_and_smirnov() -> None:
    """By hand: equal 0, apart 1, and 1/2 where half of the one lies below all of the other."""
    one = np.array([1.0, 2.0, 3.0, 4.0])
    assert distance(one, one) == 0.0
    assert distance(one, one + 10) == 1.0
    assert distance(one, np.array([3.0, 4.0])) == pytest.approx(0.5)
    assert distance(one, one[:0]) == 1.0


def test_kept_answers_do_not_cross(notes: vicinal.Collection) -> None:
    """What was answered in the old space is not given again in the new one, and a page is not gone on with."""
    notes.keep_answers()
    first = notes.search("the record of number 3")
    pages = notes.pages("number", k=5)
    cursor = next(pages).cursor
    carried(notes).cutover()
    again = notes.search("the record of number 3")
    assert (first.space, again.space) == (ONE.space.id, TWO.space.id)
    with pytest.raises(InputError):
        list(notes.pages("number", k=5, after=cursor))


def test_a_sync_goes_on_through_a_cutover(tmp_path: Path, db: vicinal.Database) -> None:
    """A folder that is synced while the collection is cut over is stored whole, in the new space, and verifies as unchanged."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.txt").write_text(f"The file of number {number} tells its name q{number}x.")
    notes = db.collection("notes", model=ONE)
    notes.sync(folder)
    for number in range(30):
        (folder / f"{number}.txt").write_text(f"The file of number {number} tells its new name p{number}x.")
    migration = carried(notes)
    done: list[int] = []

    def tell(far: Any) -> None:
        if far.done_chunks and not done:
            done.append(1)
            migration.cutover()

    report = notes.sync(folder, progress=tell)
    assert (report.changed, report.complete, done) == (30, True, [1])
    check(notes)
    again = notes.sync(folder)
    assert (again.unchanged, again.changed, len(notes)) == (30, 0, 30)
    assert check_answer(notes, "x") == "two"


@pytest.mark.parametrize("at_once", [False, True])
def test_a_replica_follows(tmp_path: Path, db: vicinal.Database, notes: vicinal.Collection, at_once: bool) -> None:
    """Step by step or all at once, a replica equals its primary through dual writes, cutover, rollback and retirement."""
    with Replica.open(tmp_path / "replica", tmp_path / "db") as replica:
        replica.step()

        def compare(*, last: bool = False) -> None:
            if at_once and not last:
                return
            replica.step()
            with db._store.snapshot() as mine, replica.store.snapshot() as theirs:
                assert digest(mine) == digest(theirs)
                assert stages.state_of(mine, "notes") == stages.state_of(theirs, "notes")

        migration = notes.migrate(TWO)
        migration.begin()
        compare()
        notes.delete(["r1"])
        notes.upsert(records([2, 3], 5))
        migration.backfill(stop=lambda: True)
        notes.upsert(records([4], 5), vectors=ONE.encode_documents([str(records([4], 5)[0]["text"])]))
        compare()
        migration.backfill()
        ready(migration)
        notes.delete(["r5"])
        migration.cutover()
        notes.delete(["r6"])
        notes.update({"r7": {"tag": 1}})
        compare()
        migration.rollback()
        notes.add(records([50]))
        compare()
        migration.cutover()
        migration.retire(early=True)
        compare()
        carried(notes, ONE).cutover()
        notes.delete(["r8"])
        compare(last=True)
        replica.promote()
    with vicinal.open(tmp_path / "replica") as promoted:
        for encoder in (ONE, TWO):
            offer(promoted._store, encoder)
        again = promoted.collection("notes", create=False)
        again.upsert(records([9], 9))
        check(again)
        found = again.migration()
        assert found is not None
        found.rollback()
        assert (check_answer(again, "x"), again.get("r9").fields["version"]) == ("two", 9)


def test_an_exchange_is_told_to_replicas(notes: vicinal.Collection) -> None:
    """The feed names the collection whose lanes changed places."""
    carried(notes).cutover()
    with notes._store.snapshot() as snapshot:
        assert [one.id for one in snapshot.deletions_since(0) if one.collection == SWAPPED] == ["notes"]


def test_a_crash_between_any_two_stages_leaves_one_of_them(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cutover that fails in its commit has not happened: name, settings and state are as they were."""
    migration = carried(notes)

    def broken(*_: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Transaction, "finish", broken)
    with pytest.raises(OSError, match="disk"):
        migration.cutover()
    monkeypatch.undo()
    status = migration.status()
    assert status is not None
    assert (status.stage, check_answer(notes, "x")) == ("ready", "one")
    migration.cutover()
    assert check_answer(notes, "x") == "two"


def test_reads_are_counted_within_bounds(tmp_path: Path) -> None:
    """Counts never grow beyond their bound, the most read stay, and they are added up in the database."""
    reads = Reads()
    for number in range(MOST_COUNTED * 2):
        reads.note(["often", f"r{number}"])
    assert len(reads.counts()) <= MOST_COUNTED
    assert max(reads.counts(), key=reads.counts().__getitem__) == "often"
    store = Store.open(tmp_path / "db")
    with store.write() as transaction:
        transaction.create_collection("notes", model="", space=ONE.space, chunker="whole")
        reads.save(transaction, "notes", due=False)
    reads.note(["often"])
    with store.write() as transaction:
        reads.save(transaction, "notes")  # not yet due
    with store.snapshot() as snapshot:
        assert max(saved(snapshot, "notes").items(), key=lambda pair: pair[1])[0] == "often"
    store.close()
