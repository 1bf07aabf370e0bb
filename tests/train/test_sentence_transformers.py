"""sentence-transformers as a runtime: the same space for what is known here, its own for what is not, and never code."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest

from family_worlds import FAMILY_NAMES, write_family
from model_worlds import CONFIG, pin_for, random_weights, tokenizer_rules, write_model, write_safetensors
from vicinal.errors import EncodeError, FallbackWarning, ModelLoadError, UnsupportedError
from vicinal.models import runtimes
from vicinal.models.digests import digest_of
from vicinal.models.layout import pin_of
from vicinal.models.network import Network
from vicinal.models.sources import Found

pytestmark = pytest.mark.train

IDS = np.array([[2, 30, 31, 3], [2, 31, 3, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
ROUNDING = 2e-5
RUNTIME = "sentence-transformers"
OWN = "sentence_transformers.models."
SQUEEZE = {"model_type": "squeezebert", "embedding_size": 16, "q_groups": 2, "k_groups": 2, "v_groups": 2}
SQUEEZE |= {"post_attention_groups": 1, "intermediate_groups": 2, "output_groups": 2, "pad_token_id": 0}


@pytest.fixture(autouse=True)
def libraries(tmp_path, monkeypatch):
    """Return the libraries; skip the test where they are not installed, and give it a cache of its own."""
    if not runtimes.is_installed(RUNTIME):
        pytest.skip("needs the extra train")
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    from vicinal.models import _sentence_transformers  # noqa: PLC0415 - an extra

    return _sentence_transformers


def _found(folder, **changes):
    return Found(pin=pin_for(folder, **changes), folder=folder, source="folder")


def _with_modules(folder, *modules):
    """Write the list of modules: (kind, settings) each, the first without settings."""
    steps = []
    for place, (kind, settings) in enumerate(modules):
        path = "" if place == 0 else f"{place}_{kind.rpartition('.')[2]}"
        steps.append({"idx": place, "name": str(place), "path": path, "type": kind})
        if place:
            (folder / path).mkdir(exist_ok=True)
            (folder / path / "config.json").write_text(json.dumps(settings))
    (folder / "modules.json").write_text(json.dumps(steps))
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    return {name: digest_of(folder / name) for name in names if not name.startswith("vicinal-")}


@pytest.fixture
def squeeze(tmp_path, libraries):
    """Return a model of a kind that no network here knows, its weights random."""
    from transformers import AutoConfig, AutoModel

    folder = tmp_path / "squeeze"
    settings = AutoConfig.for_model(**(CONFIG | SQUEEZE))
    with libraries._quiet():
        AutoModel.from_config(settings).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_rules()))
    return folder


def _oracle(folder, libraries):
    """Return the token vectors as transformers alone gives them."""
    import torch
    from transformers import AutoModel

    with libraries._quiet(), torch.inference_mode():
        network = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        return network(input_ids=torch.tensor(IDS), attention_mask=torch.tensor(MASK)).last_hidden_state.numpy()


def test_a_known_network_has_the_same_space_and_vectors(tmp_path):
    """Whatever runs it: the same line of the architecture, the same numbers to float32's rounding."""
    found = _found(write_model(tmp_path / "model"))
    ours, theirs = Network(found, threads=1), Network(found, threads=1, runtime=RUNTIME)
    assert (theirs.architecture, theirs.dim, theirs.gives) == (ours.architecture, ours.dim, "tokens")
    assert np.abs(ours(IDS, MASK) - theirs(IDS, MASK))[MASK == 1].max() < ROUNDING
    assert theirs.runtime.startswith("torch 2")
    assert theirs.runtime.endswith(" cpu fp32")


@pytest.mark.parametrize("family", sorted({*FAMILY_NAMES} - {"nomic_bert"}))  # its layout is that of its own code
def test_every_known_family_has_the_same_space_and_vectors(tmp_path, family):
    """Each is the network that transformers builds of the same files."""
    found = _found(write_family(tmp_path / family, family))
    ours, theirs = Network(found, threads=1), Network(found, threads=1, runtime=RUNTIME)
    assert theirs.architecture == ours.architecture
    assert np.abs(ours(IDS, MASK) - theirs(IDS, MASK))[MASK == 1].max() < ROUNDING


