"""Qwen3: a token sees those before it, heads share keys and values, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from family_worlds import config_of, random_weights
from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models import families
from vicinal.models._onnxruntime import Session
from vicinal.models.families import decoder, plain
from vicinal.models.safetensors import read_header

TOLERANCE = 5e-5


def _built(folder, config):
    """Return a session, its description and its weights."""
    weights = random_weights("qwen3", config)
    write_safetensors(folder / "w", weights)
    tensors = read_header(folder / "w")
    network = families.describe(config, tensors)
    return Session(decoder.write(network, tensors, "w"), folder), network, weights


def test_a_token_sees_itself_and_those_before_it(tmp_path):
    """A text that goes on leaves the vectors of its beginning as they were; the last depends on the first."""
    session, network, _ = _built(tmp_path, config_of("qwen3"))
    ids = np.random.default_rng(6).integers(0, network.vocabulary, (1, 24))
    whole = session.run(ids, np.ones_like(ids))
    for length in (1, 7, 23):
        assert np.abs(session.run(ids[:, :length], np.ones((1, length), np.int64)) - whole[:, :length]).max() < 1e-5
    ids[0, 0] += 1
    assert np.abs(session.run(ids, np.ones_like(ids))[0, -1] - whole[0, -1]).max() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"num_key_value_heads": 1},
        {"num_key_value_heads": 4},
        {"head_dim": 6},
        {"head_dim": None},
        {"attention_bias": True},
        {"rope_theta": 100},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        {"hidden_act": "gelu"},
    ],
)
def test_each_option_is_built(tmp_path, changes):
    """Heads that share, heads of their own size, biases, bases: the graph is the plain twin."""
    session, network, weights = _built(tmp_path, config_of("qwen3", **changes))
    ids = np.random.default_rng(7).integers(0, network.vocabulary, (3, 24))
    mask = (np.arange(24) < np.array([[24], [7], [1]])).astype(np.int64)
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


def test_the_base_is_read_in_either_place():
    """``rope_parameters`` goes before ``rope_theta``, and without either it is 10,000."""
    config = config_of("qwen3")
    assert decoder.read(config, {}).theta == 1_000_000.0
    assert decoder.read(config | {"rope_parameters": {"rope_theta": 5000}}, {}).theta == 5000.0
    del config["rope_theta"]
    assert decoder.read(config, {}).theta == 10_000.0


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_type"),
        ({"head_dim": 7}, "head_dim"),
        ({"rms_norm_eps": 1}, "rms_norm_eps"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes, name):
    """The message and ``where`` name the setting."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(config_of("qwen3", **changes), {})
    assert caught.value.where == name
