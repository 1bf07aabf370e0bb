"""The facade in Python: what goes in comes out, errors are ours, and nothing is half-written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal.chunk import Chunker
from vicinal.collection import Collection
from vicinal.database import find
from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    ConflictError,
    DatabaseNotFoundError,
    DtypeError,
    InputError,
    ModelNotFoundError,
    RangeError,
    RecordNotFoundError,
    ShapeError,
    SpaceMismatchError,
    TooLongError,
    UnknownNameError,
    VicinalError,
)
from vicinal.space import Space, Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Document

TEXTS = {
    "a": "one two three",
    "b": "aeiou aeiou aeiou",
    "c": "1 22 333 4444",
    "d": "zzz, zzz! zzz?",
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[vicinal.Database]:
    """An empty database."""
    with vicinal.open(tmp_path / "notes.vicinal") as opened:
        yield opened


@pytest.fixture
def notes(db: vicinal.Database) -> Collection:
    """A collection of four records with fields."""
    collection = db.collection("notes", model=ToyEncoder())
    collection.add([{"id": name, "text": text, "place": place} for place, (name, text) in enumerate(TEXTS.items())])
    return collection


def test_the_text_itself_is_its_nearest_neighbour(notes: Collection) -> None:
    """A stored text, asked for as it is, comes first with the score of equal vectors."""
    for name, text in TEXTS.items():
        hits = notes.search(text, k=2, mode="dense")
        assert hits[0].id == name
        assert hits[0].score == pytest.approx(1.0, abs=1e-6)
        assert (hits[0].text, hits[0].start, hits[0].end, hits[0].line) == (text, 0, len(text), 1)
    assert hits.complete
    assert hits.recall_estimate == 1.0
    assert hits.work == 4
    assert hits.space == notes.space.id
    assert len(hits) == 2
    assert [hit.id for hit in hits[:1]] == [hits[0].id]


def test_scores_are_those_of_the_vectors(notes: Collection) -> None:
    """Every score is the dot product of question and document, best first."""
    encoder = ToyEncoder()
    expected = encoder.encode_queries(["one 1"]).similarity(encoder.encode_documents(list(TEXTS.values())))[0]
    hits = notes.search("one 1", mode="dense")
    np.testing.assert_allclose([hit.score for hit in hits], sorted(expected, reverse=True), atol=1e-6)


def test_what_was_added_is_found_at_once_and_what_was_deleted_is_not(notes: Collection) -> None:
    """A write is visible to the next search."""
    notes.add([{"id": "e", "text": "brand new"}])
    assert notes.search("brand new", k=1)[0].id == "e"
    assert notes.delete(["e", "nobody"]) == 1
    assert "e" not in {hit.id for hit in notes.search("brand new")}
    assert "e" not in notes
    assert "a" in notes
    assert len(notes) == 4
    assert list(notes.ids()) == ["a", "b", "c", "d"]


def test_a_filter_is_applied_before_the_k(notes: Collection) -> None:
    """k hits of those that the filter lets through, though others are nearer."""
    assert [hit.id for hit in notes.search(TEXTS["a"], k=1, where={"place": {"$gte": 3}})] == ["d"]
    assert {hit.id for hit in notes.search(TEXTS["a"], where={"place": {"$in": [1, 2]}})} == {"b", "c"}
    assert len(notes.search(TEXTS["a"], where={"place": 17})) == 0
    with pytest.raises(UnknownNameError):
        notes.search(TEXTS["a"], where={"plaec": 1})


def test_equal_scores_stand_by_id(db: vicinal.Database) -> None:
    """Twenty equal texts, written in another order than their ids: the first by id are returned."""
    collection = db.collection("notes", model=ToyEncoder())
    names = [f"{number:02}" for number in (13, 2, 19, 7, 0, 11, 5, 17, 3, 9, 1, 15, 4, 18, 8, 12, 6, 16, 10, 14)]
    collection.add([{"id": name, "text": "the same"} for name in names])
    assert [hit.id for hit in collection.search("the same", k=5)] == ["00", "01", "02", "03", "04"]
    assert len(collection.search("the same", k=100)) == 20


def test_the_best_sentence_is_marked(db: vicinal.Database) -> None:
    """The span of the sentence that is nearest to the question, in the record's own text."""
    collection = db.collection("notes", model=ToyEncoder())
    text = "Plain words stand here. 11 222 3333 44444 55. Other words follow after it."
    collection.add([{"id": "a", "text": text}])
    (hit,) = collection.search("99 888 7777 66666 55.", highlight=True)
    assert hit.best is not None
    assert text[slice(*hit.best)].strip() == "11 222 3333 44444 55."


