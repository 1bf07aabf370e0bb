"""Token vectors: pooled, they are the text's vector; each has its place in the text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from family_worlds import write_family
from model_worlds import VOCABULARY, tokenizer_rules, write_model
from static_worlds import WORDS, write_fasttext, write_glove, write_model2vec, write_static_module
from vicinal import encode
from vicinal.encode import tokens as tokens_module
from vicinal.encode.cache import EncodingCache, cached
from vicinal.encode.function import FunctionEncoder
from vicinal.encode.shrink import cut, fit_pca, project
from vicinal.encode.tokens import token_vectors
from vicinal.errors import InputError, TooLongError, UnknownNameError, UnsupportedError

TEXTS = ["cat", "a dog, a cat.", "", "Dog CAT abc", "a b c d e f g h i j k l m n o p q r s t u v w x y z"]
"""The last one has several windows of 12 tokens."""
CLOSE = 1e-5
"""Sums of float32 of some tokens in another order."""


def units(vectors):
    """The rows at unit length, zeros as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def pooled(encoder, texts, role="document"):
    """What the weights make of the tokens of each text, at unit length."""
    found = [one.weights @ one.vectors for one in token_vectors(encoder, texts, role=role)]
    return units(np.array(found).reshape(len(texts), -1))


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
def test_weights_times_tokens_are_the_vector_of_the_text(tmp_path, pooling):
    """In both roles, prompts and windows included, by every pooling that is a sum."""
    folder = write_family(tmp_path / "m", "bert", pooling=pooling)
    encoder = encode.load(str(folder), threads=1, prompts={"query": "cat a: ", "document": "dog b: "})
    np.testing.assert_allclose(pooled(encoder, TEXTS), np.asarray(encoder.encode_documents(TEXTS)), atol=CLOSE)
    np.testing.assert_allclose(pooled(encoder, TEXTS, "query"), np.asarray(encoder.encode_queries(TEXTS)), atol=CLOSE)
    assert all(one.weights.sum() == pytest.approx(1) for one in token_vectors(encoder, TEXTS, role="document"))


@pytest.mark.parametrize("family", ["roberta", "xlm-roberta", "distilbert", "mpnet", "modernbert", "qwen3"])
def test_every_family_shows_its_tokens(tmp_path, family):
    """The tokenizers of bytes and of pieces too."""
    encoder = encode.load(str(write_family(tmp_path / "m", family)), threads=2)
    np.testing.assert_allclose(pooled(encoder, TEXTS), np.asarray(encoder.encode_documents(TEXTS)), atol=CLOSE)


def test_each_token_has_its_place_in_the_text(load):
    """Code points of the text, the prompt left out; special tokens and the prompt's are not of it."""
    encoder = load(prompts={"document": "dog: "})
    (found,) = token_vectors(encoder, ["Äh, a cat"], role="document")
    places = [tuple(span) for span, own in zip(found.spans.tolist(), found.of_text.tolist(), strict=True) if own]
    # [CLS] dog [UNK] | a ##h , a cat | [SEP]: the accent is folded, its place stays one code point
    assert places == [(0, 1), (1, 2), (2, 3), (4, 5), (6, 9)]
    assert found.of_text.tolist() == [False, False, False, True, True, True, True, True, False]
    assert (found.spans[~found.of_text] == 0).all()
    assert len(found.text_only()) == 5
    assert found.text_only().weights is None


def test_windows_keep_the_places_and_repeat_prompt_and_special_tokens(load):
    """Every token of the text once, in order, over all windows."""
    encoder = load(prompts={"document": "dog "})
    (found,) = token_vectors(encoder, [TEXTS[-1]], role="document")
    own = found.spans[found.of_text]
    assert own.tolist() == [[2 * place, 2 * place + 1] for place in range(26)]
    windows = 3  # 26 tokens, 9 of a window of 12 beside [CLS], the prompt and [SEP]
    assert (~found.of_text).sum() == 3 * windows


def test_the_rule_for_long_texts_is_the_encoders(load):
    """Cut: the tokens of one window; error: refused."""
    found = list(token_vectors(load(overflow="cut"), [TEXTS[-1], "cat"], role="document"))
    assert [len(one) for one in found] == [12, 3]
    assert [one.cut for one in found] == [True, False]
    assert not any(one.cut for one in token_vectors(load(), TEXTS, role="query"))
    with pytest.raises(TooLongError):
        list(token_vectors(load(overflow="error"), [TEXTS[-1]], role="document"))


def test_the_largest_of_each_component_is_no_sum(tmp_path):
    """Nor is what modules make of the pooled vector: the tokens are shown without weights."""
    folder = write_family(tmp_path / "m", "bert", pooling="mean")
    told = (folder / "1_Pooling" / "config.json").read_text()
    (folder / "1_Pooling" / "config.json").write_text(
        told.replace('"pooling_mode_mean_tokens": true', '"pooling_mode_max_tokens": true')
    )
    (found,) = token_vectors(encode.load(str(folder), threads=1), ["a cat"], role="document")
    assert found.weights is None
    assert found.vectors.shape == (4, 16)


@pytest.mark.parametrize("weighting", ["mean", "sif"])
def test_static_models_show_their_rows(tmp_path, weighting):
    """A token table's, behind weights and a mapping or not; unknown tokens have none."""
    generator = np.random.default_rng(0)
    count = len(VOCABULARY)
    arrays = {"embeddings": generator.standard_normal((count, 4)).astype(np.float32)}
    plain = write_model2vec(tmp_path / "plain", arrays, rules=tokenizer_rules())
    encoder = encode.load(str(plain), threads=1, weighting=weighting, prompts={"document": "dog: "})
    texts = [text for text in TEXTS if text]
    np.testing.assert_allclose(pooled(encoder, texts), np.asarray(encoder.encode_documents(texts)), atol=CLOSE)
    (found,) = token_vectors(encoder, ["a 7 cat"], role="document")
    assert found.spans[found.of_text].tolist() == [[0, 1], [4, 7]]


