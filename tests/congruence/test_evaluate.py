"""A collection's evaluation is what its searches give, scored: by the library, by the command, and by hand."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
import typer
from typer.testing import CliRunner

import vicinal
from vicinal.cli import evaluate as module
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.metrics import scored
from vicinal.testing import ToyEncoder

TOPICS = ["kitten sofa purr", "stock market shares", "bread oven crust", "galaxy star light", "train harbour delay"]
RECORDS = [
    {"id": f"{topic.split()[0]}{number}", "text": f"Note {number} on {topic} says this. It has a {'x' * (number + 3)}."}
    for topic in TOPICS
    for number in range(6)
]
QUERIES = {topic.split()[0]: topic for topic in TOPICS}
QRELS = {name: {f"{name}{number}": 1 + number % 3 for number in range(4)} for name in QUERIES}
JUDGED = Judged.of(QUERIES, QRELS, name="topics")


@pytest.fixture
def collection(tmp_path):
    """Thirty records on five topics, in the toy space."""
    with vicinal.open(tmp_path / "db") as db:
        chosen = db.collection("main", model=ToyEncoder())
        chosen.add(RECORDS)
        yield chosen


@pytest.mark.parametrize("mode", ["dense", "lexical"])
def test_an_evaluation_is_what_searches_give(collection, mode):
    """The run holds the best scores of each search, and the values are those of the run."""
    found = collection.evaluate(JUDGED, metrics=["ndcg@5", "recall@5", "map"], k=5, mode=mode)
    for name, text in QUERIES.items():
        every = {hit.id: hit.score for hit in collection.search(text, k=100, mode=mode)}
        assert found.run[name].items() <= every.items()
        assert sorted(found.run[name].values()) == sorted(every.values())[-5:]
    assert (found.scores.values == scored(found.run, QRELS, ["ndcg@5", "recall@5", "map"]).values).all()
    assert (found.absent, found.hopeless, found.notices) == (0, (), ())


def test_words_find_their_topics(collection):
    """Four of the six documents of a topic are judged, and all six hold all words of the question."""
    found = collection.evaluate(JUDGED, metrics=["recall@6", "success@6"], k=6, mode="lexical")
    assert found.mean() == {"recall@6": 1.0, "success@6": 1.0}


def test_a_second_run_gives_the_same(collection):
    """All numbers but times."""
    first, again = (collection.evaluate(JUDGED, seed=7) for _ in range(2))
    assert first.differences(again) == ()
    assert first.environment["seed"] == 7


def test_documents_that_are_not_stored_are_told(collection):
    """They are counted, and a query that has no other is named."""
    collection.delete([f"kitten{number}" for number in range(6)])
    found = collection.evaluate(JUDGED)
    assert (found.absent, found.hopeless) == (4, ("kitten",))
    assert "not in the collection: 4 of 20" in found.notices[0]


def test_what_a_report_says_of_the_collection(collection):
    """Its space, its documents and the bytes of a vector."""
    found = collection.evaluate(JUDGED, mode="dense")
    told = json.dumps(found.to_mapping())
    assert collection.space.id in told
    assert found.described["documents"] == 30
    assert found.described["bytes_per_vector"] > 0
    assert found.described["mode"] == "dense"


def test_known_items_are_made_of_the_collection(collection):
    """A query a document, fixed by the seed, and found by its words."""
    judged = collection.known_queries(10, kind="sentence", seed=3)
    assert judged == collection.known_queries(10, kind="sentence", seed=3)
    assert len(judged) == 10
    keywords = collection.known_queries(10, kind="keywords", seed=3)
    assert collection.evaluate(keywords, metrics=["success@6"], mode="lexical").mean()["success@6"] == 1


def test_the_command_says_the_same(collection, tmp_path, monkeypatch):
    """--json is the library's report, but for times."""

    @contextmanager
    def opened(path, name):
        yield collection

    monkeypatch.setattr(module, "opened_collection", opened)
    monkeypatch.chdir(tmp_path)
    rows = [
        {"query_id": name, "query": QUERIES[name], "document": one, "grade": grade}
        for name, grades in QRELS.items()
        for one, grade in grades.items()
    ]
    (tmp_path / "topics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    app = typer.Typer()
    app.command("evaluate")(module.evaluate)
    done = CliRunner().invoke(
        app, ["--queries", "topics.jsonl", "--mode", "hybrid", "--twice", "--json"], catch_exceptions=False
    )
    said = json.loads(done.stdout)
    expected = json.loads(json.dumps(collection.evaluate(JUDGED, mode="hybrid").to_mapping()))
    assert said["unequal"] == []
    for name in ("metrics", "worst", "described", "incomplete", "absent"):
        assert said[name] == expected[name]
    assert said["judged"]["digest"] == expected["judged"]["digest"]
