"""``vicinal search`` and ``vicinal get``: questions, and what is stored."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vicinal.cli.history import AtOption, as_of
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
from vicinal.errors import InputError
from vicinal.types import Hit, Hits

COMPARISON = re.compile(r"^\s*([^\s=!<>$][^=!<>]*?)\s*(>=|<=|!=|=|>|<)\s*(.*?)\s*$", re.DOTALL)
OPERATOR = {"=": "$eq", "!=": "$ne", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}


WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        help='A filter: \'year>=2020\', or JSON such as \'{"tags": {"$contains": "x"}}\'. Several must all hold.',
        show_default=False,
    ),
]
ModeOption = Annotated[
    str | None, typer.Option(help="dense: by meaning; lexical: by words; hybrid: by both.", show_default="hybrid")
]
FusionOption = Annotated[
    str | None, typer.Option(help="How hybrid fuses both: convex, dbsf, min_max, rrf.", show_default="convex")
]
WeightOption = Annotated[
    float | None,
    typer.Option(help="How much meaning counts in hybrid, 0 to 1.", show_default="0.8, or 0.6 where a code is asked"),
]
PerRecordOption = Annotated[int | None, typer.Option(help="How many passages of a record at most.", show_default="all")]
MostSimilarityOption = Annotated[
    float | None, typer.Option(help="Leave out what is so near to a better one, 0 to 1.", show_default=False)
]
DiversityOption = Annotated[
    float | None, typer.Option(help="How much unlikeness to better ones counts, 0 to 1.", show_default=False)
]
LeastScoreOption = Annotated[float | None, typer.Option(help="What a passage must score.", show_default=False)]


def search(
    query: Annotated[str, typer.Argument(help="The question.", show_default=False)],
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    where: WhereOption = None,
    highlight: Annotated[bool, typer.Option(help="Mark the sentence that is nearest to the question.")] = True,
    recall: Annotated[
        float | None,
        typer.Option(help="The share of the true nearest that is wanted.", show_default="the collection's, 0.98"),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every vector.")] = False,
    mode: ModeOption = None,
    fusion: FusionOption = None,
    weight: WeightOption = None,
    rerank: Annotated[
        str | None,
        typer.Option(
            help="Reorder the best: late-interaction, a cross-encoder (owner/name or folder), or cohere:MODEL.",
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[int, typer.Option(help="How many the reranker looks at.")] = 50,
    also: Annotated[
        list[str] | None, typer.Option(help="Another way to put the question; all are fused.", show_default=False)
    ] = None,
    unlike: Annotated[list[str] | None, typer.Option(help="What is not meant.", show_default=False)] = None,
    per_record: PerRecordOption = None,
    overlapping: Annotated[bool, typer.Option(help="Whether passages may share text with better ones.")] = True,
    most_similarity: MostSimilarityOption = None,
    diversity: DiversityOption = None,
    least_score: LeastScoreOption = None,
    most_unrelated: Annotated[
        float | None,
        typer.Option(
            help="Leave out what scores no better than this share of unrelated pairs; with --mode dense.",
            show_default=False,
        ),
    ] = None,
    parent_chars: Annotated[
        int | None,
        typer.Option(help="Show the section around each passage, of at most so many characters.", show_default=False),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(help="Go page by page: 'start', then the cursor of the page before.", show_default=False),
    ] = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the passages that answer a question best, by meaning, by words, or by both."""
    wanted: dict[str, Any] = {
        "k": k,
        "where": parse_where(where or []),
        "unlike": unlike or (),
        "recall": recall,
        "exact": exact,
        "mode": mode,
        "fusion": fusion,
        "weight": weight,
        "per_record": per_record,
        "overlapping": overlapping,
        "most_similarity": most_similarity,
        "least_score": least_score,
        "parent_chars": parent_chars,
    }
    ranked: dict[str, Any] = {"rerank": rerank, "diversity": diversity, "most_unrelated": most_unrelated}
    asked = [query, *also] if also else query
    with opened_collection(db, collection) as found:
        chosen = as_of(found, at)
        if after is None:
            hits = chosen.search(asked, highlight=highlight, candidates=candidates, **wanted, **ranked)
        else:
            unfit = next((name for name, value in ranked.items() if value is not None), None)
            if unfit is not None:
                option = f"--{unfit.replace('_', '-')}"
                raise InputError(f"{option} changes the order of what is shown, so there are no pages.", where=unfit)
            hits = next(chosen.pages(asked, after=None if after == "start" else after, **wanted))
    if as_json:
        print_json(as_data(hits))
    else:
        show(hits)


