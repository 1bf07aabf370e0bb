"""The examination: every family of checks in turn, over one sample, as of one commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vicinal.errors import CorruptStoreError, StoreError, VicinalError
from vicinal.lifecycle.chunks import has_context
from vicinal.lifecycle.doctor import (
    agreement,
    codecs,
    duplicates,
    geometry,
    hubness,
    hygiene,
    identity,
    index,
    languages,
    storage,
)
from vicinal.lifecycle.doctor.agreement import Agreement
from vicinal.lifecycle.doctor.check import Check, Pictures, in_order, skipped
from vicinal.lifecycle.doctor.geometry import Spectrum
from vicinal.lifecycle.doctor.health import Health
from vicinal.lifecycle.doctor.index import Served
from vicinal.lifecycle.doctor.sample import SAMPLE_ROWS, Sample, Texts, drawn, raw_texts, texts_of
from vicinal.space import Encoder, Vectors
from vicinal.store import Lane, LaneView, Snapshot, Store
from vicinal.types import Floats, Progress, Rows

PAIRS = 2000
"""Pairs of neighbouring chunks that alignment is measured with, at most."""
SPECTRUM = 100
SOUGHT_RECALL = 0.99
"""Of the search for what lies in the place of a vector; what lies there itself is found more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the doctor.

    ``encoder`` gives the collection's encoder, not one behind a cache, or raises what stands in the way;
    ``asked`` is the recall that searches shall have, ``samples`` how many questions measure it, ``rows`` how many rows
    are looked at.
    """

    encoder: Callable[[], Encoder]
    asked: float
    samples: int
    seed: int = 0
    rows: int = SAMPLE_ROWS


@dataclass
class Case:
    """One collection as of one commit, and what several checks need of it, made when it is first asked for."""

    store: Store
    snapshot: Snapshot
    lane: Lane
    question: Question

    @cached_property
    def view(self) -> LaneView:
        """The rows, mapped."""
        return self.store.view(self.snapshot, self.lane)

    @cached_property
    def sample(self) -> Sample:
        """The rows that are looked at."""
        return drawn(self.snapshot, self.lane, self.view, count=self.question.rows, seed=self.question.seed)

    @cached_property
    def texts(self) -> Texts:
        """What is known of their texts; nothing of damaged ones."""
        try:
            return texts_of(self.snapshot, self.lane, self.sample.rows)
        except StoreError:
            return Texts.unknown(len(self.sample))

    @cached_property
    def served(self) -> Served:
        """The indexes."""
        return index.served(self.store, self.snapshot, self.lane, self.view)

    @cached_property
    def encoder(self) -> Encoder | VicinalError:
        """The encoder, or what stands in the way."""
        try:
            return self.question.encoder()
        except VicinalError as error:
            return error

    @cached_property
    def spectrum(self) -> Spectrum | None:
        """The principal directions, None of too few vectors."""
        unit = self.sample.unit
        return geometry.spectrum(unit, seed=self.question.seed) if len(unit) >= geometry.LEAST_ROWS else None

    @cached_property
    def cosines(self) -> Floats:
        """The cosines of random pairs."""
        return geometry.pair_cosines(self.sample.unit, seed=self.question.seed)

    @cached_property
    def hubs(self) -> tuple[Rows, Rows]:
        """The places of those whose neighbours were compared, and how often each was one."""
        unit = self.sample.unit
        chosen = np.sort(np.random.default_rng(self.question.seed).permutation(len(unit))[: hubness.HUB_ROWS])
        if len(chosen) < hubness.LEAST_ROWS:
            return chosen, np.zeros(len(chosen), dtype=np.int64)
        neighbors = hubness.neighbors_of(np.ascontiguousarray(unit[chosen]))
        return chosen, hubness.hub_counts(neighbors, len(chosen))

    @cached_property
    def agreement(self) -> tuple[Rows, Agreement]:
        """The places of those whose words were compared among all with a direction, and how vectors and texts agree."""
        chance = np.random.default_rng(self.question.seed)
        chosen = np.sort(chance.permutation(len(self.sample.unit))[: agreement.ROWS])
        if len(chosen) < agreement.LEAST:
            return chosen, Agreement.of_none()
        texts = raw_texts(self.snapshot, self.lane, self.sample.rows[self.sample.unit_places[chosen]])
        return chosen, agreement.agreement(texts, self.sample.unit[chosen], seed=self.question.seed)

    def ids_of_unit(self, chosen: Rows | None = None) -> list[str]:
        """Return the ids of the vectors that have a direction, or of some of them."""
        places = self.sample.unit_places if chosen is None else self.sample.unit_places[chosen]
        return [self.texts.ids[place] for place in places]


def examine(store: Store, name: str, question: Question, *, progress: Progress | None = None) -> Health:
    """Return the health of a collection.

    Parameters
    ----------
    store, name
        The collection.
    question : Question
        What is asked.
    progress : callable, optional
        Called with (checks done, checks to do).

    Warns
    -----
    RecallWarning
        Less is found than was asked for, beyond what the sampling explains.

    Notes
    -----
    Cost: 20,000 vectors of 384 components take some 6 s of one core, and the model's loading; beyond that many, only
    the checksums take longer, and the exact searches that recall is measured with. Memory: the sample, four times.
    A family that finds the store damaged is skipped, and the others go on: the ledger's own check tells what is.
    """
    begun = time.perf_counter()
    checks: list[Check] = []
    with store.snapshot() as snapshot:
        try:
            case = Case(store, snapshot, snapshot.lane(name), question)
        except CorruptStoreError as error:
            return Health.of_damage(name, error)
        for done, (family, what, look) in enumerate(LOOKS):
            if progress is not None:
                progress(done, len(LOOKS))
            checks += _looked(case, family, what, look)
        sampled, pictures = _drawn(case)
    if progress is not None:
        progress(len(LOOKS), len(LOOKS))
    return Health(
        collection=name,
        records=case.lane.records,
        chunks=case.lane.rows,
        sampled=sampled,
        seed=question.seed,
        took_s=time.perf_counter() - begun,
        checks=in_order(checks),
        pictures=pictures,
    )


def _looked(case: Case, family: str, what: str, look: Callable[[Case], list[Check]]) -> list[Check]:
    """Return the checks of a family; one that cannot be made, because something is damaged, says so."""
    try:
        return look(case)
    except StoreError:
        return [skipped(what, family, "It could not be read: the database is damaged.")]


def _drawn(case: Case) -> tuple[int, Pictures]:
    """Return how many rows were looked at, and what is drawn of them."""
    try:
        sample, (_, counts) = case.sample, case.hubs
    except StoreError:
        return 0, Pictures()
    if case.spectrum is None:
        return len(sample), Pictures()
    return len(sample), Pictures(
        cosines=geometry.histogram(case.cosines),
        hubs=hubness.histogram(counts) if counts.any() else (),
        spectrum=tuple(float(one) for one in case.spectrum.shares[:SPECTRUM]),
    )


def _of_ledger(case: Case) -> list[Check]:
    return [storage.check_files(case.store)]


def _of_identity(case: Case) -> list[Check]:
    found = case.encoder
    encoder, error = (None, found) if isinstance(found, VicinalError) else (found, None)
    probes = case.snapshot.canary(case.lane.space)
    return [identity.check_encoder(error, case.lane.model), identity.check_canary(probes, encoder, error)]


def _of_again(case: Case) -> list[Check]:
    encoder = case.encoder
    if isinstance(encoder, VicinalError) or not identity.is_local(encoder):
        return [skipped("encoded again", "identity", "The model is not at hand, or each text would have to be paid.")]
    if has_context(case.lane.chunker):
        return [
            skipped("encoded again", "identity", "The texts were encoded with their headings, which are not stored.")
        ]
    sample = case.sample
    chosen = np.sort(np.random.default_rng(case.question.seed).permutation(len(sample))[: identity.AGAIN])
    texts = raw_texts(case.snapshot, case.lane, sample.rows[chosen])
    return [identity.check_again(texts, sample.vectors[chosen], encoder)]


def _of_mixed(case: Case) -> list[Check]:
    return [identity.check_mixed(case.sample.unit, case.spectrum, case.ids_of_unit())]


def _of_agreement(case: Case) -> list[Check]:
    chosen, found = case.agreement
    return [agreement.check_agreement(found, case.ids_of_unit(chosen))]


def _of_vectors(case: Case) -> list[Check]:
    return hygiene.check_vectors(case.sample, case.lane.space, case.texts)


def _of_index(case: Case) -> list[Check]:
    found, lane = case.served, case.lane
    recall = index.check_recall(found, case.view, asked=case.question.asked, samples=case.question.samples)
    words = index.check_words(found, lane, case.view)
    return [*index.check_files(found), recall, *index.check_index(found, case.snapshot, lane), words]


def _of_texts(case: Case) -> list[Check]:
    return hygiene.check_texts(case.texts, case.lane)


def _of_duplicates(case: Case) -> list[Check]:
    sample, texts = case.sample, case.texts
    if not sample.is_whole:
        return _of_sought(case)
    digests = [texts.digests[place] for place in sample.unit_places]
    near = duplicates.check_near(sample.unit, digests, case.ids_of_unit(), seed=case.question.seed)
    return [*duplicates.check_duplicates(texts.digests, texts.ids), *near]


def _of_sought(case: Case) -> list[Check]:
    sample, lane, view = case.sample, case.lane, case.view
    mixed = np.random.default_rng(case.question.seed).permutation(sample.unit_places)
    chosen = np.sort(mixed[: duplicates.SOUGHT])
    asked = Vectors(sample.vectors[chosen], lane.space)
    nearest = case.served.index.search(asked, k=duplicates.PLACES, mask=view.alive, recall=SOUGHT_RECALL).rows

    def read(rows: Rows) -> tuple[Floats, Sequence[bytes], Sequence[str]]:
        texts = texts_of(case.snapshot, lane, rows)
        return case.snapshot.vectors_at(lane, rows), texts.digests, texts.ids

    return duplicates.check_sought(duplicates.sought(sample.rows[chosen], sample.vectors[chosen], nearest, read))


def _of_languages(case: Case) -> list[Check]:
    texts = case.texts
    groups = languages.groups_of(texts.languages, texts.scripts)
    return languages.check_languages(case.sample.unit, [groups[place] for place in case.sample.unit_places])


def _of_hubness(case: Case) -> list[Check]:
    chosen, counts = case.hubs
    found, unit = hubness.check_hubness(counts, case.ids_of_unit(chosen)), case.sample.unit
    if len(counts) < hubness.LEAST_ROWS:
        return found
    if len(unit) == len(counts):
        return [*found, hubness.check_largest(counts, len(counts), case.ids_of_unit())]
    wide, asked = hubness.asked_counts(unit, seed=case.question.seed)
    return [*found, hubness.check_largest(wide, asked, case.ids_of_unit())]


def _of_geometry(case: Case) -> list[Check]:
    found = geometry.check_geometry(case.sample.unit, case.spectrum, case.cosines)
    return [*found, *geometry.check_alignment(*_pairs(case), case.cosines)]


def _pairs(case: Case) -> tuple[Floats, Floats, str]:
    """Return pairs that belong together, at unit length: neighbouring chunks, else texts of the same words."""
    sample, following = case.sample, case.texts.next_rows
    places = np.flatnonzero(following >= 0)[:PAIRS] if len(sample) else np.empty(0, dtype=np.int64)
    if len(places) >= geometry.LEAST_ROWS:
        right = case.snapshot.vectors_at(case.lane, following[places])
        return geometry.at_unit_length(sample.vectors[places], right, "neighbouring chunks")
    chosen, found = case.agreement
    unit = sample.unit[chosen]
    return unit[found.places], unit[found.neighbors[:, 0]], "texts of the same words"


def _of_codecs(case: Case) -> list[Check]:
    return codecs.check_codecs(case.sample.unit, case.lane.space, seed=case.question.seed)


def _of_disk(case: Case) -> list[Check]:
    return [*storage.check_disk(case.store, case.snapshot, case.lane), storage.check_memory(case.served)]


LOOKS: tuple[tuple[str, str, Callable[[Case], list[Check]]], ...] = (
    ("ledger", "files and ledger", _of_ledger),
    ("identity", "space and pin", _of_identity),
    ("identity", "encoded again", _of_again),
    ("identity", "mixed spaces", _of_mixed),
    ("identity", "texts and vectors", _of_agreement),
    ("vectors", "zero vectors", _of_vectors),
    ("index", "recall", _of_index),
    ("texts", "cut texts", _of_texts),
    ("duplicates", "equal texts", _of_duplicates),
    ("languages", "languages", _of_languages),
    ("hubness", "hubness", _of_hubness),
    ("geometry", "anisotropy", _of_geometry),
    ("codecs", "codes", _of_codecs),
    ("disk", "disk", _of_disk),
)
"""Families, the name of their first check, and what makes them."""
