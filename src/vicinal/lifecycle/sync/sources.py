"""What a run reads, under which names the ledger keeps it, and which sources a collection was made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from vicinal.errors import InputError, MissingExtraError, NotFoundError
from vicinal.lifecycle.records import checked_id, documents_of
from vicinal.read import is_watched, origin_of_source, read_source
from vicinal.read.sql.place import SQLITE, at_path, sqlite_path, without_password
from vicinal.read.web.pages import Known
from vicinal.store import Lane, Snapshot, Transaction
from vicinal.types import Document, Skipped, Source, Unmodified

STREAM = "-"
MOST_SOURCES = 1_000
"""Sources that a collection remembers."""
Found = Iterator[Document | Skipped | Unmodified]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Documents that a program gives itself, under a name of its own."""

    name: str
    records: Iterable[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a run reads.

    Parameters
    ----------
    places : tuple of Source
        The sources.
    base : Path
        Ids of files are relative to it.
    rows : Rows, optional
        Documents that the program gives itself.
    strict : bool
        Whether a file or folder that is not there is an error, as for one that was named just now, or a hole.
    """

    places: tuple[Source, ...]
    base: Path
    rows: Rows | None = None
    strict: bool = True

    def streams(self, known: Known) -> list[tuple[str, Found]]:
        """Return each source with its origin and its documents.

        Raises
        ------
        NotFoundError
            One of them does not exist; none is read.
        InputError
            One of them says what cannot be.
        """
        found = [(origin_of(one, self.base), self._read(one, known)) for one in self.places]
        if self.rows is not None:
            found.append((f"{self.rows.name}:", _given(self.rows)))
        return found

    def _read(self, source: Source, known: Known) -> Found:
        if self.strict:
            return read_source(source, base=self.base, known=known)
        return self._read_or_hole(source, known)

    def _read_or_hole(self, source: Source, known: Known) -> Found:
        """Give the documents of a source; one that is not there, or that nobody can read, is a hole of its own."""
        try:
            yield from read_source(source, base=self.base, known=known)
        except (NotFoundError, InputError, MissingExtraError) as error:
            reason = "not there" if isinstance(error, NotFoundError) else "refused"
            yield Skipped(source=origin_of(source, self.base), reason=reason, detail=error.message, failed=True)

    def origins(self) -> list[str]:
        """Return the names under which the ledger keeps them, each once."""
        return list(dict.fromkeys(origin for origin, _ in self.named()))

    def named(self) -> list[tuple[str, Source | None]]:
        """Return each origin with its source; None for what a program gives itself."""
        rows = [] if self.rows is None else [(f"{self.rows.name}:", None)]
        return [*((origin_of(one, self.base), one) for one in self.places), *rows]

    def hole_of_twice(self, record_id: str, origin: str) -> Skipped | None:
        """Return what is told of an id that another source of the run gave: None for the same file or page, read once."""
        if self.rows is None or origin != f"{self.rows.name}:":
            return None
        return Skipped(source=record_id, reason="duplicate id", detail="another source of this run has it", failed=True)

    def watched(self) -> tuple[Source, ...]:
        """Return those that lie in files."""
        return tuple(one for one in self.places if is_watched(one))


def fixed_origin(origin: str) -> str | None:
    """Return the origin of all documents of a source, None where each file has its own."""
    return origin if origin == STREAM or origin.endswith(":") else None


def origin_of(source: Source | str | Path, base: Path) -> str:
    """Return the name under which the ledger keeps a source: relative to the base where it lies inside."""
    return origin_of_source(source if isinstance(source, Source) else Source(place=str(source)), base)


def _given(rows: Rows) -> Found:
    """Give the records of a program as documents; one that is wrong is a hole, not the end."""
    seen: set[str] = set()
    for place, record in enumerate(rows.records):
        try:
            document = documents_of([record], first=place)[0]
        except InputError as error:
            named = record.get("id") if isinstance(record, Mapping) else None
            source = named if isinstance(named, str) and named else f"{rows.name}:"
            yield Skipped(source=source, reason="malformed", detail=error.message, failed=True)
            continue
        if document.id in seen:
            yield Skipped(source=document.id, reason="duplicate id", detail=f"records[{place}]", failed=True)
            continue
        seen.add(document.id)
        yield document


def checked_name(name: object) -> str:
    """Return the name of what a program gives itself; it must not be taken for a path."""
    text = checked_id(name, "name")
    if text.startswith((".", "/")) or text.endswith(":") or text == STREAM:
        raise InputError(f"name must be a plain word such as 'crm', got {text!r}.", got=text, where="name")
    return text


def setting_of(lane: Lane) -> str:
    """Return the name of the setting that keeps a collection's sources."""
    return f"collection {lane.collection} sources"


def remembered(snapshot: Snapshot, lane: Lane) -> dict[str, tuple[Source, ...]]:
    """Return the sources that a collection was made of, by origin; none for what a program gave itself.

    Several have one origin where a run read one folder by several patterns.
    """
    said = json.loads(snapshot.setting(setting_of(lane)) or "{}")
    return {
        origin: tuple(_source(one) for one in (told if isinstance(told, list) else [told]) if one is not None)
        for origin, told in said.items()
    }


def _source(told: Mapping[str, Any]) -> Source:
    names = {field.name for field in fields(Source)}
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.items() if name in names
    }
    return Source(**known)


