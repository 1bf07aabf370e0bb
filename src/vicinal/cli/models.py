"""``vicinal models``: which models are known, where they are, and whether they are what their pins say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal import identity, models
from vicinal.cli.output import JsonOption, console, errors, print_json
from vicinal.errors import PinMismatchError, exit_status

app = typer.Typer(help="Models: list, pull, verify, info, compare, runtimes.", no_args_is_help=True)
NameArgument = Annotated[
    str,
    typer.Argument(
        help="A built-in name, a folder, a file of word vectors, owner/name on the hub, or a provider's model.",
        show_default=False,
    ),
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
def info(
    name: NameArgument,
    speed: Annotated[bool, typer.Option(help="Load it and time it for a second.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Show everything of a model: its pin, its space, window, licence, sizes, where it is, how fast it is here."""
    with errors.status(f"looking at {escape(name)}"):
        said = identity.identity(name, speed=speed)
    if as_json:
        print_json(said)
        return
    for key, value in said.items():
        if value in ("", (), [], None):
            continue  # nothing is said
        lines = value.items() if isinstance(value, dict) else [("", value)]
        for place, (inner, one) in enumerate(lines):
            label = key if not place else ""
            console.print(f"[cyan]{label:<16}[/] {escape(f'{inner}  {one}'.strip())}", highlight=False, soft_wrap=True)


@app.command()
def compare(
    first: NameArgument,
    second: Annotated[str, typer.Argument(help="The other model.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Show field by field how the spaces of two models differ, and how far apart they put the same texts."""
    with errors.status("loading both"):
        found = identity.compare(first, second)
    if as_json:
        print_json(asdict(found))
        return
    verdict = "[green]the same space[/]" if found.same else "[red]two spaces[/]: their vectors never meet"
    console.print(f"{found.spaces[0]} and {found.spaces[1]}: {verdict}", highlight=False)
    if found.fields:
        table = Table(box=None, pad_edge=False)
        for title in ("field", first, second):
            table.add_column(escape(title), overflow="fold")
        for field, (one, other) in found.fields.items():
            table.add_row(field, escape(repr(one)), escape(repr(other)))
        console.print(table)
    for text, value in found.cosines.items():
        console.print(f"{value:8.5f}  {escape(text)}", highlight=False)
    if not found.cosines:
        console.print("Their dimensions differ, so no text has a cosine between them.")


@app.command("runtimes")
def list_runtimes(as_json: JsonOption = False) -> None:
    """Show what can run networks here, and what the others lack."""
    known = models.known_runtimes()
    if as_json:
        print_json({"runtimes": [asdict(one) for one in known]})
        return
    for one in known:
        state = "[green]ready[/]  " if one.available else "[yellow]missing[/]"
        console.print(f"{state} {one.name:<24} {escape(one.reason)}", highlight=False, soft_wrap=True)
