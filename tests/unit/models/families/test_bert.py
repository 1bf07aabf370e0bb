"""BERT and its kin: sizes and activations, where positions begin, distances in buckets, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from family_worlds import config_of
from family_worlds import random_weights as family_weights
from model_worlds import CONFIG, network_of, random_weights, write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models import families
from vicinal.models._onnxruntime import Session
from vicinal.models.families import bert, plain
from vicinal.models.safetensors import read_header

TOLERANCE = 1e-5
"""The graph sums in float32, the twin in float64; values are of the order of 1."""


def _session(folder, config, *, seed=0, prefix="", dtype=np.float32):
    weights = {name: array.astype(dtype) for name, array in random_weights(config, seed=seed, prefix=prefix).items()}
    write_safetensors(folder / "model.safetensors", weights)
    tensors = read_header(folder / "model.safetensors")
    network = families.describe(config, tensors)
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
        ({"model_type": "gpt2"}, "model_type"),
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
        ({"hidden_act": "gelu_fast"}, "hidden_act"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps"),
        ({"layer_norm_eps": "tiny"}, "layer_norm_eps"),
    ],
)
def test_settings_of_another_network_are_refused_by_name(changes, name):
    """The message and ``where`` name the setting."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(CONFIG | changes, {})
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
        families.describe(CONFIG, read_header(tmp_path / "w"))
    assert caught.value.expected == (16, 32)
    assert caught.value.got == (None if change == "missing" else (32, 16))


@pytest.mark.parametrize(
    ("family", "changes", "name"),
    [
        ("roberta", {"pad_token_id": -1}, "pad_token_id"),
        ("roberta", {"pad_token_id": "1"}, "pad_token_id"),
        ("roberta", {"max_position_embeddings": 2}, "max_position_embeddings"),
        ("distilbert", {"n_heads": 3}, "n_heads"),
        ("distilbert", {"activation": "silu"}, "activation"),
        ("mpnet", {"relative_attention_num_buckets": 16}, "relative_attention_num_buckets"),
        ("mpnet", {"max_position_embeddings": 2}, "max_position_embeddings"),
    ],
)
def test_settings_of_the_kin_are_refused_by_name(family, changes, name):
    """Each kind is asked by its own names of settings."""
    with pytest.raises(ModelLoadError, match=name) as caught:
        families.describe(config_of(family, **changes), {})
    assert caught.value.where == name


def _kin(folder, family, **changes):
    """Return session, network and weights of a small model of the kin."""
    config = config_of(family, **changes)
    weights = family_weights(family, config)
    write_safetensors(folder / "w", weights)
    tensors = read_header(folder / "w")
    network = families.describe(config, tensors)
    return Session(bert.write(network, tensors, "w"), folder), network, weights


@pytest.mark.parametrize(("family", "padding"), [("roberta", 1), ("roberta", 4), ("mpnet", 1)])
def test_a_padding_token_inside_a_text_is_not_counted(tmp_path, family, padding):
    """Positions count from behind the padding's id over the tokens that are not padding, as the paper's code does.

    With padding 1 the ids 7 1 8 9 stand at the rows 2, 1, 3, 4 of the table of positions; row 5 is not used.
    """
    changes = {} if family == "mpnet" else {"pad_token_id": padding, "max_position_embeddings": 24 + padding + 1}
    session, network, weights = _kin(tmp_path, family, **changes)
    assert (network.first, network.positions) == (padding + 1, 24)
    ids, mask = np.array([[7, padding, 8, 9]]), np.ones((1, 4), np.int64)
    got = session.run(ids, mask)
    assert np.abs(got - plain.tokens(network, weights, ids, mask)).max() < TOLERANCE
    table = "embeddings.position_embeddings.weight"
    for row, is_used in enumerate([True, True, True, True, False], padding):
        changed = weights[table].copy()
        changed[row] += np.arange(16)
        assert (np.abs(got - plain.tokens(network, weights | {table: changed}, ids, mask)).max() > 1e-2) == is_used


def test_mpnet_counts_its_padding_from_one_whatever_the_settings_say():
    """The padding's id is not read: the network was trained with 1."""
    network = bert.read(config_of("mpnet", pad_token_id=9), {})
    assert (network.first, network.positions) == (2, 24)


def test_distances_fall_into_the_buckets_of_t5():
    """By hand: 8 exact places, then edges at 8 · √2ᵏ, that is 8, 11.3, 16, 22.6, 32, 45.3, 64, 90.5; 16 more for keys after."""
    distances = np.array([0, -1, -7, -8, -11, -12, -15, -16, -22, -23, -32, -45, -46, -64, -90, -91, -128, -9999])
    expected = [0, 1, 7, 8, 8, 9, 9, 10, 10, 11, 12, 12, 13, 14, 14, 15, 15, 15]
    assert bert.buckets_of(distances).tolist() == expected
    assert bert.buckets_of(-distances[1:]).tolist() == [bucket + 16 for bucket in expected[1:]]


def test_buckets_are_those_of_the_formula():
    """Whole numbers and the logarithm of the paper agree over every distance of a long window."""
    distances = np.arange(-2048, 2049)
    assert bert.buckets_of(distances).tolist() == [plain.bucket(int(distance)) for distance in distances]


def test_mpnet_over_all_its_buckets_is_its_plain_twin(tmp_path):
    """A text of 150 tokens reaches the last bucket on either side."""
    session, network, weights = _kin(tmp_path, "mpnet", max_position_embeddings=152, num_hidden_layers=1)
    ids, mask = _batch([150, 20], network.vocabulary)
    assert np.abs(session.run(ids, mask) - plain.tokens(network, weights, ids, mask))[mask == 1].max() < TOLERANCE


def test_weights_under_the_names_of_older_checkpoints_are_found(tmp_path):
    """``gamma`` and ``beta`` are the weight and the bias of a norm."""
    weights = random_weights(CONFIG)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in weights.items()
    }
    write_safetensors(tmp_path / "w", old)
    tensors = read_header(tmp_path / "w")
    network = families.describe(CONFIG, tensors)
    ids, mask = _batch([6], CONFIG["vocab_size"])
    got = Session(bert.write(network, tensors, "w"), tmp_path).run(ids, mask)
    assert np.abs(got - plain.tokens(network, weights, ids, mask)).max() < TOLERANCE


def test_kinds_that_are_the_same_network_have_the_same_architecture():
    """XLM-RoBERTa and CamemBERT are RoBERTa with other words: equal pipelines give equal spaces."""
    lines = {bert.read(config_of("roberta", model_type=kind), {}).architecture for kind in ("roberta", "xlm-roberta", "camembert")}  # fmt: skip
    assert len(lines) == 1


def test_the_architecture_of_bert_is_the_text_that_spaces_were_made_of():
    """A changed line would be another space, and every stored vector would belong to none."""
    assert network_of(CONFIG).architecture == (
        "bert layers=2 hidden=16 heads=4 intermediate=32 positions=24 types=2 "
        "vocabulary=60 activation=gelu epsilon=1e-12"
    )


def test_the_architecture_tells_networks_apart():
    """Each setting that changes a number changes the line; the prefix of the names does not."""
    lines = {network_of(CONFIG | changes).architecture for changes in SIZES[:-1]}
    assert len(lines) == len(SIZES) - 1
    assert network_of(CONFIG, "bert.").architecture == network_of(CONFIG).architecture
