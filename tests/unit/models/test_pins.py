"""Names and folders become pins; what is neither, or asks for what is not supported, is refused by name."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from model_worlds import write_model, write_safetensors
from vicinal.errors import ModelLoadError, ModelNotFoundError
from vicinal.models import layout, names, pins


@pytest.mark.parametrize("name", ["minilm", "MiniLM", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_name_and_its_aliases_are_the_same_pin(name):
    """Whatever it is called, and in any case of letters, the digests are the same."""
    assert names.get(name) is pins.MINILM


def test_the_pin_of_minilm_is_complete():
    """Every needed file has a digest; the digest of the pin is that of its files, whatever their order."""
    pin = pins.MINILM
    assert set(pin.files) == set(pins.NEEDED)
    assert all(len(digest) == 64 and int(digest, 16) for digest in pin.files.values())
    said = json.dumps(dict(sorted(pin.files.items())))
    assert pin.digest == hashlib.sha256(said.encode()).hexdigest()[:16]


def test_an_unknown_name_lists_the_known_and_the_close():
    """A slip of the finger gets the right name; the list stands in the message in any case."""
    with pytest.raises(ModelNotFoundError, match=r"known: minilm.*Did you mean 'minilm'") as caught:
        names.get("minilmm")
    assert caught.value.got == "minilmm"
    with pytest.raises(ModelNotFoundError) as caught:
        names.get("")
    assert "Did you mean" not in caught.value.message


def test_a_folder_is_pinned_by_what_lies_in_it(tmp_path):
    """Digests, window, prompts, pooling and dimension come from the files."""
    folder = write_model(tmp_path / "m", window=10, prompts={"query": "ask: ", "passage": "say: "})
    pin = names.get(str(folder))
    assert pin.files == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("config.json", "model.safetensors", "tokenizer.json", layout.WINDOW, layout.PROMPTS)
    }
    assert (pin.max_tokens, pin.dim, pin.pooling) == (10, 16, "mean")
    assert (pin.query_prompt, pin.document_prompt) == ("ask: ", "say: ")
    assert pin.folder == str(folder)


def test_a_folder_without_a_window_has_that_of_its_positions(tmp_path):
    """Without its own setting the window is what the network can tell apart."""
    folder = write_model(tmp_path / "m")
    (folder / layout.WINDOW).unlink()
    assert names.get(str(folder)).max_tokens == 24


def _modules(folder, kinds, pooling=None):
    steps = [
        {"type": f"sentence_transformers.models.{kind}", "path": "1_Pooling" if kind == "Pooling" else ""}
        for kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("mean_tokens", "mean"), ("cls_token", "cls"), ("lasttoken", "last"), ("weightedmean_tokens", "weighted_mean")],
)
def test_the_pooling_is_the_one_that_is_switched_on(tmp_path, mode, expected):
    """Of all modes in the settings exactly one counts, and its file belongs to the pin."""
    folder = write_model(tmp_path / "m")
    modes = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": False, "word_embedding_dimension": 16}
    _modules(folder, ["Transformer", "Pooling", "Normalize"], modes | {f"pooling_mode_{mode}": True})
    pin = names.get(str(folder))
    assert pin.pooling == expected
    assert {"modules.json", "1_Pooling/config.json"} <= set(pin.files)


@pytest.mark.parametrize(
    "modes",
    [
        {"pooling_mode_mean_sqrt_len_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": ["mean", "max"]},
    ],
)
def test_another_pooling_is_for_another_library(tmp_path, modes):
    """A pooling that is not written here, or two at once: the pin says why, and nothing becomes a silent mean."""
    folder = write_model(tmp_path / "m")
    _modules(folder, ["Transformer", "Pooling"], modes)
    pin = names.get(str(folder))
    assert "its pooling" in pin.foreign
    assert pin.pooling == "model"


@pytest.mark.parametrize("told", [False, None, [[1]], "no"])
def test_a_pooling_without_the_prompt_is_refused(tmp_path, told):
    """Only tokens come to a network: how many of them are the prompt's is not known there."""
    folder = write_model(tmp_path / "m")
    _modules(folder, ["Transformer", "Pooling"], {"pooling_mode": "mean", "include_prompt": told})
    with pytest.raises(ModelLoadError, match="include_prompt"):
        names.get(str(folder))


