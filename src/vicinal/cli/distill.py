"""``vicinal distill``: a small, fast model out of a large one, trained on texts of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import vicinal
from vicinal import train
from vicinal.cli.output import (
    CollectionOption,
    DatabaseOption,
    JsonOption,
    bytes_text,
    console,
    errors,
    opened_collection,
    print_json,
    progress_bar,
)
from vicinal.collection import Collection
from vicinal.train import DistillReport

DIM = 256


def distill(
    teacher: Annotated[
        str, typer.Argument(help="The model to learn from, as vicinal.load takes it.", show_default=False)
    ],
    folder: Annotated[Path, typer.Argument(help="Where the new model will lie.", show_default=False)],
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files and folders with texts like those to be searched; no labels.", show_default=False),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(help="Dimensions of the new model.", show_default="256, or the teacher's")
    ] = None,
    words: Annotated[
        int | None, typer.Option(help="How many words of the texts become tokens of their own.", show_default="none")
    ] = None,
    texts: Annotated[int, typer.Option(help="How many passages are learnt from at most.")] = 20_000,
    minutes: Annotated[
        float | None, typer.Option(help="After so long the teacher is asked no more.", show_default="no limit")
    ] = None,
    seed: Annotated[int, typer.Option(help="What fixes the sample.")] = 0,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Keep what the teacher says here, for runs with other settings.", show_default="removed at the end"
        ),
    ] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a static model to give what another model gives, and measure it against that one.

    The texts come from files and folders, or from a collection (-c); without any, only the tokens are learnt.
    Interrupted, the same command goes on from there.
    """
    encoder = vicinal.load(teacher)

    def make(corpus: Iterator[str] | None) -> DistillReport:
        with progress_bar() as bar:
            task = bar.add_task("distilling", total=None)
            return train.distill(
                encoder,
                folder,
                corpus=corpus,
                dim=min(DIM, encoder.space.dim) if dim is None else dim,
                words=words,
                texts=texts,
                minutes=minutes,
                seed=seed,
                work=work,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )

    if collection is not None:
        with opened_collection(db, collection) as chosen:
            report = make(_of_collection(chosen))
    else:
        report = make(train.passages(sources, encoder) if sources else None)
    print_json({**asdict(report), "speedup": report.speedup}) if as_json else _show(report)


def _of_collection(chosen: Collection) -> Iterator[str]:
    """Go through the texts of a collection's chunks."""
    for record_id in chosen.ids():
        record = chosen.get(record_id)
        for start, end in record.spans:
            yield record.text[start:end]


def _show(report: DistillReport) -> None:
    """Print what was made and how it compares."""
    console.print(
        f"{escape(report.folder)}: {report.tokens:,} tokens × {report.dim}, {bytes_text(report.size_bytes)}, "
        f"from {report.texts:,} passages and {report.sentences:,} sentences in {report.took_s:.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"{report.student_texts_per_s:,.0f} texts/s, {report.speedup:.0f} times its teacher's {report.teacher_texts_per_s:,.0f}",
        highlight=False,
    )
    if report.spearman is not None and report.overlap_at_10 is not None:
        console.print(
            f"on {report.held_out:,} passages that it has not seen: {report.overlap_at_10:.0%} of the 10 nearest in common "
            f"with its teacher, rank correlation of similarities {report.spearman:.3f}",
            highlight=False,
            soft_wrap=True,
        )
    if not report.complete:
        errors.print("[yellow]The minutes were over before all passages were learnt from.[/]")
