"""A collection's drift from its sides to its report: the encoder first, documents and questions apart, kept over time."""

from __future__ import annotations

import json
import os
import random
import shutil
from xml.etree import ElementTree as ET

import pytest

import vicinal
from vicinal.errors import (
    CanaryMismatchError,
    DtypeError,
    InputError,
    ModelNotFoundError,
    NotFoundError,
    RangeError,
    SpaceMismatchError,
)
from vicinal.lifecycle.drift import parse_written, power, stability
from vicinal.lifecycle.drift.sides import Texts, Written, drawn
from vicinal.testing import ToyEncoder

TOPICS = {
    "money": "bank account balance card interest credit loan payment transfer cheque",
    "food": "recipe oven bread butter dinner salad cook pan sauce onion",
    "travel": "flight airport hotel luggage ticket passport visa train map beach",
    "space": "galaxy quasar nebula orbit comet eclipse asteroid telescope pulsar lunar",
}
AXES = {word: place for place, words in enumerate(TOPICS.values()) for word in words.split()}


def by_topic(texts):
    """Return a vector that tells which topics a text's words are of, a little moved by the text itself."""
    found = []
    for text in texts:
        row = [0.05 + (sum(map(ord, text)) * (place + 3) % 17) / 200 for place in range(8)]
        for word in text.split():
            row[AXES.get(word, 7)] += 1
            row[4 + len(word) % 3] += 0.3
        found.append(row)
    return found


def encoder(function=by_topic):
    """Return an encoder of four topics."""
    return vicinal.FunctionEncoder(function, name="topics", version="1", dim=8)


def texts_of(shares, count, seed):
    """Return so many texts, of topics by their shares."""
    chance = random.Random(seed)
    names = chance.choices(list(shares), weights=list(shares.values()), k=count)
    return ["please " + " ".join(chance.sample(TOPICS[name].split(), 4)) for name in names]


EVEN = {"money": 1, "food": 1, "travel": 1}
MIXED = {"money": 4, "food": 1, "travel": 1}
NEW = {"money": 1, "food": 1, "travel": 1, "space": 0.6}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Measure the power roughly: its own tests do it well."""
    monkeypatch.setattr(power, "TRIALS", 2)
    monkeypatch.setattr(power, "TRIED", 2)
    monkeypatch.setattr(power, "DRAWS", 200)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database: 300 texts of 2022, then 150 each of 2023 (the same), 2024 (a new topic), 2025 (another mixture)."""
    folder = tmp_path_factory.mktemp("drift") / "db"
    with vicinal.open(folder) as db:
        found = db.collection("notes", model=encoder())
        windows = ((2022, EVEN, 300), (2023, EVEN, 150), (2024, NEW, 150), (2025, MIXED, 150))
        for year, shares, count in windows:
            texts = texts_of(shares, count, year)
            found.add([{"id": f"{year}-{place}", "text": text, "year": year} for place, text in enumerate(texts)])
    return folder


@pytest.fixture
def notes(made, tmp_path):
    """Its collection, in a copy of its own."""
    with vicinal.open(shutil.copytree(made, tmp_path / "db")) as db:
        yield db.collection("notes", model=encoder())


def test_an_unchanged_window_is_no_drift(notes):
    """The verdict, no alarm, and which share would have been found."""
    found = notes.drift(reference={"year": 2022}, current={"year": 2023})
    assert (found.verdict, found.alarm) == ("no drift", False)
    (shift,) = found.shifts
    assert (shift.reference_texts, shift.current_texts) == (300, 150)
    assert shift.detectable_share is None or 0 < shift.detectable_share <= 0.5
    assert found.encoder.same
    assert "nothing that chance does not give" in found.findings[1]


def test_new_content_is_found_and_said_in_words(notes):
    """The new topic's words, its texts first among the most novel, its cell grown from nothing."""
    found = notes.drift(reference={"year": 2022}, current={"year": 2024})
    assert (found.verdict, found.alarm) == ("corpus drift", True)
    (shift,) = found.shifts
    assert shift.tests["novelty"] < 0.05
    assert set(shift.new_terms) & set(TOPICS["space"].split())
    assert len(shift.novel) == 20
    assert all(set(one.text.split()) & set(TOPICS["space"].split()) for one in shift.novel[:5])
    assert any("New content" in told for told in found.findings)


