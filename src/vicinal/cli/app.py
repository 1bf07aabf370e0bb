"""The program: its commands, and what happens when one fails."""

from __future__ import annotations

import json
import secrets
import sys
import traceback
import warnings
from typing import Annotated, Any, NoReturn

import typer
from typer import rich_utils

from vicinal import __version__
from vicinal.cli import (
    alias,
    ask,
    benchmark,
    bridge,
    canary,
    compare,
    demo,
    distill,
    drift,
    edit,
    evaluate,
    exchange,
    explain,
    frontier,
    history,
    index,
    info,
    judge,
    maintain,
    migrate,
    models,
    project,
    replica,
    search,
    snapshot,
    spaces,
    sync,
    verify,
)
from vicinal.cli.output import console, errors
from vicinal.errors import TruncationWarning, VicinalError, exit_status

INTERRUPTED = 130
DECLINED = 1
"""The exit status of who was asked and said no."""
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
app.command("sync")(sync.sync)
app.command("verify")(verify.verify)
app.command("search")(search.search)
app.command("recommend")(search.recommend)
app.command("facets")(search.facets)
app.command("get")(search.get)
app.command("ask")(ask.ask)
app.command("explain")(explain.explain)
app.command("evaluate")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.command("tune")(evaluate.tune)
app.command("judge")(judge.judge)
app.command("frontier")(frontier.frontier)
app.command("benchmark")(benchmark.benchmark)
app.command("bridge")(bridge.bridge)
app.command("delete")(edit.delete)
app.command("update")(edit.update)
app.command("info")(info.info)
app.command("history")(history.history)
app.command("compact")(maintain.compact)
app.command("doctor")(maintain.doctor)
app.command("drift")(drift.drift)
app.command("distill")(distill.distill)
app.command("import")(exchange.import_vectors)
app.command("export")(exchange.export)
app.command("project")(project.project)
app.add_typer(alias.app, name="alias")
app.add_typer(canary.app, name="canary")
app.add_typer(migrate.app, name="migrate")
app.add_typer(models.app, name="models")
app.add_typer(replica.app, name="replica")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(spaces.app, name="spaces")


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"vicinal {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
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
    except typer.Abort:
        status = DECLINED
    except Exception as error:  # noqa: BLE001 - the face: a fault of ours gets an id and the whole story
        status = _show_usage(error) if hasattr(error, "format_message") else _show_fault(error)
    if status == INTERRUPTED:
        errors.print("\n[yellow]Stopped.[/] What was committed is kept; run the same command to go on.")
    sys.exit(status or 0)


def _show_usage(error: Any) -> int:  # noqa: ANN401 - click's class, which typer brings along under a name of its own
    """Tell what is wrong with a command line."""
    if "--json" in sys.argv:
        print(json.dumps({"error": {"code": "usage", "message": error.format_message()}}, ensure_ascii=False))  # noqa: T201 - the answer itself
    rich_utils.rich_format_error(error)
    return int(error.exit_code)


def _show_error(error: VicinalError) -> int:
    if "--json" in sys.argv:
        print(json.dumps({"error": error.as_dict()}, ensure_ascii=False))  # noqa: T201 - the answer itself
    errors.print("[bold red]error[/]", end=" ")
    errors.print(error.message, markup=False, highlight=False)
    return exit_status(error.code)


def _show_fault(error: Exception) -> int:
    fault = secrets.token_hex(4)
    if "--json" in sys.argv:
        told = {"code": "fault", "message": f"fault {fault}: {type(error).__name__}", "fault": fault}
        print(json.dumps({"error": told}))  # noqa: T201 - the answer itself
    errors.print(f"[bold red]fault {fault}[/] This is a mistake in vicinal, not in what you did. Please report it:")
    traceback.print_exc()
    return INTERNAL


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print a warning in one line; cut texts are left to the report of the run, which counts them all."""
    if issubclass(category, TruncationWarning):
        return
    errors.print(f"[yellow]{category.__name__}[/]", end=" ")
    errors.print(str(message), markup=False, highlight=False)
