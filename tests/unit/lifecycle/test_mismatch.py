"""The mark of a model that moved: seen by every handle, collection and process, also by those who bring vectors along."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

import vicinal
from vicinal.errors import CanaryMismatchError, CorruptStoreError, ModelNotFoundError, VicinalError
from vicinal.lifecycle import mismatch

TEXTS = [{"id": str(number), "text": f"text {number} {'aei ' * number}"} for number in range(10)]


class Model:
    """A function of six letters that can be changed behind its name."""

    def __init__(self):
        self.turned = False

    def __call__(self, texts):
        """Return the counts, turned round where the model was changed."""
        rows = [[1 + text.count(letter) for letter in "aeiou"] + [len(text) / 10] for text in texts]
        return [row[::-1] for row in rows] if self.turned else rows


def encoder(model):
    """Return the encoder of a model: the same space, whatever it gives."""
    return vicinal.FunctionEncoder(model, name="letters", version="1", dim=6)


def uses(collection, vectors, tmp_path) -> dict[str, Callable[[], object]]:
    """Return every way to write to a collection or to ask it by vectors."""
    file, folder = tmp_path / "given.npy", tmp_path / "folder"
    np.save(file, np.asarray(vectors))
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("one more text")
    record = [{"id": "new", "text": "one more text"}]
    return {
        "search": lambda: collection.search("aei"),
        "search_many": lambda: collection.search_many(["aei"]),
        "explain": lambda: collection.explain("aei", "1"),
        "add": lambda: collection.add(record),
        "sync": lambda: collection.sync(folder),
        "project": lambda: collection.project("short", dim=3),
        "migrate": lambda: collection.migrate(dim=3),
        "search by vectors": lambda: collection.search(vectors),
        "search_many by vectors": lambda: collection.search_many(vectors),
        "pages by vectors": lambda: collection.pages(vectors),
        "as it was, by vectors": lambda: collection.at(collection.info()["sequence"]).search(vectors),
        "add of vectors": lambda: collection.add(record, vectors=vectors),
        "upsert of vectors": lambda: collection.upsert(record, vectors=vectors),
        "import": lambda: collection.import_vectors(file, space=collection.space),
    }


def accepted(collection, vectors, tmp_path) -> list[str]:
    """Return which of all uses are not refused as a mismatch."""
    found = []
    for name, use in uses(collection, vectors, tmp_path).items():
        try:
            use()
        except CanaryMismatchError:
            continue
        except VicinalError as error:
            found.append(f"{name}: {error}")
        else:
            found.append(name)
    return found


@pytest.fixture
def model(monkeypatch):
    """A model that has not moved; nothing it gives is kept on disk."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    return Model()


@pytest.fixture
def db(tmp_path, model):
    """A database with two collections of one space."""
    with vicinal.open(tmp_path / "db") as opened:
        opened.keep_history(days=1)
        for name in ("notes", "others"):
            opened.collection(name, model=encoder(model)).add(TEXTS)
        yield opened


def moved_vectors(model):
    """Change the model, and return a vector that it gives from now on, in the space that it says."""
    model.turned = True
    return encoder(model).encode_documents(["aei"])


def test_a_mismatch_at_opening_refuses_vectors_made_elsewhere(db, model, tmp_path):
    """No check was asked for: what the first question found holds for ready vectors, of this handle and of a new one."""
    vectors = moved_vectors(model)
    notes = db.collection("notes", model=encoder(model))
    with pytest.raises(CanaryMismatchError):
        notes.search("aei")
    assert accepted(notes, vectors, tmp_path) == []
    assert accepted(db.collection("notes", model=encoder(model)), vectors, tmp_path) == []
    assert sorted(notes.ids()) == sorted(one["id"] for one in TEXTS)


def test_a_check_is_seen_by_all_who_had_proven_their_encoder(db, model, tmp_path):
    """Another handle, another collection of the space, and another opening of the database, each of which answered before."""
    with vicinal.open(tmp_path / "db") as again:
        others = [
            db.collection("notes", model=encoder(model)),
            db.collection("others", model=encoder(model)),
            again.collection("notes", model=encoder(model)),
        ]
        assert all(len(one.search("aei")) for one in others)
        vectors = moved_vectors(model)
        assert not db.collection("notes", model=encoder(model)).check_canary().same
        for one in others:
            assert accepted(one, vectors, tmp_path) == []
            assert len(one.search("aei", mode="lexical")), "words are compared without any vector"
            assert len(one) == len(TEXTS)


