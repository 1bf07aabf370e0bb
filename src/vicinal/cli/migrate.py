"""``vicinal migrate``: a collection to another model, dimension or chunker, while it is read and written."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from vicinal.cli.judged import QrelsOption, QueriesOption, SplitOption
from vicinal.cli.migration_panel import Panel, duration, show_plan, show_status
from vicinal.cli.output import (
    DatabaseOption,
    JsonOption,
    console,
    errors,
    opened_collection,
    print_json,
    progress_bar,
)
from vicinal.collection import Collection
from vicinal.errors import InputError, MigrationError
from vicinal.evaluate.judgements import Judged, read_judged
from vicinal.migrations import Migration, MigrationStatus, Plan

STOPPED = 1
"""The exit status of a migration that its gate did not let pass, or that lacks records."""
DAY_S = 86_400.0
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY_S}
OVER = ("retired", "aborted")


class _Group(TyperGroup):
    """Commands, and ``start`` where the first word is none of them: ``vicinal migrate notes --to bge-small``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the context of whatever click typer brings
        """Put ``start`` before what begins with the name of a collection, or with one of its options."""
        named = args and args[0] not in self.commands and args[0] not in {"-h", "--help"}
        return super().parse_args(ctx, ["start", *args] if named else args)


app = typer.Typer(
    cls=_Group,
    help="Migrate a collection: vicinal migrate COLLECTION --to MODEL, then status, pause, resume, cutover, rollback, abort, retire.",
    no_args_is_help=True,
)
CollectionArgument = Annotated[
    str | None, typer.Argument(metavar="[COLLECTION]", help="The collection.", show_default="main, or the only one")
]
RateOption = Annotated[float | None, typer.Option(help="Fill in at most so many records a second.", show_default="any")]
ShareOption = Annotated[
    float | None, typer.Option(help="Work at most this share of the time, above 0 to 1.", show_default="1")
]
ForceOption = Annotated[
    str | None,
    typer.Option(
        "--force",
        metavar="REASON",
        help="Cut over though the gate holds quality or recall against it; the reason is kept. Records may never be missing.",
        show_default=False,
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the cutover.")]
LogOption = Annotated[
    Path | None,
    typer.Option(
        "--log", help="Questions without judgements, one a line, to compare the answers by.", show_default=False
    ),
]


@app.command()
def start(
    collection: CollectionArgument = None,
    to: Annotated[str | None, typer.Option("--to", help="The new model.", show_default="the collection's")] = None,
    dim: Annotated[int | None, typer.Option(help="Fewer dimensions.", show_default=False)] = None,
    precision: Annotated[str | None, typer.Option(help="float32 is the only one at rest.", show_default=False)] = None,
    chunker: Annotated[
        str | None,
        typer.Option(help="A chunker's id, window (what fits the model), or whole.", show_default="the collection's"),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option(help="What runs the network; see vicinal models runtimes.", show_default="onnxruntime")
    ] = None,
    queries: QueriesOption = None,
    qrels: QrelsOption = None,
    split: SplitOption = None,
    log: LogOption = None,
    delta: Annotated[float, typer.Option(help="The loss of nDCG@10 that counts as none.")] = 0.02,
    soak: Annotated[
        str, typer.Option(help="How long the old model is kept and written to after the cutover: 7d, 12h, 30m, 0.")
    ] = "7d",
    rate: RateOption = None,
    share: ShareOption = None,
    force: ForceOption = None,
    bridge: Annotated[
        bool,
        typer.Option(
            "--bridge",
            help="Answer in the new space at once, where a rehearsal on questions says that it is better than the old answers.",
        ),
    ] = False,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure and show the plan, and write nothing.")] = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry a collection to another model, dimension or chunker, or go on with it: all stages that it may.

    Shows the plan, writes to both, fills in, compares, measures, asks, cuts over. Ctrl-C stops the filling and nothing
    else; the same command goes on. Exit status 1: the gate did not let it pass.
    """
    judged = None if queries is None else read_judged(queries, split=split, qrels=qrels)
    with opened_collection(db, collection, read_only=dry_run) as chosen:
        going = chosen.migration()
        known = None if going is None else going.status()
        if going is None or known is None or known.stage in OVER:
            migration = chosen.migrate(
                to,
                dim=dim,
                precision=precision,
                chunker=chunker,
                runtime=runtime,
                delta=delta,
                soak_s=seconds(soak),
                rate=rate,
                share=1.0 if share is None else share,
            )
            plan = _planned(migration)
            if dry_run or not as_json:
                print_json(asdict(plan)) if as_json else show_plan(plan)
            if dry_run:
                return
            _agree_to_pay(plan, yes=yes, as_json=as_json)
            if bridge:
                _begin_bridged(chosen, migration, to, judged)
        else:
            _require_same(known, to, dim=dim, chunker=chunker)
            migration = going
        _run(migration, judged, log=log, force=force, yes=yes, as_json=as_json)


@app.command()
def status(
    collection: CollectionArgument = None,
    queries: Annotated[int, typer.Option("--worst", help="Questions shown on which both disagree most.")] = 3,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a migration stands: stage, progress, time left, what was compared and measured, what to do."""
    with opened_collection(db, collection) as chosen:
        found = chosen.migration()
        said = None if found is None else found.status()
    if said is None:
        print_json({"stage": None}) if as_json else console.print("No migration was ever begun here.")
    else:
        _show(said, as_json=as_json, worst=queries)


@app.command()
def pause(collection: CollectionArgument = None, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Stop the filling wherever it runs, and let nothing be cut over. What is written still goes to both."""
    with opened_collection(db, collection, read_only=False) as chosen:
        said = _going(chosen).pause()
    _show(said, as_json=as_json)


@app.command()
def resume(
    collection: CollectionArgument = None,
    queries: QueriesOption = None,
    qrels: QrelsOption = None,
    split: SplitOption = None,
    log: LogOption = None,
    rate: RateOption = None,
    share: ShareOption = None,
    force: ForceOption = None,
    yes: YesOption = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a migration, through all stages that it may."""
    judged = None if queries is None else read_judged(queries, split=split, qrels=qrels)
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        going.resume(rate=rate, share=share)
        _run(going, judged, log=log, force=force, yes=yes, as_json=as_json)


@app.command("bridge")
def bridge_over(
    collection: CollectionArgument = None,
    off: Annotated[bool, typer.Option("--off", help="Let the old vectors answer again.")] = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer in the new space from now on, before all is filled in; see vicinal bridge for what it is worth."""
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        said = going.unbridge() if off else _bridged(going)
    _show(said, as_json=as_json)


@app.command()
def cutover(
    collection: CollectionArgument = None,
    force: ForceOption = None,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the collection answer in the new space, in one commit, once the gate has let it pass."""
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        done = going.cutover(reason=_reason(force))
        said = going.status()
    _tell_cut(said, asdict(done), "cut over", as_json=as_json)


@app.command()
def rollback(collection: CollectionArgument = None, db: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Let the collection answer in the old space again, in one commit, with all that was written meanwhile."""
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        done = going.rollback()
        said = going.status()
    _tell_cut(said, asdict(done), "rolled back", as_json=as_json)


@app.command()
def abort(
    collection: CollectionArgument = None,
    yes: YesOption = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a migration up at whatever stage: the collection answers in the old space, and the new vectors go."""
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        _agree("Drop the new vectors?", yes=yes, as_json=as_json)
        going.abort()
        said = going.status()
    _show(said, as_json=as_json)


@app.command()
def retire(
    collection: CollectionArgument = None,
    early: Annotated[bool, typer.Option("--early", help="Before the soak is over.")] = False,
    yes: YesOption = False,
    db: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drop the old vectors for good, once the soak is over: there is no way back from then on."""
    with opened_collection(db, collection, read_only=False) as chosen:
        going = _going(chosen)
        _agree("Drop the old vectors for good?", yes=yes, as_json=as_json)
        going.retire(early=early)
        said = going.status()
    _show(said, as_json=as_json)


def seconds(told: str) -> float:
    """Return a duration such as ``7d``, ``12h``, ``30m``, ``90s`` or ``0`` in seconds.

    Raises
    ------
    InputError
        It is none.
    """
    text, unit = (told[:-1], told[-1]) if told and told[-1] in UNITS else (told, "s")
    try:
        found = float(text) * UNITS[unit]
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise InputError(f"{told!r} is no duration; write 7d, 12h, 30m, 90s or 0.", got=told, where="soak")
    return found


def _begin_bridged(chosen: Collection, migration: Migration, to: str | None, judged: Judged | None) -> None:
    """Begin, and let a bridge answer where it is worth it."""
    if to is None:
        raise InputError("--bridge leads to another model: name it by --to.", where="bridge")
    with progress_bar() as bar:
        task = bar.add_task("rehearsing the bridge", total=None)
        found = chosen.bridge(
            to, judged=judged, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    errors.print(f"bridge: {found.decision}. {found.reason}", markup=False, highlight=False)
    if found.act:
        migration.begin()
        _bridged(migration)


def _bridged(migration: Migration) -> MigrationStatus:
    with progress_bar() as bar:
        task = bar.add_task("fitting the bridge", total=None)
        return migration.bridge(progress=lambda done, total: bar.update(task, completed=done, total=total))


def _planned(migration: Migration) -> Plan:
    with progress_bar() as bar:
        task = bar.add_task("measuring a sample", total=None)
        return migration.plan(progress=lambda done, total: bar.update(task, completed=done, total=total))


def _run(
    migration: Migration, judged: Judged | None, *, log: Path | None, force: str | None, yes: bool, as_json: bool
) -> None:
    """Go through the stages under a live panel, and print where it stands then."""
    with Panel(migration) as panel:

        def confirm(said: MigrationStatus) -> bool:
            if yes:
                return True
            if as_json or not sys.stdin.isatty():
                return False
            panel.pause()
            show_status(said)
            agreed = typer.confirm("Cut over now?", default=False, err=True)
            panel.go_on()
            return agreed

        said = migration.run(judged, queries=log, confirm=confirm, reason=_reason(force), told=panel.told)
    _show(said, as_json=as_json)
    gate = said.gate
    if said.failed or (said.stage in {"copy", "ready", "back"} and gate is not None and not gate["passed"]):
        raise typer.Exit(STOPPED)


def _reason(force: str | None) -> str:
    """Return why the gate is passed by; an empty reason is none."""
    if force is not None and not force.strip():
        raise InputError("--force needs a reason, which is kept.", where="force")
    return force or ""


def _agree_to_pay(plan: Plan, *, yes: bool, as_json: bool) -> None:
    if plan.cost:
        _agree(f"The model's provider will ask for about {plan.cost:.2f}. Begin?", yes=yes, as_json=as_json)


def _agree(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask, unless told not to; who cannot be asked must say so.

    Raises
    ------
    InputError
        Nobody can be asked, and ``--yes`` was not given.
    """
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise InputError(f"{question} Nobody can be asked here: say --yes.", where="yes")
    typer.confirm(question, abort=True, err=True)


def _require_same(known: MigrationStatus, to: str | None, *, dim: int | None, chunker: str | None) -> None:
    """Refuse to go on with another migration than the one that is under way."""
    plan = known.plan or {}
    other = {
        "--to": to is not None and to != known.model,
        "--dim": dim is not None and dim != plan.get("dim"),
        "--chunker": chunker not in {None, "window", plan.get("chunker")},
    }
    named = [name for name, differs in other.items() if differs]
    if named:
        raise MigrationError(
            f"Collection {known.collection!r} is being migrated to {known.model or known.space} (stage {known.stage!r}), "
            f"and {', '.join(named)} asks for another one. Abort it first: vicinal migrate abort {known.collection}",
            where=known.collection,
        )


def _going(chosen: Collection) -> Migration:
    found = chosen.migration()
    if found is None:
        raise MigrationError(
            f"Collection {chosen.name!r} is not being migrated. Begin with: vicinal migrate {chosen.name} --to MODEL",
            where=chosen.name,
        )
    return found


def _show(said: MigrationStatus | None, *, as_json: bool, worst: int = 3) -> None:
    if said is None:
        return
    print_json(asdict(said)) if as_json else show_status(said, worst=worst)


def _tell_cut(said: MigrationStatus | None, done: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**(asdict(said) if said is not None else {}), **done})
        return
    errors.print(
        f"[green]{what}[/] in {duration(done['took_s'])}; writers waited {done['blocked_ms']:.0f} ms", highlight=False
    )
    if said is not None:
        console.print(f"stage [bold]{escape(said.stage)}[/]; next: {escape(said.next)}", highlight=False)
