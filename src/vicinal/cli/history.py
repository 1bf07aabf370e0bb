"""``vicinal history``: how far back a collection can be told, and what each commit did; ``--at`` of other commands."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.output import (
    CollectionArgument,
    CollectionOption,
    DatabaseOption,
    JsonOption,
    console,
    one_collection,
    opened,
    print_json,
)
from vicinal.collection import Collection
from vicinal.errors import InputError
from vicinal.past import CollectionAt
from vicinal.types import Commit, History

BAR_CHARS = 20
"""The length of the bar of the commit that changed most."""
AtOption = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="COMMIT|TIME",
        help="As it stood after a commit, or at a time such as 2026-03-31T18:00; vicinal history tells how far back.",
        show_default="now",
    ),
]


def as_of(chosen: Collection, at: str | None) -> Collection | CollectionAt:
    """Return a collection as it stood at a commit or time, or as it is.

    Raises
    ------
    InputError
        ``at`` is neither.
    """
    if at is None:
        return chosen
    if at.isascii() and at.isdigit():
        return chosen.at(int(at))
    try:
        return chosen.at(time=datetime.fromisoformat(at))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"--at must be the number of a commit, or a time such as 2026-03-31T18:00, got {at!r}.", got=at, where="at"
        ) from None


def history(
    about: CollectionArgument = None,
    keep: Annotated[
        float | None,
        typer.Option(
            metavar="DAYS",
            help="Keep what all collections of the database hold for so many days from now on; 0 forgets it.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many commits are shown, the last ones.")] = 20,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far back a collection can be told, and what each commit since then did to it."""
    with opened(db, read_only=keep is None) as database:
        if keep is not None:
            database.keep_history(days=keep)
        name = one_collection(about, collection) or database.default_collection()
        found = database.collection(name, create=False).history()
    if as_json:
        print_json(asdict(found))
    else:
        _show(found, k)


def _show(found: History, k: int) -> None:
    kept = "not kept" if found.days is None else f"kept for {found.days:g} days"
    console.print(
        f"[bold]{escape(found.collection)}[/] can be told as of the commits [cyan]{found.first}[/] to "
        f"[cyan]{found.last}[/]; its past is {kept}",
        highlight=False,
    )
    shown = found.commits[-k:]
    if not shown:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("commit", justify="right", style="cyan")
    table.add_column("made (UTC)", no_wrap=True)
    for title in ("added", "changed", "removed"):
        table.add_column(title, justify="right")
    table.add_column("", no_wrap=True)
    most = max(one.added + one.changed + one.removed for one in shown)
    for one in shown:
        made = "" if one.time is None else f"{datetime.fromtimestamp(one.time, UTC):%Y-%m-%d %H:%M:%S}"
        told = [f"{count:,}" if count else "" for count in (one.added, one.changed, one.removed)]
        table.add_row(str(one.sequence), made, *told, _bar(one, most))
    console.print(table)
    if len(found.commits) > k:
        console.print(f"[dim]{len(found.commits) - k:,} more before; -k shows them[/]", highlight=False)


def _bar(one: Commit, most: int) -> str:
    """Return what a commit did as a bar: green came, yellow changed, red went."""
    parts = (("green", one.added), ("yellow", one.changed), ("red", one.removed))
    return "".join(f"[{colour}]{'█' * -(-BAR_CHARS * count // most)}[/]" for colour, count in parts if count)
