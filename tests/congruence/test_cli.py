"""The command line is the library: the same answers, errors with their exit status, and one JSON object with --json."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

import vicinal
from vicinal.cli import app
from vicinal.cli.search import parse_where
from vicinal.errors import InputError, NotFoundError

Run = Callable[..., tuple[int, str, str]]

DOCS = {
    "cats.md": "# Cats\n\nA kitten sleeps on the warm sofa.\n\n# Money\n\nThe stock market fell sharply on Monday.",
    "code.py": 'def add(a, b):\n    """Return the sum of two numbers."""\n    return a + b\n',
    "people.csv": "id,text,age\n1,Ada writes the first program,36\n2,Alan breaks the code of a machine,41\n",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm: object) -> Path:
    """A folder with some files, as the working folder."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in DOCS.items():
        (docs / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data(said: tuple[int, str, str]) -> dict[str, Any]:
    """Return the one JSON object that a command printed."""
    status, out, err = said
    assert status == 0, err
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.parametrize(
    "words", [("search", "x", "--nosuch"), ("nosuch",), ("search",), ("search", "x", "-k", "many")]
)
def test_a_wrong_command_line_is_an_object_as_well(run: Run, words: tuple[str, ...]) -> None:
    """With --json what a person reads on standard error stands on standard output too, and the status is 2."""
    status, out, err = run(*words, "--json")
    told = json.loads(out)["error"]
    assert (status, told["code"]) == (2, "usage")
    assert told["message"]
    assert "Usage:" in err
    assert run(*words)[1] == ""


def test_index_search_get_info(place: Path, run: Run) -> None:
    """The first ten minutes of a user, with the same answers as in Python."""
    report = data(run("index", "docs", "--json"))
    assert (report["new"], report["changed"], report["unchanged"], report["removed"]) == (4, 0, 0, 0)
    assert report["complete"] is True
    again = data(run("index", "docs", "--json"))
    assert (again["new"], again["unchanged"], again["chunks"]) == (0, 4, 0)

    answer = data(run("search", "young cat", "-k", "2", "--json"))
    with vicinal.open(place / ".vicinal") as db:
        hits = db.collection("main").search("young cat", k=2, highlight=True)
    assert [(hit["id"], hit["start"], hit["end"], hit["text"]) for hit in answer["hits"]] == [
        (hit.id, hit.start, hit.end, hit.text) for hit in hits
    ]
    assert {"id", "score", "text", "source", "start", "end", "fields"} <= set(answer["hits"][0])
    assert {"hits", "complete", "took_ms", "space"} <= set(answer)
    assert answer["hits"][0]["id"] == "docs/cats.md"
    assert answer["hits"][0]["score"] == pytest.approx(hits[0].score, abs=1e-6)

    record = data(run("get", "docs/cats.md", "--json"))
    assert record["text"] == DOCS["cats.md"]
    assert [tuple(span) for span in record["spans"]] == list(hits[0:1] and vicinal_spans(place))
    about = data(run("info", "--json"))
    assert about["collections"][0]["records"] == 4
    assert about["collections"][0]["space"]["id"] == answer["space"]


def vicinal_spans(place: Path) -> tuple[tuple[int, int], ...]:
    """Return the spans of a record as Python gives them."""
    with vicinal.open(place / ".vicinal") as db:
        return db.collection("main").get("docs/cats.md").spans


def test_text_for_people(place: Path, run: Run) -> None:
    """Score, source with line, and the passage; counts of the run; the table of info."""
    status, out, _ = run("index", "docs")
    assert status == 0
    assert "4 new, 0 changed, 0 unchanged, 0 removed" in out
    status, out, err = run("search", "the price of shares", "-k", "1")
    assert status == 0
    assert re.search(r"1  0\.\d{3}  docs/cats\.md:\d", out)
    assert "stock market" in out
    assert "exact" in err
    status, out, _ = run("info")
    assert "4, in" in out
    status, out, _ = run("get", "docs/people.csv#2")
    assert "Alan breaks the code" in out
    assert "41" in out


def test_filters_on_the_command_line(place: Path, run: Run) -> None:
    """Comparisons and JSON, several at once."""
    run("index", "docs")
    found = data(run("search", "person", "--where", "age>36", "--json"))
    assert [hit["id"] for hit in found["hits"]] == ["docs/people.csv#2"]
    found = data(run("search", "person", "--where", '{"age": {"$exists": true}}', "--where", "age<=36", "--json"))
    assert [hit["id"] for hit in found["hits"]] == ["docs/people.csv#1"]


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("year>=2020", {"year": {"$gte": 2020}}),
        ("year = 2020", {"year": {"$eq": 2020}}),
        ("lang=en", {"lang": {"$eq": "en"}}),
        ('lang="2020"', {"lang": {"$eq": "2020"}}),
        ("ok!=true", {"ok": {"$ne": True}}),
        ("a.b<1.5", {"a.b": {"$lt": 1.5}}),
        ("x=", {"x": {"$eq": ""}}),
        ("x=NaN", {"x": {"$eq": "NaN"}}),
        ('{"a": 1}', {"a": 1}),
    ],
)
def test_conditions(text: str, condition: dict[str, Any]) -> None:
    """A comparison's value is JSON where it is JSON, else text."""
    assert parse_where([text]) == {"$and": [condition]}
    assert parse_where([]) is None


