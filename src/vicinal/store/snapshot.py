"""A view of the database as of one commit: everything that reads, and nothing that writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import CollectionNotFoundError, CorruptStoreError, InputError, corrupt
from vicinal.space import Space
from vicinal.store.format import SQLITE_NAME, VecHeader, row_crc
from vicinal.store.schema import version_of
from vicinal.store.segment import Segment
from vicinal.types import Floats, Mask, Record, Rows

AT_ONCE = 900
"""Ids or rows asked for in one statement, below every SQLite's limit on variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One collection in one space, cut up by one chunker."""

    number: int
    collection: int
    name: str
    model: str
    space: Space
    chunker: str
    next_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """What an index needs of a lane: mapped rows by part, and which rows are alive, as of ``sequence``.

    ``parts`` pairs the number of the first row with a float32 array (n, D); ``alive`` is bool (next_row,).
    """

    sequence: int
    parts: tuple[tuple[int, Floats], ...]
    alive: Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What was made of one record, and of what: the answer to "is it stale?"."""

    id: str
    origin: str
    text_digest: str
    fields_digest: str
    chunker: str
    space: str
    cut_chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRow:
    """A chunk as stored: its row, its record's number and its span."""

    row: int
    record: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe text of a space: its role, and the float32 vector (D,) that the encoder of the space gave it.

    ``runtime`` says what ran the network then.
    """

    role: str
    text: str
    runtime: str
    vector: Floats


class Snapshot:
    """Reads of one commit. Made by ``Store.snapshot``; not for keeping."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._path = folder / SQLITE_NAME
        self.database, self.sequence = self._manifest()

    def _manifest(self) -> tuple[bytes, int]:
        row = self._connection.execute("SELECT database, sequence, crc FROM manifest").fetchone()
        if row is None or not isinstance(row[0], bytes) or row_crc(row[0].hex(), row[1]) != row[2]:
            raise self._damaged("the manifest does not match its checksum")
        return bytes(row[0]), int(row[1])

    def _damaged(self, what: str) -> CorruptStoreError:
        return corrupt(self._path, what)

    def _checked(self, rows: Iterable[tuple[Any, ...]], table: str) -> Iterator[tuple[Any, ...]]:
        """Give the rows without their checksums, each compared with it."""
        for *values, crc in rows:
            if row_crc(*values) != crc:
                raise self._damaged(f"a row of {table} does not match its checksum")
            yield tuple(values)

    def collection_names(self) -> list[str]:
        """Return the names of all collections, sorted."""
        return [name for (name,) in self._connection.execute("SELECT name FROM collections ORDER BY name")]

    def lane(self, name: str) -> Lane:
        """Return the lane that answers for a collection.

        Raises
        ------
        CollectionNotFoundError
            There is none of that name; the message lists those that are.
        """
        found = self._connection.execute("SELECT number, name, model, crc FROM collections WHERE name = ?", (name,))
        collections = list(self._checked(found, "collections"))
        if not collections:
            known = ", ".join(self.collection_names()) or "none yet"
            raise CollectionNotFoundError(
                f"{self._folder} has no collection {name!r}. It has: {known}.", got=name, where=str(self._folder)
            )
        number, _, model = collections[0]
        found = self._connection.execute(
            "SELECT number, collection, space, chunker, next_row, crc FROM lanes WHERE collection = ?", (number,)
        )
        lanes = list(self._checked(found, "lanes"))
        if not lanes:
            raise self._damaged(f"collection {name!r} has no lane")
        lane, _, space, chunker, next_row = lanes[0]
        return Lane(
            number=lane,
            collection=number,
            name=name,
            model=model,
            space=self._space(space),
            chunker=chunker,
            next_row=next_row,
        )

    def canary(self, space: Space) -> tuple[Probe, ...]:
        """Return the probe texts of a space with their vectors; none if none were stored."""
        if version_of(self._connection) == 1:
            return ()
        found = self._connection.execute(
            "SELECT space, place, role, text, runtime, hex(vector), crc FROM canaries WHERE space = ? ORDER BY place",
            (space.id,),
        )
        probes = []
        for _, _, role, text, runtime, vector in self._checked(found, "canaries"):
            array = np.frombuffer(bytes.fromhex(vector), dtype="<f4")
            if len(array) != space.dim:
                raise self._damaged("a row of canaries has a vector of another dimension")
            probes.append(Probe(role=role, text=text, runtime=runtime, vector=array))
        return tuple(probes)

    def projection(self, digest: str) -> bytes:
        """Return the content of a projection that a space names."""
        found = self._connection.execute(
            "SELECT digest, hex(content), crc FROM projections WHERE digest = ?", (digest,)
        )
        rows = list(self._checked(found, "projections"))
        if not rows:
            raise self._damaged(f"the projection {digest[:16]} is missing")
        return bytes.fromhex(rows[0][1])

    def _space(self, space_id: str) -> Space:
        found = self._connection.execute("SELECT id, canonical, crc FROM spaces WHERE id = ?", (space_id,))
        rows = list(self._checked(found, "spaces"))
        if not rows:
            raise self._damaged(f"space {space_id} is missing")
        try:
            space = Space.from_canonical(rows[0][1])
        except InputError as error:
            raise self._damaged(f"space {space_id} cannot be read") from error
        if space.id != space_id:
            raise self._damaged(f"space {space_id} does not match its digest")
        return space

    def segments(self, lane: Lane) -> list[Segment]:
        """Return the vector files of a lane in the order of their rows."""
        found = self._connection.execute(
            "SELECT number, lane, first_row, row_count, crc FROM segments WHERE lane = ? ORDER BY first_row",
            (lane.number,),
        )
        return [
            Segment(
                path=self._folder / "vectors" / lane.space.id / f"{number}.vec",
                header=VecHeader(dim=lane.space.dim, number=number, space=lane.space.id, database=self.database),
                first_row=first_row,
                row_count=row_count,
            )
            for number, _, first_row, row_count in self._checked(found, "segments")
        ]

    def blocks(self, segment: Segment) -> dict[int, tuple[int, int]]:
        """Return block number → (rows, CRC-32) of a vector file."""
        found = self._connection.execute(
            "SELECT segment, block, row_count, data_crc, crc FROM blocks WHERE segment = ?", (segment.header.number,)
        )
        return {block: (count, crc) for _, block, count, crc in self._checked(found, "blocks")}

    def alive(self, lane: Lane) -> Mask:
        """Return which rows of a lane hold a living chunk: bool (next_row,)."""
        mask = np.ones(lane.next_row, dtype=np.bool_)
        found = self._connection.execute("SELECT lane, row, crc FROM tombstones WHERE lane = ?", (lane.number,))
        dead = [row for _, row in self._checked(found, "tombstones")]
        if dead and not 0 <= min(dead) <= max(dead) < lane.next_row:
            raise self._damaged("a tombstone stands outside of its lane")
        mask[dead] = False
        return mask

    def counts(self, lane: Lane) -> dict[str, int]:
        """Return how many records, chunks, cut chunks and dead rows a lane has."""
        ask = self._connection.execute
        records, cut = ask(
            "SELECT count(*), coalesce(sum(cut_chunks), 0) FROM ledger WHERE lane = ?", (lane.number,)
        ).fetchone()
        cut_records = ask("SELECT count(*) FROM ledger WHERE lane = ? AND cut_chunks > 0", (lane.number,)).fetchone()[0]
        dead = ask("SELECT count(*) FROM tombstones WHERE lane = ?", (lane.number,)).fetchone()[0]
        return {
            "records": records,
            "chunks": lane.next_row - dead,
            "cut_records": cut_records,
            "cut_chunks": cut,
            "dead_rows": dead,
        }

    def chunks_at(self, lane: Lane, rows: Sequence[int]) -> dict[int, ChunkRow]:
        """Return the chunks at rows, by row."""
        found: dict[int, ChunkRow] = {}
        for part in portions(rows):
            sql = f'SELECT lane, row, record, start, "end", crc FROM chunks WHERE lane = ? AND row IN ({marks(part)})'  # noqa: S608 - only question marks
            for _, row, record, start, end in self._checked(
                self._connection.execute(sql, (lane.number, *part)), "chunks"
            ):
                found[row] = ChunkRow(row=row, record=record, start=start, end=end)
        return found

    def chunks_of(self, lane: Lane, ids: Sequence[str]) -> dict[str, tuple[Record, list[ChunkRow]]]:
        """Return records by id, each with its chunks in the order of their rows."""
        found: dict[str, tuple[Record, list[ChunkRow]]] = {}
        for part in portions(ids):
            sql = f"SELECT number FROM records WHERE collection = ? AND id IN ({marks(part)})"  # noqa: S608 - only question marks
            numbers = [number for (number,) in self._connection.execute(sql, (lane.collection, *part))]
            records = self.records_at(numbers)
            found.update({record.id: (record, []) for record in records.values()})
            sql = f'SELECT lane, row, record, start, "end", crc FROM chunks WHERE record IN ({marks(numbers)}) AND lane = ? ORDER BY row'  # noqa: S608 - as above
            for _, row, number, start, end in self._checked(
                self._connection.execute(sql, (*numbers, lane.number)), "chunks"
            ):
                found[records[number].id][1].append(ChunkRow(row=row, record=number, start=start, end=end))
        return found

    def records_at(self, numbers: Sequence[int]) -> dict[int, Record]:
        """Return records by number, without their spans."""
        found: dict[int, Record] = {}
        for part in portions(numbers):
            sql = f"SELECT number, {RECORD_COLUMNS} FROM records WHERE number IN ({marks(part)})"  # noqa: S608 - only question marks
            for number, *values in self._connection.execute(sql, part):
                found[number] = self._record(values, ())
        return found

    def record(self, lane: Lane, record_id: str) -> Record | None:
        """Return the record of an id with its spans, or None."""
        sql = f"SELECT number, {RECORD_COLUMNS} FROM records WHERE collection = ? AND id = ?"  # noqa: S608 - a constant
        row = self._connection.execute(sql, (lane.collection, record_id)).fetchone()
        if row is None:
            return None
        number, *values = row
        spans = self._connection.execute(
            'SELECT start, "end" FROM chunks WHERE record = ? AND lane = ? ORDER BY row', (number, lane.number)
        )
        return self._record(values, tuple(spans))

    def _record(self, values: Sequence[Any], spans: tuple[tuple[int, int], ...]) -> Record:
        *checked, crc = values
        if row_crc(*checked) != crc:
            raise self._damaged("a row of records does not match its checksum")
        _, record_id, text, source, fields, _ = checked
        return Record(id=record_id, text=text, source=source, fields=json.loads(fields), spans=spans)

    def ids(self, lane: Lane) -> Iterator[str]:
        """Go through the ids of all records, sorted."""
        for (record_id,) in self._connection.execute(
            "SELECT id FROM records WHERE collection = ? ORDER BY id", (lane.collection,)
        ):
            yield record_id

    def ledger(self, lane: Lane, ids: Sequence[str]) -> dict[str, LedgerEntry]:
        """Return the entries of some ids, by id; ids that are not stored are left out."""
        found: dict[str, LedgerEntry] = {}
        for part in portions(ids):
            sql = (
                f"SELECT records.id, {LEDGER_COLUMNS} FROM records JOIN ledger ON ledger.record = records.number "  # noqa: S608 - only question marks
                f"WHERE records.collection = ? AND ledger.lane = ? AND records.id IN ({marks(part)})"
            )
            for record_id, *values in self._connection.execute(sql, (lane.collection, lane.number, *part)):
                found[record_id] = self._entry(record_id, values)
        return found

    def _entry(self, record_id: str, values: Sequence[Any]) -> LedgerEntry:
        _, _, origin, text_digest, fields_digest, chunker, space, cut, _ = next(
            self._checked([tuple(values)], "ledger")
        )
        return LedgerEntry(
            id=record_id,
            origin=origin,
            text_digest=text_digest,
            fields_digest=fields_digest,
            chunker=chunker,
            space=space,
            cut_chunks=cut,
        )

    def ids_from(self, lane: Lane, origin: str) -> list[tuple[str, str]]:
        """Return (id, origin) of the records that came from an origin, or from below it as a folder.

        ``.`` is the folder of all relative paths.
        """
        sql = "SELECT records.id, ledger.origin FROM ledger JOIN records ON records.number = ledger.record WHERE ledger.lane = ? AND "
        if origin == ".":
            relative = "ledger.origin NOT IN ('', '-') AND ledger.origin NOT LIKE '/%' AND ledger.origin NOT LIKE '%:'"
            return self._connection.execute(sql + relative, (lane.number,)).fetchall()
        below = (
            lane.number,
            origin,
            origin.rstrip("/") + "/",
            origin.rstrip("/") + "0",
        )  # '0' is the character after '/'
        return self._connection.execute(
            sql + "(ledger.origin = ? OR (ledger.origin > ? AND ledger.origin < ?))", below
        ).fetchall()

    def record_of_row(self, lane: Lane) -> Rows:
        """Return the number of the record of each row, -1 for dead ones: int64 (next_row,)."""
        owner = np.full(lane.next_row, -1, dtype=np.int64)
        found = self._connection.execute("SELECT row, record FROM chunks WHERE lane = ?", (lane.number,)).fetchall()
        if found:
            pairs = np.array(found, dtype=np.int64)
            if pairs[:, 0].min() < 0 or pairs[:, 0].max() >= lane.next_row:
                raise self._damaged("a chunk stands outside of its lane")
            owner[pairs[:, 0]] = pairs[:, 1]
        return owner

    def fields(self, lane: Lane) -> Iterator[tuple[int, dict[str, Any]]]:
        """Go through (record number, fields) of all records of a lane."""
        found = self._connection.execute(
            "SELECT number, fields FROM records WHERE collection = ? ORDER BY number", (lane.collection,)
        )
        for number, fields in found:
            yield number, json.loads(fields)


RECORD_COLUMNS = "collection, id, text, source, fields, sequence, crc"
LEDGER_COLUMNS = (
    "ledger.lane, ledger.record, ledger.origin, ledger.text_digest, ledger.fields_digest, "
    "ledger.chunker, ledger.space, ledger.cut_chunks, ledger.sequence, ledger.crc"
)


def portions(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a list into parts that one statement can take."""
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def marks(values: Sequence[Any]) -> str:
    """Return as many question marks as there are values."""
    return ",".join("?" * len(values))
