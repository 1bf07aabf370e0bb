"""A collection against a plain model: after every write, each side of the next search says what a page of Python says.

Letters: N rows, n rows with a token, tf times it is in the row, dl tokens of the row, avgdl their mean.
"""

from __future__ import annotations

import hashlib
import math
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

import vicinal
from vicinal.errors import AlreadyExistsError, RecordNotFoundError, UnknownNameError
from vicinal.index import FunnelIndex
from vicinal.lexical import LexicalIndex
from vicinal.lexical import index as lexical_index
from vicinal.lexical.engine import row_of
from vicinal.lexical.plain import K1, B, PlainRow, stored_length
from vicinal.lexical.query import Clause, Leaf, clauses_of
from vicinal.lexical.scoring import weights_of
from vicinal.lifecycle import derived
from vicinal.search.hybrid import CODE_WEIGHT, POOL, WEIGHTS
from vicinal.store import Snapshot
from vicinal.testing import ToyEncoder
from vicinal.types import Document, Hit, Hits

WORDS = [f"q{''.join('bcdfghjkmp'[int(digit)] for digit in f'{number:03d}')}x" for number in range(48)]
"""Of letters alone, none the beginning of another: no ending is taken off, and no language is guessed."""
CODES = [f"XJ-{4800 + number}" for number in range(8)]
MOST_RECORDS = 40
LONG_WORDS, SHORT_WORDS = 40, 12
WINDOW = 40
ALL = 500
TOLERANCES = {"dense": 2e-5, "lexical": 2e-4}
"""The last bits of float32 sums; BM25 in steps of 1e-4."""
MODES = ("dense", "lexical", "hybrid")
FILTERS: tuple[tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], bool]], ...] = (
    ({"kind": "a"}, lambda fields: fields.get("kind") == "a"),
    ({"n": {"$gte": 5}}, lambda fields: fields.get("n", -1) >= 5),
    ({"tags": {"$contains": "red"}}, lambda fields: "red" in fields.get("tags", [])),
    ({"late": {"$exists": True}}, lambda fields: "late" in fields),
    ({"$not": {"kind": "a"}}, lambda fields: fields.get("kind") != "a"),
    ({"kind": "b", "n": {"$in": [1, 2, 3]}}, lambda fields: fields.get("kind") == "b" and fields.get("n") in {1, 2, 3}),
)
Key = tuple[str, int]
"""A chunk: its record's id, and where it begins."""


class HashedEncoder(ToyEncoder):
    """The toy encoder with another vector for each text: the sum of a direction for each of its words."""

    @staticmethod
    def counts(text: str) -> np.ndarray:
        """Return the sum of the directions of the words, before it is brought to unit length."""
        total = np.full(8, 0.05)
        for word in text.split():
            total += _direction(word)
        return total.astype(np.float32)


