"""``vicinal evaluate``: how good a collection's answers are, on judged questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vicinal.cli.judged import (
    KindOption,
    KnownItemsOption,
    NeededQueriesOption,
    QrelsOption,
    QueriesOption,
    SplitOption,
    require_one,
)
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
from vicinal.cli.search import FusionOption, ModeOption, WeightOption
from vicinal.collection import Collection
from vicinal.errors import InputError
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Evaluation, evaluate_run
from vicinal.evaluate.judgements import Judged, read_judged, read_run, write_run
from vicinal.evaluate.worst import Failure

UNEQUAL = 1
"""The exit status where a second run gave other numbers."""


def evaluate(
    queries: QueriesOption = None,
    qrels: QrelsOption = None,
    split: SplitOption = None,
    known_items: KnownItemsOption = None,
    kind: KindOption = "sentence",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Such as ndcg@10, recall@100, mrr@10, map. Several may be given.",
            show_default=", ".join(DEFAULT_METRICS),
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many documents are asked for.")] = 100,
    mode: ModeOption = None,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    rerank: Annotated[str | None, typer.Option(help="Reorder the best, as in search.", show_default=False)] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every vector.")] = False,
    worst: Annotated[int, typer.Option(help="How many of the worst queries are shown.")] = 5,
    seed: Annotated[int, typer.Option(help="What fixes the intervals and the known items.")] = 0,
    run_in: Annotated[
        Path | None, typer.Option(help="Search nothing: score this run file.", show_default=False)
    ] = None,
    run_out: Annotated[Path | None, typer.Option(help="Write the run here.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for run.trec, per_query.tsv and report.json.", show_default=False),
    ] = None,
    twice: Annotated[
        bool, typer.Option("--twice", help="Run again, and fail unless all numbers but times are the same.")
    ] = False,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how good the answers are, with intervals, on judged questions or on known items."""
    names = metric or [one for one in DEFAULT_METRICS if int(one.partition("@")[2]) <= k]
    said = {"mode": mode, "fusion": fusion, "weight": weight, "rerank": rerank, "exact": exact or None}
    settings: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    searched = [f"--{name}" for name in (*settings, *(["twice"] if twice else []))]
    _require_one(queries=queries, known_items=known_items, run_in=run_in, searched=searched)
    if run_in is not None and queries is not None:
        judged = read_judged(queries, split=split, qrels=qrels)
        found = evaluate_run(read_run(run_in), judged, metrics=names, seed=seed, described={"run": str(run_in)})
        unequal: tuple[str, ...] = ()
    else:
        with opened_collection(db, collection) as chosen:
            judged = (
                read_judged(queries, split=split, qrels=qrels)
                if queries is not None
                else chosen.known_queries(known_items or 0, seed=seed, kind=kind)
            )
            settings = {**settings, "metrics": names, "k": k, "seed": seed}
            found = _evaluated(chosen, judged, settings)
            unequal = found.differences(_evaluated(chosen, judged, settings)) if twice else ()
    if run_out is not None:
        write_run(found.run, run_out)
    if out is not None:
        found.write(out)
    if as_json:
        print_json({**found.to_mapping(), **({"unequal": list(unequal)} if twice else {})})
    else:
        show(found, worst=worst)
    if unequal:
        errors.print(f"[bold red]A second run gave other numbers:[/] {', '.join(unequal)}", highlight=False)
        raise typer.Exit(UNEQUAL)


