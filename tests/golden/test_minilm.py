"""all-MiniLM-L6-v2 against reference vectors that another program made.

Origin: minilm_l6_v2.json beside the repository names it: sentence-transformers with PyTorch on a processor in fp32,
one text per batch, unit length, cut in silence at 256 tokens. Row i of the array belongs to text i.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from vicinal import encode
from vicinal.errors import ModelNotFoundError, TruncationWarning

MIN_COSINE = 0.99999


@pytest.fixture(scope="module")
def reference(golden_folder):
    """Return the texts, their uncut token counts, the reference vectors and the digest of the weights."""
    about = json.loads((golden_folder / "minilm_l6_v2.json").read_text(encoding="utf-8"))
    return about, np.load(golden_folder / "minilm_l6_v2.npy")


@pytest.fixture(scope="module")
def cutting(minilm):
    """Return the encoder that cuts as the reference did; ``minilm`` skips the test where the model is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_OFFLINE", "1")
        try:
            return encode.load("minilm", overflow="cut")
        except ModelNotFoundError as error:
            pytest.skip(str(error))


def test_every_text_has_the_reference_vector(reference, cutting):
    """All texts at cosine 0.99999 or more, and exactly those beyond the window counted as cut."""
    about, expected = reference
    long = tuple(row for row, tokens in enumerate(about["full_tokens"]) if tokens > about["max_tokens"])
    with pytest.warns(TruncationWarning, match=str(len(long))):
        got = cutting.encode_documents(about["texts"])
    assert (np.asarray(got) * expected).sum(axis=1).min() >= MIN_COSINE
    assert got.cut_rows == long


def test_the_reference_is_of_these_weights_and_this_window(reference, cutting):
    """The same network is compared, not one of the same name."""
    about, _ = reference
    assert cutting.space.weights == about["weights_sha256"]
    assert cutting.max_tokens == about["max_tokens"]


def test_every_text_has_the_reference_count_of_tokens(reference, minilm):
    """The uncut counts, special tokens included."""
    about, _ = reference
    assert minilm.count_tokens(about["texts"]).tolist() == about["full_tokens"]


def test_texts_within_the_window_have_the_reference_vector_under_every_rule(reference, minilm):
    """The default rule differs from the reference for texts beyond the window only."""
    about, expected = reference
    short = [row for row, tokens in enumerate(about["full_tokens"]) if tokens <= about["max_tokens"]]
    got = np.asarray(minilm.encode_queries([about["texts"][row] for row in short]))
    assert (got * expected[short]).sum(axis=1).min() >= MIN_COSINE
