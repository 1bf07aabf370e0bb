"""The vectors of a text's tokens, from the encoder that makes the text's own vector, each with its place in the text.

What an encoder pools is given before it is pooled: the last layer of a network, special tokens and prompt included,
or the rows of a table. So where the pooling is a weighted sum, the sum of these is the text's vector.

Letters: T tokens of one text, D dimensions, B windows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of, texts_list
from vicinal.encode import batches
from vicinal.encode.encoder import TextEncoder
from vicinal.encode.pooling import POOLINGS
from vicinal.encode.shrink.projection import Projection, projected_space
from vicinal.encode.static.encoder import StaticEncoder
from vicinal.encode.static.tables import TableTokens
from vicinal.encode.windows import Ids
from vicinal.errors import EncodeError, TooLongError, UnsupportedError
from vicinal.space import Encoder
from vicinal.types import Floats, Mask, Rows

ROLES = ("query", "document")
MOST_TOKENS = 65_536
"""Tokens of one text, special ones and prompts of its windows included: 100 MB of 384 dimensions."""
BLOCK_TEXTS = 64
BLOCK_CHARS = 64_000
"""Texts are encoded in blocks of at most so many, one of any length among them: 25 MB of 384 dimensions in English,
four times as much in Chinese, where a character is a token."""

Weights: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenVectors:
    """The token vectors of one text.

    ``vectors`` float32 (T, D), in the order of the text, window after window. ``spans`` int64 (T, 2) are code points
    of the text, ``[0, 0)`` for a token that is not of it; ``of_text`` bool (T,) is false for those: special tokens and
    the prompt's. ``weights`` float64 (T,), their sum 1, are what the encoder pools with: the direction of the text's
    vector is that of ``weights @ vectors``. None where it is none: the largest of each component, or modules behind
    the pooling. ``cut`` is whether the rest of the text was left out at the window, as the encoder's rule says.
    """

    vectors: Floats
    spans: Rows
    of_text: Mask
    weights: Weights | None
    cut: bool = False

    def __len__(self) -> int:
        """Return T."""
        return len(self.vectors)

    def text_only(self) -> TokenVectors:
        """Return the tokens of the text itself; what is left of the pooling is no longer the text's vector."""
        kept = self.of_text
        return replace(self, vectors=self.vectors[kept], spans=self.spans[kept], of_text=kept[kept], weights=None)


def token_vectors(encoder: Encoder, texts: Sequence[str], *, role: str) -> Iterator[TokenVectors]:
    """Go through the token vectors of some texts, one of them after the other.

    Parameters
    ----------
    encoder : Encoder
        A model that runs here, a network or a table of tokens or words; behind a cache, a cut or a projection too.
    texts : sequence of str
        N may be 0. Long ones are cut into windows, or cut, or refused, as the encoder does it.
    role : {"query", "document"}
        Which prompt stands before each.

    Yields
    ------
    TokenVectors
        One for each text, in their order. Behind a cut, the first components; behind a projection,
        ``(x / length - mean) @ matrix`` for each token x, with the length of the text's whole vector: the mean is
        shared out over the tokens by their weights, so that the sum still is the projected vector.

    Raises
    ------
    UnsupportedError
        The encoder shows no tokens: a provider's, a function, another library's whole pipeline; or it projects what no
        sum of tokens is.
    DtypeError, RangeError, UnknownNameError
        ``texts`` is no list of strings, or ``role`` is none.
    TooLongError
        A text is beyond the window and the overflow rule is ``error``, or it has more than 65,536 tokens.
    EncodeError
        The model failed, or gave NaN or infinity.

    Notes
    -----
    Memory: the tokens of one block, of 64 texts or 64,000 characters, and the batches of a block.
    Cost: as the encoding itself; nothing is cached.
    """
    one_of(role, "role", ROLES)
    return _tokens(encoder, texts_list(texts), role)


def _tokens(encoder: Encoder, texts: list[str], role: str) -> Iterator[TokenVectors]:
    """Return the tokens of the encoder, or of the one that it stands around, changed as it changes vectors."""
    if isinstance(encoder, TextEncoder):
        return _of_network(encoder, texts, role)
    if isinstance(encoder, StaticEncoder):
        return _of_table(encoder, texts, role)
    inner: Encoder | None = getattr(encoder, "encoder", None)
    if inner is None:
        raise _without_tokens(encoder)
    return _behind(encoder, inner, _tokens(inner, texts, role))


def _behind(encoder: Encoder, inner: Encoder, found: Iterator[TokenVectors]) -> Iterator[TokenVectors]:
    """Go through tokens of an encoder within, as the one around it changes vectors: its space says how."""
    projection = getattr(encoder, "projection", None)
    if isinstance(projection, Projection) and encoder.space == projected_space(projection, inner.space):
        return (_projected(one, projection, normalized=inner.space.normalized) for one in found)
    dim = encoder.space.dim
    if encoder.space != replace(inner.space, dim=dim):
        raise _without_tokens(encoder)
    return found if dim == inner.space.dim else (replace(one, vectors=one.vectors[:, :dim]) for one in found)


