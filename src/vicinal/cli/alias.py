"""``vicinal alias``: names that stand for collections."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.output import DatabaseOption, JsonOption, console, opened, print_json

app = typer.Typer(help="Names that stand for collections: list, set, drop.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(metavar="ALIAS", help="The name.", show_default=False)]


@app.command("list")
def list_aliases(db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show the aliases, and the collection that each stands for."""
    with opened(db) as database:
        found = database.aliases()
    if as_json:
        print_json({"aliases": found})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("alias", "collection"):
        table.add_column(title, overflow="fold")
    for name, target in found.items():
        table.add_row(f"[cyan]{escape(name)}[/]", f"[green]{escape(target)}[/]")
    console.print(table if found else "There are no aliases.")


@app.command("set")
def set_alias(
    name: NameArgument,
    target: Annotated[str, typer.Argument(metavar="COLLECTION", help="What it shall stand for.", show_default=False)],
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a name stand for a collection, at once for every reader and writer; another one that it stood for stays."""
    with opened(db, read_only=False) as database:
        before = database.alias(name, target)
    if as_json:
        print_json({"alias": name, "collection": target, "before": before})
        return
    told = "" if before is None else f"; it stood for {before}"
    console.print(escape(f"{name} stands for {target}{told}"), highlight=False, soft_wrap=True)


@app.command("drop")
def drop_alias(name: NameArgument, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Forget an alias; the collection stays."""
    with opened(db, read_only=False) as database:
        before = database.drop_alias(name)
    if as_json:
        print_json({"alias": name, "collection": None, "before": before})
        return
    console.print(escape(f"{name} is forgotten; it stood for {before}"), highlight=False, soft_wrap=True)
