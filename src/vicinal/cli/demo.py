"""``vicinal demo``: a real corpus that every machine has, and six questions to it."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.panel import Panel

import vicinal
from vicinal.cli.info import table_of
from vicinal.cli.output import DatabaseOption, JsonOption, console, errors, print_json
from vicinal.cli.search import as_data
from vicinal.cli.sync import report_of, run
from vicinal.database import FOLDER_NAME
from vicinal.types import Hits, Source

COLLECTION = "python-docs"
SOURCE = "pydoc:"
QUESTIONS = (
    "How do I make text safe to put inside a web page?",
    "pick a winner by chance",
    "put a list in order",
    "remember earlier answers so that a slow function is not run again",
    "which weekday was my birthday",
    "measure how long a small piece of code takes",
)
SHOWN_CHARS = 160


def demo(db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Index the documentation of this Python and answer six questions about it.

    A second run encodes nothing: the ledger knows that nothing has changed.
    """
    with vicinal.open(db or Path(FOLDER_NAME)) as database:
        chosen = database.collection(COLLECTION)
        report = run(chosen, [Source(place=SOURCE)])
        answers = {question: chosen.search(question, k=1) for question in QUESTIONS}
        said = report_of(chosen, report, database.path)
        about = chosen.info()
    if as_json:
        print_json({**said, "info": about, "answers": {question: as_data(hits) for question, hits in answers.items()}})
        return
    console.print(table_of(about))
    speed = f"{report.chunks / report.took_s:.0f} passages/s" if report.chunks else "nothing to encode"
    console.print(
        f"\n[bold]{report.chunks}[/] passages encoded in {report.took_s:.1f} s ({speed}), {report.unchanged} records unchanged\n",
        highlight=False,
    )
    for question, hits in answers.items():
        _show(question, hits)
    own = f"--db {db} " if db else ""
    console.print(
        Panel(
            f'Now ask your own:  [bold]vicinal search {own}-c {COLLECTION} "…"[/]\nOr index your files: [bold]vicinal index PATH[/]',
            expand=False,
        )
    )
    if not report.complete:
        errors.print(f"{len(report.failed)} sources could not be read; --json lists them", highlight=False)


def _show(question: str, hits: Hits) -> None:
    """Print a question with the passage that answers it."""
    console.print(f"[bold]? {escape(question)}[/]", highlight=False)
    for hit in hits:
        passage = " ".join(hit.text.split())
        shown = passage if len(passage) <= SHOWN_CHARS else passage[:SHOWN_CHARS] + "…"
        console.print(f"  [cyan]{hit.score:.3f}[/] [green]{escape(hit.source)}[/]  {escape(shown)}\n", highlight=False)
