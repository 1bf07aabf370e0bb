"""The models that mteb sees: an encoder by its ``EncoderProtocol``, a collection by its ``SearchProtocol``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mteb._create_dataloaders import create_dataloader
from mteb.models import ModelMeta
from mteb.models.model_meta import ScoringFunction
from mteb.similarity_functions import select_pairwise_similarity, select_similarity
from mteb.types import PromptType

from vicinal.evaluate.mteb import Searchable, best_documents, corpus_name, stored
from vicinal.evaluate.protocols.score import Encoding, Role
from vicinal.space import Encoder
from vicinal.types import Floats

SIMILARITY = {"cosine": ScoringFunction.COSINE, "dot": ScoringFunction.DOT_PRODUCT, "l2": ScoringFunction.EUCLIDEAN}
BATCH = 64
"""Rows that are read at once; it changes no vector."""


class EncoderModel:
    """An encoder of Vicinal as mteb calls one."""

    def __init__(self, encoder: Encoder, name: str, role: Role) -> None:
        self._encoding = Encoding(encoder)
        self._role = role
        space = encoder.space
        self._similarity = SIMILARITY[space.metric]
        self.mteb_model_meta = _meta(
            name,
            space.id,
            max_tokens=encoder.max_tokens,
            embed_dim=space.dim,
            similarity_fn_name=self._similarity,
            use_instructions=bool(space.query_prompt or space.document_prompt),
        )

    @property
    def texts(self) -> int:
        """Return how many texts were encoded, equal ones of a call once."""
        return self._encoding.texts

    @property
    def cut_texts(self) -> int:
        """Return how many of them were cut at the window."""
        return self._encoding.cut

    def encode(self, inputs: Iterable[Mapping[str, Any]], *, prompt_type: PromptType | None = None, **_: Any) -> Floats:  # noqa: ANN401 - the task's own
        """Return float32 (N, D) vectors of a loader's texts; a task's name and split mean nothing here."""
        role: Role = self._role if prompt_type is None else "query" if prompt_type == PromptType.query else "document"
        return self._encoding(_texts(inputs), role)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:  # noqa: ANN401 - arrays or tensors
        """Return the similarity of each of the first with each of the second, by the metric of the space."""
        return select_similarity(embeddings1, embeddings2, self._similarity)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:  # noqa: ANN401 - arrays or tensors
        """Return the similarity of each of the first with that of the second at the same place."""
        return select_pairwise_similarity(embeddings1, embeddings2, self._similarity)


class SearchModel:
    """A collection of Vicinal as mteb searches one."""

    def __init__(
        self, make: Callable[[str], Searchable], name: str, revision: str, settings: Mapping[str, Any]
    ) -> None:
        self._make = make
        self._settings = settings
        self._searchable: Searchable | None = None
        self.mteb_model_meta = _meta(name, revision)

    def index(self, corpus: Any, *, task_metadata: Any, num_proc: int | None = None, **_: Any) -> None:  # noqa: ANN401 - a dataset and a task
        """Store a corpus in a collection of its own."""
        texts = _loaded(corpus, task_metadata, PromptType.document, num_proc)
        documents = dict(zip(corpus["id"], texts, strict=True))
        self._searchable = self._make(corpus_name(documents))
        stored(self._searchable, documents)

    def search(
        self,
        queries: Any,  # noqa: ANN401 - a dataset
        *,
        task_metadata: Any,  # noqa: ANN401 - a task
        top_k: int,
        top_ranked: Mapping[str, list[str]] | None = None,
        num_proc: int | None = None,
        **_: Any,  # noqa: ANN401 - the task's own
    ) -> dict[str, dict[str, float]]:
        """Return query id → document id → score of the best documents, or of the given candidates."""
        if self._searchable is None:
            message = "mteb searched before it gave a corpus"
            raise RuntimeError(message)
        texts = _loaded(queries, task_metadata, PromptType.query, num_proc)
        found: dict[str, dict[str, float]] = {}
        for query, text in zip(queries["id"], texts, strict=True):
            candidates = None if top_ranked is None else top_ranked.get(query, [])
            found[query] = best_documents(
                self._searchable, text, k=top_k, candidates=candidates, settings=self._settings
            )
        return found


def _loaded(dataset: Any, task_metadata: Any, role: PromptType, num_proc: int | None) -> list[str]:  # noqa: ANN401 - a dataset and a task
    """Return what a model reads of a dataset: titles before texts, instructions behind queries."""
    loader = create_dataloader(
        dataset, task_metadata=task_metadata, prompt_type=role, batch_size=BATCH, num_proc=num_proc
    )
    return _texts(loader)


def _texts(inputs: Iterable[Mapping[str, Any]]) -> list[str]:
    return [text for batch in inputs for text in batch["text"]]


def _meta(name: str, revision: str, **known: Any) -> ModelMeta:  # noqa: ANN401 - fields of the model's card
    """Return what mteb files results under: nothing that is not known is claimed."""
    return ModelMeta.create_empty(overwrites={"name": name, "revision": revision, **known})
