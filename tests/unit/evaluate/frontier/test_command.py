"""``vicinal frontier``: what it asks of a collection, what it prints, and what it applies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import vicinal
from vicinal.cli.frontier import frontier
from vicinal.collection import Collection
from vicinal.errors import AlreadyExistsError, InputError, UnsupportedError
from vicinal.evaluate.frontier import measure
from vicinal.testing import ToyEncoder


@pytest.fixture(scope="module")
def measured():
    """A frontier of vectors of four components that matter and twelve that do not, in a toy's space."""
    chance = np.random.default_rng(1)
    documents = chance.standard_normal((400, 8)).astype(np.float32) * np.array(
        [1, 1, 1, 1, 0, 0, 0, 0], dtype=np.float32
    )
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    space = replace(ToyEncoder().space, normalized=True, metric="cosine")
    return measure(documents, space=space, dims=[4], precisions=["float32", "int8", "1bit"])


@pytest.fixture
def run(tmp_path, monkeypatch, measured):
    """Run the command over a small database, the measurement itself put in its place."""
    asked = {}

    def instead(_self, **told):
        asked.update(told)
        told["progress"](3, 3)
        return replace(measured, loss=told["loss"])

    monkeypatch.setattr(Collection, "frontier", instead, raising=False)
    path = tmp_path / "toy.vicinal"
    with vicinal.open(path) as db:
        notes = db.collection("notes", model=ToyEncoder())
        notes.add(
            [{"id": f"{number}", "text": "word " * (number % 7 + 1) + "!" * (number % 5)} for number in range(40)]
        )
    app = typer.Typer()
    app.command()(frontier)

    def invoke(*arguments):
        done = CliRunner().invoke(app, [*arguments, "--db", str(path)])
        return done, asked

    return invoke


def test_json_is_one_object_with_both_recommendations(run, tmp_path):
    """The measurement, the best of all, the best that can be held; and what was asked for reaches the collection."""
    questions = tmp_path / "questions.txt"
    questions.write_text("one?\n\n two? \n")
    done, asked = run(
        "notes", "--json", "--loss", "0.05", "--dims", "4,2", "--precisions", "int8, 1bit", "--queries", str(questions)
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["held"]["storage"] == "pca 4 float32"
    assert told["recommendation"]["bytes_per_vector"] <= told["held"]["bytes_per_vector"]
    assert told["applied"] is None
    assert (asked["loss"], asked["dims"], asked["precisions"]) == (0.05, [4, 2], ["int8", "1bit"])
    assert asked["queries"] == ["one?", "two?"]


def test_the_table_and_both_sentences_are_printed(run, tmp_path):
    """What is recommended, what a collection can hold today, and a picture where one was asked for."""
    picture = tmp_path / "frontier.svg"
    done, _ = run("notes", "--plot", str(picture))
    assert done.exit_code == 0, done.output
    assert "Recommended:" in done.stdout
    assert picture.read_text().startswith("<svg")
    every, _ = run("notes", "--all")
    assert len(every.stdout.splitlines()) > len(done.stdout.splitlines())


def test_applying_needs_a_new_name(run):
    """A name that is taken is refused before anything is measured."""
    done, asked = run("notes", "--apply", "notes")
    assert isinstance(done.exception, AlreadyExistsError)
    assert not asked


@pytest.mark.parametrize("measure_name", ["mrr"])
def test_an_unknown_measure_is_an_error_of_ours(run, measure_name):
    """Its message lists those that are known."""
    done, _ = run("notes", "--measure", measure_name)
    assert isinstance(done.exception, InputError)


def test_what_cannot_be_read_is_refused(run, tmp_path):
    """No file, no text, no question, no number, two kinds of questions."""
    empty, binary = tmp_path / "empty.txt", tmp_path / "binary.txt"
    empty.write_text("\n \n")
    binary.write_bytes(b"\xff\xfe\x00")
    for wrong in (empty, binary, tmp_path / "none.txt"):
        done, _ = run("notes", "--queries", str(wrong))
        assert isinstance(done.exception, InputError), wrong
    assert isinstance(run("notes", "--dims", "4,two")[0].exception, InputError)
    assert isinstance(run("notes", "--queries", "a", "--judged", "b")[0].exception, InputError)


def test_nothing_to_apply_is_said(run):
    """Where nothing may be lost the collection stays as it is, and that is an error: a name was asked for."""
    done, _ = run("notes", "--loss", "0", "--apply", "small")
    assert isinstance(done.exception, UnsupportedError)
    assert "nothing to apply" in str(done.exception)
