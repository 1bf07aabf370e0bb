"""The commands that watch over a collection say what Python says, and end with the status that a schedule needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vicinal
from provider_worlds import FakeOpenAI
from vicinal.cli import canary
from vicinal.errors import RemoteError
from vicinal.lifecycle.drift import power
from vicinal.testing import ToyEncoder

WORDS = ("bank account card loan", "bread oven pan sauce", "flight gate passport train", "galaxy comet orbit moon")


@pytest.fixture
def run(parsed):
    """Run a command in this process; return (exit status, its JSON or text, standard error)."""
    return parsed


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a database of a provider's model: 60 texts of 2023, 60 of 2024 of which a half is new."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(power, "TRIALS", 1)
    monkeypatch.chdir(tmp_path)
    with FakeOpenAI() as server:
        with vicinal.open(".vicinal") as db:
            notes = db.collection("notes", model=server.name)
            for year, topics in ((2023, 3), (2024, 4)):
                notes.add(
                    [{"id": f"{year}-{n}", "text": f"{WORDS[n % topics]} {n} {year}", "year": year} for n in range(60)]
                )
        yield server


def test_drift_says_what_python_says(place, run):
    """The same numbers, the page where it was asked for, and status 0 or 1 by the alarm."""
    words = ("drift", "notes", "--reference", "year<2024", "--current", "year=2024")
    status, said, _ = run(*words, "--json", "--html", "drift.html")
    with vicinal.open(".vicinal") as db:
        found = db.collection("notes").drift(reference={"year": {"$lt": 2024}}, current={"year": {"$eq": 2024}})
    assert said["verdict"] == found.verdict
    assert said["shifts"][0]["tests"] == pytest.approx(dict(found.shifts[0].tests))
    assert status == int(found.alarm)
    assert len(said["history"]) == 1
    assert "<svg" in Path("drift.html").read_text(encoding="utf-8")
    status, text, _ = run(*words)
    assert status == int(found.alarm)
    assert found.verdict in text


def test_sides_are_filters_commits_or_files(place, run, tmp_path):
    """What is a file is read, what begins with since or until is a range, all else is a filter."""
    (tmp_path / "log.txt").write_text("\n".join(f"where is the {n}" for n in range(40)), encoding="utf-8")
    status, said, _ = run("drift", "notes", "--reference", "until:2", "--current", "since:2", "--json")
    assert status in {0, 1}
    assert said["shifts"][0]["current"] == "since:2"
    _, said, _ = run("drift", "notes", "--reference", "log.txt", "--current", '{"year": 2024}', "--json")
    assert said["shifts"][0]["reference"] == "log.txt"
    _, said, _ = run("drift", "notes", "--reference-queries", "log.txt", "--current-queries", "log.txt", "--json")
    assert said["shifts"][0]["role"] == "query"
    assert said["verdict"] == "no drift"
    status, said, _ = run("drift", "notes", "--reference", "year<2024", "--json")
    assert (status, said["error"]["where"]) == (2, "current")
    status, said, _ = run("drift", "notes", "--reference", "nothing.txt", "--current", "year=2024", "--json")
    assert (status, said["error"]["where"]) == (2, "--reference")


def test_the_collection_is_said_either_way(place, run):
    """Behind the command, by -c as everywhere, or not at all where there is only one; not two at once."""
    found = [
        run("history", *words, "--json")[:2] for words in (("notes",), ("-c", "notes"), (), ("notes", "-c", "notes"))
    ]
    assert [status for status, _ in found] == [0] * 4
    assert all(said == found[0][1] for _, said in found)
    status, said, _ = run("history", "notes", "-c", "other", "--json")
    assert (status, said["error"]["where"]) == (2, "collection")
    sides = ("--reference", "year<2024", "--current", "year=2024", "--json")
    (_, one, _), (_, other, _) = run("drift", "notes", *sides), run("drift", "-c", "notes", *sides)
    assert one["shifts"] == other["shifts"]


def test_a_moved_encoder_is_an_alarm(place, run):
    """Drift and the canary end with status 1 and name the way out; a search is refused with the status of models."""
    place.seed = 1
    status, said, _ = run("drift", "notes", "--reference", "year<2024", "--current", "year=2024", "--json")
    assert (status, said["verdict"], said["shifts"]) == (1, "encoder drift", [])
    status, said, _ = run("canary", "check", "--json")
    assert (status, said["same"]) == (1, False)
    assert "vicinal migrate" in said["told"]
    status, text, told = run("canary", "check")
    assert status == 1
    assert "moved" in text
    assert "vicinal migrate" in told.replace("\n", " ")
    assert run("search", "bread", "--json")[0] == 5
    _, said, _ = run("canary", "history", "--json")
    assert [one["same"] for one in said["checks"]] == [False] * 3
    assert "0." in run("canary", "history")[1]


def test_checks_go_on_until_a_mismatch(place, run, monkeypatch):
    """With ``--every`` each check is a line; the first that finds another encoder ends it with status 1."""
    slept = []

    def pause(seconds):
        slept.append(seconds)
        place.seed = int(len(slept) >= 3)

    monkeypatch.setattr(canary, "sleep", pause)
    status, text, _ = run("canary", "check", "--every", "10m")
    assert status == 1
    assert slept == [600.0] * 3
    assert text.count("the same") == 3
    assert text.count("moved") == 1


def test_a_server_that_does_not_answer_is_no_mismatch(place, run, monkeypatch):
    """The schedule goes on; without one it is an error with the status of servers."""
    told = []

    def checked(db, collection, *, as_json):
        told.append(collection)
        if len(told) == 2:
            raise KeyboardInterrupt
        message = "The server did not answer."
        raise RemoteError(message)

    monkeypatch.setattr(canary, "_checked", checked)
    monkeypatch.setattr(canary, "sleep", lambda _: None)
    status, _, error = run("canary", "check", "--every", "1h")
    assert (status, len(told)) == (0, 2)
    assert "not checked: The server did not answer." in error
    told.clear()
    assert run("canary", "check")[0] == 8


@pytest.mark.parametrize("every", ["", "10", "0s", "1y", "-1s", "1e9d"])
def test_a_duration_that_is_none_is_refused(place, run, every):
    """Before anything is checked."""
    status, _, told = run("canary", "check", "--every", every)
    assert status == 2
    assert "30s, 10m, 1h or 1d" in told


def test_ctrl_c_ends_a_schedule_well(place):
    """Status 0, since every check so far was good; the database is closed."""
    environment = {**os.environ, "VICINAL_KEY_HOSTS": "", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "vicinal", "canary", "check", "--every", "1h", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert json.loads(process.stdout.readline())["same"] is True
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "every check so far" in told


def test_spaces_are_listed_proven_and_withdrawn(place, run):
    """The same weights at another server serve the collection, until that is taken back."""
    with FakeOpenAI(model="same-weights") as other, FakeOpenAI(model="another") as wrong:
        wrong.seed = 2
        status, said, _ = run("spaces", "assert-same", "notes", wrong.name, "--json")
        assert (status, said["error"]["code"]) == (4, "space_mismatch")
        status, said, _ = run("spaces", "assert-same", "notes", other.name, "--serve", "--samples", "30", "--json")
        assert (status, said["texts"], said["serve"]) == (0, 30, True)
        _, said, _ = run("spaces", "list", "--json")
        assert said["spaces"][0]["same"][0]["model"] == other.name
        assert other.name in run("spaces", "list")[1]
        asked = len(place.seen)
        assert run("search", "bread oven", "--json")[0] == 0
        assert len(place.seen) == asked
        status, text, _ = run("spaces", "withdraw", "notes", other.name)
        assert status == 0
        assert "no more" in " ".join(text.split())
        assert run("spaces", "withdraw", "notes", other.name, "--json")[0] == 3
        assert "the same" in run("spaces", "assert-same", "notes", other.name)[1]


def test_nothing_in_a_database_steers_the_terminal(run, tmp_path, monkeypatch):
    """Names, ids and texts with control characters are printed without them."""
    monkeypatch.chdir(tmp_path)
    name = "no\x1b[31mtes"
    with vicinal.open(".vicinal") as db:
        notes = db.collection(name, model=ToyEncoder())
        notes.add([{"id": f"{n}\x1b[2J", "text": f"\x9b31m word {n} " * (1 + n % 3), "n": n} for n in range(60)])
        notes.check_canary()
    for words in (
        ("doctor",),
        ("spaces", "list"),
        ("canary", "history"),
        ("drift", name, "--reference", "n<30", "--current", "n>=30"),
    ):
        _, out, err = run(*words)
        assert not {"\x1b", "\x9b"} & set(out + err), words


def test_a_page_that_cannot_be_written_is_an_error_of_the_disk(place, run):
    """And not of the program."""
    status, _, err = run(
        "drift", "notes", "--reference", "year<2024", "--current", "year=2024", "--html", "none/drift.html"
    )
    assert status not in {0, 1, 70}
    assert "none" in err
