"""``vicinal benchmark`` says what a protocol found, and refuses options that mean nothing for it."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

import vicinal
from vicinal.cli import benchmark
from vicinal.errors import InputError, UnknownNameError
from vicinal.evaluate.protocols.folders import settings_of
from vicinal.testing import ToyEncoder

PAIRS = [("cat", "cat", 3), ("cat", "a cat", 2), ("cat", "1 2 3", 1)]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the command on three pairs with the toy, and return what it printed."""
    asked = {}

    def load(name, **said):
        asked.update(said, name=name)
        return ToyEncoder()

    monkeypatch.setattr(vicinal, "load", load)
    rows = [{"sentence1": first, "sentence2": second, "score": gold} for first, second, gold in PAIRS]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    app = typer.Typer()
    app.command()(benchmark.benchmark)

    def invoke(*words, data=tmp_path):
        result = CliRunner().invoke(app, ["--data", str(data), *words], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    invoke.asked = asked
    return invoke


def test_json_is_the_score(run):
    """One object: what was asked, the main figure, all others, and what they depend on."""
    told = json.loads(run("--task", "sts", "--json").stdout)
    assert (told["task"], told["model"], told["metric"], told["main"]) == ("sts", "minilm", "cosine_spearman", 1.0)
    assert told["environment"]["space"] == ToyEncoder().space.id
    assert run.asked == {"name": "minilm", "overflow": "cut", "dim": None}


def test_a_person_reads_the_main_figure_first(run):
    """Then its name and the model; the other figures follow."""
    lines = run("--task", "sts", "--model", "toy", "--overflow", "error").stdout.splitlines()
    assert lines[0].split()[:3] == ["1.0000", "cosine_spearman", "toy"]
    assert any(line.endswith("dot_pearson") for line in lines[1:])
    assert run.asked["overflow"] == "error"


def test_options_reach_the_protocol(run):
    """The role is a setting of the score; a split is another file."""
    told = json.loads(run("--task", "sts", "--role", "query", "--json").stdout)
    assert told["environment"]["settings"] == {"role": "query"}


def test_an_unknown_task_lists_all(run):
    """The error comes from the protocols, with all of their names."""
    with pytest.raises(UnknownNameError, match="task must be one of retrieval, reranking, sts"):
        run("--task", "everything")


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("sts", ["--runs", "3"]),
        ("retrieval", ["--role", "query"]),
        ("classification", ["--drop-identical"]),
        ("clustering", ["-k", "3"]),
    ],
)
def test_an_option_that_means_nothing_is_refused(run, task, words):
    """Instead of being left out in silence; the message says what it is for."""
    with pytest.raises(InputError, match=f"means nothing for {task}; leave it out. It is for"):
        run("--task", task, *words)
    assert run.asked == {}


def test_options_are_those_of_the_protocols():
    """Each option is for tasks that exist and whose protocol has a parameter of that name."""
    for name, tasks in benchmark.MEANS.values():
        for task in tasks:
            assert name in settings_of(task), (task, name)


def test_the_shell_completes_tasks():
    """By their beginnings."""
    assert benchmark._complete_task("cl") == ["classification", "clustering"]
