"""Names and folders become pins; what is neither, or asks for what is not supported, is refused by name."""

from __future__ import annotations

import hashlib
import json

import pytest

from model_worlds import write_model
from vicinal.errors import ModelLoadError, ModelNotFoundError
from vicinal.models import pins


@pytest.mark.parametrize("name", ["minilm", "MiniLM", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_name_and_its_aliases_are_the_same_pin(name):
    """Whatever it is called, and in any case of letters, the digests are the same."""
    assert pins.get(name) is pins.MINILM


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
        pins.get("minilmm")
    assert caught.value.got == "minilmm"
    with pytest.raises(ModelNotFoundError) as caught:
        pins.get("")
    assert "Did you mean" not in caught.value.message


def test_a_folder_is_pinned_by_what_lies_in_it(tmp_path):
    """Digests, window, prompts, pooling and dimension come from the files."""
    folder = write_model(tmp_path / "m", window=10, prompts={"query": "ask: ", "passage": "say: "})
    pin = pins.get(str(folder))
    assert pin.files == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in ("config.json", "model.safetensors", "tokenizer.json", pins.WINDOW, pins.PROMPTS)
    }
    assert (pin.max_tokens, pin.dim, pin.pooling) == (10, 16, "mean")
    assert (pin.query_prompt, pin.document_prompt) == ("ask: ", "say: ")
    assert pin.folder == str(folder)


def test_a_folder_without_a_window_has_that_of_its_positions(tmp_path):
    """Without its own setting the window is what the network can tell apart."""
    folder = write_model(tmp_path / "m")
    (folder / pins.WINDOW).unlink()
    assert pins.get(str(folder)).max_tokens == 24


def _modules(folder, kinds, pooling=None):
    steps = [{"type": f"library.models.{kind}", "path": "1_Pooling" if kind == "Pooling" else ""} for kind in kinds]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))


@pytest.mark.parametrize(("mode", "expected"), [("mean_tokens", "mean"), ("cls_token", "cls")])
def test_the_pooling_is_the_one_that_is_switched_on(tmp_path, mode, expected):
    """Of all modes in the settings exactly one counts, and its file belongs to the pin."""
    folder = write_model(tmp_path / "m")
    modes = {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": False, "word_embedding_dimension": 16}
    _modules(folder, ["Transformer", "Pooling", "Normalize"], modes | {f"pooling_mode_{mode}": True})
    pin = pins.get(str(folder))
    assert pin.pooling == expected
    assert {"modules.json", "1_Pooling/config.json"} <= set(pin.files)


@pytest.mark.parametrize(
    "modes",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode_mean_tokens": False},
    ],
)
def test_another_pooling_is_refused(tmp_path, modes):
    """A pooling that is not supported, two at once, or none is an error, never a silent mean."""
    folder = write_model(tmp_path / "m")
    _modules(folder, ["Transformer", "Pooling"], modes)
    with pytest.raises(ModelLoadError, match="supported are mean and cls"):
        pins.get(str(folder))


@pytest.mark.parametrize("kinds", [["Transformer", "Pooling", "Dense"], ["Pooling", "Transformer"], []])
def test_another_chain_of_modules_is_refused(tmp_path, kinds):
    """A step that would be left out would change the vectors."""
    folder = write_model(tmp_path / "m")
    _modules(folder, kinds)
    with pytest.raises(ModelLoadError, match="supported are Transformer, Pooling and Normalize"):
        pins.get(str(folder))


def test_a_module_path_that_leaves_the_folder_is_refused(tmp_path):
    """A model's settings cannot make the program read elsewhere."""
    folder = write_model(tmp_path / "m")
    steps = [{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "../elsewhere"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    with pytest.raises(ModelLoadError, match="leaves the model's folder"):
        pins.get(str(folder))


@pytest.mark.parametrize("name", pins.NEEDED)
def test_a_folder_that_lacks_a_file_is_refused_by_name(tmp_path, name):
    """The missing file is named."""
    folder = write_model(tmp_path / "m")
    (folder / name).unlink()
    with pytest.raises(ModelLoadError, match=name):
        pins.get(str(folder))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_damaged_settings_are_refused_by_path(tmp_path, content):
    """No damage of a JSON file raises another kind of error."""
    folder = write_model(tmp_path / "m")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelLoadError) as caught:
        pins.get(str(folder))
    assert caught.value.where == str(folder / "config.json")


@pytest.mark.parametrize("window", [0, -1, "256", 2.5, None, True])
def test_a_window_that_is_no_number_is_refused(tmp_path, window):
    """A window is a whole number of at least 1."""
    folder = write_model(tmp_path / "m")
    (folder / pins.WINDOW).write_text(json.dumps({"max_seq_length": window}))
    with pytest.raises(ModelLoadError, match="max_seq_length"):
        pins.get(str(folder))
