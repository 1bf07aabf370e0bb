"""ModernBERT: pre-normalised layers, rotary positions, gates, attention that is global or within a window by layer.

References
----------
Warner et al. 2024, "Smarter, Better, Faster, Longer: A Modern Bidirectional Encoder", section 2.1.
The first layer has no norm before its attention: the embeddings are normalised already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.models.families import settings, weights
from vicinal.models.families.blocks import Blocks
from vicinal.models.safetensors import Tensor

MODEL_TYPE = "modernbert"
REQUIRED: dict[str, tuple[object, ...]] = {"position_embedding_type": ("rope", "absolute"), "quantization_config": ()}
"""Some published settings still say "absolute", which no library reads."""
FULL, LOCAL = "full_attention", "sliding_attention"
THETAS = {FULL: ("global_rope_theta", 160_000.0), LOCAL: ("local_rope_theta", 10_000.0)}
EVERY = 3
WINDOW = 128
EPSILON = 1e-5
WORDS = "embeddings.tok_embeddings.weight"
PREFIXES = ("model.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModernBert:
    """The sizes of a ModernBERT.

    ``full`` says of each layer whether its tokens look at all others; else they look at those at most ``reach``
    places away. The two thetas are the bases of the rotation in layers of either kind.
    """

    layers: int
    hidden: int
    heads: int
    intermediate: int
    positions: int
    vocabulary: int
    activation: str
    epsilon: float
    full: tuple[bool, ...]
    reach: int
    full_theta: float
    local_theta: float
    norm_bias: bool
    attention_bias: bool
    inner_bias: bool
    prefix: str = ""

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.hidden

    @property
    def size(self) -> int:
        """The size of a head."""
        return self.hidden // self.heads

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        full = "".join("01"[one] for one in self.full)
        biases = "".join("01"[bias] for bias in (self.norm_bias, self.attention_bias, self.inner_bias))
        return (
            f"modernbert layers={self.layers} hidden={self.hidden} heads={self.heads} "
            f"intermediate={self.intermediate} positions={self.positions} vocabulary={self.vocabulary} "
            f"gate={self.activation} epsilon={self.epsilon!r} full={full} reach={self.reach} "
            f"thetas={self.full_theta!r},{self.local_theta!r} biases={biases}"
        )


def read(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> ModernBert:
    """Return the network that the settings describe; of the weights only the names are looked at.

    Raises
    ------
    ModelLoadError
        The settings ask for something else than is written here.
    """
    settings.require(config, REQUIRED)
    layers = settings.size(config, "num_hidden_layers", high=settings.MAX_LAYERS)
    hidden, heads = settings.size(config, "hidden_size"), settings.size(config, "num_attention_heads")
    settings.head_size({}, hidden, heads, even=True)
    full_theta = _theta(config, FULL, THETAS[FULL][1])
    return ModernBert(
        layers=layers,
        hidden=hidden,
        heads=heads,
        intermediate=settings.size(config, "intermediate_size"),
        positions=settings.size(config, "max_position_embeddings"),
        vocabulary=settings.size(config, "vocab_size"),
        activation=settings.activation(config, "hidden_activation", "gelu"),
        epsilon=settings.epsilon(config, "norm_eps" if "norm_eps" in config else "layer_norm_eps", EPSILON),
        full=_full(config, layers),
        reach=settings.size(config, "local_attention", default=WINDOW) // 2,
        full_theta=full_theta,
        local_theta=_theta(config, LOCAL, full_theta if _is_null(config, LOCAL) else THETAS[LOCAL][1]),
        norm_bias=settings.flag(config, "norm_bias", default=False),
        attention_bias=settings.flag(config, "attention_bias", default=False),
        inner_bias=settings.flag(config, "mlp_bias", default=False),
        prefix=weights.prefix_of(tensors, PREFIXES, WORDS),
    )


def shapes(network: ModernBert) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its full name."""
    wide, deep = network.hidden, network.intermediate
    linears = {
        "attn.Wqkv": ((3 * wide, wide), network.attention_bias),
        "attn.Wo": ((wide, wide), network.attention_bias),
        "mlp.Wi": ((2 * deep, wide), network.inner_bias),
        "mlp.Wo": ((wide, deep), network.inner_bias),
    }
    norms = ["embeddings.norm", "final_norm"]
    found: dict[str, tuple[int, ...]] = {WORDS: (network.vocabulary, wide)}
    for layer in range(network.layers):
        norms += [f"layers.{layer}.attn_norm"] * (layer > 0) + [f"layers.{layer}.mlp_norm"]
        for name, (shape, biased) in linears.items():
            found[f"layers.{layer}.{name}.weight"] = shape
            found |= {f"layers.{layer}.{name}.bias": shape[:1]} if biased else {}
    parts = ("weight", "bias") if network.norm_bias else ("weight",)
    found |= {f"{norm}.{part}": (wide,) for norm in norms for part in parts}
    return {network.prefix + name: shape for name, shape in found.items()}


