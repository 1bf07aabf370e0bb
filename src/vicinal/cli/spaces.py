"""``vicinal spaces``: which spaces a database has, and which two were proven to be one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from vicinal.cli.output import DatabaseOption, JsonOption, console, errors, harmless, opened, print_json

app = typer.Typer(help="Spaces: list, assert-same, withdraw.", no_args_is_help=True)
SpaceArgument = Annotated[
    str, typer.Argument(help="The id of a space that is stored, or a collection in it.", show_default=False)
]


@app.command("list")
def list_spaces(db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show each space with its collections, and whose encoder was proven to be the same as its own."""
    with opened(db) as database:
        found = database.spaces()
    if as_json:
        print_json({"spaces": found})
        return
    for one in found:
        models = ", ".join(name or "an encoder of the program's own" for name in one["models"])
        console.print(
            f"[bold]{one['id']}[/]  {one['dim']} dimensions, {one['probes']} probe texts, {escape(harmless(models))}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(
            f"  collections: {escape(harmless(', '.join(one['collections'])))}", highlight=False, soft_wrap=True
        )
        for same in one["same"]:
            console.print(
                f"  the same as [cyan]{escape(harmless(same.model or same.other))}[/] ({same.other}): {same.probes} probe and {same.texts} "
                f"stored texts, worst cosine {same.worst:.6f}, {same.asserted_at}",
                highlight=False,
                soft_wrap=True,
            )
    if not found:
        console.print("There is no space yet; vicinal index makes one.")


@app.command("assert-same")
def assert_same(
    space: SpaceArgument,
    model: Annotated[str, typer.Argument(help="The model that is said to be the same.", show_default=False)],
    samples: Annotated[int, typer.Option(help="Stored texts that it must put where they lie.")] = 200,
    serve: Annotated[
        bool, typer.Option("--serve", help="Load it for the collections of the space from now on.")
    ] = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a model gives the vectors of a stored space, by probe texts and stored ones, and record it.

    For the same weights under another name. Refused where a single text lies elsewhere.
    """
    with opened(db, read_only=False) as database, errors.status("encoding"):
        found = database.assert_same(space, model, samples=samples, serve=serve)
    if as_json:
        print_json({**asdict(found), "serve": serve})
        return
    console.print(
        f"[green]the same[/]: {escape(model)} puts {found.probes} probe texts and {found.texts} stored ones where they lie in "
        f"space {found.space}, the worst at a cosine of {found.worst:.6f}",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"They differ in {', '.join(found.differing)}. It is proven again at each opening; vicinal spaces withdraw takes it back.",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def withdraw(
    space: SpaceArgument,
    model: Annotated[str, typer.Argument(help="The model, or the id of its space.", show_default=False)],
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back that a model may stand in for a space; what it has written stays."""
    with opened(db, read_only=False) as database:
        found = database.withdraw_same(space, model)
    if as_json:
        print_json({"withdrawn": asdict(found)})
        return
    console.print(f"{escape(found.model or found.other)} serves space {found.space} no more", highlight=False)
