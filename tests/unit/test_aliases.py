"""Aliases: names that stand for collections, switched in one commit, carried along, and never in anyone's way."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vicinal
from vicinal import snapshots
from vicinal.cli import main
from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    ConflictError,
    DtypeError,
    ModelNotFoundError,
    RangeError,
    ReadOnlyError,
    ReplicaError,
    SpaceMismatchError,
    VicinalError,
)
from vicinal.lifecycle.replica import digest
from vicinal.replica import Replica
from vicinal.store import Store
from vicinal.testing import ToyEncoder

NAMES = ("a", "b", "c", "d")


class OtherEncoder(ToyEncoder):
    """The toy encoder in a space of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._space = replace(self._space, weights="another toy")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[vicinal.Database]:
    """Two collections of one record each, in one space, and one in another."""
    with vicinal.open(tmp_path / "notes.vicinal") as opened:
        for name, encoder in (("old", ToyEncoder()), ("new", ToyEncoder()), ("far", OtherEncoder())):
            opened.collection(name, model=encoder).add([{"id": name, "text": f"text of {name}"}])
        yield opened


def test_a_name_stands_for_a_collection(db: vicinal.Database) -> None:
    """What is asked of the alias is answered by the collection; the alias is no collection."""
    assert db.alias("now", "old") is None
    assert db.aliases() == {"now": "old"}
    assert db.collections() == ["far", "new", "old"]
    found = db.collection("now", model=ToyEncoder())
    assert (found.name, found.alias, list(found.ids()), len(found)) == ("old", "now", ["old"], 1)
    assert [hit.id for hit in found.search("text", mode="dense")] == ["old"]
    assert found.get("old").text == "text of old"
    assert found.info()["name"] == "old"
    assert db.info()["aliases"] == {"now": "old"}
    assert db.collection("old", model=ToyEncoder()).alias is None


def test_an_open_collection_follows_with_its_next_call(db: vicinal.Database) -> None:
    """After the switch the same object reads and writes the other collection; one opened by its own name stays."""
    db.alias("now", "old")
    found, stays = db.collection("now", model=ToyEncoder()), db.collection("old", model=ToyEncoder())
    found.keep_answers()
    assert [hit.id for hit in found.search("text")] == ["old"]
    assert db.alias("now", "new") == "old"
    assert [hit.id for hit in found.search("text")] == ["new"]
    found.add([{"id": "more", "text": "more text"}])
    assert (found.name, sorted(found.ids()), list(stays.ids())) == ("new", ["more", "new"], ["old"])
    assert db.alias("now", "old") == "new"
    assert [hit.id for hit in found.search("text")] == ["old"]
    assert found.delete(["more"]) == 0


def test_it_follows_into_another_space(db: vicinal.Database) -> None:
    """Space and encoder are those of the collection that it stands for; a vector of the other one is refused."""
    db.alias("now", "old")
    found = db.collection("now", model=ToyEncoder())
    vectors = ToyEncoder().encode_queries(["text"])
    assert [hit.id for hit in found.search(vectors)] == ["old"]
    db.alias("now", "far")
    assert found.space == OtherEncoder().space
    with pytest.raises(SpaceMismatchError):
        found.search(vectors)
    with pytest.raises(ModelNotFoundError, match="encoder of your own"):
        found.search("text", mode="dense")  # the encoder that was given is of the old space
    again = db.collection("now", model=OtherEncoder())
    assert [hit.id for hit in again.search("text", mode="dense")] == ["far"]
    db.alias("now", "old")
    assert [hit.id for hit in found.search("text", mode="dense")] == ["old"]


