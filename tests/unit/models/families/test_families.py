"""Every family: its graph against its plain twin, its weights, its settings, and what is refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from family_worlds import FAMILY_NAMES, config_of, from_dtype, in_dtype, random_weights, write_family
from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models import families
from vicinal.models._onnxruntime import Session
from vicinal.models.families import plain
from vicinal.models.layout import pin_of
from vicinal.models.network import Network
from vicinal.models.safetensors import read_header
from vicinal.models.sources import Found

TOLERANCE = 5e-5
"""The graph sums in float32, the twin in float64; values are of the order of 1, and some families normalise last."""
TEXTS = st.lists(st.integers(1, 24), min_size=1, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def build(folder, family, *, dtype="float32", prefix="", **changes):
    """Return a session, its description, and the weights as float32, of a small model with some settings changed."""
    config = config_of(family, **changes)
    stored = {name: in_dtype(array, dtype) for name, array in random_weights(family, config, prefix=prefix).items()}
    write_safetensors(folder / "w.bin", stored)
    tensors = read_header(folder / "w.bin")
    network = families.describe(config, tensors)
    session = Session(families.write(network, tensors, "w.bin"), folder)
    return session, network, {name: from_dtype(array) for name, array in stored.items()}


def batch_of(lengths, vocabulary, *, seed=1):
    """Return ids and mask of texts of some lengths."""
    ids = np.random.default_rng(seed).integers(0, vocabulary, (len(lengths), max(lengths)))
    return ids, (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)


def farthest(session, network, weights, ids, mask):
    """Return how far the graph is from its twin at the tokens that are there."""
    got, expected = session.run(ids, mask), plain.tokens(network, weights, ids, mask)
    assert got.shape == expected.shape == (*ids.shape, network.dim)
    assert np.isfinite(got).all()
    return np.abs(got - expected)[mask == 1].max()


@pytest.fixture(scope="module", params=FAMILY_NAMES)
def built(request, tmp_path_factory):
    """Return a small model of each family."""
    return build(tmp_path_factory.mktemp(request.param), request.param)


@settings(max_examples=25)
@given(lengths=TEXTS, seed=st.integers(0, 2**16))
def test_the_graph_gives_what_the_plain_twin_gives(built, lengths, seed):
    """Any ids and lengths up to the window: the tokens that are there agree, and padding stays finite."""
    _, network, _ = built
    assert farthest(*built, *batch_of(lengths, network.vocabulary, seed=seed)) < TOLERANCE


def test_the_window_is_as_long_as_the_positions(built):
    """A text of 24 tokens has a place for each; the settings of these models all say so in their own way."""
    _, network, _ = built
    assert network.positions == 24
    assert farthest(*built, *batch_of([24], network.vocabulary)) < TOLERANCE


def test_a_vector_does_not_depend_on_its_neighbours(built):
    """A text alone and in a batch of others has the same token vectors, to float32's rounding."""
    session, network, _ = built
    ids, mask = batch_of([3, 24, 9], network.vocabulary)
    together = session.run(ids, mask)
    for row, length in enumerate([3, 24, 9]):
        alone = session.run(ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert np.abs(together[row, :length] - alone[0]).max() < TOLERANCE


def test_what_stands_in_the_padding_does_not_matter(built):
    """Other ids behind the mask change no token before it."""
    session, network, _ = built
    ids, mask = batch_of([3, 8], network.vocabulary)
    other = np.where(mask == 1, ids, 5)
    assert np.array_equal(session.run(ids, mask)[mask == 1], session.run(other, mask)[mask == 1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_half_precision_weights_are_computed_in_float32(tmp_path, family, dtype):
    """A checkpoint in F16 or BF16 gives what its numbers give in float32."""
    session, network, weights = build(tmp_path, family, dtype=dtype)
    assert farthest(session, network, weights, *batch_of([4, 7], network.vocabulary)) < TOLERANCE


PREFIXES = [
    ("bert", "bert."), ("roberta", "roberta."), ("xlm-roberta", "roberta."), ("camembert", "roberta."), ("distilbert", "distilbert."),
    ("mpnet", "mpnet."), ("nomic_bert_newer", "nomic_bert."), ("nomic_bert", "bert."), ("modernbert", "model."), ("qwen3", "model."),
]  # fmt: skip


@pytest.mark.parametrize(("family", "prefix"), PREFIXES)
def test_weights_below_a_head_are_found(tmp_path, family, prefix):
    """A checkpoint that puts the family's name before each of its own is the same network."""
    session, network, weights = build(tmp_path, family, prefix=prefix)
    assert network.prefix == prefix
    assert network.architecture == replace(network, prefix="").architecture
    assert farthest(session, network, weights, *batch_of([5], network.vocabulary)) < TOLERANCE


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_each_weight_changes_a_vector(family):
    """No weight is read and forgotten; only a key's bias may not matter: it adds the same to every score of a query."""
    config = config_of(family)
    weights = random_weights(family, config)
    network = families.FAMILIES[config["model_type"]].read(config, weights)
    ids, mask = batch_of([24, 5], network.vocabulary)
    expected = plain.tokens(network, weights, ids, mask)
    for name, array in weights.items():
        other = plain.tokens(network, weights | {name: array * 1.5 + 0.25}, ids, mask)
        silent = name.endswith((".key.bias", ".k_lin.bias", ".attn.k.bias"))
        assert (np.abs(other - expected)[mask == 1].max() > 1e-6) != silent, name


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, family):
    """Each weight, missing or of another shape, is named with both shapes."""
    config = config_of(family)
    write_safetensors(tmp_path / "w", random_weights(family, config))
    tensors = read_header(tmp_path / "w")
    families.describe(config, tensors)
    for name, tensor in tensors.items():
        others = {other: lies for other, lies in tensors.items() if other != name}
        for changed in (others, others | {name: replace(tensor, shape=(*tensor.shape, 1))}):
            with pytest.raises(ModelLoadError, match="must have the shape"):
                families.describe(config, changed)


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_same_network_is_written_in_the_same_bytes(tmp_path, family):
    """The graph's digest can be its name, and its size does not grow with the weights or the window."""
    config = config_of(family)
    write_safetensors(tmp_path / "w", random_weights(family, config))
    tensors = read_header(tmp_path / "w")
    network = families.describe(config, tensors)
    assert families.write(network, tensors, "w") == families.write(network, tensors, "w")
    assert len(families.write(network, tensors, "w")) < 40_000


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_the_architecture_says_every_field_of_a_description(family):
    """Each field that changes a number changes the line; how weights are called does not."""
    config = config_of(family)
    network = families.FAMILIES[config["model_type"]].read(config, {})
    for field in fields(network):
        value = getattr(network, field.name)
        changed = replace(network, **{field.name: _other(value)})
        names_only = field.name in {"prefix", "published"}
        derived = field.name == "trained"  # without scaling nothing is measured against it
        assert (changed.architecture == network.architecture) == (names_only or derived), field.name
        assert repr(changed) != repr(network)


def _other(value):
    """Return another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return tuple(not one for one in value)
    return {str: "other", type(None): 2.0}.get(type(value)) or value + 1


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_model_of_each_family_becomes_a_network(tmp_path, family):
    """From a folder in the hub's layout: the window is taken, ids give token vectors, the graph is kept."""
    folder = write_family(tmp_path / "model", family, window=20)
    network = Network(Found(pin=pin_of(folder), folder=folder, source="cache"), threads=1)
    assert network(np.ones((2, 20), np.int64), np.ones((2, 20), np.int64)).shape == (2, 20, network.dim)
    assert len(list(folder.glob("*.onnx"))) == 1


@settings(max_examples=60)
@given(family=st.sampled_from(FAMILY_NAMES), data=st.data(), value=JSON)
def test_settings_of_any_form_are_taken_or_refused(family, data, value):
    """Whatever stands in a setting, there is a network or a ModelLoadError, and nothing else."""
    config = config_of(family)
    name = data.draw(st.sampled_from([*config, "rope_parameters", "rope_scaling", "layer_types", "head_dim"]))
    try:
        families.describe(json.loads(json.dumps(config | {name: value})), {})
    except ModelLoadError as error:
        assert error.where is not None


@pytest.mark.parametrize("kind", [None, "gpt2", "t5", ["bert"], {}, 1])
def test_an_unknown_kind_is_refused_with_those_that_are_known(kind):
    """The message has what came and lists what is supported."""
    with pytest.raises(ModelLoadError, match=r"model_type.*camembert.*xlm-roberta") as caught:
        families.describe({"model_type": kind}, {})
    assert caught.value.where == "model_type"
    assert caught.value.got == kind
    assert "trust_remote_code" not in caught.value.message


def test_a_kind_that_brings_its_own_code_is_refused_with_the_reason():
    """Code out of a model is never run; a known kind that names code beside it is built without."""
    with pytest.raises(ModelLoadError, match=r"trust_remote_code.*never run"):
        families.describe({"model_type": "new", "auto_map": {"AutoModel": "modeling.NewModel"}}, {})
    with pytest.raises(ModelLoadError, match="must have the shape"):
        families.describe(config_of("nomic_bert", auto_map={"AutoModel": "modeling.NomicBertModel"}), {})


def test_the_known_kinds_are_those_that_can_be_described():
    """Each name in KNOWN leads to a family, and a small model of each can be written."""
    assert {name.removesuffix("_newer") for name in FAMILY_NAMES} == families.KNOWN
