"""``vicinal replica``: a database that follows another, and can take its place."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from vicinal.cli.output import JsonOption, console, errors, print_json, progress_bar
from vicinal.replica import Applied, Replica, ReplicaStatus

app = typer.Typer(help="Replicas: follow, status, promote, resync.", no_args_is_help=True)
FolderArgument = Annotated[
    Path, typer.Argument(metavar="REPLICA", help="The folder of the replica.", show_default=False)
]
PrimaryArgument = Annotated[
    str,
    typer.Argument(
        metavar="PRIMARY",
        help="The folder of the primary, on this machine; or a place of its snapshots, anywhere.",
        show_default=False,
    ),
]
PerhapsPrimaryArgument = Annotated[
    str | None, typer.Argument(metavar="[PRIMARY]", help="The same, to ask it how far it is.", show_default=False)
]


@app.command()
def follow(
    replica: FolderArgument,
    primary: PrimaryArgument,
    once: Annotated[bool, typer.Option("--once", help="End when the primary is reached.")] = False,
    poll_s: Annotated[float, typer.Option(help="Seconds between two looks at a primary that was reached.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Take over what is committed to the primary, until Ctrl-C; the replica is made if it is not there.

    Killed at any moment it stands at a commit of the primary, whole, and goes on from there.
    """
    with Replica.open(replica, primary) as following, progress_bar() as bar:
        task = bar.add_task("following", total=None)

        def reached(done: Applied) -> bool:
            bar.update(task, description=f"at commit {done.sequence}, {done.lag} behind")
            return once and not done.lag

        done = following.follow(poll_s=poll_s, until=reached)
    if as_json:
        print_json(asdict(done))
    else:
        console.print(f"{escape(str(replica))} is at commit {done.sequence} of its primary", highlight=False)


@app.command()
def status(replica: FolderArgument, primary: PerhapsPrimaryArgument = None, as_json: JsonOption = False) -> None:
    """Show at which commit a replica is, and how far behind its primary where that is named."""
    with Replica.open(replica, primary, create=False) as following:
        _show(following.status(), as_json=as_json)


@app.command()
def promote(replica: FolderArgument, primary: PerhapsPrimaryArgument = None, as_json: JsonOption = False) -> None:
    """Make the replica a primary, for good: it takes writes and follows nobody. Stop the old primary's writers first."""
    with Replica.open(replica, primary, create=False) as following:
        _show(following.promote(), as_json=as_json)


@app.command()
def resync(replica: FolderArgument, primary: PrimaryArgument, as_json: JsonOption = False) -> None:
    """Copy the primary anew; readers see the old state until the new one is whole."""
    with Replica.open(replica, primary) as following, errors.status("copying"):
        done = following.resync()
    if as_json:
        print_json(asdict(done))
    else:
        console.print(f"{done.records} records copied; at commit {done.sequence}", highlight=False)


def _show(told: ReplicaStatus, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(told))
        return
    behind = "the primary cannot be asked" if told.lag is None else f"{told.lag} commits behind"
    since = "" if not told.lag_s else f", at most {told.lag_s:.0f} s"
    state = "promoted: it follows nobody" if told.promoted else f"{behind}{since}"
    console.print(f"at commit {told.applied} of {told.primary[:12]}; {state}", highlight=False)
