"""What no number should be and no text should lack: zero vectors, wrong lengths; texts that are cut, empty, too short."""

from __future__ import annotations

import numpy as np

from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.lifecycle.doctor.sample import Sample, Texts
from vicinal.space import Space
from vicinal.store import Lane
from vicinal.types import Floats

LENGTH_SLACK = 1e-3
"""How far a vector of unit length may be from it: float16 and a rotation in float32 stay below 5e-4."""
SHORT_CHARS = 12
"""A text of fewer code points says next to nothing: a name, a number, a greeting."""
OUTLYING = 8.0
"""Robust standard deviations of the logarithm of the length: beyond it a vector is an outlier."""
LEAST_ROWS = 30
LISTED = 5
PUBLISHED = "published start value"

ZERO = Limits(notice=0.0, alarm=0.01)
LENGTHS = Limits(alarm=0.0, source="the space says unit length")
OUTLIERS = Limits(notice=0.001, alarm=0.02)
CUT = Limits(notice=0.0, alarm=0.05, source=PUBLISHED)
EMPTY = Limits(notice=0.0, alarm=0.01)
SHORT = Limits(notice=0.1, alarm=0.5)


def check_vectors(sample: Sample, space: Space, ids: Texts) -> list[Check]:
    """Return the checks of the vectors' lengths."""
    if not len(sample):
        return [skipped("zero vectors", "vectors", "There are no chunks.")]
    zero = ~sample.has_direction
    found = [
        judged(
            "zero vectors",
            "vectors",
            float(zero.mean()),
            ZERO,
            told=f"{int(zero.sum())} of {len(sample)} vectors are all zeros: no search finds them.",
            advice="Look at their texts: the model knows none of their words, or an import wrote zeros. "
            "Delete them, or encode them with a model that knows them.",
            details={"ids": _ids(ids, zero)},
        )
    ]
    if space.normalized:
        off = sample.has_direction & (np.abs(sample.lengths - 1) > LENGTH_SLACK)
        found.append(
            judged(
                "unit length",
                "vectors",
                float(off.mean()),
                LENGTHS,
                told=f"{int(off.sum())} of {len(sample)} vectors have another length than 1, though their space says 1.",
                advice="They were written past the encoder: import them again at unit length, or encode the texts anew.",
                details={"ids": _ids(ids, off)},
            )
        )
    elif len(sample.unit) >= LEAST_ROWS:
        far = np.zeros(len(sample), dtype=np.bool_)
        far[sample.has_direction] = np.abs(robust_scores(np.log(sample.lengths[sample.has_direction]))) > OUTLYING
        found.append(
            judged(
                "length outliers",
                "vectors",
                float(far.mean()),
                OUTLIERS,
                told=f"{int(far.sum())} of {len(sample)} vectors are far longer or shorter than the others.",
                advice="Look at them: dot products follow the length, so that they come first everywhere, or nowhere.",
                details={"ids": _ids(ids, far)},
            )
        )
    return found


def robust_scores(values: Floats) -> Floats:
    """Return how many robust standard deviations each value is from the median: 1.4826 times the median deviation.

    Zeros where more than half of the values are equal but for rounding.
    """
    centred = values - np.median(values)
    spread = 1.4826 * float(np.median(np.abs(centred)))
    return np.zeros_like(centred) if spread < LENGTH_SLACK else np.asarray(centred / np.float32(spread))


def check_texts(texts: Texts, lane: Lane) -> list[Check]:
    """Return the checks of what the texts lack."""
    share = lane.cut_chunks / lane.rows if lane.rows else 0.0
    found = [
        judged(
            "cut texts",
            "texts",
            share,
            CUT,
            told=f"{lane.cut_chunks} of {lane.rows} chunks, of {lane.cut_records} records, were cut at the model's window.",
            advice="What was cut cannot be found. Index into a collection whose overflow is chunk, or take a model with a longer window.",
        )
    ]
    if not len(texts.chars) or not texts.chars.any():
        return [*found, skipped("empty texts", "texts", "No texts are stored, only vectors.")]
    empty = texts.chars == 0
    found.append(
        judged(
            "empty texts",
            "texts",
            float(empty.mean()),
            EMPTY,
            told=f"{int(empty.sum())} of {len(empty)} texts are empty or white space.",
            advice="Delete them: they all lie in one place and answer questions that they have nothing to say to.",
            details={"ids": _ids(texts, empty)},
        )
    )
    if len(texts.chars) < LEAST_ROWS:
        return [*found, skipped("short texts", "texts", f"{len(empty)} texts are too few; {LEAST_ROWS} would do.")]
    short = (texts.chars < SHORT_CHARS) & ~empty
    return [
        *found,
        judged(
            "short texts",
            "texts",
            float(short.mean()),
            SHORT,
            told=f"{int(short.sum())} of {len(short)} texts have fewer than {SHORT_CHARS} characters.",
            advice="Join them with what stands around them, or keep them as fields: alone they say too little to be found by meaning.",
            details={"ids": _ids(texts, short), "median_chars": int(np.median(texts.chars))},
        ),
    ]


def _ids(texts: Texts, chosen: np.ndarray) -> list[str]:
    """Return the ids of the first few of some rows."""
    return [texts.ids[place] for place in np.flatnonzero(chosen)[:LISTED]] if len(texts.ids) == len(chosen) else []
