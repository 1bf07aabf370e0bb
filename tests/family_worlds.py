"""Small models of every family for tests: random weights, settings and tokenizers in the hub's layout, without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from model_worlds import LETTERS, tokenizer_rules, write_safetensors
from vicinal.models.families import FAMILIES

HIDDEN = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 24,
}
SIZES = {
    "bert": HIDDEN | {"hidden_act": "gelu", "type_vocab_size": 2, "layer_norm_eps": 1e-12, "pad_token_id": 0},
    "roberta": HIDDEN | {"hidden_act": "gelu", "max_position_embeddings": 26, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24, "activation": "gelu", "max_position_embeddings": 24, "pad_token_id": 0},
    "mpnet": HIDDEN | {"hidden_act": "gelu", "max_position_embeddings": 26, "relative_attention_num_buckets": 32, "layer_norm_eps": 1e-5, "pad_token_id": 1},
    "nomic_bert": {
        "n_embd": 16, "n_layer": 2, "n_head": 2, "n_inner": 24, "n_positions": 24, "type_vocab_size": 2, "activation_function": "swiglu",
        "layer_norm_epsilon": 1e-12, "rotary_emb_fraction": 1.0, "rotary_emb_base": 1000, "rotary_emb_interleaved": False, "rotary_scaling_factor": None,
        "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "prenorm": False, "causal": False, "use_rms_norm": False,
        "max_trained_positions": 24, "moe_every_n_layers": 0,
    },
    "nomic_bert_newer": HIDDEN | {"hidden_act": "silu", "type_vocab_size": 2, "layer_norm_eps": 1e-12, "rope_parameters": {"rope_theta": 1000.0, "rope_type": "default"}},
    "modernbert": HIDDEN | {
        "num_hidden_layers": 4, "hidden_activation": "gelu", "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False, "mlp_bias": False,
        "local_attention": 6, "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
        "pad_token_id": 3, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
    },
    "qwen3": HIDDEN | {"num_key_value_heads": 2, "head_dim": 8, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 1000000, "attention_bias": False},
}  # fmt: skip
SIZES |= dict.fromkeys(("xlm-roberta", "camembert"), SIZES["roberta"])
FAMILY_NAMES = sorted(SIZES)
"""What ``write_family`` can write; each but the newer layout of Nomic is a ``model_type``."""
POOLINGS = {"qwen3": "lasttoken"}
PADDING = {"roberta": 1, "xlm-roberta": 1, "camembert": 1, "mpnet": 1}


def config_of(family: str, **changes: object) -> dict[str, object]:
    """Return the settings of a small model of a family, some of them changed."""
    told = {"model_type": family.removesuffix("_newer"), **SIZES[family], "vocab_size": len(vocabulary_of(family))}
    return told | changes


def read_network(family: str, config: Mapping[str, object]):
    """Return what the settings describe, before there are weights; of Nomic in the layout of the family's name."""
    network = FAMILIES[str(config["model_type"])].read(config, {})
    return replace(network, published=family == "nomic_bert") if "nomic" in family else network


def random_weights(family: str, config: Mapping[str, object], *, seed: int = 0, prefix: str = ""):
    """Return weights that make every part of the network matter."""
    network = replace(read_network(family, config), prefix=prefix)
    shapes = FAMILIES[str(config["model_type"])].shapes(network)
    generator = np.random.default_rng(seed)
    return {name: _random(generator, name, shape) for name, shape in shapes.items()}


def _random(generator: np.random.Generator, name: str, shape: tuple[int, ...]):
    """Return numbers around 1 for the weights of a norm, around 0 for all others."""
    middle = 1 if len(shape) == 1 and name.endswith("weight") else 0
    return (generator.standard_normal(shape) * 0.4 + middle).astype(np.float32)


def in_dtype(array, dtype: str):
    """Return an array as it stands in a file of that type: float32, float16, or bfloat16 as its upper halves."""
    if dtype == "bfloat16":
        return (array.view(np.uint32) >> 16).astype(np.uint16)
    return array.astype(dtype)


