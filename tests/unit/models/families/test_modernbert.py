"""ModernBERT: local and global layers, settings of either age, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from family_worlds import config_of, random_weights
from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models import families
from vicinal.models._onnxruntime import Session
from vicinal.models.families import modernbert, plain
from vicinal.models.safetensors import read_header

TOLERANCE = 5e-5
FULL, LOCAL = "full_attention", "sliding_attention"


def _built(folder, config):
    """Return a session, its description and its weights."""
    weights = random_weights("modernbert", config)
    write_safetensors(folder / "w", weights)
    tensors = read_header(folder / "w")
    network = families.describe(config, tensors)
    return Session(modernbert.write(network, tensors, "w"), folder), network, weights


def _seen_by(session, place, length=20):
    """Return the places whose token changes the vector of one place."""
    ids, mask = np.random.default_rng(3).integers(4, 200, (1, length)), np.ones((1, length), np.int64)
    before = session.run(ids, mask)[0, place]
    seen = []
    for other in range(length):
        changed = ids.copy()
        changed[0, other] = 201
        if np.abs(session.run(changed, mask)[0, place] - before).max() > 1e-6:
            seen.append(other)
    return seen


def test_a_local_layer_sees_half_its_window_on_each_side(tmp_path):
    """A window of 6 is 3 places back and 3 ahead, both edges included; two such layers see twice as far."""
    one = config_of("modernbert", num_hidden_layers=1, layer_types=[LOCAL])
    (tmp_path / "two").mkdir()
    assert _seen_by(_built(tmp_path, one)[0], 9) == list(range(6, 13))
    two = config_of("modernbert", num_hidden_layers=2, layer_types=[LOCAL, LOCAL])
    assert _seen_by(_built(tmp_path / "two", two)[0], 9) == list(range(3, 16))


def test_a_global_layer_sees_everything(tmp_path):
    """The first layer is global where nothing else is said."""
    session, network, _ = _built(tmp_path, config_of("modernbert", num_hidden_layers=1))
    assert network.full == (True,)
    assert _seen_by(session, 9) == list(range(20))


def test_a_local_token_far_from_any_padding_and_text_stays_finite(tmp_path):
    """Padding that sees only padding holds numbers, and changes nothing."""
    session, network, weights = _built(tmp_path, config_of("modernbert", local_attention=2))
    ids = np.random.default_rng(4).integers(4, 200, (2, 24))
    mask = (np.arange(24) < np.array([[2], [24]])).astype(np.int64)
    got = session.run(ids, mask)
    assert np.isfinite(got).all()
    assert np.abs(got - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


def test_settings_of_either_age_are_the_same_network():
    """Published files say every how many layers and two thetas; newer ones list the layers and nest the thetas."""
    old = config_of("modernbert")
    newer = {name: value for name, value in old.items() if "rope_theta" not in name and "global" not in name} | {
        "layer_types": [FULL, LOCAL, LOCAL, FULL],
        "rope_parameters": {
            FULL: {"rope_type": "default", "rope_theta": 160000.0},
            LOCAL: {"rope_type": "default", "rope_theta": 10000},
        },
    }
    assert modernbert.read(old, {}) == modernbert.read(newer, {})


def test_what_is_left_out_is_as_in_the_paper():
    """Every third layer global, a window of 128, thetas of 160,000 and 10,000, no biases, epsilon 1e-5."""
    sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings", "vocab_size")  # fmt: skip
    told = config_of("modernbert")
    network = modernbert.read({name: told[name] for name in sizes}, {})
    assert (network.full, network.reach) == ((True, False, False, True), 64)
    assert (network.full_theta, network.local_theta, network.epsilon) == (160_000.0, 10_000.0, 1e-5)
    assert (network.norm_bias, network.attention_bias, network.inner_bias) == (False, False, False)


def test_a_local_theta_that_is_null_is_the_global_one():
    """As the first libraries read it; and an epsilon under its other name is one."""
    told = config_of("modernbert", local_rope_theta=None, global_rope_theta=80000.0)
    network = modernbert.read({**told, "layer_norm_eps": 1e-4}, {})
    assert (network.full_theta, network.local_theta, network.epsilon) == (80_000.0, 80_000.0, 1e-5)
    del told["norm_eps"]
    assert modernbert.read({**told, "layer_norm_eps": 1e-4}, {}).epsilon == 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"norm_bias": True},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"hidden_activation": "silu"},
        {"hidden_activation": "gelu_pytorch_tanh"},
        {"global_attn_every_n_layers": 1},
        {"local_attention": 1},
    ],
)
def test_each_option_is_built(tmp_path, changes):
    """The graph is the plain twin."""
    session, network, weights = _built(tmp_path, config_of("modernbert", **changes))
    ids = np.random.default_rng(5).integers(0, network.vocabulary, (2, 24))
    mask = (np.arange(24) < np.array([[24], [7]])).astype(np.int64)
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"layer_types": [FULL]}, "layer_types"),
        ({"layer_types": [FULL, LOCAL, LOCAL, "chunked"]}, "layer_types"),
        ({"layer_types": "full_attention"}, "layer_types"),
        ({"global_attn_every_n_layers": 0}, "global_attn_every_n_layers"),
        ({"local_attention": 0}, "local_attention"),
        ({"local_attention": -1}, "local_attention"),
        ({"global_rope_theta": "big"}, "global_rope_theta"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_type"),
        ({"hidden_activation": "mish"}, "hidden_activation"),
        ({"num_attention_heads": 16}, "head_dim"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"norm_bias": None}, "norm_bias"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes, name):
    """The message and ``where`` name the setting."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(config_of("modernbert", **changes), {})
    assert caught.value.where == name
