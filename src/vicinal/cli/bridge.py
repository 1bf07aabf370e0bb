"""``vicinal bridge``: whether to answer by a bridge to another model until all is encoded anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.output import DatabaseOption, JsonOption, console, opened, print_json, progress_bar
from vicinal.errors import InputError
from vicinal.evaluate.advantage import Advantage, Measured

KEEP_OLD = 1
"""The exit status where a bridge does not pay."""
BAR_CHARS = 24


def bridge(
    to: Annotated[str, typer.Option(help="The new model.")],
    collection: Annotated[
        str | None, typer.Argument(help="The collection.", show_default="main, or the only one")
    ] = None,
    judged: Annotated[
        Path | None,
        typer.Option(help="Questions with judgements, as vicinal evaluate takes.", show_default="made of the records"),
    ] = None,
    known_items: Annotated[int, typer.Option(help="Without judgements: so many questions made of the records.")] = 100,
    candidates: Annotated[int, typer.Option(help="Chunks that the old index fetches.")] = 200,
    pairs: Annotated[int, typer.Option(help="Chunks that the bridge is fitted on.")] = 4000,
    most_encoded: Annotated[int, typer.Option(help="Chunks that are encoded for questions at most.")] = 20_000,
    metric: Annotated[str, typer.Option(help="What is measured.")] = "ndcg@10",
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (SVG) here.", show_default=False)] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure whether a bridge to another model answers better than the old vectors while all is encoded anew.

    Nothing is written. Ends with 0 where a bridge pays, and with 1 where it does not.
    """
    if plot is not None and not plot.parent.is_dir():
        raise InputError(f"There is no folder {plot.parent} to write the picture in.", where="plot")
    with opened(db) as database, progress_bar() as bar:
        chosen = database.collection(collection or database.default_collection(), create=False)
        task = bar.add_task("rehearsing", total=None)
        found = chosen.bridge(
            to,
            judged=judged,
            queries=known_items,
            candidates=candidates,
            pairs=pairs,
            most_encoded=most_encoded,
            metric=metric,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if plot is not None:
        plot.write_text(found.svg(), encoding="utf-8")
    if as_json:
        print_json(found.to_mapping())
    else:
        _show(found)
    if not found.act:
        raise typer.Exit(KEEP_OLD)


def _show(found: Advantage) -> None:
    table = Table(box=None, pad_edge=False)
    for name in (f"{found.metric}, {found.queries} questions", "", "mean", "95 %"):
        table.add_column(name, justify="right" if name in {"mean", "95 %"} else "left")
    for name, one in (("old vectors", found.old), ("bridge", found.cascade), ("all encoded anew", found.full)):
        table.add_row(name, _bar(one.value), f"{one.value:.4f}", f"{one.low:.4f} – {one.high:.4f}")
    console.print(table)
    for name, one in (("retention", found.retention), ("gain", found.gain), ("advantage", found.advantage)):
        console.print(f"{name:<10} {_ratio(one)}", highlight=False)
    cost = found.cost
    console.print(
        f"fitted on {cost['pairs']} chunks in {cost['fit_s']:.2f} s; {cost['chunks_encoded']} chunks encoded, "
        f"{cost['chunk_s'] * 1000:.1f} ms each where the cache has them not",
        highlight=False,
    )
    console.print(
        f"a first question lacks {cost['first_query_chunks']:.0f} chunks, {cost['first_query_s']:.1f} s if all are "
        f"encoded at once; later ones find {cost['reuse']:.0%} of theirs kept, at least; "
        f"fetching takes {cost['bridge_ms']:.1f} ms (old search {cost['old_ms']:.1f} ms)",
        highlight=False,
    )
    for notice in found.notices:
        console.print(f"[yellow]{escape(notice)}[/]", highlight=False)
    console.print(f"[bold {'green' if found.act else 'yellow'}]{escape(found.reason)}[/]", highlight=False)


def _bar(value: float) -> str:
    filled = round(value * BAR_CHARS)
    return "█" * filled + "░" * (BAR_CHARS - filled)


def _ratio(one: Measured) -> str:
    return f"{one.value:.3f}  (95 %: {one.low:.3f} – {one.high:.3f})"
