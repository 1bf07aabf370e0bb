"""The modules behind the pooling, worked by hand, and refused where they do not fit."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from model_worlds import write_model, write_safetensors
from vicinal import encode
from vicinal.encode.heads import ACTIVATIONS, Dense, LayerNorm, load_heads
from vicinal.errors import ModelLoadError

X = np.float32([[1, 2], [-3, 0.5]])


def write_dense(folder, weight, bias=None, activation="torch.nn.modules.activation.Tanh"):
    """Write a Dense module in the hub's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    out, into = weight.shape
    told = {"in_features": into, "out_features": out, "bias": bias is not None, "activation_function": activation}
    (folder / "config.json").write_text(json.dumps(told))
    arrays = {"linear.weight": weight} | ({} if bias is None else {"linear.bias": bias})
    write_safetensors(folder / "model.safetensors", arrays)


def test_dense_is_a_product_a_sum_and_an_activation():
    """tanh(x W' + b), by hand for two components."""
    head = Dense(weight=np.float32([[1, 0], [1, 1], [0, -2]]), bias=np.float32([0, 1, 0]), activation="Tanh")
    expected = [[math.tanh(1), math.tanh(4), math.tanh(-4)], [math.tanh(-3), math.tanh(-1.5), math.tanh(-1)]]
    assert np.abs(head(X) - expected).max() < 1e-6
    assert head.architecture == "dense in=2 out=3 activation=tanh"


def test_layer_norm_centres_and_scales_each_vector():
    """(1, 2) has the mean 1.5 and the variance 0.25."""
    head = LayerNorm(weight=np.float32([2, 1]), bias=np.float32([0, 10]))
    spread = math.sqrt(0.25 + 1e-5)
    assert np.abs(head(X[:1]) - [[2 * -0.5 / spread, 10 + 0.5 / spread]]).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("Identity", lambda x: x),
        ("Tanh", math.tanh),
        ("ReLU", lambda x: max(x, 0)),
        ("GELU", lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2)))),
        ("Sigmoid", lambda x: 1 / (1 + math.exp(-x))),
        ("SiLU", lambda x: x / (1 + math.exp(-x))),
    ],
)
def test_each_activation_is_its_formula(name, formula):
    """And stays finite and silent far out."""
    got = ACTIVATIONS[name](X)
    assert np.abs(got - [[formula(float(x)) for x in row] for row in X]).max() < 1e-6
    assert np.isfinite(ACTIVATIONS[name](np.float32([[1e4, -1e4]]))).all()


def test_heads_are_loaded_in_order_and_must_fit(tmp_path):
    """D goes from module to module; one that does not take what the one before gives is refused by its shape."""
    write_dense(tmp_path / "2_Dense", np.ones((3, 2), np.float32), np.zeros(3, np.float32))
    (tmp_path / "3_LayerNorm").mkdir()
    norm = {"norm.weight": np.ones(3, np.float32), "norm.bias": np.zeros(3, np.float32)}
    write_safetensors(tmp_path / "3_LayerNorm/model.safetensors", norm)
    heads = load_heads(tmp_path, ["dense:2_Dense", "layer_norm:3_LayerNorm"], 2)
    assert [head.dim for head in heads] == [3, 3]
    with pytest.raises(ModelLoadError, match=r"linear.weight.*shape \(3, 5\), got \(3, 2\)"):
        load_heads(tmp_path, ["dense:2_Dense"], 5)


def test_half_precision_weights_are_taken_exactly(tmp_path):
    """F16 and BF16 become the float32 that they stand for."""
    write_dense(tmp_path / "d", np.float16([[0.5, -1.25]]), np.uint16([0x3F80]), "torch.nn.modules.linear.Identity")
    (head,) = load_heads(tmp_path, ["dense:d"], 2)
    assert head(np.float32([[2, 4]])).tolist() == [[0.5 * 2 - 1.25 * 4 + 1]]


@pytest.mark.parametrize("activation", ["os.system", "torch.nn.modules.activation.Softplus", None, 3])
def test_an_unknown_activation_is_refused_and_never_looked_up(tmp_path, activation):
    """A name in the settings is compared with a list, not imported."""
    write_dense(tmp_path / "d", np.ones((1, 2), np.float32), activation=activation)
    with pytest.raises(ModelLoadError, match="supported are Identity, Tanh"):
        load_heads(tmp_path, ["dense:d"], 2)


def test_the_vectors_of_a_model_with_heads_go_through_them(tmp_path):
    """Mean, dense, unit length: the same as the plain model's means, taken by hand through the product."""
    plain = encode.load(str(write_model(tmp_path / "plain")))
    folder = write_model(tmp_path / "m")
    weight = np.random.default_rng(1).standard_normal((5, 16)).astype(np.float32)
    write_dense(folder / "2_Dense", weight, activation="torch.nn.modules.linear.Identity")
    steps = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    told = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in steps]
    (folder / "modules.json").write_text(json.dumps(told))
    encoder = encode.load(str(folder))
    assert (encoder.space.dim, encoder.space.full_dim) == (5, 5)
    assert encoder.space.architecture == plain.space.architecture + "; dense in=16 out=5 activation=identity"
    expected = np.asarray(plain.encode_documents(["cat dog", "a"])) @ weight.T  # the length before does not matter
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(np.asarray(encoder.encode_documents(["cat dog", "a"])) - expected).max() < 1e-5


def test_vectors_for_the_dot_product_keep_their_length(tmp_path):
    """What its authors compare by dot product is not brought to unit length."""
    folder = write_model(tmp_path / "m", prompts={})
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"similarity_fn_name": "dot"}))
    encoder = encode.load(str(folder))
    assert (encoder.space.metric, encoder.space.normalized) == ("dot", False)
    lengths = np.linalg.norm(np.asarray(encoder.encode_documents(["cat", "dog and more"])), axis=1)
    assert np.abs(lengths - 1).min() > 1e-3
