"""``vicinal drift``: what has changed since, and whether it can be chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from vicinal._files import disk_errors, write_atomically
from vicinal.cli.output import (
    CollectionArgument,
    CollectionOption,
    DatabaseOption,
    JsonOption,
    console,
    errors,
    harmless,
    one_collection,
    opened,
    print_json,
    progress_bar,
)
from vicinal.cli.search import parse_where
from vicinal.errors import InputError

FOUND = 1
"""The exit status of a comparison that raised an alarm."""
SHOWN = 10
"""Novel texts that are shown; --json and the page have 20."""
TEXT_CHARS = 90
LEDGER = ("since:", "until:")
NAMES = {"document": "corpus", "query": "queries"}


def drift(
    about: CollectionArgument = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Documents as they were: a filter ('year<2024', or JSON; several must all hold), commits "
            "('until:120'), or a file of texts.",
            show_default=False,
        ),
    ] = None,
    current: Annotated[
        list[str] | None,
        typer.Option(help="Documents as they are: the same ('year>=2024', 'since:120', a file).", show_default=False),
    ] = None,
    reference_queries: Annotated[
        Path | None, typer.Option(help="Questions as they were: a file, one a line, or .jsonl.", show_default=False)
    ] = None,
    current_queries: Annotated[Path | None, typer.Option(help="Questions as they are.", show_default=False)] = None,
    level: Annotated[float, typer.Option(help="How often a run without drift may say that there is some.")] = 0.05,
    windows: Annotated[
        int, typer.Option(help="Raise an alarm only when so many comparisons in a row found drift.")
    ] = 1,
    samples: Annotated[int, typer.Option(help="Texts of a side at most.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Write the report as a page, with the trend.")] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare what is current with a reference: whether the encoder has moved, or the corpus, or what people ask.

    The exit status is 1 when an alarm is raised.
    """
    with opened(db, read_only=False) as database, progress_bar() as bar:
        chosen = database.collection(one_collection(about, collection) or database.default_collection(), create=False)
        task = bar.add_task("comparing", total=None)
        found = chosen.drift(
            reference=_side(reference, "--reference"),
            current=_side(current, "--current"),
            reference_queries=reference_queries,
            current_queries=current_queries,
            level=level,
            windows=windows,
            samples=samples,
            seed=seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if html is not None:
        with disk_errors(html):
            write_atomically(html, found.page().encode())
    said = found.as_dict()
    if as_json:
        print_json(said)
    else:
        _show(said, {role: found.sparkline(role) for role in ("document", "query")})
        if html is not None:
            errors.print(f"[dim]the page: {escape(str(html))}[/]", highlight=False, soft_wrap=True)
    if found.alarm:
        raise typer.Exit(FOUND)


def _side(told: list[str] | None, option: str) -> Any:  # noqa: ANN401 - a side of any kind
    """Return what a side is: commits, a file, or a filter."""
    if not told:
        return None
    if len(told) == 1 and told[0].strip().startswith(LEDGER):
        return told[0]
    if len(told) == 1 and not told[0].lstrip().startswith("{") and Path(told[0]).expanduser().exists():
        return Path(told[0])
    try:
        return parse_where(told)
    except InputError as error:
        raise InputError(
            f"{option} must be a filter such as 'year>=2024', commits such as since:120, or a file that is there, "
            f"got {' '.join(told)!r}.",
            got=" ".join(told),
            where=option,
        ) from error


def _show(said: dict[str, Any], lines: dict[str, str]) -> None:
    """Print what was found: the verdict, sentences, what grew, what is new."""
    colour = "red" if said["alarm"] else "yellow" if said["verdict"] != "no drift" else "green"
    console.print(
        f"[bold]{escape(harmless(said['collection']))}[/]: [bold {colour}]{said['verdict']}[/]", highlight=False
    )
    for told in said["findings"]:
        console.print(f"  {escape(harmless(told))}", highlight=False)
    for shift in said["shifts"]:
        _show_shift(shift, lines[shift["role"]], said["level"])
    for told in said["advice"]:
        console.print(f"[cyan]→[/] {escape(told)}", highlight=False)
    if said["verdict"] != "no drift" and not said["alarm"]:
        console.print(f"[dim]no alarm: it is raised after {said['windows']} comparisons in a row[/]", highlight=False)
    if not said["kept"] and said["shifts"]:
        errors.print("[dim]the database cannot be written, so this comparison did not join its history[/]")


def _show_shift(shift: dict[str, Any], line: str, level: float) -> None:
    """Print the tests of one role and, where content is new, the most novel texts."""
    tests = ", ".join(f"[{'yellow' if p < level else 'dim'}]{name} {p:.2g}[/]" for name, p in shift["tests"].items())
    console.print(f"  [dim]{NAMES[shift['role']]}, p of each test:[/] {tests}", highlight=False)
    if len(line) > 1:
        console.print(f"  [dim]comparisons so far:[/] {line}", highlight=False)
    if shift["tests"]["novelty"] >= level:
        return
    table = Table(box=None, pad_edge=False, title="most novel", title_justify="left", title_style="dim")
    for name in ("nearness", "id", "text"):
        table.add_column(name, overflow="fold")
    for one in shift["novel"][:SHOWN]:
        text = harmless(" ".join(one["text"].split()))[:TEXT_CHARS]
        table.add_row(f"{one['similarity']:.3f}", escape(harmless(one["id"])), escape(text))
    console.print(table)
