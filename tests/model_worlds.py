"""Small models for tests: random checkpoints in the hub's layout, with a tokenizer of letters, and wheels of them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np

from vicinal.models.digests import digest_of
from vicinal.models.families import bert
from vicinal.models.pins import NEEDED, Pin

TYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "uint16": "BF16"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
VOCABULARY = {
    token: number
    for number, token in enumerate([*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), "cat", "dog", ".", ","])
}
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 24,
    "type_vocab_size": 2,
    "vocab_size": len(VOCABULARY),
    "layer_norm_eps": 1e-12,
}


def write_safetensors(path: Path, arrays) -> None:
    """Write arrays in the safetensors format; uint16 arrays stand for BF16."""
    header, blob = {}, b""
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        place = [len(blob), len(blob) + len(raw)]
        header[name] = {"dtype": TYPES[str(array.dtype)], "shape": list(array.shape), "data_offsets": place}
        blob += raw
    said = json.dumps(header).encode()
    path.write_bytes(len(said).to_bytes(8, "little") + said + blob)


def network_of(config, prefix: str = "") -> bert.Bert:
    """Return the network that settings of the form of ``CONFIG`` describe."""
    return bert.Bert(
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        intermediate=config["intermediate_size"],
        positions=config["max_position_embeddings"],
        types=config["type_vocab_size"],
        vocabulary=config["vocab_size"],
        activation=bert.ACTIVATIONS[config["hidden_act"]],
        epsilon=config["layer_norm_eps"],
        prefix=prefix,
    )


def random_weights(config, *, seed: int = 0, prefix: str = ""):
    """Return weights that make every part of the network matter."""
    generator = np.random.default_rng(seed)
    return {
        name: (generator.standard_normal(shape) * 0.4 + (1 if name.endswith("LayerNorm.weight") else 0)).astype(
            np.float32
        )
        for name, shape in bert.shapes(network_of(config, prefix)).items()
    }


def tokenizer_rules():
    """Return a tokenizer.json of the BERT kind, its own cutting and padding switched on, as published ones have it."""
    added = [
        {"id": number, "content": token, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for number, token in enumerate(SPECIAL)
    ]  # fmt: skip
    single = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    special = {token: {"id": token, "ids": [VOCABULARY[token]], "tokens": [token]} for token in ("[CLS]", "[SEP]")}
    padding = {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}  # fmt: skip
    return {
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": padding,
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": special},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": dict(VOCABULARY)},
    }  # fmt: skip


def write_model(folder: Path, *, window: int = 12, seed: int = 0, prompts=None, **config) -> Path:
    """Write a whole small model in the hub's layout and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = CONFIG | config
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_rules()))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": window}))
    if prompts:
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    write_safetensors(folder / "model.safetensors", random_weights(settings, seed=seed))
    return folder


def pin_for(folder: Path, **changes) -> Pin:
    """Return a built-in pin, as it were, of the model in a folder: one that is looked for in every source."""
    told = {
        "name": "small",
        "files": {name: digest_of(folder / name) for name in NEEDED},
        "size_bytes": sum((folder / name).stat().st_size for name in NEEDED),
        "max_tokens": 12,
        "dim": CONFIG["hidden_size"],
        "pooling": "mean",
        "wheel": "small-model==1.0",
        "wheel_folder": "small_model/data",
    }
    return Pin(**(told | changes))


def write_wheel(place: Path, folder: Path, *, replaced=None) -> Path:
    """Write a wheel that holds the model of a folder as data, some files replaced by other bytes."""
    place.mkdir(parents=True, exist_ok=True)
    wheel = place / "small_model-1.0-py3-none-any.whl"
    info = "small_model-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("small_model/__init__.py", "raise RuntimeError('a model is never imported')\n")
        for name in NEEDED:
            archive.writestr(f"small_model/data/{name}", (replaced or {}).get(name, (folder / name).read_bytes()))
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel
