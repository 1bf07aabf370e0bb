"""``vicinal index``: make a collection what files and folders are."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import vicinal
from vicinal.cli.output import DatabaseOption, JsonOption, console, print_json, progress_bar
from vicinal.collection import Collection
from vicinal.database import DEFAULT_MODEL, DEFAULT_OVERFLOW, FOLDER_NAME, find
from vicinal.errors import DatabaseNotFoundError
from vicinal.space import Encoder
from vicinal.types import Overflow, SyncProgress, SyncReport

HOLES = 1
"""The exit status of a run that could not read everything."""
SHOWN = 10
"""Skipped sources that are shown; --json has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The model that a command line asks for, with its settings."""

    model: str | None
    overflow: Overflow | None
    dim: int | None
    force: bool
    prompts: dict[str, str]
    weighting: str | None
    runtime: str | None

    def encoder(self) -> str | Encoder | None:
        """Return its name where nothing else is said, else the encoder in these settings."""
        if self.dim is None and not self.prompts and self.weighting is None:
            return self.model
        return vicinal.load(
            self.model or DEFAULT_MODEL,
            overflow=self.overflow or DEFAULT_OVERFLOW,
            dim=self.dim,
            force=self.force,
            prompts=self.prompts,
            weighting=self.weighting,
            runtime=self.runtime,
        )


def index(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Files and folders; - for standard input; pydoc: for this Python's documentation.", show_default=False
        ),
    ],
    db: DatabaseOption = None,
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="The collection; made if it is not there.")
    ] = "main",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model of a new collection.", show_default="minilm")
    ] = None,
    overflow: Annotated[
        str | None, typer.Option(help="Text beyond the model's window: chunk, error or cut.", show_default="chunk")
    ] = None,
    dim: Annotated[
        int | None, typer.Option(help="Cut the vectors of a new collection to so many dimensions.", show_default="all")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Cut them also where the model was not trained for it; says what it costs.")
    ] = False,
    query_prompt: Annotated[
        str | None, typer.Option(help="What stands before a question.", show_default="the model's own")
    ] = None,
    document_prompt: Annotated[
        str | None, typer.Option(help="What stands before a document.", show_default="the model's own")
    ] = None,
    weighting: Annotated[
        str | None, typer.Option(help="Of word vectors: mean, or sif (frequent words less).", show_default="mean")
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What runs the network; see vicinal models runtimes.", show_default="onnxruntime")
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(help="The column of tables that holds the text.", show_default="found by its name")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option(help="The column of tables that holds the id.", show_default="id, or the row's number")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Encode what is new or changed in files and folders, and remove what is gone.

    Interrupted at any time, what was committed is kept, and the next run goes on from there.
    """
    prompts = {"query": query_prompt, "document": document_prompt}
    wanted = Wanted(
        model=model,
        overflow=_overflow(overflow),
        dim=dim,
        force=force,
        prompts={role: prompt for role, prompt in prompts.items() if prompt is not None},
        weighting=weighting,
        runtime=runtime,
    )
    with vicinal.open(db or _place()) as database:
        chosen = database.collection(collection, model=wanted.encoder(), overflow=wanted.overflow, runtime=runtime)
        report = run(chosen, paths, text_field=text_field, id_field=id_field)
        said = report_of(chosen, report, database.path)
    print_json(said) if as_json else show(report, said)
    if not report.complete:
        raise typer.Exit(HOLES)


def _place() -> Path:
    """Return the database here or above, or where a new one goes."""
    try:
        return find()
    except DatabaseNotFoundError:
        return Path(FOLDER_NAME)


def _overflow(named: str | None) -> Overflow | None:
    """Return the overflow rule; the facade says so if it is none."""
    return named  # type: ignore[return-value]  # checked by Database.collection


def run(
    chosen: Collection, paths: list[str], *, text_field: str | None = None, id_field: str | None = None
) -> SyncReport:
    """Sync with a bar on the terminal."""
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)

        def tell(far: SyncProgress) -> None:
            if far.known_chunks:
                bar.update(
                    task, description=f"encoding, {far.read} read", completed=far.done_chunks, total=far.known_chunks
                )
            else:
                bar.update(task, description=f"reading, {far.read} read")

        report = chosen.sync(*paths, text_field=text_field, id_field=id_field, progress=tell)
        bar.update(task, description="building the index", completed=0, total=None)
        chosen.compact(only_due=True, progress=lambda done, total: bar.update(task, completed=done, total=total))
        return report


def report_of(chosen: Collection, report: SyncReport, path: Path) -> dict[str, Any]:
    """Return what a run did, as data."""
    return {
        "collection": chosen.name,
        "database": str(path),
        "space": chosen.space.id,
        "records": len(chosen),
        **asdict(report),
        "complete": report.complete,
        **({"usage": chosen.usage} if chosen.usage else {}),
    }


def show(report: SyncReport, said: dict[str, Any]) -> None:
    """Print what a run did."""
    counts = (
        f"[green]{report.new} new[/], {report.changed} changed, {report.unchanged} unchanged, {report.removed} removed"
    )
    speed = f", {report.chunks / report.took_s:.0f} passages/s" if report.chunks else ""
    console.print(f"{counts} in {report.took_s:.1f} s ({report.chunks} passages encoded{speed})", highlight=False)
    console.print(
        f"{said['records']} records in collection {escape(said['collection'])} of {escape(said['database'])}",
        highlight=False,
    )
    if "usage" in said:
        told = ", ".join(f"{value:,.6g} {name.replace('_', ' ')}" for name, value in said["usage"].items() if value)
        console.print(f"asked of the provider: {told}", highlight=False)
    if report.cut_records:
        console.print(
            f"[yellow]{report.cut_records} texts are cut[/] at the model's window, as you asked for", highlight=False
        )
    if report.empty:
        console.print(f"{report.empty} documents hold nothing but white space", highlight=False)
    _show_skipped(report)


def _show_skipped(report: SyncReport) -> None:
    """Print why sources were skipped, and those that are holes."""
    reasons = Counter(one.reason for one in report.skipped)
    if reasons:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        console.print(f"skipped: {told}", highlight=False)
    for one in report.failed[:SHOWN]:
        console.print(f"  [red]{escape(one.source)}[/]: {escape(one.reason)}. {escape(one.detail)}", highlight=False)
    if len(report.failed) > SHOWN:
        console.print(f"  and {len(report.failed) - SHOWN} more; --json lists them all")
    if not report.complete:
        console.print("[bold red]Not everything could be read.[/] What these held before is kept.")