def test_long_texts_become_chunks_with_exact_spans(db: vicinal.Database) -> None:
    """Every chunk is a slice of the text, found under the record's id, with its line."""
    collection = db.collection("notes", model=ToyEncoder(max_tokens=16))
    text = "\n\n".join(f"Paragraph {number} holds a handful of plain words to read." for number in range(20))
    collection.add([{"id": "long", "text": text}])
    record = collection.get("long")
    assert len(record.spans) > 5
    hits = collection.search("Paragraph", k=100)
    assert {(hit.start, hit.end) for hit in hits} == set(record.spans)
    for hit in hits:
        assert hit.text == text[hit.start : hit.end]
        assert hit.line == text[: hit.start].count("\n") + 1


def test_the_chunker_is_chosen_once(db: vicinal.Database) -> None:
    """A new collection cuts by the chunker that is named, as object, id or ``window``; later another one is refused."""
    model = ToyEncoder(max_tokens=16)
    notes = db.collection("notes", model=model, chunker=Chunker(target=8, overlap=0))
    notes.add([{"id": "a", "text": "one two three four five six seven eight nine ten"}])
    assert notes.info()["chunker"] == "structure-8-0-v2"
    assert len(notes.search("one", k=9)) == 2
    assert db.collection("notes", model=model, chunker="structure-8-0-v2").info()["chunker"] == "structure-8-0-v2"
    window = db.collection("window", model=model, chunker="window").info()["chunker"]
    assert window == db.collection("default", model=model).info()["chunker"] != "structure-8-0-v2"
    assert db.collection("window", model=model, chunker="window").name == "window"
    with pytest.raises(ConflictError, match=f"migrate notes --chunker {window}"):
        db.collection("notes", model=model, chunker="window")
    with pytest.raises(ConflictError, match="structure-9-0-v2"):
        db.collection("notes", model=model, chunker="structure-9-0-v2")


def test_chunkers_that_are_none(db: vicinal.Database) -> None:
    """What does not fit the window, is no chunker, or has nothing to cut is refused, and no collection is made."""
    model = ToyEncoder(max_tokens=16)
    for wrong, error in (
        (Chunker(target=17, overlap=0), RangeError),
        ("structure-17-0-v2", RangeError),
        ("whole", UnknownNameError),
        ("", UnknownNameError),
        (8, DtypeError),
    ):
        with pytest.raises(error):
            db.collection("notes", model=model, chunker=wrong)  # type: ignore[arg-type]  # what it must refuse
    with pytest.raises(InputError, match="cut up"):
        db.collection("notes", model=ToyEncoder(max_tokens=16, overflow="cut"), chunker="window")
    assert db.collections() == []


