"""``vicinal verify``: sources, ledger, records, vectors and indexes, compared with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vicinal.cli.output import CollectionOption, DatabaseOption, JsonOption, console, opened, print_json, progress_bar
from vicinal.corpus import Finding, Verification
from vicinal.errors import InputError

FOUND = 1
"""The exit status when something does not agree, or still does not after a repair."""
SHOWN = 20


def verify(
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Beside those that the collection was made of.", show_default=False),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended: encode again, delete, build anew.")
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(
            "--sample",
            "--samples",
            min=0,
            help="Passages that the model encodes again, to be compared.",
            show_default="16, of a provider 0",
        ),
    ] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare sources, ledger, records, vectors and indexes with one another, both ways.

    Names each thing that does not agree; the exit status is 1 then, and 0 where nothing is wrong or all was mended.
    """
    with opened(db, read_only=not repair) as database, progress_bar() as bar:
        _require_sources(sources or (), database.collections())
        names = [collection] if collection else database.collections()
        task = bar.add_task("comparing", total=None)
        found = {
            name: database.collection(name, create=False).verify(
                *sources or (),
                repair=repair,
                samples=samples,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            for name in (names if not sources or collection else [database.default_collection()])
        }
    if as_json:
        said = [{"collection": name, **asdict(one), "sound": one.sound} for name, one in found.items()]
        print_json({"collections": said, "sound": all(one.sound for one in found.values())})
    else:
        for name, one in found.items():
            _show(name, one)
    if not all(one.sound for one in found.values()):
        raise typer.Exit(FOUND)


def _require_sources(sources: Sequence[str], collections: Sequence[str]) -> None:
    """Refuse the name of a collection where sources stand."""
    for one in sources:
        if one in collections and not Path(one).exists():
            raise InputError(
                f"{one!r} is a collection, and no source: vicinal verify -c {one}.", got=one, where="sources"
            )


def _show(name: str, said: Verification) -> None:
    """Print what was compared, found, mended and left."""
    sampled = f", {said.sampled} passages encoded again" if said.sampled else ""
    unchecked = f", {said.unchecked} records came from what cannot be read again" if said.unchecked else ""
    console.print(
        f"[bold]{escape(name)}[/]: {said.records} records, {said.chunks} passages and {said.documents} documents "
        f"of sources compared in {said.took_s:.1f} s{sampled}{unchecked}",
        highlight=False,
    )
    _show_findings(said.findings, sum(said.found.values()))
    for line in said.mended:
        console.print(f"[green]mended[/]: {escape(line)}", highlight=False)
    if said.mended and said.left:
        console.print("[bold red]still wrong:[/]", highlight=False)
        _show_findings(said.left, len(said.left))
    if said.sound:
        console.print("[green]all agrees[/]" + (" now" if said.mended else ""), highlight=False)
    elif not said.mended:
        console.print("vicinal verify --repair mends what can be mended", highlight=False)


def _show_findings(findings: Sequence[Finding], count: int) -> None:
    for one in findings[:SHOWN]:
        console.print(f"  [red]{one.kind}[/] {escape(one.where)}: {escape(one.detail)}", highlight=False)
    if count > SHOWN:
        console.print(f"  and {count - SHOWN} more; --json lists them", highlight=False)
