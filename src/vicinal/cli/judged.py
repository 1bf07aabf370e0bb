"""What the commands that measure have in common: where judged questions come from.

Takes the options of a command line. Gives questions with judgements, read or made of a collection's records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vicinal.errors import InputError

_QUERIES = typer.Option(
    help="Judged questions: a BEIR or TREC folder, or a CSV, TSV or JSONL file with query and document.",
    show_default=False,
)
QueriesOption = Annotated[Path | None, _QUERIES]
NeededQueriesOption = Annotated[Path, _QUERIES]
QrelsOption = Annotated[
    Path | None, typer.Option(help="The judgements, where they lie apart from the queries.", show_default=False)
]
SplitOption = Annotated[
    str | None, typer.Option(help="Which judgements of a folder.", show_default="test, or the only one")
]
KnownItemsOption = Annotated[
    int | None, typer.Option(help="Without judgements: so many questions made of the documents.", show_default=False)
]
KindOption = Annotated[str, typer.Option(help="What they are made of: title, heading, sentence, keywords.")]


def require_one(queries: Path | None, known_items: int | None) -> None:
    """Refuse a call that does not say what is asked, or says it twice.

    Raises
    ------
    InputError
        Neither or both were given.
    """
    if (queries is None) == (known_items is None):
        raise InputError("Say what to ask: judged questions by --queries, or --known-items N; one of the two.")
