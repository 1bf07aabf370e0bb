"""``vicinal explain``: why a record answers a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vicinal._files import disk_errors, write_atomically
from vicinal.cli.output import (
    CollectionOption,
    DatabaseOption,
    JsonOption,
    console,
    errors,
    harmless,
    opened_collection,
    print_json,
)
from vicinal.cli.search import parse_where

WARMTH = ("", "#3d2a14", "#5c3d17", "#7d511a", "#a0661c", "#c47c1e")
"""Grounds of words, by how much they gave."""


def explain(
    query: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    record: Annotated[str, typer.Argument(metavar="ID", help="The id of a record.", show_default=False)],
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A filter, as for search: does the record pass it?", show_default=False)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page here.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Show why a record answers a question: the share of each token, and of each word."""
    with opened_collection(db, collection) as chosen:
        found = chosen.explain(query, record, where=parse_where(where or []))
    if html is not None:
        with disk_errors(html):
            write_atomically(html, found.html().encode())
        errors.print(f"Written to {escape(str(html))}.", highlight=False)
    if as_json:
        print_json(found.as_dict())
    elif html is None:
        _show(found)


def _show(found: Any) -> None:  # noqa: ANN401 - an Explanation, which this layer does not import
    """Print the scores, the heat of question and text, and the table of words."""
    console.print(
        f"[green]{escape(found.source or found.id)}[/]  {found.score_kind} [cyan]{found.score:.3f}[/]  bm25 [cyan]{found.lexical_score:.3f}[/]",
        highlight=False,
    )
    for one in found.ranks:
        console.print(f"[dim]{one.side}: rank {one.rank}, score {one.score:.3f}[/]", highlight=False)
    if found.let_through is not None:
        console.print(f"[dim]the filter {'lets it through' if found.let_through else 'leaves it out'}[/]")
    exact = "shares sum to the score" if found.heat.kind == "exact" else "largest cosine of each token of the question"
    console.print(f"\nBy meaning [dim]({exact})[/]")
    console.print(Padding(_warm(found.query, found.heat.query_credits(), found.heat.query_own.tolist()), (0, 0, 1, 3)))
    console.print(Padding(_warm(found.text, found.heat.text_credits(), found.heat.text_own.tolist()), (0, 0, 1, 3)))
    if not found.terms:
        console.print("By words: none of the question's is in it.")
        return
    table = Table("word", "gives", "in chunks", "times here", box=None, title="By words", title_justify="left")
    for term in found.terms:
        table.add_row(escape(harmless(" ".join(term.tokens))), f"{term.score:.3f}", str(term.df), f"{term.tf:g}")
    console.print(table)


def _warm(text: str, shares: Sequence[Any], own: Sequence[bool]) -> Text:
    """Return a text with each token on a ground that is the warmer the more it gave."""
    held = [one for one, is_own in zip(shares, own, strict=True) if is_own and one.end > one.start]
    most = max((one.share for one in held), default=0.0)
    painted = Text(harmless(text))
    for one in held:
        ground = WARMTH[round(max(0.0, one.share / most) * (len(WARMTH) - 1))] if most > 0 else ""
        if ground:
            painted.stylize(f"on {ground}", one.start, one.end)
    return painted
