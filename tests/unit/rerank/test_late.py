"""Late interaction: the mean of the largest cosines, one token after the other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model_worlds import write_model
from static_worlds import WORDS, write_glove
from vicinal import encode
from vicinal.encode.function import FunctionEncoder
from vicinal.encode.tokens import token_vectors
from vicinal.errors import InputError, UnsupportedError
from vicinal.rerank import LateInteraction
from vicinal.rerank import late as late_module
from vicinal.rerank.late import max_sim

TEXTS = ["a dog", "cat cat", "The dog and a cat. abc", "x"]


def slow_score(query, text):
    """MaxSim of two texts of word vectors, one pair after the other."""

    def cosine(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)

    best = [max(cosine(WORDS[asked], WORDS[word]) for word in text.split()) for asked in query.split()]
    return sum(best) / len(best)


def test_the_score_by_hand_and_by_the_slow_twin(tmp_path):
    """cat finds itself, the finds nothing like it: (1 + 0) / 2."""
    late = LateInteraction(encode.load(str(write_glove(tmp_path / "v.txt")), threads=1))
    texts = ["cat dog", "Paris köln the", "dog", "the"]
    found = late.score("cat the", texts)
    assert found[0] == pytest.approx(0.5)
    assert found.tolist() == pytest.approx([slow_score("cat the", text) for text in texts], abs=1e-6)


def test_a_network_is_compared_by_its_own_tokens(tmp_path):
    """Special ones and the prompt's are left out on both sides."""
    folder = write_model(tmp_path / "m", prompts={"query": "cat: ", "document": "dog: "})
    encoder = encode.load(str(folder), threads=1)
    (asked,) = token_vectors(encoder, ["a cat"], role="query")
    expected = []
    for text in token_vectors(encoder, TEXTS, role="document"):
        cosines = []
        for one in asked.vectors[asked.of_text]:
            near = [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for other in text.vectors[text.of_text]]
            cosines.append(max(near))
        expected.append(sum(cosines) / len(cosines))
    late = LateInteraction(encoder)
    np.testing.assert_allclose(late.score("a cat", TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(late.score("a cat", TEXTS[2:3]), expected[2:3], atol=1e-5)
    assert late.score_kind == "late-interaction"


def test_an_empty_side_is_below_all_others(tmp_path):
    """-1, and nothing in, nothing out."""
    late = LateInteraction(encode.load(str(write_model(tmp_path / "m")), threads=1))
    assert late.score("", TEXTS).tolist() == [-1.0] * len(TEXTS)
    assert late.score("cat", [""]).tolist() == [-1.0]
    assert late.score("cat", []).shape == (0,)
    assert max_sim(np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)) == 1.0


def test_what_has_no_tokens_is_refused():
    """And what is no list of texts."""
    function = FunctionEncoder(lambda texts: np.ones((len(texts), 3)), name="f", version="1", dim=3)
    with pytest.raises(UnsupportedError):
        LateInteraction(function).score("a", ["b"])
    with pytest.raises(InputError):
        LateInteraction(function).score("a", "b")


def test_many_pairs_are_gone_through_in_parts(monkeypatch):
    """With the same mean."""
    generator = np.random.default_rng(0)
    query, text = (generator.standard_normal((count, 4)).astype(np.float32) for count in (17, 9))
    whole = max_sim(query, text)
    monkeypatch.setattr(late_module, "MOST_PAIRS", 20)
    assert max_sim(query, text) == pytest.approx(whole, abs=1e-6)