@cache
def _direction(word: str) -> np.ndarray:
    """Return eight numbers that depend on a word alone."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).standard_normal(8)


@dataclass(frozen=True)
class Row:
    """A chunk as the model has it. ``number`` is another one each time that the chunk is written or moved."""

    number: int
    text: str
    tokens: PlainRow
    counted: Counter[str]
    vector: np.ndarray


@dataclass
class Kept:
    """A record as the model has it."""

    text: str
    fields: dict[str, Any]
    rows: dict[int, Row] = field(default_factory=dict)


class Frequencies:
    """How many rows have a token, as the weights of a question ask."""

    def __init__(self, rows: Mapping[int, Row]) -> None:
        self.rows = rows

    def frequency(self, _field: str, token: str) -> int:
        """Return n."""
        return sum(token in row.counted for row in self.rows.values())


class Model:
    """Records in a dictionary, and what each side must say of them.

    A keyword index counts rows that died since it was made. Which those are depends on when it was made anew, which is its
    own affair; so the model keeps each set of rows that it may count (``counted``), and drops those that an answer rules out.
    """

    def __init__(self, encoder: HashedEncoder) -> None:
        self.encoder = encoder
        self.records: dict[str, Kept] = {}
        self.counted: list[dict[int, Row]] = [{}]
        self.published: list[dict[int, Row]] = []
        self.numbers = iter(range(1 << 40))

    def put(self, record_id: str, text: str, fields: dict[str, Any], spans: Sequence[tuple[int, int]]) -> None:
        """Write a record in the place of the one of its id."""
        rows = {start: self.row(text[start:end]) for start, end in spans}
        self.records[record_id] = Kept(text, fields, rows)

    def row(self, text: str) -> Row:
        """Return a chunk with all that is asked of it."""
        tokens = row_of(text, "", "auto")
        vector = self.encoder.counts(text).astype(np.float64)
        return Row(next(self.numbers), text, tokens, Counter(tokens.body), vector / np.linalg.norm(vector))

    def living(self) -> dict[int, Row]:
        """Return all rows by number."""
        return {row.number: row for kept in self.records.values() for row in kept.rows.values()}

    def seen(self) -> None:
        """Count the rows that are new: a question has led the keyword index on to them."""
        living = self.living()
        for rows in self.counted:
            rows.update(living)

    def compacted(self, moved: int) -> None:
        """Rows may have moved, and then they are new ones; the keyword index may have been made of the living, and published."""
        if moved:
            for kept in self.records.values():
                kept.rows = {start: self.row(row.text) for start, row in kept.rows.items()}
        living = self.living()
        self.counted = [rows | living for rows in self.counted] + [dict(living)]
        self.published = [*self.published[-3:], dict(living)]

    def reopened(self) -> None:
        """A new opening makes the keyword index of what lives, or goes on from one that was published."""
        living = self.living()
        self.counted = [dict(living), *(rows | living for rows in self.published)]

    def let_through(self, lets: Callable[[Mapping[str, Any]], bool]) -> dict[Key, Row]:
        """Return the chunks of the records that a filter lets through."""
        return {
            (one, start): row
            for one, kept in self.records.items()
            if lets(kept.fields)
            for start, row in kept.rows.items()
        }

    def dense(self, chunks: Mapping[Key, Row], query: str) -> dict[Key, float]:
        """Return cosines."""
        asked = self.encoder.counts(query).astype(np.float64)
        asked /= np.linalg.norm(asked)
        return {key: float(row.vector @ asked) for key, row in chunks.items()}

    def lexical(self, counted: Mapping[int, Row], chunks: Mapping[Key, Row], query: str) -> dict[Key, float]:
        """Return BM25 of the chunks that have a word of the question, the statistics over the rows that are counted."""
        clauses = clauses_of(query, tuple({row.tokens.language for row in counted.values()}) or ("en",))
        scores: dict[Key, float] = {}
        for leaf, weight in _weights(counted, clauses).items():
            found = {number: tf for number, row in counted.items() if (tf := _count(leaf, row))}
            total = len(counted)
            idf = sum(_idf(total, sum(token in row.counted for row in counted.values())) for token in leaf.tokens)
            mean = sum(len(row.tokens.body) for row in counted.values()) / total
            for key, row in chunks.items():
                if tf := found.get(row.number):
                    length = stored_length(len(row.tokens.body))
                    part = weight * idf * (K1 + 1) * tf / (tf + K1 * (1 - B + B * length / mean))
                    scores[key] = scores.get(key, 0.0) + part
        return scores

    def hybrid(self, query: str, cosines: Mapping[Key, float], worded: Mapping[Key, float]) -> dict[Key, float]:
        """Return the weighted mean of cosine and share of the best BM25."""
        best, weight = max(worded.values(), default=1.0), _weight(query)
        return {key: weight * cosine + (1 - weight) * worded.get(key, 0.0) / best for key, cosine in cosines.items()}


def _weights(counted: Mapping[int, Row], clauses: Sequence[Clause]) -> dict[Leaf, float]:
    return weights_of(Frequencies(counted), clauses, 0.0)[0]


def _count(leaf: Leaf, row: Row) -> int:
    """Return how often a row has a token, or tokens one behind the other."""
    if any(token not in row.counted for token in leaf.tokens):
        return 0
    if len(leaf.tokens) == 1:
        return row.counted[leaf.tokens[0]]
    body, size = row.tokens.body, len(leaf.tokens)
    return sum(body[place : place + size] == leaf.tokens for place in range(len(body) - size + 1))


def _idf(rows: int, count: int) -> float:
    return math.log(1 + (rows - count + 0.5) / (count + 0.5))


class World:
    """A collection and its model, changed alike and compared after every step."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.encoder = HashedEncoder(max_tokens=WINDOW)
        self.model = Model(HashedEncoder(max_tokens=WINDOW))
        self.done: Counter[str] = Counter()
        self.compared = 0
        self.open()

    def open(self) -> None:
        """Open the database."""
        self.db = vicinal.open(self.folder)
        self.notes = self.db.collection("notes", model=self.encoder)

    def step(self) -> None:
        """Write once, and ask in every mode, with a filter and without."""
        name = self.chance.choices(
            ("add", "upsert", "delete", "delete_where", "update", "refused", "compact", "reopen"),
            (18, 26, 20, 3, 22, 5, 3, 3),
        )[0]
        self.done[name] += 1
        getattr(self, name)()
        assert list(self.notes.ids()) == sorted(self.model.records)
        self.model.seen()
        self.ask()

    def record(self, record_id: str) -> dict[str, Any]:
        """Return a random record."""
        count = self.chance.randint(1, self.chance.choice((SHORT_WORDS, SHORT_WORDS, LONG_WORDS)))
        text = " ".join(self.chance.choices(WORDS + CODES, k=count))
        return {"id": record_id, "text": text, **self.fields()}

    def fields(self) -> dict[str, Any]:
        """Return random fields, each of them sometimes."""
        every = {
            "kind": self.chance.choice("ab"),
            "n": self.chance.randrange(10),
            "tags": self.chance.sample(["red", "green", "blue"], self.chance.randrange(4)),
        }
        return {name: value for name, value in every.items() if self.chance.random() < 0.8}

    def keep(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records into the model, cut up as the collection cuts."""
        for one in records:
            chunks = self.notes.chunker.split_all([Document(id=one["id"], text=one["text"])], self.encoder.token_spans)[
                0
            ]
            fields = {name: value for name, value in one.items() if name not in {"id", "text"}}
            self.model.put(one["id"], one["text"], fields, [(chunk.start, chunk.end) for chunk in chunks])

    def some(self, most: int = 4) -> list[str]:
        """Return some ids that are stored."""
        stored = sorted(self.model.records)
        return self.chance.sample(stored, min(len(stored), self.chance.randint(1, most)))

    def add(self) -> None:
        """New records, where there is room."""
        free = [one for one in (f"r{number}" for number in range(MOST_RECORDS)) if one not in self.model.records]
        records = [self.record(one) for one in self.chance.sample(free, min(len(free), self.chance.randint(1, 3)))]
        assert self.notes.add(records) == len(records)
        self.keep(records)

    def upsert(self) -> None:
        """Records in place of others."""
        records = [self.record(one) for one in {*self.some(3), f"r{self.chance.randrange(MOST_RECORDS)}"}]
        self.notes.upsert(records)
        self.keep(records)

    def delete(self) -> None:
        """Some that are there, and one that is not."""
        ids = self.some()
        assert self.notes.delete([*ids, "nobody"]) == len(ids)
        for one in ids:
            del self.model.records[one]

    def delete_where(self) -> None:
        """All that a filter lets through."""
        where, lets = self.chance.choice(FILTERS)
        gone = [one for one, kept in self.model.records.items() if lets(kept.fields)]
        if not self.model.records or not self.is_known(where):  # of an emptied collection no field is known
            return
        assert self.notes.delete(where=where) == len(gone)
        for one in gone:
            del self.model.records[one]

    def is_known(self, where: Mapping[str, Any]) -> bool:
        """Return whether a filter is taken; one that is not names a field that no living record has."""
        try:
            self.notes.search(WORDS[0], where=where)
        except UnknownNameError as error:
            assert not any(error.got in kept.fields for kept in self.model.records.values())
            return False
        return True

    def update(self) -> None:
        """Other fields for some, beside those that they have or in place of them."""
        replace = self.chance.random() < 0.3
        changes = {one: {**self.fields(), **({"late": 1} if self.chance.random() < 0.5 else {})} for one in self.some()}
        self.notes.update(changes, replace=replace)
        for one, fields in changes.items():
            kept = self.model.records[one]
            kept.fields = {**({} if replace else kept.fields), **fields}

    def refused(self) -> None:
        """What is refused changes nothing."""
        if self.model.records:
            with pytest.raises(AlreadyExistsError):
                self.notes.add([self.record("new"), self.record(self.some()[0])])
        with pytest.raises(RecordNotFoundError):
            self.notes.update({**{one: {"late": 2} for one in self.some()}, "nobody": {"late": 2}})

    def compact(self) -> None:
        """Rows move, and indexes are made anew."""
        self.model.compacted(self.notes.compact().moved_rows)

    def reopen(self) -> None:
        """The next opening knows what was written, and makes or opens its indexes."""
        self.db.close()
        self.open()
        self.model.reopened()

    def ask(self) -> None:
        """Compare the answers of each mode, with a filter and without: all of them, or the best few."""
        query = " ".join(self.chance.choices(WORDS + CODES, k=self.chance.randint(1, 3)))
        for where, lets in ((None, lambda _: True), self.chance.choice(FILTERS)):
            if where is not None and not self.is_known(where):
                continue
            chunks = self.model.let_through(lets)
            assert len(chunks) < POOL  # else a fused list would lack what stands behind the hundredth place
            cosines = self.model.dense(chunks, query)
            k = self.chance.choice((1, 3, 10, ALL, ALL, ALL))
            hits = {mode: self.notes.search(query, mode=mode, where=where, k=k) for mode in MODES}
            fault = _fault(hits["dense"], k, "dense", cosines)
            assert not fault, f"{query!r} {where}: {fault}"
            fitting = []
            for counted in self.model.counted:
                worded = self.model.lexical(counted, chunks, query)
                both = self.model.hybrid(query, cosines, worded)
                off = _fused_tolerance(query, worded)
                fault = _fault(hits["lexical"], k, "lexical", worded) or _fault(hits["hybrid"], k, "hybrid", both, off)
                if not fault:
                    fitting.append(counted)
            assert fitting, f"{query!r} {where}: {fault}"
            self.model.counted = fitting
            for one in hits.values():
                self.compared += 1
                self.require_now(one)
        if self.chance.random() < 0.1:
            self.together()

    def require_now(self, hits: Hits) -> None:
        """Require that each hit has the text and the fields of its record as it is now."""
        for hit in hits:
            kept = self.model.records[hit.id]
            assert hit.text == kept.text[hit.start : hit.end] == kept.rows[hit.start].text
            assert dict(hit.fields) == kept.fields

    def together(self) -> None:
        """Several questions at once have the answers of each alone."""
        queries = self.chance.choices(WORDS, k=3)
        for mode in MODES:
            alone = [self.notes.search(one, mode=mode) for one in queries]
            for one, other in zip(alone, self.notes.search_many(queries, mode=mode), strict=True):
                assert [(hit.id, hit.start) for hit in one] == [(hit.id, hit.start) for hit in other]


def _weight(query: str) -> float:
    """Return how much meaning counts: a code has digits, and of the words here none has."""
    return CODE_WEIGHT if any(map(str.isdigit, query)) else WEIGHTS["convex"]


def _fused_tolerance(query: str, worded: Mapping[Key, float]) -> float:
    """Return what a fused score may be off: a share s / b of BM25 is off by at most (1 + s / b) δ / b ≤ 2 δ / b."""
    best = max(worded.values(), default=1.0)
    return (1 - _weight(query)) * 2 * TOLERANCES["lexical"] / best + _weight(query) * TOLERANCES["dense"]


def _fault(found: Hits, k: int, mode: str, expected: Mapping[Key, float], tolerance: float | None = None) -> str:
    """Return what is wrong with the answer of a mode; nothing if it is that of the model."""
    tolerance = TOLERANCES[mode] if tolerance is None else tolerance
    best, keys = sorted(expected.values(), reverse=True), [_key(hit) for hit in found]
    unknown = sorted(set(keys) - set(expected))
    if unknown:
        return f"{mode}, k={k}: {unknown} must not be found"
    if len(set(keys)) != len(keys) or len(keys) != min(k, len(expected)):
        return f"{mode}, k={k}: {len(set(keys))} chunks in {len(keys)} hits, and there are {len(expected)}"
    far = max((abs(hit.score - expected[_key(hit)]) for hit in found), default=0.0)
    if far > tolerance:
        return f"{mode}, k={k}: a score is {far:.1e} away"
    if keys and min(expected[key] for key in keys) < best[len(keys) - 1] - tolerance:
        return f"{mode}, k={k}: a better chunk is missing"
    order = [(-hit.score, *_key(hit)) for hit in found]
    return "" if order == sorted(order) else f"{mode}, k={k}: the order is not by score, then id, then place"


def _key(hit: Hit) -> Key:
    return hit.id, hit.start


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave upkeep to the steps, and let it build and publish the keyword index of few rows as that of many."""
    monkeypatch.setenv("VICINAL_MAINTENANCE", "0")
    monkeypatch.setattr(lexical_index, "SMALL_ROWS", 30)
    monkeypatch.setattr(derived, "WORDS_WAITING", 20)


def run(folder: Path, seed: int, steps: int) -> World:
    """Take some random steps from a seed, each of them compared."""
    world = World(folder, seed)
    try:
        for step in range(steps):
            try:
                world.step()
            except AssertionError as error:
                error.add_note(f"seed {seed}, step {step}")
                raise
    finally:
        world.db.close()
    return world


@pytest.mark.usefixtures("_quick")
def test_both_sides_say_what_a_plain_model_says(tmp_path: Path) -> None:
    """After each of some random writes every mode finds all that lives and nothing else, scores and order by formula."""
    world = run(tmp_path / "db", 1, 100)
    assert len(world.done) == 8


def _unmasked(right: Callable[..., Any]) -> Callable[..., Any]:
    """Return a search that looks at the dead as well."""

    def search(*given: Any, mask: Any = None, **named: Any) -> Any:
        return right(*given, **named)

    return search


FAULTS: Mapping[str, tuple[type | ModuleType, str, Callable[..., Any]]] = {
    "the dead are found by words": (LexicalIndex, "search", _unmasked),
    "the dead are found by vectors": (FunnelIndex, "search", _unmasked),
    "what is new has no words": (derived, "texts_of", lambda right: lambda *a: iter(list(right(*a))[1:])),
    "old fields are filtered": (Snapshot, "relabelled_since", lambda right: lambda *a: iter(())),
}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_side_that_lags_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """The comparison is no rubber stamp: a side that forgets what was deleted, added or changed differs within a few steps."""
    where, name, wrong = FAULTS[fault]
    monkeypatch.setattr(where, name, wrong(getattr(where, name)))
    with pytest.raises((AssertionError, LookupError)):
        run(tmp_path / "db", 1, 100)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
@pytest.mark.skipif("LONG_STEPS" not in os.environ, reason="LONG_STEPS says how many; 2500 take a minute each")
@pytest.mark.parametrize("seed", range(2, 6))
def test_both_sides_after_many_writes(tmp_path: Path, seed: int) -> None:
    """The same for thousands of writes in four histories: of every kind hundreds, with compactions and reopenings."""
    steps = int(os.environ["LONG_STEPS"])
    world = run(tmp_path / "db", seed, steps)
    assert min(world.done.values()) > 40 * steps // 2500
    assert len(world.done) == 8
