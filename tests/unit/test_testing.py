"""The toy encoder is worked out on paper, and the checks catch an encoder that breaks the contract."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import DtypeError, RangeError, TooLongError, TruncationWarning
from vicinal.space import Vectors
from vicinal.testing import ENCODER_CHECKS, ToyEncoder, check_encoder


def test_the_counts_are_those_on_paper():
    """Words, vowels, other letters, digits, capitals, marks, white space, one."""
    assert ToyEncoder.counts("").tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
    assert ToyEncoder.counts("a cat, 2 dogs!").tolist() == [4, 3, 5, 1, 0, 2, 3, 1]


def test_a_vector_is_its_counts_at_unit_length():
    """The counts of "a" are (1, 1, 0, 0, 0, 0, 0, 1): each is 1 / √3."""
    expected = np.array([1, 1, 0, 0, 0, 0, 0, 1]) / np.sqrt(3)
    assert np.allclose(ToyEncoder().encode_queries(["a"])[0], expected, atol=1e-7)


def test_batches_are_counted():
    """Five texts in batches of two are three batches; an empty list is none."""
    encoder = ToyEncoder(batch=2)
    encoder.encode_documents([])
    assert encoder.batches == 0
    encoder.encode_documents(["a", "b", "c", "d", "e"])
    assert encoder.batches == 3


def test_every_rule_of_overflow_is_kept():
    """Three words in a window of two: counted whole, refused, or cut, counted and warned of."""
    texts = ["one two", "one two three"]
    assert ToyEncoder(max_tokens=2).encode_documents(texts).cut_rows == ()
    with pytest.raises(TooLongError, match="Text 1 has 3 words"):
        ToyEncoder(max_tokens=2, overflow="error").encode_documents(texts)
    with pytest.warns(TruncationWarning):
        cut = ToyEncoder(max_tokens=2, overflow="cut").encode_documents(texts)
    assert cut.cut_rows == (1,)
    assert np.array_equal(cut[0], cut[1])


def test_prompts_are_a_part_of_text_and_space():
    """A prompt changes the vector of its role and the space."""
    prompted = ToyEncoder(query_prompt="ask: ")
    assert np.array_equal(prompted.encode_queries(["a"])[0], ToyEncoder().encode_queries(["ask: a"])[0])
    assert list(prompted.space.diff(ToyEncoder().space)) == ["query_prompt"]


def test_settings_out_of_range_are_refused():
    """A window and a batch are whole numbers of at least 1."""
    with pytest.raises(RangeError, match="max_tokens"):
        ToyEncoder(max_tokens=0)
    with pytest.raises(DtypeError, match="batch"):
        ToyEncoder(batch=1.5)


class Wrong(ToyEncoder):
    """An encoder that breaks one promise."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self._fault = fault

    def encode_documents(self, texts, *, progress=None):
        """Return vectors with the fault in them."""
        if self._fault == "takes a bare string":
            texts = list(texts)
        vectors = super().encode_documents(texts, progress=None if self._fault == "tells nothing" else progress)
        array = np.array(vectors)
        if self._fault == "depends on the batch":
            array[:, 0] += len(array) / 100
            array /= np.linalg.norm(array, axis=1, keepdims=True)
        if self._fault == "is not normalized":
            array *= 2
        if self._fault == "changes its input" and isinstance(texts, list):
            texts.sort()
        return Vectors(array, self.space)

    def token_spans(self, texts):
        """Return spans, shifted where that is the fault."""
        spans = super().token_spans(texts)
        return [found + 1 for found in spans] if self._fault == "shifts its spans" else spans


FAULTS = [
    "takes a bare string",
    "tells nothing",
    "depends on the batch",
    "is not normalized",
    "changes its input",
    "shifts its spans",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught(fault):
    """The checks are no rubber stamp."""
    with pytest.raises(AssertionError):
        check_encoder(Wrong(fault))


def test_the_toy_without_a_fault_passes_every_check():
    """The faults above are what the checks caught, not the toy."""
    for check in ENCODER_CHECKS:
        check(Wrong("none"))
