"""The encoder of static models: a text's vector is the weighted mean of the rows of its tokens or words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vicinal import config, kernels
from vicinal._arrays import texts_list, whole_number
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.encode.static.pieces import Picked
from vicinal.errors import EncodeError, TooLongError, TruncationWarning, UnknownTextWarning
from vicinal.models import Pin
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Progress, Rows

TOKENS_PER_CHAR = 100
"""No tokenizer makes more of a character: one that falls apart into 18, each of 4 bytes with a token of its own."""
BLOCK_TEXTS = 1024
BLOCK_CHARS = 250_000
"""Texts are encoded in blocks of at most so many: what lies between two steps stays in a processor's cache."""
MAX_THREADS = 1024
SQUARES = (1e-18, 1e18)
"""Lengths whose squares float32 holds with all their digits."""


class Tokens(Protocol):
    """What finds the rows of texts: a tokenizer, or the word rule. ``digest`` is of everything in it."""

    digest: str

    def pick(self, texts: list[str]) -> Picked:
        """Return the rows of some texts."""
        ...

    def counts(self, texts: list[str]) -> Rows:
        """Return (N,) counts of tokens, known or not."""
        ...

    def spans(self, texts: list[str]) -> list[Rows]:
        """Return for each text the (T, 2) code-point spans of its tokens, known or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an encoder is made of."""

    table: Floats
    tokens: Tokens
    space: Space


class StaticEncoder:
    """Turns texts into vectors of one space by looking up rows. Safe for many threads.

    ``load_folder`` and ``load_words`` make one. A vector depends on its text and its role alone: the rows of a text
    are added in their order in float64, whatever else is in the call.

    Notes
    -----
    A text in which nothing is known, the empty one among them, has the vector zero; an UnknownTextWarning says how many.
    There is no window: ``max_tokens`` is a million. Beyond it ``chunk`` takes the mean over all tokens all the same,
    ``error`` refuses, and ``cut`` leaves out the text behind the last token, counted and warned of.
    A prompt is put before a text once.
    """

    def __init__(self, parts: Parts, *, threads: int | None = None, pin: Pin | None = None) -> None:
        self.pin = pin
        self.threads = (
            config.threads() if threads is None else whole_number(threads, "threads", low=1, high=MAX_THREADS)
        )
        self._parts = parts
        self._space = parts.space

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        return self._space

    @property
    def max_tokens(self) -> int:
        """Beyond how many tokens the overflow rule applies."""
        return self._space.max_tokens

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of questions.

        Parameters
        ----------
        texts : list of str
            N may be 0; ``""`` is a text.
        progress : callable, optional
            Called with (texts done, N) after each block.

        Returns
        -------
        Vectors
            float32 (N, D), row i for text i; of unit length, or zero, where the space is normalized.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        TooLongError
            A text is beyond ``max_tokens``, and the overflow rule is ``error``.
        EncodeError
            A row of the table holds NaN or infinity.

        Warns
        -----
        UnknownTextWarning
            Texts hold nothing that the model knows; their vectors are zero.
        TruncationWarning
            Texts were cut.
        """
        return self._encode(texts, self._space.query_prompt, progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of documents; parameters, result, errors and warnings as in ``encode_queries``."""
        return self._encode(texts, self._space.document_prompt, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens of the uncut texts as documents, prompt and unknown tokens included.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        prompt = self._space.document_prompt
        return self._parts.tokens.counts([prompt + text for text in texts_list(texts)])

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its tokens, unknown ones included, the prompt left out.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        return self._parts.tokens.spans(texts_list(texts))

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress | None) -> Vectors:
        """Encode block by block, and tell what was cut and what is unknown."""
        listed, cut = self._whole(texts, prompt)
        array = np.empty((len(listed), self._space.dim), dtype=np.float32)
        unknown = 0
        for end, zeros in self._run_all(listed, array):
            unknown += zeros
            if progress is not None:
                progress(end, len(listed))
        if cut:
            _warn_of_cut(len(cut), self.max_tokens)
        if unknown:
            _warn_of_unknown(unknown)
        return Vectors(array, self._space, cut_rows=cut)

    def _whole(self, texts: Sequence[str], prompt: str) -> tuple[list[str], list[int]]:
        """Return the texts with their prompt, cut where the rule says so, and the rows that were."""
        listed = texts_list(texts)
        if prompt:
            listed = [prompt + text for text in listed]
        if self._space.overflow == "chunk":
            return listed, []
        long = [row for row, text in enumerate(listed) if len(text) * TOKENS_PER_CHAR > self.max_tokens]
        counts = self._parts.tokens.counts([listed[row] for row in long])
        over = [(row, int(count)) for row, count in zip(long, counts, strict=True) if count > self.max_tokens]
        for row, count in over:
            if self._space.overflow == "error":
                raise _too_long(row, count, self.max_tokens)
            (spans,) = self._parts.tokens.spans([listed[row]])
            listed[row] = listed[row][: spans[self.max_tokens - 1, 1]]
        return listed, [row for row, _ in over]

    def _run_all(self, texts: list[str], array: Floats) -> Iterator[tuple[int, int]]:
        """Fill the array block by block; go through (texts done, zero vectors of the block). Several blocks run at once."""

        def run(block: tuple[int, int]) -> tuple[int, int]:
            start, end = block
            return end, self._fill(array[start:end], texts[start:end], start)

        blocks = list(_blocks(texts))
        if self.threads == 1 or len(blocks) <= 1:
            yield from map(run, blocks)
            return
        with ThreadPoolExecutor(self.threads, thread_name_prefix="vicinal-encode") as pool:
            yield from pool.map(run, blocks)

    def _fill(self, vectors: Floats, texts: list[str], first: int) -> int:
        """Write the vectors of some texts, the first of which is row ``first``; return how many are zero."""
        means = self._means(texts, first)
        lengths = _lengths(means)
        if self._space.normalized:
            _unit(means, lengths, out=vectors)
        else:
            vectors[:] = means
        doubtful = np.flatnonzero(lengths == 0)  # the squares of tiny numbers are zero too
        return int((~means[doubtful].any(axis=1)).sum())

    def _means(self, texts: list[str], first: int) -> Floats:
        """Return the weighted mean of each text's rows, finite."""
        picked = self._parts.tokens.pick(texts)
        means = kernels.mean_rows(self._parts.table, picked.rows, picked.offsets, picked.weights)
        sizes = np.diff(picked.offsets)
        if not np.array_equal(sizes, picked.words):  # words of several rows: the mean is over words
            means *= (sizes / np.maximum(picked.words, 1)).astype(np.float32)[:, None]
        if not np.isfinite(means.sum(dtype=np.float64)):
            row = first + int(np.argmin(np.isfinite(means).all(axis=1)))
            raise EncodeError(
                f"The table gave no vector for text {row}: a row of one of its tokens holds NaN or infinity. "
                "Verify the model's files.",
                expected="finite rows",
                where=row,
            )
        return means


