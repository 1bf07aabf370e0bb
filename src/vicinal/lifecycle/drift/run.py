"""One comparison from its two sides to its report: the encoder first, then documents with documents, queries with queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vicinal.lifecycle import history
from vicinal.lifecycle.canary import CanaryCheck
from vicinal.lifecycle.drift import panel
from vicinal.lifecycle.drift.panel import Panel
from vicinal.lifecycle.drift.report import (
    MIXTURE,
    Drift,
    NovelText,
    Role,
    Shift,
    Topic,
    advice_of,
    findings_of,
    verdict_of,
)
from vicinal.lifecycle.drift.sides import Side, Wanted, drawn
from vicinal.lifecycle.drift.words import terms
from vicinal.space import Encoder
from vicinal.store import Store
from vicinal.types import Progress

HISTORY = "drift"
"""The word of the setting in which comparisons are kept."""
NOVEL_TEXTS = 20
SHOWN_CHARS = 300
"""Of a novel text, what the report holds."""
TOPIC_IDS = 5
MOST_NAME_CHARS = 200
NEW, KNOWN = "new", "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two sides of one role to be compared, each with what the user called it."""

    role: Role
    reference: tuple[str, Wanted]
    current: tuple[str, Wanted]


def compare(  # noqa: PLR0913 - what is compared, by whom, how strictly
    store: Store,
    name: str,
    pairs: Sequence[Pair],
    *,
    check: CanaryCheck | None,
    encoder: Callable[[], Encoder],
    level: float,
    windows: int,
    samples: int,
    seed: int,
    progress: Progress | None = None,
) -> Drift:
    """Compare sides of a collection, and keep what was found in its history.

    Parameters
    ----------
    store, name
        The collection.
    pairs : sequence of Pair
        One for each role at most.
    check : CanaryCheck or None
        What the canary shows now. Where the encoder moved nothing is compared. None: it could not be asked.
    encoder : callable
        Gives the collection's encoder, proven; called where texts are not stored.
    level : float, 0 < level < 1
        Of all tests together.
    windows : int, 1 <= windows
        Comparisons in a row that must find drift before an alarm is raised.
    samples : int
        Texts of a side at most.
    seed : int
    progress : callable, optional
        Called with (texts encoded, texts) of each side that is encoded.

    Raises
    ------
    RangeError
        A side has too few texts.
    """
    begun = time.perf_counter()
    if check is not None and not check.same:
        return _encoder_moved(store, name, check, level, windows)
    found = []
    for pair in pairs:
        reference, current, shared = drawn(
            store,
            name,
            reference=pair.reference,
            current=pair.current,
            role=pair.role,
            encoder=encoder,
            samples=samples,
            seed=seed,
            progress=progress,
        )
        tests = panel.compare(reference.vectors, current.vectors, seed=seed, level=level / len(pairs))
        found.append((pair.role, reference, current, shared, tests))
    corrected = iter(panel.corrected([p for *_, tests in found for p in tests.p_values.values()]))
    shifts = [_shift(*one, {test: next(corrected) for test in one[-1].p_values}, level) for one in found]
    entries, kept = _kept(store, name, shifts, [(one[1], one[2]) for one in found], check, level)
    return Drift(
        collection=name,
        verdict=verdict_of(shifts, level),
        alarm=any(_in_a_row(entries, shift, level, windows) for shift in shifts),
        level=level,
        windows=windows,
        encoder=check,
        shifts=tuple(shifts),
        findings=(*_encoder_told(check), *(told for shift in shifts for told in findings_of(shift, level))),
        advice=tuple(advice_of(shifts, level)),
        history=tuple(entries),
        kept=kept,
        took_s=time.perf_counter() - begun,
    )


def _encoder_moved(store: Store, name: str, check: CanaryCheck, level: float, windows: int) -> Drift:
    """Return the report of an encoder that moved: nothing else is claimed."""
    return Drift(
        collection=name,
        verdict="encoder drift",
        alarm=True,
        level=level,
        windows=windows,
        encoder=check,
        shifts=(),
        findings=(f"Encoder drift: {check.told}",),
        advice=("Settle the encoder first: until then no text can be compared with what is stored.",),
        history=tuple(entries_of(store, name)),
    )


def _encoder_told(check: CanaryCheck | None) -> list[str]:
    if check is None:
        return ["The encoder was not checked: its model is not at hand. Only stored vectors were compared."]
    if not check.probes:
        return ["The encoder was not checked: its space has no probe texts. Only what the vectors tell was compared."]
    return [
        f"No encoder drift: {check.probes} probe texts lie where they lay, the worst at a cosine of {check.worst:.6f}."
    ]


