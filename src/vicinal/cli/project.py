"""``vicinal project``: a collection again, in fewer dimensions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from vicinal.cli.output import DatabaseOption, JsonOption, bytes_text, console, opened, print_json, progress_bar


def project(
    source: Annotated[str, typer.Argument(help="The collection that is there.", show_default=False)],
    target: Annotated[str, typer.Argument(help="The name of the new one.", show_default=False)],
    dim: Annotated[int | None, typer.Option(help="Dimensions of the new one.", show_default="all")] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="pca: fitted on the collection's vectors; rotation: at random; common: without what all share."
        ),
    ] = "pca",
    seed: Annotated[int, typer.Option(help="Of the random directions.")] = 0,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a collection with the same records and shorter vectors; nothing is encoded again."""
    with opened(db, read_only=False) as database, progress_bar() as bar:
        chosen = database.collection(source, create=False)
        task = bar.add_task("projecting", total=len(chosen))
        made = chosen.project(
            target, dim=dim, kind=kind, seed=seed, progress=lambda done, _: bar.update(task, completed=done)
        )
        before, said = chosen.info(), made.info()
    if as_json:
        print_json(said)
        return
    console.print(
        f"{escape(target)}: {said['records']} records, {before['space']['dim']} → {said['space']['dim']} dimensions, "
        f"vectors {bytes_text(before['vector_bytes'])} → {bytes_text(said['vector_bytes'])}",
        highlight=False,
    )