@pytest.mark.parametrize("told", [True, 1, "yes", [[1]]])
def test_lowering_before_the_tokenizer_is_refused(tmp_path, told):
    """It would be left out in silence, and every vector of a capital be another."""
    folder = write_model(tmp_path / "m")
    (folder / layout.WINDOW).write_text(json.dumps({"max_seq_length": 12, "do_lower_case": told}))
    with pytest.raises(ModelLoadError, match="do_lower_case"):
        names.get(str(folder))


@pytest.mark.parametrize("told", ["manhattan", "", 3, [[1]]])
def test_a_metric_that_is_not_known_is_no_cosine(tmp_path, told):
    """Whoever asks for another distance hears that there is none, instead of getting another one."""
    folder = write_model(tmp_path / "m", prompts={"query": "q"})
    said = json.loads((folder / layout.PROMPTS).read_text()) | {"similarity_fn_name": told}
    (folder / layout.PROMPTS).write_text(json.dumps(said))
    with pytest.raises(ModelLoadError, match="compares vectors by"):
        names.get(str(folder))


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        (["Transformer", "Pooling", "CNN"], "the module CNN"),
        (["Pooling", "Transformer"], "made of Pooling, Transformer"),
        (["Transformer", "Pooling", "Normalize", "Dense"], "not the last"),
    ],
)
def test_another_chain_of_modules_is_for_another_library(tmp_path, kinds, why):
    """A step that would be left out would change the vectors: the pin names it."""
    folder = write_model(tmp_path / "m")
    _modules(folder, kinds)
    assert why in names.get(str(folder)).foreign


def test_modules_that_bring_their_own_code_are_refused(tmp_path):
    """Code out of a model's repository is never run; the message says which module needs it."""
    folder = write_model(tmp_path / "m")
    steps = [{"type": "custom_st.Transformer", "path": ""}]
    (folder / "modules.json").write_text(json.dumps(steps))
    with pytest.raises(ModelLoadError, match=r"never run.*known modules"):
        names.get(str(folder))


def test_an_empty_list_of_modules_is_refused(tmp_path):
    """A model is made of something."""
    folder = write_model(tmp_path / "m")
    (folder / "modules.json").write_text("[]")
    with pytest.raises(ModelLoadError, match="list of modules"):
        names.get(str(folder))


def test_the_files_of_the_modules_belong_to_the_pin(tmp_path):
    """Dense and LayerNorm change vectors, so their settings and weights are pinned, and D is that behind them."""
    folder = write_model(tmp_path / "m")
    _modules(folder, ["Transformer", "Pooling"])
    steps = json.loads((folder / "modules.json").read_text())
    steps.append({"type": "sentence_transformers.models.Dense", "path": "2_Dense"})
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense/config.json").write_text(json.dumps({"in_features": 16, "out_features": 5}))
    write_safetensors(folder / "2_Dense/model.safetensors", {"linear.weight": np.ones((5, 16), np.float32)})
    pin = names.get(str(folder))
    assert pin.heads == ("dense:2_Dense",)
    assert pin.dim == 5
    assert {"2_Dense/config.json", "2_Dense/model.safetensors"} <= set(pin.files)
    assert pin.weights != pin.files["model.safetensors"]


