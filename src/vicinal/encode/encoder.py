"""The encoder of texts: tokens, windows, batches, network, pooling, and the order restored."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vicinal import config
from vicinal._arrays import one_of, texts_list
from vicinal.encode import batches, windows
from vicinal.encode.heads import Head, load_heads
from vicinal.encode.pooling import POOLINGS, directed, pool
from vicinal.encode.windows import Ids
from vicinal.errors import ModelLoadError, RangeError, TooLongError, TruncationWarning
from vicinal.models import DEFAULT_RUNTIME, TOKENIZER, Found, Network, Pin, derived_digest, read_json
from vicinal.space import Space, Vectors
from vicinal.types import Floats, Overflow, Progress, Rows

OVERFLOWS = ("chunk", "error", "cut")
BLOCK_TEXTS = 8192
BLOCK_CHARS = 4_000_000
"""Texts are sorted by length in blocks of at most so many: memory stays bounded, and batches even."""


class TextEncoder:
    """Turns texts into unit vectors of one space. Safe for many threads.

    A vector depends on its text and its role alone: the batches it travels in change it by less than 1e-6.
    ``load`` makes one.

    Parameters
    ----------
    found : Found
        Verified files of a model.
    overflow : {"chunk", "error", "cut"}
        See ``load``.
    threads : int, optional
        See ``load``.
    runtime : str, optional
        See ``load``.

    Notes
    -----
    With ``chunk`` a long text's vector is the mean of its windows' token-vector means, each weighted by its number of
    tokens, before any is normalized. With mean pooling this is the mean over all tokens of the text: what the model
    would give if only its attention, and not its pooling, had a window. A prompt stands before every window.
    """

    def __init__(
        self, found: Found, *, overflow: Overflow = "chunk", threads: int | None = None, runtime: str | None = None
    ) -> None:
        from vicinal.encode._tokenizers import TextTokenizer  # noqa: PLC0415 - heavy: loaded with the first encoder

        self.pin: Pin = found.pin
        self.folder: Path = found.folder
        self._network = Network(found, threads=threads, runtime=runtime or config.runtime() or DEFAULT_RUNTIME)
        heads = found.pin.heads if self._network.gives == "tokens" else ()
        self._heads = load_heads(found.folder, heads, self._network.dim)
        self._tokenizer = TextTokenizer(found.folder / TOKENIZER)
        self._space = _space(found, self._network, self._heads, one_of(overflow, "overflow", OVERFLOWS))
        self._prompt_ids = {prompt: self._tokenizer.ids([prompt])[0] for prompt in {"", *self._prompts}}
        self._room = self.max_tokens - self._tokenizer.special_count
        if self._room < 1:
            raise ModelLoadError(
                f"A window of {self.max_tokens} tokens leaves no room for text beside "
                f"{self._tokenizer.special_count} special tokens.",
                where="max_tokens",
            )

    @property
    def space(self) -> Space:
        """The space of every vector it gives."""
        return self._space

    @property
    def runtime(self) -> str:
        """What runs the network, in one line: library, version, device, precision. No part of the space."""
        return self._network.runtime

    @property
    def max_tokens(self) -> int:
        """The window in tokens, special ones included."""
        return self._space.max_tokens

    @property
    def _prompts(self) -> tuple[str, str]:
        return self._space.query_prompt, self._space.document_prompt

    def encode_queries(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of questions.

        Parameters
        ----------
        texts : list of str
            N may be 0; ``""`` is a text. Equal texts are encoded once.
        progress : callable, optional
            Called with (texts done, N) after each batch.

        Returns
        -------
        Vectors
            float32 (N, D) of unit length, row i for text i.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        TooLongError
            A text is beyond the window, and the overflow rule is ``error``.
        EncodeError
            The network failed, or gave something that is no vector.
        """
        return self._encode(texts, self._space.query_prompt, progress)

    def encode_documents(self, texts: Sequence[str], *, progress: Progress | None = None) -> Vectors:
        """Return the vectors of documents; parameters, result and errors as in ``encode_queries``."""
        return self._encode(texts, self._space.document_prompt, progress)

    def count_tokens(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) counts of tokens of the uncut texts as documents, prompt and special tokens included.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        prompted = [self._space.document_prompt + text for text in texts_list(texts)]
        return self._tokenizer.counts(prompted) + self._tokenizer.special_count

    def token_spans(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return for each text the (T, 2) code-point spans of its tokens, prompt and special ones left out.

        Raises
        ------
        DtypeError, RangeError
            The input is no list of strings.
        """
        return self._tokenizer.spans(texts_list(texts))

    def encode_ids(self, parts: Sequence[Ids]) -> Floats:
        """Return what the network gives for ready token ids: float32 (N, D), pooled, before any head and any length.

        Parameters
        ----------
        parts : sequence of int32 arrays of shape (T,)
            Token ids without special ones, which are put around each; T is what a window leaves room for at most.
            For work on the vocabulary itself, such as distilling it; no prompt, no role.

        Raises
        ------
        RangeError
            A part is longer than the window.
        """
        longest = max(map(len, parts), default=0)
        if longest > self._room:
            raise RangeError(
                f"A part has {longest} tokens; the window leaves room for {self._room}.",
                expected=f"<= {self._room}",
                got=longest,
                where="parts",
            )
        array = np.zeros((len(parts), self._network.dim), dtype=np.float32)
        planned = list(batches.plan([len(part) for part in parts]))
        for batch, (pooled, _) in zip(
            planned, self._run_all([[parts[row] for row in batch] for batch in planned]), strict=True
        ):
            array[batch] = pooled
        return array

    def _encode(self, texts: Sequence[str], prompt: str, progress: Progress | None) -> Vectors:
        """Encode the different texts block by block and lay each vector where its text stands."""
        listed = texts_list(texts)
        places: dict[str, list[int]] = {}
        for row, text in enumerate(listed):
            places.setdefault(text, []).append(row)
        array = np.zeros((len(listed), self._space.dim), dtype=np.float32)
        report = _Report(progress, len(listed))
        cut: list[int] = []
        different = list(places)
        for start, end in _blocks(different):
            rows = [places[text] for text in different[start:end]]
            ids = self._tokenizer.ids([prompt + text for text in different[start:end]])
            cut += [row for same, found in zip(rows, ids, strict=True) if self._over(found, same[0]) for row in same]
            self._encode_block(ids, rows, self._prompt_ids[prompt], array, report)
        if cut:
            _warn_of_cut(len(cut), self.max_tokens)
        return Vectors(array, self._space, cut_rows=sorted(cut))

    def _over(self, ids: Ids, row: int) -> bool:
        """Return whether a text is to be cut; refuse it where the rule says so."""
        if len(ids) <= self._room or self._space.overflow == "chunk":
            return False
        if self._space.overflow == "cut":
            return True
        tokens = len(ids) + self._tokenizer.special_count
        raise TooLongError(
            f"Text {row} has {tokens} tokens, but the window has {self.max_tokens}. Shorten it, or load the model "
            'with overflow="chunk" (nothing is lost) or overflow="cut" (the rest is left out and counted).',
            expected=f"<= {self.max_tokens}",
            got=tokens,
            where=row,
        )

    def _encode_block(self, ids: list[Ids], rows: list[list[int]], head: Ids, array: Floats, report: _Report) -> None:
        """Encode the texts of a block and write their vectors into the rows of the array."""
        sums = np.zeros((len(ids), self._network.dim), dtype=np.float64)
        tokens = np.zeros(len(ids), dtype=np.int64)
        parts = [(text, part) for text, found in enumerate(ids) for part in self._windows(found, head)]
        owners = np.array([text for text, _ in parts], dtype=np.int64)
        left = np.bincount(owners, minlength=len(ids))
        planned = list(batches.plan([len(part) for _, part in parts]))
        runs = self._run_all([[parts[row][1] for row in batch] for batch in planned])
        for batch, (pooled, sizes) in zip(planned, runs, strict=True):
            np.add.at(sums, owners[batch], pooled * sizes[:, None])
            np.add.at(tokens, owners[batch], sizes)
            np.subtract.at(left, owners[batch], 1)
            report(sum(len(rows[text]) for text in np.unique(owners[batch]) if left[text] == 0))
        found = (sums / tokens[:, None]).astype(np.float32)
        for module in self._heads:
            found = module(found)
        found = directed(found, np.array([same[0] for same in rows], dtype=np.int64), normalized=self._space.normalized)
        for vector, same in zip(found, rows, strict=True):
            array[same] = vector

    def _windows(self, ids: Ids, head: Ids) -> Iterator[Ids]:
        """Go through the windows of one text, as the overflow rule says."""
        if self._space.overflow == "chunk":
            return windows.split(ids, self._room, head)
        return iter([ids[: self._room]])

    def _run_all(self, batched: list[list[Ids]]) -> Iterator[tuple[Floats, Rows]]:
        """Go through the results of ``_run`` in order; several batches run at once, each in one thread.

        A batch is too small to be worth dividing: two threads on one are slower than one, two batches are not.
        """
        if self._network.threads == 1 or len(batched) == 1:
            yield from map(self._run, batched)
            return
        with ThreadPoolExecutor(self._network.threads, thread_name_prefix="vicinal-encode") as pool:
            yield from pool.map(self._run, batched)

    def _run(self, parts: list[Ids]) -> tuple[Floats, Rows]:
        """Return the pooled vectors (B, D) of some windows, and how many tokens each has with its special ones."""
        before, after = self._tokenizer.before, self._tokenizer.after
        sizes = np.array([len(before) + len(part) + len(after) for part in parts], dtype=np.int64)
        ids = np.full((len(parts), sizes.max()), self._tokenizer.padding_id, dtype=np.int64)
        for row, part in zip(ids, parts, strict=True):
            whole = (*before, *part, *after)
            row[: len(whole)] = whole
        mask = (np.arange(ids.shape[1]) < sizes[:, None]).astype(np.int64)
        found = self._network(ids, mask)
        return (found if self._network.gives == "vectors" else pool(found, mask, self._space.pooling)), sizes


class _Report:
    """How many texts are done, told to the caller."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self, texts: int) -> None:
        self._done += texts
        if self._progress is not None:
            self._progress(self._done, self._total)


def _space(found: Found, network: Network, heads: Sequence[Head], overflow: str) -> Space:
    """Return the identity of the vectors that a network and its heads give."""
    pin, path = found.pin, found.folder / TOKENIZER
    dim = heads[-1].dim if heads else network.dim
    return Space(
        weights=pin.weights,
        architecture="; ".join([network.architecture, *(head.architecture for head in heads)]),
        tokenizer=derived_digest("tokenizer-1", pin.files[TOKENIZER], lambda: _tokenizer_digest(path)),
        pooling="model" if network.gives == "vectors" else one_of(pin.pooling, "pooling", POOLINGS),
        query_prompt=pin.query_prompt,
        document_prompt=pin.document_prompt,
        max_tokens=pin.max_tokens,
        overflow=overflow,
        full_dim=dim,
        dim=dim,
        normalized=pin.normalized,
        metric=pin.metric,
    )


def _tokenizer_digest(path: Path) -> str:
    """Return the SHA-256 of the rules without cutting and padding, which are done here."""
    kept = {name: rule for name, rule in read_json(path).items() if name not in {"truncation", "padding"}}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Go through [start, end) of blocks of texts, bounded in texts and characters."""
    start = chars = 0
    for row, text in enumerate(texts):
        if row > start and (row - start == BLOCK_TEXTS or chars + len(text) > BLOCK_CHARS):
            yield start, row
            start, chars = row, 0
        chars += len(text)
    if len(texts) > start:
        yield start, len(texts)


def _warn_of_cut(count: int, max_tokens: int) -> None:
    """Say how many texts were cut, at the line that called ``encode_queries`` or ``encode_documents``."""
    told = "1 text was" if count == 1 else f"{count} texts were"
    warnings.warn(
        f"{told} cut at the model's window of {max_tokens} tokens; Vectors.cut_rows names them.",
        TruncationWarning,
        stacklevel=4,
    )
