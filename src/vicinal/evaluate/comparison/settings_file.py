"""Settings in a small TOML file: what holds for all, lists that are multiplied out, and settings one by one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError, UnknownNameError, VicinalError
from vicinal.evaluate.comparison.settings import FIELDS, Setting, multiplied, named

TABLES = ("defaults", "matrix", "setting")
MOST_BYTES = 1 << 20


def read_settings(path: Path | str) -> list[Setting]:
    """Return the settings of a file.

    ``[defaults]`` holds for all that do not say otherwise. ``[matrix]`` has a list for each field and gives each
    combination once. Each ``[[setting]]`` is one setting, with a ``name`` where it shall have one; a list in it is
    multiplied out too, and then its name begins theirs.

    Parameters
    ----------
    path : Path or str
        A TOML file of at most 1 MiB.

    Returns
    -------
    list of Setting
        Those of the matrix first, each with a name that no other has.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        It is no TOML (the message has the line), has a key or a value that is not known (the message has the table
        and the key), names two settings alike, or holds none.
    RangeError
        It holds more than 100.

    Examples
    --------
    ::

        [defaults]
        model = "minilm"

        [matrix]
        mode = ["dense", "hybrid"]
        dim = [384, 128]

        [[setting]]
        name = "words"
        mode = "lexical"
    """
    path = Path(path)
    tables = _parsed(path)
    _require_known(tables, TABLES, f"{path.name}")
    defaults = _table(tables.get("defaults", {}), "[defaults]")
    if "name" in defaults:
        raise InputError("[defaults] names no setting: each needs a name of its own.", where="[defaults] name")
    found = (
        _made({**defaults, **_table(tables.get("matrix", {}), "[matrix]")}, "[matrix]") if "matrix" in tables else []
    )
    each = tables.get("setting", [])
    if not isinstance(each, list):
        raise InputError("Write [[setting]] with two brackets: each is one of several.", where="setting")
    for place, one in enumerate(each, 1):
        told = f"[[setting]] {place}"
        own = _table(one, told)
        found += _made({**defaults, **own}, told, named_by=tuple(own))
    if not found:
        raise InputError(f"{path.name} holds no setting: add [matrix] or [[setting]].", where=path.name)
    return list(named(list(dict.fromkeys(found))))


def _parsed(path: Path) -> dict[str, Any]:
    """Return what a TOML file holds."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}; give the path of a TOML file with settings.", where=str(path))
    with disk_errors(path), path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"{path.name} is longer than {MOST_BYTES} bytes.", expected=MOST_BYTES, where=path.name)
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # tomllib's message ends with the line and column; a UnicodeDecodeError's with the byte.
        raise InputError(f"{path.name} is no TOML: {error}.", where=path.name) from error


def _table(found: object, told: str) -> dict[str, Any]:
    """Return a table of known keys."""
    if not isinstance(found, Mapping):
        raise InputError(f"{told} must be a table of keys and values, got {type(found).__name__}.", where=told)
    _require_known(found, ("name", *FIELDS), told)
    return dict(found)


def _require_known(found: Mapping[str, Any], known: tuple[str, ...], told: str) -> None:
    for key in found:
        if key not in known:
            listed = ", ".join(known)
            raise UnknownNameError(
                f"{told} has the key {key!r}, which is none of {listed}.", expected=listed, got=key, where=told
            )


def _made(table: dict[str, Any], told: str, named_by: Sequence[str] = ("mode",)) -> list[Setting]:
    """Return the settings of a table; what a value's error says begins with where it stands."""
    name = table.pop("name", "")
    lists = {key: value if isinstance(value, list) else [value] for key, value in table.items()}
    try:
        for key, values in lists.items():
            _require_values(key, values)
        _ = Setting(name=name)
        return multiplied(lists, name=name, told=named_by)
    except VicinalError as error:
        raise type(error)(
            f"{told}: {error.message}", expected=error.expected, got=error.got, where=f"{told} {error.where or ''}"
        ) from error


def _require_values(key: str, values: list[Any]) -> None:
    """Refuse an empty list, and values that no field has."""
    if not values:
        raise InputError(f"{key} is an empty list: name at least one value, or leave the key out.", where=key)
    for one in values:
        if isinstance(one, list | dict):
            raise InputError(f"{key} must be a value or a list of values, got a {type(one).__name__} in it.", where=key)