def _lengths(means: Floats) -> Floats:
    """Return the length of each row, as float32 has it: infinite or zero for what has no square there."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", means, means)))


def _unit(means: Floats, lengths: Floats, out: Floats) -> None:
    """Write the rows at unit length; a row of zeros stays one."""
    sound = (lengths > SQUARES[0]) & (lengths < SQUARES[1])
    np.divide(means, np.where(sound, lengths, np.float32(1))[:, None], out=out)
    if not sound.all():
        out[~sound] = unit_or_zero(means[~sound])


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Go through [start, end) of blocks of texts, bounded in texts and characters."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = 0
    while start < len(texts):
        before = ends[start - 1] if start else 0
        fitting = int(np.searchsorted(ends, before + BLOCK_CHARS, side="right"))
        end = min(max(fitting, start + 1), start + BLOCK_TEXTS)
        yield start, end
        start = end


def _too_long(row: int, tokens: int, limit: int) -> TooLongError:
    return TooLongError(
        f"Text {row} has {tokens} tokens, more than {limit}. Shorten it, or load the model with "
        'overflow="chunk" (nothing is lost) or overflow="cut" (the rest is left out and counted).',
        expected=f"<= {limit}",
        got=tokens,
        where=row,
    )


def _warn_of_cut(count: int, limit: int) -> None:
    """Say how many texts were cut, at the line that called ``encode_queries`` or ``encode_documents``."""
    told = "1 text was" if count == 1 else f"{count} texts were"
    warnings.warn(f"{told} cut at {limit} tokens; Vectors.cut_rows names them.", TruncationWarning, stacklevel=4)


def _warn_of_unknown(count: int) -> None:
    """Say how many vectors are zero, at the same line."""
    told = "1 text holds" if count == 1 else f"{count} texts hold"
    one = "its vector is" if count == 1 else "their vectors are"
    warnings.warn(
        f"{told} no word that the model knows; {one} zero and near nothing.", UnknownTextWarning, stacklevel=4
    )
