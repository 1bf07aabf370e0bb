"""Nomic BERT: post-normalised layers, rotary positions, gated feed-forward; as settings, checked, and as a graph.

Two layouts of settings and two of weights are known, the one that the authors publish (``n_embd``, ``Wqkv``) and
the one of newer libraries (``hidden_size``, ``q_proj``); any of the first comes with any of the second.

References
----------
Nussbaum, Morris, Duderstadt, Mulyar 2024, "Nomic Embed: Training a Reproducible Long Context Text Embedder", 4.1.
Su et al. 2021, "RoFormer" (rotary positions). Shazeer 2020, "GLU Variants Improve Transformer" (gates).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vicinal.models.families import settings, weights
from vicinal.models.families.blocks import Blocks
from vicinal.models.safetensors import Tensor

MODEL_TYPE = "nomic_bert"
REQUIRED: dict[str, tuple[object, ...]] = {
    "prenorm": (False,),
    "parallel_block": (False,),
    "use_rms_norm": (False,),
    "norm_mlp": (False,),
    "causal": (False,),
    "rotary_emb_interleaved": (False,),
    "rotary_emb_scale_base": (),
    "moe_every_n_layers": (0,),
    "quantization_config": (),
}
GATES = {"swiglu": "silu", "geglu": "gelu"}
EPSILON = 1e-12
TRAINED = 2048
THETA = 1000.0
"""Of the newer settings; the published ones default to 10,000 and tell their own."""
OLD_THETA = 10_000.0
MULTIPLE = 256
"""The published network rounds its inner size up to a multiple."""
WORDS = "embeddings.word_embeddings.weight"
TYPES = "embeddings.token_type_embeddings.weight"
PREFIXES = ("nomic_bert.", "bert.", "model.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a checkpoint names its weights; ``joined`` is the one matrix of query, key and value, ``""`` for three."""

    layer: str
    words_norm: str
    joined: str
    query: str
    key: str
    value: str
    mixed: str
    mixed_norm: str
    up: str
    gate: str
    down: str
    outer_norm: str


