"""``vicinal delete`` and ``vicinal update``: records go, or get other fields."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from vicinal.cli.output import CollectionOption, DatabaseOption, JsonOption, console, opened_collection, print_json
from vicinal.cli.search import parse_where, value_of
from vicinal.errors import InputError

WhereOption = Annotated[
    list[str] | None,
    typer.Option(help="Which records: 'year<2020', or a filter as JSON. Several must all hold.", show_default=False),
]


def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of records.", show_default=False)] = None,
    where: WhereOption = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete records by id, or those that a filter lets through."""
    if bool(ids) == bool(where):
        raise InputError("Say which records: ids, or --where with a filter; one of the two.", where="ids")
    with opened_collection(db, collection, read_only=False) as chosen:
        gone = chosen.delete(ids) if ids else chosen.delete(where=parse_where(where or []))
        left = len(chosen)
    if as_json:
        print_json({"deleted": gone, "records": left})
    else:
        console.print(f"{gone} deleted, {left} left", highlight=False)


def update(
    record: Annotated[str, typer.Argument(metavar="ID", help="The id of a record.", show_default=False)],
    fields: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Fields; a value is JSON, or text.", show_default=False)
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Take away the fields that are not named.")] = False,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a record other fields; its text and its vectors stay, and nothing is encoded."""
    changes = dict(_field(text) for text in fields)
    with opened_collection(db, collection, read_only=False) as chosen:
        chosen.update({record: changes}, replace=replace)
        now = chosen.get(record)
    if as_json:
        print_json({"id": now.id, "fields": dict(now.fields)})
    else:
        console.print(json.dumps(dict(now.fields), ensure_ascii=False), highlight=False, markup=False)


def _field(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise InputError(f"A field must be like year=2020, got {text!r}.", got=text, where="fields")
    return name, value_of(value)
