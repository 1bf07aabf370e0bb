"""Retrieval and reranking: every query against every document, or against its own candidates, by exact cosine.

Thakur et al. 2021, "BEIR", and Muennighoff et al. 2023, "MTEB": the first 1000 documents of each query by cosine,
judged by nDCG@10; a query's given candidates in the order of their cosines, judged by average precision.

Letters: Q queries, N documents, D dimensions, K results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from vicinal._arrays import whole_number
from vicinal.errors import InputError
from vicinal.evaluate.metrics import scored
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, normalized, require_some
from vicinal.evaluate.ranking import Qrels, Run
from vicinal.space import Encoder
from vicinal.types import Floats, Progress, Rows

K = 1000
BLOCK_CELLS = 16_000_000
"""Cosines that are held at once: 64 MB."""
RETRIEVAL_METRICS = (
    "ndcg@10",
    "ndcg@100",
    "average_precision@1000",
    "recall@10",
    "recall@100",
    "recall@1000",
    "precision@10",
    "reciprocal_rank@10",
    "success@1",
)
RERANKING_METRICS = ("average_precision@1000", "reciprocal_rank@10", "ndcg@10", "success@1")


def titled(title: str, text: str) -> str:
    """Return what is encoded of a document: title, one space, text, and no white space around."""
    return f"{title} {text}".strip() if title else text.strip()


def retrieval(
    encoder: Encoder,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    k: int = K,
    drop_identical: bool = False,
    metrics: Sequence[str] = RETRIEVAL_METRICS,
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how well the nearest documents answer judged queries; main figure: the first metric, nDCG@10.

    Parameters
    ----------
    encoder : Encoder
        Queries and documents are encoded in their roles.
    documents, queries : mapping of str to str
        Texts by id; a document's title stands before its text, as ``titled`` joins them.
    qrels : mapping of str to mapping of str to int
        Query id to document id to grade. Queries without any relevant document are left out.
    k : int, 1 <= k
        How many documents of a query are ranked.
    drop_identical : bool
        Leave out a document whose id is that of the query, after the first ``k`` were taken
        (BEIR's ArguAna and Quora hold their queries among the documents).
    metrics : sequence of str
        Names as ``vicinal.evaluate.metrics`` has them.

    Raises
    ------
    InputError
        There are no documents, or a judged query has no text.

    Notes
    -----
    Cosines are float32. Equal ones are ordered by document id, descending, as trec_eval does.
    Cost: Q * N * D multiplications. Memory: the vectors, 64 MB, and some 100 bytes for each of Q * K results.
    """
    whole_number(k, "k", low=1)
    require_some(len(documents), "documents")
    asked = asked_of(queries, qrels)
    encoding = Encoding(encoder, progress)
    ids = sorted(documents, reverse=True)
    stored = normalized(encoding([documents[one] for one in ids]))
    sought = normalized(encoding([queries[one] for one in asked], "query"))
    run = dict(_rankings(asked, sought, ids, stored, k))
    if drop_identical:
        run = {query: {one: score for one, score in ranked.items() if one != query} for query, ranked in run.items()}
    judged = {query: dict(qrels[query]) for query in asked}
    data = [dict(documents), {query: queries[query] for query in asked}, judged]
    environment = encoding.environment(data, k=k, drop_identical=drop_identical)
    return _ranking_score("retrieval", run, judged, metrics, environment)


def reranking(
    encoder: Encoder,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Qrels,
    candidates: Mapping[str, Sequence[str]],
    *,
    metrics: Sequence[str] = RERANKING_METRICS,
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how well given candidates are ordered by cosine; main figure: the first metric, mean average precision.

    Parameters
    ----------
    documents, queries, qrels : mapping
        As in ``retrieval``.
    candidates : mapping of str to sequence of str
        The ids of the documents to order, for each judged query.

    Raises
    ------
    InputError
        A judged query has no text or no candidates, or a candidate no text.
    """
    asked = asked_of(queries, qrels)
    lacking = [one for one in asked if not candidates.get(one)]
    unknown = [one for query in asked for one in candidates.get(query, ()) if one not in documents]
    if lacking or unknown:
        what = "judged queries have no candidates" if lacking else "candidates are no documents"
        named = (lacking or unknown)[0]
        raise InputError(f"{len(lacking or unknown)} {what}, {named!r} first.", got=named, where="candidates")
    encoding = Encoding(encoder, progress)
    ids = sorted({one for query in asked for one in candidates[query]}, reverse=True)
    places = {one: place for place, one in enumerate(ids)}
    stored = normalized(encoding([documents[one] for one in ids]))
    sought = normalized(encoding([queries[one] for one in asked], "query"))
    run = {}
    for query, vector in zip(asked, sought, strict=True):
        rows = [places[one] for one in dict.fromkeys(candidates[query])]
        run[query] = dict(zip((ids[row] for row in rows), (stored[rows] @ vector).tolist(), strict=True))
    judged = {query: dict(qrels[query]) for query in asked}
    data = [
        {one: documents[one] for one in ids},
        {query: queries[query] for query in asked},
        judged,
        {query: list(candidates[query]) for query in asked},
    ]
    return _ranking_score("reranking", run, judged, metrics, encoding.environment(data))


def asked_of(queries: Mapping[str, str], qrels: Qrels) -> list[str]:
    """Return the ids of the queries that have a relevant document, sorted.

    Raises
    ------
    InputError
        There are none, or one of them has no text.
    """
    asked = sorted(query for query, grades in qrels.items() if any(grade > 0 for grade in grades.values()))
    require_some(len(asked), "queries with a relevant document")
    unknown = [query for query in asked if query not in queries]
    if unknown:
        raise InputError(
            f"{len(unknown)} judged queries have no text, {unknown[0]!r} first.", got=unknown[0], where="qrels"
        )
    return asked


def _rankings(
    asked: Sequence[str], sought: Floats, ids: Sequence[str], stored: Floats, k: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Go through the queries with their first k documents; ``ids`` are in descending order."""
    step = max(1, BLOCK_CELLS // len(ids))
    for start in range(0, len(asked), step):
        cosines = sought[start : start + step] @ stored.T
        for query, row in zip(asked[start : start + step], cosines, strict=True):
            best = _best(row, k)
            yield query, {ids[place]: float(row[place]) for place in best}


def _best(row: Floats, k: int) -> Rows:
    """Return the places of the k largest, best first, equal ones by place."""
    if k >= len(row):
        return np.argsort(-row, kind="stable")
    least = np.partition(row, -k)[-k]
    places = np.flatnonzero(row >= least)
    return places[np.argsort(-row[places], kind="stable")][:k]


def _ranking_score(
    protocol: str, run: Run, qrels: Qrels, metrics: Sequence[str], environment: Mapping[str, object]
) -> ProtocolScore:
    found = scored(run, qrels, metrics)
    return ProtocolScore(
        protocol=protocol,
        metric=found.metrics[0],
        metrics=found.mean(),
        runs=tuple(found.column(found.metrics[0]).tolist()),
        environment={**environment, "queries": len(found.query_ids)},
    )
