"""``vicinal info``: what a database holds."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from vicinal.cli.output import DatabaseOption, JsonOption, bytes_text, console, opened, print_json

SMALL_ROWS = 16_384
"""Below it an exact search takes about as long as any other."""


def info(db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Show what the database holds: collections, their models and spaces, counts and bytes."""
    with opened(db) as database:
        said = database.info()
    if as_json:
        print_json(said)
    else:
        show(said)


def show(said: dict[str, Any]) -> None:
    """Print what a database holds."""
    console.print(
        f"[bold]{escape(said['path'])}[/]  {bytes_text(said['disk_bytes'])} on disk", highlight=False, soft_wrap=True
    )
    for collection in said["collections"]:
        console.print(table_of(collection))
    if said["history_days"] is not None:
        console.print(f"what the collections held is kept for {said['history_days']:g} days", highlight=False)
    for name, target in said["aliases"].items():
        console.print(f"[cyan]{escape(name)}[/] stands for [green]{escape(target)}[/]", highlight=False, soft_wrap=True)


def table_of(collection: dict[str, Any]) -> Table:
    """Return a collection as a table of two columns."""
    space, index = collection["space"], collection["index"]
    table = Table(
        title=escape(collection["name"]),
        title_justify="left",
        title_style="bold green",
        show_header=False,
        box=None,
        pad_edge=False,
    )
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "records": f"{collection['records']}, in {collection['chunks']} passages",
        "cut texts": f"{collection['cut_records']}",
        "vectors": f"{space['dim']} dimensions, {bytes_text(collection['vector_bytes'])}",
        "vacuum": f"{collection['dead_rows']} dead rows, {bytes_text(collection['dead_bytes'] + collection['free_bytes'])} "
        "that vicinal compact gives back",
        "index": _index_text(index),
        "recall": f"{collection['recall']:g} where a search does not say",
        "model": collection["model"] or "an encoder of the program's own",
        "space": space["id"],
        "weights": f"sha256 {space['weights']}",
        "text": f"{space['max_tokens']} tokens, pooling {space['pooling']}, overflow {space['overflow']}, chunker {collection['chunker']}",
        "last commit": str(collection["sequence"]),
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _index_text(index: dict[str, Any]) -> str:
    if index["kind"] == "exact":
        rows = index["waiting_rows"]
        return (
            "none yet; vicinal compact builds it" if rows > SMALL_ROWS else "none is needed: every vector is compared"
        )
    cells = f" in {index['cells']} cells" if index["cells"] else ""
    measured = (
        f"measured with {index['calibrated_queries']} questions" if index["calibrated_queries"] else "not measured"
    )
    return f"{index['coded_rows']} rows{cells}, {bytes_text(index['hot_bytes'])} hot, {index['waiting_rows']} rows wait, {measured}"
