"""A collection as it stood: every question is answered as by a collection that holds just what this one held then."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vicinal
from vicinal import snapshots
from vicinal.cli import main
from vicinal.collection import Collection
from vicinal.errors import (
    CollectionNotFoundError,
    CommitNotFoundError,
    DtypeError,
    InputError,
    NonFiniteError,
    RangeError,
    ReadOnlyError,
    RecordNotFoundError,
    ReplicaError,
    SpaceMismatchError,
)
from vicinal.lifecycle.canary import TEXTS
from vicinal.past import CollectionAt
from vicinal.replica import Replica
from vicinal.space import Vectors
from vicinal.store.catalog import beside
from vicinal.testing import ToyEncoder

WORDS = ("red", "green", "blue", "fox", "dog", "owl", "river", "42")
DAY_S = 86_400
Held = dict[str, dict[str, Any]]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test moves."""
    clock = [1_700_000_000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    return clock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[vicinal.Database]:
    """An empty database that keeps a history."""
    with vicinal.open(tmp_path / "notes.vicinal") as opened:
        opened.keep_history(days=7)
        yield opened


def text(chance: random.Random) -> str:
    """Return some sentences of few words."""
    return ". ".join(" ".join(chance.choices(WORDS, k=chance.randint(2, 6))) for _ in range(chance.randint(1, 3)))


def changed(notes: Collection, held: Held, chance: random.Random) -> Held:
    """Change a collection at random in one commit; return what it holds then."""
    names = [f"n{number}" for number in chance.sample(range(12), chance.randint(1, 4))]
    what = chance.choice(("upsert", "upsert", "delete", "update", "where"))
    living = [name for name in names if name in held]
    if what == "upsert":
        new = {
            name: {"text": text(chance), "kind": chance.choice("ab"), "year": chance.randint(1, 9)} for name in names
        }
        notes.upsert([{"id": name, **told} for name, told in new.items()])
        return {**held, **new}
    if what == "update" and living:
        notes.update({name: {"kind": "c"} for name in living})
        return {**held, **{name: {**held[name], "kind": "c"} for name in living}}
    if what == "where" and held:
        notes.delete(where={"year": 1})
        return {name: told for name, told in held.items() if told["year"] != 1}
    notes.delete(names)
    return {name: told for name, told in held.items() if name not in names}


def answers(asked: Collection | CollectionAt, query: str) -> list[Any]:
    """Return what a collection says to some questions, scores rounded."""

    def told(hits: vicinal.Hits) -> list[Any]:
        found = [(hit.id, hit.start, hit.end, hit.text, dict(hit.fields), round(hit.score, 4)) for hit in hits]
        return [hits.complete, hits.score_kind, *found]

    said: list[Any] = [sorted(asked.ids()), len(asked), [asked.get(name).text for name in sorted(asked.ids())]]
    said += [told(asked.search(query, k=5, mode=mode, exact=True)) for mode in ("dense", "lexical", "hybrid")]
    said.append(told(asked.search(query, k=5, mode="dense", exact=True, per_record=1, most_similarity=0.99)))
    if len(asked):
        said.append(told(asked.search(query, k=5, mode="dense", exact=True, where={"kind": {"$in": ["a", "c"]}})))
        said.append(told(asked.search(query, k=5, exact=True, where={"year": {"$gte": 4}})))
        said.append(asked.facets("kind"))
        first = next(iter(sorted(asked.ids())))
        said.append(told(asked.recommend(first, k=3, exact=True)))
        said.append([told(page) for page in asked.pages(query, k=2, depth=6, exact=True, mode="dense")])
    return said


@pytest.mark.parametrize("seed", range(2))
def test_every_answer_is_that_of_a_collection_of_then(seed: int, db: vicinal.Database, now: list[float]) -> None:
    """Search in each mode, filters, facets, pages, recommendations, ids and records, after whatever was written since."""
    chance = random.Random(seed)
    notes = db.collection("notes", model=ToyEncoder(max_tokens=8))
    other = db.collection("other", model=ToyEncoder(max_tokens=8))
    held: Held = {}
    states: dict[int, Held] = {}
    for step in range(14):
        held = changed(notes, held, chance)
        states[notes.info()["sequence"]] = held
        other.upsert([{"id": "x", "text": text(chance)}])
        now[0] += DAY_S / 100
        if step == 9:
            db._store.compact("notes", sparse=0.01)
    for number, sequence in enumerate(chance.sample(sorted(states), 5)):
        twin = db.collection(f"twin {number}", model=ToyEncoder(max_tokens=8))
        twin.add([{"id": name, **told} for name, told in states[sequence].items()])
        was = notes.at(sequence)
        assert was.sequence == sequence
        query = text(chance)
        if states[sequence]:
            assert answers(was, query) == answers(twin, query)
        else:
            assert (len(was), list(was.search(query))) == (0, [])
    assert answers(notes.at(notes.info()["sequence"]), "fox") == answers(notes, "fox")


def test_export_gives_what_was(db: vicinal.Database, tmp_path: Path) -> None:
    """Texts, fields and vectors of then, though all of it is gone by now."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "one"}, {"id": "b", "text": "two", "x": 1}])
    then = notes.info()["sequence"]
    notes.export(tmp_path / "now")
    notes.upsert([{"id": "a", "text": "three three"}])
    notes.delete(["b"])
    notes.compact()
    notes.at(then).export(tmp_path / "then")
    for name in ("vectors.npy", "records.jsonl"):
        if (tmp_path / "now" / name).exists():
            assert (tmp_path / "then" / name).read_bytes() == (tmp_path / "now" / name).read_bytes()
    assert np.array_equal(*(np.load(next((tmp_path / one).glob("*.npy"))) for one in ("now", "then")))


def test_a_time_leads_to_the_commit_that_held_then(db: vicinal.Database, now: list[float]) -> None:
    """By seconds or by a datetime with or without a zone; before the history began there is no answer."""
    begun = now[0]
    notes = db.collection("notes", model=ToyEncoder())
    for number in range(3):
        now[0] += 60
        notes.add([{"id": str(number), "text": "text"}])
    for seconds, count in ((0, 0), (59, 0), (60, 1), (61, 1), (150, 2), (180, 3), (9_999, 3)):
        moment = datetime.fromtimestamp(begun + seconds, UTC)
        local = moment.astimezone().replace(tzinfo=None)
        for time in (begun + seconds, moment, local, moment.astimezone(tz=None) + timedelta(milliseconds=1)):
            assert len(notes.at(time=time)) == count
    with pytest.raises(CommitNotFoundError, match=r"is not known.*since 2023"):
        notes.at(time=begun - 1)


def test_without_a_history_what_only_came_can_be_left_out(tmp_path: Path) -> None:
    """The window is open back to the last commit that took or changed something, and the message says how to have more."""
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=ToyEncoder())
        for number in range(4):
            notes.add([{"id": str(number), "text": "text"}])
        last = notes.info()["sequence"]
        assert [len(notes.at(sequence)) for sequence in range(last - 3, last + 1)] == [1, 2, 3, 4]
        told = notes.history()
        assert (told.first, told.last, told.days) == (last - 3, last, None)
        assert [(one.sequence, one.time, one.added) for one in told.commits] == [
            (last - place, None, 1) for place in (3, 2, 1, 0)
        ]
        with pytest.raises(CommitNotFoundError, match="its past is"):
            notes.at(time=0)
        notes.delete(["0"])
        assert len(notes.at(last + 1)) == 3
        with pytest.raises(CommitNotFoundError, match=r"commits 6 to 6.*keep_history.*|keep_history") as raised:
            notes.at(last)
        assert (raised.value.got, raised.value.where) == (last, "notes")
        notes.update({"1": {"x": 1}})
        with pytest.raises(CommitNotFoundError, match=rf"snapshots.restore\(PLACE, TARGET, at={last}\)"):
            notes.at(last)
        db.keep_history(days=1)
        notes.delete(["1"])
        assert sorted(notes.at(last + 2).ids()) == ["1", "2", "3"]


def test_the_window_moves_on_with_time(db: vicinal.Database, now: list[float]) -> None:
    """Compaction forgets what is older than the days that were asked for, gives its room back, and no more."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": str(number), "text": f"text {number}"} for number in range(50)])
    first = notes.info()["sequence"]
    notes.delete([str(number) for number in range(40)])
    second = notes.info()["sequence"]
    now[0] += 5 * DAY_S
    notes.delete(["41"])
    assert notes.compact().freed_bytes == 0
    assert len(notes.at(first)) == 50
    view = notes.at(first)
    now[0] += 3 * DAY_S
    assert notes.compact().freed_bytes > 0
    for asked in (lambda: notes.at(first), lambda: len(view), lambda: view.search("text")):
        with pytest.raises(CommitNotFoundError, match=f"commits {second} to .*kept for 7 days"):
            asked()
    assert len(notes.at(second)) == 10
    assert notes.history().first == second
    assert [one.removed for one in notes.history().commits] == [1]
    db.check()


