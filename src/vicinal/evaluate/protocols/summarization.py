"""Summaries: whether a machine's summary is near to a person's where people like it.

Fabbri et al. 2021, "SummEval"; Muennighoff et al. 2023, "MTEB".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.evaluate.metrics import pearson, spearman
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, Role, normalized, require_equal, require_some
from vicinal.space import Encoder
from vicinal.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarized:
    """One text's summaries: those of people, those of machines, and how much people like each of the latter."""

    human: tuple[str, ...]
    machine: tuple[str, ...]
    liked: tuple[float, ...]


def summarization(
    encoder: Encoder,
    summarized: Sequence[Summarized],
    *,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how well closeness to people's summaries follows their liking; main figure: mean Spearman's correlation.

    The score of a machine's summary is its largest cosine with a person's of the same text; the correlation with the
    liking is taken within each text and then averaged. Texts where either is the same for all summaries are left out.

    Raises
    ------
    InputError
        There is no text with anything to compare, or a text lacks summaries or their liking.
    """
    for one in summarized:
        require_some(len(one.human), "summaries by people")
        require_equal(len(one.machine), len(one.liked), "summaries and their liking")
    encoding = Encoding(encoder, progress)
    texts = [text for one in summarized for text in (*one.human, *one.machine)]
    vectors = normalized(encoding(texts, role)) if texts else np.zeros((0, 1), dtype=np.float32)
    ranked, valued, start = [], [], 0
    for one in summarized:
        middle, end = start + len(one.human), start + len(one.human) + len(one.machine)
        near = (vectors[middle:end] @ vectors[start:middle].T).max(axis=1) if end > middle else np.zeros(0)
        start = end
        if len(set(near.tolist())) > 1 and len(set(one.liked)) > 1:
            liked = np.asarray(one.liked, dtype=np.float64)
            ranked.append(spearman(near, liked))
            valued.append(pearson(near, liked))
    require_some(len(ranked), "texts whose summaries differ")
    data = [[list(one.human), list(one.machine), list(one.liked)] for one in summarized]
    return ProtocolScore(
        protocol="summarization",
        metric="cosine_spearman",
        metrics={"cosine_spearman": float(np.mean(ranked)), "cosine_pearson": float(np.mean(valued))},
        runs=tuple(ranked),
        environment=encoding.environment(data, role=role, left_out=len(summarized) - len(ranked)),
    )
