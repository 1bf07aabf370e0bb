"""``vicinal sync`` and ``vicinal verify``: JSON, words for people, and the exit status."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vicinal.space import Encoder

VICINAL = [sys.executable, "-m", "vicinal"]
Run = Callable[..., str]
Said = Callable[..., dict[str, Any]]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, minilm: Encoder) -> Path:
    """A folder with a folder of texts, as the working folder."""
    (tmp_path / "docs/drafts").mkdir(parents=True)
    (tmp_path / "docs/a.md").write_text("Cancel your subscription on the billing page.")
    (tmp_path / "docs/b.txt").write_text("Owls hunt at night.")
    (tmp_path / "docs/drafts/c.txt").write_text("A draft.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(run: Callable[..., tuple[int, str, str]]) -> Run:
    """Run a command in this process; return what it prints, and with a status of failure what it says of it."""

    def call(*words: str, status: int = 0) -> str:
        found, out, err = run(*words)
        assert found == status, out + err
        return out if out.strip() else " ".join(err.split())

    return call


@pytest.fixture
def said(run: Run) -> Said:
    """Run a command with ``--json``; return what it says."""

    def call(*words: str, status: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(run(*words, "--json", status=status))
        return told

    return call


def test_a_plan_a_sync_and_a_verification(world: Path, run: Run, said: Said) -> None:
    """The plan writes nothing; the sync does what it says; without a source the known ones are read; verify agrees."""
    plan = said("sync", "docs", "--exclude", "drafts/", "--dry-run")["runs"][0]
    assert (plan["new"], plan["chunks"], plan["collection"]) == (2, 2, "main")
    assert plan["estimated_s"] > 0
    assert not (world / ".vicinal").exists()
    done = said("sync", "docs", "--exclude", "drafts/")
    assert done["complete"]
    assert (done["runs"][0]["new"], done["runs"][0]["chunks"]) == (2, 2)
    (world / "docs/a.md").rename(world / "docs/z.md")
    assert "1 moved" in run("sync", "--dry-run")
    assert "1 moved" in run("sync")
    assert said("verify")["sound"]
    (world / "docs/b.txt").unlink()
    found = said("verify", status=1)["collections"][0]
    assert found["found"] == {"orphan": 1}
    assert "mended" in run("verify", "--repair")
    assert "all agrees" in run("verify")
    assert "1 passages encoded again" in " ".join(run("verify", "-c", "main").split())
    assert said("verify", "docs", "--sample", "1")["collections"][0]["sampled"] == 1
    assert "vicinal verify -c main" in run("verify", "main", status=2)


def test_holes_end_with_one(world: Path, run: Run, said: Said) -> None:
    """What cannot be read is counted and named, kept for the next run, and found by verify."""
    (world / "docs/bad.txt").write_bytes(b"\xff\xfe\xff" + b"\xd8\x00" * 3)
    told = run("sync", "docs", status=1)
    assert "1 could not be read or encoded" in told
    assert "docs/bad.txt" in told
    assert said("verify", status=1)["collections"][0]["found"] == {"unreadable": 1}
    (world / "docs/bad.txt").unlink()
    assert said("sync")["complete"]
    (world / "docs").rename(world / "away")
    assert not said("sync", status=1)["complete"]
    assert said("sync", "docs", "--forget") == {"removed": 3, "records": 0}


def test_sources_declared_in_a_file(world: Path, run: Run, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each collection gets its own; one that is not there is a hole, and the others are read; -c chooses one."""
    with sqlite3.connect(world / "n.db") as rows:
        rows.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        rows.execute("INSERT INTO notes(body) VALUES ('an owl')")
    rows.close()
    (world / "vicinal.toml").write_text(
        '[[sources]]\nplace = "docs"\n[[sources]]\nplace = "none"\n'
        '[[sources]]\ncollection = "rows"\nplace = "sqlite:n.db?table=notes"\n'
    )
    done = said("sync", status=1)
    assert [(one["collection"], one["new"], one["complete"]) for one in done["runs"]] == [
        ("main", 3, False),
        ("rows", 1, True),
    ]
    (world / "docs/deep").mkdir()
    monkeypatch.chdir(world / "docs/deep")
    assert [one["unchanged"] for one in said("sync", "-c", "rows")["runs"]] == [1]
    monkeypatch.chdir(world)
    assert "declares no source" in run("sync", "-c", "other", status=2)
    assert "one of the two" in run("sync", "docs", "--config", "vicinal.toml", status=2)


def test_what_cannot_be_asked_for(world: Path, run: Run) -> None:
    """Without a database or a source the message says what to do."""
    assert "Make one with" in run("sync", status=3)
    assert "Say one of --watch" in run("sync", "docs", "--watch", "--dry-run", status=2)
    assert "There is nothing to read" in run("sync", "none", status=3)
    assert "for a database" in run("sync", "docs", "--table", "x", status=2)


def test_watching_ends_with_ctrl_c(world: Path) -> None:
    """A line of JSON for each time that files came to rest; Ctrl-C ends it with status 0."""
    process = subprocess.Popen(
        [*VICINAL, "sync", "docs", "--watch", "--every-s", "0.1", "--json"],
        cwd=world,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - tests in the background ignore it
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["new"] == 3
        (world / "docs/new.txt").write_text("A new text.")
        assert json.loads(process.stdout.readline())["new"] == 1
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
