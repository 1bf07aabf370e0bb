"""The words of Cohere's embeddings, version 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.encode.providers.wire import Facts, Limits, Role, WrongAnswerError, counted, whole

INPUT_TYPES = {"query": "search_query", "document": "search_document"}
MODELS = {
    "embed-v4.0": Facts(dim=1536, max_tokens=128_000, dims=(256, 512, 1024, 1536)),
    "embed-english-v3.0": Facts(dim=1024, max_tokens=512),
    "embed-multilingual-v3.0": Facts(dim=1024, max_tokens=512),
    "embed-english-light-v3.0": Facts(dim=384, max_tokens=512),
    "embed-multilingual-light-v3.0": Facts(dim=384, max_tokens=512),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohere:
    """``POST /v2/embed``: at most 96 texts, the role in ``input_type``, and ``truncate: NONE`` refuses what is too long."""

    name: str = "cohere"
    path: str = "/v2/embed"
    input_types: str = "search_query/search_document"
    refuses_long: bool = True

    def facts(self, model: str) -> Facts | None:
        """Return what is documented of a model, None if it is not known here."""
        return MODELS.get(model)

    def limits(self, model: str) -> Limits:  # noqa: ARG002 - the same for all of its models
        """Return the most that a request may hold: its newest model reads 128,000 tokens in all of it."""
        return Limits(texts=96, tokens=128_000)

    def body(self, model: str, texts: Sequence[str], role: Role, dim: int | None) -> dict[str, Any]:
        """Return a request as JSON."""
        asked = {
            "model": model,
            "texts": list(texts),
            "input_type": INPUT_TYPES[role],
            "embedding_types": ["float"],
            "truncate": "NONE",
        }
        return asked if dim is None else {**asked, "output_dimension": dim}

    def found(self, payload: Mapping[str, Any], count: int) -> Sequence[object]:
        """Return the vectors; they stand in the order of the texts."""
        embeddings = payload.get("embeddings")
        if not isinstance(embeddings, Mapping):
            raise WrongAnswerError("it holds no vectors")
        return counted(embeddings.get("float"), count)

    def tokens(self, payload: Mapping[str, Any]) -> int | None:
        """Return ``meta.billed_units.input_tokens``."""
        meta = payload.get("meta")
        billed = meta.get("billed_units") if isinstance(meta, Mapping) else None
        return whole(billed.get("input_tokens")) if isinstance(billed, Mapping) else None


COHERE = Cohere()