def test_a_call_stays_with_the_collection_that_it_began_with(
    db: vicinal.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the alias is switched between encoding and searching, the old collection answers; the next call is the new one's."""
    db.alias("now", "old")
    encoder = ToyEncoder()
    found = db.collection("now", model=encoder)
    real = encoder.encode_queries

    def switching(texts: list[str], **told: object) -> vicinal.Vectors:
        if texts == ["text"]:
            db.alias("now", "far")
        return real(texts, **told)

    monkeypatch.setattr(encoder, "encode_queries", switching)
    assert [hit.id for hit in found.search("text", mode="dense")] == ["old"]
    assert (found.name, list(found.ids())) == ("far", ["far"])
    with pytest.raises(ModelNotFoundError):
        found.search("text", mode="dense")


def test_the_recall_is_that_of_the_collection(db: vicinal.Database) -> None:
    """What a collection keeps for searches that say nothing goes with the switch, and is kept for the right one."""
    db.collection("old", model=ToyEncoder()).keep_recall(0.9)
    db.alias("now", "old")
    found = db.collection("now", model=ToyEncoder())
    assert found.recall == 0.9
    db.alias("now", "new")
    _ = found.name
    assert found.recall == 0.98
    found.keep_recall(0.8)
    assert [db.collection(name, model=ToyEncoder()).recall for name in ("old", "new", "now")] == [0.9, 0.8, 0.8]


def test_no_reader_sees_anything_between(db: vicinal.Database) -> None:
    """While one thread switches, every search gives the record of one of the two, and none fails."""
    db.alias("now", "old")
    found, stop, seen = db.collection("now", model=ToyEncoder()), threading.Event(), set()
    vectors = ToyEncoder().encode_queries(["text"])

    def switch() -> None:
        for turn in range(30):
            db.alias("now", ("new", "old")[turn % 2])
        stop.set()

    thread = threading.Thread(target=switch)
    thread.start()
    while not stop.is_set():
        seen.add(tuple(hit.id for hit in found.search(vectors)))
        assert len(found) == 1
    thread.join()
    assert seen <= {("old",), ("new",)}


def test_what_is_refused(db: vicinal.Database) -> None:
    """No alias takes a collection's name, stands for another alias or for nothing; nothing of it is written."""
    db.alias("now", "old")
    for name, target, error in (
        ("new", "old", AlreadyExistsError),
        ("later", "now", ConflictError),
        ("later", "nowhere", CollectionNotFoundError),
        ("", "old", RangeError),
        ("later", 3, DtypeError),
    ):
        with pytest.raises(error):
            db.alias(name, target)  # type: ignore[arg-type]
    with pytest.raises(AlreadyExistsError, match="alias"):
        db.collection("old", model=ToyEncoder()).project("now", dim=4, kind="rotation")
    with pytest.raises(CollectionNotFoundError, match="There are: now"):
        db.drop_alias("later")
    assert db.aliases() == {"now": "old"}
    with vicinal.open(db.path, read_only=True) as reader, pytest.raises(ReadOnlyError):
        reader.alias("later", "old")


def test_a_collection_that_an_alias_stands_for_is_not_dropped(db: vicinal.Database) -> None:
    """The error names the aliases; ``with_aliases`` drops both, and the alias's own name drops nothing."""
    db.alias("now", "old")
    with pytest.raises(ConflictError, match="'now'"):
        db.drop("old")
    for with_aliases in (False, True):
        with pytest.raises(ConflictError, match="alias of collection 'old'"):
            db.drop("now", with_aliases=with_aliases)
    assert len(db.collection("now", model=ToyEncoder())) == 1
    assert db.drop("old", with_aliases=True) == 1
    assert (db.aliases(), db.collections()) == ({}, ["far", "new"])


def test_a_dropped_alias_is_gone(db: vicinal.Database) -> None:
    """An object that followed it says so; its name is free for a collection."""
    db.alias("now", "old")
    found = db.collection("now", model=ToyEncoder())
    assert db.drop_alias("now") == "old"
    with pytest.raises(CollectionNotFoundError):
        found.search("text", mode="dense")
    assert db.collection("now", model=ToyEncoder()).alias is None
    assert db.collections() == ["far", "new", "now", "old"]


def test_main_may_be_an_alias(db: vicinal.Database) -> None:
    """What is meant when no collection is named may be an alias."""
    with pytest.raises(CollectionNotFoundError):
        db.default_collection()
    db.alias("main", "new")
    assert db.default_collection() == "main"
    assert db.collection("main", model=ToyEncoder(), create=False).name == "new"


def test_nothing_is_logged_under_an_alias(db: vicinal.Database) -> None:
    """The feed of deletions has names of collections."""
    db.alias("now", "old")
    found = db.collection("now", model=ToyEncoder())
    found.delete(["old"])
    found.upsert([{"id": "x", "text": "x"}])
    found.delete(where={"field": {"$exists": False}})
    with db._store.snapshot() as snapshot:
        assert {(one.collection, one.id) for one in snapshot.deletions_since(0)} == {("old", "old"), ("old", "x")}


def test_snapshots_carry_them(db: vicinal.Database, tmp_path: Path) -> None:
    """A restored database has the aliases of its commit."""
    db.alias("now", "old")
    taken = db.snapshot(tmp_path / "place")
    db.alias("now", "new")
    db.snapshot(tmp_path / "place")
    for at, target in ((taken.sequence, "old"), (None, "new")):
        snapshots.restore(tmp_path / "place", tmp_path / target, at=at)
        with vicinal.open(tmp_path / target) as restored:
            restored.check()
            assert restored.aliases() == {"now": target}
            assert list(restored.collection("now", model=ToyEncoder()).ids()) == [target]


def test_replicas_carry_them(db: vicinal.Database, tmp_path: Path) -> None:
    """New, switched and dropped ones, also where a collection takes the name of one, or is dropped with it."""

    def digest_of(folder: Path) -> str:
        store = Store.open(folder, read_only=True)
        with store.snapshot() as snapshot:
            found = digest(snapshot)
        store.close()
        return found

    with Replica.open(tmp_path / "replica", db.path) as replica:
        for change in (
            lambda: db.alias("now", "old"),
            lambda: db.alias("now", "new"),
            lambda: (db.alias("then", "old"), db.drop("old", with_aliases=True)),
            lambda: (db.drop_alias("now"), db.collection("now", model=ToyEncoder())),
            lambda: (db.drop("now"), db.alias("now", "far")),
        ):
            change()
            before = digest_of(tmp_path / "replica")
            replica.step()
            assert digest_of(tmp_path / "replica") == digest_of(db.path) != before
            with vicinal.open(tmp_path / "replica") as copy:
                assert copy.aliases() == db.aliases()
                with pytest.raises(ReplicaError):
                    copy.alias("own", "far")
        replica.resync()
        assert digest_of(tmp_path / "replica") == digest_of(db.path)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("make", "drop", "drop with aliases", "alias", "drop alias")), *[st.sampled_from(NAMES)] * 2
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=12)
def test_aliases_against_a_dictionary(steps: list[tuple[str, str, str]]) -> None:
    """After any changes, allowed or refused, names lead where a dictionary says, in this store and in one opened anew."""
    with tempfile.TemporaryDirectory() as folder, vicinal.open(Path(folder) / "db") as db:
        made: set[str] = set()
        aliases: dict[str, str] = {}
        for what, name, target in steps:
            named = {one for one, of in aliases.items() if of == name}
            try:
                if what == "make":
                    db.collection(name, model=ToyEncoder())
                    made |= {name} - set(aliases)
                elif what == "alias":
                    db.alias(name, target)
                    assert name not in made
                    assert target in made
                    aliases[name] = target
                elif what == "drop alias":
                    assert db.drop_alias(name) == aliases.pop(name)
                else:
                    db.drop(name, with_aliases=what == "drop with aliases")
                    assert name in made
                    assert what == "drop with aliases" or not named
                    made.remove(name)
                    aliases = {one: of for one, of in aliases.items() if one not in named}
            except VicinalError:
                assert what != "make"
            assert (set(db.collections()), db.aliases()) == (made, dict(sorted(aliases.items())))
        with vicinal.open(db.path, read_only=True) as reader:
            assert (set(reader.collections()), reader.aliases()) == (made, dict(sorted(aliases.items())))
            for name in NAMES:
                if name in made or name in aliases:
                    found = reader.collection(name, model=ToyEncoder(), create=False)
                    assert found.name == aliases.get(name, name)