PUBLISHED = Layout(
    layer="encoder.layers.{}.",
    words_norm="emb_ln",
    joined="attn.Wqkv",
    query="",
    key="",
    value="",
    mixed="attn.out_proj",
    mixed_norm="norm1",
    up="mlp.fc11",
    gate="mlp.fc12",
    down="mlp.fc2",
    outer_norm="norm2",
)
NEWER = Layout(
    layer="layers.{}.",
    words_norm="embeddings.LayerNorm",
    joined="",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    mixed="self_attn.o_proj",
    mixed_norm="post_attention_layernorm",
    up="mlp.up_proj",
    gate="mlp.gate_proj",
    down="mlp.down_proj",
    outer_norm="post_mlp_layernorm",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nomic:
    """The sizes of a Nomic BERT.

    ``size`` is d, of a head; ``scaling`` and ``trained`` say how the rotation is stretched for a text that is longer
    than those the network was trained on (None: not at all). The three ``…_bias`` say which linear maps have one.
    ``published`` and ``prefix`` are about the names of the weights.
    """

    layers: int
    hidden: int
    heads: int
    size: int
    intermediate: int
    positions: int
    types: int
    vocabulary: int
    activation: str
    epsilon: float
    theta: float
    scaling: float | None
    trained: int
    attention_bias: bool
    inner_bias: bool
    outer_bias: bool
    published: bool
    prefix: str = ""

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.hidden

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        scaling = "" if self.scaling is None else f" scaling={self.scaling!r} trained={self.trained}"
        biases = "".join("01"[bias] for bias in (self.attention_bias, self.inner_bias, self.outer_bias))
        return (
            f"nomic layers={self.layers} hidden={self.hidden} heads={self.heads} size={self.size} "
            f"intermediate={self.intermediate} positions={self.positions} types={self.types} "
            f"vocabulary={self.vocabulary} gate={self.activation} epsilon={self.epsilon!r} theta={self.theta!r}"
            f"{scaling} biases={biases}"
        )

    @property
    def layout(self) -> Layout:
        """The names of the weights."""
        return PUBLISHED if self.published else NEWER


def read(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Nomic:
    """Return the network that the settings describe; of the weights only names are looked at, and the rounded size.

    Raises
    ------
    ModelLoadError
        The settings ask for something else than is written here.
    """
    settings.require(config, REQUIRED)
    prefix = weights.prefix_of(tensors, PREFIXES, WORDS)
    published = f"{prefix}{PUBLISHED.words_norm}.weight" in tensors
    old = "n_embd" in config
    network = (_of_published if old else _of_newer)(config, {"prefix": prefix, "published": published})
    return _rounded(network, tensors) if old and published else network


def shapes(network: Nomic) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its full name."""
    layout, wide, deep = network.layout, network.hidden, network.intermediate
    across = network.heads * network.size
    linears = {
        layout.mixed: ((wide, across), network.attention_bias),
        layout.up: ((deep, wide), network.inner_bias),
        layout.gate: ((deep, wide), network.inner_bias),
        layout.down: ((wide, deep), network.outer_bias),
    }
    if layout.joined:
        linears[layout.joined] = ((3 * across, wide), network.attention_bias)
    else:
        linears |= dict.fromkeys((layout.query, layout.key, layout.value), ((across, wide), network.attention_bias))
    found: dict[str, tuple[int, ...]] = {WORDS: (network.vocabulary, wide)}
    if network.types:
        found[TYPES] = (network.types, wide)
    norms = [layout.words_norm]
    for layer in map(layout.layer.format, range(network.layers)):
        norms += [layer + layout.mixed_norm, layer + layout.outer_norm]
        for name, (shape, biased) in linears.items():
            found[f"{layer}{name}.weight"] = shape
            found |= {f"{layer}{name}.bias": shape[:1]} if biased else {}
    found |= {f"{norm}.{part}": (wide,) for norm in norms for part in ("weight", "bias")}
    return {network.prefix + name: shape for name, shape in found.items()}


def write(network: Nomic, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the ONNX model: ``ids`` and ``mask`` int64 (B, T) in, ``tokens`` float32 (B, T, D) out."""
    blocks = Blocks(tensors, weights_file, prefix=network.prefix, epsilon=network.epsilon)
    bias = blocks.mask_bias()
    angles = blocks.angles(network.size, network.theta, scaling=network.scaling, trained=network.trained)
    words = blocks.words(WORDS)
    if network.types:
        words = blocks.graph.node("Add", words, blocks.first_rows(TYPES, blocks.numbers(1)))
    tokens = blocks.layer_norm(blocks.rows(words, network.hidden), network.layout.words_norm)
    for layer in map(network.layout.layer.format, range(network.layers)):
        tokens = _layer(blocks, network, layer, tokens, bias, angles)
    return blocks.model(tokens, network.hidden)


def _layer(blocks: Blocks, network: Nomic, layer: str, tokens: str, bias: str, angles: tuple[str, str]) -> str:
    graph, layout = blocks.graph, network.layout
    query, key, value = _projected(blocks, network, layer, tokens)
    query, key = blocks.rotate(query, angles), blocks.rotate(key, angles)
    mixed = blocks.attend(query, key, value, bias, heads=network.heads, size=network.size)
    attended = blocks.linear(mixed, layer + layout.mixed, biased=network.attention_bias)
    tokens = blocks.layer_norm(graph.node("Add", attended, tokens), layer + layout.mixed_norm)
    up = blocks.linear(tokens, layer + layout.up, biased=network.inner_bias)
    gate = blocks.activate(blocks.linear(tokens, layer + layout.gate, biased=network.inner_bias), network.activation)
    down = blocks.linear(graph.node("Mul", up, gate), layer + layout.down, biased=network.outer_bias)
    return blocks.layer_norm(graph.node("Add", down, tokens), layer + layout.outer_norm)


def _projected(blocks: Blocks, network: Nomic, layer: str, tokens: str) -> list[str]:
    """Return query, key and value, each (B, T, H, d)."""
    layout, biased = network.layout, network.attention_bias
    if layout.joined:
        parts = blocks.graph.split(blocks.linear(tokens, layer + layout.joined, biased=biased), 3)
    else:
        parts = [
            blocks.linear(tokens, layer + name, biased=biased) for name in (layout.query, layout.key, layout.value)
        ]
    return [blocks.heads(part, network.heads, network.size) for part in parts]


def _of_published(config: Mapping[str, Any], names: Mapping[str, Any]) -> Nomic:
    """Return the network of settings in the authors' layout."""
    hidden, heads = settings.size(config, "n_embd"), settings.size(config, "n_head")
    settings.number(config, "rotary_emb_fraction", 0.0, low=1.0, high=1.0 + 1e-9)  # the whole head turns
    inner = config.get("n_inner")
    scaled = config.get("rotary_scaling_factor") is not None
    return Nomic(
        layers=settings.size(config, "n_layer", high=settings.MAX_LAYERS),
        hidden=hidden,
        heads=heads,
        size=settings.head_size(config, hidden, heads, "n_head", even=True),
        intermediate=settings.size(config, "n_inner") if inner is not None else 4 * hidden,
        positions=settings.size(config, "n_positions"),
        types=settings.size(config, "type_vocab_size", low=0, default=2),
        vocabulary=settings.size(config, "vocab_size"),
        activation=settings.activation(config, "activation_function", "gelu", allowed=GATES),
        epsilon=settings.epsilon(config, "layer_norm_epsilon", 1e-5),
        theta=settings.number(config, "rotary_emb_base", OLD_THETA, low=1.0, high=settings.MAX_THETA),
        scaling=_scaling(config, "rotary_scaling_factor") if scaled else None,
        trained=settings.size(config, "max_trained_positions", default=TRAINED) if scaled else 0,
        attention_bias=settings.flag(config, "qkv_proj_bias", default=True),
        inner_bias=settings.flag(config, "mlp_fc1_bias", default=True),
        outer_bias=settings.flag(config, "mlp_fc2_bias", default=True),
        **names,
    )


def _of_newer(config: Mapping[str, Any], names: Mapping[str, Any]) -> Nomic:
    """Return the network of settings in the layout of newer libraries."""
    hidden, heads = settings.size(config, "hidden_size"), settings.size(config, "num_attention_heads")
    told, trained = settings.rope(config), settings.size(config, "max_position_embeddings")
    scaled = told.get("rope_type", told.get("type")) == "dynamic"
    scaling = _scaling(told, "factor") if scaled else None
    return Nomic(
        layers=settings.size(config, "num_hidden_layers", high=settings.MAX_LAYERS),
        hidden=hidden,
        heads=heads,
        size=settings.head_size(config, hidden, heads, even=True),
        intermediate=settings.size(config, "intermediate_size"),
        positions=trained if scaling is None else int(trained * scaling),
        types=settings.size(config, "type_vocab_size", low=0, default=2),
        vocabulary=settings.size(config, "vocab_size"),
        activation=settings.activation(config, "hidden_act", "silu"),
        epsilon=settings.epsilon(config, "layer_norm_eps", EPSILON),
        theta=settings.theta(told, THETA, scaled=("dynamic",)),
        scaling=scaling,
        trained=trained if scaled else 0,
        attention_bias=False,
        inner_bias=False,
        outer_bias=False,
        **names,
    )


def _scaling(told: Mapping[str, Any], name: str) -> float:
    """Return how many times longer than in training a text may be."""
    return settings.number(told, name, 0.0, low=1.0, high=1e4)


def _rounded(network: Nomic, tensors: Mapping[str, Tensor]) -> Nomic:
    """Return the network with its inner size rounded up, where its weights are."""
    rounded = -(-network.intermediate // MULTIPLE) * MULTIPLE
    name = network.prefix + PUBLISHED.layer.format(0) + PUBLISHED.up + ".weight"
    if name in tensors and tensors[name].shape == (rounded, network.hidden):
        return replace(network, intermediate=rounded)
    return network
