"""BERT as a graph: what its ``config.json`` says, checked, and its operations in the order of the paper.

References
----------
Devlin, Chang, Lee, Toutanova 2018, "BERT: Pre-training of Deep Bidirectional Transformers".
Post-normalised layers, learned absolute positions, one token type (the first) for every token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.errors import ModelLoadError
from vicinal.models.graph import FLOAT, INT64, Graph
from vicinal.models.safetensors import Tensor

ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh"}
REQUIRED = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
"""What the settings must say, or leave out, for the network to be the one that is written here."""
MAX_SIZE = 1 << 24
"""No axis of a real network is longer; a larger number is damage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bert:
    """The sizes of a BERT encoder.

    ``prefix`` is what stands before each weight's name (``bert.`` in checkpoints with a head).
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    positions: int
    types: int
    vocabulary: int
    activation: str
    epsilon: float
    prefix: str = ""

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.hidden

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        return (
            f"bert layers={self.layers} hidden={self.hidden} heads={self.heads} intermediate={self.intermediate} "
            f"positions={self.positions} types={self.types} vocabulary={self.vocabulary} "
            f"activation={self.activation} epsilon={self.epsilon!r}"
        )


def describe(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bert:
    """Return the network that the settings describe, each weight checked to be there in its shape.

    Raises
    ------
    ModelLoadError
        The settings ask for something else than this BERT, or a weight is missing or of another shape.
    """
    for name, expected in REQUIRED.items():
        if config.get(name, expected) != expected:
            raise _refused(name, expected, config.get(name))
    activation = config.get("hidden_act", "gelu")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise _refused("hidden_act", ", ".join(ACTIVATIONS), activation)
    network = Bert(
        layers=_size(config, "num_hidden_layers"),
        hidden=_size(config, "hidden_size"),
        heads=_size(config, "num_attention_heads"),
        intermediate=_size(config, "intermediate_size"),
        positions=_size(config, "max_position_embeddings"),
        types=_size(config, "type_vocab_size"),
        vocabulary=_size(config, "vocab_size"),
        activation=ACTIVATIONS[activation],
        epsilon=_epsilon(config),
        prefix="bert." if "bert.embeddings.word_embeddings.weight" in tensors else "",
    )
    if network.hidden % network.heads:
        raise _refused("num_attention_heads", f"a divisor of {network.hidden}", network.heads)
    _require_weights(network, tensors)
    return network


def shapes(network: Bert) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its full name."""
    wide, deep = network.hidden, network.intermediate
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (network.vocabulary, wide),
        "embeddings.position_embeddings.weight": (network.positions, wide),
        "embeddings.token_type_embeddings.weight": (network.types, wide),
        "embeddings.LayerNorm.weight": (wide,),
        "embeddings.LayerNorm.bias": (wide,),
    }
    linears = {
        "attention.self.query": (wide, wide),
        "attention.self.key": (wide, wide),
        "attention.self.value": (wide, wide),
        "attention.output.dense": (wide, wide),
        "intermediate.dense": (deep, wide),
        "output.dense": (wide, deep),
    }
    for layer in range(network.layers):
        for name, shape in linears.items():
            found[f"encoder.layer.{layer}.{name}.weight"] = shape
            found[f"encoder.layer.{layer}.{name}.bias"] = shape[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"encoder.layer.{layer}.{name}.weight"] = (wide,)
            found[f"encoder.layer.{layer}.{name}.bias"] = (wide,)
    return {network.prefix + name: shape for name, shape in found.items()}


