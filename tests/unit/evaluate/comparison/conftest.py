"""A small world: questions with one right document each, and searchers that are right as often as one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from vicinal.evaluate.comparison import Setting
from vicinal.evaluate.evaluation import Answered
from vicinal.evaluate.judgements import Judged


class FakeSearcher:
    """Has the right document at rank 1 where its luck for the question is below ``quality``, else at rank 5."""

    def __init__(
        self, judged: Judged, quality: Callable[[str], float], *, bytes_per_vector: Any, took_ms: float
    ) -> None:
        self._right = {text: next(iter(judged.qrels[one])) for one, text in judged.queries.items()}
        self._quality = quality
        self._told = {"space": "toy", "model": "toy", "bytes_per_vector": bytes_per_vector, "documents": 100}
        self._took_ms = took_ms

    def documents(self, query: str, *, k: int) -> Answered:
        """Return ten documents, the right one where luck has it."""
        luck = np.random.default_rng(list(query.encode())).random()
        rank = 0 if luck < self._quality(query) else 4
        ids = [f"other {place}" for place in range(9)]
        ids.insert(rank, self._right[query])
        scores = tuple(float(10 - place) for place in range(10))
        return Answered(ids=tuple(ids[:k]), scores=scores[:k], took_ms=self._took_ms, complete=True)

    def describe(self) -> Mapping[str, Any]:
        """Return what was told."""
        return self._told


@pytest.fixture
def judged():
    """Make questions, every third one with a code."""

    def made(queries: int = 300) -> Judged:
        texts = {
            f"q{place}": f"how does part {'XJ-' + str(place) if place % 3 == 0 else 'w' + chr(97 + place % 26) * (1 + place // 26)} work"
            for place in range(queries)
        }
        return Judged.of(texts, {name: {f"right {name}": 1} for name in texts}, name="toys")

    return made


@pytest.fixture
def make_of():
    """Make what makes searchers: by a setting's name its quality, a number or a function of the question."""

    def made(judged: Judged, qualities: Mapping[str, Any], *, costs: Mapping[str, tuple[Any, float]] | None = None):
        def make(setting: Setting) -> FakeSearcher:
            told = qualities[setting.name]
            if isinstance(told, Exception):
                raise told
            size, took_ms = (costs or {}).get(setting.name, (1536, 10.0))
            quality = told if callable(told) else lambda _: told
            return FakeSearcher(judged, quality, bytes_per_vector=size, took_ms=took_ms)

        return make

    return made
