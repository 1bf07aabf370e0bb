"""Nomic BERT: two layouts that are one network, rotations that depend on a text's own length, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from family_worlds import config_of, random_weights
from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models import families
from vicinal.models._onnxruntime import Session
from vicinal.models.families import nomic, plain
from vicinal.models.safetensors import read_header

TOLERANCE = 5e-5


def _built(folder, config, weights):
    """Return a session and its description."""
    folder.mkdir(exist_ok=True)
    write_safetensors(folder / "w", weights)
    tensors = read_header(folder / "w")
    network = families.describe(config, tensors)
    return Session(nomic.write(network, tensors, "w"), folder), network


def _texts(lengths, vocabulary=60):
    ids = np.random.default_rng(2).integers(0, vocabulary, (len(lengths), max(lengths)))
    return ids, (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)


def _newer_names(weights):
    """Return the weights of a published checkpoint by the newer names."""
    pairs = {
        "emb_ln": "embeddings.LayerNorm", "encoder.layers": "layers", "attn.out_proj": "self_attn.o_proj", "norm1": "post_attention_layernorm",
        "norm2": "post_mlp_layernorm", "mlp.fc11": "mlp.up_proj", "mlp.fc12": "mlp.gate_proj", "mlp.fc2": "mlp.down_proj",
    }  # fmt: skip
    found = {}
    for name, array in weights.items():
        for old, new in pairs.items():
            name = name.replace(old, new)  # noqa: PLW2901 - one name after another
        if "attn.Wqkv" in name:
            for part, letter in zip(np.split(array, 3), "qkv", strict=True):
                found[name.replace("attn.Wqkv", f"self_attn.{letter}_proj")] = np.ascontiguousarray(part)
        else:
            found[name] = array
    return found


def test_both_layouts_are_the_same_network(tmp_path):
    """The same numbers under the published names and the newer ones give the same vectors, under either settings."""
    old = config_of("nomic_bert")
    newer = config_of("nomic_bert_newer", num_attention_heads=2)
    weights = random_weights("nomic_bert", old)
    texts = _texts([24, 5])
    found = []
    for place, config, named in [("a", old, weights), ("b", newer, weights), ("c", newer, _newer_names(weights)), ("d", old, _newer_names(weights))]:  # fmt: skip
        session, network = _built(tmp_path / place, config, named)
        found.append((session.run(*texts)[texts[1] == 1], network.architecture))
    assert len({line for _, line in found}) == 1
    for vectors, _ in found[1:]:
        assert np.abs(vectors - found[0][0]).max() < TOLERANCE


SCALED = {"rotary_scaling_factor": 2.0, "max_trained_positions": 8, "n_positions": 16}


def test_a_longer_text_than_in_training_turns_more_slowly(tmp_path):
    """With scaling 2 over 8 trained places: up to 8 tokens nothing changes, at 16 the plain twin's formula holds."""
    config = config_of("nomic_bert", **SCALED)
    weights = random_weights("nomic_bert", config)
    scaled, network = _built(tmp_path / "scaled", config, weights)
    unscaled, other = _built(tmp_path / "plain", config_of("nomic_bert", n_positions=16), weights)
    assert (network.scaling, network.trained, network.positions) == (2.0, 8, 16)
    assert network.architecture != other.architecture
    short, long = _texts([8, 3]), _texts([16])
    assert np.abs(scaled.run(*short) - unscaled.run(*short))[short[1] == 1].max() < 1e-6
    got = scaled.run(*long)
    assert np.abs(got - plain.tokens(network, weights, *long)).max() < TOLERANCE
    assert np.abs(got - unscaled.run(*long)).max() > 1e-2


def test_the_rotation_depends_on_the_text_and_not_on_the_batch(tmp_path):
    """A short text beside a long one has the vectors that it has alone, where the authors' code would stretch both."""
    config = config_of("nomic_bert", **SCALED)
    session, _ = _built(tmp_path, config, random_weights("nomic_bert", config))
    ids, mask = _texts([16, 4, 12])
    together = session.run(ids, mask)
    for row, length in enumerate([16, 4, 12]):
        alone = session.run(ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert np.abs(together[row, :length] - alone[0]).max() < TOLERANCE


def test_the_newer_settings_scale_too():
    """``dynamic`` rope parameters: the positions are those of training times the factor."""
    rope = {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 2.0}
    network = nomic.read(config_of("nomic_bert_newer", rope_parameters=rope), {})
    assert (network.scaling, network.trained, network.positions) == (2.0, 24, 48)


def test_the_published_inner_size_may_be_rounded_up(tmp_path):
    """The authors' network makes an inner size of 300 into 512, the next multiple of 256; the weights decide."""
    config = config_of("nomic_bert", n_inner=300)
    for size, expected in ((300, 300), (512, 512)):
        weights = random_weights("nomic_bert", config_of("nomic_bert", n_inner=size))
        session, network = _built(tmp_path / str(size), config, weights)
        assert network.intermediate == expected
        assert np.abs(session.run(*_texts([4])) - plain.tokens(network, weights, *_texts([4]))).max() < TOLERANCE


@pytest.mark.parametrize("changes", [{"qkv_proj_bias": True}, {"mlp_fc1_bias": True}, {"mlp_fc2_bias": True}, {"activation_function": "geglu"}, {"type_vocab_size": 0}, {"n_inner": None}])  # fmt: skip
def test_each_option_is_built(tmp_path, changes):
    """Biases, the other gate, no token types, the default inner size: the graph is the plain twin."""
    config = config_of("nomic_bert", **changes)
    weights = random_weights("nomic_bert", config)
    session, network = _built(tmp_path, config, weights)
    ids, mask = _texts([9, 24])
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"prenorm": True}, "prenorm"),
        ({"causal": True}, "causal"),
        ({"use_rms_norm": True}, "use_rms_norm"),
        ({"parallel_block": True}, "parallel_block"),
        ({"rotary_emb_interleaved": True}, "rotary_emb_interleaved"),
        ({"rotary_emb_scale_base": 512}, "rotary_emb_scale_base"),
        ({"rotary_emb_fraction": 0.5}, "rotary_emb_fraction"),
        ({"rotary_emb_fraction": 0.0}, "rotary_emb_fraction"),
        ({"moe_every_n_layers": 2}, "moe_every_n_layers"),
        ({"activation_function": "gelu"}, "activation_function"),
        ({"rotary_scaling_factor": "2"}, "rotary_scaling_factor"),
        ({"n_head": 3}, "n_head"),
        ({"n_head": 16}, "head_dim"),
        ({"qkv_proj_bias": 1}, "qkv_proj_bias"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes, name):
    """Among them the mixture of experts of the second version."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(config_of("nomic_bert", **changes), {})
    assert caught.value.where == name


@pytest.mark.parametrize(
    ("rope", "name"),
    [
        ({"rope_type": "yarn", "rope_theta": 1000.0, "factor": 2.0}, "rope_type"),
        ({"type": "linear", "factor": 2.0}, "rope_type"),
        ({"rope_type": ["default"]}, "rope_type"),
        ({"rope_type": "dynamic"}, "factor"),
        ({"rope_theta": 0.5}, "rope_theta"),
        ({"rope_theta": 1e3, "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ([1000.0], "rope_parameters"),
    ],
)
def test_rotations_of_another_kind_are_refused_by_name(rope, name):
    """A scaling that is not known here would give other vectors without a word."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(config_of("nomic_bert_newer", rope_parameters=rope), {})
    assert caught.value.where == name
