"""The commands of the engine are the library: delete, update, compact, doctor, snapshots, replicas, import and export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vicinal
from vicinal.testing import ToyEncoder

Run = Callable[..., tuple[int, str, str]]
COUNT = 40


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database of records, as the working folder."""
    monkeypatch.chdir(tmp_path)
    with vicinal.open(tmp_path / ".vicinal") as db:
        texts = [f"text {number} " + "word " * (number % 5) for number in range(COUNT)]
        db.collection("main", model=ToyEncoder()).add(
            [{"id": f"r{number}", "text": text, "number": number} for number, text in enumerate(texts)]
        )
    return tmp_path


def data(said: tuple[int, str, str]) -> dict[str, Any]:
    """Return the one JSON object that a command printed."""
    status, out, err = said
    assert status == 0, err + out
    found: dict[str, Any] = json.loads(out)
    return found


def count(folder: Path) -> int:
    """Return how many records a database has."""
    with vicinal.open(folder, create=False, read_only=True) as db:
        return len(db.collection("main", model=ToyEncoder()))


def test_delete_and_update(place: Path, run: Run) -> None:
    """By id and by filter; fields are merged, or replaced; what is missing or ambiguous is an error with its status."""
    assert data(run("delete", "r1", "r2", "--json")) == {"deleted": 2, "records": COUNT - 2}
    assert data(run("delete", "--where", "number>=30", "--json"))["deleted"] == 10
    assert data(run("update", "r5", "tag=x", "score=1.5", "--json"))["fields"] == {
        "number": 5,
        "tag": "x",
        "score": 1.5,
    }
    assert data(run("update", "r5", "tag=y", "--replace", "--json"))["fields"] == {"tag": "y"}
    assert run("update", "r5", "tag=z")[0] == 0
    assert run("update", "nobody", "tag=z")[0] == 3
    assert run("update", "r5", "tag")[0] == 2
    assert run("delete")[0] == 2
    assert run("delete", "r5", "--where", "number=5")[0] == 2
    assert count(place / ".vicinal") == COUNT - 12


