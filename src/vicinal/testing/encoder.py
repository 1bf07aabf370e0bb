"""An encoder whose vectors one can work out on paper, and what every encoder must do."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of, texts_list, whole_number
from vicinal.errors import DtypeError, TooLongError, TruncationWarning, VicinalError, VicinalWarning
from vicinal.space import Encoder, Space, Vectors
from vicinal.testing.demand import require
from vicinal.types import Floats, Overflow, Progress

TOY_DIM = 8
TOLERANCE = 1e-6
"""How far a vector may move with its company: the last bits of a float32 sum."""
TEXTS = (
    "",
    " ",
    "cat",
    "A small cat sat on 2 mats.",
    "Wo liegt Köln? 東京はどこですか 🙂",
    "tabs\tand\r\nlines\n\n",
    "word " * 40,
    "cat",
)
"""Awkward texts: empty, blank, equal ones, several scripts, white space of all kinds, short beside long."""
STRANGE_TEXTS = (
    "\0",
    "\ud800 a lone surrogate",
    "a\u0301\u0302\u0303 combined",
    "\u200b\u200d\ufeff",
    "🙂" * 50,
    "x" * 20_000,
    "one " * 5_000,
    "\u202e backwards",
    "[CLS] [SEP] <s> </s> <pad>",
)
"""Texts that have broken programs: no character at all, one that stands for nothing, very long with and without spaces."""
THREADS = 4

_WORD = re.compile(r"\S+")


class ToyEncoder:
    """An encoder without a model: each of 8 components is a count, and the vector has unit length.

    The counts are words, vowels (aeiou), other letters, digits, capitals, marks, white space, and a constant 1,
    before the division by their length. Words are the tokens; there are no special ones.

    Parameters
    ----------
    max_tokens : int, 1 <= max_tokens
        The window in words, the prompt's included.
    overflow : {"chunk", "error", "cut"}
        For a text beyond the window: count all of it, TooLongError, or count the words within the window only.
    query_prompt, document_prompt : str
        What is put before a text of each role.
    batch : int, 1 <= batch
        Texts of a batch: it changes ``batches`` and how often progress is told, and nothing else.

    Attributes
    ----------
    batches : int
        How many batches it has encoded so far: 0 says that nothing was encoded.

    Examples
    --------
    >>> ToyEncoder.counts("Big 42!").tolist()
    [2.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        *,
        max_tokens: int = 256,
        overflow: Overflow = "chunk",
        query_prompt: str = "",
        document_prompt: str = "",
        batch: int = 32,
    ) -> None:
        self.batches = 0
        self._batch = whole_number(batch, "batch", low=1)
        self._space = Space(
            weights="toy",
            architecture="toy counts=8",
            tokenizer="words",
            pooling="sum",
            query_prompt=query_prompt,
            document_prompt=document_prompt,
            max_tokens=whole_number(max_tokens, "max_tokens", low=1),
            overflow=one_of(overflow, "overflow", ("chunk", "error", "cut")),
            full_dim=TOY_DIM,
            dim=TOY_DIM,
        )

    @staticmethod
    def counts(text: str) -> Floats:
        """Return the 8 counts of a text, before they are brought to unit length."""
        letters = sum(map(str.isalpha, text))
        vowels = sum(text.lower().count(vowel) for vowel in "aeiou")
        digits = sum(map(str.isdigit, text))
        capitals = sum(map(str.isupper, text))
        spaces = sum(map(str.isspace, text))
        marks = sum(unicodedata.category(character)[0] in "PS" for character in text)
        words = len(text.split())
        return np.array([words, vowels, letters - vowels - capitals, digits, capitals, marks, spaces, 1], np.float32)

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """The window in words."""
        return self._space.max_tokens

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, 8) vectors of questions.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        TooLongError
            A text is beyond the window, and the overflow rule is ``error``.
        """
        return self._encode(texts, self._space.query_prompt, progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return (N, 8) vectors of documents; errors as in ``encode_queries``."""
        return self._encode(texts, self._space.document_prompt, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of words as documents, the prompt's included."""
        prompt = self._space.document_prompt
        return np.array([len((prompt + text).split()) for text in texts_list(texts)], dtype=np.int64)

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its words."""
        found = ([word.span() for word in _WORD.finditer(text)] for text in texts_list(texts))
        return [np.array(spans, dtype=np.int64).reshape(-1, 2) for spans in found]

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress | None) -> Vectors:
        listed = texts_list(texts)
        array = np.zeros((len(listed), TOY_DIM), dtype=np.float32)
        cut: list[int] = []
        for start in range(0, len(listed), self._batch):
            end = min(start + self._batch, len(listed))
            for row in range(start, end):
                text = self._within(prompt + listed[row], row, cut)
                array[row] = self.counts(text)
            self.batches += 1
            if progress is not None:
                progress(end, len(listed))
        if cut:
            _warn_of_cut(len(cut))
        return Vectors(array / np.linalg.norm(array, axis=1, keepdims=True), self._space, cut_rows=cut)

    def _within(self, text: str, row: int, cut: list[int]) -> str:
        """Return the part of a text that is counted, as the overflow rule says."""
        spans = [] if self._space.overflow == "chunk" else [word.span() for word in _WORD.finditer(text)]
        if len(spans) <= self.max_tokens:
            return text
        if self._space.overflow == "error":
            raise TooLongError(
                f"Text {row} has {len(spans)} words, but the window has {self.max_tokens}. Shorten it.",
                expected=f"<= {self.max_tokens}",
                got=len(spans),
                where=row,
            )
        cut.append(row)
        return text[: spans[self.max_tokens - 1][1]]


def _warn_of_cut(count: int) -> None:
    warnings.warn(
        f"{count} of the texts were cut at the window; Vectors.cut_rows names them.", TruncationWarning, stacklevel=4
    )


def check_encoder(encoder: Encoder) -> None:
    """Run every check of this module on an encoder.

    Raises
    ------
    AssertionError
        The encoder breaks the contract; the message says where.
    """
    for check in ENCODER_CHECKS:
        check(encoder)


def check_empty_in_empty_out(encoder: Encoder) -> None:
    """Require that no texts give (0, D) vectors, no counts and no spans."""
    for encode in (encoder.encode_queries, encoder.encode_documents):
        require(encode([]).shape == (0, encoder.space.dim), "an empty list must give the shape (0, D)")
    require(encoder.count_tokens([]).shape == (0,), "an empty list must give no counts")
    require(encoder.token_spans([]) == [], "an empty list must give no spans")


def check_vectors_are_of_the_space(encoder: Encoder) -> None:
    """Require float32 (N, D) vectors in the encoder's space, of unit length where the space says so, or zero.

    Zero is the vector of a text in which the model knows nothing: it is near no other.
    """
    vectors = encoder.encode_documents(TEXTS)
    array = np.asarray(vectors)
    require(array.shape == (len(TEXTS), encoder.space.dim), f"the shape must be (N, D), got {array.shape}")
    require(array.dtype == np.float32, f"the vectors must be float32, got {array.dtype}")
    require(vectors.space == encoder.space, "the vectors must carry the encoder's space")
    if encoder.space.normalized:
        lengths = np.linalg.norm(array, axis=1)
        require(np.allclose(lengths[lengths > 0], 1, atol=1e-5), "the vectors must have unit length, or be zero")


def check_row_does_not_depend_on_batch(encoder: Encoder) -> None:
    """Require that a text gives the same vector alone, in company, and in another order."""
    for encode in (encoder.encode_queries, encoder.encode_documents):
        together = np.asarray(encode(TEXTS))
        backwards = np.asarray(encode(TEXTS[::-1]))[::-1]
        alone = np.concatenate([np.asarray(encode([text])) for text in TEXTS])
        require(np.abs(together - backwards).max() <= TOLERANCE, "the order of the texts must not change a vector")
        require(np.abs(together - alone).max() <= TOLERANCE, "its company must not change a vector")


def check_input_is_not_modified(encoder: Encoder) -> None:
    """Require that the list of texts is the same afterwards; a tuple is as good."""
    texts = list(TEXTS)
    array = np.asarray(encoder.encode_documents(texts))
    encoder.count_tokens(texts)
    encoder.token_spans(texts)
    require(texts == list(TEXTS), "the list of texts must not be changed")
    require(np.array_equal(array, np.asarray(encoder.encode_documents(tuple(texts)))), "a tuple must do as well")


def check_bare_string_is_refused(encoder: Encoder) -> None:
    """Require that a single string in place of a list is refused, not taken for a list of characters."""
    for call in (encoder.encode_queries, encoder.encode_documents, encoder.count_tokens, encoder.token_spans):
        require(_refuses_a_bare_string(call), f"{call.__name__} must refuse a bare string with DtypeError")


def check_vectors_cannot_be_changed(encoder: Encoder) -> None:
    """Require that the array of the vectors is read only: it may be a cache's, or another caller's."""
    require(not np.asarray(encoder.encode_documents(["cat"])).flags.writeable, "the vectors must be read only")


def check_any_text_gives_a_vector_or_an_error(encoder: Encoder) -> None:
    """Require for strange texts, one at a time, a finite vector or a VicinalError, and nothing else."""
    for text in STRANGE_TEXTS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VicinalWarning)
                array = np.asarray(encoder.encode_documents([text]))
        except VicinalError:
            continue
        require(array.shape == (1, encoder.space.dim), "a strange text must give one vector")
        require(bool(np.isfinite(array).all()), "no text may give a number that is not finite")


def check_threads_share_it(encoder: Encoder) -> None:
    """Require that calls from several threads at once give what they give alone."""
    alone = np.asarray(encoder.encode_documents(TEXTS))
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda _: np.asarray(encoder.encode_documents(TEXTS)), range(2 * THREADS)))
    require(all(np.abs(array - alone).max() <= TOLERANCE for array in found), "threads must not disturb each other")


def check_spans_are_in_the_text(encoder: Encoder) -> None:
    """Require spans within their text, in order, never more than the tokens counted."""
    for text, count, spans in zip(TEXTS, encoder.count_tokens(TEXTS), encoder.token_spans(TEXTS), strict=True):
        require(spans.dtype == np.int64 and spans.shape == (len(spans), 2), "spans must be int64 (T, 2)")
        require(len(spans) <= count, "count_tokens must count every token that has a span")
        inside = (spans[:, 0] >= 0) & (spans[:, 0] <= spans[:, 1]) & (spans[:, 1] <= len(text))
        require(bool(inside.all()), "spans must lie within their text")
        require(bool((np.diff(spans[:, 0]) >= 0).all()), "spans must come in the order of the text")


def check_progress_ends_at_the_total(encoder: Encoder) -> None:
    """Require that progress never goes back and ends at the total."""
    told: list[tuple[int, int]] = []
    encoder.encode_documents(TEXTS, progress=lambda done, total: told.append((done, total)))
    done = [step for step, _ in told]
    require(bool(told) and told[-1] == (len(TEXTS), len(TEXTS)), "progress must end at the number of texts")
    require(done == sorted(done), "progress must not go back")


ENCODER_CHECKS: tuple[Callable[[Encoder], None], ...] = (
    check_empty_in_empty_out,
    check_vectors_are_of_the_space,
    check_row_does_not_depend_on_batch,
    check_input_is_not_modified,
    check_bare_string_is_refused,
    check_vectors_cannot_be_changed,
    check_any_text_gives_a_vector_or_an_error,
    check_threads_share_it,
    check_spans_are_in_the_text,
    check_progress_ends_at_the_total,
)


def _refuses_a_bare_string(call: Callable[[str], object]) -> bool:
    try:
        call("cat")
    except DtypeError:
        return True
    return False