def test_a_table_with_weights_and_a_mapping(tmp_path):
    """Token t has the row mapping[t], times weights[t]."""
    generator = np.random.default_rng(1)
    count = len(VOCABULARY)
    arrays = {
        "embeddings": generator.standard_normal((7, 4)).astype(np.float32),
        "weights": generator.uniform(0.1, 2, count).astype(np.float32),
        "mapping": generator.integers(0, 7, count),
    }
    encoder = encode.load(str(write_model2vec(tmp_path / "m", arrays)), threads=1)
    texts = [text for text in TEXTS if text]
    np.testing.assert_allclose(pooled(encoder, texts), np.asarray(encoder.encode_documents(texts)), atol=CLOSE)
    module = encode.load(str(write_static_module(tmp_path / "s")), threads=1)
    np.testing.assert_allclose(pooled(module, texts), np.asarray(module.encode_documents(texts)), atol=CLOSE)


@pytest.mark.parametrize("write", [write_glove, write_fasttext])
@pytest.mark.parametrize("weighting", ["mean", "sif"])
def test_word_vectors_show_their_words(tmp_path, write, weighting):
    """Words of several rows, n-grams of unknown ones, and joined words by their parts."""
    path = write(tmp_path / ("v.bin" if write is write_fasttext else "v.txt"))
    encoder = encode.load(str(path), threads=1, weighting=weighting)
    texts = ["The cat.", "the dog-cat Paris", "köln, the zebra cat", *WORDS]
    np.testing.assert_allclose(pooled(encoder, texts), np.asarray(encoder.encode_documents(texts)), atol=CLOSE)
    (found,) = token_vectors(encoder, ["the cat"], role="document")
    assert found.spans.tolist() == [[0, 3], [4, 7]]


def test_a_text_of_which_nothing_is_known_has_no_tokens(tmp_path):
    """(0, D)."""
    encoder = encode.load(str(write_glove(tmp_path / "v.txt")), threads=1)
    (found,) = token_vectors(encoder, ["zebra"], role="document")
    assert found.vectors.shape == (0, 3)
    assert len(found) == len(found.weights) == 0


def test_behind_a_cache_a_cut_and_a_projection(load, tmp_path):
    """The tokens are changed as vectors are, so that they still sum to the vector."""
    encoder = load()
    sample = encoder.encode_documents([f"{one} {other}" for one in "abcdefgh" for other in ("cat", "dog", "x")])
    projection = fit_pca(sample, 5)
    with EncodingCache(tmp_path / "cache.sqlite", limit_bytes=1 << 20) as cache:
        wrapped = [cut(cached(encoder, cache), 7, trained=(7,)), project(cached(encoder, cache), projection)]
        wrapped.append(cut(wrapped[1], 3, trained=(3,)))
        for one in wrapped:
            np.testing.assert_allclose(pooled(one, TEXTS), np.asarray(one.encode_documents(TEXTS)), atol=CLOSE)


def test_many_texts_go_in_blocks_and_keep_their_order(load, monkeypatch):
    """One block is encoded at a time, and no text is lost between two."""
    monkeypatch.setattr(tokens_module, "BLOCK_TEXTS", 3)
    monkeypatch.setattr(tokens_module, "BLOCK_CHARS", 20)
    encoder = load(threads=2)
    texts = [f"{'a ' * (place % 5)}cat" for place in range(17)]
    found = [len(one.text_only()) for one in token_vectors(encoder, texts, role="document")]
    assert found == [place % 5 + 1 for place in range(17)]
    assert list(token_vectors(encoder, [], role="query")) == []


def test_a_text_of_too_many_tokens_is_refused(load, monkeypatch, tmp_path):
    """Its vectors would not fit; its chunks will."""
    monkeypatch.setattr(tokens_module, "MOST_TOKENS", 20)
    for encoder in (load(), encode.load(str(write_glove(tmp_path / "v.txt")), threads=1)):
        with pytest.raises(TooLongError, match="chunks"):
            list(token_vectors(encoder, [TEXTS[-1]], role="document"))


def test_an_encoder_without_tokens_is_refused(load):
    """A function's; an unknown role; what is no list."""
    function = FunctionEncoder(lambda texts: np.ones((len(texts), 3)), name="f", version="1", dim=3)
    with pytest.raises(UnsupportedError, match="FunctionEncoder"):
        token_vectors(function, ["a"], role="document")
    around = cut(load(), 7, trained=(7,))
    around._space = replace(around.space, pooling="cls")
    with pytest.raises(UnsupportedError, match="_Cut"):  # what stands around changes vectors in a way not known here
        token_vectors(around, ["a"], role="document")
    with pytest.raises(UnknownNameError):
        token_vectors(load(), ["a"], role="passage")
    with pytest.raises(InputError):
        token_vectors(load(), "a", role="query")


def test_a_projection_of_what_is_no_sum_is_refused(tmp_path):
    """Its mean could be shared out over nothing."""
    folder = write_model(tmp_path / "m")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    encoder = encode.load(str(folder), threads=1)
    sample = encoder.encode_documents([f"{one} {other}" for one in "abcdefgh" for other in ("cat", "dog", "x")])
    with pytest.raises(UnsupportedError, match="projected"):
        list(token_vectors(project(encoder, fit_pca(sample, 5)), ["a"], role="document"))