def recommend(
    records: Annotated[list[str], typer.Argument(metavar="ID...", help="Records like which.", show_default=False)],
    unlike: Annotated[list[str] | None, typer.Option(help="A record unlike which.", show_default=False)] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 5,
    where: WhereOption = None,
    per_record: PerRecordOption = 1,
    most_similarity: MostSimilarityOption = None,
    diversity: DiversityOption = None,
    least_score: LeastScoreOption = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare every vector.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is like some records, and unlike others."""
    with opened_collection(db, collection) as chosen:
        hits = chosen.recommend(
            records,
            unlike=unlike or (),
            k=k,
            where=parse_where(where or []),
            per_record=per_record,
            most_similarity=most_similarity,
            diversity=diversity,
            least_score=least_score,
            exact=exact,
        )
    if as_json:
        print_json(as_data(hits))
    else:
        show(hits)


def facets(
    names: Annotated[list[str], typer.Argument(metavar="FIELD...", help="Fields.", show_default=False)],
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    k: Annotated[int, typer.Option("-k", help="How many values of each.")] = 10,
    where: WhereOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many records have each value of some fields."""
    with opened_collection(db, collection) as chosen:
        found = chosen.facets(*names, where=parse_where(where or []), k=k)
    if as_json:
        print_json({"facets": {name: asdict(one) for name, one in found.items()}})
        return
    for name, one in found.items():
        table = Table(title=escape(name), title_justify="left", box=None, show_header=False)
        for value in getattr(one, "values", ()):
            told = value.value if isinstance(value.value, str) else json.dumps(value.value, ensure_ascii=False)
            table.add_row(escape(harmless(told)), f"{value.count:,}")
        for title, count in (("other values", one.others), ("no value", one.missing)):
            if count:
                table.add_row(f"[dim]{title}[/]", f"[dim]{count:,}[/]")
        console.print(table)


def parse_where(conditions: list[str]) -> dict[str, Any] | None:
    """Return the filter that all of the conditions make, or None for none.

    Raises
    ------
    InputError
        A condition is neither JSON nor a comparison.
    """
    parsed = [_condition(text) for text in conditions]
    return {"$and": parsed} if parsed else None


def _condition(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            condition: dict[str, Any] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"--where is no JSON: {error}.", got=text, where="where") from error
        return condition
    found = COMPARISON.match(text)
    if found is None:
        raise InputError(f"--where must be like year>=2020, or a JSON object, got {text!r}.", got=text, where="where")
    name, sign, value = found.groups()
    return {name: {OPERATOR[sign]: value_of(value)}}


def value_of(text: str) -> Any:  # noqa: ANN401 - a value of any field
    """Return a number, boolean, null or quoted text as JSON has it; anything else is text."""
    try:
        return json.loads(text, parse_constant=lambda _: text)
    except (ValueError, RecursionError):
        return text


def as_data(hits: Hits) -> dict[str, Any]:
    """Return hits as data."""
    return {
        "hits": [asdict(hit) for hit in hits],
        "complete": hits.complete,
        "recall_estimate": hits.recall_estimate,
        "score_kind": hits.score_kind,
        "work": hits.work,
        "took_ms": round(hits.took_ms, 3),
        "space": hits.space,
        "cursor": hits.cursor,
    }


def show(hits: Hits) -> None:
    """Print hits: score, source with line, and the passage with its best sentence marked."""
    for place, hit in enumerate(hits, 1):
        console.print(
            f"[bold]{place}[/]  [cyan]{hit.score:.3f}[/]  [green]{escape(hit.source)}[/]:{hit.line}{_told(hit)}",
            highlight=False,
            soft_wrap=True,
        )
        console.print(Padding(_passage(hit), (0, 0, 1, 3)))
    if not hits:
        console.print("Nothing was found that the filter and the thresholds let through.")
    errors.print(
        f"[dim]{len(hits)} of {hits.work} compared in {hits.took_ms:.0f} ms, {_how(hits)}[/]",
        highlight=False,
    )
    if hits.cursor is not None:
        errors.print(f"[dim]the next page: --after {hits.cursor}[/]", highlight=False, soft_wrap=True)


def _told(hit: Hit) -> str:
    """Return what each side said of a hit, as markup."""
    names = {"dense": "meaning", "lexical": "words"}
    said = [f"{names[one.side]} {one.rank}. ({one.score:.2f})" for one in hit.ranks]
    return f"  [dim]{', '.join(said)}[/]" if said else ""


def _how(hits: Hits) -> str:
    return "exact" if hits.complete else f"approximate: {hits.recall_estimate:.3f} of the true nearest are expected"


def _passage(hit: Hit) -> Text:
    text = Text(harmless(hit.text))
    if hit.best is not None and (hit.best[1] - hit.best[0]) < len(hit.text):
        text.stylize("bold yellow", hit.best[0] - hit.start, hit.best[1] - hit.start)
    return text


def get(
    record: Annotated[str, typer.Argument(metavar="ID", help="The id of a record.", show_default=False)],
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    at: AtOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a record: its text, source, fields and the spans of its passages."""
    with opened_collection(db, collection) as chosen:
        found = as_of(chosen, at).get(record)
    if as_json:
        print_json(asdict(found))
        return
    console.print(
        f"[green]{escape(found.id)}[/]  {escape(found.source)}  {len(found.spans)} passages",
        highlight=False,
        soft_wrap=True,
    )
    for name, value in found.fields.items():
        console.print(
            f"[cyan]{escape(name)}[/]: {escape(json.dumps(value, ensure_ascii=False))}", highlight=False, soft_wrap=True
        )
    typer.echo(harmless(found.text) if console.is_terminal else found.text)