def test_another_mixture_is_named_by_its_cells(notes):
    """Money grew; no content is new."""
    (shift,) = notes.drift(reference={"year": 2022}, current={"year": 2025}).shifts
    assert min(shift.tests["classifier"], shift.tests["centroid"], shift.tests["cells"]) < 0.01
    grown = [one for one in shift.topics if one.current_share > one.reference_share]
    assert set(grown[0].terms) & set(TOPICS["money"].split())
    assert not set(grown[0].terms) & {word for word in AXES if word not in TOPICS["money"].split()}


def test_ranges_of_commits_are_sides(notes):
    """``until:2`` is what the first commits wrote: the same records as the filter."""
    last = notes.info()["sequence"]
    by_filter = notes.drift(reference={"year": 2022}, current={"year": {"$in": [2024, 2025]}}).shifts[0]
    by_commit = notes.drift(reference=f"until:{last - 3}", current=f"since:{last - 2}").shifts[0]
    assert (by_commit.reference_available, by_commit.current_available) == (300, 300)
    assert by_commit.tests == by_filter.tests


def test_deleted_records_are_on_no_side(notes):
    """What was written since and deleted again is not compared."""
    notes.delete(where={"year": 2025})
    last = notes.info()["sequence"]
    found = notes.drift(reference={"year": 2022}, current=f"since:{last - 3}")
    assert found.shifts[0].current_available == 150


def test_records_on_both_sides_are_current_only(notes):
    """Everything against one year is all other years against that year."""
    found = notes.drift(reference={}, current={"year": 2024}).shifts[0]
    assert (found.reference_available, found.current_available, found.shared) == (600, 150, 150)


def test_questions_are_compared_with_questions(notes, tmp_path):
    """Two kept logs, of lines and of JSON; documents are told apart, and both are one run at one level."""
    (tmp_path / "old.txt").write_text("\n\n".join(texts_of(EVEN, 200, 1)), encoding="utf-8")
    lines = [json.dumps({"query": text}) for text in texts_of(NEW, 200, 2)]
    (tmp_path / "new.jsonl").write_text("\n".join(lines), encoding="utf-8")
    found = notes.drift(
        reference={"year": 2022},
        current={"year": 2023},
        reference_queries=tmp_path / "old.txt",
        current_queries=tmp_path / "new.jsonl",
    )
    assert found.verdict == "query drift"
    documents, questions = found.shifts
    assert (documents.role, questions.role) == ("document", "query")
    assert documents.p >= 0.05 > questions.p
    assert (questions.reference, questions.reference_texts) == ("old.txt", 200)
    assert any("vicinal judge" in told for told in found.advice)


def test_the_role_of_a_text_is_that_of_its_side(notes):
    """Documents are encoded as documents, questions as questions."""
    asked = {"query": 0, "document": 0}

    class Counting(ToyEncoder):
        """An encoder that counts the texts of each role."""

        def encode_queries(self, texts, *, progress=None):
            asked["query"] += len(texts)
            return super().encode_queries(texts, progress=progress)

        def encode_documents(self, texts, *, progress=None):
            asked["document"] += len(texts)
            return super().encode_documents(texts, progress=progress)

    with vicinal.open(notes._store.folder) as db:
        toys = db.collection("toys", model=Counting())
        toys.check_canary()
        before = dict(asked)
        toys.drift(reference_queries=texts_of(EVEN, 30, 1), current_queries=texts_of(EVEN, 30, 2))
        assert asked["query"] - before["query"] >= 60
        assert asked["document"] - before["document"] < 30


def test_an_encoder_that_moved_ends_it(notes):
    """Nothing else is claimed: no tests, no texts, an alarm, and the way out."""
    with vicinal.open(notes._store.folder) as db:
        moved = db.collection("notes", model=encoder(lambda texts: [row[::-1] for row in by_topic(texts)]))
        found = moved.drift(reference={"year": 2022}, current={"year": 2024})
        assert (found.verdict, found.alarm, found.shifts) == ("encoder drift", True, ())
        assert "vicinal migrate" in found.findings[0]
        assert moved.drift_history() == []
        with pytest.raises(CanaryMismatchError):
            moved.search("bank")


