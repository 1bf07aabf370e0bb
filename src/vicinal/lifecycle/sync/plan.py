"""What a sync would do: the same comparison with the ledger, and nothing written."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal.chunk import Chunker
from vicinal.errors import VicinalError, VicinalWarning
from vicinal.lifecycle.ingest import WHOLE, digest_of_text
from vicinal.lifecycle.sync.encoding import Pending, cut_apart
from vicinal.lifecycle.sync.gone import gone_from, torn
from vicinal.lifecycle.sync.reuse import HeldTexts
from vicinal.lifecycle.sync.run import LOOKED_UP_AT_ONCE, PENDING_CHARS, current_fields
from vicinal.lifecycle.sync.sources import STREAM, Found, Sources, fixed_origin
from vicinal.lifecycle.sync.stale import Made, differs
from vicinal.space import Encoder
from vicinal.store import Store
from vicinal.types import Skipped, SyncProgress, Unmodified

SAMPLED = 48
"""Chunks that are encoded to measure how fast the model is now."""
SAMPLED_S = 5.0
"""The measurement ends after so long."""
SAMPLED_AT_ONCE = 8
BYTES_OF_NUMBER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a sync would do now.

    ``chunks`` would be encoded, of ``tokens`` in all; ``reused_chunks`` have the vectors of an equal text.
    ``estimated_s`` is the time of encoding, measured with the model as it is now; None for a provider, which is not asked.
    ``cost`` is in the unit of the price, None where no price is known. ``disk_bytes`` are those of vectors and texts.
    """

    new: int = 0
    changed: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    reused_chunks: int = 0
    tokens: int = 0
    estimated_s: float | None = 0.0
    cost: float | None = None
    disk_bytes: int = 0
    skipped: tuple[Skipped, ...] = ()
    took_s: float = 0.0

    @property
    def failed(self) -> tuple[Skipped, ...]:
        """What could not be read though it should have been."""
        return tuple(one for one in self.skipped if one.failed)

    @property
    def complete(self) -> bool:
        """Whether all sources could be read."""
        return not self.failed


@dataclass(slots=True)
class _Planning:
    store: Store
    collection: str
    sources: Sources
    encoder: Encoder
    chunker: Chunker | None
    tell: Callable[[SyncProgress], None]
    plan: SyncPlan = field(default_factory=SyncPlan)
    seen: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)
    sample: list[str] = field(default_factory=list)
    taken_from: list[str] = field(default_factory=list)
    held: HeldTexts | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - a sample, no secret

    @property
    def made(self) -> Made:
        return Made(chunker=self.chunker.id if self.chunker is not None else WHOLE, space=self.encoder.space.id)

    def count(self, **more: int) -> None:
        self.plan = replace(self.plan, **{name: getattr(self.plan, name) + n for name, n in more.items()})


def plan(
    store: Store,
    collection: str,
    sources: Sources,
    *,
    encoder: Encoder,
    chunker: Chunker | None,
    measured: Encoder | None,
    price_per_million: float | None = None,
    progress: Callable[[SyncProgress], None] | None = None,
) -> SyncPlan:
    """Return what a sync of the sources would do. Nothing is written.

    Parameters
    ----------
    store, collection, sources, encoder, chunker
        As in ``sync``.
    measured : Encoder, optional
        The encoder that is timed with a sample of what would be encoded; not one behind a cache. None: not measured.
    price_per_million : float, optional
        What a million tokens cost.
    progress : callable, optional
        Called with a SyncProgress: ``known_chunks`` would be encoded so far.

    Raises
    ------
    NotFoundError
        A source does not exist.

    Notes
    -----
    Cost: all sources are read, what is stale is cut up, and ``SAMPLED`` chunks are encoded.
    """
    begun = time.perf_counter()
    run = _Planning(store, collection, sources, encoder, chunker, progress or (lambda _: None))
    with store.snapshot() as snapshot:
        as_of = snapshot.sequence
    for origin, stream in sources.streams(lambda one: current_fields(store, collection, one, run.made)):
        _plan_stream(run, stream, origin)
    gone: set[str] = set()
    for origin in sources.origins():
        if origin != STREAM:
            for place, one in torn(store, collection, origin, skipped=run.skipped, seen=run.seen).items():
                run.skipped[place] = one
            gone.update(gone_from(store, collection, sources, origin, seen=run.seen, skipped=run.skipped, as_of=as_of))
    moved = min(len(gone.intersection(run.taken_from)), run.plan.new)
    run.count(moved=moved, new=-moved, removed=len(gone) - moved)
    found = run.plan
    return replace(
        found,
        estimated_s=_estimated_s(run.sample, found.tokens, measured),
        cost=None if price_per_million is None else found.tokens * price_per_million / 1_000_000,
        disk_bytes=found.disk_bytes + (found.chunks + found.reused_chunks) * encoder.space.dim * BYTES_OF_NUMBER,
        skipped=tuple(run.skipped),
        took_s=time.perf_counter() - begun,
    )


