"""The words of Voyage's embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.encode.providers.wire import Facts, Limits, Role, by_index, whole

SHORTENED = (256, 512, 1024, 2048)
MODELS = {
    "voyage-4-large": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-4": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-4-lite": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-3.5": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-3.5-lite": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-3-large": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-code-3": Facts(dim=1024, max_tokens=32_000, dims=SHORTENED),
    "voyage-finance-2": Facts(dim=1024, max_tokens=32_000),
    "voyage-law-2": Facts(dim=1024, max_tokens=16_000),
}
TOKENS = {
    "voyage-4-lite": 1_000_000,
    "voyage-3.5-lite": 1_000_000,
    "voyage-4": 320_000,
    "voyage-3.5": 320_000,
}
"""Tokens of one request; 120,000 for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voyage:
    """``POST /embeddings``: at most 1,000 texts, the role in ``input_type``, and ``truncation: false`` refuses what is too long."""

    name: str = "voyage"
    path: str = "/embeddings"
    input_types: str = "query/document"
    refuses_long: bool = True

    def facts(self, model: str) -> Facts | None:
        """Return what is documented of a model, None if it is not known here."""
        return MODELS.get(model)

    def limits(self, model: str) -> Limits:
        """Return the most that a request may hold."""
        return Limits(texts=1000, tokens=TOKENS.get(model, 120_000))

    def body(self, model: str, texts: Sequence[str], role: Role, dim: int | None) -> dict[str, Any]:
        """Return a request as JSON."""
        asked = {
            "model": model,
            "input": list(texts),
            "input_type": role,
            "truncation": False,
            "encoding_format": "base64",
        }
        return asked if dim is None else {**asked, "output_dimension": dim}

    def found(self, payload: Mapping[str, Any], count: int) -> Sequence[object]:
        """Return the vectors in the order of the texts."""
        return by_index(payload.get("data"), count)

    def tokens(self, payload: Mapping[str, Any]) -> int | None:
        """Return ``usage.total_tokens``."""
        usage = payload.get("usage")
        return whole(usage.get("total_tokens")) if isinstance(usage, Mapping) else None


VOYAGE = Voyage()
