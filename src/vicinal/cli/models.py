"""``vicinal models``: which models are known, where they are, and whether they are what their pins say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal import models
from vicinal.cli.output import JsonOption, console, errors, print_json
from vicinal.errors import PinMismatchError, exit_status

app = typer.Typer(help="Models: list, pull, verify, info.", no_args_is_help=True)
NameArgument = Annotated[
    str, typer.Argument(help="The model's name, or a folder in the hub's layout.", show_default=False)
]


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Show the models that are known by name, and where they are."""
    known = models.known()
    if as_json:
        print_json({"models": [asdict(one) for one in known]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("name", "dim", "max_tokens", "licence", "place"):
        table.add_column(name)
    for one in known:
        table.add_row(
            one.name,
            str(one.dim),
            str(one.max_tokens),
            one.licence,
            escape(one.path) if one.path else "not here; vicinal models pull " + one.name,
        )
    console.print(table)


@app.command()
def pull(name: NameArgument, as_json: JsonOption = False) -> None:
    """Get a model from the first source that has it, each file compared with its digest."""
    with errors.status(f"looking for {escape(name)}"):
        found = models.pull(name)
    if as_json:
        print_json({"name": name, "path": str(found.folder), "source": found.source})
        return
    told = f"{escape(name)} is in {escape(str(found.folder))} (from: {found.source}), every file as its pin says"
    console.print(told, highlight=False, soft_wrap=True)


@app.command()
def verify(name: NameArgument, as_json: JsonOption = False) -> None:
    """Read every file of a model and compare it with its digest."""
    checks = models.verify(name)
    if as_json:
        print_json({"name": name, "files": [asdict(one) for one in checks], "ok": all(one.ok for one in checks)})
    else:
        for one in checks:
            console.print(
                f"{'[green]ok[/]     ' if one.ok else '[red]differs[/]'} {escape(one.file)}  {one.got}",
                highlight=False,
                soft_wrap=True,
            )
    if not all(one.ok for one in checks):
        raise typer.Exit(exit_status(PinMismatchError.code))


@app.command()
def info(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show a model's pin: its files' digests, pooling, prompts, window, licence, and where it is."""
    said = models.info(name)
    if as_json:
        print_json(said)
        return
    for key, value in said.items():
        lines = value.items() if isinstance(value, dict) else [("", value)]
        for place, (inner, one) in enumerate(lines):
            label = key if not place else ""
            console.print(f"[cyan]{label:<16}[/] {escape(f'{inner}  {one}'.strip())}", highlight=False, soft_wrap=True)
