"""What answers under the same name with other vectors is caught before it writes or answers anything."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import vicinal
from model_worlds import write_model
from vicinal.encode.cache import EncodingCache
from vicinal.encode.cache import cached as cached_by
from vicinal.errors import CanaryMismatchError, CorruptStoreError
from vicinal.lifecycle import canary
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder


class Swapped(ToyEncoder):
    """An encoder that says it is the toy encoder and gives other vectors: its components in another order."""

    def encode_queries(self, texts, *, progress=None):
        """Return what the toy encoder would not."""
        return self._shuffled(super().encode_queries(texts, progress=progress))

    def encode_documents(self, texts, *, progress=None):
        """Return what the toy encoder would not."""
        return self._shuffled(super().encode_documents(texts, progress=progress))

    def _shuffled(self, vectors):
        return Vectors(np.asarray(vectors)[:, ::-1], self.space)


class Nudged(ToyEncoder):
    """The toy encoder on another machine: the last bits differ."""

    def encode_documents(self, texts, *, progress=None):
        """Return vectors that are a little off."""
        vectors = np.asarray(super().encode_documents(texts, progress=progress))
        return Vectors(vectors + np.float32(1e-4) * np.cos(np.arange(vectors.size)).reshape(vectors.shape), self.space)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database with a collection of the toy encoder."""
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=ToyEncoder()).add([{"id": "a", "text": "A small cat."}])
    return tmp_path / "db"


def test_there_are_at_least_eight_probes_in_both_roles():
    """Enough that no swap hides, in the roles that are encoded apart."""
    assert len(canary.TEXTS) >= 8
    assert {role for role, _ in canary.TEXTS} == {"query", "document"}
    assert len({text for _, text in canary.TEXTS}) == len(canary.TEXTS)


def test_the_canary_is_stored_at_creation(folder):
    """Each probe with the vector that the encoder gave it, to the last bit."""
    encoder = ToyEncoder()
    with vicinal.open(folder) as db, db._store.snapshot() as snapshot:
        probes = snapshot.canary(encoder.space)
    assert [(probe.role, probe.text) for probe in probes] == list(canary.TEXTS)
    kept = np.stack([probe.vector for probe in probes if probe.role == "document"])
    texts = [text for role, text in canary.TEXTS if role == "document"]
    assert np.array_equal(kept, np.asarray(encoder.encode_documents(texts)))


@pytest.mark.parametrize(
    "use",
    [
        lambda notes: notes.search("cat"),
        lambda notes: notes.add([{"id": "b", "text": "More."}]),
        lambda notes: notes.upsert([{"id": "a", "text": "More."}]),
        lambda notes: notes.sync(Path(__file__)),
    ],
)
def test_a_swapped_model_writes_and_answers_nothing(folder, use):
    """Same name, same dimension, other vectors: the first use is refused, and nothing has changed."""
    with vicinal.open(folder) as db:
        notes = db.collection("notes", model=Swapped())
        with pytest.raises(CanaryMismatchError, match="Nothing was written") as caught:
            use(notes)
        assert caught.value.got < 0.9
        assert list(notes.ids()) == ["a"]
        assert notes.get("a").text == "A small cat."


def test_a_second_collection_is_proven_by_the_canary_of_the_first(folder):
    """A new collection in a space that the database knows must not bring another model into it."""
    with vicinal.open(folder) as db:
        with pytest.raises(CanaryMismatchError):
            db.collection("more", model=Swapped())
        assert db.collections() == ["notes"]
        db.collection("more", model=ToyEncoder())


def test_another_machine_is_no_other_model(folder):
    """Differences of the last bits pass."""
    with vicinal.open(folder) as db:
        assert db.collection("notes", model=Nudged()).search("cat").items


def test_the_canary_is_compared_once_for_each_opening(folder):
    """Not at every query."""
    encoder = ToyEncoder()
    with vicinal.open(folder) as db:
        notes = db.collection("notes", model=encoder)
        notes.search("cat")
        before = encoder.batches
        notes.search("cat")
        assert encoder.batches == before + 1


