"""Why a text matched: how much each pair of tokens gives to the score, with their places in question and text.

Letters: n tokens of the question with vectors h, m of the text with vectors g, D dimensions; u and v are what the
encoder pools with, 1 / n and 1 / m for a mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import texts_list
from vicinal.encode.tokens import TokenVectors, token_vectors
from vicinal.errors import ShapeError, TooLongError, UnsupportedError
from vicinal.space import Encoder
from vicinal.types import Mask, Rows

Doubles = NDArray[np.float64]
EXACT, MAX_SIM = "exact", "maxsim"
MOST_PAIRS = 1 << 22
"""Pairs of tokens of one map: 32 MB."""
DIGITS = 6
"""Digits of a share in plain data."""


class Credit(NamedTuple):
    """What one token gives to the score, and its span; ``[0, 0)`` for one that is not of the text."""

    start: int
    end: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeatMap:
    """What each pair of tokens gives to a score.

    ``kind`` is ``exact``: ``shares`` float64 (n, m) sum to the score of the two vectors, special tokens and the
    prompt's among them; or ``maxsim``: each token of the question has its largest cosine, divided by n, at the token
    of the text that gives it, and the sum is the late interaction's score, not that of the vectors.
    ``score`` is the sum. ``query_spans`` int64 (n, 2) and ``text_spans`` (m, 2) are code points, ``query_own`` and
    ``text_own`` bool say which tokens are of the question and the text themselves.
    """

    kind: str
    shares: Doubles
    score: float
    query_spans: Rows
    text_spans: Rows
    query_own: Mask
    text_own: Mask

    def query_credits(self) -> list[Credit]:
        """Return what each of the question's tokens gives, in their order; the sum over all is the score."""
        return _credits(self.query_spans, self.shares.sum(axis=1))

    def text_credits(self) -> list[Credit]:
        """Return what each of the text's tokens gives, in their order; the sum over all is the score."""
        return _credits(self.text_spans, self.shares.sum(axis=0))

    def outside(self) -> float:
        """Return what pairs give of which one side is a special token or the prompt's: no word has it."""
        own = self.query_own[:, None] & self.text_own
        return float(self.shares[~own].sum())

    def as_dict(self) -> dict[str, Any]:
        """Return the map as plain data, shares rounded to 6 digits; no text is in it."""
        return {
            "kind": self.kind,
            "score": round(self.score, DIGITS),
            "outside": round(self.outside(), DIGITS),
            "query": [_plain(*one) for one in zip(self.query_credits(), self.query_own.tolist(), strict=True)],
            "text": [_plain(*one) for one in zip(self.text_credits(), self.text_own.tolist(), strict=True)],
        }


def explain_match(encoder: Encoder, query: str, text: str) -> HeatMap:
    """Return what each pair of tokens gives to the score of a text for a question.

    Parameters
    ----------
    encoder : Encoder
        A network or a table that runs here; behind a cache, a cut or a projection too.
    query, text : str
        The question, and the text of one chunk.

    Returns
    -------
    HeatMap
        ``exact`` where the encoder pools by a mean, even or weighted: its sum is the cosine of the two vectors, or
        their dot product in a space that is not normalized, to 1e-4. So it is behind a cut of dimensions, with the
        components that are left. Behind a projection the sum is exact too, but the mean that the projection takes off
        is shared out over all tokens, so single shares are relative to an average text.
        ``maxsim`` for all others: a model that pools by one token (cls, last), by the largest of each component, or
        with modules behind its pooling. Then the sum is not the score of the hit, and ``kind`` says so.

    Raises
    ------
    UnsupportedError
        The encoder shows no tokens; or its space is neither normalized nor compared by dot product; or it projects
        vectors that are no sum of tokens.
    DtypeError, RangeError, TooLongError, EncodeError
        As ``token_vectors``.

    Notes
    -----
    What is shared out are the tokens as the last layer has them, in which each has seen its neighbours: it is the
    score's arithmetic, and no proof of what the model would say without a word; docs/concepts/rerank.md has a measure.
    The score of a hit may differ by the rounding of stored vectors.
    Cost: both texts are encoded, and one product (n, D) by (D, m).
    """
    (asked,) = token_vectors(encoder, texts_list([query], "query"), role="query")
    (found,) = token_vectors(encoder, texts_list([text], "text"), role="document")
    space = encoder.space
    if not space.normalized and space.metric != "dot":
        raise UnsupportedError(
            f"A score by {space.metric} of vectors of any length is no sum over pairs of tokens.",
            expected="normalized, or dot",
            got=space.metric,
            where="metric",
        )
    return heat_map(asked, found, normalized=space.normalized)