def from_dtype(array):
    """Return what an array of a file stands for, as float32."""
    return (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array.astype(np.float32)


def write_family(
    folder: Path,
    family: str,
    *,
    seed: int = 0,
    dtype: str = "float32",
    window: int = 12,
    pooling: str | None = None,
    prefix: str = "",
    **config: object,
) -> Path:
    """Write a whole small model of a family in the hub's layout and return its folder.

    ``pooling`` is the hub's name of one (``mean``, ``cls``, ``lasttoken``); without it, and but for the decoder,
    there is no list of modules and the mean is taken. ``prefix`` stands before each weight's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = config_of(family, **config)
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_of(family)))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": window}))
    weights = random_weights(family, settings, seed=seed, prefix=prefix)
    write_safetensors(folder / "model.safetensors", {name: in_dtype(array, dtype) for name, array in weights.items()})
    pooling = pooling or POOLINGS.get(family)
    if pooling:
        write_modules(folder, pooling, dim=16)
    return folder


def write_modules(folder: Path, pooling: str, *, dim: int) -> None:
    """Write the list of modules of a transformer, a pooling and a normalisation."""
    kinds = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for place, (kind, path) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "2_Normalize").mkdir(exist_ok=True)
    names = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    modes = {f"pooling_mode_{name}": mode == pooling for mode, name in names.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": dim, **modes}))


def vocabulary_of(family: str) -> dict[str, int]:
    """Return the tokens of a family's tokenizer with their ids."""
    model = tokenizer_of(family)["model"]
    pairs = model["vocab"] if isinstance(model["vocab"], dict) else {token: row for row, (token, _) in enumerate(model["vocab"])}  # fmt: skip
    return dict(pairs)


def tokenizer_of(family: str) -> dict:
    """Return a tokenizer.json of the kind that the family's published models have."""
    if family in {"xlm-roberta", "camembert"}:
        return _unigram()
    if family == "mpnet":
        return _wordpiece_of_mpnet()
    if family == "roberta":
        return _byte_level(["<s>", "<pad>", "</s>", "<unk>"], before="<s>", after="</s>")
    if family == "modernbert":
        return _byte_level(["[UNK]", "[CLS]", "[SEP]", "[PAD]"], before="[CLS]", after="[SEP]")
    if family == "qwen3":
        return _byte_level(["<|endoftext|>"], before="", after="<|endoftext|>")
    return tokenizer_rules()


def _rules(special: list[str], vocabulary: dict[str, int], *, before: str, after: str, padding: str, **parts) -> dict:
    """Return a tokenizer.json with special tokens around a text."""
    added = [
        {"id": vocabulary[token], "content": token, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for token in special
    ]  # fmt: skip
    around = [token for token in (before, after) if token]
    single: list[dict] = [{"Sequence": {"id": "A", "type_id": 0}}]
    single = [{"SpecialToken": {"id": before, "type_id": 0}}] * bool(before) + single
    single += [{"SpecialToken": {"id": after, "type_id": 0}}] * bool(after)
    told = {token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in around}
    pad = {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": vocabulary[padding], "pad_type_id": 0, "pad_token": padding}  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": pad,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": told},
        "decoder": None,
        **parts,
    }


def _wordpiece_of_mpnet() -> dict:
    """Return the rules of BERT with the special tokens of RoBERTa in front."""
    rules = tokenizer_rules()
    special = ["<s>", "<pad>", "</s>", "[UNK]"]
    plain = [token for token in rules["model"]["vocab"] if not token.startswith("[")]
    vocabulary = {token: number for number, token in enumerate([*special, *plain])}
    parts = {name: rules[name] for name in ("normalizer", "pre_tokenizer", "decoder")}
    model = rules["model"] | {"vocab": vocabulary}
    return _rules(special, vocabulary, before="<s>", after="</s>", padding="<pad>", model=model, **parts)


def _byte_level(special: list[str], *, before: str, after: str) -> dict:
    """Return rules in which each byte is a token, and some pairs of letters are one."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]
    merges = [["c", "a"], ["ca", "t"], ["d", "o"], ["\u0120", "a"]]
    tokens = [*special, *letters, *("".join(pair) for pair in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocabulary, "merges": merges}  # fmt: skip
    rule = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    padding = next((token for token in special if "pad" in token.lower()), special[0])
    return _rules(special, vocabulary, before=before, after=after, padding=padding, model=model, pre_tokenizer=rule, decoder=rule)  # fmt: skip


def _unigram() -> dict:
    """Return rules of pieces with scores, white space written as a sign."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [
        *special,
        "\u2581",
        *LETTERS,
        *(f"\u2581{letter}" for letter in LETTERS),
        "\u2581cat",
        "\u2581dog",
        "at",
        ".",
        ",",
    ]
    vocab = [[piece, 0.0 if piece in special else -float(5 + 5 / len(piece))] for piece in pieces]
    space = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    splitter = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, space]}
    model = {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False}
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return _rules(special, vocabulary, before="<s>", after="</s>", padding="<pad>", model=model, pre_tokenizer=splitter, decoder=space, normalizer={"type": "NFKC"})  # fmt: skip