def test_headings_are_encoded_with_their_chunks(db: vicinal.Database, tmp_path: Path) -> None:
    """With a context a chunk's vector is that of its headings and its text; its text stays as it was, fields do not count."""
    (tmp_path / "house.md").write_text(
        "# House\n\n## Windows\n\nEvery window tilts.\n\n## Doors\n\nEach has one lock.\n"
    )
    model = ToyEncoder(max_tokens=32)
    chunker = Chunker(target=20, overlap=0, context=6)
    house = db.collection("house", model=model, chunker=chunker)
    assert house.sync(tmp_path / "house.md").complete
    plain = db.collection("plain", model=model, chunker=Chunker(target=12, overlap=0))
    assert plain.sync(tmp_path / "house.md").complete
    with house._store.snapshot() as snapshot:
        lane = snapshot.lane("house")
        (change,) = snapshot.changes(lane, 0)
    (record,) = change.records
    document = Document(id=record.id, text=record.text, form="markdown", fields={"title": "not this"})
    chunks = chunker.split(document, model.token_spans)
    assert record.spans == tuple((one.start, one.end) for one in chunks)
    (texts,) = chunker.encoded([replace(document, fields={})], [chunks], model.token_spans)
    assert any(text != chunk.text for text, chunk in zip(texts, chunks, strict=True))
    np.testing.assert_array_equal(change.vectors, np.asarray(model.encode_documents(texts)))


def test_the_overflow_rule_decides_about_long_texts(db: vicinal.Database) -> None:
    """error refuses and writes nothing; cut stores one chunk and counts it."""
    long = "word " * 50
    strict = db.collection("strict", model=ToyEncoder(max_tokens=16, overflow="error"))
    with pytest.raises(TooLongError):
        strict.add([{"id": "short", "text": "word"}, {"id": "long", "text": long}])
    assert len(strict) == 0
    cutting = db.collection("cutting", model=ToyEncoder(max_tokens=16, overflow="cut"))
    with pytest.warns(vicinal.errors.TruncationWarning):
        cutting.add([{"id": "short", "text": "word"}, {"id": "long", "text": long}])
    about = cutting.info()
    assert (about["records"], about["chunks"], about["cut_records"], about["cut_chunks"]) == (2, 2, 1, 1)


def test_ready_vectors_are_stored_as_they_are(notes: Collection) -> None:
    """Vectors of this space need no model; those of another, or too few, are refused and nothing is written."""
    made = ToyEncoder().encode_documents(["anything at all"])
    notes.add([{"id": "ready", "text": "anything at all"}], vectors=made)
    assert notes.search(made, k=1)[0].id == "ready"
    fields = {**notes.space.__dict__}
    fields.pop("id", None)
    other = Space(**{**fields, "weights": "others"})
    foreign = Vectors(np.asarray(made), other)
    with pytest.raises(SpaceMismatchError, match="weights") as caught:
        notes.add([{"id": "foreign", "text": "t"}], vectors=foreign)
    assert caught.value.fields == ("weights",)
    with pytest.raises(SpaceMismatchError, match="weights"):
        notes.search(foreign)
    with pytest.raises(ShapeError):
        notes.add([{"id": "x", "text": "t"}, {"id": "y", "text": "t"}], vectors=made)
    with pytest.raises(DtypeError, match="carry their space"):
        notes.add([{"id": "x", "text": "t"}], vectors=np.asarray(made))
    assert len(notes) == 5


@pytest.mark.parametrize(
    "name",
    ["weights", "pooling", "query_prompt", "document_prompt", "max_tokens", "overflow", "tokenizer", "architecture"],
)
def test_a_collection_opened_with_another_space_names_the_field(
    notes: Collection, db: vicinal.Database, name: str
) -> None:
    """Other weights, pooling, prompt, window or rule: the same dimension, another space, a loud error."""
    other = ToyEncoder()
    fields: dict[str, Any] = {**other.space.__dict__}
    fields.pop("id", None)
    changed = {"max_tokens": fields["max_tokens"] + 1, "overflow": "cut"}.get(name, "other")

    class Other(ToyEncoder):
        space = Space(**{**fields, name: changed})

    with pytest.raises(SpaceMismatchError, match=name) as caught:
        db.collection("notes", model=Other())
    assert caught.value.fields == (name,)


