"""Small cross-encoders in the hub's layout, without torch, and a cache of the test's own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from family_worlds import config_of, in_dtype, random_weights, tokenizer_of
from model_worlds import write_safetensors

ENCODER = {"bert": "bert.", "roberta": "roberta.", "xlm-roberta": "roberta.", "camembert": "roberta.", "mpnet": "mpnet.", "distilbert": "distilbert."}  # fmt: skip
"""What stands before an encoder's weights where a head is beside it."""
ARCHITECTURES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert", "mpnet": "MPNet", "distilbert": "DistilBert"}  # fmt: skip
WINDOW = 22


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def write_classifier():
    """Return the function that writes a small cross-encoder."""
    return write_small_classifier


def pair_tokenizer(family: str) -> dict:
    """Return a tokenizer.json whose pairs stand together as the family's published ones do."""
    rules = tokenizer_of(family)
    rules |= {"truncation": None, "padding": None}
    before, after = ("[CLS]", "[SEP]") if family in {"bert", "distilbert"} else ("<s>", "</s>")
    typed = family in {"bert", "distilbert"}
    second = int(typed)
    pair = [
        {"SpecialToken": {"id": before, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": after, "type_id": 0}},
        *([] if typed else [{"SpecialToken": {"id": after, "type_id": 0}}]),
        {"Sequence": {"id": "B", "type_id": second}},
        {"SpecialToken": {"id": after, "type_id": second}},
    ]
    rules["post_processor"] = rules["post_processor"] | {"pair": pair}
    return rules


def head_weights(family: str, hidden: int, labels: int, seed: int) -> dict:
    """Return random weights of a family's head by its own names."""
    inner, outer = {
        "bert": ("bert.pooler.dense", "classifier"),
        "distilbert": ("pre_classifier", "classifier"),
    }.get(family, ("classifier.dense", "classifier.out_proj"))
    shapes = {
        f"{inner}.weight": (hidden, hidden),
        f"{inner}.bias": (hidden,),
        f"{outer}.weight": (labels, hidden),
        f"{outer}.bias": (labels,),
    }
    generator = np.random.default_rng(seed + 100)
    return {name: generator.standard_normal(shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}


def write_small_classifier(
    folder: Path,
    family: str = "bert",
    *,
    labels: int = 1,
    seed: int = 0,
    window: int = WINDOW,
    dtype: str = "float32",
    **config,
) -> Path:
    """Write a whole small cross-encoder and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = config_of(family, architectures=[f"{ARCHITECTURES[family]}ForSequenceClassification"], **config)
    settings |= {"id2label": {str(label): f"LABEL_{label}" for label in range(labels)}}
    settings |= {"label2id": {f"LABEL_{label}": label for label in range(labels)}}
    hidden = settings.get("hidden_size", settings.get("dim"))
    weights = random_weights(family, settings, seed=seed, prefix=ENCODER[family])
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text(json.dumps(pair_tokenizer(family)))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": window}))
    weights |= head_weights(family, hidden, labels, seed)
    write_safetensors(folder / "model.safetensors", {name: in_dtype(one, dtype) for name, one in weights.items()})
    return folder
