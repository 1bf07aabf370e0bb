"""A sequence classifier of the BERT kind as one graph: pairs of texts in, the logits of each pair out.

The encoder is the one of ``models.families.bert``; what is added is the second text's token type and the head::

    bert                               bert.pooler.dense, tanh, classifier
    roberta, xlm-roberta, camembert    classifier.dense, tanh, classifier.out_proj
    mpnet                              classifier.dense, tanh, classifier.out_proj
    distilbert                         pre_classifier, relu, classifier

each on the vector of the first token. Letters: B pairs, T tokens, D dimensions, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vicinal.errors import ModelLoadError
from vicinal.models.families import bert, weights
from vicinal.models.families.bert import _counted_places, _distance_bias, _layer
from vicinal.models.families.blocks import Blocks
from vicinal.models.graph import FLOAT, INT64
from vicinal.models.safetensors import Tensor

MOST_LABELS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What follows the first token's vector: two linear maps by their names, and what stands between them."""

    inner: str
    between: str
    outer: str
    prefixed: bool = False


HEADS = {
    "bert": Head(inner="pooler.dense", between="Tanh", outer="classifier", prefixed=True),
    "roberta": Head(inner="classifier.dense", between="Tanh", outer="classifier.out_proj"),
    "mpnet": Head(inner="classifier.dense", between="Tanh", outer="classifier.out_proj"),
    "distilbert": Head(inner="pre_classifier", between="Relu", outer="classifier"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """An encoder and its head. ``typed`` is whether the two texts of a pair have token types of their own."""

    network: bert.Bert
    labels: int

    @property
    def typed(self) -> bool:
        """RoBERTa and its kin have a table of types, but only one type is ever used."""
        return self.network.kind == "bert" and self.network.types > 1

    @property
    def positions(self) -> int:
        """The longest T."""
        return self.network.positions


def describe(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Classifier:
    """Return the classifier that settings and weights describe, each weight checked to be there in its shape.

    Parameters
    ----------
    config : mapping
        What ``config.json`` holds.
    tensors : mapping of str to Tensor
        The header of the weights file.

    Raises
    ------
    ModelLoadError
        It is no sequence classifier of the BERT kind with one or two labels, or the weights do not fit.
    """
    if config.get("model_type") not in bert.KINDS:
        listed = ", ".join(bert.KINDS)
        raise ModelLoadError(
            f"This cross-encoder cannot be built: model_type in config.json is {config.get('model_type')!r}; "
            f"supported are {listed}.",
            expected=listed,
            got=config.get("model_type"),
            where="model_type",
        )
    network = bert.read(config, tensors)
    head = HEADS[network.kind]
    found = tensors.get(f"{head.outer}.weight")
    if found is None:
        raise ModelLoadError(
            f"This model is no cross-encoder: its weights have no {head.outer}.weight. An encoder of single texts is "
            "what vicinal.load takes.",
            expected=f"{head.outer}.weight",
            where=f"{head.outer}.weight",
        )
    labels = found.shape[0] if found.shape else 0
    if not 1 <= labels <= MOST_LABELS:
        raise ModelLoadError(
            f"A cross-encoder has one label, or two of which the second is yes; this one has {labels}.",
            expected="1 or 2",
            got=labels,
            where="num_labels",
        )
    inner = _inner(network, head)
    weights.require(tensors, bert.shapes(network))
    weights.require(
        tensors,
        {
            f"{inner}.weight": (network.hidden, network.hidden),
            f"{inner}.bias": (network.hidden,),
            f"{head.outer}.weight": (labels, network.hidden),
            f"{head.outer}.bias": (labels,),
        },
    )
    return Classifier(network=network, labels=labels)


def write(classifier: Classifier, tensors: Mapping[str, Tensor], weights_file: str) -> bytes:
    """Return the classifier as an ONNX model whose weights stay in their file.

    Returns
    -------
    bytes
        Inputs ``ids`` and ``mask``, int64 (B, T), and ``types`` of the same shape where it is ``typed``;
        the output ``logits``, float32 (B, L).
    """
    network = classifier.network
    blocks = Blocks(tensors, weights_file, prefix=network.prefix, epsilon=network.epsilon)
    graph, layout = blocks.graph, bert.LAYOUTS[network.kind]
    bias = blocks.mask_bias()
    if network.buckets:
        bias = graph.node("Add", bias, _distance_bias(blocks, network))
    tokens = _embeddings(blocks, classifier)
    *layers, last = map(layout.layer.format, range(network.layers))
    for layer in layers:
        tokens = _layer(blocks, network, layer, tokens, bias)
    rows = _last_layer(blocks, network, last, tokens, bias)
    head = HEADS[network.kind]
    inner = graph.node(head.between, _linear(blocks, tensors, rows, _inner(network, head)))
    graph.give("logits", _linear(blocks, tensors, inner, head.outer), FLOAT, ["B", classifier.labels])
    return graph.to_bytes()


def _embeddings(blocks: Blocks, classifier: Classifier) -> str:
    """Word + position + token type, normalised: (B * T, D)."""
    graph, network = blocks.graph, classifier.network
    words = blocks.words(bert.WORDS)
    places = _counted_places(blocks, network) if network.first else blocks.first_rows(bert.PLACES, blocks.length())
    whole = graph.node("Add", words, places)
    if classifier.typed:
        types = graph.take("types", INT64, ["B", "T"])
        whole = graph.node("Add", whole, graph.node("Gather", blocks.weight(bert.TYPES), types))
    elif network.types:
        whole = graph.node("Add", whole, blocks.first_rows(bert.TYPES, blocks.numbers(1)))
    return blocks.layer_norm(blocks.rows(whole, network.hidden), "embeddings.LayerNorm")


def _last_layer(blocks: Blocks, network: bert.Bert, layer: str, tokens: str, bias: str) -> str:
    """Return the last layer's vectors of the first tokens alone, (B, D): the others are never asked for.

    Their keys and values are; what is saved are ten twelfths of a layer, 14 % of a network of six.
    """
    graph, layout, size = blocks.graph, bert.LAYOUTS[network.kind], network.hidden // network.heads
    shape = graph.node("Concat", graph.node("Shape", blocks.ids), blocks.numbers(network.hidden), axis=0)
    first = graph.node("Gather", graph.node("Reshape", tokens, shape), blocks.numbers(0), axis=1)
    rows = blocks.rows(first, network.hidden)
    query = graph.node("Reshape", blocks.linear(rows, layer + layout.query), blocks.numbers(-1, 1, network.heads, size))
    key, value = (
        blocks.heads(blocks.linear(tokens, layer + name), network.heads, size) for name in (layout.key, layout.value)
    )
    if network.buckets:  # the bias is by distance: of the first place alone
        bias = graph.node("Slice", bias, blocks.numbers(0), blocks.numbers(1), blocks.numbers(2))
    mixed = blocks.attend(query, key, value, bias, heads=network.heads, size=size)
    attended = graph.node("Add", blocks.linear(mixed, layer + layout.mixed), rows)
    rows = blocks.layer_norm(attended, layer + layout.mixed_norm)
    inner = blocks.activate(blocks.linear(rows, layer + layout.inner), network.activation)
    outer = graph.node("Add", blocks.linear(inner, layer + layout.outer), rows)
    return blocks.layer_norm(outer, layer + layout.outer_norm)


def _inner(network: bert.Bert, head: Head) -> str:
    return network.prefix + head.inner if head.prefixed else head.inner


def _linear(blocks: Blocks, tensors: Mapping[str, Tensor], value: str, name: str) -> str:
    """Return x Wᵀ + b by the whole name of the weights: those of a head stand outside of the encoder's prefix."""
    weight, bias = (blocks.graph.weight(tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
    return blocks.graph.node("Gemm", value, weight, bias, transB=1)
