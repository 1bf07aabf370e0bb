"""``vicinal compare``: several ways to search a collection on one's own questions, and which one is worth it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.judged import KindOption, KnownItemsOption, QrelsOption, QueriesOption, SplitOption, require_one
from vicinal.cli.output import (
    CollectionOption,
    DatabaseOption,
    JsonOption,
    bytes_text,
    console,
    errors,
    harmless,
    opened_collection,
    print_json,
    progress_bar,
)
from vicinal.errors import InputError
from vicinal.evaluate.comparison import Comparison, Pair, Setting, Standing, matrix, plan, read_settings
from vicinal.evaluate.comparison.page import short_name
from vicinal.evaluate.comparison.verdict import ALLOWED_LOSS, amount, time_text
from vicinal.evaluate.judgements import read_judged
from vicinal.types import Progress

HOLES = 1
"""The exit status where a setting could not be measured."""
LARGEST_LIST = 4000
"""The longest text of a list on the command line."""
SHOWN_METRICS = ("recall@100",)
"""What a table shows besides; the report has all."""


def compare(
    queries: QueriesOption = None,
    qrels: QrelsOption = None,
    split: SplitOption = None,
    known_items: KnownItemsOption = None,
    kind: KindOption = "sentence",
    mode: Annotated[
        str | None, typer.Option(help="Of lexical, dense, hybrid, several by commas.", show_default="all three")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Models, by commas.", show_default="the collection's")] = None,
    dim: Annotated[str | None, typer.Option(help="Dimensions to keep: 384,128.", show_default="all")] = None,
    precision: Annotated[
        str | None, typer.Option(help="Of float32, float16, int8, 4bit, 1bit (binary).", show_default="float32")
    ] = None,
    chunker: Annotated[str | None, typer.Option(help="Chunkers, by commas.", show_default="the collection's")] = None,
    rerank: Annotated[
        str | None, typer.Option(help="Of none, late-interaction, models, by commas.", show_default="none")
    ] = None,
    fusion: Annotated[str | None, typer.Option(help="Of convex, dbsf, min_max, rrf.", show_default="convex")] = None,
    weight: Annotated[
        str | None, typer.Option(help="How much meaning counts in hybrid: 0.5,0.8.", show_default="0.8")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", help="A TOML file with settings, in place of these lists.", show_default=False),
    ] = None,
    metric: Annotated[str, typer.Option(help="What the verdict is about.")] = "ndcg@10",
    baseline: Annotated[
        str | None,
        typer.Option(help="What the others are held against: a mode or a name.", show_default="lexical, or the first"),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many documents each question is answered with.")] = 100,
    allowed_loss: Annotated[
        float | None,
        typer.Option(help="A difference of the metric that is smaller does not count.", show_default=f"{ALLOWED_LOSS}"),
    ] = None,
    seed: Annotated[int, typer.Option(help="What fixes all chance.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write the report into this folder: a page, plots, runs.", show_default=False)
    ] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which way to search is worth it on your own questions, with its reasons.

    Lists are multiplied out: --mode dense,hybrid --dim 384,128 are four settings.
    """
    lists = {
        "mode": mode,
        "model": model,
        "dim": dim,
        "precision": precision,
        "chunker": chunker,
        "rerank": rerank,
        "fusion": fusion,
        "weight": weight,
    }
    wanted = settings_of(lists, settings)
    said: dict[str, Any] = {"metric": metric, "baseline": baseline, "k": k, "seed": seed}
    if allowed_loss is not None:
        said["allowed_loss"] = allowed_loss
    require_one(queries, known_items)
    read = None if queries is None else read_judged(queries, split=split, qrels=qrels)
    with opened_collection(db, collection) as chosen:
        judged = read or chosen.known_queries(known_items or 0, seed=seed, kind=kind)
        errors.print(f"[dim]{escape(plan(wanted, judged, baseline=baseline).text)}[/]", highlight=False, soft_wrap=True)
        with _progress() as progress:
            found = chosen.compare(judged, wanted, **said, progress=progress)
    written = found.write(out) if out is not None else []
    if as_json:
        print_json({**found.to_mapping(), "written": [str(one) for one in written]})
    else:
        show(found)
        if written:
            errors.print(f"[dim]The report is {escape(str(written[0]))}[/]", highlight=False, soft_wrap=True)
    if found.failures:
        raise typer.Exit(HOLES)


