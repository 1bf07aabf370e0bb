"""The words of OpenAI's embeddings, which many servers speak: vLLM, TEI, Ollama, LM Studio, Vicinal's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.encode.providers.wire import Facts, Limits, Role, by_index, whole

MODELS = {
    "text-embedding-3-small": Facts(dim=1536, max_tokens=8191, dims=range(1, 1537)),
    "text-embedding-3-large": Facts(dim=3072, max_tokens=8191, dims=range(1, 3073)),
    "text-embedding-ada-002": Facts(dim=1536, max_tokens=8191),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAI:
    """``POST /embeddings``: texts in, vectors with an index out; no roles.

    Parameters
    ----------
    most : Limits
        OpenAI itself takes 2,048 texts and 300,000 tokens. TEI refuses more than 32 texts as it comes.
    refuses_long : bool
        OpenAI itself refuses a text beyond the window. Of the servers that speak its words some cut it in silence
        (Ollama before 0.13.5, TEI with auto-truncate, several for Apple silicon), and no request can forbid it.
    """

    most: Limits
    refuses_long: bool
    name: str = "openai"
    path: str = "/embeddings"
    input_types: str = ""

    def facts(self, model: str) -> Facts | None:
        """Return what is documented of a model, None if it is not known here."""
        return MODELS.get(model)

    def limits(self, model: str) -> Limits:  # noqa: ARG002 - the same for all of its models
        """Return the most that a request may hold."""
        return self.most

    def body(self, model: str, texts: Sequence[str], role: Role, dim: int | None) -> dict[str, Any]:  # noqa: ARG002 - no roles
        """Return a request as JSON. A server that does not know base64 answers with numbers, which does as well."""
        asked = {"model": model, "input": list(texts), "encoding_format": "base64"}
        return asked if dim is None else {**asked, "dimensions": dim}

    def found(self, payload: Mapping[str, Any], count: int) -> Sequence[object]:
        """Return the vectors in the order of the texts."""
        return by_index(payload.get("data"), count)

    def tokens(self, payload: Mapping[str, Any]) -> int | None:
        """Return ``usage.total_tokens``."""
        usage = payload.get("usage")
        return whole(usage.get("total_tokens", usage.get("prompt_tokens"))) if isinstance(usage, Mapping) else None


OPENAI = OpenAI(most=Limits(texts=2048, tokens=300_000), refuses_long=True)
COMPATIBLE = OpenAI(most=Limits(texts=32, tokens=16_384), refuses_long=False)
