"""What is said to rerankers over HTTP, without any input or output: Cohere's words of version 2, Voyage's, Jina's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.encode.providers.wire import WrongAnswerError, whole

MOST_TEXTS = 1000
"""The most that one request holds: what Cohere and Voyage allow."""
LARGEST = 1e30
"""No reranker's score is larger; it fits float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankWire:
    """How one provider is asked to rerank.

    ``path`` follows the base URL. ``results`` is the field of an answer that holds ``{"index", "relevance_score"}``
    objects. ``keys`` are the variables that may hold the key. ``settings`` go with every request. ``reads_tokens`` is
    how many tokens of a text are read at most where longer ones are cut in silence, 0 where they are refused or
    nothing is documented.
    """

    name: str
    url: str
    path: str
    keys: tuple[str, ...]
    results: str
    settings: Mapping[str, Any]
    reads_tokens: int = 0

    def body(self, model: str, query: str, texts: Sequence[str]) -> dict[str, Any]:
        """Return a request as JSON: every text is to be scored, none sent back."""
        return {"model": model, "query": query, "documents": list(texts), **self.settings}

    def found(self, payload: Mapping[str, Any], count: int) -> list[float]:
        """Return the score of each text in the order of the texts.

        Raises
        ------
        WrongAnswerError
            The answer does not hold one finite number for each.
        """
        items = payload.get(self.results)
        if not isinstance(items, list) or len(items) != count:
            raise WrongAnswerError(f"it holds no list of {count} scores")
        scores: dict[int, float] = {}
        for item in items:
            held: Mapping[str, object] = item if isinstance(item, dict) else {}
            index, score = held.get("index"), held.get("relevance_score")
            if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count or index in scores:
                raise WrongAnswerError("its scores do not say which text each belongs to")
            if not isinstance(score, int | float) or isinstance(score, bool) or not abs(score) <= LARGEST:
                raise WrongAnswerError("a score is no finite number")
            scores[index] = float(score)
        return [scores[place] for place in range(count)]

    def tokens(self, payload: Mapping[str, Any]) -> int | None:
        """Return how many tokens an answer says were used; Cohere counts searches instead, and says none."""
        usage = payload.get("usage")
        return whole(usage.get("total_tokens")) if isinstance(usage, Mapping) else None


WIRES = {
    wire.name: wire
    for wire in (
        RerankWire(
            name="cohere",
            url="https://api.cohere.com",
            path="/v2/rerank",
            keys=("COHERE_API_KEY", "CO_API_KEY"),
            results="results",
            settings={},
            reads_tokens=4096,
        ),
        RerankWire(
            name="voyage",
            url="https://api.voyageai.com/v1",
            path="/rerank",
            keys=("VOYAGE_API_KEY",),
            results="data",
            settings={"return_documents": False, "truncation": False},
        ),
        RerankWire(
            name="jina",
            url="https://api.jina.ai/v1",
            path="/rerank",
            keys=("JINA_API_KEY",),
            results="results",
            settings={"return_documents": False},
        ),
    )
}
"""Servers of one's own that speak one of these are named with their URL: ``jina:MODEL@http://localhost:8000/v1``."""
