"""``vicinal compact`` and ``vicinal doctor``: what a database does for itself, now and with a report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from vicinal.cli.output import (
    CollectionOption,
    DatabaseOption,
    JsonOption,
    bytes_text,
    console,
    opened_collection,
    print_json,
    progress_bar,
)

POOR = 1
"""The exit status of a doctor who found something."""


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
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how many of the true neighbours the index finds, by comparing it with the exact search."""
    with opened_collection(db, collection) as chosen, progress_bar() as bar:
        task = bar.add_task("comparing", total=None)
        said = asdict(
            chosen.doctor(samples=samples, progress=lambda done, total: bar.update(task, completed=done, total=total))
        )
    if as_json:
        print_json(said)
    else:
        _show(chosen.name, said)
    if said["findings"]:
        raise typer.Exit(POOR)


def _show(name: str, said: dict[str, Any]) -> None:
    console.print(
        f"[bold]{escape(name)}[/]: recall@{said['k']} [cyan]{said['recall']:.4f}[/] "
        f"({said['low']:.4f} to {said['high']:.4f} at 95 %), asked {said['asked']:g}; {said['samples']} questions",
        highlight=False,
    )
    for finding in said["findings"]:
        console.print(f"[yellow]{escape(finding)}[/]", highlight=False)
    if not said["findings"]:
        console.print("[green]nothing to do[/]")
