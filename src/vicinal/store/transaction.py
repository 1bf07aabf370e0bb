"""The writes of one commit: they all become visible together, or none does."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vicinal.errors import (
    AlreadyExistsError,
    CollectionNotFoundError,
    ConflictError,
    RangeError,
    RecordNotFoundError,
    ShapeError,
)
from vicinal.space import Space, Vectors
from vicinal.store.catalog import ALIAS, Known, Lane, Probe, beside
from vicinal.store.feed import AT_ONCE, SWAPPED
from vicinal.store.format import row_crc
from vicinal.store.groups import marks
from vicinal.store.moving import GroupWriter
from vicinal.store.record import MAX_FIELDS, Form, NewRecord, lines_of
from vicinal.types import Fields


class Transaction(GroupWriter):
    """Reads and writes of one commit. Made by ``Store.write``; it commits when that block ends well."""

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, known: Known | None = None, *, following: bool = False
    ) -> None:
        super().__init__(connection, folder, known)
        self._following = following
        self._known = self._known.copy()
        self.sequence += 1
        self.dropped_lanes: list[int] = []

    def finish(self) -> Known:
        """Write the manifest of this commit, the last of its writes; return what is known of it from then on."""
        self._note_commits()
        told = (self.sequence, self._next_number, self._oldest_feed)
        crc = row_crc(self.database.hex(), *told)
        self._connection.execute(
            "UPDATE manifest SET sequence = ?, next_number = ?, oldest_feed = ?, crc = ?", (*told, crc)
        )
        self._known.sequence = self.sequence
        self._known.last_changes.clear()
        self._known.manifest = (self.database, *told, crc)
        return self._known

    def create_collection(self, name: str, *, model: str, space: Space, chunker: str) -> Lane:
        """Make a collection with its lane.

        Raises
        ------
        AlreadyExistsError
            There is one of that name, or an alias.
        """
        names = self.collection_names()
        if name in self._known_aliases():
            raise AlreadyExistsError(
                f"{name!r} is an alias of collection {self._known_aliases()[name]!r}; drop the alias first.", got=name
            )
        if name in names:
            raise AlreadyExistsError(f"There is already a collection {name!r}.", got=name)
        run = self._connection.execute
        run(
            "INSERT OR IGNORE INTO spaces VALUES (?, ?, ?)",
            (space.id, space.canonical(), row_crc(space.id, space.canonical())),
        )
        number = self._number()
        run("INSERT INTO collections VALUES (?, ?, ?, ?)", (number, name, model, row_crc(number, name, model)))
        lane = Lane(
            number=self._number(),
            collection=number,
            name=name,
            model=model,
            space=space,
            chunker=chunker,
            next_row=0,
        )
        values = lane.values()
        run(f"INSERT INTO lanes VALUES ({marks(values)}, ?)", (*values, row_crc(*values)))  # noqa: S608 - only question marks
        self._known.lanes[name] = lane
        self._known.segments[lane.number] = []
        self._known.names = sorted([*names, name])
        self._begin_new(lane)
        return lane

    def drop_collection(self, name: str) -> int:
        """Delete a collection with all its records; return how many there were. Its space and canary stay.

        The settings whose names begin with ``collection <number>`` and a space go with it, and so does what stands beside it.

        Raises
        ------
        CollectionNotFoundError
            There is none of that name.
        ConflictError
            Aliases stand for it, or the name is an alias itself.
        """
        lane = self.lane(name)
        self._require_unnamed(lane, name)
        twin = self._followed(lane)
        if twin is not None:
            self.drop_collection(twin.name)
        for segment in self.segments(lane):
            self._drop_segment(lane, segment)
        run = self._connection.execute
        for table in ("groups", "relabels", "tombstones"):
            run(f"DELETE FROM {table} WHERE lane = ?", (lane.number,))  # noqa: S608 - our own names
        for table in ("ids", "origins"):
            run(f"DELETE FROM {table} WHERE collection = ?", (lane.collection,))  # noqa: S608 - our own names
        run("DELETE FROM lanes WHERE number = ?", (lane.number,))
        run("DELETE FROM collections WHERE number = ?", (lane.collection,))
        run("DELETE FROM settings WHERE name GLOB ?", (f"collection {lane.collection} *",))
        self._known.settings.clear()
        self._log_deletions(name, [""])
        self.dropped_lanes.append(lane.number)
        self._tallies.pop(lane.number, None)
        del self._known.lanes[name], self._known.segments[lane.number]
        self._known.names = [one for one in self.collection_names() if one != name]
        return lane.records

    def exchange(self, name: str) -> None:
        """Let a name lead to the lane that stands beside it, and the lane that it led to stand beside, in one commit.

        The settings of a collection stay with its name. What the name led to before is not changed: readers of older
        commits go on with it. Where one of the two is not there, the other takes its name.
        """
        other = beside(name)
        lanes = {one: self.lane(one) for one in (name, other) if one in self.collection_names()}
        to = {name: other, other: name}
        settings = {one: self._settings_to_swap(lane) for one, lane in lanes.items()}
        for lane in lanes.values():
            self._rename(lane, f"{SWAPPED}{lane.collection}")
            del self._known.lanes[lane.name]
        for one, lane in lanes.items():
            self._rename(lane, to[one])
            self._known.lanes[to[one]] = replace(lane, name=to[one])
            for setting in settings[one]:
                self.remove_setting(f"collection {lane.collection} {setting}")
            self._restart_history(lane)  # what the name held before cannot be told by the lane that it leads to now
        for one, lane in lanes.items():
            for setting, value in settings.get(to[one], {}).items():
                self.put_setting(f"collection {lane.collection} {setting}", value)
        self._known.names = sorted({*self.collection_names()} - {*lanes} | {to[one] for one in lanes})
        self._log_deletions(SWAPPED, [name])

    def _settings_to_swap(self, lane: Lane) -> dict[str, str]:
        """Return the settings of a collection that stay with its name.

        The bridge to a lane, and the model that serves its space in place of its own, stay with the lane, as its past does.
        """
        every = self.settings_of(lane.collection)
        return {name: value for name, value in every.items() if not name.startswith(("bridge ", "model of "))}

    def _rename(self, lane: Lane, name: str) -> None:
        values = (lane.collection, name, lane.model)
        self._connection.execute(
            "UPDATE collections SET name = ?, crc = ? WHERE number = ?", (name, row_crc(*values), lane.collection)
        )

    def _followed(self, lane: Lane) -> Lane | None:
        """Return the lane beside one, which must follow it; None in a replica, whose primary tells of both."""
        return None if self._following else self.twin(lane)

    def _require_unnamed(self, lane: Lane, name: str) -> None:
        """Refuse to drop a collection by an alias, or one that aliases would be left without."""
        if name != lane.name:
            raise ConflictError(
                f"{name!r} is an alias of collection {lane.name!r}. Drop the alias, or the collection by its own name.",
                got=name,
                where=lane.name,
            )
        named = [alias for alias, target in self._known_aliases().items() if target == name]
        if named:
            raise ConflictError(
                f"Collection {name!r} is what {', '.join(map(repr, named))} stands for. "
                "Let the alias stand for another collection, or drop it first.",
                got=name,
                where=named[0],
            )

    def put_alias(self, name: str, target: str) -> str | None:
        """Let a name stand for a collection, from this commit on; return the one that it stood for, if any.

        Raises
        ------
        AlreadyExistsError
            There is a collection of that name.
        CollectionNotFoundError
            The target is not there.
        ConflictError
            The target is an alias itself.
        """
        aliases, names = self.aliases(), self.collection_names()
        if name in names:
            raise AlreadyExistsError(f"There is a collection {name!r}; an alias needs a name of its own.", got=name)
        if target in aliases:
            raise ConflictError(
                f"{target!r} is an alias itself; name the collection that it stands for: {aliases[target]!r}.",
                expected=aliases[target],
                got=target,
                where=name,
            )
        target = self.lane(target).name
        self.put_setting(ALIAS + name, target)
        self._known.aliases = dict(sorted({**aliases, name: target}.items()))
        return aliases.get(name)

    def drop_alias(self, name: str) -> str:
        """Forget an alias; return the collection that it stood for, which stays.

        Raises
        ------
        CollectionNotFoundError
            There is none of that name; the message lists those that are.
        """
        aliases = self.aliases()
        if name not in aliases:
            known = ", ".join(aliases) or "none"
            raise CollectionNotFoundError(f"There is no alias {name!r}. There are: {known}.", got=name, where="alias")
        self.remove_setting(ALIAS + name)
        self._known.aliases = {one: target for one, target in aliases.items() if one != name}
        return aliases[name]

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

    def put(
        self,
        lane: Lane,
        records: Sequence[NewRecord],
        vectors: Vectors,
        *,
        replace_existing: bool,
        others: Sequence[Form] = (),
    ) -> Lane:
        """Write records with the vectors of their chunks, in order.

        Parameters
        ----------
        lane : Lane
            Of this transaction; rows are given out behind those it has.
        records : sequence of NewRecord
            Ids must be different from one another.
        vectors : Vectors
            (sum of spans, D) in the lane's space.
        replace_existing : bool
            What stands under an id is replaced if true, an error if false.
        others : sequence of Form
            The same records in other forms, for the lane that stands beside this one. Where none of them fits it, what it
            has under these ids goes: it may lack a record, and never holds another than this lane does.

        Returns
        -------
        Lane
            The lane after the write.

        Raises
        ------
        SpaceMismatchError, ShapeError, AlreadyExistsError, StoreError
            Nothing is written.
        """
        lane = self.lane(lane.name)
        twin = self._followed(lane)
        written = self._put(lane, records, vectors, replace_existing=replace_existing)
        if twin is not None:
            fitting = next((one for one in others if one.fits(twin.space, twin.chunker)), None)
            if fitting is None:
                self.delete(twin, [record.id for record in records])
            else:
                self._put(twin, fitting.records, fitting.vectors, replace_existing=True)
        return written

    def _put(self, lane: Lane, records: Sequence[NewRecord], vectors: Vectors, *, replace_existing: bool) -> Lane:
        lane.space.require(vectors.space, what="the vectors to be stored")
        spans = sum([len(record.spans) for record in records])
        if spans != len(vectors):
            raise ShapeError(
                f"{spans} chunks came with {len(vectors)} vectors.", expected=spans, got=len(vectors), where="vectors"
            )
        _require_distinct(records)
        before = lane.records
        if replace_existing and lane.records:
            lane = self._remove(lane, list(self._numbers(lane, [record.id for record in records]).values()))
        with self._appending(lane, np.asarray(vectors)):
            self._put_ids(lane, records)
            self._put_records(lane, records)
        cut = [record.cut_chunks for record in records if record.cut_chunks]
        self._tally(lane).added += len(records) - (before - lane.records)
        self._tally(lane).changed += before - lane.records
        return self._set_lane(
            replace(
                lane,
                next_row=lane.next_row + spans,
                records=lane.records + len(records),
                rows=lane.rows + spans,
                cut_records=lane.cut_records + len(cut),
                cut_chunks=lane.cut_chunks + sum(cut),
            )
        )

    def _put_ids(self, lane: Lane, records: Sequence[NewRecord]) -> None:
        """Let ids lead to the numbers that the records will have; refuse those that are there, and then change nothing."""
        collection, first_number = lane.collection, self._next_number
        try:
            self._connection.executemany(
                "INSERT INTO ids VALUES (?, ?, ?)",
                [(collection, record.id, number) for number, record in enumerate(records, first_number)],
            )
        except sqlite3.IntegrityError:
            numbers = self._numbers(lane, [record.id for record in records])
            ours = [(collection, record_id) for record_id, number in numbers.items() if number >= first_number]
            self._connection.executemany("DELETE FROM ids WHERE collection = ? AND id = ?", ours)
            first = min(record_id for record_id, number in numbers.items() if number < first_number)
            raise AlreadyExistsError(
                f"{len(numbers) - len(ours)} of the ids are already stored, {first!r} first; use upsert to replace.",
                got=first,
                where=first,
            ) from None

    def _put_records(self, lane: Lane, records: Sequence[NewRecord]) -> None:
        """Write records as groups, and their origins."""
        first = self._put_groups(lane, lines_of(records, lane.chunker))
        self._put_origins(lane, [(record.origin, number) for number, record in enumerate(records, first)])

    def _put_origins(self, lane: Lane, origins: Sequence[tuple[str, int]]) -> None:
        told = [(lane.collection, origin, number) for origin, number in origins if origin]
        if told:
            self._connection.executemany("INSERT INTO origins VALUES (?, ?, ?)", told)

    def relabel(self, lane: Lane, records: Sequence[NewRecord]) -> None:
        """Write source, fields and origin of stored records anew, their texts and vectors untouched.

        Raises
        ------
        RecordNotFoundError
            One of them is not stored; nothing is written.
        """
        numbers = self._numbers(lane, [record.id for record in records])
        for record in records:
            if record.id not in numbers:
                raise RecordNotFoundError(
                    f"Collection {lane.name!r} has no record {record.id!r}.", got=record.id, where=lane.name
                )
        told = {
            numbers[record.id]: {
                "source": record.source,
                "fields": dict(record.fields),
                "origin": record.origin,
                "fields_digest": record.fields_digest,
            }
            for record in records
        }
        self._patch(lane, told)
        twin = self._followed(lane)
        if twin is not None:
            there = self._numbers(twin, [record.id for record in records])
            self.relabel(twin, [record for record in records if record.id in there])

    def set_fields(self, lane: Lane, fields: Mapping[str, Fields], *, merge: bool = True) -> int:
        """Write fields of stored records, by id; return how many records there were. Vectors are not touched.

        Parameters
        ----------
        lane : Lane
            Of this transaction.
        fields : mapping of str to mapping
            The fields of each id. Ids that are not stored are left out.
        merge : bool
            Whether the fields that are not named stay, or go.

        Raises
        ------
        RangeError
            A record would have more than ``MAX_FIELDS``; nothing is written.

        Notes
        -----
        What the ledger says of the fields stays: a sync compares a source with what the source gave last,
        so that what was set here stays until the source itself says something else.
        """
        numbers = self._numbers(lane, list(fields))
        old = self._lines(lane, list(numbers.values())) if merge else {}
        told = {
            number: {"fields": {**(old[number].fields if merge else {}), **fields[record_id]}}
            for record_id, number in numbers.items()
        }
        for record_id, number in numbers.items():
            if (count := len(told[number]["fields"])) > MAX_FIELDS:
                raise RangeError(
                    f"Record {record_id!r} would have {count} fields; the most is {MAX_FIELDS}.",
                    expected=f"<= {MAX_FIELDS}",
                    got=count,
                    where=record_id,
                )
        self._patch(lane, told)
        twin = self._followed(lane)
        if twin is not None:
            self.set_fields(twin, fields, merge=merge)
        return len(numbers)

    def _patch(self, lane: Lane, told: Mapping[int, Mapping[str, Any]]) -> None:
        """Note what changes in place, by record number, beside what did before."""
        lines = self._lines(lane, list(told))
        before = dict(self._relabels(list(told)))
        self._tally(lane).changed += len(told)
        self._note_patches(lane, before)
        moved = [(number, lines[number].origin, new["origin"]) for number, new in told.items() if "origin" in new]
        self._connection.executemany(
            "DELETE FROM origins WHERE collection = ? AND origin = ? AND number = ?",
            [(lane.collection, old, number) for number, old, _ in moved if old],
        )
        self._put_origins(lane, [(new, number) for number, _, new in moved])
        self._put_relabels(
            lane,
            [
                (number, self.sequence, {**(before[number][1] if number in before else {}), **new})
                for number, new in told.items()
            ],
        )

    def delete(self, lane: Lane, ids: Sequence[str]) -> int:
        """Delete records with their chunks; return how many there were.

        Ids that are not stored are no error: the state that was asked for is there.
        """
        twin = self._followed(lane)
        if twin is not None:
            self.delete(twin, ids)
        numbers = self._numbers(lane, ids)
        self._log_deletions(lane.name, list(numbers))
        self._tally(lane).removed += len(numbers)
        self._remove(self.lane(lane.name), list(numbers.values()))
        return len(numbers)

    def delete_rows(self, lane: Lane, rows: Sequence[int]) -> int:
        """Delete the records that any of some living rows belongs to; return how many there were."""
        deleted = 0
        for start in range(0, len(rows), AT_ONCE):
            found = self.chunks_at(lane, [int(row) for row in rows[start : start + AT_ONCE]])
            deleted += self.delete(lane, sorted({chunk.record.id for chunk in found.values()}))
        return deleted

    def forget_deletions(self, sequence: int) -> None:
        """Forget which ids were deleted in a commit and in those before it; ``oldest_feed`` tells from then on."""
        self._connection.execute("DELETE FROM deletions WHERE sequence <= ?", (sequence,))
        self._oldest_feed = max(self._oldest_feed, min(sequence, self.sequence))

    def _log_deletions(self, collection: str, ids: Sequence[str]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO deletions VALUES (?, ?, ?, ?)",
            [
                (self.sequence, collection, record_id, row_crc(self.sequence, collection, record_id))
                for record_id in ids
            ],
        )

    def dropped_before(self, moment: float) -> list[Path]:
        """Forget the dropped files of before a moment, in seconds since 1970, and return them: nobody maps them any more."""
        old = [path for path, dropped_at in self.dropped() if dropped_at < moment]
        self._connection.executemany("DELETE FROM dropped WHERE number = ?", [(int(path.stem),) for path in old])
        return old


def _require_distinct(records: Sequence[NewRecord]) -> None:
    """Refuse records of which two have the same id, before anything is written."""
    ids = [record.id for record in records]
    if len(set(ids)) < len(ids):
        twice = next(one for one, count in Counter(ids).items() if count > 1)
        raise AlreadyExistsError(f"Two of the records have the id {twice!r}; ids are unique.", got=twice, where=twice)
