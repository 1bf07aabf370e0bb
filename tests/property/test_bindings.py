"""Cursors and kept answers end with the next change of their own collection: never later, and not for another's sake."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vicinal
from vicinal.collection import Collection
from vicinal.errors import InputError
from vicinal.store import NewRecord
from vicinal.testing import ToyEncoder

STEPS = max(1, int(os.environ.get("LONG_STEPS", "0")) // 60)
QUERIES = ("red fox", "blue 42 river", "owl")
WORDS = ("red", "green", "blue", "fox", "dog", "owl", "river", "42")
DENSE: dict[str, Any] = {"mode": "dense", "exact": True}
NAMES = [f"n{number}" for number in range(9)]
Change = Callable[[vicinal.Database, str, random.Random], bool]


def upsert(db: vicinal.Database, name: str, chance: random.Random) -> bool:
    """Write some records."""
    new = [
        {"id": one, "text": " ".join(chance.choices(WORDS, k=chance.randint(1, 20))), "n": chance.randint(0, 3)}
        for one in chance.sample(NAMES, chance.randint(1, 3))
    ]
    db.collection(name, model=ENCODER).upsert(new)
    return True


def delete(db: vicinal.Database, name: str, chance: random.Random) -> bool:
    """Delete some records; return whether any was there."""
    return db.collection(name, model=ENCODER).delete(chance.sample(NAMES, 2)) > 0


def update(db: vicinal.Database, name: str, chance: random.Random) -> bool:
    """Change fields in place."""
    notes = db.collection(name, model=ENCODER)
    living = list(notes.ids())
    if living:
        notes.update({chance.choice(living): {"n": chance.randint(0, 3)}})
    return bool(living)


def nothing(db: vicinal.Database, name: str, chance: random.Random) -> bool:
    """Make a commit that changes no record."""
    db.collection(name, model=ENCODER).keep_recall(chance.choice((0.9, 0.98)))
    return False


def compact(db: vicinal.Database, name: str, _: random.Random) -> bool:
    """Move rows: who is asked next may see them in another order."""
    return db._store.compact(name, sparse=0.01).moved_rows > 0


def again(db: vicinal.Database, name: str, chance: random.Random) -> bool:
    """Drop the collection, and make one of the same name."""
    db.drop(name, with_aliases=True)
    return upsert(db, name, chance)


ENCODER = ToyEncoder(max_tokens=8)
CHANGES: tuple[tuple[Change, int], ...] = (
    (upsert, 5),
    (delete, 4),
    (update, 4),
    (nothing, 2),
    (compact, 1),
    (again, 1),
)


def told(hits: Any) -> list[tuple[Any, ...]]:
    """Return hits as what can be compared."""
    return [(hit.id, hit.start, hit.text, dict(hit.fields), round(hit.score, 5)) for hit in hits]


class Asked:
    """One of two collections: an object that keeps answers, and the cursors that lead on, with what is left behind each."""

    def __init__(self, db: vicinal.Database, name: str) -> None:
        self.db, self.name = db, name
        self.cursors: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        self.kept = self.fresh()
        self.kept.keep_answers()

    def fresh(self) -> Collection:
        """Return the collection opened anew."""
        return self.db.collection(self.name, model=ENCODER)

    def end(self) -> None:
        """Require that no cursor leads on, after a change; there is nothing to lose where nothing is left."""
        fresh = self.fresh()
        for query, cursor in self.cursors if len(fresh) else ():
            with pytest.raises(InputError, match="Ask for the first page again"):
                next(fresh.pages(query, k=2, depth=9, after=cursor, **DENSE))
        self.cursors.clear()

    def ask(self, chance: random.Random) -> None:
        """Require that memory says what is true, and that each cursor leads on to the rest; begin other pages."""
        fresh = self.fresh()
        for query in QUERIES:
            for how in (DENSE, {"exact": True}, {**DENSE, "where": {"n": {"$exists": True}}}):
                assert told(self.kept.search(query, k=4, **how)) == told(fresh.search(query, k=4, **how))
        for (query, cursor), rest in self.cursors.items():
            pages = fresh.pages(query, k=2, depth=9, after=cursor, **DENSE)
            assert [hit for page in pages for hit in told(page)] == rest
        query = chance.choice(QUERIES)
        page = next(fresh.pages(query, k=2, depth=9, **DENSE))
        if page.cursor is not None:
            self.cursors[query, page.cursor] = told(fresh.search(query, k=9, **DENSE))[2:]


@pytest.mark.parametrize("seed", range(2 * STEPS))
def test_neither_is_ever_stale_and_neither_ends_for_anothers_sake(seed: int, tmp_path: Path) -> None:
    """After each change of one of two collections, both are asked from memory, anew, and on from every cursor."""
    chance = random.Random(seed)
    changes, weights = [one for one, _ in CHANGES], [weight for _, weight in CHANGES]
    with vicinal.open(tmp_path / "db") as db:
        for name in "ab":
            upsert(db, name, chance)
        asked = {name: Asked(db, name) for name in "ab"}
        for _ in range(15):
            name, change = chance.choice("ab"), chance.choices(changes, weights)[0]
            if change(db, name, chance):
                asked[name].end()
            if change is again:
                asked[name] = Asked(db, name)
            for one in asked.values():
                one.ask(chance)
        before = asked["b"].kept.kept_answers.exact
        upsert(db, "a", chance)
        asked["b"].kept.search(QUERIES[0], k=4, **DENSE)
        assert asked["b"].kept.kept_answers.exact == before + 1


def test_a_cursor_of_one_collection_is_none_of_another(tmp_path: Path) -> None:
    """Two collections that were written in one commit, behind one alias: the page of the other is refused."""
    with vicinal.open(tmp_path / "db") as db:
        found = [db.collection(name, model=ENCODER) for name in ("a", "b")]
        with db._store.write() as transaction:
            for one in found:
                documents = [{"id": f"{one.name}{number}", "text": "red fox"} for number in range(5)]
                transaction.delete(transaction.lane(one.name), ["nobody"])
                vectors = ENCODER.encode_documents([document["text"] for document in documents])
                new = [new_record(document["id"], document["text"]) for document in documents]
                transaction.put(transaction.lane(one.name), new, vectors, replace_existing=False)
        db.alias("now", "a")
        notes = db.collection("now", model=ENCODER)
        notes.keep_answers()
        page = next(notes.pages("red", k=2, mode="dense", exact=True))
        assert [hit.id for hit in notes.search("red", k=2)] == ["a0", "a1"]
        db.alias("now", "b")
        assert [hit.id for hit in notes.search("red", k=2)] == ["b0", "b1"]
        with pytest.raises(InputError, match="another question"):
            next(notes.pages("red", k=2, mode="dense", exact=True, after=page.cursor))
        db.alias("now", "a")
        rest = notes.pages("red", k=2, mode="dense", exact=True, after=page.cursor)
        assert [hit.id for one in rest for hit in one] == ["a2", "a3", "a4"]


def new_record(name: str, text: str) -> Any:
    """Return a record as the store takes it."""
    return NewRecord(
        id=name,
        text=text,
        source="",
        fields={},
        spans=((0, len(text)),),
        chunker="whole",
        text_digest=name,
        fields_digest="",
    )