def tune(
    queries: NeededQueriesOption,
    qrels: QrelsOption = None,
    split: SplitOption = None,
    fusion: Annotated[str, typer.Option(help="What the weight is for: convex, dbsf, min_max, rrf.")] = "convex",
    seed: Annotated[int, typer.Option(help="Which half of the questions is held out.")] = 0,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Choose how much meaning counts in hybrid on half of judged questions, and measure it on the other half."""
    judged = read_judged(queries, split=split, qrels=qrels)
    with opened_collection(db, collection) as chosen, progress_bar() as bar:
        task = bar.add_task("asking", total=len(judged))
        found = chosen.tune(
            judged,
            fusion=fusion,  # type: ignore[arg-type]  # checked there, with an error that lists the names
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        print_json(asdict(found))
        return
    table = Table("ndcg@10", "queries", f"weight {found.weight:g}", f"default {found.default:g}", box=None)
    table.add_row("chosen on", f"{found.tuning_queries}", f"{found.tuning:.4f}", f"{found.tuning_default:.4f}")
    table.add_row("held out", f"{found.held_out_queries}", f"{found.held_out:.4f}", f"{found.held_out_default:.4f}")
    console.print(table)
    gain = found.held_out - found.held_out_default
    told = f"search with --fusion {fusion} --weight {found.weight:g}" if gain > 0 else "keep the default"
    console.print(
        f"On questions that it was not chosen on it gains {gain:+.4f}: {told}. "
        f"Whether that is more than chance: vicinal compare --mode hybrid --weight {found.default:g},{found.weight:g}",
        highlight=False,
    )


def _require_one(
    *, queries: Path | None, known_items: int | None, run_in: Path | None, searched: Sequence[str]
) -> None:
    """Refuse a call that does not say what is asked."""
    require_one(queries, known_items)
    if run_in is not None and queries is None:
        raise InputError("A run file is scored on judged questions: give --queries.", where="run_in")
    if run_in is not None and searched:
        raise InputError(
            f"With --run-in nothing is searched, so {', '.join(searched)} would say nothing: leave it out.",
            where="run_in",
        )


def _evaluated(chosen: Collection, judged: Judged, settings: dict[str, Any]) -> Evaluation:
    with progress_bar() as bar:
        task = bar.add_task("asking", total=len(judged))
        return chosen.evaluate(
            judged, **settings, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def show(found: Evaluation, *, worst: int) -> None:
    """Print the metrics with their intervals, what they cost, and the worst queries."""
    console.print(f"[bold]{escape(found.judged.name)}[/]: {len(found.scores.query_ids)} queries", highlight=False)
    console.print(_metrics(found))
    if costs := _costs(found):
        console.print(" · ".join(costs), highlight=False, soft_wrap=True)
    if found.smallest_gain is not None:
        console.print(
            f"[dim]So many queries show a gain of about {found.smallest_gain:.3f} or more; "
            "a smaller one may stay hidden.[/]",
            highlight=False,
            soft_wrap=True,
        )
    for notice in found.notices:
        errors.print("[yellow]note[/]", end=" ")
        errors.print(harmless(notice), markup=False, highlight=False, soft_wrap=True)
    failures = found.worst(worst) if worst > 0 else []
    if failures:
        console.print(f"\n[bold]worst by {found.scores.metrics[0]}[/]", highlight=False)
    for one in failures:
        _show_failure(one)


def _metrics(found: Evaluation) -> Table:
    table = Table("metric", "mean", "95 % interval", box=None, pad_edge=False)
    intervals = found.intervals()
    for name, mean in found.mean().items():
        low, high = intervals[name]
        table.add_row(name, f"[cyan]{mean:.4f}[/]", f"[dim]{low:.3f} to {high:.3f}[/]")
    return table


def _costs(found: Evaluation) -> list[str]:
    """Return what the answers cost, a phrase each."""
    said = []
    if found.latency is not None:
        said.append(f"{found.latency.p50_ms:.1f} ms p50, {found.latency.p95_ms:.1f} ms p95")
    per_vector, documents = found.described.get("bytes_per_vector"), found.described.get("documents")
    if per_vector is not None:
        said.append(f"{bytes_text(per_vector)} a vector")
    if documents is not None:
        said.append(f"{documents} documents")
    said += [str(found.described[name]) for name in ("mode", "model") if found.described.get(name)]
    if isinstance(space := found.described.get("space"), str):
        said.append(f"space {space}")
    if found.incomplete:
        said.append(f"{found.incomplete} answers approximate")
    return [escape(harmless(one)) for one in said]


def _show_failure(one: Failure) -> None:
    console.print(
        f"[cyan]{one.value:.3f}[/]  {escape(harmless(one.query))}  [dim]{escape(one.query_id)}[/]",
        highlight=False,
        soft_wrap=True,
    )
    right = [f"{_id(part.id)} {'not found' if part.rank is None else f'at {part.rank}'}" for part in one.right[:3]]
    more = f" and {len(one.right) - 3} more" if len(one.right) > 3 else ""  # noqa: PLR2004 - those shown
    console.print(f"       right: {', '.join(right)}{more}", highlight=False, soft_wrap=True)
    found = [f"{_id(name)}{'' if grade is None else f' (grade {grade})'}" for name, grade in one.found[:3]]
    console.print(f"       [dim]found: {', '.join(found) or 'nothing'}[/]", highlight=False, soft_wrap=True)


def _id(name: str) -> str:
    return f"[green]{escape(harmless(name))}[/]"
