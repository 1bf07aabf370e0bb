"""``vicinal judge``: every key is on the disk, nothing tells which search found what, and the same command goes on."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import vicinal
from vicinal.cli import judge as module
from vicinal.errors import InputError, UnknownNameError
from vicinal.evaluate.judgements import read_judged
from vicinal.testing import ToyEncoder

RECORDS = [
    {"id": "cats.md", "text": "A kitten sleeps on the warm sofa. Cats purr when they are content."},
    {"id": "money.md", "text": "The stock market fell sharply on Monday. Shares lost 7 percent."},
    {"id": "bread.md", "text": "Bake the bread at 220 degrees until the crust is brown."},
    {"id": "evil.md", "text": "Print \x1b[2J[bold]everything[/bold] you know."},
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A database with four records, opened by the command with the toy encoder."""
    encoder = ToyEncoder()
    with vicinal.open(tmp_path / "db") as db:
        db.collection("main", model=encoder).add(RECORDS)

    @contextmanager
    def with_encoder(path, name):
        with vicinal.open(path, create=False, read_only=True) as db:
            yield db.collection(name or "main", model=encoder, create=False)

    monkeypatch.setattr(module, "opened_collection", with_encoder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "q.txt").write_text("where does the kitten sleep\nhow hot is the oven\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(place):
    """Run the command with keys, one a line; return its result."""
    app = typer.Typer()
    app.command("judge")(module.judge)

    def call(keys, *words):
        line = ["--queries", "q.txt", "--out", "j.tsv", "--db", str(place / "db"), *words]
        return CliRunner().invoke(app, line, input="".join(f"{key}\n" for key in keys), catch_exceptions=False)

    return call


def judged_pairs(path="j.tsv"):
    """The judgements of the file, in its order."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    return [(cells[1], cells[2], cells[3]) for cells in (line.split("\t") for line in lines)]


def test_all_is_judged_and_an_evaluation_reads_it(run):
    """Both queries with their pools; the file is judged questions at once."""
    done = run("0123" * 3, "--depth", "2")
    assert done.exit_code == 0
    assert "vicinal evaluate --queries j.tsv" in done.stdout
    judged = read_judged("j.tsv")
    assert set(judged.queries.values()) == {"where does the kitten sleep", "how hot is the oven"}
    assert "cats.md" in next(grades for query, grades in judged.qrels.items() if "kitten" in judged.queries[query])


def test_it_goes_on_where_it_ended(run):
    """q, and the end of the input, keep what was said; the next call asks for the rest and for nothing twice."""
    first = run(["1", "q"])
    assert "The same command goes on." in first.stdout
    assert len(judged_pairs()) == 1
    run(["s"])
    assert len(judged_pairs()) == 2
    last = run("2" * 20, "--json")
    said = json.loads(last.stdout)
    assert said["complete"] is True
    assert (said["queries"], said["skipped"], said["out"]) == (2, 1, "j.tsv")
    assert said["judged"] == said["relevant"] == len(judged_pairs()) - 1
    assert len(set(judged_pairs())) == len(judged_pairs())
    nothing = run([], "--json")
    assert json.loads(nothing.stdout) == said


def test_a_key_is_undone(run):
    """Also across queries, and of an earlier call; nothing is left to undo at the beginning."""
    done = run(["u", "1", "u", "3", "q"])
    assert "nothing to undo" in done.stdout
    assert [grade for _, _, grade in judged_pairs()] == ["3"]
    run(["u", "0", "q"])
    assert [grade for _, _, grade in judged_pairs()] == ["0"]
    run("1" * 20)
    every = judged_pairs()
    lines = Path("j.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    second = next(place for place, one in enumerate(every) if one[0] == "how hot is the oven")
    Path("j.tsv").write_text("".join(lines[: second + 2]), encoding="utf-8")
    run(["u", "u", "2", "q"])
    assert judged_pairs()[-1] == (*every[second - 1][:2], "2")


def test_a_judgement_of_another_question_is_not_undone(run, place):
    """It is not in this file of questions, so it stays."""
    run(["1", "q"])
    (place / "q.txt").write_text("another question\n", encoding="utf-8")
    assert "nothing to undo" in run(["u", "q"]).stdout
    assert len(judged_pairs()) == 1


def test_other_keys_mean_nothing(run):
    """They are told what there is; an empty line is passed over; capitals count."""
    done = run(["x", "", "9", "S", "Q"])
    assert done.stdout.count("0 1 2 3 s u q") == 2
    assert [grade for _, _, grade in judged_pairs()] == [""]


def test_the_screen_shows_text_and_source_and_nothing_else(run):
    """No score, no rank, no name of a search, and nothing that steers the terminal."""
    done = run(["q"], "--depth", "4")
    assert "query 1 of 2, document 1 of 4" in done.stdout
    assert "dense" not in done.stdout
    shown = run("1" * 20, "--depth", "4").stdout
    assert "evil.md:1" in shown
    assert "[bold]everything[/bold]" in shown
    assert "\x1b[2J" not in shown


def test_each_system_gives_its_first(run):
    """A pool of one system of depth one is one document a query; several modes give at least as many."""
    run("1" * 20, "--modes", "dense", "--depth", "1")
    small = judged_pairs()
    assert len(small) == 2
    run("1" * 20, "--modes", "lexical, dense", "--depth", "2")
    assert set(small) < set(judged_pairs())


def test_a_document_of_many_chunks_is_one(place, monkeypatch):
    """Where one document fills the first places, more are asked for until there are as many as the depth."""

    class Crowd:
        def __init__(self):
            self.asked = []

        def search(self, query, *, k, mode):
            self.asked.append(k)
            hits = [("big", place) for place in range(30)] + [("small", 0), ("other", 0)]
            return [
                vicinal.Hit(id=name, score=1.0, text=f"{name} {part}", source="", start=0, end=5, line=1, fields={})
                for name, part in hits[:k]
            ]

    crowd = Crowd()
    pools = module._Pools(crowd, {"q": "text"}, ["dense"], depth=3, seed=0)
    found = pools.of("q")
    assert {name: hit.text for name, hit in found.items()} == {"big": "big 0", "small": "small 0", "other": "other 0"}
    assert crowd.asked == [3, 12, 48]
    assert pools.of("q") is found


def test_a_wrong_call_is_refused(run, place):
    """An unknown mode, no mode, no question."""
    with pytest.raises(UnknownNameError):
        run(["1"], "--modes", "guess")
    with pytest.raises(InputError, match="at least one mode"):
        run(["1"], "--modes", " , ")
    (place / "q.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="no question"):
        run(["1"])


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (b"1", ["1"]),
        (b"12", ["1", "2"]),
        (b"\x1b[A", []),
        (b"\x1b[Asu", ["s", "u"]),
        (b"1\x1b[1;5C\x1bOP2\x1b", ["1", "2"]),
        (b"", ["q"]),
        (b"\x04", ["q"]),
        (b"S", ["s"]),
        (b"\xff", []),
    ],
)
def test_what_a_terminal_gives(content, keys):
    """Keys that were pressed together are several; an arrow is none; the end of the input is q."""
    assert module._pressed(content) == keys


SCRIPT = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that its interrupt arrives here
from vicinal.cli.judge import _keys
with _keys() as key:
    print("ready", flush=True)
    for _ in range(4):
        print("got", key(), flush=True)
"""


def test_single_keys_on_a_terminal():
    """No return is needed, an arrow is passed over, an interrupt is q, and the terminal is given back as it was."""
    mine, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout.readline() == "ready\n"
        for sent, expected in ((b"2", "2"), (b"\x1b[A", None), (b"su", "s"), (b"\x03", "q")):
            os.write(mine, sent)
            if expected is None:
                time.sleep(0.2)
                continue
            assert process.stdout.readline() == f"got {expected}\n"
            if sent == b"su":
                assert process.stdout.readline() == "got u\n"
        assert process.wait(30) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(mine)
        os.close(theirs)
