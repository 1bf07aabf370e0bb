"""Every family against the library that its checkpoints come from: the same token vectors, whoever wrote the files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from family_worlds import FAMILY_NAMES, config_of, tokenizer_of, write_family
from vicinal.encode.encoder import TextEncoder
from vicinal.models import families, find, get
from vicinal.models._onnxruntime import Session
from vicinal.models.families import bert
from vicinal.models.safetensors import read_header

pytestmark = pytest.mark.train

LEAST, LEAST_MEAN = 0.9999, 0.99999
"""Cosines of token vectors; both sides compute in float32."""
BATCHES = [[1], [2], [5, 1], [24], [24, 3, 11, 1, 7], [6] * 8]
CHANGES = {
    "bert": [{}, {"hidden_act": "gelu_new", "type_vocab_size": 1}, {"hidden_act": "relu", "layer_norm_eps": 1e-3}],
    "roberta": [{}, {"pad_token_id": 3, "max_position_embeddings": 28}, {"type_vocab_size": 2}],
    "xlm-roberta": [{}, {"num_hidden_layers": 3}],
    "camembert": [{}, {"hidden_act": "gelu_new"}],
    "distilbert": [{}, {"activation": "relu"}, {"sinusoidal_pos_embds": True}],
    "mpnet": [{}, {"max_position_embeddings": 202}, {"hidden_act": "relu"}],
    "nomic_bert_newer": [{}, {"head_dim": 6}, {"hidden_act": "gelu"}, {"rope_parameters": {"rope_theta": 77.0, "rope_type": "default"}}],
    "modernbert": [{}, {"norm_bias": True, "attention_bias": True, "mlp_bias": True}, {"local_attention": 2, "global_attn_every_n_layers": 2}, {"hidden_activation": "silu", "local_attention": 9}],
    "qwen3": [{}, {"num_key_value_heads": 1, "attention_bias": True}, {"num_key_value_heads": 4, "head_dim": 6}],
}  # fmt: skip
CASES = [(family, changes) for family, listed in CHANGES.items() for changes in listed]


@pytest.fixture(scope="module")
def torch():
    """Return torch with one thread; a test that asks for it is skipped where it is not installed."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    return torch


def _random_model(torch, family, changes, seed):
    """Return a small model of the library's own, each of its weights random and mattering."""
    from transformers import AutoConfig, AutoModel

    told = config_of(family, **changes)
    model = AutoModel.from_config(AutoConfig.for_model(**told)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            middle = 1 if weights.ndim == 1 and name.endswith("weight") else 0
            weights.copy_(torch.randn(weights.shape, generator=generator) * 0.4 + middle)
    return model


def _loaded(folder):
    """Return our network of a folder: its description and a session."""
    tensors = read_header(folder / "model.safetensors")
    network = families.describe(json.loads((folder / "config.json").read_text()), tensors)
    return network, Session(families.write(network, tensors, "model.safetensors"), folder)


def _cosines(torch, model, network, session, batches=None):
    """Return the cosine of every token's two vectors, over batches with padding."""
    generator, found = np.random.default_rng(8), []
    for lengths in batches or [*BATCHES, *([length] for length in range(1, 25))]:
        mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
        ids = generator.integers(4, network.vocabulary, mask.shape)
        ids[mask == 0] = model.config.pad_token_id or 0
        with torch.no_grad():
            theirs = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).last_hidden_state
        ours, theirs = session.run(ids, mask)[mask == 1].astype(float), theirs.numpy()[mask == 1].astype(float)
        found.append((ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1))
    return np.concatenate(found)


