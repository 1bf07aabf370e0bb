"""Hubs: vectors that are among the nearest of very many others, and those that are nobody's neighbour.

Letters: N vectors, k neighbours, N_k how often a vector is among the k nearest of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from vicinal import kernels
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.types import Floats, Rows

HUB_ROWS = 6000
"""Vectors whose neighbours are compared: 36 million products of D, 1 to 2 s for 384 components on one core."""
K = 10
LEAST_ROWS = 100
AT_ONCE = 500
TOP = 10
ASKED = 1000
"""Vectors whose neighbours are looked for among all that were sampled, where these are more than ``HUB_ROWS``."""
READ_HUBS = (
    "Read the hubs that are listed: they are often boilerplate, blank pages or wrong vectors; delete them. "
    "Where there are many, vicinal project --kind common takes out what all have in common."
)
PUBLISHED = "published start value"

SKEW = Limits(notice=3.0, alarm=6.0)
ANTI = Limits(notice=0.12, alarm=0.2, source=PUBLISHED)
HUB = Limits(notice=20.0, alarm=40.0)


def neighbors_of(unit: Floats, *, k: int = K) -> Rows:
    """Return the k nearest others of each vector by cosine, exactly: int64 (N, k); -1 where there are fewer.

    A vector whose copies take all places may be missing among its own first k + 1: then the last of them goes.
    """
    found = np.empty((len(unit), k), dtype=np.int64)
    for start in range(0, len(unit), AT_ONCE):
        rows = kernels.top_k(unit, unit[start : start + AT_ONCE], k=k + 1)[0]
        own = rows == np.arange(start, start + len(rows))[:, None]
        own[~own.any(axis=1), -1] = True
        found[start : start + len(rows)] = rows[~own].reshape(len(rows), k)
    return found


def hub_counts(neighbors: Rows, count: int) -> Rows:
    """Return N_k of each vector: int64 (N,)."""
    return np.bincount(neighbors[neighbors >= 0], minlength=count)


def skewness(counts: Rows) -> float:
    """Return E[(N_k - mean)^3] / sd^3, 0 where all are equal.

    References
    ----------
    Radovanović et al. 2010, "Hubs in space", equation 1.
    """
    centred = counts - counts.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean() / spread**3) if spread > 0 else 0.0


def robin_hood(counts: Rows, k: int) -> float:
    """Return the share of all places that would have to be given away until all had k: sum |N_k - k| / (2 N k).

    References
    ----------
    Feldbauer et al. 2018, "Fast approximate hubness reduction", Robin Hood index.
    """
    return float(np.abs(counts - k).sum() / (2 * len(counts) * k)) if len(counts) else 0.0


def asked_counts(unit: Floats, *, seed: int, k: int = K) -> tuple[Rows, int]:
    """Return how often each vector is among the k nearest of some others: int64 (N,), and how many these were.

    Where all are too many to be compared with all, this sees every one of them: a single hub is not missed.
    """
    asked = np.sort(np.random.default_rng(seed).permutation(len(unit))[:ASKED])
    rows = kernels.top_k(unit, np.ascontiguousarray(unit[asked]), k=k + 1)[0]
    others = np.where(rows == asked[:, None], -1, rows)
    return hub_counts(others, len(unit)), len(asked)


def least_count(count: int) -> float:
    """Return the count that is surely behind one that chance has drawn: two deviations less, and no less than 0."""
    return max(0.0, count - 2 * float(np.sqrt(count)))


def check_largest(counts: Rows, asked: int, ids: Sequence[str], *, k: int = K) -> Check:
    """Return the check of the largest hub: ``counts`` of N vectors among the k nearest of ``asked`` others."""
    place = int(np.argmax(counts))
    times, mean = int(counts[place]), k * asked / len(counts)
    largest = times if asked == len(counts) else least_count(times)
    return judged(
        "largest hub",
        "hubness",
        largest / mean,
        HUB,
        unit="times the mean",
        told=f"{ids[place]!r} is among the {k} nearest of {times} of {asked} vectors, {mean:.2g} being the mean.",
        advice=READ_HUBS,
        details={"id": ids[place], "times": times, "asked": asked, "vectors": len(counts)},
    )


def check_hubness(counts: Rows, ids: Sequence[str], *, k: int = K) -> list[Check]:
    """Return the checks of hubs, ``ids`` those of the counted vectors."""
    count = len(counts)
    if count < LEAST_ROWS:
        return [skipped("hubness", "hubness", f"{count} vectors are too few; {LEAST_ROWS} would do.")]
    skew, anti = skewness(counts), float((counts == 0).mean())
    order = np.argsort(-counts, kind="stable")[:TOP]
    top = [{"id": ids[place], "times": int(counts[place])} for place in order]
    details = {"hubs": top, "k": k, "vectors": count, "robin_hood": robin_hood(counts, k)}
    return [
        judged(
            "hubness",
            "hubness",
            skew,
            SKEW,
            unit="skewness",
            told=f"How often a vector is among the {k} nearest of others has a skewness of {skew:.2f} (Robin Hood {details['robin_hood']:.2f}).",
            advice=READ_HUBS,
            details=details,
        ),
        judged(
            "nobody's neighbours",
            "hubness",
            anti,
            ANTI,
            told=f"{anti:.1%} of the vectors are among the {k} nearest of no other.",
            advice="They are hard to find: hubs take their places. See the hubs.",
        ),
    ]


def histogram(counts: Rows) -> tuple[tuple[int, int], ...]:
    """Return (times, vectors) for each count that there is, ascending."""
    return tuple(sorted(Counter(counts.tolist()).items()))
