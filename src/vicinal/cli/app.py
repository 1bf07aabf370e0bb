"""The program: its commands, and what happens when one fails."""

from __future__ import annotations

import json
import os
import secrets
import sys
import traceback
import warnings
from typing import Annotated, NoReturn

import click
import typer

from vicinal import __version__
from vicinal.cli import demo, index, info, models, search
from vicinal.cli.output import console, errors
from vicinal.errors import VicinalError, exit_status

INTERRUPTED = 130
INTERNAL = 70
"""The exit status of a fault of ours, as sysexits.h has it."""

app = typer.Typer(
    name="vicinal",
    help="Search by meaning in your own files: models with an identity, a durable store, fast neighbours.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("index")(index.index)
app.command("search")(search.search)
app.command("get")(search.get)
app.command("info")(info.info)
app.add_typer(models.app, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"vicinal {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: ARG001 - typer calls _version with it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Search by meaning in your own files: models with an identity, a durable store, fast neighbours."""


def main() -> NoReturn:
    """Run the command of ``sys.argv`` and end with its exit status."""
    warnings.showwarning = _show_warning
    try:
        status = app(standalone_mode=False)
    except VicinalError as error:
        status = _show_error(error)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        errors.print("\n[yellow]Stopped.[/] What was committed is kept; run the same command to go on.")
        status = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; say nothing more
        status = 0
    except Exception:  # noqa: BLE001 - the face: a fault of ours gets an id and the whole story
        status = _show_fault()
    sys.exit(status or 0)


def _show_error(error: VicinalError) -> int:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False))  # noqa: T201 - the answer itself
    errors.print("[bold red]error[/]", end=" ")
    errors.print(error.message, markup=False, highlight=False)
    return exit_status(error.code)


def _show_fault() -> int:
    errors.print(
        f"[bold red]fault {secrets.token_hex(4)}[/] This is a mistake in vicinal, not in what you did. Please report it:"
    )
    traceback.print_exc()
    return INTERNAL


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    errors.print(f"[yellow]{category.__name__}[/]", end=" ")
    errors.print(str(message), markup=False, highlight=False)
