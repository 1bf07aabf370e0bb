"""For the program ``mteb``: any encoder, or a whole collection, as one of its models.

mteb then runs its own tasks, metrics and data; what it writes names the space, so results of two spaces never mix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

from vicinal._arrays import one_of
from vicinal.errors import MissingExtraError
from vicinal.evaluate.protocols.score import ROLES, Role
from vicinal.evaluate.searcher import Answered
from vicinal.space import Encoder
from vicinal.types import Hits, Where

DOCUMENT_FIELD = "mteb_document"
"""The field of a record that holds its id, so that a filter can let through given candidates only."""
MOST_HITS = 100_000
"""As many chunks as a collection gives at most."""
WIDER = 4
"""How much more is asked where chunks of the same documents took the places."""


class Searchable(Protocol):
    """What mteb searches: a collection, or anything with these four."""

    def __len__(self) -> int:
        """Return how many records are stored."""
        ...

    def upsert(self, records: Iterable[Mapping[str, Any]]) -> object:
        """Store records with an id, a text and fields."""
        ...

    def search(self, query: str, *, k: int, where: Where | None = None, **settings: Any) -> Hits:  # noqa: ANN401 - the collection's own
        """Return the k chunks that answer a question best."""
        ...


def as_mteb_encoder(encoder: Encoder, *, name: str = "vicinal/encoder", role: Role = "document") -> Any:  # noqa: ANN401 - a class of mteb
    """Return an encoder as a model that ``mteb.evaluate`` takes.

    Parameters
    ----------
    encoder : Encoder
        Any, of one's own too. Queries and documents of retrieval are encoded in their roles.
    name : str
        ``owner/name``, under which mteb files results; their revision is the id of the space.
    role : {"document", "query"}
        The role in which texts are encoded that have none: those of all other tasks.

    Returns
    -------
    object
        With mteb's ``EncoderProtocol``. Its ``texts`` and ``cut_texts`` count what was encoded and cut so far.

    Raises
    ------
    MissingExtraError
        mteb is not installed.
    UnknownNameError
        The role is neither of the two.

    Examples
    --------
    ``mteb.evaluate(as_mteb_encoder(vicinal.load("minilm", overflow="cut")), mteb.get_tasks(tasks=["SciFact"]))``
    """
    one_of(role, "role", ROLES)
    return _library().EncoderModel(encoder, name, role)


def as_mteb_search(
    make: Callable[[str], Searchable],
    *,
    name: str = "vicinal/collection",
    revision: str = "unsaid",
    settings: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - a class of mteb
    """Return a whole collection as a model that ``mteb.evaluate`` takes for retrieval and reranking.

    Each task's corpus is stored, chunked and indexed as any other, and each query goes the way that a user's does.

    Parameters
    ----------
    make : callable
        Takes a name, which is a digest of the corpus, and gives the collection of that name, new or as it was left:
        ``lambda name: db.collection(name, model="minilm")``. One that holds as many records as the corpus has
        documents with text is taken as it is.
    name, revision : str
        Under which mteb files results. Let the revision name what changes numbers: space, chunker, settings.
    settings : mapping, optional
        Keyword arguments for each search, such as ``{"mode": "dense", "exact": True}``.

    Returns
    -------
    object
        With mteb's ``SearchProtocol``.

    Raises
    ------
    MissingExtraError
        mteb is not installed.

    Notes
    -----
    The score of a document is that of its best chunk. A document without text cannot be stored and is never found.
    """
    return _library().SearchModel(make, name, revision, dict(settings or {}))


def stored(searchable: Searchable, documents: Mapping[str, str]) -> None:
    """Store documents with text, where they are not all there already."""
    told = {one: text for one, text in documents.items() if text.strip()}
    if len(searchable) != len(told):
        searchable.upsert([{"id": one, "text": text, DOCUMENT_FIELD: one} for one, text in told.items()])


def best_documents(
    searchable: Searchable,
    query: str,
    *,
    k: int,
    candidates: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Return the k best documents with the score of the best chunk of each, best first.

    Asks for more chunks until there are k documents, or no more chunks, or ``MOST_HITS``. Where scores do not fall, as
    behind the candidates of a reranker, the order counts, and each document has the number of those from it to the end.

    Parameters
    ----------
    candidates : sequence of str, optional
        Only these documents.
    """
    where = None if candidates is None else {DOCUMENT_FIELD: {"$in": list(candidates)}}
    asked = min(k, MOST_HITS)
    while True:
        hits = searchable.search(query, k=asked, where=where, **(settings or {}))
        found: dict[str, float] = {}
        for hit in hits:
            found.setdefault(hit.id, hit.score)
        if len(found) >= k or len(hits) < asked or asked == MOST_HITS:
            ids, scores = list(found)[:k], list(found.values())[:k]
            return Answered(ids=tuple(ids), scores=tuple(scores), took_ms=0.0, complete=True).as_results()
        asked = min(asked * WIDER, MOST_HITS)


def corpus_name(documents: Mapping[str, str]) -> str:
    """Return a name for a corpus that only one with the same ids and texts has."""
    told = json.dumps(sorted(documents.items()), ensure_ascii=True).encode()
    return f"mteb-{hashlib.sha256(told).hexdigest()[:16]}"


def _library() -> ModuleType:
    """Return what talks with mteb.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        from vicinal.evaluate import _mteb  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise MissingExtraError(
            "mteb is not installed, or too old. Run: pip install 'mteb>=2.26'", expected="mteb", where="mteb"
        ) from error
    return _mteb