def test_compact_and_doctor(place: Path, run: Run) -> None:
    """Room is given back and counted; a healthy collection has no findings, and status 0."""
    data(run("delete", "--where", "number<20", "--json"))
    before = data(run("info", "--json"))["collections"][0]
    assert before["dead_rows"] == 20
    assert data(run("compact", "--json"))["moved_rows"] == 20
    assert data(run("info", "--json"))["collections"][0]["dead_rows"] == 0
    told = data(run("doctor", "--samples", "20", "--json"))
    checks = {one["name"]: one for one in told["checks"]}
    assert (told["state"], told["advice"], checks["recall"]["value"]) == ("ok", [], 1.0)
    status, out, _ = run("doctor", "--html", "health.html")
    assert status == 0
    assert "nothing to do" in out
    page = (place / "health.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == len(checks) + 1
    assert "vicinal compact" in run("info")[1]


def test_a_doctor_who_finds_something(place: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An alarm ends with status 1, its advice before the table; a database that cannot be opened is an alarm too."""
    monkeypatch.setattr("vicinal.lifecycle.doctor.storage.room_of", lambda _: 0)
    status, out, _ = run("doctor")
    assert status == 1
    assert out.index("✖ disk") < out.index("→ Make room") < out.index("measured")
    status, out, _ = run("doctor", "--json")
    assert (status, json.loads(out)["state"]) == (1, "alarm")
    vectors = next((place / ".vicinal" / "vectors").rglob("*.vec"))
    vectors.write_bytes(vectors.read_bytes()[:-1])
    status, out, _ = run("doctor", "--json")
    told = json.loads(out)
    assert (status, told["state"], [one["name"] for one in told["checks"]]) == (1, "alarm", ["files and ledger"])
    assert vectors.name in told["checks"][0]["told"]
    assert "vicinal snapshot restore" in run("doctor")[1]


def test_snapshots(place: Path, run: Run) -> None:
    """Taken, listed, verified, restored, pruned; a damaged one is found, and nothing is restored of it."""
    first = data(run("snapshot", "take", "backup", "--json"))
    data(run("delete", "r1", "--json"))
    second = data(run("snapshot", "take", "backup", "--json"))
    assert second["sequence"] > first["sequence"]
    listed = data(run("snapshot", "list", "backup", "--json"))["snapshots"]
    assert [one["sequence"] for one in listed] == [first["sequence"], second["sequence"]]
    assert data(run("snapshot", "verify", "backup", "--json"))["sequences"] == [first["sequence"], second["sequence"]]
    data(run("snapshot", "restore", "backup", "old", "--at", str(first["sequence"]), "--json"))
    data(run("snapshot", "restore", "backup", "new", "--json"))
    assert (count(place / "old"), count(place / "new")) == (COUNT, COUNT - 1)
    assert run("snapshot", "restore", "backup", "old")[0] == 4
    assert run("snapshot", "restore", "backup", "none", "--at", "0")[0] == 3
    assert data(run("snapshot", "prune", "backup", "--json"))["sequences"] == [first["sequence"]]
    for piece in (place / "backup" / "blocks").rglob("*"):
        if piece.is_file():
            piece.write_bytes(piece.read_bytes()[:-1] + b"?")
    assert run("snapshot", "verify", "backup")[0] == 6
    assert run("snapshot", "restore", "backup", "bad")[0] == 6
    assert not (place / "bad").exists()


def test_replicas(place: Path, run: Run) -> None:
    """Follows, refuses writes, tells its lag, and takes the primary's place."""
    assert data(run("replica", "follow", "copy", ".vicinal", "--once", "--json"))["records"] == COUNT
    assert run("delete", "r1", "--db", "copy")[0] == 4
    data(run("delete", "r1", "--json"))
    assert data(run("replica", "status", "copy", ".vicinal", "--json"))["lag"] == 1
    assert data(run("replica", "follow", "copy", ".vicinal", "--once", "--json"))["deleted"] == 1
    assert data(run("replica", "resync", "copy", ".vicinal", "--json"))["records"] == COUNT - 1
    assert data(run("replica", "promote", "copy", ".vicinal", "--json"))["promoted"] is True
    assert data(run("delete", "r2", "--db", "copy", "--json"))["records"] == COUNT - 2
    assert run("replica", "promote", "copy", ".vicinal")[0] == 4


def test_import_and_export(place: Path, run: Run) -> None:
    """Out and in again, with the space told; without it, or with another, an error and nothing written."""
    space = data(run("info", "--json"))["collections"][0]["space"]["id"]
    assert data(run("export", "out", "--json"))["rows"] == COUNT
    data(run("delete", "--where", "number>=0", "--json"))
    assert data(run("import", "out", "--json"))["rows"] == COUNT
    assert run("import", "out/vectors.npy")[0] == 2
    assert run("import", "out/vectors.npy", "--space", "0" * 16)[0] == 4
    assert data(run("import", "out/vectors.npy", "--space", space, "--json"))["rows"] == COUNT
    assert count(place / ".vicinal") == 2 * COUNT  # those of the bare file are called by their rows
    assert run("export", "out")[0] == 4


@pytest.fixture
def known(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The database, with an encoder for its collection."""
    monkeypatch.setattr("vicinal.collection.Collection._load", lambda *_: ToyEncoder())
    return place


def test_modes(known: Path, run: Run) -> None:
    """Words alone need no model, both say what each side said, and a wrong mode lists the names."""
    words = data(run("search", "text 7", "--mode", "lexical", "--no-highlight", "--json"))
    assert words["hits"][0]["id"] == "r7"
    assert words["score_kind"] == "bm25"
    both = data(run("search", "text 7", "--no-highlight", "--json"))
    assert both["score_kind"] == "convex"
    assert {one["side"] for one in both["hits"][0]["ranks"]} == {"dense", "lexical"}
    with vicinal.open(known / ".vicinal", read_only=True) as db:
        hits = db.collection("main", model=ToyEncoder()).search("text 7", k=5)
    assert [one["id"] for one in both["hits"]] == [hit.id for hit in hits]
    status, out, _ = run("search", "text 7", "--no-highlight")
    assert status == 0
    assert "words 1." in out
    status, _, err = run("search", "x", "--mode", "both")
    assert status != 0
    assert "dense, lexical, hybrid" in err


def test_rerank(known: Path, run: Run) -> None:
    """A reranker that nobody knows is an error that lists those that are known."""
    status, _, err = run("search", "text 7", "--rerank", "nonsense")
    assert status != 0
    assert "late-interaction" in err


def test_explain_tells_what_cannot_be_explained(known: Path, run: Run) -> None:
    """An encoder without tokens, and a record that is not there, are errors with a name."""
    status, _, err = run("explain", "text 7", "r7")
    assert status != 0
    assert "token" in err
    status, _, err = run("explain", "text 7", "nobody")
    assert status != 0
    assert "nobody" in err


def test_examples_facets_and_pages(place: Path, run: Run) -> None:
    """``recommend``, ``facets`` and pages of ``search`` print what the library answers, and take its cursors."""
    with vicinal.open(place / ".vicinal") as db:
        notes = db.collection("main", model=ToyEncoder())
        notes.update({f"r{number}": {"third": number % 3} for number in range(COUNT)})
        like = [hit.id for hit in notes.recommend(["r1", "r2"], unlike=["r9"], k=3)]
        pages = [[hit.id for hit in page] for page in notes.pages("word", mode="lexical", k=15)]
        counted = notes.facets("third", where={"number": {"$lt": 10}})["third"]
    said = data(run("recommend", "r1", "r2", "--unlike", "r9", "-k", "3", "--json"))
    assert [hit["id"] for hit in said["hits"]] == like
    cursor, shown = "start", []
    while cursor is not None:
        said = data(run("search", "word", "--mode", "lexical", "-k", "15", "--after", cursor, "--json"))
        shown.append([hit["id"] for hit in said["hits"]])
        cursor = said["cursor"]
    assert shown == pages
    said = data(run("facets", "third", "--where", "number<10", "--json"))
    assert [(one["value"], one["count"]) for one in said["facets"]["third"]["values"]] == [
        (one.value, one.count) for one in counted.values
    ]
    assert "third" in run("facets", "third")[1]
    assert run("search", "word", "--after", "start", "--diversity", "0.5", "--json")[0] != 0