def _without_tokens(encoder: Encoder) -> UnsupportedError:
    kind = type(encoder).__name__
    return UnsupportedError(
        f"An encoder of the kind {kind} gives no vectors of tokens; take a model that runs on this machine, "
        "such as minilm.",
        expected="a network or a table",
        got=kind,
        where="encoder",
    )


def _projected(tokens: TokenVectors, projection: Projection, *, normalized: bool) -> TokenVectors:
    """Return tokens behind a projection."""
    if tokens.weights is None:
        raise UnsupportedError(
            "Token vectors cannot be projected: this model's vectors are no weighted sum of them. "
            "Use the collection without its projection for this.",
            expected="a mean of tokens",
            where="encoder",
        )
    whole = float(np.linalg.norm(tokens.weights @ tokens.vectors)) if normalized else 1.0
    scaled = tokens.vectors / np.float32(whole or 1.0)
    return replace(tokens, vectors=np.asarray((scaled - projection.mean) @ projection.matrix, dtype=np.float32))


def _of_network(encoder: TextEncoder, texts: list[str], role: str) -> Iterator[TokenVectors]:
    """Go through the tokens of texts as the last layer of a network gives them."""
    network = encoder._network  # noqa: SLF001 - this module is a second face of the encoder, of the same package
    if network.gives != "tokens":
        raise UnsupportedError(
            f"{encoder.pin.name} is run by a library that pools itself and shows no tokens.",
            expected="tokens",
            got=network.gives,
            where="encoder",
        )
    prompt = encoder.space.query_prompt if role == "query" else encoder.space.document_prompt
    for start, end in _blocks(texts):
        yield from _block_of_network(encoder, texts[start:end], prompt, start)


def _block_of_network(encoder: TextEncoder, texts: list[str], prompt: str, first: int) -> list[TokenVectors]:
    """Return the tokens of a block of texts; all of their windows are batched together by length."""
    tokenizer = encoder._tokenizer  # noqa: SLF001 - as above
    whole = [prompt + text for text in texts]
    ids, spans = tokenizer.ids(whole), tokenizer.spans(whole)
    windows = [_windows(encoder, found, prompt, first + row) for row, found in enumerate(ids)]
    parts = [part for listed in windows for part in listed]
    outputs = _run(encoder, parts)
    found, at = [], 0
    for listed, places in zip(windows, spans, strict=True):
        taken = outputs[at : at + len(listed)]
        found.append(_joined(encoder, listed, taken, places, len(prompt)))
        at += len(listed)
    return found


def _windows(encoder: TextEncoder, ids: Ids, prompt: str, row: int) -> list[Ids]:
    """Return the windows of one text as the encoder makes them."""
    _require_bounded(len(ids), row)
    encoder._over(ids, row)  # noqa: SLF001 - as above; refuses where the rule says so
    return list(encoder._windows(ids, encoder._prompt_ids[prompt]))  # noqa: SLF001 - as above


def _run(encoder: TextEncoder, parts: list[Ids]) -> list[Floats]:
    """Return the token vectors of each window, special tokens included."""
    network, tokenizer = encoder._network, encoder._tokenizer  # noqa: SLF001 - as above
    outputs: list[Floats] = [np.zeros((0, network.dim), dtype=np.float32)] * len(parts)

    def run(rows: Rows) -> None:
        wholes = [(*tokenizer.before, *parts[row], *tokenizer.after) for row in rows]
        sizes = np.array([len(whole) for whole in wholes], dtype=np.int64)
        ids = np.full((len(wholes), sizes.max()), tokenizer.padding_id, dtype=np.int64)
        for line, whole in zip(ids, wholes, strict=True):
            line[: len(whole)] = whole
        mask = (np.arange(ids.shape[1]) < sizes[:, None]).astype(np.int64)
        for row, size, vectors in zip(rows, sizes, network(ids, mask), strict=True):
            outputs[row] = vectors[:size].copy()

    planned = list(batches.plan([len(part) for part in parts]))
    if network.threads == 1 or len(planned) == 1:
        for rows in planned:
            run(rows)
    else:
        with ThreadPoolExecutor(network.threads, thread_name_prefix="vicinal-tokens") as pool:
            list(pool.map(run, planned))
    return outputs


def _joined(
    encoder: TextEncoder, windows: list[Ids], outputs: list[Floats], spans: Rows, prompt_chars: int
) -> TokenVectors:
    """Return the tokens of one text out of those of its windows."""
    before, after = len(encoder._tokenizer.before), len(encoder._tokenizer.after)  # noqa: SLF001 - as above
    places = _places(windows, len(spans))
    sizes = [len(part) + before + after for part in windows]
    numbers = np.concatenate([np.pad(one, (before, after), constant_values=-1) for one in places])
    vectors = np.concatenate(outputs)
    if not np.isfinite(vectors).all():
        raise EncodeError("The network gave NaN or infinity for a token. Verify the model's files.")
    own, of_text = _spans_of(numbers, spans, prompt_chars)
    return TokenVectors(
        vectors=vectors,
        spans=own,
        of_text=of_text,
        weights=None if encoder._heads else _pooled_by(encoder.space.pooling, sizes),  # noqa: SLF001 - as above
        cut=bool(numbers.max(initial=-1) + 1 < len(spans)),
    )


