"""What ``sqlite:notes.db?table=notes`` and ``postgresql://…?table=notes`` say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from vicinal.errors import InputError
from vicinal.read.place import id_of
from vicinal.types import Source

SQLITE = "sqlite:"
POSTGRES = ("postgresql://", "postgres://")
OWN = ("table", "query")
"""Parameters of a place that are ours; all others are the database's."""
QUERY_DIGITS = 8
MOST_QUERY_CHARS = 100_000
_PASSWORD = re.compile(r"(://[^:/@]*):[^@/]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlPlace:
    """A database, and what is read of it. ``address`` may hold a password; ``origin`` and ``label`` never do.

    ``label`` is the source of its documents and the beginning of their ids.
    """

    address: str
    table: str | None
    query: str | None
    origin: str
    label: str


def is_sql(place: str) -> bool:
    """Return whether a place is a database."""
    return place.startswith((SQLITE, *POSTGRES))


def sql_place(source: Source, base: Path | None) -> SqlPlace:
    """Return what a source says.

    Raises
    ------
    InputError
        It names neither a table nor a query, or both.
    """
    address, said = _divided(source.place)
    table, query = source.table or said.get("table"), source.query or said.get("query")
    shown = without_password(address)
    if (table is None) == (query is None):
        raise InputError(
            f"{shown} needs a table or a query, one of the two: {shown}?table=NAME, or --query 'SELECT …'.",
            where=shown,
        )
    if query is not None and len(query) > MOST_QUERY_CHARS:
        raise InputError(f"The query of {shown} has more than {MOST_QUERY_CHARS} characters.", where=shown)
    told = table or f"query-{hashlib.blake2b(str(query).encode()).hexdigest()[:QUERY_DIGITS]}"
    if source.place.startswith(SQLITE):
        name = id_of(Path(address), base)
        return SqlPlace(
            address=address, table=table, query=query, origin=f"sqlite:{name}?{told}:", label=f"{name}:{told}"
        )
    where = urlsplit(shown)
    host = where.hostname or "localhost"
    name = f"postgresql://{host}{f':{where.port}' if where.port else ''}{where.path}"
    return SqlPlace(address=address, table=table, query=query, origin=f"{name}?{told}:", label=f"{name}:{told}")


def without_password(place: str) -> str:
    """Return a place as it may be shown and kept."""
    parts = urlsplit(place)
    if not parts.query or "://" not in place:
        return _PASSWORD.sub(r"\1@", place)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "password"]
    return _PASSWORD.sub(r"\1@", urlunsplit(parts._replace(query=urlencode(kept, quote_via=quote))))


def _divided(place: str) -> tuple[str, dict[str, str]]:
    """Return the address of a database, and our own parameters."""
    address, mark, told = place.partition("?")
    pairs = parse_qsl(told, keep_blank_values=True)
    own = {name: value for name, value in pairs if name in OWN}
    others = [(name, value) for name, value in pairs if name not in OWN]
    if place.startswith(SQLITE):
        if others:
            names = ", ".join(name for name, _ in others)
            raise InputError(
                f"{address} has the parameters {names}; table and query are known.", got=names, where=address
            )
        return address.removeprefix(SQLITE).removeprefix("//"), own
    return address + (f"?{urlencode(others, quote_via=quote)}" if mark and others else ""), own
