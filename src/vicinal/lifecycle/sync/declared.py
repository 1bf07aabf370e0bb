"""``vicinal.toml``: the sources of each collection, written down once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors
from vicinal.errors import DtypeError, InputError, NotFoundError, RangeError, UnknownNameError, VicinalError
from vicinal.read import is_watched
from vicinal.read.sql.place import SQLITE, at_path, sqlite_path
from vicinal.types import Source

MOST_BYTES = 1 << 20
DEFAULT_COLLECTION = "main"
TABLES = ("sources", "collections")
OF_SOURCE = ("collection", *(field.name for field in fields(Source)))
OF_COLLECTION = ("model",)
LISTS = ("include", "exclude")
FLAGS = ("private", "other_sites")
NUMBERS = ("most_pages",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A collection as a file declares it: its sources, and the model that it is made with when it is new."""

    collection: str
    sources: tuple[Source, ...]
    model: str | None = None


def declared_sources(path: str | Path) -> tuple[Declared, ...]:
    """Return what a file declares, the collections in its order; relative places are relative to its folder.

    ::

        [[sources]]
        collection = "notes"        # main by default
        place = "docs"              # whatever ``vicinal sync`` takes
        exclude = ["drafts/"]

        [collections.notes]
        model = "minilm"            # of a collection that is not there yet

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is no TOML, has a key or a value that is not known, or declares no source; the message says where.
    """
    path = Path(path)
    tables = _parsed(path)
    _require_known(tables, TABLES, path.name)
    listed = tables.get("sources")
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{path.name} declares no source: add [[sources]] with a place.", where=path.name)
    models = _models(tables.get("collections", {}))
    found: dict[str, list[Source]] = {}
    for place, table in enumerate(listed, 1):
        collection, source = _source(table, f"[[sources]] {place}", path.parent)
        found.setdefault(collection, []).append(source)
    for name in models:
        if name not in found:
            raise InputError(f"[collections.{name}] has no [[sources]] of that collection.", got=name, where=path.name)
    return tuple(
        Declared(collection=name, sources=tuple(sources), model=models.get(name)) for name, sources in found.items()
    )


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFoundError(
            f"There is no file {path}; write the sources of your collections into one.", where=str(path)
        )
    with disk_errors(path), path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path.name} is longer than {MOST_BYTES} bytes.", expected=MOST_BYTES, where=path.name)
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is no TOML: {error}.", where=path.name) from error


def _require_known(found: Mapping[str, Any], known: tuple[str, ...], told: str) -> None:
    for key in found:
        if key not in known:
            listed = ", ".join(known)
            raise UnknownNameError(
                f"{told} has the key {key!r}, which is none of {listed}.", expected=listed, got=key, where=told
            )


def _models(tables: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, table in _table(tables, "[collections]").items():
        told = f"[collections.{name}]"
        one = _table(table, told)
        _require_known(one, OF_COLLECTION, told)
        if "model" in one:
            found[name] = _value("model", one["model"], told)
    return found


def _table(found: object, told: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise InputError(f"{told} must be a table of keys and values, got {type(found).__name__}.", where=told)
    return found


def _source(table: object, told: str, folder: Path) -> tuple[str, Source]:
    one = _table(table, told)
    _require_known(one, OF_SOURCE, told)
    if "place" not in one:
        raise InputError(f"{told} has no place: a folder, a file, a database, or an address.", where=told)
    values = {key: _value(key, value, told) for key, value in one.items() if key != "collection"}
    collection = _value("collection", one.get("collection", DEFAULT_COLLECTION), told)
    try:
        source = Source(**values)
        return collection, Source(**{**values, "place": _placed(source, folder)})
    except VicinalError as error:
        raise type(error)(f"{told}: {error.message}", where=told) from error


def _value(key: str, value: object, told: str) -> Any:  # noqa: ANN401 - what the fields of a source are
    """Return a value of the kind that a key has."""
    if key in LISTS:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise DtypeError(f"{key} of {told} must be a list of strings.", expected="list[str]", where=told)
        return tuple(listed)
    kind: type = bool if key in FLAGS else int if key in NUMBERS else str
    if type(value) is not kind:
        raise DtypeError(
            f"{key} of {told} must be {kind.__name__}, got {type(value).__name__}.",
            expected=kind.__name__,
            got=type(value).__name__,
            where=told,
        )
    if value == "" or (kind is int and isinstance(value, int) and value < 1):
        raise RangeError(f"{key} of {told} must be at least one.", got=value, where=told)
    return value


def _placed(source: Source, folder: Path) -> str:
    """Return a place with a path that holds from wherever the program is started."""
    if not is_watched(source):
        return source.place
    if source.place.startswith(SQLITE):
        return at_path(source.place, folder / sqlite_path(source.place))
    return str(folder / Path(source.place).expanduser())
