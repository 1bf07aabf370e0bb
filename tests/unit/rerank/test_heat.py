"""Heat maps: the shares of pairs of tokens are those of the formula and sum to the score."""

from __future__ import annotations

import json

import numpy as np
import pytest

from family_worlds import write_family
from model_worlds import write_model
from static_worlds import write_glove
from vicinal import encode
from vicinal.encode.shrink import cut, fit_pca, project
from vicinal.encode.tokens import TokenVectors
from vicinal.errors import ShapeError, TooLongError
from vicinal.rerank import LateInteraction, explain_match, heat_map

CLOSE = 1e-4
QUERY, TEXT = "a cat, dog", "The dog and a cat. "
LONG = "a b c d e f g h i j k l m n o p q r s t u v w x y z cat"


def tokens(vectors, weights="mean", own=None):
    """Tokens at (0, 1), (1, 2) … of a text."""
    array = np.float32(vectors)
    count = len(array)
    return TokenVectors(
        vectors=array,
        spans=np.array([[place, place + 1] for place in range(count)]).reshape(-1, 2),
        of_text=np.ones(count, np.bool_) if own is None else np.array(own),
        weights=np.full(count, 1 / max(count, 1)) if isinstance(weights, str) else weights,
    )


def score(encoder, query, text):
    """The score that search would give."""
    return float(np.asarray(encoder.encode_queries([query]))[0] @ np.asarray(encoder.encode_documents([text]))[0])


def test_the_shares_by_hand():
    """h = (1, 0), (0, 1) and g = (2, 0): the mean of h has length √½, so the cosine is √½, all of it from the first."""
    found = heat_map(tokens([[1, 0], [0, 1]]), tokens([[2, 0]]))
    assert found.kind == "exact"
    np.testing.assert_allclose(found.shares, [[np.sqrt(0.5)], [0]], atol=1e-12)
    assert found.score == pytest.approx(np.sqrt(0.5))
    assert heat_map(tokens([[1, 0], [0, 1]]), tokens([[2, 0]]), normalized=False).score == pytest.approx(1.0)


def test_the_shares_are_those_of_the_formula():
    """A[i, j] = <h_i, g_j> / (n m |h̄| |ḡ|), for any vectors."""
    generator = np.random.default_rng(0)
    h, g = generator.standard_normal((5, 6)).astype(np.float32), generator.standard_normal((7, 6)).astype(np.float32)
    mean_h, mean_g = h.mean(axis=0, dtype=np.float64), g.mean(axis=0, dtype=np.float64)
    lengths = np.linalg.norm(mean_h) * np.linalg.norm(mean_g)
    found = heat_map(tokens(h), tokens(g))
    for row in range(5):
        for column in range(7):
            expected = float(h[row].astype(np.float64) @ g[column]) / (5 * 7 * lengths)
            assert found.shares[row, column] == pytest.approx(expected, abs=1e-9)
    assert found.score == pytest.approx(mean_h @ mean_g / lengths)
    assert sum(one.share for one in found.query_credits()) == pytest.approx(found.score)
    assert sum(one.share for one in found.text_credits()) == pytest.approx(found.score)


@pytest.mark.parametrize("text", [TEXT, LONG, "", "cat"])
def test_the_shares_sum_to_the_score_of_a_mean_pooled_model(tmp_path, text):
    """Prompts, windows and special tokens included."""
    folder = write_model(tmp_path / "m", prompts={"query": "cat: ", "document": "dog: "})
    encoder = encode.load(str(folder), threads=1)
    found = explain_match(encoder, QUERY, text)
    assert found.kind == "exact"
    assert found.score == pytest.approx(score(encoder, QUERY, text), abs=CLOSE)
    own = found.shares[found.query_own][:, found.text_own].sum()
    assert found.outside() + own == pytest.approx(found.score)


