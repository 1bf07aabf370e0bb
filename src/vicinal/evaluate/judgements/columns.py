"""What others call the columns of a table of judgements."""

from __future__ import annotations

from collections.abc import Sequence

QUERY_ID = ("query_id", "qid", "topic_id", "topic")
QUERY = ("query", "question", "query_text", "text")
DOCUMENT = ("document", "document_id", "doc_id", "docid", "corpus_id", "doc", "docno")
GRADE = ("grade", "score", "relevance", "rel", "label")
RELEVANT = ("relevant", "relevant_ids", "relevant_documents", "documents", "positives")
ROW_ID = ("_id", "id")
"""The id of a query only where a row is a query."""


def folded(name: str) -> str:
    """Return a column's name as it is looked up: ``Query-ID`` is ``query_id``."""
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def column_of(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Return the place of the first of the wanted names that is there, None for none; ``names`` are folded."""
    return next((names.index(one) for one in wanted if one in names), None)