def write(network: Bert, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the ONNX model: ``ids`` and ``mask`` int64 (B, T) in, ``tokens`` float32 (B, T, D) out."""
    return _Writer(network, tensors, weights_file).model()


class _Writer:
    """The operations, part by part; token vectors are kept as (B * T, D) so that each product is one Gemm."""

    def __init__(self, network: Bert, tensors: Mapping[str, Tensor], weights_file: str) -> None:
        self._network = network
        self._tensors = tensors
        self._graph = Graph(weights_file)

    def model(self) -> bytes:
        graph, wide = self._graph, self._network.hidden
        ids = graph.take("ids", INT64, ["B", "T"])
        mask = graph.take("mask", INT64, ["B", "T"])
        shape = graph.node("Shape", ids)
        split = graph.node("Concat", shape, self._numbers(self._network.heads, wide // self._network.heads), axis=0)
        bias = self._mask_bias(mask)
        tokens = self._embeddings(ids)
        for layer in range(self._network.layers):
            tokens = self._layer(f"encoder.layer.{layer}.", tokens, split, bias)
        whole = graph.node("Concat", shape, self._numbers(wide), axis=0)
        graph.give("tokens", graph.node("Reshape", tokens, whole), FLOAT, ["B", "T", wide])
        return graph.to_bytes()

    def _embeddings(self, ids: str) -> str:
        """Word + position + first token type, normalised: (B * T, D)."""
        graph = self._graph
        length = graph.node("Shape", ids, start=1, end=2)
        words = graph.node("Gather", self._weight("embeddings.word_embeddings.weight"), ids)
        first, axis = self._numbers(0), self._numbers(0)
        places = graph.node("Slice", self._weight("embeddings.position_embeddings.weight"), first, length, axis)
        kinds = self._weight("embeddings.token_type_embeddings.weight")
        kind = graph.node("Slice", kinds, first, self._numbers(1), axis)
        summed = graph.node("Add", words, graph.node("Add", places, kind))
        rows = graph.node("Reshape", summed, self._numbers(-1, self._network.hidden))
        return self._normalize(rows, "embeddings.LayerNorm")

    def _mask_bias(self, mask: str) -> str:
        """Return 0 where a token is and the lowest number where padding is: (B, 1, 1, T)."""
        graph = self._graph
        absent = graph.node("Sub", graph.node("Cast", mask, to=FLOAT), self._number(1))
        lowest = graph.node("Mul", absent, self._number(float(np.finfo(np.float32).max)))
        return graph.node("Unsqueeze", lowest, self._numbers(1, 2))

    def _layer(self, name: str, tokens: str, split: str, bias: str) -> str:
        graph = self._graph
        attended = self._linear(self._attention(name, tokens, split, bias), f"{name}attention.output.dense")
        tokens = self._normalize(graph.node("Add", attended, tokens), f"{name}attention.output.LayerNorm")
        inner = self._activation(self._linear(tokens, f"{name}intermediate.dense"))
        outer = self._linear(inner, f"{name}output.dense")
        return self._normalize(graph.node("Add", outer, tokens), f"{name}output.LayerNorm")

    def _attention(self, name: str, tokens: str, split: str, bias: str) -> str:
        """softmax(q kᵀ / √d + bias) v over each head: (B * T, D)."""
        graph = self._graph
        query = self._head(f"{name}attention.self.query", tokens, split, (0, 2, 1, 3))
        key = self._head(f"{name}attention.self.key", tokens, split, (0, 2, 3, 1))
        value = self._head(f"{name}attention.self.value", tokens, split, (0, 2, 1, 3))
        scale = self._number((self._network.hidden // self._network.heads) ** -0.5)
        scores = graph.node("Add", graph.node("Mul", graph.node("MatMul", query, key), scale), bias)
        mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
        joined = graph.node("Transpose", mixed, perm=(0, 2, 1, 3))
        return graph.node("Reshape", joined, self._numbers(-1, self._network.hidden))

    def _head(self, name: str, tokens: str, split: str, order: tuple[int, ...]) -> str:
        """One projection, cut into heads: (B, T, H, d) in the given order of axes."""
        return self._graph.node("Transpose", self._graph.node("Reshape", self._linear(tokens, name), split), perm=order)

    def _linear(self, value: str, name: str) -> str:
        """Return x Wᵀ + b, the weights as they lie in the file."""
        return self._graph.node("Gemm", value, self._weight(f"{name}.weight"), self._weight(f"{name}.bias"), transB=1)

    def _normalize(self, value: str, name: str) -> str:
        weight, bias = self._weight(f"{name}.weight"), self._weight(f"{name}.bias")
        return self._graph.node("LayerNormalization", value, weight, bias, axis=-1, epsilon=self._network.epsilon)

    def _activation(self, value: str) -> str:
        if self._network.activation == "relu":
            return self._graph.node("Relu", value)
        approximate = "tanh" if self._network.activation == "gelu_tanh" else "none"
        return self._graph.node("Gelu", value, approximate=approximate)

    def _weight(self, name: str) -> str:
        return self._graph.weight(self._tensors[self._network.prefix + name])

    def _number(self, value: float) -> str:
        return self._graph.constant(np.array(value, dtype=np.float32))

    def _numbers(self, *values: int) -> str:
        return self._graph.constant(np.array(values, dtype=np.int64))


def _require_weights(network: Bert, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a file that lacks a weight, or has one of another shape."""
    for name, shape in shapes(network).items():
        got = tensors[name].shape if name in tensors else None
        if got != shape:
            came = "it is missing" if got is None else f"got {got}"
            raise ModelLoadError(
                f"The weights {name!r} must have the shape {shape}; {came}. The settings are of another model.",
                expected=shape,
                got=got,
                where=name,
            )


def _size(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    if type(value) is not int or not 1 <= value <= MAX_SIZE:
        raise _refused(name, f"a whole number from 1 to {MAX_SIZE}", value)
    return value


def _epsilon(config: Mapping[str, Any]) -> float:
    value = config.get("layer_norm_eps", 1e-12)
    if not isinstance(value, float) or not 0 <= value < 1:
        raise _refused("layer_norm_eps", "a number from 0 to 1", value)
    return value


def _refused(name: str, expected: object, got: object) -> ModelLoadError:
    return ModelLoadError(
        f"This network cannot be built: {name} in config.json must be {expected}, got {got!r}.",
        expected=expected,
        got=got,
        where=name,
    )