def test_the_shares_sum_to_the_score_of_minilm(minilm):
    """The model that comes with the program, texts beyond its window among them."""
    query = "how do I stop the bill"
    for text in ("Please cancel my subscription at the end of the month.", "The moon was full. " * 120):
        found = explain_match(minilm, query, text)
        assert found.kind == "exact"
        assert abs(found.score - score(minilm, query, text)) <= CLOSE
        spans = [text[one.start : one.end] for one in found.text_credits()]
        assert "".join(spans) == text.replace(" ", "")


def test_the_shares_sum_to_the_score_of_word_vectors(tmp_path):
    """Where they are shares of words, with no neighbours in them."""
    encoder = encode.load(str(write_glove(tmp_path / "v.txt")), threads=1)
    found = explain_match(encoder, "cat dog", "köln the dog")
    assert found.score == pytest.approx(score(encoder, "cat dog", "köln the dog"), abs=CLOSE)
    # cat (0, 3, 0) + dog (0, 0, 2) against köln (1, 1, 0) + the (4, 0, 0) + dog (0, 0, 2)
    expected = np.array([[3, 0, 0], [0, 0, 4]]) / (np.sqrt(13) * np.sqrt(25 + 1 + 4))
    np.testing.assert_allclose(found.shares, expected, atol=1e-6)
    assert found.outside() == 0


def test_behind_a_cut_and_a_projection_the_sum_stays_exact(tmp_path):
    """Of the components that are left."""
    encoder = encode.load(str(write_model(tmp_path / "m")), threads=1)
    sample = encoder.encode_documents([f"{one} {other}" for one in "abcdefgh" for other in ("cat", "dog", "x")])
    for one in (cut(encoder, 5, trained=(5,)), project(encoder, fit_pca(sample, 6))):
        found = explain_match(one, QUERY, LONG)
        assert found.kind == "exact"
        assert found.score == pytest.approx(score(one, QUERY, LONG), abs=CLOSE)


def test_a_model_that_is_no_mean_is_shown_by_its_nearest_tokens(tmp_path):
    """The sum then is the score of late interaction, and the kind says so."""
    encoder = encode.load(str(write_family(tmp_path / "m", "bert", pooling="cls")), threads=1)
    found = explain_match(encoder, QUERY, TEXT)
    assert found.kind == "maxsim"
    assert found.score == pytest.approx(LateInteraction(encoder).score(QUERY, [TEXT])[0], abs=1e-5)
    assert (np.count_nonzero(found.shares, axis=1) == found.query_own).all()
    assert found.outside() == 0


def test_max_sim_by_hand():
    """Each token of the question has its largest cosine at one token of the text; special ones have none."""
    query = tokens([[1, 0], [0, 2], [5, 5]], weights=None, own=[True, True, False])
    text = tokens([[3, 4], [1, 1], [0, 9]], weights=None, own=[True, True, False])
    expected = np.zeros((3, 3))
    expected[0, 1], expected[1, 0] = np.sqrt(0.5) / 2, 0.8 / 2
    np.testing.assert_allclose(heat_map(query, text).shares, expected, atol=1e-9)


def test_a_side_without_tokens_or_without_length_gives_nothing():
    """Zeros, not NaN."""
    for text in (tokens(np.zeros((0, 2))), tokens([[1, 0], [-1, 0]])):
        found = heat_map(tokens([[1, 0]]), text)
        assert found.score == 0.0
        assert np.isfinite(found.shares).all()
    with pytest.raises(TooLongError, match="pairs"):
        heat_map(tokens(np.ones((2100, 1))), tokens(np.ones((2000, 1))))
    with pytest.raises(ShapeError):
        heat_map(tokens([[1, 0]]), tokens([[1, 0, 0]]))


def test_plain_data_is_json_without_any_text():
    """Spans and shares of each token of both sides."""
    found = heat_map(tokens([[1, 0], [0, 1]]), tokens([[2, 0]]))
    told = json.loads(json.dumps(found.as_dict()))
    assert told["kind"] == "exact"
    assert told["text"] == [{"start": 0, "end": 1, "share": 0.707107, "own": True}]
    assert [one["share"] for one in told["query"]] == [0.707107, 0.0]
