"""Small worlds for the checks of stores: records that tell who they are, awkward ids, and all that a store says of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import VicinalError
from vicinal.space import Space, Vectors
from vicinal.testing.demand import require
from vicinal.testing.store.protocol import OpenStore, StoreReads, StoreWrites, WritableStore
from vicinal.types import Fields, FieldValue, Floats

DIM = 12
"""No multiple of 8."""
NAME = "main"
MODEL = "a model"
CHUNKER = "a chunker"
SPACE = Space(
    weights="world",
    architecture="world",
    tokenizer="world",
    pooling="mean",
    max_tokens=8,
    overflow="chunk",
    full_dim=DIM,
    dim=DIM,
    normalized=False,
)
OTHER_SPACE = replace(SPACE, pooling="first")
"""Of the same dimension, and comparable with nothing of the other."""
AWKWARD = (
    "a",
    "A",
    "ä",
    "a\u0308",
    "ß",
    "ss",
    "a b",
    " a",
    "a ",
    "a\0b",
    "a'b\"c",
    "%_*?[",
    "a/b/../c",
    "../../etc",
    "-",
    "None",
    "0",
    "00",
    "é\n",
    "\u202eb",
    "\ufeff",
    "\uffff",
    "\U0001f642",
    "京都",
    "z" * 4096,
)
"""Strings that are all different, though databases, file systems and SQL have taken some of them for one another."""
FIELDS: Mapping[str, FieldValue] = {
    "true": True,
    "one": 1,
    "float": 1.0,
    "tiny": 5e-324,
    "minus": -0.0,
    "most": 2**63 - 1,
    "least": -(2**63) + 1,
    "third": 1 / 3,
    "text": 'quote " backslash \\ NUL \0 京都 \U0001f642',
    "empty": "",
    "none": None,
    "list": ["b", "a", "b"],
    "numbers": [3, 1, 2],
    "floats": [0.1, 1.0],
    "nothing": [],
    "a.b": "a dot",
    "é": "accent",
    "Text": "another case",
}
"""Values of every kind, those among them that are equal and not the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRecord:
    """A record as a store takes it: its spans stand in the order of its vectors."""

    id: str
    text: str
    source: str = ""
    fields: Fields = field(default_factory=dict)
    spans: tuple[tuple[int, int], ...]
    chunker: str = CHUNKER
    origin: str = ""
    text_digest: str
    fields_digest: str
    cut_chunks: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """All that a store says of one record: itself, its fields to the letter, its vectors to the bit, its ledger entry."""

    text: str
    source: str
    fields: str
    spans: tuple[tuple[int, int], ...]
    vectors: bytes
    ledger: tuple[str, str, str, str, str, int]


Contents = dict[str, Kept]


