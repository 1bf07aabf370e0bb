"""Questions answered in the new space before all records are: the old index fetches, the new model ranks, misses are kept.

::

    q  = new model of the question          C = old index, the N nearest to bridge(q)
    what the new collection lacks of C is encoded now, up to a budget, and kept there
    the answer = the best k of the new collection as it is then, by the cosine with q

Every score compares two vectors of the new model. What the bridge is good for is that the right records are among C; how
they are ranked it has no say in. The old collection is the truth of what there is: an answer whose record it does not have,
or has with another text, or whose fields the filter keeps out there, is none.

Two commits are read: that in which C is fetched, and a later one, behind the encoding, of which the whole answer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from vicinal._arrays import texts_list, whole_number
from vicinal.chunk import Chunker
from vicinal.errors import LockedError, NoSpaceLeftError, ReadOnlyError, ReplicaError, ShapeError, UnsupportedError
from vicinal.lifecycle.asking import Found
from vicinal.lifecycle.bridge.answer import Answer
from vicinal.lifecycle.bridge.backfill import Budget, Missing, encoded, write
from vicinal.lifecycle.bridge.fetching import Candidates, Memory, candidates_of
from vicinal.lifecycle.bridge.fitting import Fitted
from vicinal.lifecycle.bridge.keeping import kept
from vicinal.lifecycle.ingest import WHOLE
from vicinal.lifecycle.question import Question
from vicinal.space import Encoder, Vectors
from vicinal.store import Store

CANDIDATES = 200
"""How many chunks the old index fetches. On SciFact, 200 keep 0.97 to 1.00 of a full re-embedding's
nDCG@10 with nothing kept from other questions, and 0.99 to 1.00 with that; 50 keep 0.98 to 1.00."""
MOST_CANDIDATES = 10_000
MOST_ENCODED = 64
"""Chunks that a question may have encoded: some two seconds of MiniLM on one core."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """The answer to one question, wholly in the new space, and what it took.

    Parameters
    ----------
    found : Found
        The hits. ``complete`` is true only where every record that the filter lets through was compared.
        ``recall_estimate`` is that of the indexes; what the bridge does not fetch is not in it.
    fetched : int
        Records that the old index gave.
    held : int
        Of these, the ones that the new collection had already.
    encoded : int
        Those that were encoded for this question.
    left_out : int
        Those that are in no answer: beyond the budget, or gone or changed since they were fetched.
    stored : int
        Those that were written to the new collection.
    """

    found: Found
    fetched: int
    held: int
    encoded: int
    left_out: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """Answers questions for two collections of one database. Safe for many threads, and beside any writers.

    Parameters
    ----------
    store : Store
        Of both. Where it cannot be written, what is encoded serves one question and is not kept.
    old, new : str
        The collections. The new one may lack any records; it is never given one that the old one does not have.
    encoder : Encoder
        Of the new one.
    fitted : Fitted
        From the new space to the old one.
    candidates : int, 1 <= candidates <= 10,000
        How many chunks the old index fetches.
    most_encoded : int, 0 <= most_encoded
        How many chunks are encoded for a question at most.
    budget_ms : float, optional
        No more are begun once so many milliseconds have passed.
    """

    store: Store
    old: str
    new: str
    encoder: Encoder
    fitted: Fitted
    candidates: int = CANDIDATES
    most_encoded: int = MOST_ENCODED
    budget_ms: float | None = None
    memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        whole_number(self.candidates, "candidates", low=1, high=MOST_CANDIDATES)
        whole_number(self.most_encoded, "most_encoded", low=0)

    def ask(self, queries: Sequence[str] | Vectors, question: Question) -> list[Crossed]:
        """Return the answer to each of several questions.

        Parameters
        ----------
        queries : list of str, or Vectors of shape (Q, D) in the new space
        question : Question
            In the mode ``dense`` or ``hybrid``, in which the old collection's words are fused with the new model's vectors; for
        vectors with their ``texts``. One answer for each query, and no pages.

        Raises
        ------
        SpaceMismatchError
            The vectors, the encoder, the map or a collection is of another space than it should be; also where a migration
            is cut over meanwhile. Ask the collection itself then.
        UnsupportedError
            Words alone are asked, several queries are one question, or pages are wanted.
        ShapeError
            Words are asked as well, and there is not one text for each vector.
        EncodeError
            The new model failed.

        Notes
        -----
        Cost beside both searches and the encoding: some ms, and 30 µs for each fetched record that was not fetched before.
        """
        if question.mode == "lexical" or question.together or question.paged:
            raise UnsupportedError(
                "A bridge answers by vectors, alone or with words, one query at a time and without pages.",
                expected="dense or hybrid",
                got=question.mode,
                where="mode",
            )
        texts = question.texts if isinstance(queries, Vectors) else tuple(texts_list(queries, "queries"))
        if question.mode == "hybrid" and len(texts) != len(queries):
            raise ShapeError(
                f"Words are asked as well: {len(queries)} queries need a text each, got {len(texts)}.",
                expected=len(queries),
                got=len(texts),
                where="queries",
            )
        vectors = queries if isinstance(queries, Vectors) else self.encoder.encode_queries(texts)
        with self.store.snapshot() as snapshot:
            old, new = snapshot.lane(self.old), snapshot.lane(self.new)
        new.space.require(self.encoder.space, what="the encoder of the bridge")
        crossed = self.fitted.cross(vectors, old.space)
        said = texts if question.mode == "hybrid" else [""] * len(vectors)
        return [
            self._one(vectors[query : query + 1], crossed[query : query + 1], text, question)
            for query, text in enumerate(said)
        ]

    def _one(self, vector: Vectors, crossed: Vectors, text: str, question: Question) -> Crossed:
        """Return the answer to one question."""
        fetched = self._fetch(crossed, text, question)
        budget = Budget(chunks=self.most_encoded, ms=self.budget_ms)
        ready = list(encoded(fetched.missing, encoder=self.encoder, chunker=_chunker(fetched.chunker), budget=budget))
        stored = 0
        if not self.store.read_only:
            with suppress(LockedError, ReadOnlyError, ReplicaError, NoSpaceLeftError):  # an answer needs no write
                stored = write(self.store, self.old, self.new, ready)
        with self.store.snapshot() as snapshot:
            old, new = snapshot.lane(self.old), snapshot.lane(self.new)
            answer = Answer(
                store=self.store,
                snapshot=snapshot,
                old=old,
                new=new,
                question=question,
                text=text,
                memory=self.memory,
            )
            answer.take(ready)
            told = answer.best(vector, fetched.found.ids, exhausted=fetched.found.exhausted)
            lacking = [one.record.id for one in fetched.missing]
            left_out = len(lacking) - len(snapshot.numbers(new, lacking)) - len(answer.loose)
        recall = 1.0 if told.complete else min(told.recall_estimate, fetched.found.recall_estimate)
        found = replace(told, work=told.work + fetched.found.work, recall_estimate=recall)
        return Crossed(
            found=found,
            fetched=len(fetched.found.ids),
            held=len(fetched.found.ids) - len(fetched.missing),
            encoded=len(ready),
            left_out=left_out,
            stored=stored,
        )

    def _fetch(self, crossed: Vectors, text: str, question: Question) -> Fetched:
        """Return the records of the chunks that are nearest to a question in the old space, and of those of its words."""
        with self.store.snapshot() as snapshot:
            old, new = snapshot.lane(self.old), snapshot.lane(self.new)
            found = candidates_of(
                self.store, snapshot, old, crossed, question, text=text, most=self.candidates, memory=self.memory
            )
            there = snapshot.numbers(new, found.ids)
            lacking = [one for one in found.ids if one not in there]
            records, entries = snapshot.chunks_of(old, lacking), snapshot.ledger(old, lacking)
        missing = tuple(Missing(record=records[one].record, entry=entries[one]) for one in lacking)
        return Fetched(found=found, missing=missing, chunker=new.chunker)


def cascade_of(store: Store, name: str, encoder: Encoder, *, most_encoded: int = MOST_ENCODED) -> Cascade | None:
    """Return the cascade of a collection that is being migrated: for it and the lane beside it, by the bridge kept for both.

    None where nothing stands beside it, no bridge is kept, or the encoder is not the one of the lane beside.

    Raises
    ------
    InputError, CorruptStoreError
        The bridge that is kept is damaged.
    """
    with store.snapshot() as snapshot:
        old = snapshot.lane(name)
        new = snapshot.twin(old)
        fitted = None if new is None else kept(snapshot, new, old)
    if new is None or fitted is None or encoder.space != new.space:
        return None
    return Cascade(store=store, old=old.name, new=new.name, encoder=encoder, fitted=fitted, most_encoded=most_encoded)


def _chunker(told: str) -> Chunker | None:
    return None if told == WHOLE else Chunker.from_id(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What the old index gave, those records of it that the new collection lacks, and what cuts these up."""

    found: Candidates
    missing: tuple[Missing, ...]
    chunker: str
