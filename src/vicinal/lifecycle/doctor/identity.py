"""Whether the vectors are of the space that they say: the pin, the canary, a second look, and two models in one place.

Letters: N vectors at unit length, D components.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.encode import made_in
from vicinal.errors import CanaryMismatchError, SpaceMismatchError, VicinalError, VicinalWarning
from vicinal.lifecycle import canary
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.lifecycle.doctor.geometry import Spectrum
from vicinal.space import Encoder
from vicinal.store import Probe
from vicinal.types import Floats, Mask

LEAST_ROWS = 200
AGAIN = 60
"""Stored texts that are encoded again: of one in twenty that were made otherwise one is among them 19 times in 20."""
HALF = 0.5
"""The share of the variance that the leading directions hold together, whose part in each vector is its signature."""

CANARY = Limits(alarm=canary.LEAST_COSINE, notice=0.9999, below=True, source="docs/adr/0006-canary.md")
AGAIN_OFF = Limits(notice=0.0, alarm=0.01)
MIXED = Limits(notice=3.8, alarm=4.5)
LEAST_SHARE = 0.01
"""Groups that are smaller are outliers, not a second model."""


def check_encoder(error: VicinalError | None, model: str) -> Check:
    """Return whether the model loads, is the one that was pinned, and is in the collection's space."""
    name = model or "the encoder that was given"
    if error is None:
        return Check(
            name="space and pin", family="identity", state="ok", told=f"{name} loads, and is in the collection's space."
        )
    if isinstance(error, CanaryMismatchError):
        return Check(name="space and pin", family="identity", state="ok", told=f"{name} says that it is in this space.")
    wrong = isinstance(error, SpaceMismatchError)
    return Check(
        name="space and pin",
        family="identity",
        state="alarm" if wrong else "skipped",
        told=error.message,
        advice="Bring the model back that made these vectors, or make a new collection." if wrong else "",
        details={"code": error.code},
    )


def check_canary(probes: Sequence[Probe], encoder: Encoder | None, error: VicinalError | None) -> Check:
    """Return whether the probe texts still lie where they lay."""
    advice = "Old and new vectors cannot be compared: bring the former model or runtime back, or index anew."
    if isinstance(error, CanaryMismatchError):
        worst = float(error.got) if isinstance(error.got, int | float) else 0.0
        return judged("canary", "identity", worst, CANARY, unit="cosine", told=error.message, advice=advice)
    if encoder is None:
        return skipped("canary", "identity", "The model is not at hand, so the probe texts cannot be encoded again.")
    if not probes:
        return skipped("canary", "identity", "The space has no probe texts; the first write makes them.")
    worst = float(canary.cosines(probes, encoder).min())
    told = f"{len(probes)} probe texts lie where they lay, the worst at a cosine of {worst:.6f}."
    return judged("canary", "identity", worst, CANARY, unit="cosine", told=told, advice=advice)


def is_local(encoder: Encoder) -> bool:
    """Return whether encoding asks no provider, who would have to be paid."""
    return not made_in(encoder).weights.startswith("provider:")


def check_again(texts: Sequence[str], stored: Floats, encoder: Encoder) -> Check:
    """Return whether texts still get the vectors that stand beside them: float32 (Q, D)."""
    kept = [place for place, text in enumerate(texts) if text.strip()]
    if not kept:
        return skipped("encoded again", "identity", "No texts are stored.")
    with warnings.catch_warnings():  # what is cut now was cut and counted then
        warnings.simplefilter("ignore", VicinalWarning)
        now = np.asarray(encoder.encode_documents([texts[place] for place in kept]))
    lengths = np.linalg.norm(now, axis=1) * np.linalg.norm(stored[kept], axis=1)
    same_zero = ~now.any(axis=1) & ~stored[kept].any(axis=1)
    cosines = np.einsum("qd,qd->q", now, stored[kept]) / np.maximum(lengths, np.finfo(np.float32).tiny)
    off = (cosines < canary.LEAST_COSINE) & ~same_zero
    return judged(
        "encoded again",
        "identity",
        float(off.mean()),
        AGAIN_OFF,
        told=f"{int(off.sum())} of {len(kept)} stored texts get another vector now than the one that stands beside them.",
        advice="These vectors were made by another model, of other texts, or with a context that is not stored. "
        "If you did not make them yourself, index the sources again.",
        details={"worst": float(cosines.min())},
    )


