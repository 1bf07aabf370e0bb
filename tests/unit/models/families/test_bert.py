"""The graph of BERT against its plain twin, and the settings that it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from model_worlds import CONFIG, network_of, random_weights, write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models._onnxruntime import Session
from vicinal.models.families import bert, plain
from vicinal.models.safetensors import read_header

TOLERANCE = 1e-5
"""The graph sums in float32, the twin in float64; values are of the order of 1."""


def _session(folder, config, *, seed=0, prefix="", dtype=np.float32):
    weights = {name: array.astype(dtype) for name, array in random_weights(config, seed=seed, prefix=prefix).items()}
    write_safetensors(folder / "model.safetensors", weights)
    tensors = read_header(folder / "model.safetensors")
    network = bert.describe(config, tensors)
    plain_weights = {name: array.astype(np.float32) for name, array in weights.items()}
    return Session(bert.write(network, tensors, "model.safetensors"), folder), network, plain_weights


def _batch(lengths, vocabulary, seed=1):
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, vocabulary, (len(lengths), max(lengths)))
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    return ids, mask


SIZES = [
    {},
    {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 4},
    {"num_hidden_layers": 3, "hidden_size": 24, "num_attention_heads": 3, "intermediate_size": 96},
    {"type_vocab_size": 1, "vocab_size": 7, "max_position_embeddings": 9},
    {"hidden_act": "relu"},
    {"hidden_act": "gelu_new"},
    {"hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-5},
]


@pytest.mark.parametrize("changes", SIZES)
@pytest.mark.parametrize("lengths", [[1], [9], [2, 9, 5, 1], [3, 3]])
def test_the_graph_gives_what_the_plain_twin_gives(tmp_path, changes, lengths):
    """Every size, activation and padding: the tokens that are there agree to float32's rounding."""
    config = CONFIG | changes
    session, network, weights = _session(tmp_path, config)
    ids, mask = _batch(lengths, config["vocab_size"])
    got, expected = session.run(ids, mask), plain.tokens(network, weights, ids, mask)
    assert got.shape == expected.shape == (*ids.shape, config["hidden_size"])
    assert np.abs(got - expected)[mask == 1].max() < TOLERANCE


def test_half_precision_weights_are_computed_in_float32(tmp_path):
    """A checkpoint in F16 gives what its numbers give in float32."""
    session, network, weights = _session(tmp_path, CONFIG, dtype=np.float16)
    ids, mask = _batch([4, 7], CONFIG["vocab_size"])
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


def test_weights_below_a_head_are_found(tmp_path):
    """A checkpoint that puts ``bert.`` before each name is the same network."""
    session, network, weights = _session(tmp_path, CONFIG, prefix="bert.")
    ids, mask = _batch([5], CONFIG["vocab_size"])
    assert network.prefix == "bert."
    assert network.architecture == network_of(CONFIG).architecture
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask)).max() < TOLERANCE


def test_what_stands_in_the_padding_does_not_matter(tmp_path):
    """Other ids behind the mask change no token before it."""
    session, _, _ = _session(tmp_path, CONFIG)
    ids, mask = _batch([3, 8], CONFIG["vocab_size"])
    other = np.where(mask == 1, ids, 5)
    assert np.array_equal(session.run(ids, mask)[mask == 1], session.run(other, mask)[mask == 1])


def test_the_same_network_is_written_in_the_same_bytes(tmp_path):
    """The graph's digest can be its name."""
    write_safetensors(tmp_path / "w", random_weights(CONFIG))
    tensors = read_header(tmp_path / "w")
    assert bert.write(network_of(CONFIG), tensors, "w") == bert.write(network_of(CONFIG), tensors, "w")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"model_type": "xlm-roberta"}, "model_type"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"is_decoder": True}, "is_decoder"),
        ({"add_cross_attention": True}, "add_cross_attention"),
        ({"quantization_config": {"bits": 8}}, "quantization_config"),
        ({"hidden_act": "silu"}, "hidden_act"),
        ({"hidden_act": ["gelu"]}, "hidden_act"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"num_hidden_layers": 2**40}, "num_hidden_layers"),
        ({"hidden_size": True}, "hidden_size"),
        ({"vocab_size": "30522"}, "vocab_size"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps"),
        ({"layer_norm_eps": "tiny"}, "layer_norm_eps"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes, name):
    """The message and ``where`` name the setting."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        bert.describe(CONFIG | changes, {})
    assert caught.value.where == name


@pytest.mark.parametrize("change", ["missing", "reshaped"])
def test_weights_that_do_not_fit_are_refused_by_name(tmp_path, change):
    """A weight that is missing or of another shape is named, with both shapes."""
    weights = random_weights(CONFIG)
    name = "encoder.layer.1.output.dense.weight"
    if change == "missing":
        del weights[name]
    else:
        weights[name] = weights[name].T.copy()
    write_safetensors(tmp_path / "w", weights)
    with pytest.raises(ModelLoadError, match=name) as caught:
        bert.describe(CONFIG, read_header(tmp_path / "w"))
    assert caught.value.expected == (16, 32)
    assert caught.value.got == (None if change == "missing" else (32, 16))


def test_the_architecture_tells_networks_apart():
    """Each setting that changes a number changes the line; the prefix of the names does not."""
    lines = {network_of(CONFIG | changes).architecture for changes in SIZES[:-1]}
    assert len(lines) == len(SIZES) - 1
    assert network_of(CONFIG, "bert.").architecture == network_of(CONFIG).architecture
