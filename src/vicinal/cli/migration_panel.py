"""How a migration is shown: the plan, the live panel, and where it stands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table

from vicinal.cli.output import bytes_text, console, errors, harmless
from vicinal.migrations import Migration, MigrationStatus, Plan

STEPS = ("filling", "indexing", "comparing", "measuring")
AGAIN_S = 0.5
"""How often the status is read anew for the panel."""
BAR = 40
SHOWN = 5
SHOWN_CHARS = 70


class Panel:
    """A live panel on standard error; it shows nothing where that is no terminal."""

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self._live = Live(console=errors, transient=True, refresh_per_second=4)
        self._read_at = 0.0
        self._status: MigrationStatus | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        self.go_on()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self.pause()

    def pause(self) -> None:
        """Leave the terminal to others."""
        if self._live.is_started:
            self._live.stop()

    def go_on(self) -> None:
        """Show again."""
        if errors.is_terminal and not self._live.is_started:
            self._live.start()

    def told(self, step: str, done: int, total: int) -> None:
        """Show how far a step is."""
        if not errors.is_terminal:
            return
        if time.monotonic() > self._read_at + AGAIN_S:
            self._status, self._read_at = self._migration.status(), time.monotonic()
        self._live.update(_panel(self._status, step, done, total))


def _panel(status: MigrationStatus | None, step: str, done: int, total: int) -> RenderableType:
    line = " → ".join(f"[bold cyan]{one}[/]" if one == step else f"[dim]{one}[/]" for one in (*STEPS, "cutover"))
    rows: list[RenderableType] = [
        line,
        ProgressBar(total=max(total, 1), completed=done, width=60),
        f"{done} of {total}",
    ]
    if status is not None:
        rows.append(_facts(status))
    title = "migration" if status is None else f"{escape(status.collection)} to {escape(status.model or status.space)}"
    return Frame(Group(*rows), title=title, width=78)


def _facts(status: MigrationStatus) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("in both", f"{status.done} of {status.records} records", _reads(status))
    if status.left_s is not None and status.fast_s is not None and status.slow_s is not None:
        band = f"{duration(status.fast_s)} to {duration(status.slow_s)}"
        table.add_row("left", f"{duration(status.left_s)}", f"[dim]{band}; {status.rate:.0f} records/s[/]")
    if status.cost is not None:
        table.add_row("cost", f"{status.cost:.2f} so far", "")
    if status.failed:
        table.add_row("[red]failed[/]", f"{len(status.failed)} records", "")
    return table


def _reads(status: MigrationStatus) -> str:
    return "" if status.read_share is None else f"[dim]{status.read_share:.0%} of what is read[/]"


def show_plan(plan: Plan) -> None:
    """Print what a migration will take."""
    table = Table.grid(padding=(0, 2))
    table.add_row("collection", f"[bold]{escape(plan.collection)}[/]: {plan.records} records")
    table.add_row(
        "model", f"{escape(plan.former_model or 'an encoder object')} → {escape(plan.model or 'an encoder object')}"
    )
    if plan.differs:
        table.add_row("differs in", ", ".join(plan.differs))
    if plan.chunker != plan.former_chunker:
        table.add_row("chunker", f"{escape(plan.former_chunker)} → {escape(plan.chunker)}, about {plan.chunks} chunks")
    how = "out of the stored vectors" if plan.derived else f"measured on {plan.sampled} records"
    table.add_row("time", f"{duration(plan.backfill_s)} ({duration(plan.fast_s)} to {duration(plan.slow_s)}), {how}")
    table.add_row("disk", f"{bytes_text(plan.disk_bytes)} more until the old vectors are retired")
    if plan.tokens is not None:
        cost = "price unknown: set VICINAL_PRICE_PER_MILLION" if plan.cost is None else f"about {plan.cost:.2f}"
        table.add_row("cost", f"{plan.tokens} tokens, {cost}")
    console.print(table)


def show_status(status: MigrationStatus, *, worst: int = 3) -> None:
    """Print where a migration stands."""
    paused = " [yellow]paused[/]" if status.paused else ""
    former, new = status.former_model or status.former_space, status.model or status.space
    console.print(
        f"[bold]{escape(status.collection)}[/]: {escape(former)} → {escape(new)}, stage [bold]{status.stage}[/]{paused}",
        highlight=False,
    )
    console.print(ProgressBar(total=max(status.records, 1), completed=status.done, width=60))
    console.print(_facts(status))
    for one, why in list(status.failed.items())[:SHOWN]:
        console.print(f"  [red]{escape(harmless(one))}[/]: {escape(harmless(why))}", highlight=False)
    if status.bridged:
        console.print("answers: in the new space, by a bridge", highlight=False)
    if status.shadow is not None:
        _show_shadow(status.shadow, worst)
    if status.gate is not None:
        _show_gate(status.gate)
    if status.reason:
        console.print(f"[yellow]gate passed by:[/] {escape(harmless(status.reason))}", highlight=False)
    if status.soak_left_s is not None:
        left = duration(status.soak_left_s) if status.soak_left_s else "over"
        console.print(f"soak: {left}; until it is retired it can be rolled back in a moment", highlight=False)
    if status.next:
        console.print(f"next: [cyan]{escape(status.next)}[/]", highlight=False)


def _show_shadow(shadow: Mapping[str, Any], worst: int) -> None:
    former, new = shadow["former_latency"], shadow["new_latency"]
    tau = "–" if shadow["tau"] is None else f"{shadow['tau']:.2f}"
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "answers",
        f"overlap@{shadow['k']} {shadow['overlap']:.2f}, RBO {shadow['rank_biased_overlap']:.2f}, tau {tau}",
        f"[dim]on {shadow['queries']} questions, {shadow['mode']}; a better model should disagree[/]",
    )
    table.add_row(
        "scores", f"moved by {shadow['score_shift']:.2f}", "[dim]from 0.1 on look at fixed thresholds again[/]"
    )
    table.add_row(
        "latency",
        f"{former['p50_ms']:.1f} → {new['p50_ms']:.1f} ms p50",
        f"{former['p95_ms']:.1f} → {new['p95_ms']:.1f} ms p95",
    )
    console.print(table)
    for one in shadow["worst"][: max(0, worst)]:
        text = escape(harmless(one["query"])[:SHOWN_CHARS])
        console.print(f"  [dim]{one['overlap']:.1f}[/] {text}", highlight=False)


def _show_gate(gate: Mapping[str, Any]) -> None:
    for check in gate["checks"]:
        sign = "[green]✓[/]" if check["passed"] else "[red]✗[/]"
        console.print(f"{sign} {check['name']}: {escape(harmless(check['detail']))}", highlight=False, soft_wrap=True)
    if gate["queries"]:
        console.print(f"  [dim]{interval(gate['low'], gate['gain'], gate['high'], -gate['delta'])}[/]", highlight=False)
    verdict = "[bold green]the gate lets it pass[/]" if gate["passed"] else "[bold red]the gate stops it[/]"
    console.print(verdict)


def interval(low: float, gain: float, high: float, bound: float) -> str:
    """Return a picture of an interval, the bound that it must not reach, and zero: ``─┼──┊──├──●──┤``."""
    ends = min(low, bound, 0.0), max(high, 0.0, bound)
    width = ends[1] - ends[0] or 1.0

    def place(value: float) -> int:
        return round((value - ends[0]) / width * (BAR - 1))

    drawn = ["─"] * BAR
    for at in range(place(low), place(high) + 1):
        drawn[at] = "━"
    for value, sign in ((0.0, "0"), (bound, "┊"), (low, "├"), (high, "┤"), (gain, "●")):
        drawn[place(value)] = sign
    return f"{ends[0]:+.3f} {''.join(drawn)} {ends[1]:+.3f}   ┊ the bound, ● the gain"


def duration(told_s: float) -> str:
    """Return seconds as a person reads them."""
    if told_s < 1:
        return f"{told_s * 1000:.0f} ms"
    for most, per, unit in ((90, 1, "s"), (5400, 60, "min"), (129_600, 3600, "h")):
        if told_s < most:
            return f"{told_s / per:.0f} {unit}"
    return f"{told_s / 86_400:.1f} d"
