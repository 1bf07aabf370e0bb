"""What a model is, told whole, and how two of them differ: field by field, and by where they put the same texts."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vicinal import encode, models
from vicinal.lifecycle import canary
from vicinal.space import Encoder, mapping_of, runtime_of

SPEED_S = 1.0
"""How long a model is timed."""
SPEED_TEXTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a model encoded short texts on this machine, just now, with as many threads as the settings say.

    ``first_s`` is the time from its name to its first vector.
    """

    texts_per_s: float
    tokens_per_s: float
    first_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models side by side.

    ``fields`` maps each field of their spaces that differs to (the first's, the second's); ``same`` says that none does.
    ``cosines`` maps each probe text to the cosine of its two vectors; empty where the dimensions differ.
    """

    same: bool
    spaces: tuple[str, str]
    fields: dict[str, tuple[Any, Any]]
    cosines: dict[str, float]


def identity(name: str, *, speed: bool = True) -> dict[str, Any]:
    """Return everything that is known of a model, as plain data: its pin, its space, its runtime, its speed.

    Parameters
    ----------
    name : str
        As ``vicinal.load`` takes it. What is not on this machine is not fetched: then the pin is all there is.
    speed : bool
        Whether to time it, for about a second.

    Raises
    ------
    ModelNotFoundError
        The name is unknown.
    ModelLoadError
        A file is there and cannot be read.
    """
    told = models.info(name) if not encode.is_provider(name) else {"name": name, "source": "server"}
    if not told["source"]:
        return told
    begun = time.perf_counter()
    encoder = encode.load(name)
    encoder.encode_documents(["a"])
    first_s = time.perf_counter() - begun
    told = {**told, "dim": encoder.space.dim, "runtime": runtime_of(encoder), "space": mapping_of(encoder.space)}
    return {**told, "speed": asdict(_speed(encoder, first_s))} if speed else told


def compare(first: str | Encoder, second: str | Encoder) -> Comparison:
    """Return how two models differ.

    Parameters
    ----------
    first, second : str or Encoder
        Names as ``vicinal.load`` takes them, or encoders.

    Raises
    ------
    VicinalError
        One of them cannot be loaded.
    """
    one, other = (encode.load(model) if isinstance(model, str) else model for model in (first, second))
    cosines: dict[str, float] = {}
    if one.space.dim == other.space.dim:
        probes = canary.make(one)
        found = canary.cosines(probes, other)
        cosines = {f"{probe.role}: {probe.text}": float(value) for probe, value in zip(probes, found, strict=True)}
    return Comparison(
        same=one.space == other.space,
        spaces=(one.space.id, other.space.id),
        fields=one.space.diff(other.space),
        cosines=cosines,
    )


def _speed(encoder: Encoder, first_s: float) -> Speed:
    """Encode different short texts, again and again, for about a second."""
    texts = [f"{text} {number}" for number in range(SPEED_TEXTS) for _, text in canary.TEXTS][:SPEED_TEXTS]
    tokens = int(np.sum(encoder.count_tokens(texts)))
    begun = time.perf_counter()
    done = 0
    while not done or time.perf_counter() - begun < SPEED_S:
        encoder.encode_documents(texts)
        done += 1
    took_s = time.perf_counter() - begun
    return Speed(
        texts_per_s=round(done * len(texts) / took_s, 1),
        tokens_per_s=round(done * tokens / took_s, 1),
        first_s=round(first_s, 3),
    )
