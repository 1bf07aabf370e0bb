"""Bitext mining: the nearest sentence of another language should be the translation.

Artetxe, Schwenk 2019, "Massively multilingual sentence embeddings", without their margin; Muennighoff et al. 2023, "MTEB".

Letters: P sentences of the first language, N of the second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal.errors import RangeError
from vicinal.evaluate.metrics import accuracy, f1
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, Role, normalized, require_equal, require_some
from vicinal.space import Encoder
from vicinal.types import Floats, Progress, Rows

BLOCK_CELLS = 16_000_000
"""Cosines that are held at once: 64 MB."""


def bitext_mining(
    encoder: Encoder,
    first: Sequence[str],
    second: Sequence[str],
    *,
    translations: Sequence[int] | None = None,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how often the nearest sentence by cosine is the translation; main figure: the weighted F1.

    Parameters
    ----------
    first : sequence of str
        Sentences whose translations are sought, P of them.
    second : sequence of str
        Sentences among which they are sought, N of them.
    translations : sequence of int, optional
        For each sentence of ``first``, where in ``second`` its translation stands, from 0. Default: at the same place.
    role : {"document", "query"}
        The role in which all sentences are encoded.

    Returns
    -------
    ProtocolScore
        ``f1``, of each sentence of ``second`` and weighted by how often it is sought, and ``accuracy``.
        Of equally near sentences the first is taken.

    Raises
    ------
    InputError
        There are no sentences, the columns have different lengths, or a translation is no place in ``second``.
    """
    require_some(len(first), "sentences")
    require_some(len(second), "sentences of the second language")
    if translations is None:
        require_equal(len(first), len(second), "sentences of both languages")
    wanted = np.arange(len(first)) if translations is None else np.asarray(list(translations), dtype=np.int64)
    require_equal(len(first), len(wanted), "sentences and translations")
    if wanted.min() < 0 or wanted.max() >= len(second):
        allowed = f"0 to {len(second) - 1}"
        raise RangeError(f"translations must be from {allowed}.", expected=allowed, where="translations")
    encoding = Encoding(encoder, progress)
    sought, stored = normalized(encoding(first, role)), normalized(encoding(second, role))
    found = nearest(sought, stored)
    data = [list(first), list(second), wanted.tolist()]
    return ProtocolScore(
        protocol="bitext_mining",
        metric="f1",
        metrics={"f1": f1(wanted, found, average="weighted"), "accuracy": accuracy(wanted, found)},
        environment=encoding.environment(data, role=role),
    )


def nearest(sought: Floats, stored: Floats) -> Rows:
    """Return for each of the sought unit vectors (P, D) the place of the nearest stored one (N, D), int64 (P,)."""
    step = max(1, BLOCK_CELLS // len(stored))
    blocks = range(0, len(sought), step)
    return np.concatenate([(sought[start : start + step] @ stored.T).argmax(axis=1) for start in blocks])
