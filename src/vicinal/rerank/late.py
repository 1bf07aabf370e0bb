"""Late interaction: each token of the question finds the token of a text that is nearest to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vicinal._arrays import texts_list
from vicinal.encode.tokens import TokenVectors, token_vectors
from vicinal.space import Encoder
from vicinal.types import Floats

AT_ONCE = 8
MOST_PAIRS = 1 << 22
"""Cosines that are held at once: 16 MB."""


class LateInteraction:
    """Scores texts by the mean over the question's tokens of the largest cosine with a token of the text (MaxSim).

    It needs no model of its own: the collection's encoder is looked at before it pools. Safe for many threads.

    Parameters
    ----------
    encoder : Encoder
        A network or a table that runs here; behind a cache, a cut or a projection too.

    Raises
    ------
    UnsupportedError
        At the first score: the encoder shows no tokens.

    Notes
    -----
    Special tokens and the prompt are left out on both sides: they are near one another whatever the texts say.
    Scores are in [-1, 1]. A question or a text without a token has -1 for all, below any other.
    Encoders that were not trained for it are compared token by token here, which is no ColBERT; what that gives with
    MiniLM is measured in docs/concepts/rerank.md.
    Cost: the encoding of the question and of each text, and one product (n, D) by (D, m) for each text.
    Memory: the tokens of one block of texts, see ``token_vectors``.

    References
    ----------
    Khattab, Zaharia 2020, "ColBERT: efficient and effective passage search via contextualized late interaction over
    BERT", equation 3: the sum, which for one question is the mean times its number of tokens.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def score_kind(self) -> str:
        """``late-interaction``."""
        return "late-interaction"

    @property
    def at_once(self) -> int:
        """How many texts are encoded between two looks at the time."""
        return AT_ONCE

    def score(self, query: str, texts: Sequence[str]) -> Floats:
        """Return the mean of the largest cosines for each text, float32 (N,).

        Raises
        ------
        DtypeError, RangeError
            The question or the texts are no strings.
        UnsupportedError
            The encoder shows no tokens.
        TooLongError, EncodeError
            As ``token_vectors``.
        """
        listed = texts_list(texts)
        (asked,) = _units(token_vectors(self._encoder, texts_list([query], "query"), role="query"))
        found = _units(token_vectors(self._encoder, listed, role="document"))
        return np.fromiter((max_sim(asked, text) for text in found), dtype=np.float32, count=len(listed))


def max_sim(query: Floats, text: Floats) -> float:
    """Return the mean over the rows of ``query`` of the largest product with a row of ``text``.

    Parameters
    ----------
    query, text : float32 arrays of shape (n, D) and (m, D)
        Rows of unit length. Without any of one side it is -1.
    """
    if not len(query) or not len(text):
        return -1.0
    step = max(MOST_PAIRS // len(text), 1)
    best = [(query[start : start + step] @ text.T).max(axis=1) for start in range(0, len(query), step)]
    return float(np.concatenate(best).mean(dtype=np.float64))


def _units(found: Iterator[TokenVectors]) -> Iterator[Floats]:
    """Go through the vectors of the texts' own tokens, each of unit length or zero."""
    for tokens in found:
        vectors = tokens.vectors[tokens.of_text]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        yield np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
