"""A collection that migrates to and fro under writers and readers, in processes that are killed; run by test_migrate.py.

Run, it begins a process for each line ``ROLE SEED SIZE FOLDER``, with ROLE one of ``migrate`` (writers, a reader and the
migration in one process, until it is killed), ``read`` and ``write`` (until the file ``stop`` is there).

What each writer did stands in its journal: a line before a write, and one behind it. Which write is the n-th of a writer
follows from its name and n alone, so that a page of Python says what must be stored.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

import vicinal
from migration_worlds import Hashed, vector_of
from vicinal.errors import ConflictError
from vicinal.lifecycle import migrate as stages
from vicinal.lifecycle.forms import offer

NAME = "notes"
ASKED = 20
"""Questions after which a reader that may be killed notes them."""
FADED = 1e-4
"""How far a float32 score may lie from what the plain formula says."""


def text_of(record: str, version: int) -> str:
    """Return the text of a record in a version."""
    return f"The record {record} tells its name q{record}x in version {version}."


def start_records(size: int) -> dict[str, int]:
    """Return the ids that are there at first, each in version 0: those of the writers, and those that nobody touches."""
    return {f"{who}{number}": 0 for who in ("a", "b", "c", "still") for number in range(size // 4)}


def operation(who: str, number: int, size: int) -> tuple[str, dict[str, int]]:
    """Return the n-th write of a writer: its kind, and the records it is about with their version."""
    chance = random.Random(f"{who} {number}")
    kind = chance.choice(["upsert", "upsert", "upsert", "delete", "update", "ready"])
    ids = {f"{who}{chance.randrange(size // 4)}" for _ in range(chance.choice([1, 1, 2, 8]))}
    return kind, dict.fromkeys(sorted(ids), number)


def applied(model: dict[str, tuple[int, int]], who: str, number: int, size: int) -> dict[str, tuple[int, int]]:
    """Apply a write to what stands, id -> (version, tag), and return it."""
    kind, about = operation(who, number, size)
    for record, version in about.items():
        if kind in {"upsert", "ready"}:
            model[record] = (version, -1)
        elif kind == "delete":
            model.pop(record, None)
        elif record in model:
            model[record] = (model[record][0], number)
    return model


def write_one(collection: vicinal.Collection, who: str, number: int, size: int) -> None:
    """Do the n-th write of a writer."""
    kind, about = operation(who, number, size)
    records = [{"id": one, "text": text_of(one, version), "tag": -1} for one, version in about.items()]
    if kind == "upsert":
        collection.upsert(records)
    elif kind == "ready":  # whoever brings vectors cannot make the other form: it may be refused when the space changed
        texts = [str(one["text"]) for one in records]
        for _ in range(50):
            collection.info()  # follows
            made = Hashed("one" if "one" in collection.space.weights else "two").encode_documents(texts)
            with suppress(vicinal.errors.SpaceMismatchError):
                collection.upsert(records, vectors=made)
                return
        raise AssertionError("the space changed under each of 50 tries")
    elif kind == "delete":
        collection.delete(list(about))
    else:
        there = {one: {"tag": number} for one in about if one in collection}
        if there:
            collection.update(there)


def keep_writing(collection: vicinal.Collection, folder: Path, who: str, size: int) -> None:
    """Write and note, from where the journal ends."""
    path = folder / f"journal-{who}"
    lines = path.read_text().split() if path.exists() else []
    number = max((int(line[1:]) for line in lines), default=0)
    with path.open("a") as journal:
        while not (folder / "stop").exists():
            number += 1
            journal.write(f"b{number}\n")
            journal.flush()
            write_one(collection, who, number, size)
            journal.write(f"e{number}\n")
            journal.flush()
            time.sleep(random.random() * 0.01)


def keep_reading(collection: vicinal.Collection, folder: Path, size: int) -> Iterator[int]:
    """Ask and compare each score with the formula, in the one space that the answer says it is of."""
    names = {Hashed(name).space.id: name for name in ("one", "two")}
    ids = sorted(start_records(size))
    count = 0
    while not (folder / "stop").exists():
        one = random.choice(ids)
        query = text_of(one, 0)
        hits = collection.search(query, k=5, mode="dense")
        name = names[hits.space]
        asked = vector_of(name, query)
        for hit in hits:
            right = float(asked @ vector_of(name, hit.text))
            if abs(right - hit.score) > FADED:
                raise AssertionError(f"{hit.id} scores {hit.score}, and {right} in the space {name}")
        if one.startswith("still") and (not hits or hits[0].id != one):
            hits = collection.search(query, k=5, mode="dense", exact=True)  # few bits of eight dimensions miss some
            if not hits or hits[0].id != one:
                raise AssertionError(f"{one} is lost: {[hit.id for hit in hits]}")
        if count % 7 == 0 and not len(collection.search(f"q{one}x", k=2, mode="lexical")) and one.startswith("still"):
            raise AssertionError(f"{one} is not found by its word")
        count += 1
        yield count


def migrate_once(collection: vicinal.Collection, chance: random.Random, note) -> None:
    """Take a step of a migration, whatever it is now."""
    found = collection.migration()
    state = None if found is None else found.status()
    if state is None or state.stage in stages.OVER:
        collection.info()
        other = Hashed("two" if "one" in collection.space.weights else "one")
        collection.migrate(other, soak_s=1000).begin()
        return
    if state.stage == "copy":
        if chance.random() < 0.1:
            found.pause()
            found.resume()
        done = found.backfill()
        if not done.stopped:
            stages.mark(collection._store, NAME, "ready", gate={"passed": True, "forcible": True})
            note({"filled": done.records, "took_s": done.took_s})
    elif state.stage in {"ready", "back"}:
        if state.stage == "back" and chance.random() < 0.3:
            found.abort()
            return
        cut = found.cutover()
        note({"cutover_ms": cut.blocked_ms, "took_s": cut.took_s})
    else:
        what = chance.choice(["rollback", "rollback", "retire", "abort"])
        begun = time.perf_counter()
        if what == "rollback":
            cut = found.rollback()
            note({"rollback_ms": cut.blocked_ms, "took_s": cut.took_s})
        elif what == "retire":
            found.retire(early=True)
            note({"retire_s": time.perf_counter() - begun})
        else:
            found.abort()


def opened(folder: Path) -> tuple[vicinal.Database, vicinal.Collection]:
    """Open the collection with both encoders at hand."""
    db = vicinal.open(folder / "db", create=False)
    for name in ("one", "two"):
        offer(db._store, Hashed(name))
    return db, db.collection(NAME, create=False)


def main(role: str, folder: Path, seed: int, size: int) -> None:  # noqa: C901 - what each of its threads does
    """Play a role until killed or stopped; a fault is written where the test looks."""
    chance = random.Random(seed)
    random.seed(seed)

    def guarded(work) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - told to the test
            if not (folder / "stop").exists():
                with (folder / "faults").open("a") as file:
                    file.write(f"{role} {seed}\n{traceback.format_exc()}\n")

    db, collection = opened(folder)

    def read() -> None:
        for count in keep_reading(collection, folder, size):
            if role == "read":
                (folder / f"read-{seed}").write_text(str(count))
            elif count % ASKED == 0:
                note({"asked": ASKED})

    def note(what: dict[str, float]) -> None:
        with (folder / "stats").open("a") as file:
            file.write(json.dumps(what) + "\n")

    def migrate() -> None:
        while not (folder / "stop").exists():
            with suppress(
                ConflictError
            ):  # records that only came with vectors since can outpace it; the next step catches up
                migrate_once(collection, chance, note)

    work = {
        "read": [read],
        "write": [lambda: keep_writing(collection, folder, "c", size)],
        "migrate": [
            lambda: keep_writing(collection, folder, "a", size),
            lambda: keep_writing(collection, folder, "b", size),
            read,
            migrate,
        ],
    }[role]
    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    (folder / f"ready-{role}-{seed}").touch()
    for thread in threads:
        thread.join()
    db.close()
    (folder / f"ended-{role}-{seed}").touch()


class Told:
    """What a writer's records are by its journal, which is read on from where it was read to: a page of Python.

    ``model`` is what stands after its last write that is known to have happened, id -> (version, tag); ``begun`` is the
    number of one that was begun and may have happened or not, 0 where there is none.
    """

    def __init__(self, folder: Path, who: str, size: int) -> None:
        self.who, self._size = who, size
        self._path, self._read_to = folder / f"journal-{who}", 0
        self.model = {one: (0, -1) for one in start_records(size) if one[0] == who and not one.startswith("still")}
        self.begun = 0

    def read(self) -> None:
        """Read what the journal took since."""
        if not self._path.exists():
            return
        with self._path.open() as journal:
            journal.seek(self._read_to)
            for line in journal.read().split():
                number = int(line[1:])
                if line[0] == "b":
                    assert not self.begun, f"what became of write {self.begun} of {self.who} was never asked"
                    self.begun = number
                else:
                    assert self.begun == number
                    self.settle(happened=True)
            self._read_to = journal.tell()

    def settle(self, *, happened: bool) -> None:
        """Take it that the write that was begun happened, or that it did not."""
        if happened:
            applied(self.model, self.who, self.begun, self._size)
        self.begun = 0

    def models(self) -> list[dict[str, tuple[int, int]]]:
        """Return what may stand: with one write begun, that without it and that with it."""
        if not self.begun:
            return [self.model]
        return [self.model, applied(dict(self.model), self.who, self.begun, self._size)]


def stored(collection: vicinal.Collection, who: str, about: list[str] | None = None) -> dict[str, tuple[int, int]]:
    """Return what stands of a writer, or of some ids: id -> (version, tag), as the name leads to it now."""
    found = {}
    with collection._store.snapshot() as snapshot:
        lane = snapshot.lane(NAME)
        every = snapshot.ids(lane) if about is None else about
        ids = [one for one in every if one.startswith(who) and not one.startswith("still")]
        for start in range(0, len(ids), 500):
            for one, kept in snapshot.chunks_of(lane, ids[start : start + 500]).items():
                version = int(kept.record.text.rpartition(" ")[2].rstrip("."))
                assert kept.record.text == text_of(one, version)
                found[one] = (version, int(kept.record.fields["tag"]))
    return found


def check_vectors(collection: vicinal.Collection) -> int:
    """Require that each vector of each lane is that of its text in the lane's own space; return how many there are."""
    names = {Hashed(name).space.id: name for name in ("one", "two")}
    count = 0
    with collection._store.snapshot() as snapshot:
        lane = snapshot.lane(NAME)
        twin = snapshot.twin(lane)
        if twin is not None:
            found = stages.parity(snapshot, lane, twin)
            assert not found.beyond, f"{found.beyond} records were brought back, {found.first}"
            assert not found.different, f"{found.different} records are old beside, {found.first}"
        for one in (lane, twin):
            if one is None:
                continue
            for change in snapshot.changes(one, 0):
                rights = np.stack([vector_of(names[one.space.id], record.text) for record in change.records])
                assert np.abs(rights - change.vectors).max() < FADED, "a vector of another text or space"
                count += len(rights)
    return count


def serve() -> None:
    """Begin a process for each line of standard input, with everything imported already; answer with its number.

    A life that is to be killed after a second would else spend most of it importing.
    """
    for line in sys.stdin:
        role, seed, size, folder = line.rstrip("\n").split(" ", 3)
        child = os.fork()
        if not child:
            try:
                main(role, Path(folder), int(seed), int(size))
            finally:
                os._exit(0)
        print(child, flush=True)  # noqa: T201 - the answer
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    serve()
