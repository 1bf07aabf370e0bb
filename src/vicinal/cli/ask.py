"""``vicinal ask``: an answer with its sources."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from vicinal import config
from vicinal.answer import Answer
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


def ask(
    question: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="The base URL of a chat endpoint that speaks OpenAI's words.",
            show_default="VICINAL_CHAT_URL; without, the best sentences",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The model of the endpoint.", show_default="VICINAL_CHAT_MODEL")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many passages are looked at.")] = 10,
    where: Annotated[
        list[str] | None, typer.Option(help="A filter, as in search. Several must all hold.", show_default=False)
    ] = None,
    budget: Annotated[int, typer.Option(help="Tokens of the passages that the model is shown.")] = 2000,
    neighbors: Annotated[int, typer.Option(help="Passages before and behind each that are taken along.")] = 0,
    least_score: Annotated[
        float | None,
        typer.Option(
            help="Refuse to answer where the best passage scores less.", show_default="the best cosine must be 0.2"
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question from the passages found for it, each sentence with its source."""
    shown = _Shown(silent=as_json)
    with opened_collection(db, collection) as chosen:
        said = chosen.ask(
            question,
            k=k,
            where=parse_where(where or []),
            endpoint=endpoint or config.chat_url(),
            model=model or config.chat_model(),
            budget_tokens=budget,
            least_score=least_score,
            neighbors=neighbors,
            on_text=shown.take,
        )
    if as_json:
        print_json(as_data(said))
    else:
        show(said, shown.text)


class _Shown:
    """Prints pieces as they come, and remembers them."""

    def __init__(self, *, silent: bool) -> None:
        self.text = ""
        self._silent = silent

    def take(self, text: str) -> None:
        """Print a piece; what a model writes cannot steer the terminal."""
        self.text += text
        if not self._silent:
            console.print(harmless(text), end="", markup=False, highlight=False, soft_wrap=True)


def as_data(said: Answer) -> dict[str, Any]:
    """Return an answer as data."""
    return {
        "answer": said.text,
        "how": said.how,
        "refused": said.refused,
        "notice": said.notice,
        "model": said.model,
        "sources": [asdict(source) for source in said.sources],
        "citations": [asdict(one) for one in said.citations],
        "unknown": [asdict(one) for one in said.unknown],
        "uncited": [list(span) for span in said.uncited],
        "complete": said.complete,
    }


def show(said: Answer, streamed: str) -> None:
    """Print what the stream has not shown: the best sentences, the sources, the notice."""
    if streamed:
        console.print()
        if said.how != "chat":
            errors.print("[yellow]What stands above was broken off and is not the answer.[/]")
    if said.how == "extractive":
        console.print(harmless(said.text), markup=False, highlight=False, soft_wrap=True)
    if said.text:
        console.print()
    cited = {one.number for one in said.citations}
    for source in said.sources if not said.refused else ():
        mark = "" if source.number in cited else "[dim]"
        console.print(
            f"{mark}\\[{source.number}] [cyan]{source.score:.3f}[/]  "
            f"[green]{escape(harmless(source.source))}[/]:{source.line}",
            highlight=False,
            soft_wrap=True,
        )
    if said.notice:
        errors.print("[yellow]note[/]", end=" ")
        errors.print(harmless(said.notice), markup=False, highlight=False, soft_wrap=True)
