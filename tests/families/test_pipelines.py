"""Whole models in the hub's layout, written by sentence-transformers, give the vectors that it gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

import vicinal
from family_worlds import write_family

pytestmark = pytest.mark.train

TEXTS = [
    "cat",
    "the cat sat on the mat and the dog sat on the cat",
    "",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2,
    "Dog, cat. CAT dog!",
]
PROMPTS = {"query": "cat a: ", "document": "dog b: "}
SHORT = ["cat", "dog, a cat"]
"""Within the window, prompt included."""
LEAST_COSINE = 0.9999


@pytest.fixture(scope="module")
def library():
    """sentence-transformers and torch, seeded."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return pytest.importorskip("sentence_transformers"), torch


def written(library, folder, pooling, heads, normalize, similarity=None):
    """Return a model of sentence-transformers, saved in a folder in its own layout."""
    sentence_transformers, torch = library
    from sentence_transformers.sentence_transformer import modules

    base = write_family(folder.with_name(folder.name + "-base"), "bert", window=24)
    steps = [modules.Transformer(str(base), max_seq_length=24)]
    dim = steps[0].get_embedding_dimension()
    steps.append(modules.Pooling(dim, pooling_mode=pooling))
    for head in heads:
        if head == "layer_norm":
            norm = modules.LayerNorm(dim)
            torch.nn.init.normal_(norm.norm.weight)
            torch.nn.init.normal_(norm.norm.bias)
            steps.append(norm)
        else:
            steps.append(modules.Dense(dim, 7, activation_function=getattr(torch.nn, head)()))
            dim = 7
    if normalize:
        steps.append(modules.Normalize())
    model = sentence_transformers.SentenceTransformer(
        modules=steps, prompts=PROMPTS, similarity_fn_name=similarity, device="cpu"
    )
    model.save_pretrained(str(folder), create_model_card=False)
    return model


def cosines(ours, theirs):
    """Return the cosine of each pair of rows."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "weightedmean", "max"])
@pytest.mark.parametrize("heads", [[], ["Tanh"], ["GELU", "layer_norm"], ["Identity"]], ids=str)
def test_both_roles_agree(library, tmp_path, pooling, heads):
    """Pooling, dense layers, layer normalization and the prompt of each role, with texts cut at the window."""
    model = written(library, tmp_path / "m", pooling, heads, normalize=True)
    encoder = vicinal.load(str(tmp_path / "m"), overflow="cut")
    with pytest.warns(vicinal.errors.TruncationWarning):
        queries, documents = encoder.encode_queries(TEXTS), encoder.encode_documents(TEXTS)
    for role, ours in (("query", queries), ("document", documents)):
        found = cosines(ours, model.encode(TEXTS, prompt_name=role, show_progress_bar=False))
        assert found.min() >= LEAST_COSINE
        assert found.mean() >= 0.99999


def test_vectors_for_the_dot_product_have_their_length(library, tmp_path):
    """A model whose authors compare by dot product gives equal numbers, not only equal directions."""
    model = written(library, tmp_path / "m", "cls", [], normalize=False, similarity="dot")
    encoder = vicinal.load(str(tmp_path / "m"))
    assert (encoder.space.metric, encoder.space.normalized) == ("dot", False)
    theirs = model.encode(SHORT, prompt_name="document", show_progress_bar=False)
    assert np.abs(np.asarray(encoder.encode_documents(SHORT)) - theirs).max() < 1e-4


def test_settings_in_the_old_form_mean_the_same(library, tmp_path):
    """Switches of the pooling and the window in its own file, as models on the hub have them."""
    model = written(library, tmp_path / "m", "cls", [], normalize=True)
    (tmp_path / "m/1_Pooling/config.json").write_text(
        json.dumps({"word_embedding_dimension": 16, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False})
    )
    (tmp_path / "m/sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}))
    encoder = vicinal.load(str(tmp_path / "m"))
    found = cosines(encoder.encode_documents(SHORT), model.encode(SHORT, prompt_name="document"))
    assert found.min() >= LEAST_COSINE
