"""A repository that nobody knows is fetched once, pinned by what came, and stays what it was; the hub here is a fake."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from hub_worlds import COMMIT, FakeHub, serve
from model_worlds import write_model
from vicinal import encode, models
from vicinal.errors import ModelLoadError, ModelNotFoundError, PinMismatchError
from vicinal.models import hub, names

REPO = "somebody/small"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a network that may be asked."""
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VICINAL_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return tmp_path / "cache"


@pytest.fixture
def world(tmp_path, monkeypatch, cache):
    """The fake hub with one repository."""
    folder = write_model(tmp_path / "repo", prompts={"query": "ask: ", "document": ""})
    (folder / "README.md").write_text("a page")
    (folder / "notes.py").write_text("raise SystemExit")
    with serve(FakeHub({REPO: folder})) as fake:
        monkeypatch.setenv("HF_ENDPOINT", fake.url)
        yield fake


@pytest.mark.parametrize("name", ["a/b", "BAAI/bge-small-en-v1.5", "intfloat/e5-small@v1", "a/b@refs/pr/3"])
def test_the_form_of_a_repository(name):
    """owner/name, perhaps with a revision."""
    assert hub.is_repo(name)


@pytest.mark.parametrize("name", ["", "minilm", "a/b/c", "../b", "a/..", "a/b@", "/a/b", "a/b@../x", "a b/c", "a/b\n"])
def test_what_is_no_repository(name):
    """Paths and plain names are not asked of the hub."""
    assert not hub.is_repo(name)


def test_a_repository_becomes_a_pin_and_an_encoder(world):
    """Revision, licence, prompts and the digests of what came are pinned; only what loading needs was asked for."""
    encoder = encode.load(REPO)
    pin = names.get(REPO)
    assert (pin.revision, pin.licence, pin.repo, pin.folder) == (COMMIT, "apache-2.0", REPO, "")
    assert pin.query_prompt == "ask: "
    assert np.asarray(encoder.encode_queries(["cat"])).shape == (1, 16)
    assert not any(path.endswith(("README.md", "notes.py")) for path in world.asked)


def test_the_second_load_asks_nothing(world, monkeypatch):
    """The lock and the cache are enough, also without a network."""
    first = encode.load(REPO)
    asked = len(world.asked)
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    assert encode.load(REPO).space == first.space
    assert len(world.asked) == asked


def test_a_repository_that_changed_is_not_what_the_name_means_here(world, cache):
    """After the first fetch the name is its digests: other content from the hub is refused, not taken."""
    encode.load(REPO)
    pin = names.get(REPO)
    (cache / "models" / pin.digest / "model.safetensors").unlink()
    write_model(world.repos[REPO], seed=5, prompts={"query": "ask: ", "document": ""})
    with pytest.raises(PinMismatchError, match=pin.files["model.safetensors"]):
        encode.load(REPO)


def test_a_file_that_is_not_what_the_hub_says_is_refused(world, cache):
    """The SHA-256 that the hub tells beside a large file is compared; nothing is kept of the rest."""
    world.swapped["model.safetensors"] = (world.repos[REPO] / "model.safetensors").read_bytes()[:-4] + b"\1\2\3\4"
    with pytest.raises(PinMismatchError, match="not what the hub says"):
        encode.load(REPO)
    assert hub.locked(REPO) is None
    assert not list((cache / "models").glob("*"))


def test_a_repository_with_pickles_only_is_refused(world):
    """Before anything large is fetched."""
    (world.repos[REPO] / "model.safetensors").rename(world.repos[REPO] / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="pickled"):
        encode.load(REPO)
    assert not any("resolve" in path for path in world.asked)


def test_an_unknown_repository_is_told(world):
    """With the command, and no lock left."""
    with pytest.raises(ModelNotFoundError, match="vicinal models pull nobody/nothing"):
        names.get("nobody/nothing")


def test_offline_a_new_repository_is_not_asked_for(world, monkeypatch):
    """The message names the setting that forbids it."""
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    with pytest.raises(ModelNotFoundError, match="VICINAL_OFFLINE"):
        names.get(REPO)
    assert not world.asked


def test_what_was_fetched_is_listed(world):
    """Beside the built-in models, with the place of its files."""
    assert REPO not in [one.name for one in models.known()]
    encode.load(REPO)
    (listed,) = [one for one in models.known() if one.name == REPO]
    assert (listed.source, listed.licence, listed.dim) == ("cache", "apache-2.0", 16)


def test_telling_of_a_model_fetches_nothing(world):
    """info and verify of what was never fetched say how to fetch it."""
    with pytest.raises(ModelNotFoundError, match="never fetched"):
        models.info(REPO)
    assert not world.asked


def test_a_damaged_lock_is_no_lock(world, cache):
    """A changed digest in it would otherwise be believed."""
    encode.load(REPO)
    (path,) = (cache / "pins").iterdir()
    told = json.loads(path.read_text())
    told["pin"]["files"]["model.safetensors"] = "0" * 64
    path.write_text(json.dumps(told))
    assert hub.locked(REPO) is None
    path.write_text("{")
    assert hub.locked(REPO) is None


def test_what_authors_say_in_words_fills_what_their_files_leave_out(tmp_path, monkeypatch, cache):
    """E5's prompts stand on its page only; a model's own settings win over what is known of its name."""
    folder = write_model(tmp_path / "e5")
    with serve(FakeHub({"intfloat/e5-small-v2": folder})) as fake:
        monkeypatch.setenv("HF_ENDPOINT", fake.url)
        pin = names.get("intfloat/e5-small-v2")
    assert (pin.query_prompt, pin.document_prompt) == ("query: ", "passage: ")


@pytest.mark.parametrize(
    ("repo", "query", "document", "dims"),
    [
        ("intfloat/multilingual-e5-base", "query: ", "passage: ", ()),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", "", ()),
        ("BAAI/bge-m3", "", "", ()),
        ("thenlper/gte-small", "", "", ()),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: ", (64, 128, 256, 512, 768)),
    ],
)
def test_recipes(repo, query, document, dims):
    """Prompts and trained dimensions of the models that people name, as their pages say."""
    recipe = models.recipes.recipe_of(repo)
    assert (recipe.query_prompt, recipe.document_prompt, recipe.matryoshka) == (query, document, dims)


def test_a_lock_holds_every_field_of_a_pin(world):
    """What was pinned is what is loaded again."""
    pin = names.get(REPO)
    again = hub.locked(REPO)
    assert dataclasses.asdict(again) == dataclasses.asdict(pin)