def test_without_the_model_stored_vectors_are_compared(notes):
    """It is said that the encoder was not checked; texts that are not stored need it."""
    with vicinal.open(notes._store.folder) as db:
        bare = db.collection("notes")
        found = bare.drift(reference={"year": 2022}, current={"year": 2024})
        assert found.encoder is None
        assert found.verdict == "corpus drift"
        assert "was not checked" in found.findings[0]
        with pytest.raises(ModelNotFoundError):
            bare.drift(reference_queries=["a"] * 20, current_queries=["b"] * 20)


def test_an_alarm_may_wait_for_a_second_window(notes):
    """The same comparison once more is no second window; another one with drift is."""
    first = notes.drift(reference={"year": 2022}, current={"year": 2024}, windows=2)
    assert (first.verdict, first.alarm) == ("corpus drift", False)
    again = notes.drift(reference={"year": 2022}, current={"year": 2024}, windows=2)
    assert not again.alarm
    assert len(notes.drift_history()) == 1
    second = notes.drift(reference={"year": 2022}, current={"year": 2025}, windows=2)
    assert second.alarm
    notes.drift(reference={"year": 2022}, current={"year": 2023}, windows=2)
    assert not notes.drift(reference={"year": 2022}, current={"year": 2024}, windows=2).alarm


def test_the_history_has_numbers_and_no_texts(notes):
    """What is kept can be shown to anyone: no text of a document is in it."""
    notes.drift(reference={"year": 2022}, current={"year": 2024})
    (entry,) = notes.drift_history()
    assert entry["role"] == "document"
    assert entry["p"] < 0.05
    assert not set(json.dumps(entry).replace('"', " ").split()) & set(AXES)


def test_a_report_is_a_page_and_a_line(notes):
    """HTML without scripts, texts escaped, and the trend as a picture and as bars."""
    notes.add([{"id": "<b>", "text": "<script>alert(1)</script> quasar", "year": 2024}])
    notes.drift(reference={"year": 2022}, current={"year": 2023})
    found = notes.drift(reference={"year": 2022}, current={"year": 2024})
    page = found.page()
    assert "<script" not in page
    assert page.count("<svg") == 1
    picture = ET.fromstring(found.trend("document"))
    assert len(picture.findall("{http://www.w3.org/2000/svg}circle")) == 4
    assert len(found.sparkline("document")) == 2
    assert found.sparkline("query") == ""
    json.dumps(found.as_dict(), default=str)


def test_the_same_call_gives_the_same_numbers(notes):
    """All chance hangs on the seed."""
    first, second = (notes.drift(reference={"year": 2022}, current={"year": 2024}, seed=7) for _ in range(2))
    assert first.shifts == second.shifts


def test_one_chunk_of_a_record_is_drawn(tmp_path):
    """Chunks of one text are no independent draws: a side has as many texts as records."""
    with vicinal.open(tmp_path / "db") as db:
        long = db.collection("long", model=ToyEncoder(max_tokens=16))
        long.add([{"id": str(n), "text": f"word{n} of many sorts. " * 30, "n": n} for n in range(60)])
        assert long.info()["chunks"] > 120
        found = long.drift(reference={"n": {"$lt": 30}}, current={"n": {"$gte": 30}}).shifts[0]
        assert (found.reference_texts, found.current_texts) == (30, 30)