def test_weights_of_half_the_size_are_run_in_float32(tmp_path):
    """The settings may name another type; it is how the weights were stored, not how vectors are computed."""
    folder = write_model(tmp_path / "model", dtype="float16", torch_dtype="float16")
    halves = {name: array.astype(np.float16) for name, array in random_weights(CONFIG).items()}
    write_safetensors(folder / "model.safetensors", halves)
    found = _found(folder)
    ours, theirs = Network(found, threads=1), Network(found, threads=1, runtime=RUNTIME)
    assert np.abs(ours(IDS, MASK) - theirs(IDS, MASK))[MASK == 1].max() < ROUNDING


def test_a_kind_that_is_not_known_here_is_run_and_told(squeeze, libraries):
    """The default runtime hands it over with a warning; token vectors are those of transformers itself."""
    with pytest.warns(FallbackWarning, match="'squeezebert'"):
        network = Network(_found(squeeze), threads=1)
    assert (network.gives, network.dim) == ("tokens", 16)
    assert np.abs(network(IDS, MASK) - _oracle(squeeze, libraries))[MASK == 1].max() < ROUNDING


def test_the_line_of_a_foreign_architecture_is_that_of_its_settings(squeeze):
    """Equal settings give equal lines whoever saved them; another setting gives another."""
    found = _found(squeeze)
    first = Network(found, threads=1, runtime=RUNTIME).architecture
    assert first.startswith("transformers squeezebert config=")
    assert first.endswith(" modules=Transformer")
    settings = json.loads((squeeze / "config.json").read_text())
    (squeeze / "config.json").write_text(json.dumps(settings | {"transformers_version": "1.0", "dtype": "float64"}))
    assert Network(found, threads=1, runtime=RUNTIME).architecture == first
    (squeeze / "config.json").write_text(json.dumps(settings | {"layer_norm_eps": 1e-5}))
    assert Network(found, threads=1, runtime=RUNTIME).architecture != first


def test_a_pipeline_of_other_modules_gives_vectors(tmp_path):
    """Mean and first token beside one another, which no pooling here does: the library's own, (B, 2 D)."""
    folder = write_model(tmp_path / "model")
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    files = _with_modules(folder, (f"{OWN}Transformer", {}), (f"{OWN}Pooling", pooling))
    tokens = Network(_found(folder), threads=1)(IDS, MASK)
    found = Found(pin=pin_of(folder), folder=folder, source="folder")
    assert found.pin.foreign
    assert set(found.pin.files) <= set(files)
    with pytest.warns(FallbackWarning, match="pooling"):
        network = Network(found, threads=1)
    means = (tokens * MASK[:, :, None]).sum(axis=1) / MASK.sum(axis=1, keepdims=True)
    assert (network.gives, network.dim) == ("vectors", 32)
    assert np.abs(network(IDS, MASK) - np.hstack([tokens[:, 0], means])).max() < ROUNDING
    assert network.architecture.startswith("transformers bert config=")
    assert "modules=Transformer,Pooling:" in network.architecture


def test_a_row_does_not_depend_on_its_batch(squeeze):
    """Alone or beside a longer text."""
    network = Network(_found(squeeze), threads=1, runtime=RUNTIME)
    together = network(IDS, MASK)
    assert np.abs(network(IDS[1:, :3], MASK[1:, :3]) - together[1:, :3]).max() < ROUNDING


def test_code_of_a_repository_is_never_run(tmp_path):
    """A kind that only the repository's own file knows, and a module that lies beside the weights."""
    code = "raise SystemExit('code out of a model was run')"
    custom = write_model(tmp_path / "custom", model_type="mine", auto_map={"AutoModel": "mine.Mine"})
    (custom / "mine.py").write_text(code)
    with pytest.raises(ModelLoadError, match="needs code from its own repository"):
        Network(_found(custom), threads=1, runtime=RUNTIME)
    known = write_model(tmp_path / "known", auto_map={"AutoModel": "mine.Mine", "AutoConfig": "mine.Mine"})
    (known / "mine.py").write_text(code)
    assert Network(_found(known), threads=1, runtime=RUNTIME)(IDS, MASK).shape == (2, 4, 16)
    module = write_model(tmp_path / "module")
    (module / "mine.py").write_text(code)
    files = _with_modules(module, (f"{OWN}Transformer", {}), ("mine.Mine", {}))
    with pytest.raises(ModelLoadError, match=r"mine\.Mine"):
        Network(_found(module, files=files, foreign="it has the module Mine"), threads=1, runtime=RUNTIME)


def test_a_kind_that_nobody_knows_is_an_error(tmp_path):
    """Neither this program nor transformers."""
    folder = write_model(tmp_path / "model", model_type="of-tomorrow")
    with pytest.raises(ModelLoadError, match="'of-tomorrow'"):
        Network(_found(folder), threads=1, runtime=RUNTIME)