def write(network: ModernBert, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the ONNX model: ``ids`` and ``mask`` int64 (B, T) in, ``tokens`` float32 (B, T, D) out."""
    blocks = Blocks(tensors, weights_file, prefix=network.prefix, epsilon=network.epsilon)
    everywhere = blocks.mask_bias()
    kinds = {True: (everywhere, blocks.angles(network.size, network.full_theta))}
    if not all(network.full):
        near = blocks.window_bias(everywhere, behind=network.reach, ahead=network.reach)
        kinds[False] = (near, blocks.angles(network.size, network.local_theta))
    tokens = blocks.rows(blocks.words(WORDS), network.hidden)
    tokens = blocks.layer_norm(tokens, "embeddings.norm", biased=network.norm_bias)
    for layer, full in enumerate(network.full):
        tokens = _layer(blocks, network, layer, tokens, *kinds[full])
    tokens = blocks.layer_norm(tokens, "final_norm", biased=network.norm_bias)
    return blocks.model(tokens, network.hidden)


def _layer(blocks: Blocks, network: ModernBert, layer: int, tokens: str, bias: str, angles: tuple[str, str]) -> str:
    graph, name = blocks.graph, f"layers.{layer}"
    plain = blocks.layer_norm(tokens, f"{name}.attn_norm", biased=network.norm_bias) if layer else tokens
    joined = blocks.linear(plain, f"{name}.attn.Wqkv", biased=network.attention_bias)
    query, key, value = (blocks.heads(part, network.heads, network.size) for part in graph.split(joined, 3))
    query, key = blocks.rotate(query, angles), blocks.rotate(key, angles)
    mixed = blocks.attend(query, key, value, bias, heads=network.heads, size=network.size)
    tokens = graph.node("Add", tokens, blocks.linear(mixed, f"{name}.attn.Wo", biased=network.attention_bias))
    plain = blocks.layer_norm(tokens, f"{name}.mlp_norm", biased=network.norm_bias)
    inner, gate = graph.split(blocks.linear(plain, f"{name}.mlp.Wi", biased=network.inner_bias), 2)
    gated = graph.node("Mul", blocks.activate(inner, network.activation), gate)
    return graph.node("Add", tokens, blocks.linear(gated, f"{name}.mlp.Wo", biased=network.inner_bias))


def _full(config: Mapping[str, Any], layers: int) -> tuple[bool, ...]:
    """Return of each layer whether it looks everywhere: as listed, else every so many, the first among them."""
    told = config.get("layer_types")
    if told is None:
        every = settings.size(config, "global_attn_every_n_layers", default=EVERY)
        return tuple(layer % every == 0 for layer in range(layers))
    if not isinstance(told, list) or len(told) != layers or any(kind not in (FULL, LOCAL) for kind in told):
        raise settings.refused("layer_types", f"{layers} of {FULL}, {LOCAL}", told)
    return tuple(kind == FULL for kind in told)


def _theta(config: Mapping[str, Any], kind: str, default: float) -> float:
    """Return the base of the rotation in layers of a kind, from either of its places."""
    name = THETAS[kind][0]
    if config.get(name) is not None:
        default = settings.number(config, name, default, low=1.0, high=settings.MAX_THETA)
    return settings.theta(settings.rope(config, kind), default)


def _is_null(config: Mapping[str, Any], kind: str) -> bool:
    """Return whether the settings name a base and leave it empty: then layers of this kind turn like the others."""
    name = THETAS[kind][0]
    return name in config and config[name] is None
