"""``vicinal compare``: what a command line asks for, and what it prints."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from vicinal.cli import compare as command
from vicinal.cli.compare import settings_of
from vicinal.errors import InputError, ModelNotFoundError, UnknownNameError
from vicinal.evaluate import comparison
from vicinal.evaluate.comparison import Setting

QUALITIES = {"keyword": 0.4, "dense": 0.6, "hybrid": 0.8}


@pytest.fixture
def run(judged, make_of, monkeypatch, tmp_path):
    """Run the command with a collection that is none: it compares by luck, and keeps what it was asked."""
    asked = judged(40)
    lines = [
        json.dumps({"query": text, "document": next(iter(asked.qrels[one]))}) for one, text in asked.queries.items()
    ]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    kept = {}

    def compare(judged, settings, **options):
        kept.update(options, settings=settings, judged=judged)
        qualities = {**{one.label: 0.5 for one in settings}, **QUALITIES}
        if options["baseline"] == "lexical":
            qualities["dense"] = ModelNotFoundError("No source has the model [x].")
        return comparison.compare(make_of(judged, qualities), settings, judged, **options)

    def known_queries(count, *, seed, kind):
        kept.update(count=count, kind=kind)
        return asked

    @contextmanager
    def opened(path, name):
        yield SimpleNamespace(compare=compare, known_queries=known_queries)

    monkeypatch.setattr(command, "opened_collection", opened)
    monkeypatch.setenv("COLUMNS", "160")
    app = typer.Typer()
    app.command()(command.compare)

    def ran(*words, queries=True):
        source = ["--queries", str(tmp_path / "queries.jsonl")] if queries else []
        return CliRunner().invoke(app, [*source, *words], catch_exceptions=False), kept

    return ran


def test_the_plan_comes_before_and_the_verdict_after(run):
    """By default all three modes, against the search by words."""
    done, kept = run()
    assert done.exit_code == 0
    assert [one.name for one in kept["settings"]] == ["keyword", "dense", "hybrid"]
    assert "3 settings on 40 queries, 2 tests" in done.stderr
    assert done.stdout.startswith("hybrid beats keyword by")
    assert "against keyword" in done.stdout
    assert "baseline" in done.stdout


def test_json_is_the_report_with_what_was_written(run, tmp_path):
    """One object on standard output, and the files on disk."""
    done, _ = run("--json", "--out", str(tmp_path / "report"), "--seed", "3")
    told = json.loads(done.stdout)
    assert told["verdict"]["headline"]["kind"] == "beats"
    assert told["seed"] == 3
    assert str(tmp_path / "report" / "report.html") in told["written"]
    assert (tmp_path / "report" / "quality-time.svg").exists()


def test_a_setting_that_failed_is_told_on_standard_error(run):
    """With its message, in which markup is text; and by the exit status."""
    done, _ = run("--baseline", "lexical")
    assert done.exit_code == command.HOLES
    assert "No source has the model [x]." in done.stderr
    assert "1 setting was not measured: dense (model_not_found)." in done.stdout


def test_options_reach_the_collection(run):
    """As they were given; what was not is left to it."""
    _, kept = run("--metric", "mrr@10", "-k", "20", "--baseline", "hybrid", "--allowed-loss", "0.02")
    assert (kept["metric"], kept["k"], kept["baseline"], kept["allowed_loss"]) == ("mrr@10", 20, "hybrid", 0.02)


def test_known_items_stand_in_for_judgements(run):
    """So many of them, of a kind."""
    done, kept = run("--known-items", "40", "--kind", "title", queries=False)
    assert done.exit_code == 0
    assert (kept["count"], kept["kind"]) == (40, "title")


@pytest.mark.parametrize("words", [(), ("--known-items", "3")])
def test_it_must_be_said_what_is_asked(run, words):
    """Neither, and both, are refused."""
    with pytest.raises(InputError, match="one of the two"):
        run(*words, queries=bool(words))


def lists(**given):
    """Return the lists of a command line."""
    names = ("mode", "model", "dim", "precision", "chunker", "rerank", "fusion", "weight")
    return {name: given.get(name) for name in names}


def test_lists_are_multiplied_out():
    """Numbers where the field has numbers."""
    found = settings_of(lists(mode="hybrid", dim="384, 128", weight="0.5"), None)
    assert found == [
        Setting(name="hybrid 384d", mode="hybrid", dim=384, weight=0.5),
        Setting(name="hybrid 128d", mode="hybrid", dim=128, weight=0.5),
    ]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"dim": "384,x"}, InputError, "whole numbers by commas, such as 384,128"),
        ({"dim": "384,,128"}, InputError, "none of them empty"),
        ({"weight": "half"}, InputError, "numbers by commas"),
        ({"mode": "keyword"}, UnknownNameError, "lexical, dense, hybrid"),
        ({"model": "m" * 5000}, InputError, "by commas"),
    ],
)
def test_lists_that_make_no_settings_are_refused(given, error, said):
    """With what to write in their place."""
    with pytest.raises(error, match=said):
        settings_of(lists(**given), None)


def test_a_file_takes_the_place_of_lists(tmp_path):
    """Both at once would leave open which one holds."""
    path = tmp_path / "s.toml"
    path.write_text('[matrix]\nmode = ["lexical", "dense"]\n', encoding="utf-8")
    assert [one.name for one in settings_of(lists(), path)] == ["keyword", "dense"]
    with pytest.raises(InputError, match="leave --mode, --dim out"):
        settings_of(lists(mode="dense", dim="3"), path)
