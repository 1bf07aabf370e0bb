"""What a database consists of as of one commit: its collections, lanes, spaces and vector files."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vicinal.errors import CollectionNotFoundError, CorruptStoreError, InputError, corrupt
from vicinal.space import Space
from vicinal.store.format import BLOCK_ROWS, PENDING_SINCE, PLACES, SQLITE_NAME, VecHeader, row_crc
from vicinal.store.schema import version_of
from vicinal.store.segment import Segment
from vicinal.types import Floats

ALIAS = "alias "
"""What the names of the settings begin with that keep the aliases; the value is the name of a collection."""
BESIDE = "\x1f"
"""What the names of collections begin with that stand beside another one and are shown to nobody."""


MOST_KEPT = 64
"""Settings that are remembered of a commit, so that the next does not ask for them again."""
KEPT_CHARS = 4096
"""Characters of a setting that is remembered."""


def beside(name: str) -> str:
    """Return the name of the collection that stands beside another: the same records in another form."""
    return BESIDE + name


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Lane:
    """One collection in one space, cut up by one chunker, as of one commit.

    ``next_row`` rows were given out so far; ``rows`` of them hold a living chunk, of ``records`` records.
    Nobody changes one; see ``NewRecord`` for why it is not frozen.
    """

    number: int
    collection: int
    name: str
    model: str
    space: Space
    chunker: str
    next_row: int
    records: int = 0
    rows: int = 0
    cut_records: int = 0
    cut_chunks: int = 0

    def values(self) -> tuple[int, int, str, str, int, int, int, int, int]:
        """Return the columns of its row."""
        return (
            self.number,
            self.collection,
            self.space.id,
            self.chunker,
            self.next_row,
            self.records,
            self.rows,
            self.cut_records,
            self.cut_chunks,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe text of a space: its role, and the float32 vector (D,) that the encoder of the space gave it.

    ``runtime`` says what ran the network then.
    """

    role: str
    text: str
    runtime: str
    vector: Floats


class Tail(NamedTuple):
    """A vector file as this process left it: the length that is certain, and how much stands in SQLite as well."""

    certain_bytes: int
    pending_bytes: int


@dataclass(slots=True)
class Known:
    """What has been read of one commit already, shared by its snapshots within a process."""

    sequence: int = -1
    manifest: tuple[Any, ...] = ()
    names: list[str] | None = None
    lanes: dict[str, Lane] = field(default_factory=dict)
    segments: dict[int, list[Segment]] = field(default_factory=dict)
    aliases: dict[str, str] | None = None
    begun: dict[int, Any] = field(default_factory=dict)
    tails: dict[int, Tail] = field(default_factory=dict)
    settings: dict[str, str | None] = field(default_factory=dict)
    last_changes: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Known:
        """Return the same for one who changes it; ``last_changes`` are of this commit alone."""
        names = None if self.names is None else list(self.names)
        segments = {lane: list(listed) for lane, listed in self.segments.items()}
        aliases = None if self.aliases is None else dict(self.aliases)
        return Known(
            sequence=self.sequence,
            manifest=self.manifest,
            names=names,
            lanes=dict(self.lanes),
            segments=segments,
            aliases=aliases,
            begun=dict(self.begun),
            tails=dict(self.tails),
            settings=dict(self.settings),
        )


