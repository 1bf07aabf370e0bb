"""A migration whose questions are answered in the new space before it is filled: wholly there, and never once it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from migration_worlds import Hashed, records, vector_of
from vicinal import searches
from vicinal.errors import MigrationError
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.bridge.backfill import Missing
from vicinal.lifecycle.bridge.cascade import Cascade
from vicinal.lifecycle.ingest import digest_of_text
from vicinal.lifecycle.replica import Replica
from vicinal.types import Document, Hits, Rank

ONE, TWO = Hashed("one"), Hashed("two")
COUNT = 60


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[vicinal.Collection]:
    """A collection in the space one, in a database in which nothing runs by itself."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    with vicinal.open(tmp_path / "db") as db:
        collection = db.collection("notes", model=ONE)
        collection.add(records(range(COUNT)))
        yield collection


def bridged(notes: vicinal.Collection) -> vicinal.migrations.Migration:
    """Begin a migration to the space two, and let a bridge answer."""
    migration = notes.migrate(TWO)
    migration.begin()
    assert migration.bridge(samples=20).bridged
    return migration


def require_in(name: str, hits: Hits, question: str) -> None:
    """Every score is the cosine of the question with the text as the encoder of that name gives them."""
    encoder = {"one": ONE, "two": TWO}[name]
    assert hits.space == encoder.space.id
    for hit in hits:
        assert hit.score == pytest.approx(float(vector_of(name, question) @ vector_of(name, hit.text)), abs=1e-5)


def test_questions_are_answered_in_the_new_space_and_fill_it(notes: vicinal.Collection) -> None:
    """Before anything is filled in: scores of the new model alone, and what a question fetched stands beside from then on."""
    migration = bridged(notes)
    before = migration.status()
    hits = notes.search("question 7", mode="dense", k=5)
    require_in("two", hits, "question 7")
    assert len(hits) == 5
    after = migration.status()
    assert before is not None
    assert after is not None
    assert after.done > before.done
    best = max(
        float(vector_of("two", "question 7") @ vector_of("two", one.text)) for one in map(notes.get, notes.ids())
    )
    assert hits[0].score == pytest.approx(best, abs=1e-5), "sixty records are all fetched"


def test_what_the_bridge_does_not_carry_is_answered_by_the_old_lane(notes: vicinal.Collection) -> None:
    """Vectors, several queries, pages, words alone: in the old space, as before; after ``unbridge`` everything."""
    migration = bridged(notes)
    require_in("one", notes.search(ONE.encode_queries(["question 7"])), "question 7")
    assert notes.search("record", mode="lexical").space == ONE.space.id
    assert notes.search(["question 7", "question 8"], mode="dense").space == ONE.space.id
    assert next(iter(notes.pages("question 7", mode="dense"))).space == ONE.space.id
    assert not migration.unbridge().bridged
    require_in("one", notes.search("question 7", mode="dense"), "question 7")


def test_what_is_deleted_or_written_meanwhile_is_true_at_once(notes: vicinal.Collection) -> None:
    """A deleted record is in no answer and is not brought back; a new text is answered by its new vector."""
    migration = bridged(notes)
    first = notes.search("question 7", mode="dense", k=5)
    notes.delete([first[0].id])
    notes.upsert([{"id": first[1].id, "text": "wholly another text"}])
    again = notes.search("question 7", mode="dense", k=COUNT)
    require_in("two", again, "question 7")
    assert first[0].id not in {hit.id for hit in again}
    assert {hit.text for hit in again if hit.id == first[1].id} == {"wholly another text"}
    assert not migration.backfill().failed
    status = migration.status()
    assert status is not None
    assert status.done == status.records == COUNT - 1


def test_shadow_reads_compare_the_old_lane_and_not_the_bridge(notes: vicinal.Collection) -> None:
    """Two spaces drawn by chance agree by chance; a comparison of the new lane with itself would agree wholly."""
    migration = bridged(notes)
    migration.backfill()
    found = migration.compare(["question 1", "question 2", "question 3", "question 4"], k=5, mode="dense")
    assert found.overlap < 0.9


def test_the_cutover_ends_it_and_a_rollback_does_not_begin_it_again(notes: vicinal.Collection) -> None:
    """From the cutover on the lane itself answers in the new space, from the rollback on the old one in its own."""
    migration = bridged(notes)
    migration.backfill()
    stages.mark(migration._store, "notes", "ready", gate={"passed": True, "forcible": True})
    migration.cutover()
    after = migration.status()
    assert after is not None
    assert not after.bridged
    require_in("two", notes.search("question 7", mode="dense"), "question 7")
    with pytest.raises(MigrationError):
        migration.bridge()
    migration.rollback()
    require_in("one", notes.search("question 7", mode="dense"), "question 7")


def test_a_database_for_reading_answers_too(notes: vicinal.Collection, tmp_path: Path) -> None:
    """Nothing can be kept there, and the answer is the same."""
    bridged(notes)
    with vicinal.open(tmp_path / "db", read_only=True) as db:
        collection = db.collection("notes", model=TWO)
        hits = collection.search("question 7", mode="dense", k=3)
        require_in("two", hits, "question 7")
    assert np.isfinite([hit.score for hit in hits]).all()


