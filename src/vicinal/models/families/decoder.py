"""Qwen3 as an encoder of text: a causal decoder whose last token stands for all; as settings, checked, and as a graph.

References
----------
Yang et al. 2025, "Qwen3 Technical Report", section 2; Zhang et al. 2025, "Qwen3 Embedding".
Zhang, Sennrich 2019 (RMS norm); Ainslie et al. 2023, "GQA" (heads that share keys and values); Su et al. 2021
(rotary positions). Each token looks at itself and at those before it. Queries and keys are normalised by head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.models.families import settings, weights
from vicinal.models.families.blocks import Blocks
from vicinal.models.safetensors import Tensor

MODEL_TYPE = "qwen3"
REQUIRED: dict[str, tuple[object, ...]] = {"use_sliding_window": (False,), "quantization_config": ()}
FULL = "full_attention"
THETA = 10_000.0
EPSILON = 1e-6
WORDS = "embed_tokens.weight"
PREFIXES = ("model.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The sizes of a Qwen3. ``groups`` counts the heads of keys and values, ``size`` is d, of a head."""

    layers: int
    hidden: int
    heads: int
    groups: int
    size: int
    intermediate: int
    positions: int
    vocabulary: int
    activation: str
    epsilon: float
    theta: float
    attention_bias: bool
    prefix: str = ""

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.hidden

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        return (
            f"qwen3 layers={self.layers} hidden={self.hidden} heads={self.heads} groups={self.groups} "
            f"size={self.size} intermediate={self.intermediate} positions={self.positions} "
            f"vocabulary={self.vocabulary} gate={self.activation} epsilon={self.epsilon!r} theta={self.theta!r} "
            f"biases={int(self.attention_bias)}"
        )


def read(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Decoder:
    """Return the network that the settings describe; of the weights only the names are looked at.

    Raises
    ------
    ModelLoadError
        The settings ask for something else than is written here.
    """
    settings.require(config, REQUIRED)
    layers = settings.size(config, "num_hidden_layers", high=settings.MAX_LAYERS)
    if config.get("layer_types") not in (None, [FULL] * layers):
        raise settings.refused("layer_types", f"{layers} of {FULL}", config["layer_types"])
    hidden, heads = settings.size(config, "hidden_size"), settings.size(config, "num_attention_heads")
    groups = settings.size(config, "num_key_value_heads")
    if heads % groups:
        raise settings.refused("num_key_value_heads", f"a divisor of {heads}", groups)
    told = settings.theta(config, THETA) if "rope_theta" in config else THETA
    return Decoder(
        layers=layers,
        hidden=hidden,
        heads=heads,
        groups=groups,
        size=settings.head_size(config, hidden, heads, even=True),
        intermediate=settings.size(config, "intermediate_size"),
        positions=settings.size(config, "max_position_embeddings"),
        vocabulary=settings.size(config, "vocab_size"),
        activation=settings.activation(config, "hidden_act", "silu"),
        epsilon=settings.epsilon(config, "rms_norm_eps", EPSILON),
        theta=settings.theta(settings.rope(config), told),
        attention_bias=settings.flag(config, "attention_bias", default=False),
        prefix=weights.prefix_of(tensors, PREFIXES, WORDS),
    )


def shapes(network: Decoder) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its full name."""
    wide, deep = network.hidden, network.intermediate
    across, shared = network.heads * network.size, network.groups * network.size
    attention = {"q_proj": (across, wide), "k_proj": (shared, wide), "v_proj": (shared, wide), "o_proj": (wide, across)}
    found: dict[str, tuple[int, ...]] = {WORDS: (network.vocabulary, wide), "norm.weight": (wide,)}
    for layer in (f"layers.{number}." for number in range(network.layers)):
        for name, shape in attention.items():
            found[f"{layer}self_attn.{name}.weight"] = shape
            found |= {f"{layer}self_attn.{name}.bias": shape[:1]} if network.attention_bias else {}
        found |= {f"{layer}self_attn.{name}.weight": (network.size,) for name in ("q_norm", "k_norm")}
        found |= {f"{layer}mlp.{name}.weight": (deep, wide) for name in ("gate_proj", "up_proj")}
        found[f"{layer}mlp.down_proj.weight"] = (wide, deep)
        found |= {f"{layer}{name}.weight": (wide,) for name in ("input_layernorm", "post_attention_layernorm")}
    return {network.prefix + name: shape for name, shape in found.items()}


def write(network: Decoder, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the ONNX model: ``ids`` and ``mask`` int64 (B, T) in, ``tokens`` float32 (B, T, D) out."""
    blocks = Blocks(tensors, weights_file, prefix=network.prefix, epsilon=network.epsilon)
    bias = blocks.window_bias(blocks.mask_bias(), behind=None, ahead=0)
    angles = blocks.angles(network.size, network.theta)
    tokens = blocks.rows(blocks.words(WORDS), network.hidden)
    for layer in (f"layers.{number}." for number in range(network.layers)):
        tokens = _layer(blocks, network, layer, tokens, bias, angles)
    return blocks.model(blocks.rms_norm(tokens, "norm"), network.hidden)


def _layer(blocks: Blocks, network: Decoder, layer: str, tokens: str, bias: str, angles: tuple[str, str]) -> str:
    graph, size, biased = blocks.graph, network.size, network.attention_bias
    plain = blocks.rms_norm(tokens, f"{layer}input_layernorm")
    query, key, value = (
        blocks.heads(blocks.linear(plain, f"{layer}self_attn.{name}_proj", biased=biased), count, size)
        for name, count in (("q", network.heads), ("k", network.groups), ("v", network.groups))
    )
    query = blocks.rotate(blocks.rms_norm(query, f"{layer}self_attn.q_norm"), angles)
    key = blocks.rotate(blocks.rms_norm(key, f"{layer}self_attn.k_norm"), angles)
    key, value = (blocks.repeat(part, network.heads, network.groups, size) for part in (key, value))
    mixed = blocks.attend(query, key, value, bias, heads=network.heads, size=size)
    tokens = graph.node("Add", tokens, blocks.linear(mixed, f"{layer}self_attn.o_proj", biased=biased))
    plain = blocks.rms_norm(tokens, f"{layer}post_attention_layernorm")
    gate = blocks.activate(blocks.linear(plain, f"{layer}mlp.gate_proj", biased=False), network.activation)
    up = blocks.linear(plain, f"{layer}mlp.up_proj", biased=False)
    down = blocks.linear(graph.node("Mul", gate, up), f"{layer}mlp.down_proj", biased=False)
    return graph.node("Add", tokens, down)
