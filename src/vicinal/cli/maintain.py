"""``vicinal compact`` and ``vicinal doctor``: what a database does for itself, now and with a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal._files import disk_errors, write_atomically
from vicinal.cli.output import (
    CollectionOption,
    DatabaseOption,
    JsonOption,
    bytes_text,
    console,
    errors,
    harmless,
    opened_collection,
    print_json,
    progress_bar,
)
from vicinal.collection import Health
from vicinal.errors import CorruptStoreError

POOR = 1
"""The exit status of a doctor who found an alarm."""
COLORS = {"alarm": "red", "notice": "yellow", "ok": "green", "skipped": "dim"}
MARKS = {"alarm": "✖", "notice": "▲", "ok": "✓", "skipped": "–"}


def compact(
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give back the room of what was deleted, and build the index anew.

    Readers and writers go on meanwhile. Stopped at any time, nothing is lost.
    """
    with opened_collection(db, collection, read_only=False) as chosen, progress_bar() as bar:
        task = bar.add_task("compacting", total=None)
        report = chosen.compact(progress=lambda done, total: bar.update(task, completed=done, total=total))
    said = asdict(report)
    if as_json:
        print_json(said)
        return
    console.print(
        f"{report.moved_rows} rows moved, {bytes_text(report.freed_bytes)} given back; "
        f"{report.indexed_rows} rows indexed in {report.took_s:.1f} s",
        highlight=False,
    )


def doctor(
    samples: Annotated[int, typer.Option(help="Questions that recall is measured with.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the sample that is looked at.")] = 0,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one page with pictures here.", show_default=False)
    ] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine a collection: checksums, model, vectors, index, texts, hubs, geometry, disk; and say what to do first.

    Ends with status 1 if there is an alarm.
    """
    found = _examined(db, collection, samples, seed)
    if html is not None:
        with disk_errors(html):
            write_atomically(html, found.html().encode())
        errors.print(f"Written to {escape(str(html))}.", highlight=False)
    if as_json:
        print_json(found.to_mapping())
    else:
        _show(found)
    if found.alarms:
        raise typer.Exit(POOR)


def _examined(db: Path | None, collection: str | None, samples: int, seed: int) -> Health:
    """Return the health of a collection; of a database that is too damaged to be opened, that it is."""
    try:
        with opened_collection(db, collection) as chosen, progress_bar() as bar:
            task = bar.add_task("examining", total=None)
            return chosen.doctor(
                samples=samples,
                seed=seed,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except CorruptStoreError as error:
        return Health.of_damage(collection or "", error)


def _show(found: Health) -> None:
    """Print what is wrong with what to do, then every check in a line."""
    color = COLORS[found.state]
    console.print(
        f"[bold]{escape(harmless(found.collection))}[/] [bold {color}]{found.state}[/]  {found.chunks:,} chunks of "
        f"{found.records:,} records, {found.sampled:,} looked at, {found.took_s:.1f} s",
        highlight=False,
    )
    for one in (*found.alarms, *found.notices):
        console.print(
            f"\n[{COLORS[one.state]}]{MARKS[one.state]} {escape(one.name)}[/]: {escape(harmless(one.told))}",
            highlight=False,
        )
        if one.advice:
            console.print(f"  → {escape(harmless(one.advice))}", highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "check", "measured", "limits"):
        table.add_column(name, header_style="dim")
    for one in found.checks:
        measured = escape(one.value_text) or ("not measured" if one.state == "skipped" else "")
        mark = f"[{COLORS[one.state]}]{MARKS[one.state]}[/]"
        table.add_row(mark, escape(one.name), measured, f"[dim]{escape(one.limit)}[/]")
    console.print()
    console.print(table)
    if not found.advice:
        console.print("\n[green]nothing to do[/]")