def test_weights_in_a_pickle_are_never_read(squeeze):
    """The reason is told; a pickle beside safetensors is passed over."""
    (squeeze / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert Network(_found(squeeze), threads=1, runtime=RUNTIME).dim == 16
    found = _found(squeeze)
    files = {name: digest for name, digest in found.pin.files.items() if name != "model.safetensors"}
    (squeeze / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match="a pickle, which could run code"):
        Network(replace(found, pin=replace(found.pin, files=files)), threads=1, runtime=RUNTIME)


def test_weights_that_lack_a_part_are_refused(tmp_path, squeeze):
    """The library would fill it with random numbers, others at each load."""
    from safetensors.numpy import load_file  # noqa: PLC0415 - an extra

    weights = load_file(squeeze / "model.safetensors")
    lacking = next(name for name in sorted(weights) if name.endswith("intermediate.conv1d.weight"))
    write_safetensors(squeeze / "model.safetensors", {name: a for name, a in weights.items() if name != lacking})
    with pytest.raises(ModelLoadError, match=rf"lack 1 tensors.*{lacking}"):
        Network(_found(squeeze), threads=1, runtime=RUNTIME)


def test_a_layer_behind_the_token_vectors_may_be_lacking(tmp_path, squeeze):
    """Many checkpoints have no pooler; nothing here takes what it gives."""
    from safetensors.numpy import load_file  # noqa: PLC0415 - an extra

    expected = Network(_found(squeeze), threads=1, runtime=RUNTIME)(IDS, MASK)
    weights = load_file(squeeze / "model.safetensors")
    kept = {name: array for name, array in weights.items() if "pooler" not in name}
    assert len(kept) < len(weights)
    write_safetensors(squeeze / "model.safetensors", kept)
    assert np.array_equal(Network(_found(squeeze), threads=1, runtime=RUNTIME)(IDS, MASK), expected)


@pytest.mark.parametrize("damage", ["config", "weights"])
def test_a_damaged_model_is_an_error_with_a_name(squeeze, damage):
    """Whatever the library raises."""
    if damage == "config":
        settings = json.loads((squeeze / "config.json").read_text())
        (squeeze / "config.json").write_text(json.dumps(settings | {"num_attention_heads": 7}))
    else:
        (squeeze / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelLoadError, match="cannot load"):
        Network(_found(squeeze), threads=1, runtime=RUNTIME)


def test_only_pinned_files_are_seen(tmp_path):
    """A file that no digest vouches for changes nothing: here an adapter that would replace the network."""
    folder = write_model(tmp_path / "model")
    found = _found(folder)
    expected = Network(found, threads=1, runtime=RUNTIME)(IDS, MASK)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "elsewhere"}')
    (folder / "modules.json").write_text("[]")
    assert np.array_equal(Network(found, threads=1, runtime=RUNTIME)(IDS, MASK), expected)


def test_a_model_that_takes_something_else_than_tokens_is_refused(tmp_path):
    """A table of word vectors has a tokenizer of its own kind."""
    folder = write_model(tmp_path / "model")
    files = _with_modules(folder, (f"{OWN}WordEmbeddings", {}), (f"{OWN}Pooling", {}))
    with pytest.raises(UnsupportedError, match="begins with the module WordEmbeddings"):
        Network(_found(folder, files=files, foreign="it is made of WordEmbeddings"), threads=1, runtime=RUNTIME)


def test_what_the_library_raises_on_a_batch_has_a_name(squeeze):
    """An id beyond the vocabulary."""
    with pytest.raises(EncodeError, match="sentence-transformers failed on a batch"):
        Network(_found(squeeze), threads=1, runtime=RUNTIME)(np.array([[10_000]]), np.ones((1, 1), np.int64))


def test_nothing_of_the_program_is_changed(squeeze, libraries, capfd):
    """Threads of PyTorch, filters of warnings and levels of logging are as before; nothing is printed."""
    import torch
    import transformers

    def state():
        said = transformers.utils.logging
        return torch.get_num_threads(), list(warnings.filters), said.get_verbosity(), said.is_progress_bar_enabled()

    before_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = state()
        Network(_found(squeeze), threads=1, runtime=RUNTIME)(IDS, MASK)
        assert state() == before
    finally:
        torch.set_num_threads(before_threads)
    assert capfd.readouterr() == ("", "")