def _write(transaction: Transaction, lane: Lane, kept: Mapping[str, tuple[Source, ...]]) -> None:
    told = {
        origin: None if not ones else asdict(ones[0]) if len(ones) == 1 else [asdict(one) for one in ones]
        for origin, ones in list(kept.items())[-MOST_SOURCES:]
    }
    transaction.put_setting(setting_of(lane), json.dumps(told, ensure_ascii=False))


def remember(transaction: Transaction, lane: Lane, sources: Sources) -> None:
    """Keep the sources of a run, without passwords, beside those of before; the oldest go beyond ``MOST_SOURCES``."""
    _write(transaction, lane, {**remembered(transaction, lane), **_kept(sources)})


def forget(transaction: Transaction, lane: Lane, origins: Iterable[str]) -> list[str]:
    """Forget sources that are no longer any; return the ids of the records that only they gave."""
    gone = set(origins)
    kept = {origin: ones for origin, ones in remembered(transaction, lane).items() if origin not in gone}
    _write(transaction, lane, kept)
    return [
        line.id
        for origin in gone
        for line in transaction.placed_from(lane, origin)
        if not any(covers(other, line.origin) for other in kept)
    ]


def covers(source: str, origin: str) -> bool:
    """Return whether a record of an origin came from a source: from itself, or from a file in it."""
    if source == ".":
        return fixed_origin(origin) is None and not origin.startswith("/")
    return origin == source or origin.startswith(source.rstrip("/") + "/")


def is_remembered(snapshot: Snapshot, lane: Lane, sources: Sources) -> bool:
    """Return whether a collection knows the sources of a run already, in the same words."""
    known = remembered(snapshot, lane)
    return all(origin in known and known[origin] == one for origin, one in _kept(sources).items())


def _kept(sources: Sources) -> dict[str, tuple[Source, ...]]:
    """Return what is kept of sources: no stream, and paths that hold wherever the next run begins."""
    kept: dict[str, tuple[Source, ...]] = {}
    for origin, one in sources.named():
        if origin != STREAM:
            more = () if one is None else (replace(one, place=_lasting(one)),)
            kept[origin] = tuple(dict.fromkeys((*kept.get(origin, ()), *more)))
    return kept


def _lasting(source: Source) -> str:
    """Return a place without a password and with an absolute path."""
    if source.place.startswith(SQLITE):
        return at_path(source.place, sqlite_path(source.place).absolute())
    if is_watched(source):
        return str(Path(source.place).absolute())
    return without_password(source.place)
