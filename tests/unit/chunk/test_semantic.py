"""Cuts where the subject changes: by vectors that can be worked by hand."""

import re

import numpy as np
import pytest

from vicinal.chunk import Chunker, breakpoints, semantic_chunks
from vicinal.errors import NonFiniteError, RangeError, ShapeError
from vicinal.types import Document


def words(texts):
    """Return the spans of the words: a tokenizer that can be counted by hand."""
    return [np.array([m.span() for m in re.finditer(r"\S+", t)], dtype=np.int64).reshape(-1, 2) for t in texts]


def subjects(texts):
    """Return a vector that tells whether a sentence is of cats or of dogs."""
    return np.array([[float("cat" in text), float("dog" in text)] for text in texts])


def test_a_break_comes_where_the_distance_is_beyond_the_percentile():
    """Distances 0, 1, 0: the 95th percentile is 0.9, the median 0."""
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, 5]])
    assert breakpoints(vectors).tolist() == [2]
    assert breakpoints(vectors, percentile=50).tolist() == [2]
    assert breakpoints(vectors, percentile=100).tolist() == []


def test_a_row_of_zeros_is_far_from_its_neighbours():
    """Its cosine is 0, its distance 1: distances 0, 1, 1."""
    assert breakpoints([[1, 0], [1, 0], [0, 0], [1, 0]], percentile=0).tolist() == [2, 3]


@pytest.mark.parametrize("vectors", [np.zeros((0, 3)), np.ones((1, 3)), np.eye(2), np.ones((9, 2))])
def test_too_few_sentences_and_equal_ones_have_no_break(vectors):
    """A single distance is its own percentile."""
    assert breakpoints(vectors).tolist() == []


@pytest.mark.parametrize(
    ("vectors", "percentile", "error"),
    [
        (np.ones(3), 95, ShapeError),
        ([[np.inf], [1], [1]], 95, NonFiniteError),
        (np.eye(3), 101, RangeError),
        (np.eye(3), float("nan"), RangeError),
    ],
)
def test_what_gives_no_threshold_is_refused(vectors, percentile, error):
    """One row a sentence, finite, and a percentile."""
    with pytest.raises(error):
        breakpoints(vectors, percentile=percentile)


def test_a_chunk_ends_where_the_subject_changes():
    """Two subjects that would fit one chunk are two; what is longer than the target is split as ever."""
    text = "A cat sat. The cat ran. One dog bit. A dog slept. Dogs are dogs."
    document = Document(id="x", text=text)
    chunks = semantic_chunks([document], words, subjects, chunker=Chunker(target=50, overlap=0))[0]
    assert [chunk.text for chunk in chunks] == ["A cat sat. The cat ran.", "One dog bit. A dog slept. Dogs are dogs."]
    small = semantic_chunks([document], words, subjects, chunker=Chunker(target=8, overlap=0))[0]
    assert [chunk.text for chunk in small] == ["A cat sat. The cat ran.", "One dog bit. A dog slept.", "Dogs are dogs."]


def test_headings_stay_cuts_and_empty_documents_have_no_chunks():
    """Without a change of subject the chunks are those of the structure; the encoder is not asked for nothing."""
    text = "# A\n\nA cat. A cat.\n\n# B\n\nA cat. A cat."
    documents = [Document(id="x", text=text, form="markdown"), Document(id="y", text=" \n")]
    chunker = Chunker(target=50, overlap=0)
    found = semantic_chunks(documents, words, lambda texts: np.ones((len(texts), 2)), chunker=chunker)
    assert found == chunker.split_all(documents, words)