def _plan_stream(run: _Planning, stream: Found, source: str) -> None:
    fixed = fixed_origin(source)
    group: list[Pending] = []
    stale: list[Pending] = []
    waiting_chars = 0
    for one in stream:
        if isinstance(one, Skipped):
            run.skipped.append(one)
            continue
        if one.id in run.seen:
            if twice := run.sources.hole_of_twice(one.id, source):
                run.skipped.append(twice)
            continue
        run.seen.add(one.id)
        if isinstance(one, Unmodified):
            run.count(unchanged=1)
            continue
        group.append(Pending(document=one, origin=one.source if fixed is None else fixed))
        waiting_chars += len(one.text)
        if len(group) >= LOOKED_UP_AT_ONCE or waiting_chars >= PENDING_CHARS:
            stale += _compared(run, group)
            group, waiting_chars = [], 0
            _cut(run, stale)
            stale = []
    _cut(run, [*stale, *_compared(run, group)])


def _compared(run: _Planning, documents: Sequence[Pending]) -> list[Pending]:
    """Return the documents that would be encoded, and count the others."""
    if not documents:
        return []
    with run.store.snapshot() as snapshot:
        lane = snapshot.lane(run.collection)
        entries = snapshot.ledger(lane, [one.document.id for one in documents])
        if run.held is None and lane.records:
            run.held = HeldTexts.of(snapshot, lane, run.sources.origins(), run.made)
    stale: list[Pending] = []
    for one in documents:
        what = differs(entries.get(one.document.id), one.document, one.origin, run.made)
        run.count(new=what == "new", changed=what in {"stale", "relabelled"}, unchanged=what == "same")
        if what not in {"new", "stale"}:
            continue
        run.count(disk_bytes=len(one.document.text.encode("utf-8", "surrogatepass")))
        known = None if run.held is None else run.held.get(digest_of_text(one.document))
        if known is None:
            stale.append(one)
            continue
        run.count(reused_chunks=len(known.spans))
        if what == "new":
            run.taken_from.append(known.id)
    return stale


def _cut(run: _Planning, stale: Sequence[Pending]) -> None:
    """Count the chunks and tokens of what would be encoded, and keep some chunks to measure with."""
    if stale:
        _, chunks, poison = cut_apart(stale, run.encoder, run.chunker)
        run.skipped += [
            Skipped(source=one.pending.document.id, reason=one.reason, detail=one.detail, failed=True) for one in poison
        ]
        texts = [chunk.text for part in chunks for chunk in part]
        for place, text in enumerate(texts, run.plan.chunks):
            if len(run.sample) < SAMPLED:
                run.sample.append(text)
            elif (chosen := run.chance.randrange(place + 1)) < SAMPLED:
                run.sample[chosen] = text  # each chunk so far is as likely as any other (Vitter 1985, algorithm R)
        tokens = np.minimum(run.encoder.count_tokens(texts), run.encoder.max_tokens)
        run.count(chunks=len(texts), tokens=int(tokens.sum()))
    run.tell(SyncProgress(read=len(run.seen), done_chunks=0, known_chunks=run.plan.chunks, committed=0))


def _estimated_s(sample: Sequence[str], tokens: int, measured: Encoder | None) -> float | None:
    """Return how long so many tokens take, by the time that a sample takes now; the first batch only warms up."""
    if not sample:
        return 0.0
    if measured is None:
        return None
    done, took_s = 0, 0.0
    try:
        with warnings.catch_warnings():  # the run itself will tell of cut and of unknown texts
            warnings.simplefilter("ignore", VicinalWarning)
            measured.encode_documents(list(sample[:1]))
            for start in range(0, len(sample), SAMPLED_AT_ONCE):
                texts = list(sample[start : start + SAMPLED_AT_ONCE])
                begun = time.perf_counter()
                measured.encode_documents(texts)
                took_s += time.perf_counter() - begun
                done += int(np.minimum(measured.count_tokens(texts), measured.max_tokens).sum())
                if took_s >= SAMPLED_S:
                    break
    except VicinalError:  # a document of the sample that the run would set aside
        return None if not done else tokens * took_s / done
    return tokens * took_s / max(done, 1)