def test_a_named_model_is_proven_too(tmp_path):
    """A runtime that computes something else shows, though every file is as its pin says."""
    model = str(write_model(tmp_path / "m", window=24))
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=model)
        notes.add([{"id": "a", "text": "cat"}])
        probes = canary.make(notes.encoder)
        moved = [dataclasses.replace(probe, vector=-probe.vector) for probe in probes]
        with db._store.write() as transaction:
            transaction.put_canary(notes.space, moved)
    with vicinal.open(tmp_path / "db") as db, pytest.raises(CanaryMismatchError):
        db.collection("notes").search("cat")


def test_probes_beyond_a_window_that_refuses_are_left_out():
    """A rule that refuses long texts must not refuse its own canary."""
    encoder = ToyEncoder(max_tokens=6, overflow="error")
    probes = canary.make(encoder)
    assert 0 < len(probes) < len(canary.TEXTS)
    canary.verify(probes, encoder, collection="notes")


def test_the_cosine_of_two_unknown_texts_is_one():
    """A text in which the model knew nothing, and still knows nothing, has not moved."""

    class Blind(ToyEncoder):
        """A model that knows nothing."""

        def _encode(self, texts, prompt, progress):
            return Vectors(np.zeros((len(texts), 8), np.float32), self.space)

    blind = Blind()
    assert (canary.cosines(canary.make(blind), blind) == 1).all()
    assert (canary.cosines(canary.make(blind), ToyEncoder()) == 0).all()


def test_a_damaged_canary_is_named(folder):
    """It is a part of the truth like every other row."""
    with sqlite3.connect(folder / "vicinal.sqlite") as connection:
        connection.execute("UPDATE canaries SET text = 'another' WHERE place = 3")
    connection.close()
    for leftover in ("vicinal.seal",):
        (folder / leftover).unlink()
    with pytest.raises(CorruptStoreError, match="canaries"):
        vicinal.open(folder)


def test_a_database_without_a_canary_gets_one(folder):
    """One that was brought up from the first format has none; the first encoder that is loaded for it makes it."""
    with sqlite3.connect(folder / "vicinal.sqlite") as connection:
        connection.execute("DELETE FROM canaries")
    connection.close()
    (folder / "vicinal.seal").unlink()
    with vicinal.open(folder, read_only=True) as db:
        assert db.collection("notes", model=ToyEncoder()).search("cat").items
    with vicinal.open(folder) as db:
        assert (
            db.collection("notes", model=Swapped()).search("cat").items
        )  # nothing to compare with: now it is its canary
    with vicinal.open(folder) as db:
        with pytest.raises(CanaryMismatchError):
            db.collection("notes", model=ToyEncoder()).search("cat")
        db.check()


def test_where_vectors_keep_their_length_it_counts(tmp_path):
    """A thousand times longer is another model, though each probe has the same direction."""

    def made(factor):
        def counted(texts):
            return [[factor * (1 + text.count(letter)) for letter in "aeiou"] for text in texts]

        return vicinal.FunctionEncoder(counted, name="counts", version="1", dim=5, normalized=False)

    probes = canary.make(made(1))
    canary.verify(probes, made(1), collection="notes")
    with pytest.raises(CanaryMismatchError):
        canary.verify(probes, made(1000), collection="notes")


def test_an_encoder_behind_the_cache_is_asked_itself(folder, tmp_path):
    """Vectors out of the cache would prove whatever they were of."""
    with EncodingCache(tmp_path / "cache.sqlite", limit_bytes=1 << 20) as kept:
        cached_by(ToyEncoder(), kept).encode_documents([text for _, text in canary.TEXTS])
        swapped = cached_by(Swapped(), kept)
        with vicinal.open(folder) as db, pytest.raises(CanaryMismatchError):
            db.collection("notes", model=swapped).search("cat")


def test_a_projected_collection_of_ones_own_encoder_opens_with_that_encoder(folder):
    """The projection is in the database, and is put behind the encoder that is given again."""
    with vicinal.open(folder) as db:
        notes = db.collection("notes", model=ToyEncoder())
        notes.project("turned", kind="rotation")
    with vicinal.open(folder) as db:
        assert db.collection("turned", model=ToyEncoder()).search("cat").items
