"""The command that migrates is the library: stages, refusals, exit statuses, and what it says in JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vicinal
from static_worlds import write_glove
from vicinal.cli.migrate import seconds
from vicinal.cli.migration_panel import duration, interval
from vicinal.errors import InputError

Run = Callable[..., tuple[int, str, str]]
WORDS = ("cat", "dog", "mouse", "bird", "fish", "horse", "goat", "cow", "hen", "duck")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two models of word vectors, a database in the space of the one, and judged questions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    axis = {word: [float(place == other) for other in range(len(WORDS))] for place, word in enumerate(WORDS)}
    write_glove(tmp_path / "old.txt", {word: (*row, 0.5) for word, row in axis.items()})
    write_glove(tmp_path / "equal.txt", {word: (0.5, *row) for word, row in axis.items()})
    write_glove(tmp_path / "worse.txt", {word: (1.0, 0.001 * place) for place, word in enumerate(WORDS)})
    with vicinal.open(tmp_path / ".vicinal") as db:
        notes = db.collection("notes", model=str(tmp_path / "old.txt"))
        notes.add([{"id": f"{one}-{other}", "text": f"{one} {one} {one} {other}"} for one in WORDS for other in WORDS])
    lines = [f"{one} {one} {one} {other}\t{one}-{other}" for one in WORDS for other in WORDS if one < other]
    (tmp_path / "judged.tsv").write_text("\n".join(["query\tdocument", *lines]))
    return tmp_path


def data(said: tuple[int, str, str], status: int = 0) -> dict[str, Any]:
    """Return the one JSON object that a command printed."""
    assert said[0] == status, said[1][-1500:]
    found: dict[str, Any] = json.loads(said[1])
    return found


def test_a_collection_goes_through_all_stages(place: Path, run: Run) -> None:
    """Plan, run, roll back, cut over again and retire, each told in JSON; other programs follow."""
    plan = data(run("migrate", "notes", "--to", "equal.txt", "--dry-run", "--json"))
    assert (plan["records"], plan["collection"]) == (100, "notes")
    assert data(run("migrate", "status", "--json"))["stage"] is None
    told = ("migrate", "notes", "--to", "equal.txt", "--queries", "judged.tsv", "--soak", "2h", "--yes", "--json")
    said = data(run(*told))
    assert (said["stage"], said["done"], said["records"]) == ("soak", 100, 100)
    assert said["gate"]["passed"]
    with vicinal.open(place / ".vicinal") as db:
        assert db.collection("notes", create=False).model.endswith("equal.txt")
    assert data(run("migrate", "rollback", "--json"))["stage"] == "back"
    assert data(run("migrate", "cutover", "notes", "--json"))["blocked_ms"] > 0
    assert run("migrate", "retire", "--json", "--yes")[0] == 4
    assert data(run("migrate", "retire", "--early", "--yes", "--json"))["stage"] == "retired"
    with vicinal.open(place / ".vicinal") as db:
        hits = db.collection("notes", create=False).search("cow cow cow hen", mode="dense", k=1)
        assert hits[0].id == "cow-hen"


def test_a_worse_model_is_stopped(run: Run, place: Path) -> None:
    """Exit status 1, the collection as it was; a reason overrules it, and an abort ends it."""
    told = ("migrate", "notes", "--to", "worse.txt", "--queries", "judged.tsv", "--yes")
    said = data(run(*told, "--json"), status=1)
    assert (said["stage"], said["gate"]["passed"]) == ("ready", False)
    status, out, _ = run("migrate", "status")
    assert status == 0
    assert "the gate stops it" in out
    assert run("migrate", "cutover")[0] == 4
    assert run("migrate", "cutover", "--force", " ")[0] == 2
    assert data(run("migrate", "cutover", "--force", "smaller", "--json"))["reason"] == "smaller"
    assert data(run("migrate", "abort", "--yes", "--json"))["stage"] == "aborted"
    with vicinal.open(place / ".vicinal") as db:
        assert db.collection("notes", create=False).model.endswith("old.txt")


def test_fewer_dimensions_of_the_same_model(run: Run, place: Path) -> None:
    """The projection is made for it: planned before the database has it, and carried over without the model."""
    assert data(run("migrate", "notes", "--dim", "4", "--dry-run", "--json"))["dim"] == 4
    said = data(run("migrate", "notes", "--dim", "4", "--force", "half the room", "--yes", "--json"), status=0)
    assert (said["stage"], said["plan"]["dim"]) == ("soak", 4)


def test_it_can_be_paused_and_gone_on_with(run: Run, place: Path) -> None:
    """Without a person and without --yes it ends before the cutover; another target is refused meanwhile."""
    said = data(run("migrate", "notes", "--to", "equal.txt", "--json"), status=1)
    assert "give judged ones" in said["gate"]["checks"][-1]["detail"]
    said = data(run("migrate", "resume", "--queries", "judged.tsv", "--json"))
    assert (said["stage"], said["gate"]["passed"]) == ("ready", True)
    assert run("migrate", "notes", "--to", "worse.txt", "--json")[0] == 4
    assert data(run("migrate", "pause", "--json"))["paused"]
    assert run("migrate", "cutover", "--json")[0] == 4
    assert run("migrate", "abort", "--json")[0] == 2  # nobody to ask
    status, out, _ = run("migrate", "resume", "--queries", "judged.tsv", "--rate", "1000", "--yes")
    assert status == 0
    assert "can be rolled back" in out
    assert run("migrate", "start", "notes", "--json")[0] == 0  # under way: nothing is left to do
    assert place.is_dir()


def test_what_is_not_under_way_is_said(run: Run, place: Path) -> None:
    """A verb without a migration, one without a change, and a wrong duration tell what to do."""
    for verb in ("pause", "cutover", "rollback"):
        status, out, _ = run("migrate", verb, "--json")
        assert (status, json.loads(out)["error"]["code"]) == (4, "migration")
    assert run("migrate", "notes", "--json")[0] == 2
    assert run("migrate", "notes", "--to", "equal.txt", "--soak", "soon")[0] == 2
    assert run("migrate", "notes", "--to", "equal.txt", "--precision", "int8", "--json")[0] == 7
    assert place.is_dir()


def test_durations_are_read_and_written() -> None:
    """By hand: a week, half a day, no time; what is none is refused."""
    assert [seconds(one) for one in ("7d", "12h", "30m", "90s", "0", "1.5")] == [604800, 43200, 1800, 90, 0, 1.5]
    for wrong in ("", "soon", "-1d", "infd", "nans"):
        with pytest.raises(InputError):
            seconds(wrong)
    assert [duration(one) for one in (0.02, 5, 600, 7200, 400_000)] == ["20 ms", "5 s", "10 min", "2 h", "4.6 d"]


def test_an_interval_is_drawn_to_scale() -> None:
    """The bound, the ends and the gain stand where they belong, from the least to the largest."""
    drawn = interval(-0.01, 0.01, 0.02, -0.02)
    bar = drawn.split()[1]
    assert (bar[0], bar[-1], bar.index("0")) == ("┊", "┤", 20)
    assert bar.index("├") < bar.index("●") < bar.index("┤")