def _places(windows: list[Ids], count: int) -> list[Rows]:
    """Return for each window which of the text's tokens it holds; the prompt's stand at the head of each."""
    if len(windows) == 1:
        return [np.arange(len(windows[0]), dtype=np.int64)]
    kept = (sum(map(len, windows)) - count) // (len(windows) - 1)
    found, at = [], kept
    for window in windows:
        own = len(window) - kept
        found.append(np.concatenate([np.arange(kept), np.arange(at, at + own)]).astype(np.int64))
        at += own
    return found


def _spans_of(numbers: Rows, spans: Rows, prompt_chars: int) -> tuple[Rows, Mask]:
    """Return the spans of tokens by their number, -1 for a special one, and which of them are of the text."""
    told = np.concatenate([spans - prompt_chars, np.zeros((1, 2), dtype=np.int64)])[numbers]
    of_text = (numbers >= 0) & ((told[:, 1] > 0) | ((told[:, 0] >= 0) & (prompt_chars == 0)))
    return np.where(of_text[:, None], np.maximum(told, 0), 0), of_text


def _pooled_by(pooling: str, sizes: list[int]) -> Weights | None:
    """Return what a pooling multiplies each token with, windows weighted by their sizes; None for one that is no sum."""
    if pooling not in POOLINGS or pooling == "max":
        return None
    parts = [_window_weights(pooling, size) * size for size in sizes]
    return np.asarray(np.concatenate(parts) / sum(sizes))


def _window_weights(pooling: str, size: int) -> Weights:
    if pooling == "mean":
        return np.full(size, 1 / size)
    if pooling == "weighted_mean":
        rising = np.arange(1, size + 1, dtype=np.float64)
        return np.asarray(rising / rising.sum())
    weights = np.zeros(size)
    weights[0 if pooling == "cls" else -1] = 1.0
    return weights


def _of_table(encoder: StaticEncoder, texts: list[str], role: str) -> Iterator[TokenVectors]:
    """Go through the rows of a static model's tokens, known ones only, each times its weight."""
    prompt = encoder.space.query_prompt if role == "query" else encoder.space.document_prompt
    parts = encoder._parts  # noqa: SLF001 - as for the networks
    for start, end in _blocks(texts):
        listed, cut = encoder._whole(texts[start:end], prompt)  # noqa: SLF001 - cuts or refuses as its rule says
        for row, (text, spans) in enumerate(zip(listed, parts.tokens.spans(listed), strict=True)):
            _require_bounded(len(spans), start + row)
            vectors, words = _rows_of_tokens(encoder, text, spans)
            known = words > 0
            numbers = np.flatnonzero(known)
            shares = words[known].astype(np.float64)
            if not np.isfinite(vectors).all():
                raise EncodeError("The table holds NaN or infinity for a token. Verify the model's files.")
            own, of_text = _spans_of(numbers, spans, len(prompt))
            yield TokenVectors(
                vectors=vectors[known],
                spans=own,
                of_text=of_text,
                weights=shares / max(shares.sum(), 1.0),
                cut=row in cut,
            )


def _rows_of_tokens(encoder: StaticEncoder, text: str, spans: Rows) -> tuple[Floats, Rows]:
    """Return for each token of a text the mean of its words' vectors, and how many words it is: 0 for an unknown one."""
    tokens, table = encoder._parts.tokens, encoder._parts.table  # noqa: SLF001 - as for the networks
    vectors = np.zeros((len(spans), table.shape[1]), dtype=np.float32)
    if isinstance(tokens, TableTokens):  # a piece alone is another token than within its word: by its number
        (ids,) = tokens._tokenizer.ids([text])  # noqa: SLF001 - as for the networks
        known = np.ones(len(ids), dtype=np.bool_) if tokens._dropped is None else ids != tokens._dropped  # noqa: SLF001
        rows = ids if tokens._mapping is None else tokens._mapping[ids]  # noqa: SLF001 - as for the networks
        vectors[known] = table[rows[known]]
        if tokens._weights is not None:  # noqa: SLF001 - as for the networks
            vectors[known] *= tokens._weights[ids[known]][:, None]  # noqa: SLF001 - as for the networks
        return vectors, known.astype(np.int64)
    picked = tokens.pick([text[start:end] for start, end in spans.tolist()])
    weighted = table[picked.rows] if picked.weights is None else table[picked.rows] * picked.weights[:, None]
    owners = np.repeat(np.arange(len(spans)), np.diff(picked.offsets))
    np.add.at(vectors, owners, weighted)
    vectors /= np.maximum(picked.words, 1)[:, None].astype(np.float32)
    return vectors, picked.words


def _require_bounded(tokens: int, row: int) -> None:
    if tokens > MOST_TOKENS:
        raise TooLongError(
            f"Text {row} has {tokens} tokens; the vectors of at most {MOST_TOKENS} are given at once. Give its chunks.",
            expected=f"<= {MOST_TOKENS}",
            got=tokens,
            where=row,
        )


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
