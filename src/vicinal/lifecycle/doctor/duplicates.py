"""What is stored twice: equal texts, and vectors that lie in one place though their texts differ.

Where all chunks are looked at, they are counted. Of a sample that would say nothing: of a text that comes a thousand
times among a million there are as many in it as of twenty that come twice. So some are looked for among all.

Letters: N vectors, Q of them asked, K places, D components.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vicinal import kernels
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.types import Floats, Rows

ASKED = 1000
"""Vectors whose nearest other is looked for among all that were sampled, at most."""
SOUGHT, PLACES = 500, 20
"""Of a sample: vectors that are looked for among all of the collection, and how many of their nearest are looked at."""
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


def check_duplicates(digests: Sequence[bytes], ids: Sequence[str]) -> list[Check]:
    """Return the check of equal texts, all chunks of the collection being known."""
    texts = sum(1 for one in digests if one)
    if not texts:
        return [skipped("equal texts", "duplicates", "No texts are stored.")]
    count, groups = repeated(digests)
    listed = [{"texts": len(group), "ids": [ids[place] for place in group[:LISTED]]} for group in groups]
    return [_equal(count / texts, f"{count} of {texts} chunks repeat the text of another one.", listed)]


def _equal(share: float, told: str, groups: Sequence[object]) -> Check:
    return judged(
        "equal texts",
        "duplicates",
        share,
        EXACT,
        told=told,
        advice="Equal texts take one another's places among the hits: store each once, with its sources as a field.",
        details={"groups": groups},
    )


@dataclass(frozen=True, slots=True)
class Sought:
    """One vector that was looked for among all: its id, the ids of those of the same text, and of one of another text.

    ``is_text`` is false where it has no text; then ``equal`` is empty.
    """

    id: str
    is_text: bool
    equal: tuple[str, ...]
    other: str | None


def sought(
    rows: Rows, vectors: Floats, nearest: Rows, read: Callable[[Rows], tuple[Floats, Sequence[bytes], Sequence[str]]]
) -> list[Sought]:
    """Return what lies where some vectors lie.

    Parameters
    ----------
    rows : int64 array of shape (Q,)
        Those that are looked for; none of them zero.
    vectors : float32 array of shape (Q, D)
        Theirs.
    nearest : int64 array of shape (Q, K)
        The rows nearest to each, itself among them or not; -1 for none.
    read : callable
        Returns the vectors, the digests of the texts and the ids of some rows, ascending.
    """
    near = np.unique(np.concatenate([rows, nearest[nearest >= 0]]))
    others, digests, ids = read(near)
    others = others / np.maximum(np.linalg.norm(others, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    own = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for row, vector, listed in zip(rows, own, nearest, strict=True):
        mine = int(np.searchsorted(near, row))
        places = np.searchsorted(near, listed[(listed >= 0) & (listed != row)])
        alike = [int(place) for place in places if float(others[place] @ vector) >= SAME_COSINE]
        equal = [place for place in alike if digests[mine] and digests[place] == digests[mine]]
        other = next((place for place in alike if place not in equal), None)
        told = tuple(ids[place] for place in equal)
        found.append(Sought(ids[mine], bool(digests[mine]), told, None if other is None else ids[other]))
    return found


def check_sought(found: Sequence[Sought]) -> list[Check]:
    """Return the checks of equal texts and of near-identical vectors by vectors that were looked for among all.

    Notes
    -----
    A text that comes g times is repeated g - 1 times, which is 1 - 1 / g for each of its chunks: the mean of that over
    chunks drawn at random is the share of repetitions in the whole, whatever the sizes of the groups. Beyond ``PLACES``
    copies g is not known any more, which takes less than 1 / ``PLACES`` of that share away. Where dot products are
    compared longer vectors may take the places; then it is a share at least.
    """
    texts = [one for one in found if one.is_text]
    if texts:
        share = float(np.mean([1 - 1 / (1 + len(one.equal)) for one in texts]))
        groups = sorted((one for one in texts if one.equal), key=lambda one: -len(one.equal))[:LISTED]
        listed = [{"texts": 1 + len(one.equal), "ids": [one.id, *one.equal][:LISTED]} for one in groups]
        told = f"About {share:.1%} of the chunks repeat the text of another one, by {len(texts)} looked for among all."
        first = _equal(share, told, listed)
    else:
        first = skipped("equal texts", "duplicates", "No texts are stored.")
    pairs = [[one.id, one.other] for one in found if one.other is not None]
    return [first, _near(pairs, len(found))] if found else [first]


def check_near(unit: Floats, digests: Sequence[bytes], ids: Sequence[str], *, seed: int) -> list[Check]:
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
    return [_near([[ids[mine], ids[other]] for mine, other in alike], len(asked))]


def _near(pairs: Sequence[Sequence[object]], asked: int) -> Check:
    return judged(
        "near-identical vectors",
        "duplicates",
        len(pairs) / asked,
        NEAR,
        told=f"{len(pairs)} of {asked} vectors have a neighbour of another text at a cosine of {SAME_COSINE} or more.",
        advice="The model cannot tell these texts apart: they differ in numbers, codes or names, or after its window. "
        "Search them by words as well (hybrid), or store one of each.",
        details={"pairs": [list(one) for one in pairs[:LISTED]]},
    )
