"""``vicinal frontier``: fewer dimensions, fewer bits, what they lose, and the cheapest that loses no more than allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.output import DatabaseOption, JsonOption, bytes_text, console, opened, print_json, progress_bar
from vicinal.collection import Collection
from vicinal.errors import AlreadyExistsError, InputError, UnsupportedError

LONGEST_BYTES = 1 << 24
"""A file of queries may be so large."""


def frontier(
    collection: Annotated[
        str | None, typer.Argument(help="The collection.", show_default="main, or the only one")
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="A text file with one question a line.", show_default="stored vectors stand in"),
    ] = None,
    judged: Annotated[
        Path | None,
        typer.Option(help="Questions with judgements, as vicinal evaluate takes: nDCG@10 as well.", show_default=False),
    ] = None,
    dims: Annotated[
        str | None, typer.Option(help="Lengths, such as 256,128,64.", show_default="three powers of two")
    ] = None,
    precisions: Annotated[
        str | None, typer.Option(help="Of float32, float16, int8, 4bit, 1bit.", show_default="all")
    ] = None,
    loss: Annotated[float, typer.Option(help="The share of what full vectors give that may be lost.")] = 0.01,
    measure: Annotated[str, typer.Option(help="What must not be lost: recall or ndcg.")] = "recall",
    samples: Annotated[int, typer.Option(help="Vectors that are searched at most.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    every: Annotated[bool, typer.Option("--all", help="Show also what another beats.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Write a picture (SVG) here.", show_default=False)] = None,
    apply: Annotated[
        str | None,
        typer.Option(metavar="NEWNAME", help="Make a collection of what can be had at rest today.", show_default=False),
    ] = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what fewer dimensions and fewer bits lose on a collection's own vectors, and recommend."""
    if queries is not None and judged is not None:
        raise InputError("Give --queries or --judged, not both: judgements come with their questions.", where="queries")
    wanted: Any = measure  # checked there, with an error that lists the names
    with opened(db, read_only=apply is None) as database, progress_bar() as bar:
        if apply is not None and apply in database.collections():
            raise AlreadyExistsError(f"There is a collection {apply!r} already. Choose another name.", got=apply)
        chosen = database.collection(collection or database.default_collection(), create=False)
        task = bar.add_task("measuring", total=None)
        found = chosen.frontier(
            judged=judged,
            queries=None if queries is None else lines_of(queries),
            dims=None if dims is None else [_whole(one) for one in dims.split(",")],
            precisions=None if precisions is None else [one.strip() for one in precisions.split(",")],
            loss=loss,
            samples=samples,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
        best = found.recommend(measure=wanted)
        held = found.recommend(measure=wanted, held=True)
        if plot is not None:
            plot.write_text(found.svg(measure=wanted), encoding="utf-8")
        made = None if apply is None else _applied(chosen, apply, held)
    if as_json:
        said = {**found.to_mapping(), "recommendation": best.to_mapping(), "held": held.to_mapping()}
        print_json({**said, "applied": None if made is None else made.name})
        return
    console.print(_table(found, found.options if every else found.pareto(wanted)))
    console.print(f"[bold]Recommended:[/] {escape(best.reason)}", highlight=False)
    if not best.option.storage.is_held:
        console.print(f"[bold]Today, in a collection:[/] {escape(held.reason)}", highlight=False)
    if made is not None:
        console.print(f"Made {escape(made.name)}: {made.space.dim} dimensions.", highlight=False)


def lines_of(path: Path) -> list[str]:
    """Return the lines of a text file that hold anything.

    Raises
    ------
    InputError
        It cannot be read as UTF-8, is too large, or holds nothing.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a text file: {error}.", where=str(path)) from error
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(content) > LONGEST_BYTES or not found:
        raise InputError(
            f"{path} must hold questions, one a line, in at most {bytes_text(LONGEST_BYTES)}.", where=str(path)
        )
    return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"--dims must be whole numbers such as 256,128, got {text!r}.", got=text, where="dims"
        ) from None


def _applied(chosen: Collection, target: str, held: Any) -> Collection:  # noqa: ANN401 - what the facade returns
    """Make the collection that is recommended of what can be had at rest.

    Raises
    ------
    UnsupportedError
        That is the collection as it is.
    """
    storage = held.option.storage
    if storage.cut == "full":
        raise UnsupportedError(f"There is nothing to apply. {held.reason}", where="apply")
    return chosen.project(target, dim=storage.dim, kind="pca")


def _table(found: Any, options: Any) -> Table:  # noqa: ANN401 - what the facade returns
    """Return the options as a table, the cheapest first."""
    table = Table(box=None, pad_edge=False)
    for name in ("storage", "bytes", f"recall@{found.k}", "95 %", "nDCG@10", f"ms at {found.timed:,}"):
        table.add_column(name, justify="left" if name == "storage" else "right")
    for one in sorted(options, key=lambda one: one.bytes_per_vector):
        time = f"{one.latency_ms:.2f}" + ("" if one.is_native else " (NumPy)")
        interval = f"{one.recall.low:.4f} – {one.recall.high:.4f}"
        ndcg = "–" if one.ndcg is None else f"{one.ndcg.mean:.4f}"
        table.add_row(str(one.storage), f"{one.bytes_per_vector}", f"{one.recall.mean:.4f}", interval, ndcg, time)
    return table
