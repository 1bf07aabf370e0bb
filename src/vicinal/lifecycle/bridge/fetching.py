"""Which records the old index gives for a carried question, and what is remembered of them from question to question.

What a row or a record's number stands for never changes: neither is ever given twice. So the id behind a row, and the digest
of the text behind a number, are read once; that takes a hot question from 22 ms to 6 over 5,000 abstracts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vicinal.lifecycle.asking import asking
from vicinal.lifecycle.question import Question
from vicinal.search.hybrid import pool_of
from vicinal.space import Vectors
from vicinal.store import Lane, Snapshot, Store

MOST_KEPT = 1_000_000
"""Rows and records that are remembered each, some 150 MB; beyond, all are forgotten and read again."""


class Entry(NamedTuple):
    """A stored record: the digest of its text, the first of its rows, and how many there are."""

    text_digest: str
    first_row: int
    rows: int


class Memory:
    """What was read of rows and records. Safe for many threads: the same is written by whoever comes."""

    def __init__(self) -> None:
        self._ids: dict[tuple[int, int], str] = {}
        self._entries: dict[int, Entry] = {}

    def ids(self, snapshot: Snapshot, lane: Lane, rows: Sequence[int]) -> list[str]:
        """Return the ids of the records that living rows belong to."""
        known = self._ids
        lacking = [row for row in rows if (lane.number, row) not in known]
        if lacking:
            if len(known) > MOST_KEPT:
                known = self._ids = {}
                lacking = list(rows)
            found = snapshot.chunks_at(lane, lacking)
            known.update({(lane.number, row): chunk.record.id for row, chunk in found.items()})
        return [known[lane.number, row] for row in rows]

    def entries(self, snapshot: Snapshot, lane: Lane, ids: Sequence[str]) -> dict[str, Entry]:
        """Return what is stored under some ids, by id; those that are not stored are left out."""
        known = self._entries
        numbers = snapshot.numbers(lane, ids)
        lacking = [name for name, number in numbers.items() if number not in known]
        if lacking:
            if len(known) > MOST_KEPT:
                known = self._entries = {}
                lacking = list(numbers)
            told, stored = snapshot.ledger(lane, lacking), snapshot.chunks_of(lane, lacking)
            known.update(
                {
                    one.number: Entry(told[name].text_digest, one.first_row, len(one.rows))
                    for name, one in stored.items()
                }
            )
        return {name: known[number] for name, number in numbers.items()}


class Candidates(NamedTuple):
    """Ids of the records whose chunks are nearest, the best first; ``exhausted`` where the filter lets no others through."""

    ids: tuple[str, ...]
    work: int
    recall_estimate: float
    exhausted: bool


def candidates_of(
    store: Store,
    snapshot: Snapshot,
    lane: Lane,
    crossed: Vectors,
    question: Question,
    *,
    text: str = "",
    most: int,
    memory: Memory,
) -> Candidates:
    """Return the records of the ``most`` chunks that are nearest to a question in the old space.

    Where words are asked as well, those of the best chunks by words stand between them, in turn.
    """
    if not lane.rows:
        return Candidates((), 0, 1.0, exhausted=True)
    asked = asking(store, snapshot, lane, question)
    assert asked.index is not None  # noqa: S101 - our own invariant: a question of vectors has one
    found = asked.index.search(crossed, k=most, mask=asked.mask, recall=question.recall)
    rows = found.rows[0, : int(found.counts[0])].tolist()
    places = pool_of(question.fusion, question.k)
    worded = [] if asked.words is None else asked.words.search(text, k=places, mask=asked.mask).rows.tolist()
    in_turn = [row for pair in itertools.zip_longest(rows, worded) for row in pair if row is not None]
    return Candidates(
        ids=tuple(dict.fromkeys(memory.ids(snapshot, lane, in_turn))),
        work=0 if found.work is None else int(found.work[0]),
        recall_estimate=found.recall_estimate,
        exhausted=len(rows) < most,
    )


def holds(bits: np.ndarray, row: int) -> bool:
    """Return whether a bitmap has a row."""
    return row // 64 < len(bits) and bool(int(bits[row // 64]) >> (row % 64) & 1)
