"""``vicinal sync``: collections become what their sources are."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import vicinal
from vicinal.cli.output import DatabaseOption, JsonOption, bytes_text, console, errors, print_json, progress_bar
from vicinal.collection import Collection
from vicinal.corpus import SyncPlan, declared_sources, find_declared
from vicinal.database import FOLDER_NAME, Database, find
from vicinal.errors import DatabaseNotFoundError, InputError
from vicinal.types import Skipped, Source, SyncProgress, SyncReport

HOLES = 1
"""The exit status of a run that could not read or encode everything."""
SHOWN = 10
"""Skipped sources that are shown; --json has them all."""
DEFAULT_COLLECTION = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A collection that is synced, and with what; without sources, with those that it remembers."""

    collection: str
    sources: tuple[Source, ...] = ()
    model: str | None = None
    strict: bool = True


def sync(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, sqlite:PATH, postgresql://…, https://…, sitemap:URL, - or pydoc:. "
            "None: what vicinal.toml here or above declares, else what the collections were made of before.",
            show_default=False,
        ),
    ] = None,
    db: DatabaseOption = None,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="The collection; made if it is not there.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="The file that declares sources.", show_default="vicinal.toml here or above")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The model of a new collection.", show_default="minilm")
    ] = None,
    text_field: Annotated[
        str | None, typer.Option(help="The column of tables that holds the text.", show_default="found by its name")
    ] = None,
    id_field: Annotated[
        str | None, typer.Option(help="The column of tables that holds the id.", show_default="id, or the key")
    ] = None,
    table: Annotated[str | None, typer.Option(help="The table of a database.", show_default=False)] = None,
    query: Annotated[
        str | None, typer.Option(help="A query in place of a table: its rows are the documents.", show_default=False)
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(help="Read only such files of a folder: '*.md'.", show_default=False)
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pass over such files of a folder: 'drafts/'.", show_default=False)
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Ask machines of a private network, too, for web pages.")
    ] = False,
    other_sites: Annotated[
        bool, typer.Option("--other-sites", help="Follow pages of other hosts, by redirects and from a sitemap.")
    ] = False,
    most_pages: Annotated[int, typer.Option(min=1, help="Pages of a sitemap that are read at most.")] = 10_000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, how long it takes and what it costs.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, whenever files have changed, until Ctrl-C.")] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="These are sources no longer: delete what only they gave.")
    ] = False,
    every_s: Annotated[float, typer.Option(help="Seconds between two looks at watched files.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Encode what is new or changed in the sources, and remove what is gone.

    Interrupted at any time, what was committed is kept, and the next run goes on from there. What cannot be read or encoded
    is set aside and tried again by the next run; the exit status is 1 then.
    """
    options = {
        "text_field": text_field,
        "id_field": id_field,
        "table": table,
        "query": query,
        "include": tuple(include or ()),
        "exclude": tuple(exclude or ()),
        "private": private,
        "other_sites": other_sites,
        "most_pages": most_pages,
    }
    given = tuple(Source(place=one, **options) for one in sources or ())  # type: ignore[arg-type]  # each is its own
    jobs, folder = _jobs(given, db, collection, config, model)
    if watch + dry_run + forget > 1:
        raise InputError("Say one of --watch, --dry-run and --forget.", where="watch")
    if forget:
        _forget(given, folder, collection, as_json=as_json)
        return
    if watch:
        _watch(jobs, folder, every_s, as_json=as_json)
        return
    if dry_run:
        with _rehearsed(folder) as database:
            plans = [(job, _plan(_chosen(database, job), job)) for job in jobs]
        for job, one in plans if not as_json else ():
            show_plan(job.collection, one)
        _end([{"collection": job.collection, **asdict(one), "complete": one.complete} for job, one in plans], as_json)
        return
    with vicinal.open(folder) as database:
        said = []
        for job in jobs:
            chosen = _chosen(database, job)
            report = run(chosen, job.sources, strict=job.strict)
            said.append(report_of(chosen, report, database.path))
            if not as_json:
                show(report, said[-1])
    _end(said, as_json)


def _forget(given: tuple[Source, ...], folder: Path, collection: str | None, *, as_json: bool) -> None:
    """Delete what came from sources that are none any more."""
    if not given:
        raise InputError("Name the sources that are forgotten.", where="sources")
    with vicinal.open(folder, create=False) as database:
        chosen = database.collection(collection or database.default_collection(), create=False)
        removed = chosen.forget(*given)
        left = len(chosen)
    if as_json:
        print_json({"removed": removed, "records": left})
    else:
        console.print(f"{removed} records removed, {left} left", highlight=False)


def _end(said: list[dict[str, Any]], as_json: bool) -> None:
    """Print what was done if JSON is wanted, and end with the status of the worst."""
    complete = all(one["complete"] for one in said)
    if as_json:
        print_json({"runs": said, "complete": complete})
    if not complete:
        raise typer.Exit(HOLES)


def place() -> Path:
    """Return the database here or above, or where a new one goes."""
    try:
        return find()
    except DatabaseNotFoundError:
        return Path(FOLDER_NAME)


def _jobs(
    given: tuple[Source, ...], db: Path | None, collection: str | None, config: Path | None, model: str | None
) -> tuple[list[Job], Path]:
    """Return what is to be synced, and the database."""
    if given:
        if config is not None:
            raise InputError("Name sources, or a file that declares them; one of the two.", where="config")
        return [Job(collection=collection or DEFAULT_COLLECTION, sources=given, model=model)], db or place()
    path = config or find_declared()
    if path is not None:
        jobs = [
            Job(collection=one.collection, sources=one.sources, model=model or one.model, strict=False)
            for one in declared_sources(path)
            if collection in {None, one.collection}
        ]
        if not jobs:
            raise InputError(f"{path} declares no source of collection {collection!r}.", where="collection")
        return jobs, db or _beside(path)
    folder = db or find()
    with vicinal.open(folder, create=False, read_only=True) as database:
        names = [collection] if collection else database.collections()
        known = [name for name in names if database.collection(name, create=False).sources()]
    if not known:
        raise InputError(
            "No source is known: name one, such as a folder, or write them into vicinal.toml.", where="sources"
        )
    return [Job(collection=name, strict=False) for name in known], folder


def _beside(path: Path) -> Path:
    """Return the database that serves the folder of a file, or where a new one goes."""
    try:
        return find(path.resolve().parent)
    except DatabaseNotFoundError:
        return path.resolve().parent / FOLDER_NAME


def _chosen(database: Database, job: Job) -> Collection:
    """Return the collection of a job; a model is for one that is not there yet."""
    is_new = job.collection not in database.collections()
    return database.collection(job.collection, model=job.model if is_new or job.strict else None)


def run(chosen: Collection, sources: Sequence[Source], *, strict: bool = True) -> SyncReport:
    """Sync with a bar on the terminal."""
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)

        def tell(far: SyncProgress) -> None:
            if far.known_chunks:
                bar.update(
                    task, description=f"encoding, {far.read} read", completed=far.done_chunks, total=far.known_chunks
                )
            else:
                bar.update(task, description=f"reading, {far.read} read")

        report = chosen.sync(*sources, strict=strict, progress=tell)
        bar.update(task, description="building the index", completed=0, total=None)
        chosen.compact(only_due=True, progress=lambda done, total: bar.update(task, completed=done, total=total))
        return report


def report_of(chosen: Collection, report: SyncReport, path: Path) -> dict[str, Any]:
    """Return what a run did, as data."""
    return {
        "collection": chosen.name,
        "database": str(path),
        "space": chosen.space.id,
        "records": len(chosen),
        **asdict(report),
        "complete": report.complete,
        **({"usage": chosen.usage} if chosen.usage else {}),
    }


def show(report: SyncReport, said: dict[str, Any]) -> None:
    """Print what a run did."""
    moved = f"{report.moved} moved, " if report.moved else ""
    counts = (
        f"[green]{report.new} new[/], {report.changed} changed, {moved}{report.unchanged} unchanged, "
        f"{report.removed} removed"
    )
    speed = f", {report.chunks / report.took_s:.0f} passages/s" if report.chunks else ""
    reused = f", {report.reused_chunks} kept their vectors" if report.reused_chunks else ""
    console.print(
        f"{counts} in {report.took_s:.1f} s ({report.chunks} passages encoded{speed}{reused})", highlight=False
    )
    console.print(
        f"{said['records']} records in collection {escape(said['collection'])} of {escape(said['database'])}",
        highlight=False,
    )
    if "usage" in said:
        told = ", ".join(f"{value:,.6g} {name.replace('_', ' ')}" for name, value in said["usage"].items() if value)
        console.print(f"asked of the provider: {told}", highlight=False)
    if report.cut_records:
        console.print(
            f"[yellow]{report.cut_records} texts are cut[/] at the model's window, as you asked for", highlight=False
        )
    if report.empty:
        console.print(f"{report.empty} documents hold nothing but white space", highlight=False)
    show_skipped(report.skipped)


def show_skipped(skipped: Sequence[Skipped]) -> None:
    """Print why sources were skipped, and those that are holes."""
    reasons = Counter(one.reason for one in skipped)
    failed = [one for one in skipped if one.failed]
    if reasons:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        console.print(f"skipped: {told}", highlight=False)
    for one in failed[:SHOWN]:
        console.print(f"  [red]{escape(one.source)}[/]: {escape(one.reason)}. {escape(one.detail)}", highlight=False)
    if len(failed) > SHOWN:
        console.print(f"  and {len(failed) - SHOWN} more; --json lists them all")
    if failed:
        console.print(
            f"[bold red]{len(failed)} could not be read or encoded.[/] What these held before is kept; "
            "the next run tries them again.",
            highlight=False,
        )


@contextmanager
def _rehearsed(folder: Path) -> Iterator[Database]:
    """Open a database for a plan; where there is none, an empty one that is gone afterwards."""
    try:
        with vicinal.open(folder, create=False, read_only=True) as database:
            yield database
    except DatabaseNotFoundError:
        with tempfile.TemporaryDirectory(prefix="vicinal-plan-") as empty, vicinal.open(empty) as database:
            yield database


def _plan(chosen: Collection, job: Job) -> SyncPlan:
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None)

        def tell(far: SyncProgress) -> None:
            bar.update(task, description=f"reading, {far.read} read, {far.known_chunks} passages to encode")

        return chosen.plan_sync(*job.sources, strict=job.strict, progress=tell)


def show_plan(collection: str, found: SyncPlan) -> None:
    """Print what would be done."""
    console.print(
        f"[bold]{escape(collection)}[/]: [green]{found.new} new[/], {found.changed} changed, {found.moved} moved, "
        f"{found.unchanged} unchanged, {found.removed} removed",
        highlight=False,
    )
    told = "unknown: a provider is not asked" if found.estimated_s is None else f"about {found.estimated_s:,.1f} s"
    cost = "" if found.cost is None else f", cost {found.cost:,.4g}"
    console.print(
        f"{found.chunks} passages to encode, {found.tokens:,} tokens, time {told}{cost}; "
        f"{found.reused_chunks} keep their vectors; {bytes_text(found.disk_bytes)} to be written",
        highlight=False,
    )
    show_skipped(found.skipped)
    console.print("nothing was written")


def _watch(jobs: list[Job], folder: Path, every_s: float, *, as_json: bool) -> None:
    """Sync one collection again and again, until Ctrl-C; each report is a line of JSON where that is wanted."""
    if len(jobs) > 1:
        names = ", ".join(job.collection for job in jobs)
        raise InputError(
            f"One collection is watched at a time, of {names}: say which with --collection.", where="watch"
        )
    job, complete = jobs[0], True
    with vicinal.open(folder) as database:
        chosen = _chosen(database, job)
        try:
            with closing(chosen.watch(*job.sources, every_s=every_s, strict=job.strict)) as reports:
                for report in reports:
                    complete = report.complete
                    said = report_of(chosen, report, database.path)
                    print_json(said) if as_json else show(report, said)
                    chosen.compact(only_due=True)
        except KeyboardInterrupt:
            errors.print("\n[yellow]Stopped watching.[/] What was committed is kept.")
    if not complete:
        raise typer.Exit(HOLES)
