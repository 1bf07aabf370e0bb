"""BERT and its kin: post-normalised layers over learned absolute positions, as settings, checked, and as a graph.

The mathematics is one; what differs is in small tables: the names of settings and weights, where positions begin,
and whether there are token types or a bias by distance.

References
----------
Devlin, Chang, Lee, Toutanova 2018, "BERT: Pre-training of Deep Bidirectional Transformers".
Liu et al. 2019, "RoBERTa" (also XLM-RoBERTa and CamemBERT): positions are counted from behind the padding's id,
and a padding token inside a text is not counted.
Sanh, Debut, Chaumond, Wolf 2019, "DistilBERT": no token types.
Song, Tan, Qin, Lu, Liu 2020, "MPNet": no token types; a learned bias on the scores by distance, in buckets as in
Raffel et al. 2019, "T5", section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.models.families import settings, weights
from vicinal.models.families.blocks import Blocks
from vicinal.models.graph import INT64
from vicinal.models.safetensors import Tensor

ACTIVATIONS = {name: ours for name, ours in settings.ACTIVATIONS.items() if ours != "silu"}
REQUIRED: dict[str, tuple[object, ...]] = {
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "quantization_config": (),
}
"""What the settings must say, or leave out, for the network to be one that is written here."""
EPSILON = 1e-12
"""Where the settings tell none."""
PADDING = 1
"""The padding's id of RoBERTa and its kin, where the settings tell none."""
BUCKETS = 32
"""Of MPNet: half of them for what comes before a token, half for what comes after it."""
WORDS = "embeddings.word_embeddings.weight"
PLACES = "embeddings.position_embeddings.weight"
TYPES = "embeddings.token_type_embeddings.weight"
DISTANCES = "encoder.relative_attention_bias.weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a kind of checkpoint names its settings and its weights.

    ``first`` says whether positions begin behind the padding's id, ``pad_told`` whether the settings tell that id.
    ``layer`` has the layer's number in it.
    """

    prefixes: tuple[str, ...]
    layers: str = "num_hidden_layers"
    hidden: str = "hidden_size"
    heads: str = "num_attention_heads"
    intermediate: str = "intermediate_size"
    activation: str = "hidden_act"
    epsilon: str = "layer_norm_eps"
    first: bool = False
    pad_told: bool = True
    types: bool = True
    buckets: int = 0
    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    mixed: str = "attention.output.dense"
    mixed_norm: str = "attention.output.LayerNorm"
    inner: str = "intermediate.dense"
    outer: str = "output.dense"
    outer_norm: str = "output.LayerNorm"


LAYOUTS = {
    "bert": Layout(prefixes=("bert.",)),
    "roberta": Layout(prefixes=("roberta.",), first=True),
    "distilbert": Layout(
        prefixes=("distilbert.",),
        layers="n_layers",
        hidden="dim",
        heads="n_heads",
        intermediate="hidden_dim",
        activation="activation",
        epsilon="",
        types=False,
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        mixed="attention.out_lin",
        mixed_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        outer_norm="output_layer_norm",
    ),
    "mpnet": Layout(
        prefixes=("mpnet.",),
        first=True,
        pad_told=False,
        types=False,
        buckets=BUCKETS,
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        mixed="attention.attn.o",
        mixed_norm="attention.LayerNorm",
    ),
}
KINDS = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "distilbert": "distilbert",
    "mpnet": "mpnet",
}
"""``model_type`` → the layout. Those that are the same network are called the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bert:
    """The sizes of an encoder of the BERT kind.

    ``positions`` is how many places a text may have, ``first`` the row of its first place in the table of positions.
    ``types`` and ``buckets`` are 0 where there are none.
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
    kind: str = "bert"
    first: int = 0
    buckets: int = 0

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.hidden

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        first = f" first={self.first}" if self.first else ""
        types = f" types={self.types}" if self.types else ""
        buckets = f" buckets={self.buckets}" if self.buckets else ""
        return (
            f"{self.kind} layers={self.layers} hidden={self.hidden} heads={self.heads} "
            f"intermediate={self.intermediate} positions={self.positions}{first}{types}{buckets} "
            f"vocabulary={self.vocabulary} activation={self.activation} epsilon={self.epsilon!r}"
        )


def read(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bert:
    """Return the network that the settings describe; of the weights only the names are looked at.

    Raises
    ------
    ModelLoadError
        The settings ask for something else than is written here.
    """
    kind = config.get("model_type", "bert")
    if not isinstance(kind, str) or kind not in KINDS:
        raise settings.refused("model_type", ", ".join(KINDS), kind)
    layout = LAYOUTS[KINDS[kind]]
    settings.require(config, REQUIRED)
    first = _first(config, layout)
    network = Bert(
        kind=KINDS[kind],
        layers=settings.size(config, layout.layers, high=settings.MAX_LAYERS),
        hidden=settings.size(config, layout.hidden),
        heads=settings.size(config, layout.heads),
        intermediate=settings.size(config, layout.intermediate),
        positions=settings.size(config, "max_position_embeddings", low=first + 1) - first,
        first=first,
        types=settings.size(config, "type_vocab_size") if layout.types else 0,
        buckets=_buckets(config, layout),
        vocabulary=settings.size(config, "vocab_size"),
        activation=settings.activation(config, layout.activation, "gelu", allowed=ACTIVATIONS),
        epsilon=_epsilon(config, layout),
        prefix=weights.prefix_of(tensors, layout.prefixes, WORDS),
    )
    settings.head_size({}, network.hidden, network.heads, layout.heads)
    return network


def shapes(network: Bert) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its full name."""
    layout, wide, deep = LAYOUTS[network.kind], network.hidden, network.intermediate
    found: dict[str, tuple[int, ...]] = {
        WORDS: (network.vocabulary, wide),
        PLACES: (network.positions + network.first, wide),
        **({TYPES: (network.types, wide)} if network.types else {}),
        **({DISTANCES: (network.buckets, network.heads)} if network.buckets else {}),
        "embeddings.LayerNorm.weight": (wide,),
        "embeddings.LayerNorm.bias": (wide,),
    }
    linears = {
        **dict.fromkeys((layout.query, layout.key, layout.value, layout.mixed), (wide, wide)),
        layout.inner: (deep, wide),
        layout.outer: (wide, deep),
    }
    for layer in map(layout.layer.format, range(network.layers)):
        for name, shape in linears.items():
            found[f"{layer}{name}.weight"] = shape
            found[f"{layer}{name}.bias"] = shape[:1]
        for name in (layout.mixed_norm, layout.outer_norm):
            found[f"{layer}{name}.weight"] = found[f"{layer}{name}.bias"] = (wide,)
    return {network.prefix + name: shape for name, shape in found.items()}