@pytest.mark.parametrize("time", [datetime.min, 10**400])  # noqa: DTZ901 - of this machine, as people write it
def test_a_time_that_no_machine_tells_is_refused(db: vicinal.Database, time: Any) -> None:
    """By an error that names the parameter, and not by one of Python's."""
    notes = db.collection("notes", model=ToyEncoder())
    with pytest.raises(RangeError, match="time must be"):
        notes.at(time=time)


def test_ending_it_forgets_everything(db: vicinal.Database) -> None:
    """With 0 days the room goes with the next compaction, and nothing is noted any more."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": str(number), "text": f"text {number}"} for number in range(50)])
    notes.delete([str(number) for number in range(40)])
    before = notes.info()["sequence"]
    assert db.info()["history_days"] == db.history_days == 7
    db.keep_history(days=0)
    assert db.history_days is None
    assert notes.compact().freed_bytes > 0
    with pytest.raises(CommitNotFoundError):
        notes.at(before - 1)
    with db._store.snapshot() as snapshot:
        left = [name for name, _ in snapshot._settings_below("collection ")]
    assert [name for name in left if "lost" not in name] == []


def test_the_list_of_commits_counts(db: vicinal.Database, now: list[float]) -> None:
    """What came, went and changed with each, and when; commits of others and compactions are not in it."""
    notes = db.collection("notes", model=ToyEncoder())
    db.collection("other", model=ToyEncoder()).add([{"id": "x", "text": "x"}])
    notes.add([{"id": str(number), "text": "text"} for number in range(5)])
    now[0] += 60
    notes.upsert([{"id": "0", "text": "again"}, {"id": "new", "text": "new"}])
    notes.update({"1": {"x": 1}, "2": {"x": 1}})
    notes.delete(["3", "nobody"])
    notes.compact()
    now[0] -= 3600  # the clock is set back: times stay in order
    notes.delete(["4"])
    told = notes.history()
    start = now[0] + 3600 - 60
    assert [(one.added, one.changed, one.removed, one.time) for one in told.commits] == [
        (5, 0, 0, start),
        (1, 1, 0, start + 60),
        (0, 2, 0, start + 60),
        (0, 0, 1, start + 60),
        (0, 0, 1, start + 60),
    ]
    assert told.collection == "notes"


def test_a_view_stays_with_its_collection(db: vicinal.Database) -> None:
    """By an alias it is of what that stood for; when that is dropped the view says so, also if there is a new one."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "text"}])
    db.collection("other", model=ToyEncoder()).add([{"id": "b", "text": "text"}])
    db.alias("now", "notes")
    found = db.collection("now", model=ToyEncoder())
    was = found.at(found.info()["sequence"])
    db.alias("now", "other")
    assert (list(was.ids()), list(found.ids())) == (["a"], ["b"])
    assert [hit.id for hit in was.search("text", mode="dense")] == ["a"]
    db.drop("notes")
    with pytest.raises(CollectionNotFoundError):
        len(was)
    db.collection("notes", model=ToyEncoder())
    with pytest.raises(CollectionNotFoundError, match="dropped"):
        was.search("text", mode="dense")


