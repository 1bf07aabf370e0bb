"""A network from verified files: its graph is kept, checked and rewritten, and its errors have names."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from model_worlds import CONFIG, network_of, pin_for, random_weights, write_model
from vicinal.errors import DtypeError, EncodeError, ModelLoadError, RangeError, ReadOnlyError
from vicinal.models import network as module
from vicinal.models.families import plain
from vicinal.models.network import Network
from vicinal.models.sources import Found

IDS = np.array([[2, 30, 3], [2, 31, 0]])
MASK = np.array([[1, 1, 1], [1, 1, 0]])


@pytest.fixture
def found(model, pin):
    """Return the small model as found in the cache."""
    return Found(pin=pin, folder=model, source="cache")


def _graphs(folder):
    return sorted(folder.glob("*.onnx"))


def test_a_network_gives_the_token_vectors_of_its_weights(found):
    """Float32 (B, T, D), equal to the plain twin's to float32's rounding."""
    network = Network(found, threads=1)
    got = network(IDS, MASK)
    expected = plain.tokens(network_of(CONFIG), random_weights(CONFIG), IDS, MASK)
    assert got.dtype == np.float32
    assert got.shape == (2, 3, network.dim) == (2, 3, 16)
    assert np.abs(got - expected)[MASK == 1].max() < 1e-5


def test_threads_change_no_vector(found):
    """One thread and two give the same numbers to 1e-6."""
    assert np.abs(Network(found, threads=1)(IDS, MASK) - Network(found, threads=2)(IDS, MASK)).max() < 1e-6


def test_the_graph_is_kept_beside_the_model_and_used_again(found, model, monkeypatch):
    """The second load writes nothing; the graph is small, because the weights are not in it."""
    Network(found, threads=1)
    (kept,) = _graphs(model)
    assert kept.stat().st_size < 20_000
    monkeypatch.setattr(module.families, "write", lambda *_: pytest.fail("the graph was written again"))
    Network(found, threads=1)
    assert _graphs(model) == [kept]


@pytest.mark.parametrize("damage", [b"", b"\x00", None])
def test_a_damaged_graph_is_noticed_and_rewritten(found, model, damage):
    """A graph whose content is not that of its name is never given to the runtime."""
    expected = Network(found, threads=1)(IDS, MASK)
    (kept,) = _graphs(model)
    content = kept.read_bytes()
    kept.write_bytes(content[:-1] + b"\xff" if damage is None else damage)
    assert np.array_equal(Network(found, threads=1)(IDS, MASK), expected)
    assert [path.read_bytes() for path in _graphs(model)] == [content]


def test_a_graph_goes_into_the_cache_where_the_folder_is_read_only(found, model, cache, monkeypatch):
    """Nothing is left beside a model whose folder cannot be written, and the cached graph is used again."""
    write = module.write_atomically

    def refuse(path, content):
        if path.is_relative_to(model):
            raise ReadOnlyError("read only")
        write(path, content)

    monkeypatch.setattr(module, "write_atomically", refuse)
    Network(found, threads=1)
    assert not _graphs(model)
    assert len(_graphs(cache / "graphs")) == 1
    monkeypatch.setattr(module.families, "write", lambda *_: pytest.fail("the graph was written again"))
    Network(found, threads=1)


def test_a_folder_of_links_is_a_model_too(found, model, pin, tmp_path):
    """The hub's own cache holds links into another folder, under names that are digests."""
    expected = Network(found, threads=1)(IDS, MASK)
    snapshot, blobs = tmp_path / "snapshots" / "a", tmp_path / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    for name, digest in pin.files.items():
        (blobs / digest).write_bytes((model / name).read_bytes())
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    linked = Found(pin=pin, folder=snapshot, source="folder")
    assert np.array_equal(Network(linked, threads=1)(IDS, MASK), expected)


def test_a_graph_that_came_with_a_folder_is_never_run(found, model, pin, cache):
    """Its name tells its own content only: another network under the model's name would have the model's space."""
    expected = Network(found, threads=1)(IDS, MASK)
    (kept,) = _graphs(model)
    planted = kept.read_bytes().replace(b"Add", b"Sub", 1)
    stem = kept.name.rpartition("-")[0]
    (model / f"{stem}-{hashlib.sha256(planted).hexdigest()[:32]}.onnx").write_bytes(planted)
    kept.unlink()
    foreign = Found(pin=pin, folder=model, source="folder")
    assert np.array_equal(Network(foreign, threads=1)(IDS, MASK), expected)
    assert len(_graphs(cache / "graphs")) == 1


def test_an_installed_wheel_is_not_written_to(found, model, pin, cache):
    """What a package manager installed stays as it is."""
    Network(Found(pin=pin, folder=model, source="installed"), threads=1)
    assert not _graphs(model)
    assert len(_graphs(cache / "graphs")) == 1


def test_without_a_place_for_the_graph_the_network_runs_all_the_same(found, monkeypatch):
    """Keeping it saves time and nothing else."""

    def refuse(path, content):
        raise ReadOnlyError("read only")

    monkeypatch.setattr(module, "write_atomically", refuse)
    assert Network(found, threads=1)(IDS, MASK).shape == (2, 3, 16)


def test_models_in_one_folder_after_another_do_not_share_a_graph(model, tmp_path):
    """A graph is kept under what it was written of: other settings, another graph."""
    first = Network(Found(pin=pin_for(model), folder=model, source="cache"), threads=1)(IDS, MASK)
    write_model(model, hidden_act="relu")
    second = Network(Found(pin=pin_for(model), folder=model, source="cache"), threads=1)(IDS, MASK)
    assert np.abs(first - second).max() > 1e-3
    assert len(_graphs(model)) == 2


def test_a_batch_beyond_the_positions_is_refused(found):
    """The network tells 24 places apart; the 25th has no vector."""
    assert Network(found, threads=1)(np.ones((1, 24), np.int64), np.ones((1, 24), np.int64)).shape == (1, 24, 16)
    with pytest.raises(EncodeError, match="25 tokens is longer than the network's 24"):
        Network(found, threads=1)(np.ones((1, 25), np.int64), np.ones((1, 25), np.int64))


def test_an_unknown_id_is_an_error_with_a_name(found):
    """What the runtime refuses is an EncodeError."""
    with pytest.raises(EncodeError, match="onnxruntime failed"):
        Network(found, threads=1)(np.array([[10_000]]), np.ones((1, 1), np.int64))


@pytest.mark.parametrize(
    ("threads", "kind"), [(0, RangeError), (-1, RangeError), (10**6, RangeError), (1.5, DtypeError)]
)
def test_threads_out_of_range_are_refused(found, threads, kind):
    """A number of threads is a whole number of at least 1."""
    with pytest.raises(kind, match="threads"):
        Network(found, threads=threads)


def test_a_window_beyond_the_positions_is_refused_at_load(model):
    """Settings that contradict each other are found before the first text."""
    with pytest.raises(ModelLoadError, match="24 positions"):
        Network(Found(pin=pin_for(model, max_tokens=25), folder=model, source="folder"), threads=1)


def test_settings_of_another_model_are_refused(model, pin):
    """Weights that do not fit the settings are named."""
    (model / "config.json").write_text(json.dumps(CONFIG | {"hidden_size": 32}))
    with pytest.raises(ModelLoadError, match="must have the shape"):
        Network(Found(pin=pin, folder=model, source="folder"), threads=1)
