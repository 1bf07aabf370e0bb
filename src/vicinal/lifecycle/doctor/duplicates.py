"""What is stored twice: equal texts, and vectors that lie in one place though their texts differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vicinal import kernels
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.types import Floats, Rows

ASKED = 1000
"""Vectors whose nearest other is looked for among all that were sampled, at most."""
SAME_COSINE = 0.999
"""From here on two vectors are one for every search: 8-bit weights move a text further (docs/adr/0006-canary.md)."""
LISTED = 5
LEAST_ROWS = 30
EXACT = Limits(notice=0.1, alarm=0.3)
NEAR = Limits(notice=0.02, alarm=0.1)


def repeated(digests: Sequence[bytes]) -> tuple[int, list[list[int]]]:
    """Return how many texts repeat an earlier one, and the places of the largest groups of equal ones; blanks are none."""
    counts = Counter(one for one in digests if one)
    largest = {digest: [] for digest, count in counts.most_common(LISTED) if count > 1}  # type: dict[bytes, list[int]]
    for place, digest in enumerate(digests):
        if digest in largest:
            largest[digest].append(place)
    return sum(counts.values()) - len(counts), list(largest.values())


def nearest_others(unit: Floats, asked: Rows) -> tuple[Rows, Floats]:
    """Return the nearest other of some vectors among all, with its cosine: int64 and float32 (Q,). Cost: Q * N * D."""
    rows, scores, _ = kernels.top_k(unit, np.ascontiguousarray(unit[asked]), k=2)
    second = (rows[:, 0] == asked).astype(np.int64)
    place = np.arange(len(asked))
    return rows[place, second], scores[place, second]


def check_duplicates(digests: Sequence[bytes], ids: Sequence[str], scale: float) -> list[Check]:
    """Return the check of equal texts.

    ``scale`` is how many times as many chunks as were sampled there are: a sample of one in ten holds one in ten of the
    partners of each of its texts, so that the share is that of the whole, as long as few texts come many times.
    """
    texts = sum(1 for one in digests if one)
    if not texts:
        return [skipped("equal texts", "duplicates", "No texts are stored.")]
    count, groups = repeated(digests)
    share = min(1.0, scale * count / texts)
    near = "" if scale == 1 else "about "
    return [
        judged(
            "equal texts",
            "duplicates",
            share,
            EXACT,
            told=f"{near}{share:.1%} of the chunks repeat the text of another one ({count} of {texts} that were looked at).",
            advice="Equal texts take one another's places among the hits: store each once, with its sources as a field.",
            details={
                "groups": [{"texts": len(group), "ids": [ids[place] for place in group[:LISTED]]} for group in groups]
            },
        )
    ]


def check_near(unit: Floats, digests: Sequence[bytes], ids: Sequence[str], *, seed: int, scale: float) -> list[Check]:
    """Return the check of vectors in one place whose texts differ; digests and ids are those of ``unit``."""
    if len(unit) < LEAST_ROWS:
        why = f"{len(unit)} vectors are too few; {LEAST_ROWS} would do."
        return [skipped("near-identical vectors", "duplicates", why)]
    asked = np.sort(np.random.default_rng(seed).permutation(len(unit))[:ASKED])
    others, cosines = nearest_others(unit, asked)
    alike = [
        (mine, other)
        for mine, other, cosine in zip(asked.tolist(), others.tolist(), cosines.tolist(), strict=True)
        if cosine >= SAME_COSINE and (digests[mine] != digests[other] or not digests[mine])
    ]
    share = min(1.0, scale * len(alike) / len(asked))
    return [
        judged(
            "near-identical vectors",
            "duplicates",
            share,
            NEAR,
            told=f"{len(alike)} of {len(asked)} vectors have a neighbour of another text at a cosine of {SAME_COSINE} or more.",
            advice="The model cannot tell these texts apart: they differ in numbers, codes or names, or after its window. "
            "Search them by words as well (hybrid), or store one of each.",
            details={"pairs": [[ids[mine], ids[other]] for mine, other in alike[:LISTED]]},
        )
    ]
