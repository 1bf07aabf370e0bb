"""Labels by neighbours: a text gets the label that most of its nearest labelled texts have.

Cover, Hart 1967, "Nearest neighbor pattern classification". Nothing is trained, so the figure is the vectors' own.

Letters: N labelled texts, M asked ones, D dimensions, K neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vicinal._arrays import whole_number
from vicinal.evaluate.metrics import accuracy, f1
from vicinal.evaluate.protocols.score import (
    Encoding,
    ProtocolScore,
    Role,
    normalized,
    require_equal,
    require_some,
)
from vicinal.space import Encoder
from vicinal.types import Floats, Progress

NEIGHBORS = 5
BLOCK_CELLS = 16_000_000
"""Cosines that are held at once: 64 MB."""


def nearest_labels(
    encoder: Encoder,
    train: Sequence[str],
    train_labels: Sequence[str],
    test: Sequence[str],
    test_labels: Sequence[str],
    *,
    k: int = NEIGHBORS,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return the accuracy of the label that most of the k nearest labelled texts have.

    Parameters
    ----------
    train, train_labels, test, test_labels : sequence of str
        As in ``classification``; all training texts take part.
    k : int, 1 <= k
        Neighbours that vote. Equal votes are decided by the sum of their cosines, then by the smaller label.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Returns
    -------
    ProtocolScore
        ``accuracy`` and ``f1`` (macro).

    Raises
    ------
    InputError
        A column is empty or has another length than its labels.
    """
    whole_number(k, "k", low=1)
    require_equal(len(train), len(train_labels), "training texts and labels")
    require_equal(len(test), len(test_labels), "test texts and labels")
    require_some(len(train), "training texts")
    require_some(len(test), "test texts")
    encoding = Encoding(encoder, progress)
    known, asked = (normalized(encoding(part, role)) for part in (train, test))
    said = voted(known, train_labels, asked, k=k)
    data = [list(train), list(train_labels), list(test), list(test_labels)]
    return ProtocolScore(
        protocol="nearest_labels",
        metric="accuracy",
        metrics={"accuracy": accuracy(test_labels, said), "f1": f1(test_labels, said)},
        environment=encoding.environment(data, k=k, role=role),
    )


def voted(known: Floats, labels: Sequence[Any], asked: Floats, *, k: int) -> list[Any]:
    """Return the label of each asked vector (M, D) by the votes of its k nearest among the known (N, D), all unit."""
    names = sorted(set(labels))
    numbers = {name: number for number, name in enumerate(names)}
    classes = np.asarray([numbers[label] for label in labels])
    found: list[Any] = []
    step = max(1, BLOCK_CELLS // len(known))
    for start in range(0, len(asked), step):
        for row in asked[start : start + step] @ known.T:
            near = np.argsort(-row, kind="stable")[:k]
            votes = np.bincount(classes[near], minlength=len(names))
            cosines = np.bincount(classes[near], weights=row[near], minlength=len(names))
            leading = np.flatnonzero(votes == votes.max())
            found.append(names[leading[cosines[leading].argmax()]])
    return found
