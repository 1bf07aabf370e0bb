"""Where a migration leads, and what it will take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from vicinal import encode
from vicinal.chunk import Chunker
from vicinal.errors import DtypeError, InputError, UnsupportedError
from vicinal.lifecycle import WHOLE, canary, fit
from vicinal.lifecycle.forms import Making
from vicinal.lifecycle.ingest import chunker_for
from vicinal.opened import Opened
from vicinal.space import Encoder
from vicinal.store import Probe
from vicinal.types import Overflow

PRECISION = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a migration will take, measured by carrying a sample over.

    ``backfill_s`` is for an otherwise idle machine and no pace; ``fast_s`` and ``slow_s`` hold it where all parts go like
    the fastest or slowest tenth. ``disk_bytes`` are needed beside what is there until the old lane is retired.
    ``tokens`` and ``cost`` are of a provider's model. ``derived`` says that the vectors are made of those that are stored.
    """

    collection: str
    model: str
    former_model: str
    space: str
    former_space: str
    differs: tuple[str, ...]
    dim: int
    chunker: str
    former_chunker: str
    records: int
    chunks: int
    sampled: int
    backfill_s: float
    fast_s: float
    slow_s: float
    disk_bytes: int
    tokens: int | None
    cost: float | None
    derived: bool


@dataclass(frozen=True, slots=True)
class Target:
    """What the new lane is made by."""

    making: Making
    model: str
    probes: tuple[Probe, ...]
    projections: tuple[tuple[str, bytes], ...]


def target_of(
    opened: Opened,
    to: str | Encoder | None,
    *,
    dim: int | None,
    precision: str | None,
    chunker: str | None,
    runtime: str | None,
) -> Target:
    """Return what the new lane is made by: another model, another dimension, another chunker, or several of them.

    Raises
    ------
    InputError
        Nothing differs from what the collection has, or a parameter means nothing.
    UnsupportedError
        A precision that no lane has.
    CanaryMismatchError, ModelNotFoundError
        The model cannot be had, or is not the one that the database knows under its space.
    """
    _require_precision(precision)
    if to is None and dim is None and chunker is None:
        raise InputError(
            "Say what is to change: the model, the dimensions, the chunker, or several of them.", where="to"
        )
    encoder = _encoder(opened, to, dim, runtime)
    cut = _chunker(opened, encoder, chunker)
    probes = canary.settle(opened._store, encoder, collection=opened.name)  # noqa: SLF001 - of the facade
    kept = tuple((one.digest, one.to_bytes()) for one in encode.projections_of(encoder))
    return Target(Making(encoder, cut), encode.name_of(encoder), probes, kept)


def _require_precision(precision: str | None) -> None:
    if precision not in {None, PRECISION}:
        raise UnsupportedError(
            f"A collection keeps its vectors as {PRECISION}, and {precision!r} was asked for: there is no other precision at "
            "rest. The index beside them searches codes of 1 and 8 bits already. What fewer bits would cost in quality: "
            "vicinal frontier",
            expected=PRECISION,
            got=precision,
            where="precision",
        )


def _encoder(opened: Opened, to: str | Encoder | None, dim: int | None, runtime: str | None) -> Encoder:
    if to is None:
        own = encode.uncached(opened.encoder)
        if dim is None:
            return own
        if dim == opened.space.dim:
            raise InputError(f"Collection {opened.name!r} has {dim} dimensions already.", got=dim, where="dim")
        return encode.project(own, fit(opened._store, opened.name, dim=dim, kind="pca", seed=0))  # noqa: SLF001 - of the facade
    if isinstance(to, str):
        overflow = cast("Overflow", opened.space.overflow)
        return encode.load(to, overflow=overflow, runtime=runtime, dim=dim)
    if not hasattr(to, "space"):
        raise DtypeError(
            f"to must be a model's name or an encoder, got {type(to).__name__}.",
            expected="str or Encoder",
            got=type(to).__name__,
            where="to",
        )
    if dim is not None:
        raise InputError("An encoder has its dimension; give dim with a model's name, or alone.", where="dim")
    return encode.uncached(to)


def _chunker(opened: Opened, encoder: Encoder, chunker: str | None) -> Chunker | None:
    """Return the chunker that is asked for; else the collection's own, where its chunks fit the new window."""
    if chunker == WHOLE:
        return None
    if chunker is not None:
        return chunker_for(encoder, chunker)
    own, fitting = opened.chunker, chunker_for(encoder) if encoder.space.overflow == "chunk" else None
    if own is None or fitting is None:
        return own
    room = encoder.max_tokens - int(encoder.count_tokens([""])[0])
    return own if own.target <= room else fitting