@pytest.mark.parametrize("end", ["abort", "cutover", "unbridge"])
def test_a_question_that_is_under_way_as_it_ends_is_answered(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Whatever ends the bridge between the fetching and the ranking: an answer of one space, and no error."""
    migration = bridged(notes)
    migration.backfill()
    stages.mark(migration._store, "notes", "ready", gate={"passed": True, "forcible": True})
    whole = Cascade._fetch

    def fetch(*args: Any) -> Any:
        found = whole(*args)
        monkeypatch.undo()
        getattr(migration, end)()
        return found

    monkeypatch.setattr(Cascade, "_fetch", fetch)
    hits = notes.search("question 7", mode="dense", k=5)
    require_in("one" if end == "abort" else "two", hits, "question 7")
    assert len(hits) == 5


def test_a_reader_without_the_new_model_is_answered_by_the_old_lane(notes: vicinal.Collection, tmp_path: Path) -> None:
    """As before there was a bridge: the answer says of which space it is."""
    bridged(notes)
    with vicinal.open(tmp_path / "db") as db:
        require_in("one", db.collection("notes", model=ONE).search("question 7", mode="dense"), "question 7")


@dataclass(frozen=True)
class _Explained:
    """What an explanation has of a place."""

    id: str = "r7"
    start: int = 0
    ranks: tuple[Rank, ...] = ()


def test_thresholds_and_explanations_stay_in_one_space(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A threshold that was measured in the old space is held against scores of it; an explanation has ranks of it."""
    bridged(notes)
    text = "The record of number 7 tells its name q7x in version 0."
    hits = notes.search(text, mode="dense", most_unrelated=0.5)
    require_in("one", hits, text)
    assert hits[0].id == "r7"
    monkeypatch.setattr(searches, "explain", lambda *_, **__: _Explained())
    dense = next(rank for rank in notes.explain("number 7", "r7").ranks if rank.side == "dense")
    assert dense.score == pytest.approx(float(vector_of("one", "number 7") @ vector_of("one", text)), abs=1e-5)


def test_a_record_without_a_text_is_not_encoded_as_an_empty_one(tmp_path: Path) -> None:
    """Its vector came from elsewhere; the backfill names it, and no question fills its place with nonsense."""
    with vicinal.open(tmp_path / "other") as db:
        notes = db.collection("notes", model=ONE)
        notes.add(records(range(5)))
        notes.add([{"id": "bare", "text": ""}], vectors=ONE.encode_documents(["question 7"]))
        migration = notes.migrate(TWO, chunker="whole")
        migration.begin()
        migration.bridge(samples=5)
        for number in range(5):
            notes.search(f"question {number}", mode="dense", k=10)
        assert list(migration.backfill().failed) == ["bare"]


def test_a_text_that_the_new_model_refuses_stands_in_no_way(notes: vicinal.Collection) -> None:
    """The bridge is fitted on the others, and a question near it is answered by them."""
    migration = notes.migrate(Hashed("two", refuses=["q7x"]))
    migration.begin()
    assert migration.bridge(samples=COUNT).bridged
    hits = notes.search("question 7", mode="dense", k=COUNT)
    require_in("two", hits, "question 7")
    assert {hit.id for hit in hits} == {f"r{number}" for number in range(COUNT)} - {"r7"}


def test_the_bridge_cuts_texts_up_as_the_backfill_does(notes: vicinal.Collection) -> None:
    """How a text is built is told by its digest, also where its record has no source that would tell."""
    with notes._store.snapshot() as snapshot:
        lane = snapshot.lane("notes")
        record, entry = snapshot.chunks_of(lane, ["r7"])["r7"].record, snapshot.ledger(lane, ["r7"])["r7"]
    built = Document(id="r7", text=record.text, source="", form="markdown", fields={})
    told = replace(entry, text_digest=digest_of_text(built))
    assert Missing(record=record, entry=told).document().form == "markdown"


def test_a_replica_has_the_bridge_and_asks_by_it_once_it_is_promoted(notes: vicinal.Collection, tmp_path: Path) -> None:
    """Before that it could keep nothing of what it encodes, and answers by the old lane."""
    migration = bridged(notes)
    with Replica.open(tmp_path / "replica", tmp_path / "db") as replica:
        replica.step()
        with vicinal.open(tmp_path / "replica") as db:
            require_in("one", db.collection("notes", model=ONE).search("question 7", mode="dense"), "question 7")
        migration.unbridge()
        migration.bridge(samples=10)
        replica.step()
        replica.promote()
    with vicinal.open(tmp_path / "replica") as db:
        collection = db.collection("notes", model=TWO)
        require_in("two", collection.search("question 7", mode="dense"), "question 7")
        going = collection.migration()
        assert going is not None
        assert going.unbridge().stage == "copy"
