"""The writes of one commit: they all become visible together, or none does."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vicinal.errors import AlreadyExistsError, ShapeError
from vicinal.space import Space, Vectors
from vicinal.store.format import BLOCK_ROWS, SEGMENT_ROWS, VecHeader, row_crc
from vicinal.store.segment import Segment, extended_blocks
from vicinal.store.snapshot import Lane, Probe, Snapshot, marks, portions
from vicinal.types import Fields, Floats

FIELDS = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""How fields stand in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """A record to be written: its spans stand in the order of its vectors."""

    id: str
    text: str
    source: str = ""
    fields: Fields = field(default_factory=dict)
    spans: tuple[tuple[int, int], ...]
    chunker: str
    origin: str = ""
    text_digest: str
    fields_digest: str
    cut_chunks: int = 0


class Transaction(Snapshot):
    """Reads and writes of one commit. Made by ``Store.write``; it commits when that block ends well."""

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        super().__init__(connection, folder)
        self.sequence += 1
        self._connection.execute(
            "UPDATE manifest SET sequence = ?, crc = ?", (self.sequence, row_crc(self.database.hex(), self.sequence))
        )

    def create_collection(self, name: str, *, model: str, space: Space, chunker: str) -> Lane:
        """Make a collection with its lane.

        Raises
        ------
        AlreadyExistsError
            There is one of that name.
        """
        if name in self.collection_names():
            raise AlreadyExistsError(f"There is already a collection {name!r}.", got=name)
        run = self._connection.execute
        run(
            "INSERT OR IGNORE INTO spaces VALUES (?, ?, ?)",
            (space.id, space.canonical(), row_crc(space.id, space.canonical())),
        )
        number = self._next("collections")
        run("INSERT INTO collections VALUES (?, ?, ?, ?)", (number, name, model, row_crc(number, name, model)))
        lane = Lane(
            number=self._next("lanes"),
            collection=number,
            name=name,
            model=model,
            space=space,
            chunker=chunker,
            next_row=0,
        )
        values = (lane.number, number, space.id, chunker, 0)
        run("INSERT INTO lanes VALUES (?, ?, ?, ?, ?, ?)", (*values, row_crc(*values)))
        return lane

    def put_canary(self, space: Space, probes: Sequence[Probe]) -> None:
        """Keep the probe texts of a space, in place of those it had."""
        run = self._connection
        run.execute("DELETE FROM canaries WHERE space = ?", (space.id,))
        rows = []
        for place, probe in enumerate(probes):
            vector = probe.vector.astype("<f4").tobytes()
            told = (space.id, place, probe.role, probe.text, probe.runtime)
            rows.append((*told, vector, row_crc(*told, vector.hex().upper())))
        run.executemany("INSERT INTO canaries VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def put_projection(self, digest: str, content: bytes) -> None:
        """Keep a projection under its digest."""
        self._connection.execute(
            "INSERT OR IGNORE INTO projections VALUES (?, ?, ?)",
            (digest, content, row_crc(digest, content.hex().upper())),
        )

    def _next(self, table: str) -> int:
        """Return a number that the table has not used."""
        found = self._connection.execute(f"SELECT coalesce(max(number), 0) + 1 FROM {table}").fetchone()  # noqa: S608 - our own names
        return int(found[0])

    def put(self, lane: Lane, records: Sequence[NewRecord], vectors: Vectors, *, replace_existing: bool) -> Lane:
        """Write records with the vectors of their chunks, in order.

        Parameters
        ----------
        lane : Lane
            As it is now; rows are given out behind ``lane.next_row``.
        records : sequence of NewRecord
            Ids must be different from one another.
        vectors : Vectors
            (sum of spans, D) in the lane's space.
        replace_existing : bool
            What stands under an id is replaced if true, an error if false.

        Returns
        -------
        Lane
            The lane after the write.

        Raises
        ------
        SpaceMismatchError, ShapeError, AlreadyExistsError, StoreError
            Nothing is written.
        """
        lane.space.require(vectors.space, what="the vectors to be stored")
        spans = sum(len(record.spans) for record in records)
        if spans != len(vectors):
            raise ShapeError(
                f"{spans} chunks came with {len(vectors)} vectors.", expected=spans, got=len(vectors), where="vectors"
            )
        numbers = self._numbers(lane, [record.id for record in records])
        if numbers and not replace_existing:
            first = min(numbers)
            raise AlreadyExistsError(
                f"{len(numbers)} of the ids are already stored, {first!r} first; use upsert to replace.",
                got=first,
                where=first,
            )
        self._forget_chunks(lane, list(numbers.values()))
        self._append(lane, np.asarray(vectors))
        next_number = self._next("records")
        row, placed = lane.next_row, []
        for record in records:
            number = numbers.get(record.id)
            if number is None:
                number, next_number = next_number, next_number + 1
            placed.append((number, row, record))
            row += len(record.spans)
        self._put_records(lane, [(number, record) for number, _, record in placed])
        self._put_chunks(lane, placed)
        return self._advance(lane, row)

    def _numbers(self, lane: Lane, ids: Sequence[str]) -> dict[str, int]:
        """Return id → record number of those ids that are stored."""
        found: dict[str, int] = {}
        for part in portions(ids):
            sql = f"SELECT id, number FROM records WHERE collection = ? AND id IN ({marks(part)})"  # noqa: S608 - only question marks
            found.update(self._connection.execute(sql, (lane.collection, *part)).fetchall())
        return found

    def _forget_chunks(self, lane: Lane, numbers: Sequence[int]) -> None:
        """Bury the rows of records in this lane."""
        run = self._connection
        for number in numbers:
            rows = run.execute("SELECT row FROM chunks WHERE record = ? AND lane = ?", (number, lane.number)).fetchall()
            run.executemany(
                "INSERT INTO tombstones VALUES (?, ?, ?)",
                [(lane.number, row, row_crc(lane.number, row)) for (row,) in rows],
            )
            run.executemany("DELETE FROM chunks WHERE lane = ? AND row = ?", [(lane.number, row) for (row,) in rows])

    def _put_records(self, lane: Lane, records: Sequence[tuple[int, NewRecord]]) -> None:
        """Write records under their numbers, and what the ledger says of them."""
        rows, entries = [], []
        for number, record in records:
            rows.append(
                (lane.collection, record.id, record.text, record.source, FIELDS.encode(record.fields), self.sequence)
            )
            entries.append(self._entry_of(lane, number, record))
        self._connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET text = excluded.text, "
            "source = excluded.source, fields = excluded.fields, sequence = excluded.sequence, crc = excluded.crc",
            [(number, *row, row_crc(*row)) for (number, _), row in zip(records, rows, strict=True)],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*entry, row_crc(*entry)) for entry in entries],
        )

    def _entry_of(self, lane: Lane, number: int, record: NewRecord) -> tuple[str | int, ...]:
        """Return the ledger's columns for a record."""
        return (
            lane.number,
            number,
            record.origin,
            record.text_digest,
            record.fields_digest,
            record.chunker,
            lane.space.id,
            record.cut_chunks,
            self.sequence,
        )

    def _put_chunks(self, lane: Lane, placed: Sequence[tuple[int, int, NewRecord]]) -> None:
        """Write the chunks of records that begin at given rows."""
        chunks = [
            (lane.number, first_row + place, number, start, end)
            for number, first_row, record in placed
            for place, (start, end) in enumerate(record.spans)
        ]
        self._connection.executemany(
            "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?)", [(*values, row_crc(*values)) for values in chunks]
        )

    def _advance(self, lane: Lane, next_row: int) -> Lane:
        """Record how many rows the lane has given out."""
        values = (lane.number, lane.collection, lane.space.id, lane.chunker, next_row)
        self._connection.execute(
            "UPDATE lanes SET next_row = ?, crc = ? WHERE number = ?", (next_row, row_crc(*values), lane.number)
        )
        return replace(lane, next_row=next_row)

    def _append(self, lane: Lane, rows: Floats) -> None:
        """Write rows into the last vector file and new ones behind it."""
        segments = self.segments(lane)
        segment = segments[-1] if segments else None
        first_row, done = lane.next_row, 0
        while done < len(rows):
            if segment is None or segment.row_count >= SEGMENT_ROWS:
                segment = self._new_segment(lane, first_row + done)
            part = rows[done : done + SEGMENT_ROWS - segment.row_count]
            segment.append(part)
            segment = self._extend(lane, segment, part)
            done += len(part)

    def _new_segment(self, lane: Lane, first_row: int) -> Segment:
        number = self._next("segments")
        header = VecHeader(dim=lane.space.dim, number=number, space=lane.space.id, database=self.database)
        path = self._folder / "vectors" / lane.space.id / f"{number}.vec"
        segment = Segment(path=path, header=header, first_row=first_row, row_count=0)
        segment.create()
        values = (number, lane.number, first_row, 0)
        self._connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", (*values, row_crc(*values)))
        return segment

    def _extend(self, lane: Lane, segment: Segment, rows: Floats) -> Segment:
        """Record the new length of a vector file and the checksums of the blocks that changed."""
        number = segment.header.number
        block = segment.row_count // BLOCK_ROWS
        tail = self.blocks(segment).get(block)
        changed = extended_blocks(rows, segment.row_count, tail)
        self._connection.executemany(
            "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)",
            [
                (number, block, count, crc, row_crc(number, block, count, crc))
                for block, (count, crc) in changed.items()
            ],
        )
        values = (number, lane.number, segment.first_row, segment.row_count + len(rows))
        self._connection.execute(
            "UPDATE segments SET row_count = ?, crc = ? WHERE number = ?", (values[3], row_crc(*values), number)
        )
        return replace(segment, row_count=values[3])

    def relabel(self, lane: Lane, record: NewRecord) -> None:
        """Write the fields and the origin of a stored record anew, its text and vectors untouched."""
        number = self._numbers(lane, [record.id])[record.id]
        self._put_records(lane, [(number, record)])

    def delete(self, lane: Lane, ids: Sequence[str]) -> int:
        """Delete records with their chunks and ledger entries; return how many there were.

        Ids that are not stored are no error: the state that was asked for is there.
        """
        numbers = list(self._numbers(lane, ids).values())
        self._forget_chunks(lane, numbers)
        self._connection.executemany(
            "DELETE FROM ledger WHERE lane = ? AND record = ?", [(lane.number, number) for number in numbers]
        )
        self._connection.executemany("DELETE FROM records WHERE number = ?", [(number,) for number in numbers])
        return len(numbers)