def heat_map(query: TokenVectors, text: TokenVectors, *, normalized: bool = True) -> HeatMap:
    """Return what each pair of tokens gives to the score of two texts.

    Parameters
    ----------
    query, text : TokenVectors
        Of one encoder.
    normalized : bool
        Whether the score is the cosine of the two vectors, else their dot product.

    Returns
    -------
    HeatMap
        ``exact``: ``A[i, j] = u[i] v[j] <h[i], g[j]> / (|Σ u h| |Σ v g|)``, where both vectors are a sum over more
        than one token; without the divisor where not normalized. ``maxsim`` otherwise. A side without tokens, or of
        length 0, gives zeros.

    Raises
    ------
    ShapeError
        The two have other dimensions.
    TooLongError
        There are more than four million pairs.
    """
    if query.vectors.shape[1] != text.vectors.shape[1]:
        raise ShapeError(
            f"The tokens of question and text have {query.vectors.shape[1]} and {text.vectors.shape[1]} dimensions.",
            expected=query.vectors.shape[1],
            got=text.vectors.shape[1],
        )
    if len(query) * len(text) > MOST_PAIRS:
        raise TooLongError(
            f"Question and text have {len(query)} and {len(text)} tokens, too many pairs to show. Give a chunk.",
            expected=f"<= {MOST_PAIRS} pairs",
            got=len(query) * len(text),
        )
    exact = _is_sum(query) and _is_sum(text)
    shares = _shares(query, text, normalized=normalized) if exact else _max_sim_shares(query, text)
    return HeatMap(
        kind=EXACT if exact else MAX_SIM,
        shares=shares,
        score=float(shares.sum()),
        query_spans=query.spans,
        text_spans=text.spans,
        query_own=query.of_text,
        text_own=text.of_text,
    )


def _is_sum(tokens: TokenVectors) -> bool:
    """Return whether the text's vector is a sum in which more than one token counts, if there is more than one."""
    weights = tokens.weights
    return weights is not None and (int(np.count_nonzero(weights)) > 1 or len(weights) <= 1)


def _shares(query: TokenVectors, text: TokenVectors, *, normalized: bool) -> Doubles:
    """Return the exact shares (n, m)."""
    sides = [_weighted(tokens, normalized=normalized) for tokens in (query, text)]
    return np.asarray(sides[0] @ sides[1].T)


def _weighted(tokens: TokenVectors, *, normalized: bool) -> Doubles:
    """Return each token times its weight, so that they sum to the text's vector, of unit length if it is normalized."""
    assert tokens.weights is not None  # noqa: S101 - ``_is_sum`` has seen it
    parts = tokens.vectors.astype(np.float64) * tokens.weights[:, None]
    length = float(np.linalg.norm(parts.sum(axis=0))) if normalized else 1.0
    return np.asarray(parts / length) if length > 0 else np.zeros_like(parts)


def _max_sim_shares(query: TokenVectors, text: TokenVectors) -> Doubles:
    """Return for each own token of the question its largest cosine with one of the text's own, divided by their number."""
    shares = np.zeros((len(query), len(text)))
    rows, columns = np.flatnonzero(query.of_text), np.flatnonzero(text.of_text)
    if not len(rows) or not len(columns):
        return shares
    cosines = _units(query.vectors[rows]) @ _units(text.vectors[columns]).T
    nearest = cosines.argmax(axis=1)
    shares[rows, columns[nearest]] = cosines[np.arange(len(rows)), nearest] / len(rows)
    return shares


def _units(vectors: NDArray[np.float32]) -> Doubles:
    doubles = vectors.astype(np.float64)
    lengths = np.linalg.norm(doubles, axis=1, keepdims=True)
    return np.asarray(np.divide(doubles, lengths, out=np.zeros_like(doubles), where=lengths > 0))


def _credits(spans: Rows, shares: Doubles) -> list[Credit]:
    return [Credit(start, end, share) for (start, end), share in zip(spans.tolist(), shares.tolist(), strict=True)]


def _plain(credit: Credit, own: bool) -> dict[str, Any]:
    return {"start": credit.start, "end": credit.end, "share": round(credit.share, DIGITS), "own": own}
