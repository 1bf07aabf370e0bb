"""``vicinal import`` and ``vicinal export``: vectors from files of other programs, and into them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

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
from vicinal.errors import SpaceMismatchError


def import_vectors(
    path: Annotated[
        Path,
        typer.Argument(help="A file of NumPy, Parquet, TEXMEX or FAISS, or a folder of an export.", show_default=False),
    ],
    space: Annotated[
        str | None,
        typer.Option(
            help="The id of the space that the vectors are in; it must be the collection's, which vicinal info shows.",
            show_default="what the folder of an export says",
        ),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="A file with one id a line.", show_default="those in the file, or the row")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Where the ending does not say it.", show_default="by the ending")
    ] = None,
    start: Annotated[int, typer.Option(help="The row to go on at after an interruption.")] = 0,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Store the vectors of a file as records; the space must be told, since a file of numbers does not know it."""
    with opened_collection(db, collection, read_only=False) as chosen, progress_bar() as bar:
        if space is not None and space != chosen.space.id:
            raise SpaceMismatchError(
                f"The vectors are in space {space}, and collection {chosen.name!r} is in {chosen.space.id}. "
                "Import them into a collection of their model.",
                fields=("id",),
                expected=chosen.space.id,
                got=space,
                where="space",
            )
        task = bar.add_task("importing", total=None)
        report = chosen.import_vectors(
            path,
            space=None if space is None else chosen.space,
            format=form,
            ids=ids,
            start=start,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(asdict(report))
        return
    zero = f", {report.zero_rows} of them without length, near nothing" if report.zero_rows else ""
    console.print(f"{report.rows} vectors stored in {report.took_s:.1f} s{zero}", highlight=False)


def export(
    path: Annotated[Path, typer.Argument(help="A folder that is not there yet.", show_default=False)],
    form: Annotated[str, typer.Option("--format", help="npy, parquet, fvecs or faiss.")] = "npy",
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all passages with their vectors to a new folder, and their space beside them."""
    with opened_collection(db, collection) as chosen, progress_bar() as bar:
        task = bar.add_task("exporting", total=None)
        report = chosen.export(
            path, format=form, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    if as_json:
        print_json(asdict(report))
    else:
        console.print(
            f"{report.rows} vectors, {bytes_text(report.size_bytes)}, in {escape(str(report.path))}",
            highlight=False,
            soft_wrap=True,
        )
