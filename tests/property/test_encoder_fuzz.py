"""Ten thousand strange texts through each kind of encoder: a vector or a VicinalError, never another exception, never NaN."""

from __future__ import annotations

import random
import warnings
from contextlib import suppress

import numpy as np
import pytest

import vicinal
from conftest import SEED
from model_worlds import write_model
from vicinal import encode
from vicinal.errors import VicinalError, VicinalWarning
from vicinal.testing import ToyEncoder

COUNT = 10_000
AT_ONCE = 500
HUGE_CHARS = 1_000_000
ALPHABETS = (
    "abcdefghij .,",
    "\0\x01\x1b\x7f\x85\xa0\u200b\u2028\ufeff\ufffd",
    "éüñßçåø\u0301\u0308\u0327",
    "你好世界東京カタカナひらがな한국어",
    "שלום عربي \u202e\u2066",
    "🙂👩‍👩‍👧‍👦🏳️‍🌈𝔘𝔫𝔦",
    "\ud800\udbff\udc00\udfff",
    "[CLS][SEP]<s></s><|endoftext|>{}\\\"'`$#",
    "0123456789-+eE.NaN∞",
)


def strange_texts(count):
    """Return texts of all lengths from random alphabets, some of any code points, some empty, two enormous."""
    chance = random.Random(SEED)
    for place in range(count):
        length = int(chance.paretovariate(0.7)) % 400
        if place % 10 == 0:
            yield "".join(chr(chance.randrange(0x110000)) for _ in range(min(length, 40)))
        else:
            alphabet = "".join(chance.sample(ALPHABETS, k=chance.randint(1, 3)))
            yield "".join(chance.choices(alphabet, k=length - 1))


def vectors_or_errors(encode_texts, texts, dim):
    """Encode texts together, and one by one where together they are refused; return how many became vectors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VicinalWarning)
        with suppress(VicinalError):
            array = np.asarray(encode_texts(texts))
            assert array.shape == (len(texts), dim)
            assert np.isfinite(array).all()
            return len(texts)
        if len(texts) == 1:
            return 0
        return sum(vectors_or_errors(encode_texts, [text], dim) for text in texts)


def fuzzed(encoder, count=COUNT):
    """Run the texts through both roles, and through what counts tokens and finds spans."""
    texts = list(strange_texts(count))
    good = 0
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        role = (encoder.encode_documents, encoder.encode_queries)[start // AT_ONCE % 2]
        good += vectors_or_errors(role, part, encoder.space.dim)
    for text in ("a" * HUGE_CHARS, "a b\n" * (HUGE_CHARS // 4), "\u0301" * HUGE_CHARS):
        vectors_or_errors(encoder.encode_documents, [text], encoder.space.dim)
    for text in texts[:AT_ONCE]:
        with suppress(VicinalError):
            (spans,) = encoder.token_spans([text])
            assert len(spans) <= encoder.count_tokens([text])[0]
    return good


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small network with a window of 24 tokens."""
    return str(write_model(tmp_path_factory.mktemp("fuzz") / "m", window=24))


@pytest.mark.parametrize("overflow", ["cut", "error"])
def test_a_network(model, overflow):
    """Most texts are vectors, and those that are none have a reason."""
    assert fuzzed(encode.load(model, overflow=overflow), COUNT if overflow == "cut" else COUNT // 10) > 0


def test_a_network_that_windows_what_is_long(model):
    """Every token of a text of any length, in windows; fewer texts, since each window costs a run."""
    encoder = encode.load(model, overflow="chunk")
    texts = list(strange_texts(COUNT // 10))
    assert vectors_or_errors(encoder.encode_documents, texts, encoder.space.dim) > 0


def test_a_cut_and_projected_encoder():
    """Fewer dimensions have no new ways to fail."""
    toy = ToyEncoder(overflow="cut")
    vectors = toy.encode_documents([f"text {n} {'x' * n}" for n in range(40)])
    assert fuzzed(encode.project(toy, encode.fit_pca(vectors, 5))) > COUNT // 2


def test_a_function():
    """What the user's own function is given is what it was asked for."""
    own = vicinal.FunctionEncoder(
        lambda texts: [[len(t) + 1, t.count("a")] for t in texts], name="n", version="1", dim=2
    )
    assert fuzzed(own) > COUNT // 2
