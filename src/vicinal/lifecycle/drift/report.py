"""What a comparison found, as plain data and as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from vicinal.lifecycle.canary import CanaryCheck
from vicinal.lifecycle.drift import plot
from vicinal.lifecycle.drift.plot import NAMES
from vicinal.lifecycle.drift.power import WANTED, Power
from vicinal.lifecycle.drift.stability import UNSTABLE
from vicinal.lifecycle.history import Entry

Role = Literal["document", "query"]
Verdict = Literal["encoder drift", "corpus drift", "query drift", "corpus and query drift", "no drift"]
NAMED_TOPICS = 5
MIXTURE = ("classifier", "centroid", "cells")
"""The tests that see another mixture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NovelText:
    """A current text that is unlike the reference. ``similarity`` is its mean cosine to the nearest five of it."""

    id: str
    similarity: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A cell of like texts whose share has changed beyond chance, and the words that tell it from the others.

    ``psi`` is its part of the population stability index, ``p`` corrected for the number of cells; ``ids`` name some of
    its current texts.
    """

    terms: tuple[str, ...]
    reference_share: float
    current_share: float
    psi: float
    p: float
    ids: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its words in one line."""
        return ", ".join(self.terms) if self.terms else "no words of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """What was found between two sides of one role.

    Parameters
    ----------
    role : {"document", "query"}
    reference, current : str
        What the user called the sides.
    reference_texts, current_texts : int
        How many were compared.
    reference_available, current_available : int
        How many there are.
    shared : int
        Records that were on both sides; they count as current only.
    p : float
        The least p-value of its tests, corrected for all tests of this run.
    tests : mapping of str to float
        Each test's p-value, corrected: ``novelty`` (new content), ``classifier``, ``centroid``, ``cells`` (mixture).
    new_share, ks : float
        At least about so many current texts are new, and how far apart both distributions of novelty are.
    auc, auc_low, auc_high : float
        Of the classifier: 0.5 where nothing tells them apart.
    centroid_distance, centroid_expected : float
        Between the means, and what chance gives.
    psi, psi_expected : float
        Population stability index over the cells, and what chance gives.
    detectable_share : float or None
        The smallest share of new content that a window of this size shows 8 times in 10; None where no share up to half.
    power : Power or None
    topics : tuple of Topic
        Where the mixture has shifted, the cells that changed beyond chance, the largest change first.
    new_terms : tuple of str
        Words of what is new.
    novel : tuple of NovelText
        The current texts that are least like the reference, the least like it first.
    """

    role: Role
    reference: str
    current: str
    reference_texts: int
    current_texts: int
    reference_available: int
    current_available: int
    shared: int
    p: float
    tests: Mapping[str, float]
    new_share: float
    ks: float
    auc: float
    auc_low: float
    auc_high: float
    centroid_distance: float
    centroid_expected: float
    psi: float
    psi_expected: float
    detectable_share: float | None
    power: Power | None
    topics: tuple[Topic, ...]
    new_terms: tuple[str, ...]
    novel: tuple[NovelText, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What has changed, and what to do.

    Parameters
    ----------
    collection : str
    verdict : str
        ``encoder drift``, ``corpus drift``, ``query drift``, ``corpus and query drift`` or ``no drift``.
    alarm : bool
        Whether someone should look: the encoder moved, or drift was found in ``windows`` comparisons in a row.
    level : float
        How often a run without any drift says that there is some, all its tests together.
    windows : int
    encoder : CanaryCheck or None
        None: the model is not at hand, so only stored vectors were compared.
    shifts : tuple of Shift
        Documents, queries, or both; none where the encoder moved, since then nothing else can be said.
    findings, advice : tuple of str
        The same in sentences.
    history : tuple of mapping
        Former comparisons of this collection and this one, the oldest first.
    kept : bool
        Whether this one joined them; a database that is open for reading keeps nothing.
    took_s : float
    """

    collection: str
    verdict: Verdict
    alarm: bool
    level: float
    windows: int
    encoder: CanaryCheck | None
    shifts: tuple[Shift, ...]
    findings: tuple[str, ...]
    advice: tuple[str, ...]
    history: tuple[Entry, ...] = field(default_factory=tuple)
    kept: bool = False
    took_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain data, as ``--json`` prints it."""
        return asdict(self)

    def page(self) -> str:
        """Return all of it as one page of HTML, with the trend; it asks for nothing."""
        return plot.page(self.as_dict())

    def trend(self, role: Role) -> str:
        """Return the comparisons of a role so far as a picture in SVG."""
        return plot.trend(self.history, role=role, level=self.level)

    def sparkline(self, role: Role) -> str:
        """Return the same in one line: how strongly each comparison spoke for drift."""
        return plot.sparkline([plot.strength(one) for one in self.history if one.get("role") == role])


def verdict_of(shifts: Sequence[Shift], level: float) -> Verdict:
    """Return what a run says at its level."""
    found = {shift.role for shift in shifts if shift.p < level}
    if found == {"document", "query"}:
        return "corpus and query drift"
    if not found:
        return "no drift"
    return "corpus drift" if "document" in found else "query drift"


def findings_of(shift: Shift, level: float) -> list[str]:
    """Return what was found between two sides, in sentences."""
    name = NAMES[shift.role].capitalize()
    told = f"{shift.current_texts} {_plural(shift.role)} of {shift.current} against {shift.reference_texts} of {shift.reference}"
    if shift.shared:
        told += f" ({shift.shared} records were on both sides and count as current)"
    if shift.p >= level:
        return [
            f"No {NAMES[shift.role]}: {told}; nothing that chance does not give (p {shift.p:.2g}).",
            _detectable(shift),
        ]
    found = [f"{name}: {told} (p {shift.p:.1g})."]
    if shift.tests["novelty"] < level:
        words = f" Their words: {', '.join(shift.new_terms)}." if shift.new_terms else ""
        found.append(
            f"New content: about {_percent(shift.new_share)} of the current texts or more are unlike all before.{words}"
        )
    if min(shift.tests[one] for one in MIXTURE) < level:
        found.append(
            f"The mixture has shifted: a classifier tells both sides apart with an AUC of {shift.auc:.2f}, the means lie "
            f"{shift.centroid_distance:.3f} apart where chance gives {shift.centroid_expected:.3f}, PSI is {shift.psi:.2f} "
            f"where chance gives {shift.psi_expected:.2f} ({UNSTABLE:g} is called unstable)."
        )
    found += [
        f"{'Grew' if one.current_share > one.reference_share else 'Shrank'}{'' if one.p < level else ', most likely'}: {one.name}: "
        f"{_percent(one.reference_share)} → {_percent(one.current_share)}."
        for one in shift.topics[:NAMED_TOPICS]
    ]
    return [*found, _detectable(shift)]


def _detectable(shift: Shift) -> str:
    """Return which share of new content would have been found."""
    if shift.power is None:
        return "Which share of new content a window of this size shows was not measured: the reference is too small."
    if shift.detectable_share is None:
        return (
            f"With {shift.current_texts} texts against {shift.reference_texts}, new content that is no farther from all else "
            "than the reference's own topics are from one another is missed more often than 2 times in 10, also where it is "
            "half of all; take more texts."
        )
    return (
        f"With {shift.current_texts} texts against {shift.reference_texts}, new content is found {WANTED * 10:.0f} times in "
        f"10 from a share of {_percent(shift.detectable_share)} on, if it is as far from all else as the reference's own "
        "topics are from one another."
    )


def advice_of(shifts: Sequence[Shift], level: float) -> list[str]:
    """Return what to do, the most useful first."""
    found = []
    for shift in shifts:
        is_new = shift.tests["novelty"] < level
        if shift.p >= level:
            continue
        if shift.role == "query":
            if is_new:
                found.append(
                    "Questions are asked that none before resembles: search for the most novel ones, and add documents "
                    "where nothing answers them."
                )
            found.append(
                "Judge some of the current questions (vicinal judge) and measure on them (vicinal evaluate): older judgements tell of other questions."
            )
        else:
            if is_new:
                found.append(
                    "Read the most novel documents: if they do not belong here, delete them; if they do, judge questions about them (vicinal judge) and measure the model on them (vicinal evaluate, vicinal compare)."
                )
            found.append(
                "Run vicinal doctor: an index that was calibrated on the former mixture may find less than it did."
            )
    if not found:
        weak = [one for one in shifts if one.detectable_share is None or one.detectable_share > 0.1]  # noqa: PLR2004 - a tenth
        if weak:
            found.append("Compare more texts of each side: what is rarer than the share above goes unseen.")
    return list(dict.fromkeys(found))


def _plural(role: str) -> str:
    return "documents" if role == "document" else "queries"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or not share else f"{100 * share:.1f} %"  # noqa: PLR2004 - two digits
