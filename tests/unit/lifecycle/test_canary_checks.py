"""A canary that is checked while a process lives: kept, told, and refused from then on; a provider's model included."""

from __future__ import annotations

import pytest

import vicinal
from provider_worlds import FakeOpenAI
from vicinal.errors import CanaryMismatchError, CorruptStoreError, ModelNotFoundError
from vicinal.lifecycle import canary, history
from vicinal.testing import ToyEncoder


@pytest.fixture
def server():
    """A provider on this machine."""
    with FakeOpenAI() as running:
        yield running


def test_a_sound_encoder_is_the_same(tmp_path):
    """Every probe at a cosine of 1, and the check is kept."""
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=ToyEncoder())
        found = notes.check_canary()
        assert (found.same, found.moved, found.probes, found.told) == (True, 0, len(canary.TEXTS), "")
        assert found.worst == pytest.approx(1)
        (kept,) = notes.canary_history()
        assert kept["same"] is True
        assert kept["checked_at"] == found.checked_at


def test_a_provider_that_changed_is_refused_everywhere(tmp_path, server, monkeypatch):
    """Another model behind the name: reads, writes and new collections are refused, and the message names the way out."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=server.name)
        notes.add([{"id": "a", "text": "A small cat."}])
        assert notes.check_canary().same
        server.seed = 1
        assert notes.search("cat").items, "what was proven at opening is trusted until somebody checks"
        found = notes.check_canary()
        assert not found.same
        assert found.worst < 0.999
        for use in (
            lambda: notes.search("cat"),
            lambda: notes.add([{"id": "b", "text": "More."}]),
            lambda: notes.upsert([{"id": "a", "text": "More."}]),
        ):
            with pytest.raises(CanaryMismatchError, match=r"Bring the former model or runtime back.*vicinal migrate"):
                use()
        ready = vicinal.load(server.name).encode_documents(["More."])
        with pytest.raises(CanaryMismatchError, match="vicinal canary check"):
            notes.add([{"id": "b", "text": "More."}], vectors=ready)
        assert [one["same"] for one in notes.canary_history()] == [True, False]
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes")
        with pytest.raises(CanaryMismatchError):
            notes.search("cat")
        with pytest.raises(CanaryMismatchError):
            db.collection("more", model=server.name)
        assert list(notes.ids()) == ["a"]


def test_an_encoder_that_comes_back_serves_again(tmp_path, server, monkeypatch):
    """A mismatch is no mark on the collection: the same model as before is welcome."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=server.name)
        notes.add([{"id": "a", "text": "A small cat."}])
        server.seed = 1
        assert not notes.check_canary().same
        server.seed = 0
        assert notes.search("cat")[0].id == "a"
        assert notes.check_canary().same
        assert notes.add([{"id": "b", "text": "More."}], vectors=notes.encoder.encode_documents(["More."])) == 1


def test_the_same_weights_at_another_provider_take_over(tmp_path, server, monkeypatch):
    """Proven by probes and stored texts, it serves the collection by itself, until that is withdrawn."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    with FakeOpenAI(model="same-weights") as other:
        with vicinal.open(tmp_path / "db") as db:
            notes = db.collection("notes", model=server.name)
            notes.add([{"id": "a", "text": "A small cat."}, {"id": "b", "text": "A large dog."}])
            proof = db.assert_same("notes", other.name, serve=True)
            assert (proof.model, proof.texts) == (other.name, 2)
        asked = len(server.seen)
        with vicinal.open(tmp_path / "db") as db:
            notes = db.collection("notes")
            assert notes.model == other.name
            assert notes.search("A small cat.", mode="dense")[0].id == "a"
            notes.add([{"id": "c", "text": "A bird."}])
            assert len(server.seen) == asked, "the former provider is not asked any more"
            db.withdraw_same("notes", other.name)
        with vicinal.open(tmp_path / "db") as db:
            assert db.collection("notes").model == server.name
            assert db.collection("notes").search("A bird.", mode="dense")[0].id == "c"


def test_a_check_without_a_model_says_so(tmp_path):
    """An encoder of one's own must be given again."""
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=ToyEncoder())
        with pytest.raises(ModelNotFoundError):
            db.collection("notes").check_canary()


def test_a_database_for_reading_is_checked_and_keeps_nothing(tmp_path):
    """What is found is told all the same."""
    with vicinal.open(tmp_path / "db") as db:
        db.collection("notes", model=ToyEncoder())
    with vicinal.open(tmp_path / "db", read_only=True) as db:
        notes = db.collection("notes", model=ToyEncoder())
        assert notes.check_canary().same
        assert notes.canary_history() == []


def test_the_history_is_bounded_and_goes_with_the_collection(tmp_path, monkeypatch):
    """The oldest checks go first, and a new collection of the name has none."""
    monkeypatch.setattr(history, "MOST_ENTRIES", 3)
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=ToyEncoder())
        for _ in range(5):
            notes.check_canary()
        assert len(notes.canary_history()) == 3
        db.drop("notes")
        assert db.collection("notes", model=ToyEncoder()).canary_history() == []


def test_a_damaged_history_is_named(tmp_path):
    """It is never taken for an empty one."""
    with vicinal.open(tmp_path / "db") as db:
        notes = db.collection("notes", model=ToyEncoder())
        with db._store.write() as transaction:
            transaction.put_setting(history.setting_of(notes._number, canary.HISTORY), "{")
        with pytest.raises(CorruptStoreError, match="history"):
            notes.canary_history()
