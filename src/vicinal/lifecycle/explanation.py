"""Why a record answers a question: what each token gave to the score of its vector, and each word to that of its words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vicinal import kernels
from vicinal.errors import RecordNotFoundError
from vicinal.lexical import Contribution
from vicinal.lifecycle.derived import derived_of
from vicinal.lifecycle.heat_page import page_of
from vicinal.rerank import HeatMap, explain_match
from vicinal.search import Filter
from vicinal.space import Encoder, Vectors
from vicinal.store import Store
from vicinal.types import Bits, Floats, Rank

DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Why a chunk of a record answers a question.

    ``score`` is the exact score of the stored vector, of the kind ``score_kind``; ``heat`` shares it out over pairs of
    tokens (``heat.kind`` says whether exactly). ``lexical_score`` is BM25, the sum of ``terms``. ``ranks`` tell at which
    rank each side of a hybrid search has it, where it is among the first; ``let_through`` whether the filter holds.
    """

    query: str
    id: str
    source: str
    start: int
    end: int
    text: str
    score: float
    score_kind: str
    heat: HeatMap
    lexical_score: float
    terms: tuple[Contribution, ...]
    ranks: tuple[Rank, ...] = ()
    let_through: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, scores rounded to 6 digits."""
        return {
            "query": self.query,
            "id": self.id,
            "source": self.source,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            "score": round(self.score, DIGITS),
            "score_kind": self.score_kind,
            "heat": self.heat.as_dict(),
            "lexical_score": round(self.lexical_score, DIGITS),
            "terms": [asdict(one) for one in self.terms],
            "ranks": [asdict(one) for one in self.ranks],
            "let_through": self.let_through,
        }

    def html(self) -> str:
        """Return a page that needs nothing else: question and text with their heat, and the words' contributions."""
        return page_of(
            query=self.query,
            text=self.text,
            title=f"{self.source or self.id}",
            heat=self.heat,
            terms=[(one.kind, " ".join(one.tokens), one.df, one.tf, one.score) for one in self.terms],
            scores=[(self.score_kind, self.score), ("bm25", self.lexical_score)],
            ranks=[(one.side, one.rank, one.score) for one in self.ranks],
        )

    def _repr_html_(self) -> str:
        """Return the page, for notebooks."""
        return self.html()


def explain(
    store: Store,
    name: str,
    query: str,
    vector: Vectors,
    record_id: str,
    *,
    encoder: Encoder,
    condition: Filter | None = None,
) -> Explanation:
    """Return why a record answers a question, by its chunk whose vector is nearest.

    Raises
    ------
    RecordNotFoundError
        There is no such record, or it has no chunk.
    UnsupportedError
        The encoder shows no tokens.
    """
    with store.snapshot() as snapshot:
        lane = snapshot.lane(name)
        lane.space.require(vector.space, what="the query vector")
        found = snapshot.chunks_of(lane, [record_id]).get(record_id)
        if found is None or not found.record.spans:
            raise RecordNotFoundError(
                f"Collection {name!r} has no record {record_id!r} with a text.", got=record_id, where=name
            )
        view, derived = store.view(snapshot, lane), derived_of(store, lane)
        stored = np.ascontiguousarray(snapshot.vectors_at(lane, np.array(found.rows, dtype=np.int64)))
        best, score = _nearest(stored, vector, lane.space.metric)
        row, (start, end) = found.rows[best], found.record.spans[best]
        terms = derived.words(snapshot, lane, view).explain(query, row)
        let_through = None
        if condition is not None:
            let_through = bool(_holds(condition.bits(derived.columns(snapshot, lane, view)), row))
    text = found.record.text[start:end]
    return Explanation(
        query=query,
        id=record_id,
        source=found.record.source,
        start=start,
        end=end,
        text=text,
        score=score,
        score_kind=lane.space.metric,
        heat=explain_match(encoder, query, text),
        lexical_score=float(sum(one.score for one in terms)),
        terms=terms,
        let_through=let_through,
    )


def _nearest(stored: Floats, vector: Vectors, metric: str) -> tuple[int, float]:
    """Return the place of the nearest of some stored vectors, and its score."""
    rows, scores = kernels.top_k(stored, np.asarray(vector), k=1, metric=metric)[:2]  # type: ignore[arg-type]  # a space's metric is one of them
    return int(rows[0, 0]), float(scores[0, 0])


def _holds(bits: Bits, row: int) -> int:
    """Return the bit of a row."""
    word = row // 64
    return int(bits[word]) >> (row % 64) & 1 if word < len(bits) else 0
