"""How the command line speaks: answers on standard output, everything else on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

import vicinal
from vicinal.collection import Collection
from vicinal.database import Database, find
from vicinal.errors import InputError, VicinalError

console = Console(soft_wrap=False, emoji=False)
errors = Console(stderr=True, emoji=False)


def _complete_collection(incomplete: str) -> list[str]:
    """Return the collections of the database here, for the shell."""
    try:
        with vicinal.open(find(), create=False, read_only=True) as db:
            return [name for name in (*db.collections(), *db.aliases()) if name.startswith(incomplete)]
    except VicinalError:
        return []


STEERING = frozenset(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
"""Control characters but tab and line feed."""

DatabaseOption = Annotated[
    Path | None,
    typer.Option(
        "--db", help="The database folder. Default: .vicinal here or above, or VICINAL_DB.", show_default=False
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection",
        "-c",
        help="The collection, or an alias.",
        show_default="main, or the only one",
        autocompletion=_complete_collection,
    ),
]
CollectionArgument = Annotated[
    str | None, typer.Argument(metavar="[COLLECTION]", help="The same as -c COLLECTION.", show_default=False)
]
"""Of commands that take nothing else, and are about a collection as a whole."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@contextmanager
def opened(path: Path | None, *, read_only: bool = True) -> Iterator[Database]:
    """Open the database that a command means, and close it afterwards."""
    with vicinal.open(path or find(), create=False, read_only=read_only) as db:
        yield db


@contextmanager
def opened_collection(path: Path | None, name: str | None, *, read_only: bool = True) -> Iterator[Collection]:
    """Open the collection that a command means, and close its database afterwards."""
    with opened(path, read_only=read_only) as db:
        yield db.collection(name or db.default_collection(), create=False)


def one_collection(argument: str | None, option: str | None) -> str | None:
    """Return the collection that was said, behind the command or by ``-c``.

    Raises
    ------
    InputError
        Both were said, and they are not the same.
    """
    if argument is not None and option is not None and argument != option:
        raise InputError(f"Say one collection: {argument!r}, or -c {option!r}.", got=argument, where="collection")
    return argument if option is None else option


def print_json(said: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    typer.echo(json.dumps(said, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:  # noqa: ANN401 - json's own protocol
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


def progress_bar() -> Progress:
    """Return a bar on standard error, which shows nothing where that is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


def harmless(text: str) -> str:
    """Return a text whose control characters cannot steer a terminal; its length stays, so that spans hold."""
    return text.translate(dict.fromkeys(map(ord, STEERING), " "))


def bytes_text(count: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:  # noqa: PLR2004 - the next unit
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
