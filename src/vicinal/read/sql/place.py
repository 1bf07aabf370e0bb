"""What ``sqlite:notes.db?table=notes`` and ``postgresql://…?table=notes`` say."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from vicinal.errors import InputError
from vicinal.read.place import id_of
from vicinal.types import Source

SQLITE = "sqlite:"
POSTGRES = ("postgresql://", "postgres://")
OWN = ("table", "query")
"""Parameters of a place that are ours; all others are the database's."""
QUERY_DIGITS = 8
MOST_QUERY_CHARS = 100_000
SECRETS = ("password", "sslpassword")
"""Parameters of PostgreSQL that nobody else may see."""
_HOST = r"(?:[^\s:@/?#\[\],]*|\[[0-9A-Fa-f:.]+(?:%\w+)?\])(?::\d{0,5})?"
_SERVER = re.compile(
    rf"(postgres(?:ql)?)://(?:([^:@/?#]*)(:[^@/?#]*)?@)?({_HOST}(?:,{_HOST})*)((?:/[^@?#]*)?)(?:\?([^#]*))?"
)
"""Scheme, user, password, hosts, path, parameters. What else a password holds stands behind percent signs."""


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
        It names neither a table nor a query, or both; or the address cannot be read.
    """
    if not source.place.startswith(SQLITE):
        _ = _server(source.place)
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
    _, _, _, hosts, path, _ = _server(address)
    name = f"postgresql://{hosts.lower().removesuffix(':') or 'localhost'}{path}"
    return SqlPlace(address=address, table=table, query=query, origin=f"{name}?{told}:", label=f"{name}:{told}")


def without_password(place: str) -> str:
    """Return a place as it may be shown and kept.

    Raises
    ------
    InputError
        It is an address of PostgreSQL in which nobody can tell where a password ends.
    """
    if not place.startswith(POSTGRES):
        return place
    scheme, user, _, hosts, path, told = _server(place)
    kept = "&".join(one for one in told.split("&") if unquote(one.partition("=")[0]) not in SECRETS)
    return f"{scheme}://{user + '@' if user else ''}{hosts}{path}{'?' + kept if kept else ''}"


def secrets_of(address: str) -> set[str]:
    """Return the passwords in an address of PostgreSQL, as they are written and as they are meant."""
    _, _, password, _, _, told = _server(address)
    pairs = [one.partition("=") for one in told.split("&")]
    found = {password.removeprefix(":"), *(value for name, _, value in pairs if unquote(name) in SECRETS)}
    return {one for raw in found for one in (raw, unquote(raw)) if one}


def _server(address: str) -> tuple[str, ...]:
    """Return the parts of an address of PostgreSQL, "" for those that are not there."""
    found = _SERVER.fullmatch(address)
    if found is None or any("@" in one.partition("=")[0] for one in (found[6] or "").split("&")):
        raise InputError(
            "This address of PostgreSQL cannot be read: postgresql://USER@HOST:PORT/DATABASE?table=NAME is expected. In a "
            "password write : / ? # @ with percent signs, or better keep it in PGPASSWORD or ~/.pgpass.",
            where="source",
        )  # without the address, for nobody can tell where its password ends
    return tuple(part or "" for part in found.groups())


def sqlite_path(place: str) -> Path:
    """Return the file of ``sqlite:PATH``, ``sqlite://PATH`` or ``sqlite:///PATH``, of which two slashes say nothing."""
    return Path(place.removeprefix(SQLITE).removeprefix("//").partition("?")[0]).expanduser()


def at_path(place: str, path: Path) -> str:
    """Return a SQLite place at another path."""
    _, mark, told = place.partition("?")
    return f"{SQLITE}{path}{mark}{told}"


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
        return str(sqlite_path(place)), own
    return address + (f"?{urlencode(others, quote_via=quote)}" if mark and others else ""), own