def write(network: Bert, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the ONNX model: ``ids`` and ``mask`` int64 (B, T) in, ``tokens`` float32 (B, T, D) out."""
    blocks = Blocks(tensors, weights_file, prefix=network.prefix, epsilon=network.epsilon)
    layout = LAYOUTS[network.kind]
    bias = blocks.mask_bias()
    if network.buckets:
        bias = blocks.graph.node("Add", bias, _distance_bias(blocks, network))
    tokens = _embeddings(blocks, network)
    for layer in map(layout.layer.format, range(network.layers)):
        tokens = _layer(blocks, network, layer, tokens, bias)
    return blocks.model(tokens, network.hidden)


def buckets_of(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return MPNet's bucket of each distance, key less query.

    The nearest 8 places on each side have buckets of their own; those farther off share 8 more, which widen by
    √2 from one to the next, up to 128 places and beyond. Whole numbers only, so that no rounding decides an edge:
    a distance n is in bucket 8 + k where k is the largest with n ≥ 8 · √2ᵏ, that is n² ≥ 64 · 2ᵏ.
    """
    near = BUCKETS // 4
    far = np.abs(distances)
    edges = near * near << np.arange(1, near)
    shared = near + np.searchsorted(edges, far.astype(np.int64) ** 2, side="right")
    return np.asarray(np.where(far < near, far, shared) + np.where(distances > 0, BUCKETS // 2, 0), dtype=np.int64)


def _embeddings(blocks: Blocks, network: Bert) -> str:
    """Word + position + first token type, normalised: (B * T, D)."""
    graph = blocks.graph
    words = blocks.words(WORDS)
    places = _counted_places(blocks, network) if network.first else blocks.first_rows(PLACES, blocks.length())
    if network.types:
        places = graph.node("Add", places, blocks.first_rows(TYPES, blocks.numbers(1)))
    rows = blocks.rows(graph.node("Add", words, places), network.hidden)
    return blocks.layer_norm(rows, "embeddings.LayerNorm")


def _counted_places(blocks: Blocks, network: Bert) -> str:
    """Return the position vectors of tokens that are counted from behind the padding's id: (B, T, D)."""
    graph = blocks.graph
    padding = graph.constant(np.array(network.first - 1, dtype=np.int64))
    there = graph.node("Cast", graph.node("Not", graph.node("Equal", blocks.ids, padding)), to=INT64)
    counted = graph.node("CumSum", there, graph.constant(np.array(1, dtype=np.int64)))
    numbers = graph.node("Add", graph.node("Mul", counted, there), padding)
    return graph.node("Gather", blocks.weight(PLACES), numbers)


def _distance_bias(blocks: Blocks, network: Bert) -> str:
    """Return what MPNet adds to the score of each query and key by their distance: (1, H, T, T)."""
    graph, last = blocks.graph, network.positions - 1
    buckets = graph.constant(buckets_of(np.arange(-last, last + 1)))
    by_distance = graph.node("Transpose", graph.node("Gather", blocks.weight(DISTANCES), buckets), perm=(1, 0))
    from_zero = graph.node("Add", blocks.apart(), graph.constant(np.array(last, dtype=np.int64)))
    return graph.node("Unsqueeze", graph.node("Gather", by_distance, from_zero, axis=1), blocks.numbers(0))


def _layer(blocks: Blocks, network: Bert, layer: str, tokens: str, bias: str) -> str:
    graph, layout, size = blocks.graph, LAYOUTS[network.kind], network.hidden // network.heads
    query, key, value = (
        blocks.heads(blocks.linear(tokens, layer + name), network.heads, size)
        for name in (layout.query, layout.key, layout.value)
    )
    mixed = blocks.attend(query, key, value, bias, heads=network.heads, size=size)
    attended = blocks.linear(mixed, layer + layout.mixed)
    tokens = blocks.layer_norm(graph.node("Add", attended, tokens), layer + layout.mixed_norm)
    inner = blocks.activate(blocks.linear(tokens, layer + layout.inner), network.activation)
    outer = blocks.linear(inner, layer + layout.outer)
    return blocks.layer_norm(graph.node("Add", outer, tokens), layer + layout.outer_norm)


def _first(config: Mapping[str, Any], layout: Layout) -> int:
    """Return the row of a text's first place in the table of positions."""
    if not layout.first:
        return 0
    return 1 + (settings.size(config, "pad_token_id", low=0, default=PADDING) if layout.pad_told else PADDING)


def _buckets(config: Mapping[str, Any], layout: Layout) -> int:
    if not layout.buckets:
        return 0
    return settings.size(
        config, "relative_attention_num_buckets", low=layout.buckets, high=layout.buckets, default=layout.buckets
    )


def _epsilon(config: Mapping[str, Any], layout: Layout) -> float:
    return settings.epsilon(config, layout.epsilon, EPSILON) if layout.epsilon else EPSILON