def _shift(
    role: Role, reference: Side, current: Side, shared: int, tests: Panel, corrected: Mapping[str, float], level: float
) -> Shift:
    """Return what was found between two sides."""
    return Shift(
        role=role,
        reference=reference.name,
        current=current.name,
        reference_texts=len(reference.texts),
        current_texts=len(current.texts),
        reference_available=reference.available,
        current_available=current.available,
        shared=shared,
        p=min(corrected.values()),
        tests=corrected,
        new_share=tests.novelty.new_share,
        ks=tests.novelty.ks,
        auc=tests.classifier.auc,
        auc_low=tests.classifier.low,
        auc_high=tests.classifier.high,
        centroid_distance=tests.centroid.distance,
        centroid_expected=tests.centroid.expected,
        psi=tests.cells.psi,
        psi_expected=tests.cells.expected_psi,
        detectable_share=None if tests.power is None else tests.power.detectable,
        power=tests.power,
        topics=_topics(reference, current, tests, shifted=min(corrected[one] for one in MIXTURE) < level),
        new_terms=_new_terms(reference, current, tests),
        novel=_novel(current, tests),
    )


def _topics(reference: Side, current: Side, tests: Panel, *, shifted: bool) -> tuple[Topic, ...]:
    """Return the cells that changed where the mixture shifted, named by their words; the likeliest where none is sure."""
    changed = (tests.cells.changed or tests.cells.likeliest) if shifted else ()
    if not changed:
        return ()
    words = terms([*reference.texts, *current.texts], tests.cells.cell_of.tolist())
    of_current = tests.cells.cell_of[len(reference.texts) :]
    return tuple(
        Topic(
            terms=tuple(words.get(cell.number, ())),
            reference_share=cell.reference_share,
            current_share=cell.current_share,
            psi=cell.psi,
            p=cell.p,
            ids=tuple(current.ids[at] for at in np.flatnonzero(of_current == cell.number)[:TOPIC_IDS]),
        )
        for cell in changed
    )


def _new_terms(reference: Side, current: Side, tests: Panel) -> tuple[str, ...]:
    """Return the words of the current texts that are least like the reference, as many as are held to be new."""
    count = max(round(tests.novelty.new_share * len(current.texts)), min(NOVEL_TEXTS, len(current.texts)))
    is_new = np.zeros(len(current.texts), dtype=np.bool_)
    is_new[np.argsort(tests.familiarity, kind="stable")[:count]] = True
    classes = [KNOWN] * len(reference.texts) + [NEW if one else KNOWN for one in is_new.tolist()]
    return tuple(terms([*reference.texts, *current.texts], classes).get(NEW, ()))


def _novel(current: Side, tests: Panel) -> tuple[NovelText, ...]:
    """Return the current texts that are least like the reference."""
    order = np.argsort(tests.familiarity, kind="stable")[:NOVEL_TEXTS].tolist()
    return tuple(
        NovelText(id=current.ids[at], similarity=float(tests.familiarity[at]), text=current.texts[at][:SHOWN_CHARS])
        for at in order
    )


def _kept(
    store: Store,
    name: str,
    shifts: Sequence[Shift],
    sides: Sequence[tuple[Side, Side]],
    check: CanaryCheck | None,
    level: float,
) -> tuple[list[history.Entry], bool]:
    """Keep what was found; return the history with it, and whether it was kept."""
    entries, kept = entries_of(store, name), True
    for shift, (reference, current) in zip(shifts, sides, strict=True):
        entry = _entry(shift, check, level, f"{reference.digest}-{current.digest}")
        with store.snapshot() as snapshot:
            lane = snapshot.lane(name)
        word = {"role": shift.role, "digest": entry["digest"]}
        kept = history.keep(store, lane.collection, HISTORY, entry, in_place_of=word) and kept
        entries = [*history.without(entries, word), entry]
    return entries, kept


def _entry(shift: Shift, check: CanaryCheck | None, level: float, digest: str) -> history.Entry:
    """Return what the history keeps of a comparison: no text of a document."""
    return {
        "compared_at": history.now(),
        "role": shift.role,
        "reference": shift.reference[:MOST_NAME_CHARS],
        "current": shift.current[:MOST_NAME_CHARS],
        "reference_texts": shift.reference_texts,
        "current_texts": shift.current_texts,
        "level": level,
        "p": shift.p,
        "tests": dict(shift.tests),
        "new_share": round(shift.new_share, 6),
        "auc": round(shift.auc, 6),
        "centroid_distance": round(shift.centroid_distance, 6),
        "centroid_expected": round(shift.centroid_expected, 6),
        "psi": round(shift.psi, 6),
        "worst": None if check is None else round(check.worst, 7),
        "digest": digest,
    }


def _in_a_row(entries: Sequence[history.Entry], shift: Shift, level: float, windows: int) -> bool:
    """Return whether this comparison and those of its role before it all found drift, as many as are asked for."""
    last = [one for one in entries if one.get("role") == shift.role][-windows:]
    return shift.p < level and len(last) == windows and all(float(one.get("p", 1.0)) < level for one in last)


def entries_of(store: Store, name: str) -> list[history.Entry]:
    """Return the history of a collection's comparisons, the oldest first."""
    with store.snapshot() as snapshot:
        return history.entries(snapshot, snapshot.lane(name).collection, HISTORY, store=store)