def test_adding_twice_is_refused_and_upsert_replaces(notes: Collection) -> None:
    """An id that is there is an error for add; upsert puts the new record in its place."""
    with pytest.raises(AlreadyExistsError):
        notes.add([{"id": "new", "text": "t"}, {"id": "a", "text": "t"}])
    assert "new" not in notes
    notes.upsert([{"id": "a", "text": "quite another text", "place": 9}])
    assert notes.get("a").text == "quite another text"
    assert notes.get("a").fields == {"place": 9}
    assert len(notes) == 4


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda notes: notes.search(""), RangeError),
        (lambda notes: notes.search(" \n"), RangeError),
        (lambda notes: notes.search(3), DtypeError),
        (lambda notes: notes.search("x", k=0), RangeError),
        (lambda notes: notes.search("x", k=1.5), DtypeError),
        (lambda notes: notes.search("x", k=True), DtypeError),
        (lambda notes: notes.search("x", k=10**9), RangeError),
        (lambda notes: notes.search("\ud800"), RangeError),
        (lambda notes: notes.search(ToyEncoder().encode_queries([])), ShapeError),
        (lambda notes: notes.search([]), ShapeError),
        (lambda notes: notes.search(["a"] * 33), ShapeError),
        (lambda notes: notes.add([{"id": "white", "text": " \n\t "}]), RangeError),
        (lambda notes: notes.get("nobody"), RecordNotFoundError),
        (lambda notes: notes.get(""), RangeError),
        (lambda notes: notes.delete("a"), DtypeError),
        (lambda notes: notes.delete([3]), DtypeError),
    ],
)
def test_wrong_calls_are_errors_of_ours(notes: Collection, call: Any, error: type[VicinalError]) -> None:
    """Each wrong argument has its error, and the collection is untouched."""
    with pytest.raises(error):
        call(notes)
    assert len(notes) == 4


def test_an_empty_collection_answers_with_nothing(db: vicinal.Database) -> None:
    """Searching nothing is no error, with and without a filter."""
    empty = db.collection("empty", model=ToyEncoder())
    assert len(empty.search("x")) == 0
    assert len(empty.search("x", where={"any": 1}, highlight=True)) == 0
    assert empty.add([]) == 0


def test_a_collection_is_there_after_opening_again(tmp_path: Path) -> None:
    """Name, space and records are kept; an encoder given as an object must be given again."""
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=ToyEncoder()).add([{"id": "a", "text": "one"}])
    with vicinal.open(tmp_path / "db", create=False) as db:
        assert db.collections() == ["notes"]
        assert db.default_collection() == "notes"
        notes = db.collection("notes", create=False)
        assert notes.get("a").text == "one"
        with pytest.raises(ModelNotFoundError, match="encoder of your own"):
            notes.search("one")
        assert db.collection("notes", model=ToyEncoder()).search("one")[0].id == "a"
        assert db.info()["collections"][0]["records"] == 1
        with pytest.raises(SpaceMismatchError, match="overflow"):
            db.collection("notes", overflow="cut")
        with pytest.raises(UnknownNameError):
            db.collection("notes", overflow="maybe")


def test_the_meant_collection(db: vicinal.Database) -> None:
    """main, or the only one; several without main ask back."""
    with pytest.raises(CollectionNotFoundError, match="vicinal index"):
        db.default_collection()
    db.collection("one", model=ToyEncoder())
    assert db.default_collection() == "one"
    db.collection("two", model=ToyEncoder())
    with pytest.raises(CollectionNotFoundError, match="one, two"):
        db.default_collection()
    db.collection("main", model=ToyEncoder())
    assert db.default_collection() == "main"
    with pytest.raises(CollectionNotFoundError, match="It has: main, one, two"):
        db.collection("three", create=False)


def test_the_database_is_found_upward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """.vicinal here or above, or the one that the environment names."""
    with pytest.raises(DatabaseNotFoundError, match="vicinal index PATH"):
        find(tmp_path)
    vicinal.open(tmp_path / ".vicinal").close()
    (tmp_path / "a/b").mkdir(parents=True)
    assert find(tmp_path / "a/b") == tmp_path / ".vicinal"
    monkeypatch.setenv("VICINAL_DB", str(tmp_path / "elsewhere"))
    assert find(tmp_path) == tmp_path / "elsewhere"
