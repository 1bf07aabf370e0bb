"""The order of the comparison: the files first, since nothing else means anything where they are damaged."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace

from vicinal.errors import CorruptStoreError
from vicinal.lifecycle.forms import Makers
from vicinal.lifecycle.sync.sources import Sources, remembered
from vicinal.lifecycle.sync.stale import Made
from vicinal.lifecycle.verify.finding import Findings, Verification
from vicinal.lifecycle.verify.indexes import check_indexes
from vicinal.lifecycle.verify.records import check_records
from vicinal.lifecycle.verify.repair import mend
from vicinal.lifecycle.verify.sample import Sampled, check_sample
from vicinal.lifecycle.verify.sources import Compared, check_sources
from vicinal.store import Store
from vicinal.types import Progress, Source


def verify(
    store: Store,
    collection: str,
    sources: Sources,
    *,
    makers: Makers,
    repair: bool = False,
    sampled: Sampled | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Compare sources, ledger, records, vectors and indexes with one another.

    Parameters
    ----------
    store, collection
        What is compared.
    sources : Sources
        Beside those that the collection remembers.
    makers : callable
        Says which encoder and chunker make documents ready for a lane; asked only where something is mended.
    repair : bool
        Whether what can be mended is. Then all is compared once more, and ``left`` is what that finds.
    sampled : Sampled, optional
        Which passages are encoded again, and by what.
    progress : callable, optional
        Called with (steps done, steps to do): records, and documents beside them.
    """
    begun = time.perf_counter()
    everything = _all_sources(store, collection, sources)
    findings, compared = _compared(store, collection, everything, sampled, progress)
    mended: list[str] = []
    left = findings
    if repair and findings.counts:
        mended = mend(store, collection, everything, findings, compared.homeless, makers=makers)
        anew = None if sampled is None else replace(sampled, seed=sampled.seed + 1)  # what was mended, and others
        left, compared = _compared(store, collection, everything, anew, progress, also=findings.about("encoded"))
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
    return Verification(
        records=lane.records,
        chunks=lane.rows,
        documents=compared.documents,
        unchecked=compared.unchecked,
        sampled=compared.sampled,
        found=dict(findings.counts),
        findings=tuple(findings.kept),
        mended=tuple(mended),
        left=tuple(left.kept),
        took_s=time.perf_counter() - begun,
    )


def _all_sources(store: Store, collection: str, sources: Sources) -> Sources:
    """Return the sources of a collection and those that were named; one that is named alone is as it is remembered."""
    with store.snapshot() as snapshot:
        known = remembered(snapshot, snapshot.lane(collection))
    own = [
        (origin, one)
        for origin, one in sources.named()
        if one is not None and not (known.get(origin) and one == Source(place=one.place))
    ]
    said = {origin for origin, _ in own}
    others = [one for origin, ones in known.items() if origin not in said for one in ones]
    return replace(sources, places=(*others, *(one for _, one in own)), strict=False)


def _compared(
    store: Store,
    collection: str,
    sources: Sources,
    sampled: Sampled | None,
    progress: Progress | None,
    also: Collection[str] = (),
) -> tuple[Findings, Compared]:
    findings = Findings()
    try:
        store.check()
    except CorruptStoreError as error:
        findings.add("damaged", str(error.where), error.message)
        return findings, Compared()
    with store.snapshot() as snapshot:
        lane = snapshot.lane(collection)
        total = 2 * lane.records

        def step(done: int) -> None:
            if progress is not None:
                progress(done, max(total, done))

        check_records(snapshot, lane, findings, step)
    check_indexes(store, collection, findings)
    made = Made(chunker=lane.chunker, space=lane.space.id)
    compared = check_sources(store, collection, sources, made, findings, lambda done: step(lane.records + done))
    if sampled is not None:
        compared.sampled = check_sample(store, collection, sampled, findings, also)
    return findings, compared