def test_a_projection_moves_with_its_model(db, model):
    """Another space, the same weights: whoever answered in it proves its encoder again."""
    short = db.collection("notes", model=encoder(model)).project("short", dim=3)
    assert len(short.search("aei"))
    model.turned = True
    assert not db.collection("notes", model=encoder(model)).check_canary().same
    with pytest.raises(CanaryMismatchError):
        short.search("aei")


def test_a_check_of_another_process_is_seen(db, tmp_path):
    """The mark is in the database, not in the memory of who wrote it."""
    notes = db.collection("notes", model=encoder(Model()))
    assert len(notes.search("aei"))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"""
import sys, vicinal
turned = lambda texts: [([1 + text.count(letter) for letter in "aeiou"] + [len(text) / 10])[::-1] for text in texts]
with vicinal.open({str(tmp_path / "db")!r}) as db:
    model = vicinal.FunctionEncoder(turned, name="letters", version="1", dim=6)
    sys.exit(db.collection("notes", model=model).check_canary().same)
""",
        ],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(notes.search("aei")), "this process's own model is proven again, and is the same"
    without = db.collection("notes")
    with pytest.raises(ModelNotFoundError):
        without.search("aei")
    with pytest.raises(CanaryMismatchError, match="vicinal canary check"):
        without.search(notes.encoder.encode_queries(["aei"]))
    assert notes.check_canary().same
    assert len(without.search(notes.encoder.encode_queries(["aei"])))


def test_a_model_that_came_back_is_proven_and_taken(db, model):
    """A mark is a reason to look again, not a lock; where the encoder is at hand, ready vectors need no check either."""
    notes = db.collection("notes", model=encoder(model))
    assert len(notes.search("aei"))
    model.turned = True
    assert not db.collection("others", model=encoder(model)).check_canary().same
    model.turned = False
    vectors = encoder(model).encode_documents(["aei"])
    assert len(notes.search(vectors))
    assert notes.add([{"id": "new", "text": "aei"}], vectors=vectors) == 1


def test_for_reading_the_handle_itself_remembers(tmp_path, db, model):
    """Nothing can be marked; what this handle found it keeps to."""
    with vicinal.open(tmp_path / "db", read_only=True) as reading:
        notes = reading.collection("notes", model=encoder(model))
        assert len(notes.search("aei"))
        vectors = moved_vectors(model)
        assert not notes.check_canary().same
        for query in ("aei", vectors):
            with pytest.raises(CanaryMismatchError):
                notes.search(query)
    with db._store.snapshot() as snapshot:
        assert mismatch.of(snapshot, db.collection("notes").space) is None


def test_an_encoder_that_gives_no_numbers_has_moved(db):
    """NaN is below no threshold; it is not above it either."""

    class Broken:
        """An encoder of somebody else's, which checks nothing."""

        def __init__(self):
            self.sound, self.is_broken = encoder(Model()), False

        def __getattr__(self, name):
            return getattr(self.sound, name)

        def encode_documents(self, texts, *, progress=None):
            found = self.sound.encode_documents(texts)
            return np.full((len(texts), 6), np.nan, np.float32) if self.is_broken else found

        encode_queries = encode_documents

    broken = Broken()
    notes = db.collection("notes", model=broken)
    assert len(notes.search("aei"))
    broken.is_broken = True
    found = notes.check_canary()
    assert (found.same, found.moved, found.worst) == (False, found.probes, -1)


def test_a_damaged_mark_is_named(db, model):
    """It is never taken for none."""
    notes = db.collection("notes", model=encoder(model))
    with db._store.write() as transaction:
        transaction.put_setting(mismatch.setting_of(notes.space), "{")
    with pytest.raises(CorruptStoreError, match="mark"):
        notes.search("aei")