@contextmanager
def new_place() -> Iterator[Path]:
    """Lend a place where there is no store."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "store"


@contextmanager
def opened(open_store: OpenStore, place: Path, **how: bool) -> Iterator[WritableStore]:
    """Lend the store of a place, and close it."""
    store = open_store(place, **how)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def new_store(open_store: OpenStore) -> Iterator[WritableStore]:
    """Lend a new store with the collection ``NAME``, and close it."""
    with new_place() as place, opened(open_store, place) as store:
        create(store)
        yield store


def create(store: WritableStore, name: str = NAME, space: Space = SPACE) -> None:
    """Make a collection."""
    with store.write() as writes:
        writes.create_collection(name, model=MODEL, space=space, chunker=CHUNKER)


def given(record_id: str, *, version: int = 0, chunks: int = 2, **changes: Any) -> GivenRecord:  # noqa: ANN401 - any field of the record
    """Return a record whose text says which it is."""
    text = f"record {record_id} in version {version}"
    made = GivenRecord(
        id=record_id,
        text=text,
        source=f"{record_id}.txt",
        fields={"version": version},
        spans=tuple((place, place + 5) for place in range(chunks)),
        text_digest=f"text {version}",
        fields_digest=f"fields {version}",
    )
    return replace(made, **changes)


def some(count: int, *, version: int = 0, chunks: int = 2) -> list[GivenRecord]:
    """Return records r0, r1, … of as many chunks each."""
    return [given(f"r{number}", version=version, chunks=chunks) for number in range(count)]


def drawn(count: int, seed: int = 0, space: Space = SPACE) -> Vectors:
    """Return random vectors of any length: float32 (count, D)."""
    return Vectors(np.random.default_rng((3, seed)).standard_normal((count, space.dim)).astype(np.float32), space)


def vectors_of(records: Sequence[GivenRecord], seed: int = 0, space: Space = SPACE) -> Vectors:
    """Return random vectors, one for each chunk."""
    return drawn(sum(len(one.spans) for one in records), seed, space)


def put(
    store: WritableStore,
    records: Sequence[GivenRecord],
    seed: int = 0,
    *,
    name: str = NAME,
    space: Space = SPACE,
) -> Contents:
    """Write records in one commit, in place of those of the same ids; return what must be read of them."""
    vectors = vectors_of(records, seed, space)
    with store.write() as writes:
        writes.put(writes.lane(name), records, vectors, replace_existing=True)
    return kept_of(records, vectors)


def kept_of(records: Sequence[GivenRecord], vectors: Vectors) -> Contents:
    """Return what must be read of records that were written with some vectors."""
    found, first, array = Contents(), 0, np.asarray(vectors)
    for one in records:
        end = first + len(one.spans)
        found[one.id] = Kept(
            text=one.text,
            source=one.source,
            fields=spelt(one.fields),
            spans=one.spans,
            vectors=array[first:end].tobytes(),
            ledger=(one.origin, one.text_digest, one.fields_digest, one.chunker, vectors.space.id, one.cut_chunks),
        )
        first = end
    return found


def contents(store: WritableStore, name: str = NAME) -> Contents:
    """Return all that a store says of the records of a collection as of now."""
    with store.snapshot() as reads:
        return read(reads, name)


def read(reads: StoreReads, name: str = NAME) -> Contents:
    """Return all that one commit says of the records of a collection."""
    lane = reads.lane(name)
    ids = list(reads.ids(lane))
    places, entries = reads.chunks_of(lane, ids), reads.ledger(lane, ids)
    require(set(places) == set(entries) == set(ids), "ids, records and ledger must name the same records")
    rows = [list(places[one].rows) for one in ids]
    vectors = reads.vectors_at(lane, np.array([row for part in rows for row in part], dtype=np.int64))
    require(vectors.shape == (sum(map(len, rows)), lane.space.dim), "a record must have one vector for each chunk")
    require(vectors.dtype == np.float32, f"vectors must be float32, got {vectors.dtype}")
    found, first = Contents(), 0
    for record_id, part in zip(ids, rows, strict=True):
        found[record_id] = _kept(places[record_id].record, entries[record_id], vectors[first : first + len(part)])
        first += len(part)
    return found


def _kept(record: Any, entry: Any, vectors: Floats) -> Kept:  # noqa: ANN401 - what the store gives
    """Return what was read of one record."""
    return Kept(
        text=record.text,
        source=record.source,
        fields=spelt(record.fields),
        spans=record.spans,
        vectors=vectors.tobytes(),
        ledger=(
            entry.origin,
            entry.text_digest,
            entry.fields_digest,
            entry.chunker,
            entry.space,
            entry.cut_chunks,
        ),
    )


def spelt(fields: Fields) -> str:
    """Return fields so that values that are equal and not the same (1, 1.0, True) are told apart."""
    return repr(sorted(dict(fields).items()))


def require_contents(store: WritableStore, expected: Contents, when: str, name: str = NAME) -> None:
    """Require that a collection holds exactly some records."""
    found = contents(store, name)
    missing, more = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    require(not missing, f"{when}: {len(missing)} records must be there and are not, {missing[:1]} first")
    require(not more, f"{when}: {len(more)} records must not be there, {more[:1]} first")
    for record_id, kept in expected.items():
        for part in Kept.__slots__:
            same = getattr(found[record_id], part) == getattr(kept, part)
            require(same, f"{when}: the {part} of record {record_id[:40]!r} must be as they were given")


def require_refused(
    call: Callable[[], object], error: type[VicinalError] | tuple[type[VicinalError], ...], what: str
) -> VicinalError:
    """Require that a call raises an error, and return it."""
    try:
        call()
    except error as raised:
        return raised
    kinds = error if isinstance(error, tuple) else (error,)
    require(holds=False, message=f"{what} must be refused with {' or '.join(one.__name__ for one in kinds)}")
    raise AssertionError


class Undone(Exception):  # noqa: N818 - it is no error of a store's: the check raises it inside of a write
    """What a check raises to make a write fail."""


def failing(store: WritableStore, change: Callable[[StoreWrites], object]) -> None:
    """Change something in a write that then fails."""
    try:
        with store.write() as writes:
            change(writes)
            raise Undone  # noqa: TRY301 - inside of the block, as a program would
    except Undone:
        return
    require(holds=False, message="an error inside of a write must leave it")
