"""The commands about models and spaces say what Python says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import vicinal
from model_worlds import write_model
from provider_worlds import FakeOpenAI


@pytest.fixture
def run(parsed):
    """Run a command in this process; return (exit status, its JSON or text, standard error)."""
    return parsed


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder with texts and two small models, and a cache of its own."""
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "docs").mkdir()
    for number in range(30):
        (tmp_path / "docs" / f"{number}.txt").write_text(f"cat number {'dog ' * (number % 7)} {'a' * (number % 5)}")
    write_model(tmp_path / "one", window=24)
    write_model(tmp_path / "two", window=24, seed=1, prompts={"query": "a ", "document": ""})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_info_tells_pin_space_and_speed(place, run):
    """What Python tells, with the fields of the space and a speed that was measured."""
    status, said, _ = run("models", "info", "one", "--json")
    assert status == 0
    assert said["space"]["id"] == vicinal.load("one").space.id
    assert said["speed"]["texts_per_s"] > 0
    assert said["files"]["model.safetensors"] == vicinal.models.get("one").files["model.safetensors"]
    status, text, _ = run("models", "info", "one", "--no-speed")
    assert status == 0
    assert "speed" not in text


def test_compare_names_every_field_that_differs(place, run):
    """Weights and a prompt, and how far apart the probes lie."""
    status, said, _ = run("models", "compare", "one", "two", "--json")
    assert status == 0
    assert sorted(said["fields"]) == ["query_prompt", "weights"]
    assert said["same"] is False
    assert min(said["cosines"].values()) < 0.99
    _, said, _ = run("models", "compare", "one", "one", "--json")
    assert said["same"] is True
    assert min(said["cosines"].values()) > 0.999_999
    status, text, _ = run("models", "compare", "one", "two")
    assert status == 0
    assert "two spaces" in text
    assert "query_prompt" in text


def test_runtimes_are_listed_with_reasons(run):
    """The default is always ready; one that is missing says how to get it."""
    status, said, _ = run("models", "runtimes", "--json")
    assert status == 0
    by_name = {one["name"]: one for one in said["runtimes"]}
    assert by_name["onnxruntime"]["available"]
    assert all(one["available"] or one["reason"] for one in said["runtimes"])


@pytest.mark.filterwarnings("always::vicinal.errors.DimensionWarning")
def test_a_collection_keeps_the_settings_of_its_model(place, run):
    """Cut, prompts and all: the next run opens it by name alone, in the same space, and encodes nothing."""
    words = ["index", "docs", "-m", "one", "--dim", "8", "--force", "--query-prompt", "cat ", "--json"]
    status, said, err = run(*words)
    assert (status, said["new"]) == (0, 30)
    assert "DimensionWarning" in err
    status, again, _ = run("index", "docs", "--json")
    assert (status, again["unchanged"], again["space"]) == (0, 30, said["space"])
    with vicinal.open(".vicinal") as db:
        space = db.collection("main").space
    assert (space.dim, space.full_dim, space.query_prompt) == (8, 16, "cat ")


def test_a_cut_that_was_not_trained_for_is_refused(place, run):
    """With what it would cost, and how to do it all the same; nothing is made."""
    status, said, _ = run("index", "docs", "-m", "one", "--dim", "8", "--json")
    assert status != 0
    assert "force" in said["error"]["message"]
    with vicinal.open(".vicinal") as db:
        assert db.collections() == []


def test_project_makes_a_smaller_collection(place, run):
    """The same records, shorter vectors, by the model's name from then on."""
    run("index", "docs", "-m", "one", "--json")
    status, said, _ = run("project", "main", "small", "--dim", "4", "--json")
    assert (status, said["records"], said["space"]["dim"]) == (0, 30, 4)
    status, text, _ = run("project", "main", "turned", "--dim", "16", "--kind", "rotation")
    assert status == 0
    assert "30 records" in text
    with vicinal.open(".vicinal") as db:
        assert [hit.id for hit in db.collection("turned").search("cat")] == [
            hit.id for hit in db.collection("main").search("cat")
        ]


def test_a_second_database_is_filled_from_the_cache(place, run):
    """Equal texts in the same space are encoded once on a machine, whatever the collection."""
    run("index", "docs", "-m", "one", "--json")
    first = vicinal.open(".vicinal").collection("main")
    calls = []
    original = vicinal.encode.TextEncoder.encode_documents

    def counted(self, texts, **rest):
        calls.extend(texts)
        return original(self, texts, **rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vicinal.encode.TextEncoder, "encode_documents", counted)
        status, said, _ = run("index", "docs", "-m", "one", "--db", "other", "--json")
    assert (status, said["new"]) == (0, 30)
    assert (place / "cache/encodings").stat().st_mode & 0o077 == 0
    assert not [text for text in calls if text.startswith("cat number")]
    with vicinal.open("other") as db:
        assert [hit.score for hit in db.collection("main").search("dog")] == [hit.score for hit in first.search("dog")]


def test_a_provider_that_swaps_its_model_is_caught(place, run, monkeypatch):
    """Same name, same dimension, other vectors: the next opening writes and answers nothing."""
    monkeypatch.setenv("VICINAL_ENCODING_CACHE_MB", "0")
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-that-nobody-must-see")
    with FakeOpenAI() as fake:
        status, said, err = run("index", "docs", "-m", fake.name, "--json")
        assert (status, said["new"]) == (0, 30), err
        assert said["usage"]["requests"] == len(fake.seen)
        status, found, _ = run("search", "cat", "--json")
        assert status == 0
        assert found["hits"]
        fake.seed = 1
        status, said, err = run("search", "cat", "--json")
        assert status == 5
        assert said["error"]["code"] == "canary_mismatch"
        (place / "docs/new.txt").write_text("new")
        status, said, _ = run("index", "docs", "--json")
        assert said["error"]["code"] == "canary_mismatch"
        assert "nobody-must-see" not in err
    with vicinal.open(".vicinal") as db:
        assert len(db.collection("main")) == 30


def test_vectors_of_the_facade_are_those_of_the_encoder(place):
    """The cache between them changes no bit."""
    with vicinal.open("db") as db:
        notes = db.collection("notes", model="one")
        cached = np.asarray(notes.encoder.encode_documents(["cat", "dog"]))
        assert np.array_equal(cached, np.asarray(notes.encoder.encode_documents(["cat", "dog"])))
        assert np.abs(cached - np.asarray(vicinal.load("one").encode_documents(["cat", "dog"]))).max() < 1e-6


def test_distill_makes_a_model_that_loads(place, run):
    """From files or from a collection; the report is that of Python, and the model answers."""
    status, said, err = run("distill", "one", "student", "docs", "--dim", "8", "--json")
    assert status == 0, err
    assert (said["dim"], said["complete"]) == (8, True)
    assert said["speedup"] == pytest.approx(said["student_texts_per_s"] / said["teacher_texts_per_s"])
    run("index", "docs", "-m", "one", "--json")
    status, text, err = run("distill", "one", "other", "-c", "main", "--dim", "8")
    assert status == 0, err
    assert "times its teacher's" in text
    status, said, _ = run("index", "docs", "-m", "student", "-c", "static", "--json")
    assert (status, said["new"]) == (0, 30)
    status, said, _ = run("distill", "one", "student", "docs", "--json")
    assert said["error"]["code"] == "already_exists"
