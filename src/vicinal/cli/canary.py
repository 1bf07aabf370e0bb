"""``vicinal canary``: does the encoder still give the vectors that it gave? Now, or again and again."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from time import sleep
from typing import Annotated, Any

import typer
from rich.markup import escape

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
from vicinal.errors import RangeError, RemoteError

MOVED = 1
"""The exit status of a check that found another encoder."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"\s*([0-9]{1,7}(?:\.[0-9]{1,3})?)\s*([smhd])\s*")
LEAST_S = 0.05
MOST_S = 366 * 86_400
SHOWN = 20

app = typer.Typer(help="The canary: probe texts whose vectors must stay where they are.", no_args_is_help=True)


@app.command()
def check(
    every: Annotated[
        str | None,
        typer.Option(help="Check again and again: 30s, 10m, 1h, 1d; until Ctrl-C or a mismatch.", show_default=False),
    ] = None,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Encode the probe texts again, past every cache, and compare their vectors with those that are kept.

    The exit status is 1 when the encoder has moved. With --every each check prints a line, with --json
    an object; a server that does not answer is told and asked again at the next time.
    """
    pause_s = None if every is None else _seconds(every)
    try:
        if pause_s is None:
            _checked(db, collection, as_json=as_json)
            return
        while True:
            try:
                _checked(db, collection, as_json=as_json)
            except RemoteError as error:  # a provider that does not answer is no other encoder
                errors.print(escape(f"not checked: {error.message}"), highlight=False)
            sleep(pause_s)
    except KeyboardInterrupt:
        if pause_s is None:
            raise
        errors.print("[dim]ended; every check so far found the same encoder[/]")


@app.command()
def history(
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the checks that were kept, the latest last."""
    with opened_collection(db, collection) as chosen:
        found = chosen.canary_history()
    if as_json:
        print_json({"checks": found})
        return
    for one in found[-SHOWN:]:
        colour = "green" if one.get("same") else "red"
        console.print(
            f"{escape(str(one.get('checked_at')))}  [{colour}]{one.get('worst'):.6f}[/]  {escape(harmless(str(one.get('runtime'))))}",
            highlight=False,
        )
    if not found:
        console.print("No check was kept yet; vicinal canary check makes one.")


def _checked(db: Path | None, collection: str | None, *, as_json: bool) -> None:
    """Check once, and end with status 1 where the encoder is another one."""
    with opened_collection(db, collection, read_only=False) as chosen:
        found = asdict(chosen.check_canary())
    if as_json:
        print_json({"collection": chosen.name, **found})
    else:
        _show(chosen.name, found)
    if not found["same"]:
        raise typer.Exit(MOVED)


def _show(name: str, found: dict[str, Any]) -> None:
    state = "[green]the same[/]" if found["same"] else "[bold red]moved[/]"
    console.print(
        f"{found['checked_at']}  [bold]{escape(harmless(name))}[/]: {state}, {found['probes']} probe texts, worst cosine "
        f"{found['worst']:.6f} (at least {found['least']:g})",
        highlight=False,
    )
    if found["told"]:
        errors.print(escape(harmless(found["told"])), highlight=False)


def _seconds(text: str) -> float:
    """Return a duration in seconds."""
    found = DURATION.fullmatch(text)
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not LEAST_S <= seconds <= MOST_S:
        raise RangeError(
            f"--every must be a duration such as 30s, 10m, 1h or 1d, got {text!r}.", got=text, where="every"
        )
    return seconds
