"""``Collection.bridge`` and ``vicinal bridge`` say beforehand what a cascade then gives, and write nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import vicinal
from bridge_worlds import WORDS, WordEncoder, texts
from vicinal.cli import app
from vicinal.errors import InputError, RangeError
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.metrics import scored
from vicinal.lifecycle.bridge import Cascade, fit_pairs
from vicinal.lifecycle.question import Question
from vicinal.search.shape import Shape

RECORDS = 90
QUERIES = 14


class WeakEncoder(WordEncoder):
    """An encoder that hears every second of our words only: what is near for it is so by half of the text."""

    def counts(self, text: str) -> np.ndarray:
        """Return the counts of the words that it hears."""
        return super().counts(" ".join(word for word in text.split() if word in WORDS[::2]))


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """Records of a weak model, with sentences that known items can be made of."""
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("notes", model=WeakEncoder("weak"))
        made.add([{"id": f"file#{place}", "text": f"{text} . "} for place, text in enumerate(texts(RECORDS, least=6))])
        yield made


@pytest.fixture
def judged() -> Judged:
    """Some questions: some words of a record, which is the right answer."""
    chance = np.random.default_rng(4)
    made = texts(RECORDS, least=6)
    chosen = chance.choice(RECORDS, QUERIES, replace=False).tolist()
    queries = {f"q{place}": " ".join(chance.permutation(made[place].split())[:4]) for place in chosen}
    return Judged.of(queries, {f"q{place}": {str(place): 1} for place in chosen}, name="words of records")


def test_what_is_printed_is_what_is_measured(notes: vicinal.Collection, judged: Judged) -> None:
    """Old, cascade and full are those of the real searches, of a real cascade and of a full new collection."""
    sequence = notes.info()["sequence"]
    new = WordEncoder("strong")
    found = notes.bridge(new, judged=judged, candidates=30, metric="ndcg@10")
    assert notes.info()["sequence"] == sequence
    assert found.queries == QUERIES
    assert found.cost["pool"] == found.cost["records"] == RECORDS
    names = {f"file#{place}": str(place) for place in range(RECORDS)}

    def mean(answers) -> float:
        run = {query: {names[hit.id]: hit.score for hit in answers(text)} for query, text in judged.queries.items()}
        return scored(run, judged.qrels, ["ndcg@10"]).mean()["ndcg@10"]

    def of(collection: vicinal.Collection):
        return lambda text: collection.search(text, k=10, mode="dense", per_record=1)

    assert found.old.value == pytest.approx(mean(of(notes)))
    store = notes._store
    database = vicinal.Database(store)
    fitted = fit_pairs(store, "notes", encoder=new, sample=4000)
    runs = []
    for text in judged.queries.values():
        other = database.collection("other", model=new)
        cascade = Cascade(
            store=store, old="notes", new="other", encoder=new, fitted=fitted, candidates=30, most_encoded=10_000
        )
        (one,) = cascade.ask([text], Question(k=10, recall=notes.recall, shape=Shape(per_record=1)))
        runs.append(one.found.items)
        database.drop("other")
    answers = dict(zip(judged.queries.values(), runs, strict=True))
    assert found.cascade.value == pytest.approx(mean(answers.__getitem__))
    other = database.collection("other", model=new)
    other.add([{"id": name, "text": notes.get(name).text} for name in names])
    assert found.full.value == pytest.approx(mean(of(other)))
    assert found.advantage.value == pytest.approx(found.cascade.value / found.old.value)


def test_a_part_of_the_collection_is_said_to_be_one(notes: vicinal.Collection, judged: Judged) -> None:
    """With few pairs and a small budget, some questions and records are left out, and the notices say so."""
    found = notes.bridge(WordEncoder("strong"), judged=judged, candidates=10, pairs=20, most_encoded=40)
    assert found.queries < QUERIES
    assert found.cost["pool"] < RECORDS
    assert any("upper bound" in one for one in found.notices)
    assert any("budget" in one for one in found.notices)
    assert 0 <= found.cost["reuse"] < 1
    assert 0 < found.cost["recall"] <= 1


def test_an_equal_model_is_no_reason_to_act(notes: vicinal.Collection, judged: Judged) -> None:
    """The same vectors under another name give exactly as much: a coin flip."""
    same = WeakEncoder("weak")
    same._space = replace(same.space, weights="other")
    found = notes.bridge(same, judged=judged, candidates=200)
    assert found.advantage.value == pytest.approx(1)
    assert found.decision == "do not act"
    assert "coin flip" in found.reason


def test_without_judgements_records_ask_for_themselves(notes: vicinal.Collection) -> None:
    """Known items take the place of questions, and the notice says that they are kind."""
    found = notes.bridge(WordEncoder("strong"), queries=30, candidates=20)
    assert 2 <= found.queries <= 30
    assert any("made of" in one for one in found.notices)


def test_what_is_no_bridge_is_refused(notes: vicinal.Collection, judged: Judged) -> None:
    """The collection's own model, and numbers out of their range."""
    with pytest.raises(InputError, match="nothing to bridge"):
        notes.bridge(WeakEncoder("weak"), judged=judged)
    for said in ({"candidates": 0}, {"pairs": 1}, {"most_encoded": 0}, {"seed": -1}):
        with pytest.raises(RangeError):
            notes.bridge(WordEncoder("strong"), judged=judged, **said)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, notes: vicinal.Collection) -> Path:
    """Let the command open our collection, and load the new encoder by name; return the database."""
    collection = vicinal.Database.collection

    def opened(self: vicinal.Database, name: str, **_: object) -> vicinal.Collection:
        return collection(self, name, model=WeakEncoder("weak"))

    monkeypatch.setattr(vicinal.Database, "collection", opened)
    monkeypatch.setattr("vicinal.encode.load", lambda name, **_: WordEncoder(name))
    monkeypatch.setattr("vicinal.encode.cached", lambda encoder, **_: encoder)
    return notes._store.folder


def test_the_command_says_it_as_json_and_by_its_status(
    loaded: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One JSON object with the decision; 0 where a bridge pays and 1 where it does not; the picture is written."""
    folder = tmp_path / "asked.jsonl"
    folder.write_text(
        "".join(
            json.dumps({"query": text, "document": next(iter(judged.qrels[query]))}) + "\n"
            for query, text in judged.queries.items()
        )
    )
    command = ["bridge", "notes", "--to", "strong", "--judged", str(folder), "--db", str(loaded), "--candidates", "40"]
    monkeypatch.setenv("COLUMNS", "120")
    done = CliRunner().invoke(app, [*command, "--json", "--plot", str(tmp_path / "p.svg")])
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["act"] else 1)
    assert told["decision"] in {"act", "do not act"}
    assert told["queries"] == QUERIES
    assert (tmp_path / "p.svg").read_text().startswith("<svg")
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == done.exit_code
    assert f"{told['advantage']['value']:.3f}" in shown.stdout
    assert "all encoded anew" in shown.stdout
    wrong = CliRunner().invoke(app, [*command, "--plot", str(tmp_path / "no" / "p.svg")])
    assert isinstance(wrong.exception, InputError)
