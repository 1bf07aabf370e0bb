"""What is said over the wire: each provider's request word for word, and answers that are no vectors."""

from __future__ import annotations

import base64
import math

import numpy as np
import pytest

from vicinal.encode.providers import wire
from vicinal.encode.providers.cohere import COHERE
from vicinal.encode.providers.openai import COMPATIBLE, OPENAI
from vicinal.encode.providers.voyage import VOYAGE
from vicinal.encode.providers.wire import Limits, WrongAnswerError


def _base64(*numbers):
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def test_the_requests_word_for_word():
    """As the providers document them: the role where there is one, cutting switched off, base64 where it is known."""
    assert OPENAI.body("m", ["a"], "query", None) == {"model": "m", "input": ["a"], "encoding_format": "base64"}
    assert OPENAI.body("m", ["a"], "query", 4)["dimensions"] == 4
    assert COHERE.body("m", ["a"], "query", None) == {
        "model": "m",
        "texts": ["a"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    assert COHERE.body("m", ["a"], "document", 4)["input_type"] == "search_document"
    assert COHERE.body("m", ["a"], "document", 4)["output_dimension"] == 4
    assert VOYAGE.body("m", ["a"], "document", None) == {
        "model": "m",
        "input": ["a"],
        "input_type": "document",
        "truncation": False,
        "encoding_format": "base64",
    }
    assert VOYAGE.body("m", ["a"], "query", 4)["output_dimension"] == 4


def test_the_limits_as_documented():
    """Texts and tokens of one request."""
    assert OPENAI.limits("m") == Limits(texts=2048, tokens=300_000)
    assert COMPATIBLE.limits("m").texts == 32
    assert COHERE.limits("m").texts == 96
    assert VOYAGE.limits("voyage-3.5-lite") == Limits(texts=1000, tokens=1_000_000)
    assert VOYAGE.limits("voyage-law-2") == Limits(texts=1000, tokens=120_000)


def test_a_list_of_numbers_and_base64_are_the_same_vector():
    """3, 4 is 0.6, 0.8 at unit length; base64 is little-endian float32."""
    assert wire.rows([[3, 4.0], _base64(3, 4)], None).tolist() == [[0.6, 0.8], [0.6, 0.8]]


def test_tiny_and_huge_components_keep_their_direction():
    """The square of neither fits a double, but the vectors have a direction."""
    assert np.allclose(wire.rows([[3e-300, 4e-300], [3e38, 1e38]], 2), [[0.6, 0.8], [0.9486833, 0.31622777]])


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([[1.0, math.nan]], "NaN"),
        ([[1.0, math.inf]], "NaN"),
        ([[1.0, 1e39]], "float32"),
        ([[1.0, 10**400]], "no list of numbers"),
        ([[1.0, 10**30]], "no list of numbers"),
        ([[0.0, 0.0]], "is zero"),
        ([["1", "2"]], "no list of numbers"),
        ([[True, False]], "no list of numbers"),
        ([[None, 1]], "no list of numbers"),
        ([[[1], [2, 3]]], "no list of numbers"),
        ([[[1.0], [2.0]]], "no list of numbers"),
        ([{"a": 1}], "neither a list"),
        ([None], "neither a list"),
        ([[1.0]], "1 dimensions, not 2"),
        ([[]], "0 dimensions"),
        (["?"], "no base64"),
        (["é"], "no base64"),
        (["AAAAAAA="], "5 bytes"),
        ([_base64(1, 2, 3)], "3 dimensions, not 2"),
        ([_base64(1, math.nan)], "NaN"),
    ],
)
def test_what_is_no_vector_is_refused(found, why):
    """Whatever JSON can hold in place of one."""
    with pytest.raises(WrongAnswerError, match=why):
        wire.rows(found, 2)


def test_without_a_dimension_all_must_have_the_first_one_s():
    """As for the first request of a model that is not known here; none at all, or far too many, are refused."""
    with pytest.raises(WrongAnswerError, match="2 dimensions, not 1"):
        wire.rows([[1.0], [1.0, 2.0]], None)
    with pytest.raises(WrongAnswerError, match="0 dimensions"):
        wire.rows([[]], None)
    with pytest.raises(WrongAnswerError, match="65537 dimensions"):
        wire.rows([[1.0] * 65_537], None)


@pytest.mark.parametrize(
    "items",
    [
        None,
        {},
        [],
        [{"index": 0}],
        [{"index": 0}, {"index": 0}],
        [{"index": 0}, {"index": 2}],
        [{"index": 0}, {"index": -1}],
        [{"index": 0}, {"index": True}],
        [{"index": 0}, {"index": "1"}],
        [{"index": 0}, 7],
        [{"index": 0}, {"index": 1}, {"index": 2}],
    ],
)
def test_vectors_must_say_which_text_each_belongs_to(items):
    """Each index once, none missing, none beside."""
    with pytest.raises(WrongAnswerError):
        wire.by_index(items, 2)


def test_vectors_are_put_in_the_order_of_their_index():
    """However they came."""
    assert wire.by_index([{"index": 1, "embedding": "b"}, {"index": 0, "embedding": "a"}], 2) == ["a", "b"]


@pytest.mark.parametrize(
    "payload", [{}, {"embeddings": []}, {"embeddings": {}}, {"embeddings": {"float": [[1.0]] * 3}}]
)
def test_cohere_s_vectors_must_be_as_many_as_the_texts(payload):
    """They have no index: their number is all that can be compared."""
    with pytest.raises(WrongAnswerError):
        COHERE.found(payload, 2)


@pytest.mark.parametrize(
    ("value", "tokens"),
    [(7, 7), (7.0, 7), (0, 0), (-1, None), (True, None), ("7", None), (None, None), (math.nan, None), (10**15, None)],
)
def test_a_count_of_tokens_is_believed_if_it_is_one(value, tokens):
    """Each wire has it elsewhere; what is no count is as if it were not there."""
    assert OPENAI.tokens({"usage": {"total_tokens": value}}) == tokens
    assert VOYAGE.tokens({"usage": {"total_tokens": value}}) == tokens
    assert COHERE.tokens({"meta": {"billed_units": {"input_tokens": value}}}) == tokens
    assert OPENAI.tokens({"usage": []}) is VOYAGE.tokens({}) is COHERE.tokens({"meta": 3}) is None
