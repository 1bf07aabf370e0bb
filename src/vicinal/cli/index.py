"""``vicinal index``: make a collection what files and folders are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

import vicinal
from vicinal.cli.output import DatabaseOption, JsonOption, print_json
from vicinal.cli.sync import HOLES, place, report_of, run, show
from vicinal.database import DEFAULT_MODEL, DEFAULT_OVERFLOW
from vicinal.space import Encoder
from vicinal.types import Overflow, Source


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
    chunker: Annotated[
        str | None,
        typer.Option(help="How a new collection cuts texts up, such as structure-100-0-v2.", show_default="window"),
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
    """Make a collection of files and folders, or bring it up to them: vicinal sync with the settings of a new collection.

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
    with vicinal.open(db or place()) as database:
        chosen = database.collection(
            collection, model=wanted.encoder(), overflow=wanted.overflow, chunker=chunker, runtime=runtime
        )
        report = run(chosen, [Source(place=one, text_field=text_field, id_field=id_field) for one in paths])
        said = report_of(chosen, report, database.path)
    print_json(said) if as_json else show(report, said)
    if not report.complete:
        raise typer.Exit(HOLES)


def _overflow(named: str | None) -> Overflow | None:
    """Return the overflow rule; the facade says so if it is none."""
    return named  # type: ignore[return-value]  # checked by Database.collection