def test_the_command_line(
    db: vicinal.Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``vicinal alias`` sets, lists and drops; ``info`` shows them; ``--collection`` takes one."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["vicinal", *words, "--db", str(db.path)])
        monkeypatch.setattr("warnings.showwarning", None)
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    assert "no aliases" in run("alias", "list")[1]
    assert json.loads(run("alias", "set", "now", "old", "--json")[1]) == {
        "alias": "now",
        "collection": "old",
        "before": None,
    }
    assert "it stood for old" in run("alias", "set", "now", "new")[1]
    assert json.loads(run("alias", "list", "--json")[1]) == {"aliases": {"now": "new"}}
    assert "now" in run("alias", "list")[1]
    assert json.loads(run("info", "--json")[1])["aliases"] == {"now": "new"}
    assert "now stands for new" in run("info")[1]
    assert json.loads(run("get", "new", "--collection", "now", "--json")[1])["text"] == "text of new"
    assert run("alias", "set", "old", "new")[0] == 4
    assert run("alias", "set", "then", "nowhere")[0] == 3
    assert "stood for new" in run("alias", "drop", "now")[1]
    status, out = run("alias", "drop", "now", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (3, "collection_not_found")
    assert db.aliases() == {}


def test_an_alias_survives_closing(db: vicinal.Database) -> None:
    """Aliases are in the truth: another process has them, the full check reads them, and damage is found."""
    db.alias("now", "old")
    path = db.path
    db.close()
    with vicinal.open(path) as again:
        again.check()
        assert again.aliases() == {"now": "old"}
        found = again.collection("now", model=ToyEncoder())
        assert [hit.id for hit in found.search("text", mode="dense")] == ["old"]
    assert found.name == "old"