@pytest.mark.parametrize(("family", "changes"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_checkpoint_that_the_library_writes_gives_its_vectors(torch, tmp_path, family, changes, seed):
    """Saved by the library, read by us: every length up to the window, alone and padded."""
    model = _random_model(torch, family, changes, seed)
    model.save_pretrained(tmp_path)
    cosines = _cosines(torch, model, *_loaded(tmp_path))
    assert cosines.min() >= LEAST
    assert cosines.mean() >= LEAST_MEAN


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", sorted(CHANGES))
def test_a_checkpoint_in_half_precision_gives_the_vectors_of_its_numbers(torch, tmp_path, family, dtype):
    """Written in 16 bits, computed in 32 on both sides."""
    model = _random_model(torch, family, {}, 2).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    cosines = _cosines(torch, model.float(), *_loaded(tmp_path), BATCHES)
    assert cosines.min() >= LEAST


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_checkpoint_that_we_write_gives_the_librarys_vectors(torch, tmp_path, family):
    """Written by us, read by the library, which needs Nomic's settings in its own layout."""
    from transformers import AutoConfig, AutoModel

    write_family(tmp_path, family, seed=3)
    told = {}
    if family == "nomic_bert":
        newer = config_of("nomic_bert_newer", num_attention_heads=2)
        told = {"config": AutoConfig.for_model(**newer)}
    model = AutoModel.from_pretrained(tmp_path, **told).eval()
    cosines = _cosines(torch, model, *_loaded(tmp_path))
    assert cosines.min() >= LEAST
    assert cosines.mean() >= LEAST_MEAN


def test_the_prefix_of_a_model_with_a_head_is_found(torch, tmp_path):
    """A masked language model that the library saves has its base below ``bert.`` and ``model.``."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    for family, prefix in (("bert", "bert."), ("roberta", "roberta."), ("mpnet", "mpnet."), ("distilbert", "distilbert."), ("modernbert", "model.")):  # fmt: skip
        model = AutoModelForMaskedLM.from_config(AutoConfig.for_model(**config_of(family))).eval()
        model.save_pretrained(tmp_path / family)
        network, session = _loaded(tmp_path / family)
        assert network.prefix == prefix
        assert _cosines(torch, model.base_model, network, session, BATCHES).min() >= LEAST


def test_mpnets_buckets_are_the_librarys(torch):
    """Its logarithm in float32 and our whole numbers agree at every distance up to 4,096, the edges included."""
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-4096, 4097)
    theirs = MPNetEncoder.relative_position_bucket(torch.tensor(distances), num_buckets=32)
    assert np.array_equal(bert.buckets_of(distances), theirs.numpy())


def test_a_padding_token_inside_a_text_is_counted_as_the_library_counts_it(torch, tmp_path):
    """RoBERTa and MPNet leave a place out for it; the mask has nothing to do with it."""
    for family in ("roberta", "mpnet"):
        model = _random_model(torch, family, {}, 4)
        model.save_pretrained(tmp_path / family)
        _, session = _loaded(tmp_path / family)
        ids, mask = np.array([[0, 7, 1, 9, 1, 2]]), np.ones((1, 6), np.int64)
        with torch.no_grad():
            theirs = model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask)).last_hidden_state.numpy()
        assert np.abs(session.run(ids, mask) - theirs).max() < 1e-4


def test_a_stretched_rotation_is_the_librarys_for_a_text_alone(torch, tmp_path):
    """Nomic with ``dynamic`` rope: a text longer than in training, one at a time, for the library goes by the batch."""
    rope = {"rope_type": "dynamic", "rope_theta": 1000.0, "factor": 3.0}
    for length in (24, 25, 40, 72):
        model = _random_model(torch, "nomic_bert_newer", {"rope_parameters": dict(rope)}, 5)
        model.save_pretrained(tmp_path / str(length))
        network, session = _loaded(tmp_path / str(length))
        assert network.positions == 72
        assert _cosines(torch, model, network, session, [[length]]).min() >= LEAST


TEXTS = [
    "a cat",
    "the dog sat on a cat, a dog.",
    "zebra",
    "one two three four five six seven eight nine",
    "cat",
    "x y z .",
]


@pytest.mark.parametrize("family", sorted(CHANGES))
def test_a_whole_pipeline_gives_the_vectors_of_sentence_transformers(torch, tmp_path, family):
    """Tokenizer, window, network, pooling, unit length: mean and first token, or the last one of a decoder."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    for pooling in ["lasttoken"] if family == "qwen3" else ["mean", "cls"]:
        folder = write_family(tmp_path / pooling, family, pooling=pooling, window=16)
        _write_tokenizer_settings(folder, family)
        theirs = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
        ours = TextEncoder(find(get(str(folder))), overflow="cut", threads=1)
        with pytest.warns(match="cut at the model's window"):
            found = np.asarray(ours.encode_documents(TEXTS))
        cosines = (found * theirs).sum(axis=1)
        assert cosines.min() >= LEAST
        assert cosines.mean() >= LEAST_MEAN


def _write_tokenizer_settings(folder, family):
    """Write what the other library asks for beside a tokenizer.json."""
    padding = tokenizer_of(family)["padding"]
    pad = padding["pad_token"] if isinstance(padding, dict) else "[PAD]"
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": pad, "model_max_length": 16}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