@dataclass(frozen=True, slots=True)
class Split:
    """The best cut of numbers into two groups: where, how far apart in standard deviations, which are in the smaller."""

    at: float
    distance: float
    smaller: Mask

    @property
    def share(self) -> float:
        """The share of the smaller group."""
        return float(self.smaller.mean())


def split(values: Floats) -> Split:
    """Return the cut of numbers into two groups of the largest variance between them, each of ``LEAST_SHARE`` at least.

    Notes
    -----
    ``distance`` is |m1 - m2| / sqrt((s1^2 + s2^2) / 2): 2.65 for the halves of a normal distribution, 3.5 for those of
    a uniform one, at most 3.4 on collections of one model, and more where there are two humps with a valley between them.

    References
    ----------
    Otsu 1979, "A threshold selection method from gray-level histograms", equation 18; Ashman et al. 1994, equation 3.
    """
    ordered = np.sort(values.astype(np.float64))
    count = len(ordered)
    left = np.arange(1, count)
    sums = np.cumsum(ordered)[:-1]
    means = sums / left, (ordered.sum() - sums) / (count - left)
    between = left * (count - left) * (means[0] - means[1]) ** 2
    least = max(1, int(LEAST_SHARE * count))
    between[: least - 1] = between[count - least :] = -1
    place = int(np.argmax(between))
    low, high = ordered[: place + 1], ordered[place + 1 :]
    spread = float(np.sqrt((low.var() + high.var()) / 2))
    gap = float(high.mean() - low.mean())
    at = float((low[-1] + high[0]) / 2)
    under = values <= at
    smaller = under if under.sum() * 2 <= count else ~under
    return Split(at, gap / spread if spread > 1e-9 else 0.0, smaller)  # noqa: PLR2004 - rounding


def signatures(unit: Floats, found: Spectrum) -> dict[str, Floats]:
    """Return numbers (N,) that tell vectors of two models apart, though both are of unit length.

    ``leading`` is the share of a vector, its mean taken away, along the directions that hold half of the variance of
    all: those of the model that made most of them. ``centroid`` is its cosine with the mean.
    """
    count = int(np.searchsorted(np.cumsum(found.shares), HALF)) + 1
    centred = unit - found.mean
    along = centred @ found.directions[:count].T
    whole = np.maximum(np.einsum("nd,nd->n", centred, centred), np.finfo(np.float32).tiny)
    length = max(float(np.linalg.norm(found.mean)), float(np.finfo(np.float32).tiny))
    return {
        "leading": np.asarray(np.einsum("nd,nd->n", along, along) / whole),
        "centroid": np.asarray(unit @ (found.mean / np.float32(length))),
    }


def check_mixed(unit: Floats, found: Spectrum | None, ids: Sequence[str]) -> Check:
    """Return whether some of the vectors look as if another model had made them."""
    name = "mixed spaces"
    if found is None or len(unit) < LEAST_ROWS:
        return skipped(name, "identity", f"{len(unit)} vectors are too few; {LEAST_ROWS} would do.")
    splits = {kind: split(values) for kind, values in signatures(unit, found).items()}
    kind, best = max(splits.items(), key=lambda one: one[1].distance)
    places = np.flatnonzero(best.smaller)[:5]
    return judged(
        name,
        "identity",
        best.distance,
        MIXED,
        unit="standard deviations",
        told=f"The vectors fall into two groups {best.distance:.1f} standard deviations apart by their {kind} part, "
        f"{best.share:.1%} in the smaller."
        if MIXED.state(best.distance) != "ok"
        else f"The vectors are one group: the best cut is {best.distance:.1f} standard deviations wide.",
        advice="Some vectors seem to be of another model, or of quite other texts. Encode the listed records again and compare.",
        details={"share": best.share, "ids": [ids[place] for place in places] if len(ids) == len(unit) else []},
    )