@pytest.mark.parametrize("text", ["year", "{broken", "", "=3", "[1]"])
def test_wrong_conditions(text: str) -> None:
    """What is neither is an error of ours."""
    with pytest.raises(InputError, match="--where"):
        parse_where([text])


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["search", "x", "--db", "nowhere"], 3, "database_not_found"),
        (["search", "x", "-k", "0"], 2, "range"),
        (["search", " "], 2, "range"),
        (["search", "x", "-c", "nobody"], 3, "collection_not_found"),
        (["search", "x", "--where", "nonsense"], 2, "input"),
        (["search", "x", "--where", "nothing=3"], 2, "unknown_name"),
        (["get", "nobody"], 3, "record_not_found"),
        (["index", "nowhere"], 3, "not_found"),
        (["index", "docs", "--overflow", "maybe"], 2, "unknown_name"),
        (["index", "docs", "--overflow", "cut"], 4, "space_mismatch"),
        (["index", "docs", "--model", "no-such-model"], 3, "model_not_found"),
        (["models", "info", "no-such-model"], 3, "model_not_found"),
    ],
)
def test_errors_have_their_exit_status_and_code(
    place: Path, run: Run, words: list[str], status: int, code: str
) -> None:
    """A sentence on standard error, the error as JSON on standard output, the status of the table."""
    run("index", "docs")
    got, out, err = run(*words, "--json")
    assert got == status
    assert json.loads(out)["error"]["code"] == code
    assert "error" in err
    assert "Traceback" not in err


def test_usage_errors(place: Path, run: Run) -> None:
    """An unknown command or option is told by the parser, status 2; help and version are none."""
    assert run("nonsense")[0] == 2
    assert run("search")[0] == 2
    assert run("search", "x", "--nonsense")[0] == 2
    status, out, _ = run("--version")
    assert (status, out.strip()) == (0, f"vicinal {vicinal.__version__}")
    assert "Usage" in run("--help")[1]


def test_a_run_with_holes_says_so(place: Path, run: Run) -> None:
    """A broken row: everything else is stored, the place is named, the status is 1."""
    (place / "docs/broken.jsonl").write_text('{"text": "a sound row"}\n{not a row\n')
    status, out, _ = run("index", "docs")
    assert status == 1
    assert "5 new" in out
    assert "broken.jsonl" in out
    assert "1 could not be read or encoded" in out


def test_standard_input(place: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text from a pipe is a record."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"A text about the moon.")))
    assert data(run("index", "-", "--json"))["new"] == 1
    assert "moon" in data(run("search", "earth's satellite", "--json"))["hits"][0]["text"]


def test_models_commands(place: Path, run: Run) -> None:
    """list, verify and info tell of the pinned model, pull finds it in place."""
    listed = data(run("models", "list", "--json"))["models"]
    assert "minilm" in {one["name"] for one in listed}
    verified = data(run("models", "verify", "minilm", "--json"))
    assert verified["ok"] is True
    assert any(file["file"] == "model.safetensors" for file in verified["files"])
    assert "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in json.dumps(
        data(run("models", "info", "minilm", "--json"))
    )
    assert Path(data(run("models", "pull", "minilm", "--json"))["path"]).is_dir()
    assert "minilm" in run("models", "list")[1]
    assert "ok" in run("models", "verify", "minilm")[1]
    assert "mean" in run("models", "info", "minilm")[1]


def test_every_command_has_help_and_json() -> None:
    """Each command tells what it does and has --json."""
    group = typer.main.get_command(app)
    commands = dict(group.commands)
    for folder in [name for name, one in commands.items() if hasattr(one, "commands")]:
        commands |= {f"{folder} {name}": one for name, one in commands.pop(folder).commands.items()}
    for name, command in commands.items():
        assert command.help, name
        assert any("--json" in parameter.opts for parameter in command.params), name


def stored(folder: Path) -> int:
    """Return how many records another process has committed so far."""
    try:
        with vicinal.open(folder, create=False, read_only=True) as db:
            return len(db.collection("main", create=False))
    except NotFoundError:
        return 0


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_committed(place: Path, minilm: object) -> None:
    """SIGINT in the middle of an index run: status 130, no traceback, and the next run completes."""
    many = place / "many"
    many.mkdir()
    for number in range(600):
        (many / f"{number}.txt").write_text(
            f"Text number {number} has something to say about the number {number}. " * 3
        )
    environment = {**os.environ, "VICINAL_THREADS": "1"}
    words = [sys.executable, "-m", "vicinal", "index", "many"]
    process = subprocess.Popen(
        words, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 60
    while not stored(place / ".vicinal") and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "kept" in err
    with vicinal.open(place / ".vicinal") as db:
        kept = len(db.collection("main", create=False))
    assert 0 < kept < 600
    done = subprocess.run([*words, "--json"], cwd=place, capture_output=True, text=True, check=True, env=environment)
    report = json.loads(done.stdout)
    assert report["unchanged"] == kept
    assert report["new"] == 600 - kept
    assert report["records"] == 600