def test_nothing_can_be_written(db: vicinal.Database) -> None:
    """A view has no verbs that write, and its store refuses."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "text"}])
    was = notes.at(notes.info()["sequence"])
    assert not {"add", "upsert", "delete", "update", "sync", "compact", "keep_recall"} & set(dir(was))
    with pytest.raises(ReadOnlyError), was._store.write():
        pass
    assert repr(was) == f"CollectionAt('notes', sequence {was.sequence})"
    assert "PastStore" in repr(was._store)
    assert "a" in was
    assert "b" not in was
    with pytest.raises(RecordNotFoundError, match="after commit"):
        was.get("b")
    with pytest.raises(SpaceMismatchError):
        was.search(Vectors(np.zeros((1, 8), np.float32), ToyEncoder(max_tokens=9).space))


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({}, InputError),
        ({"sequence": 3, "time": 3.0}, InputError),
        ({"sequence": 3.5}, DtypeError),
        ({"sequence": True}, DtypeError),
        ({"sequence": 999}, CommitNotFoundError),
        ({"sequence": -1}, CommitNotFoundError),
        ({"time": "yesterday"}, DtypeError),
        ({"time": float("-inf")}, CommitNotFoundError),
        ({"time": float("nan")}, NonFiniteError),
    ],
)
def test_what_is_refused(how: dict[str, Any], error: type[Exception], db: vicinal.Database) -> None:
    """A commit that is none, no or two answers to "when", and what is no number."""
    notes = db.collection("notes", model=ToyEncoder())
    with pytest.raises(error):
        notes.at(**how)


@pytest.mark.parametrize("days", [-1, 36_501, float("nan"), "7", True])
def test_days_are_checked(days: Any, db: vicinal.Database) -> None:
    """They are a number from 0 to 36,500."""
    with pytest.raises((RangeError, DtypeError)):
        db.keep_history(days=days)


def test_snapshots_carry_the_past(db: vicinal.Database, tmp_path: Path) -> None:
    """A restored database tells the commits of before the snapshot, and goes on keeping; a replica keeps none."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "one"}])
    then = notes.info()["sequence"]
    notes.upsert([{"id": "a", "text": "two"}])
    db.snapshot(tmp_path / "place")
    snapshots.restore(tmp_path / "place", tmp_path / "again")
    with vicinal.open(tmp_path / "again") as restored:
        copy = restored.collection("notes", model=ToyEncoder())
        assert copy.at(then).get("a").text == "one"
        last = copy.info()["sequence"]
        copy.delete(["a"])
        assert [copy.at(one).get("a").text for one in (then, last)] == ["one", "two"]
    with Replica.open(tmp_path / "replica", db.path) as replica:
        replica.step()
    with vicinal.open(tmp_path / "replica") as follower:
        assert follower.history_days is None
        with pytest.raises(ReplicaError):
            follower.keep_history(days=1)


