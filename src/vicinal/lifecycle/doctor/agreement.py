"""Whether vectors agree with their texts: texts of the same words must lie nearer to one another than chance.

A vector of another model, or of another text, lies no nearer to the texts that share its words than to any other.
That is seen without a model, and whichever models they were.

Letters: N texts with their vectors, D components, B buckets of words, W components of a bag of words, k neighbours.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal import kernels
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.types import Floats, Mask, Rows

ROWS = 3000
"""Texts that are compared with one another by their words: 9 million products of W and some of D."""
CHARS = 1000
"""Characters of a text whose words count."""
BUCKETS = 1 << 14
WIDTH = 512
SEED = 7
K = 5
SIMILAR = 0.2
"""The least mean cosine of bags that counts as words in common: chance gives 0.1 of 3,000 texts."""
CHANCE = 0.25
"""Standard deviations of random cosines: a text that lies no further above them than that agrees with nothing."""
RANDOM = 500
LEAST = 200
UNSPACED = "\u0e00"
"""From this letter on scripts are mostly written without spaces: their words are pairs of letters."""
LISTED = 5

DISAGREEING = Limits(notice=0.015, alarm=0.028)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the texts that share words with others: their places, and how far above chance they lie to those (N,)."""

    places: Rows
    above: Floats
    neighbors: Rows

    @classmethod
    def of_none(cls) -> Agreement:
        """Return that of too few texts."""
        return cls(np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, K), np.int64))

    @property
    def none(self) -> Mask:
        """Which lie no nearer than chance."""
        return np.asarray(self.above < CHANCE)


def words_of(text: str) -> set[str]:
    """Return the words of a text's beginning, in small letters; pairs of letters where words have no spaces between them."""
    found: set[str] = set()
    for word in _WORD.findall(text[:CHARS].lower()):
        if max(word) < UNSPACED:
            found.add(word)
        else:
            found.update(word[place : place + 2] for place in range(max(1, len(word) - 1)))
    return found


def bags(texts: Sequence[str]) -> Floats:
    """Return a vector for the words of each text: float32 (N, W) at unit length, zero for a text without words.

    Notes
    -----
    Each word adds a fixed random vector of signs, times log(N / texts that have it): cosines are those of the weighted
    words but for an error of 1 / sqrt(W), 0.04.

    References
    ----------
    Achlioptas 2003, "Database-friendly random projections", theorem 1.1.
    """
    listed = [
        sorted({zlib.crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS for word in words_of(text)})
        for text in texts
    ]
    ids = np.array([one for part in listed for one in part], dtype=np.int32)
    offsets = np.cumsum([0, *map(len, listed)]).astype(np.int64)
    weights = np.log(max(1, len(texts)) / np.maximum(np.bincount(ids, minlength=BUCKETS), 1)).astype(np.float32)
    table = np.random.default_rng(SEED).integers(0, 2, (BUCKETS, WIDTH)).astype(np.float32) * 2 - 1
    found = kernels.mean_rows(table, ids, offsets, np.ascontiguousarray(weights[ids]))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.ascontiguousarray(found / np.where(lengths > 0, lengths, 1))


def agreement(texts: Sequence[str], unit: Floats, *, seed: int) -> Agreement:
    """Return how near texts lie to those that share their words, of the half that shares most.

    Parameters
    ----------
    texts : sequence of str
    unit : float32 array of shape (N, D)
        Their vectors at unit length.
    seed : int
        Of the random vectors that tell what chance gives.

    Notes
    -----
    For each text the mean cosine of its vector, the mean of all taken away, with those of the ``K`` texts nearest by
    words, less the mean cosine with ``RANDOM`` others, over the standard deviation of the latter.
    """
    words = bags(texts)
    rows, scores, _ = kernels.top_k(words, words, k=K + 1)
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True
    neighbors, shared = rows[~own].reshape(-1, K), scores[~own].reshape(-1, K).mean(axis=1)
    places = np.flatnonzero((shared >= SIMILAR) & (shared >= np.median(shared)))
    centred = unit - unit.mean(axis=0)  # what all have in common says nothing of their texts
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-6))
    others = unit[np.random.default_rng(seed).permutation(len(unit))[:RANDOM]]
    chance = unit[places] @ others.T
    near = np.einsum("nkd,nd->nk", unit[neighbors[places]], unit[places]).mean(axis=1)
    above = (near - chance.mean(axis=1)) / np.maximum(chance.std(axis=1), np.float32(1e-6))
    return Agreement(places, np.asarray(above, dtype=np.float32), neighbors[places])


def check_agreement(found: Agreement, ids: Sequence[str]) -> Check:
    """Return whether texts of the same words lie together; ids are those of the N texts."""
    name = "texts and vectors"
    if len(found.places) < LEAST:
        return skipped(name, "identity", f"{len(found.places)} texts share words with others; {LEAST} would do.")
    none = found.none
    return judged(
        name,
        "identity",
        float(none.mean()),
        DISAGREEING,
        told=f"{int(none.sum())} of {len(none)} texts lie no nearer to texts of the same words than to any others "
        f"(half of them {float(np.median(found.above)):.1f} standard deviations above chance, or more).",
        advice="Their vectors seem to be of another model or of other texts, or the model does not know such texts. Encode the "
        "listed records again: if they differ, index them anew; if not, try another model.",
        details={"ids": [ids[place] for place in found.places[none][:LISTED]], "median": float(np.median(found.above))},
    )