class Catalog:
    """Reads of one commit: what there is."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, known: Known | None = None) -> None:
        self._connection = connection
        self._folder = folder
        manifest = connection.execute(
            "SELECT database, sequence, next_number, oldest_feed, crc FROM manifest"
        ).fetchone()
        if known is not None and known.manifest == manifest:
            self._known = known
        else:
            self._known = Known(self._checked_manifest(manifest), manifest)
        self.database: bytes = self._known.manifest[0]
        self.sequence: int = self._known.sequence
        self._next_number: int = self._known.manifest[2]
        self._oldest_feed: int = self._known.manifest[3]

    @property
    def _path(self) -> Path:
        """SQLite's file, for errors."""
        return self._folder / SQLITE_NAME

    @property
    def known(self) -> Known:
        """What has been read of this commit so far."""
        return self._known

    def _checked_manifest(self, row: tuple[Any, ...] | None) -> int:
        """Return the number of the commit that a manifest tells, or refuse it."""
        if row is None or not isinstance(row[0], bytes) or row_crc(row[0].hex(), *row[1:-1]) != row[-1]:
            raise self._damaged("the manifest does not match its checksum")
        return int(row[1])

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
        if self._known.names is None:
            found = self._connection.execute("SELECT number, name, model, crc FROM collections ORDER BY name")
            self._known.names = [name for _, name, _ in self._checked(found, "collections")]
        return list(self._known.names)

    def visible_names(self) -> list[str]:
        """Return the names of the collections that users know, sorted."""
        return [name for name in self.collection_names() if not name.startswith(BESIDE)]

    def twin(self, lane: Lane) -> Lane | None:
        """Return the lane beside one: what is written to the one is written to the other in the same commit."""
        name = beside(lane.name)
        return self.lane(name) if name in self.collection_names() else None

    def lane_numbered(self, number: int) -> Lane | None:
        """Return a lane by its number, whatever its collection is called by now; None where it is gone."""
        known = next((lane for lane in tuple(self._known.lanes.values()) if lane.number == number), None)
        if known is not None:
            return known
        sql = "SELECT collections.name FROM lanes JOIN collections ON collections.number = lanes.collection WHERE lanes.number = ?"
        found = self._connection.execute(sql, (number,)).fetchone()
        return None if found is None else self.lane(found[0])

    def aliases(self) -> dict[str, str]:
        """Return each alias with the name of the collection that it stands for, sorted."""
        return dict(self._known_aliases())

    def knows(self, name: str) -> bool:
        """Return whether there is a collection or an alias of that name."""
        return name in self.collection_names() or name in self._known_aliases()

    def _known_aliases(self) -> dict[str, str]:
        if self._known.aliases is None:
            self._known.aliases = dict(self._settings_below(ALIAS))
        return self._known.aliases

    def lane(self, name: str) -> Lane:
        """Return the lane that answers for a collection, or for the one that an alias stands for.

        This is the one place where names lead to lanes; the lane's own name is never an alias.

        Raises
        ------
        CollectionNotFoundError
            There is none of that name; the message lists those that are.
        """
        lane = self._known.lanes.get(name)
        if lane is None:
            name = self._known_aliases().get(name, name)
            lane = self._known.lanes.get(name)
        if lane is None:
            lane = self._known.lanes[name] = self._read_lane(name)
        return lane

    def _read_lane(self, name: str) -> Lane:
        found = self._connection.execute("SELECT number, name, model, crc FROM collections WHERE name = ?", (name,))
        collections = list(self._checked(found, "collections"))
        if not collections:
            known = ", ".join(sorted([*self.visible_names(), *self._known_aliases()])) or "none yet"
            raise CollectionNotFoundError(
                f"{self._folder} has no collection {name!r}. It has: {known}.", got=name, where=str(self._folder)
            )
        number, _, model = collections[0]
        found = self._connection.execute(
            "SELECT number, collection, space, chunker, next_row, records, rows, cut_records, cut_chunks, crc "
            "FROM lanes WHERE collection = ?",
            (number,),
        )
        lanes = list(self._checked(found, "lanes"))
        if not lanes:
            raise self._damaged(f"collection {name!r} has no lane")
        lane, _, space, chunker, next_row, records, rows, cut_records, cut_chunks = lanes[0]
        return Lane(
            number=lane,
            collection=number,
            name=name,
            model=model,
            space=self._space(space),
            chunker=chunker,
            next_row=next_row,
            records=records,
            rows=rows,
            cut_records=cut_records,
            cut_chunks=cut_chunks,
        )

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

    def canary(self, space: Space) -> tuple[Probe, ...]:
        """Return the probe texts of a space with their vectors; none if none were stored."""
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

    def settings_of(self, collection: int) -> dict[str, str]:
        """Return the settings that belong to a collection, by what stands behind its number in their names.

        What its lane notes for the past is not among them.
        """
        start = f"collection {collection} "
        sql = "SELECT name, value, crc FROM settings WHERE name GLOB ? AND name NOT GLOB ?"
        found = self._connection.execute(sql, (f"{start}*", f"{start}lane *"))
        return {name.removeprefix(start): value for name, value in self._checked(found, "settings")}

    def setting(self, name: str) -> str | None:
        """Return what the database keeps under a name of its own settings, or None."""
        known = self._known.settings
        if name in known:
            return known[name]
        found = self._connection.execute("SELECT name, value, crc FROM settings WHERE name = ?", (name,))
        value = next((str(value) for _, value in self._checked(found, "settings")), None)
        if len(known) < MOST_KEPT and len(value or "") <= KEPT_CHARS:
            known[name] = value
        return value

    def _settings_below(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Go through (rest of the name, value) of the settings whose names begin with a prefix, which ends with a space."""
        found = self._connection.execute(
            "SELECT name, value, crc FROM settings WHERE name > ? AND name < ? ORDER BY name",
            (prefix, prefix[:-1] + "!"),
        )
        for name, value in self._checked(found, "settings"):
            yield name[len(prefix) :], value

    def segments(self, lane: Lane) -> list[Segment]:
        """Return the vector files of a lane in the order of their rows; compaction leaves gaps between them."""
        segments = self._known.segments.get(lane.number)
        if segments is None:
            segments = self._known.segments[lane.number] = self._read_segments(lane)
        return list(segments)

    def _read_segments(self, lane: Lane) -> list[Segment]:
        found = self._connection.execute(
            "SELECT number, lane, first_row, row_count, tail_crc, crc FROM segments WHERE lane = ? ORDER BY first_row",
            (lane.number,),
        )
        return [
            Segment(
                path=self._vector_path(lane.space.id, number),
                header=VecHeader(dim=lane.space.dim, number=number, space=lane.space.id, database=self.database),
                first_row=first_row,
                row_count=row_count,
                tail_crc=tail_crc,
            )
            for number, _, first_row, row_count, tail_crc in self._checked(found, "segments")
        ]

    def pending(self, segment: Segment) -> list[tuple[int, bytes]]:
        """Return the rows of a vector file that were never synced: (row of the file, bytes), ascending."""
        if version_of(self._connection) < PENDING_SINCE:
            return []
        start = segment.header.number * PLACES
        found = self._connection.execute(
            "SELECT place, rows, crc FROM pending WHERE place >= ? AND place < ? ORDER BY place",
            (start, start + PLACES),
        )
        pending = []
        for place, its, crc in found:
            if row_crc(place, zlib.crc32(its)) != crc:
                raise self._damaged("a row of pending does not match its checksum")
            pending.append((place - start, its))
        for row, its in pending:
            if len(its) % segment.row_bytes or row + len(its) // segment.row_bytes > segment.row_count:
                raise self._damaged("rows stand in it that their vector file has no place for")
        return pending

    def mapped(self, segment: Segment, before: Floats | None = None) -> Floats:
        """Return the rows of a vector file and the room behind them: what was mapped before, unless they have outgrown it.

        See ``Segment.map``.
        """
        if before is not None and len(before) >= segment.row_count:
            return before
        return segment.map(self.pending(segment))

    def rows_in(self, segment: Segment) -> Floats:
        """Return the committed rows of a vector file: float32 (row_count, D), read-only, over the file."""
        return self.mapped(segment)[: segment.row_count]

    def _vector_path(self, space_id: str, number: int) -> Path:
        return self._folder / "vectors" / space_id / f"{number}.vec"

    def all_segments(self) -> list[Segment]:
        """Return the vector files of all lanes."""
        return [segment for name in self.collection_names() for segment in self.segments(self.lane(name))]

    def blocks(self, segment: Segment) -> dict[int, tuple[int, int]]:
        """Return block number → (rows, CRC-32) of a vector file."""
        found = self._connection.execute(
            "SELECT segment, block, data_crc, crc FROM blocks WHERE segment = ?", (segment.header.number,)
        )
        blocks = {block: (BLOCK_ROWS, crc) for _, block, crc in self._checked(found, "blocks")}
        last, filled = divmod(segment.row_count, BLOCK_ROWS)
        if filled:
            blocks[last] = (filled, segment.tail_crc)
        return blocks

    def dropped(self) -> list[tuple[Path, int]]:
        """Return the vector files that no lane has any more, and when each was dropped, in seconds since 1970."""
        found = self._connection.execute("SELECT number, space, dropped_at, crc FROM dropped ORDER BY number")
        return [
            (self._vector_path(space, number), dropped_at)
            for number, space, dropped_at in self._checked(found, "dropped")
        ]

    def counts(self, lane: Lane) -> dict[str, int]:
        """Return how many records, chunks, cut chunks and dead rows a lane has, and the bytes of the dead rows."""
        dead = sum(segment.row_count for segment in self.segments(lane)) - lane.rows
        return {
            "records": lane.records,
            "chunks": lane.rows,
            "cut_records": lane.cut_records,
            "cut_chunks": lane.cut_chunks,
            "dead_rows": dead,
            "dead_bytes": dead * lane.space.dim * 4,
        }

    def free_bytes(self) -> int:
        """Return how many bytes of SQLite's file hold nothing; the next compaction gives them back."""
        pages = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages * self._connection.execute("PRAGMA page_size").fetchone()[0])