def settings_of(lists: dict[str, str | None], path: Path | None) -> list[Setting]:
    """Return the settings that a command line means: a file's, or the lists' multiplied out.

    Raises
    ------
    InputError
        Both came, or a list holds what its field has not.
    """
    given = {name: text for name, text in lists.items() if text is not None}
    if path is not None:
        if given:
            listed = ", ".join(f"--{name}" for name in given)
            raise InputError(
                f"--settings has all settings, so leave {listed} out, or write them there.", where="settings"
            )
        return read_settings(path)
    values: dict[str, Any] = {name: _listed(name, text) for name, text in given.items()}
    return matrix(**{"mode": ["lexical", "dense", "hybrid"], **values})


def _listed(name: str, text: str) -> list[Any]:
    """Return the values of a list by commas: numbers where the field has numbers."""
    words = [one.strip() for one in text[:LARGEST_LIST].split(",")]
    if len(text) > LARGEST_LIST or not all(words):
        raise InputError(f"--{name} must be values by commas, none of them empty.", expected="a,b", where=name)
    number = {"dim": int, "weight": float}.get(name)
    if number is None:
        return words
    try:
        return [number(one) for one in words]
    except ValueError:
        kind = "whole numbers" if number is int else "numbers"
        raise InputError(f"--{name} must be {kind} by commas, such as {EXAMPLES[name]}.", where=name) from None


EXAMPLES = {"dim": "384,128", "weight": "0.5,0.8"}


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show how many questions were answered; what is told is (done, total)."""
    with progress_bar() as bar:
        task = bar.add_task("asking", total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield told


def show(found: Comparison) -> None:
    """Print the verdict, the table and what failed."""
    console.print(f"[bold]{escape(harmless(found.verdict.headline.text))}[/]", highlight=False)
    for one in found.verdict.reasons:
        console.print(f"  • {escape(harmless(one.text))}", highlight=False)
    if found.standings:
        console.print()
        console.print(table_of(found))
    for notice in dict.fromkeys(notice for one in found.evaluations.values() for notice in one.notices):
        errors.print("[yellow]note[/]", end=" ")
        errors.print(harmless(notice), markup=False, highlight=False, soft_wrap=True)
    for failure in found.failures:
        errors.print(f"[yellow]{escape(harmless(failure.setting.name))}[/]", end=" ")
        errors.print(harmless(failure.message), markup=False, highlight=False)


def table_of(found: Comparison) -> Table:
    """Return one row for each setting that ran, the best mean first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    first = next(iter(found.evaluations.values()))
    others = [one for one in first.scores.metrics if one in SHOWN_METRICS and one != found.metric]
    table.add_column("setting", overflow="fold")
    heads = (found.metric, f"against {found.baseline}", "", *map(short_name, others), "vector", "p50")
    for head in heads:
        table.add_column(
            harmless(head), justify="right", no_wrap=head != heads[1]
        )  # the name of the baseline may be long
    for one in sorted(found.standings, key=lambda one: -one.mean):
        means = found.evaluations[one.name].mean()
        pair = found.against_baseline(one.name)
        name = (
            f"[bold]{escape(harmless(one.name))}[/]"
            if one.name == found.verdict.recommended
            else escape(harmless(one.name))
        )
        shown = [f"{means[name]:.3f}" for name in others]
        table.add_row(name, _mean(one), *_gain(pair), *shown, _bytes(one), time_text(one.p50_ms))
    return table


def _mean(one: Standing) -> str:
    return f"{one.mean:.3f} [dim]± {(one.high - one.low) / 2:.3f}[/]"


def _gain(pair: Pair | None) -> tuple[str, str]:
    """Return a gain with half of its interval, and the mark of its test."""
    if pair is None:
        return "baseline", ""
    sign = "−" if pair.gain < 0 else "+" if pair.gain > 0 else ""
    mark = "[green]▲[/]" if pair.better else "[red]▼[/]" if pair.worse else "[dim]?[/]"
    return f"{sign}{amount(abs(pair.gain), pair.half_width)}", mark


def _bytes(one: Standing) -> str:
    if one.bytes_per_vector is None:
        return "?"
    return bytes_text(one.bytes_per_vector) if one.bytes_per_vector else "none"
