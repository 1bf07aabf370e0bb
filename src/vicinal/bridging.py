"""Whether a bridge to another model would answer better than the old vectors do: rehearsed on a collection, written nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vicinal import encode
from vicinal._arrays import whole_number
from vicinal.chunk import Chunker
from vicinal.errors import InputError
from vicinal.evaluate.advantage import Advantage, advantage_of
from vicinal.evaluate.judgements import Judged
from vicinal.evaluate.metrics import scored
from vicinal.lifecycle.bridge import Rehearsal, rehearse
from vicinal.lifecycle.bridge.cascade import MOST_CANDIDATES
from vicinal.lifecycle.ingest import chunker_for
from vicinal.opened import Opened
from vicinal.space import Encoder
from vicinal.types import Progress

LEAST_QUERIES = 50


def bridged(  # noqa: PLR0913 - what the verb of the facade takes
    chosen: Opened,
    to: str | Encoder,
    judged: Judged,
    *,
    names: Mapping[str, str],
    candidates: int,
    pairs: int,
    most_encoded: int,
    metric: str,
    seed: int,
    progress: Progress | None,
) -> Advantage:
    """Return what a bridge from a collection to another model is worth; see ``Collection.bridge``.

    Parameters
    ----------
    chosen : Opened
        The collection.
    names : mapping of str to str
        Record id → the name that judgements have for it, where that is another one.
    """
    encoder = new_encoder(chosen, to)
    stored = {name: record for record, name in names.items()}
    records = judged.renamed(stored) if stored else judged
    told = rehearse(
        chosen._store,  # noqa: SLF001 - the facade is one class in several modules
        chosen.name,
        records.queries,
        relevant={query: [one for one, grade in of.items() if grade > 0] for query, of in records.qrels.items()},
        old_encoder=chosen.encoder,
        encoder=encoder,
        chunker=_chunker(encoder),
        recall=chosen.recall,
        candidates=whole_number(candidates, "candidates", low=1, high=MOST_CANDIDATES),
        pairs=whole_number(pairs, "pairs", low=2),
        most_encoded=whole_number(most_encoded, "most_encoded", low=1),
        seed=whole_number(seed, "seed", low=0),
        progress=progress,
    )
    asked = records.only(told.old)
    sides = {"old": told.old, "cascade": told.cascade, "full": told.full}
    values = {name: scored(run, asked.qrels, [metric]) for name, run in sides.items()}
    if len(values["old"].query_ids) < 2:  # noqa: PLR2004 - a spread needs two
        raise InputError(
            "Fewer than two questions with a relevant document were asked: let more chunks be encoded, or judge more.",
            where="judged",
        )
    return advantage_of(
        {name: one.column(metric) for name, one in values.items()},
        metric=values["old"].metrics[0],
        seed=seed,
        cost=cost_of(told, candidates),
        notices=tuple(_notices(told, judged, len(values["old"].query_ids))),
    )


def new_encoder(chosen: Opened, to: str | Encoder) -> Encoder:
    """Return the encoder of another model, with the collection's overflow rule, behind the cache of encodings.

    Raises
    ------
    InputError
        It is in the collection's own space.
    """
    if isinstance(to, str):
        overflow: Any = chosen.space.overflow
        encoder = encode.cached(encode.load(to, overflow=overflow))
    else:
        encoder = to
    if encoder.space == chosen.space:
        raise InputError(
            f"Collection {chosen.name!r} is in the space of that model already: there is nothing to bridge.",
            got=encoder.space.id,
            where="to",
        )
    return encoder


def _chunker(encoder: Encoder) -> Chunker | None:
    return chunker_for(encoder) if encoder.space.overflow == "chunk" else None


def cost_of(told: Rehearsal, candidates: int) -> dict[str, Any]:
    """Return what a bridge takes, of what its rehearsal took.

    Returns
    -------
    dict
        ``candidates``; ``pairs`` and ``fit_s``; ``chunks_encoded`` and ``chunk_s``, the seconds of one;
        ``first_query_chunks`` and ``first_query_s``: what the first question must wait for if all that it lacks is
        encoded; ``reuse``: the least share of later candidates that are kept by then; ``recall``: the share of the new
        model's ten best that were fetched; ``old_ms`` and ``bridge_ms``: fetching, without any encoding; ``pool`` of
        ``records``.
    """
    first = sum(told.fetched.values()) / max(1, len(told.fetched))
    return {
        "candidates": candidates,
        "pairs": told.fitted.pairs,
        "fit_s": told.fit_s,
        "chunks_encoded": told.chunks_encoded,
        "chunk_s": told.chunk_s,
        "first_query_chunks": first,
        "first_query_s": first * told.chunk_s,
        "reuse": told.reuse,
        "recall": told.recall,
        "old_ms": told.old_ms,
        "bridge_ms": told.bridge_ms,
        "pool": told.pool,
        "records": told.records,
    }


def _notices(told: Rehearsal, judged: Judged, queries: int) -> Iterable[str]:
    """Go through what a reader must know."""
    if not told.is_whole:
        yield (
            f"All encoded anew is measured over {told.pool} of {told.records} records, so it is an upper bound, and the "
            "retention a lower one. The advantage is not touched by it."
        )
    if told.left_out:
        yield f"Questions that the budget of encodings did not reach: {told.left_out}."
    if queries < LEAST_QUERIES:
        yield f"{queries} questions are few: the intervals are rough below {LEAST_QUERIES}."
    if judged.name.startswith("known items"):
        yield "The questions are made of the records' own words, and are kinder to a weak model than real ones."
