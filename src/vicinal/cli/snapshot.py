"""``vicinal snapshot``: consistent copies of a database at another place, and databases made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn
from rich.table import Table

from vicinal import snapshots
from vicinal.cli.output import DatabaseOption, JsonOption, bytes_text, console, errors, opened, print_json

DAY_S = 86_400

app = typer.Typer(help="Snapshots: take, list, verify, restore, prune.", no_args_is_help=True)
PlaceArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLACE", help="A folder, or the URL of an object store such as s3://bucket/path.", show_default=False
    ),
]
AtOption = Annotated[
    int | None,
    typer.Option(help="A commit: the newest snapshot that is not after it is meant.", show_default="the newest"),
]


@app.command()
def take(place: PlaceArgument, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Take a snapshot of the database; readers and writers go on.

    What the place has already is not written again, so that the second snapshot costs what has changed.
    """
    with opened(db) as database, _bytes_bar("copying") as tell:
        taken = database.snapshot(place, progress=tell)
    if as_json:
        print_json(asdict(taken))
        return
    console.print(
        f"commit {taken.sequence}, {bytes_text(taken.size_bytes)}, of which {bytes_text(taken.written_bytes)} were new",
        highlight=False,
    )


@app.command("list")
def list_snapshots(place: PlaceArgument, as_json: JsonOption = False) -> None:
    """Show the snapshots of a place, oldest first."""
    found = snapshots.at(place)
    if as_json:
        print_json({"snapshots": [asdict(one) for one in found]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("commit", "taken", "size", "database"):
        table.add_column(name)
    for one in found:
        taken = datetime.fromtimestamp(one.taken_at, UTC).isoformat(sep=" ") if one.sound else "damaged"
        table.add_row(str(one.sequence), taken, bytes_text(one.size_bytes), escape(one.database[:12]))
    console.print(table if found else "There are no snapshots.")


@app.command()
def verify(place: PlaceArgument, at: AtOption = None, as_json: JsonOption = False) -> None:
    """Read every piece of a snapshot, or of all, and compare it with its digest."""
    with _bytes_bar("reading") as tell:
        found = snapshots.verify(place, at=at, progress=tell)
    if as_json:
        print_json(asdict(found))
    else:
        console.print(
            f"[green]whole[/]: {len(found.sequences)} snapshots, {found.pieces} pieces, {bytes_text(found.size_bytes)}",
            highlight=False,
        )


@app.command()
def restore(
    place: PlaceArgument,
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a database of a snapshot, in a new folder; it appears whole and checked, or not at all."""
    with _bytes_bar("restoring") as tell:
        found = snapshots.restore(place, target, at=at, progress=tell)
    if as_json:
        print_json({"path": str(target), **asdict(found)})
    else:
        console.print(f"{escape(str(target))} is as of commit {found.sequence}", highlight=False, soft_wrap=True)


@app.command()
def prune(
    place: PlaceArgument,
    keep_last: Annotated[int, typer.Option(help="The newest so many stay.")] = 1,
    older_than_days: Annotated[
        float | None, typer.Option(help="Of the others, only those taken so many days ago go.", show_default="all")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove old snapshots, and what only they had."""
    age_s = None if older_than_days is None else older_than_days * DAY_S
    found = snapshots.prune(place, keep_last=keep_last, older_than_s=age_s)
    if as_json:
        print_json(asdict(found))
        return
    later = "; a snapshot is being taken, so pieces go the next time" if found.postponed else ""
    console.print(f"{len(found.sequences)} removed, {bytes_text(found.freed_bytes)} given back{later}", highlight=False)


@contextmanager
def _bytes_bar(told: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of bytes on standard error; it gives what a run tells its progress."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(told, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