@pytest.mark.parametrize(
    ("told", "metric", "normalized"),
    [(None, "cosine", True), ("cosine", "cosine", True), ("dot", "dot", False), ("euclidean", "l2", False)],
)
def test_the_metric_is_the_one_of_its_authors(tmp_path, told, metric, normalized):
    """Vectors that are compared by dot product keep their length, unless a module says otherwise."""
    folder = write_model(tmp_path / "m", prompts={"query": "q"})
    said = json.loads((folder / layout.PROMPTS).read_text()) | {"similarity_fn_name": told}
    (folder / layout.PROMPTS).write_text(json.dumps(said))
    pin = names.get(str(folder))
    assert (pin.metric, pin.normalized) == (metric, normalized)
    _modules(folder, ["Transformer", "Pooling", "Normalize"])
    assert names.get(str(folder)).normalized


def test_the_default_prompt_stands_for_a_role_without_its_own(tmp_path):
    """It is what the library of its authors would put there."""
    folder = write_model(tmp_path / "m", prompts={"query": "q: ", "other": "o: "})
    said = json.loads((folder / layout.PROMPTS).read_text()) | {"default_prompt_name": "other"}
    (folder / layout.PROMPTS).write_text(json.dumps(said))
    pin = names.get(str(folder))
    assert (pin.query_prompt, pin.document_prompt) == ("q: ", "o: ")


def test_the_window_may_stand_with_the_tokenizer(tmp_path):
    """Newer files leave it there; a placeholder of 1e30 is none."""
    folder = write_model(tmp_path / "m")
    (folder / layout.WINDOW).write_text("{}")
    (folder / layout.TOKENIZER_SETTINGS).write_text(json.dumps({"model_max_length": 9}))
    assert names.get(str(folder)).max_tokens == 9
    (folder / layout.TOKENIZER_SETTINGS).write_text(json.dumps({"model_max_length": int(1e30)}))
    assert names.get(str(folder)).max_tokens == 24


def test_pickled_weights_are_refused_with_the_reason(tmp_path):
    """A pickle could run code; the message says so instead of only naming what is missing."""
    folder = write_model(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="pickle"):
        names.get(str(folder))


def test_a_module_path_that_leaves_the_folder_is_refused(tmp_path):
    """A model's settings cannot make the program read elsewhere."""
    folder = write_model(tmp_path / "m")
    steps = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "../elsewhere"},
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    with pytest.raises(ModelLoadError, match="leaves the model's folder"):
        names.get(str(folder))


@pytest.mark.parametrize("name", pins.NEEDED)
def test_a_folder_that_lacks_a_file_is_refused_by_name(tmp_path, name):
    """The missing file is named."""
    folder = write_model(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelLoadError, match=name):
        names.get(str(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_damaged_settings_are_refused_by_path(tmp_path, content):
    """No damage of a JSON file raises another kind of error."""
    folder = write_model(tmp_path / "m")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelLoadError) as caught:
        names.get(str(folder))
    assert caught.value.where == str(folder / "config.json")


@pytest.mark.parametrize("window", [0, -1, "256", 2.5, True])
def test_a_window_that_is_no_number_is_refused(tmp_path, window):
    """A window is a whole number of at least 1."""
    folder = write_model(tmp_path / "m")
    (folder / layout.WINDOW).write_text(json.dumps({"max_seq_length": window}))
    with pytest.raises(ModelLoadError, match="max_seq_length"):
        names.get(str(folder))


@pytest.mark.parametrize("name", ["config_args", "model_kwargs"])
def test_settings_that_change_the_network_beside_its_own_are_refused(tmp_path, name):
    """They would change vectors without a trace in the space."""
    folder = write_model(tmp_path / "m")
    (folder / layout.WINDOW).write_text(json.dumps({"max_seq_length": 10, name: {"num_hidden_layers": 1}}))
    with pytest.raises(ModelLoadError, match=name):
        names.get(str(folder))


def test_a_network_in_a_folder_of_its_own_is_refused(tmp_path):
    """Other weights may lie above it."""
    folder = write_model(tmp_path / "m")
    steps = [("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")]
    told = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in steps]
    (folder / "modules.json").write_text(json.dumps(told))
    with pytest.raises(ModelLoadError, match="0_Transformer"):
        names.get(str(folder))