@pytest.mark.parametrize(
    ("sides", "error", "told"),
    [
        ({}, InputError, "reference is missing"),
        ({"reference": {"year": 2022}}, InputError, "current is missing"),
        ({"current_queries": ["a"]}, InputError, "reference_queries is missing"),
        ({"reference": {"year": 2022}, "current": {"year": 1999}}, RangeError, "has 0 texts"),
        ({"reference": {"year": 2022}, "current": "since:9 until:8"}, RangeError, "no commit"),
        ({"reference": {"year": 2022}, "current": "nothing.txt"}, NotFoundError, "no file"),
        ({"reference_queries": {"year": 1}, "current_queries": ["a"]}, DtypeError, "not a filter"),
        ({"reference": {"year": 2022}, "current": {"year": 2023}, "level": 0}, RangeError, "level"),
        ({"reference": {"year": 2022}, "current": {"year": 2023}, "windows": 0}, RangeError, "windows"),
        ({"reference": {"year": 2022}, "current": 7}, DtypeError, "current"),
    ],
    ids=lambda value: None,
)
def test_what_is_wrong_is_said(notes, sides, error, told):
    """Nothing is compared, and nothing is kept."""
    with pytest.raises(error, match=told):
        notes.drift(**sides)
    assert notes.drift_history() == []


def test_a_line_that_is_none_is_named(notes, tmp_path):
    """By the number of the line; the text is not told."""
    (tmp_path / "log.jsonl").write_text('{"query": "a"}\n{"other": 1}\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        notes.drift(reference_queries=tmp_path / "log.jsonl", current_queries=["a"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("since:3", Written(since=3)),
        ("until:9", Written(until=9)),
        (" since:3 until:9 ", Written(since=3, until=9)),
        ("notes.txt", None),
        ("", None),
        ("since:x", None),
    ],
)
def test_ranges_are_read(text, wanted):
    """Anything else is the name of a file."""
    assert parse_written(text) == wanted


def test_a_database_for_reading_compares_and_keeps_nothing(notes):
    """It says so."""
    with vicinal.open(notes._store.folder, read_only=True) as db:
        found = db.collection("notes", model=encoder()).drift(reference={"year": 2022}, current={"year": 2023})
        assert not found.kept
        assert len(found.history) == 1


def test_texts_of_another_space_are_never_compared(notes):
    """As when the collection is cut over to another model while it is compared: refused, whatever the dimensions."""
    other = vicinal.FunctionEncoder(by_topic, name="others", version="1", dim=8)
    sides = {"reference": ("a", Texts(texts=("x",) * 20)), "current": ("b", Texts(texts=("y",) * 20))}
    with pytest.raises(SpaceMismatchError, match="encoded in"):
        drawn(notes._store, "notes", **sides, role="query", encoder=lambda: other, samples=100, seed=0)


def test_a_check_is_of_the_space_that_answers_now(notes):
    """It is kept with the check, so that one of a space before a migration refuses nothing after it."""
    notes.check_canary()
    assert notes.canary_history()[-1]["space"] == notes.space.id


@pytest.mark.parametrize("name", [b"q\x01\x1b<i>&.txt", b"q\xff.txt"], ids=["control characters", "no UTF-8"])
def test_a_file_may_have_any_name(notes, tmp_path, name):
    """What no page and no picture can hold is replaced, in the history as well."""
    path = tmp_path / os.fsdecode(name)
    path.write_text("\n".join(texts_of(EVEN, 40, 7)), encoding="utf-8")
    found = notes.drift(reference={"year": 2022}, current=path)
    assert ET.fromstring(found.trend("document")).tag.endswith("svg")
    assert not {"\x01", "\x1b"} & set(found.page())
    assert found.page().encode()
    assert notes.drift_history()[-1]["current"] == found.shifts[0].current


def test_no_topic_is_said_to_have_changed_where_no_mixture_has(notes, monkeypatch):
    """A cell beyond its own line, in a run whose tests are all within theirs, is chance and is not shown."""
    monkeypatch.setattr(stability, "LEVEL", 1.1)
    (shift,) = notes.drift(reference={"year": 2022}, current={"year": 2023}).shifts
    assert min(shift.tests.values()) >= 0.05
    assert shift.topics == ()


def test_a_space_without_probes_is_no_sound_encoder(notes, made):
    """Nothing was compared, and that is what is said."""
    with notes._store.write() as transaction:
        transaction.put_canary(notes.space, ())
    found = notes.drift(reference={"year": 2022}, current={"year": 2023})
    assert found.findings[0].startswith("The encoder was not checked: its space has no probe texts.")
    assert "nothing was compared" in notes.check_canary().told