def test_a_program_that_knows_of_no_history_ends_the_window(
    db: vicinal.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that took something and stands in no list is where the window begins: nothing before can be trusted."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "one"}, {"id": "b", "text": "two"}])
    with monkeypatch.context() as older:
        older.setattr("vicinal.store.history.reads.History.begun", lambda *_: None)
        notes.delete(["a"])
    unlogged = notes.info()["sequence"]
    notes.delete(["b"])
    assert notes.history().first == unlogged
    assert list(notes.at(unlogged).ids()) == ["b"]
    with pytest.raises(CommitNotFoundError):
        notes.at(unlogged - 1)


def test_the_command_line(
    db: vicinal.Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``history`` lists and keeps; ``--at`` takes a commit or a time."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "one"}])
    then = notes.info()["sequence"]
    notes.upsert([{"id": "a", "text": "two"}])

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["vicinal", *words, "--db", str(db.path)])
        monkeypatch.setattr("warnings.showwarning", None)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    def data(*words: str) -> dict[str, Any]:
        status, out = run(*words, "--json")
        return {"status": status, **json.loads(out)}

    told = data("history", "notes")
    assert (told["first"], told["last"], told["days"]) == (then - 1, then + 1, 7)
    assert [(one["sequence"], one["added"], one["changed"]) for one in told["commits"]] == [
        (then, 1, 0),
        (then + 1, 0, 1),
    ]
    status, out = run("history")
    assert (status, "notes can be told" in out, str(then) in out) == (0, True, True)
    assert "1 more before" in run("history", "-k", "1")[1]
    assert data("get", "a", "--at", str(then))["text"] == "one"
    assert data("get", "a", "--at", "2999-01-01")["text"] == "two"
    assert data("get", "a", "--at", "2001-01-01T12:00:00+01:00")["status"] == 3
    assert data("get", "a", "--at", "0")["error"]["code"] == "commit_not_found"
    assert data("get", "a", "--at", "soon")["error"]["code"] == "input"
    assert data("history", "notes", "--keep", "30")["days"] == 30
    assert "kept for 30 days" in run("info")[1]
    assert data("history", "notes", "--keep", "0")["days"] is None


def test_the_encoder_is_that_of_the_collection(db: vicinal.Database) -> None:
    """A view loads no model of its own: the probes of the canary are not encoded again."""
    encoder = ToyEncoder()
    notes = db.collection("notes", model=encoder)
    notes.add([{"id": "a", "text": "text"}])
    assert len(TEXTS) > 1
    notes.search("text", mode="dense")
    before = encoder.batches
    assert [hit.id for hit in notes.at(notes.info()["sequence"]).search("text", mode="dense")] == ["a"]
    assert encoder.batches == before + 1


def test_a_lane_that_takes_a_name_over_tells_nothing_of_before(db: vicinal.Database) -> None:
    """What stands beside a collection and is cut over was not what the name answered: the window of both begins with that."""
    notes = db.collection("notes", model=ToyEncoder())
    notes.add([{"id": "a", "text": "one"}])
    store = db._store
    with store.snapshot() as snapshot:
        lane = snapshot.lane("notes")
    with store.write() as transaction:
        transaction.create_collection(beside("notes"), model="", space=lane.space, chunker=lane.chunker)
    before = notes.info()["sequence"]
    for _ in range(2):
        with store.write() as transaction:
            transaction.exchange("notes")
        told = db.collection("notes", model=ToyEncoder()).history()
        assert told.first == told.last > before
    notes = db.collection("notes", model=ToyEncoder())
    after = told.last
    with pytest.raises(CommitNotFoundError):
        notes.at(before)
    notes.delete(["a"])
    assert notes.at(after).get("a").text == "one"
    db.check()
