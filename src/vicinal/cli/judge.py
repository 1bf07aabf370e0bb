"""``vicinal judge``: a person says which passages answer which questions, one key a passage."""

from __future__ import annotations

import os
import re
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

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
from vicinal.collection import Collection
from vicinal.errors import InputError
from vicinal.evaluate.judgements import read_queries
from vicinal.evaluate.unlabelled import Journal, Judgement, pool
from vicinal.types import Hit

GRADES = {"0": "no", "1": "touches it", "2": "mostly", "3": "fully"}
SKIP, UNDO, QUIT = "s", "u", "q"
CHUNKS_MOST = 64
"""A document may fill the first places with its chunks: at most so many times the depth are looked at."""
KEY_BYTES = 64
SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.|[^\[O])?")
"""A key of several bytes (ECMA-48, 5.4; O and a letter from a keypad)."""


def judge(
    queries: Annotated[
        Path,
        typer.Option(help="Questions: a file with one a line, a TSV, CSV or JSONL file, TREC topics, a BEIR folder."),
    ],
    out: Annotated[Path, typer.Option(help="The file of judgements; where it is there, judging goes on.")],
    modes: Annotated[str, typer.Option(help="Which searches find what is judged.")] = "lexical,dense,hybrid",
    depth: Annotated[int, typer.Option(min=1, max=1000, help="How many documents of each search.")] = 10,
    seed: Annotated[int, typer.Option(help="Another order of the documents for another person.")] = 0,
    db: DatabaseOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge what the searches find, in an order that hides which of them found it: one key a document.

    0 no, 1 touches it, 2 mostly, 3 fully, s skip, u undo, q quit. Every key is on the disk at once; the same command
    goes on. The file is what `vicinal evaluate --queries` reads.
    """
    if out.suffix.lower() in {".csv", ".json", ".jsonl"}:
        raise InputError(
            f"--out is written as TSV, which {out.suffix} is not: call it {out.with_suffix('.tsv').name}.", where="out"
        )
    texts = read_queries(queries)
    if not texts:
        raise InputError(f"{queries} holds no question.", where=str(queries))
    names = [name.strip() for name in modes.split(",") if name.strip()]
    if not names:
        raise InputError("Name at least one mode: dense, lexical, hybrid.", where="modes")
    screen = errors if as_json else console
    with opened_collection(db, collection) as chosen, Journal(out) as journal, _keys() as key:
        pools = _Pools(chosen, texts, names, depth=depth, seed=seed)
        done = _judge(pools, journal, key, screen)
        said = _summary(journal, done=done)
    if as_json:
        print_json({**said, "out": str(out)})
        return
    screen.print(
        f"{said['judged']} judged, {said['relevant']} of them relevant, {said['skipped']} skipped, "
        f"{said['queries']} queries"
    )
    screen.print(
        f"[dim]vicinal evaluate --queries {escape(str(out))}[/]" if done else "[dim]The same command goes on.[/]",
        highlight=False,
    )


class _Pools:
    """What is to be judged for each query, found when it is needed; that of the last two is remembered."""

    def __init__(self, chosen: Collection, texts: dict[str, str], modes: list[str], *, depth: int, seed: int) -> None:
        self.texts = texts
        self.ids = list(texts)
        self._chosen, self._modes, self._depth, self._seed = chosen, modes, depth, seed
        self._found: dict[str, dict[str, Hit]] = {}

    def of(self, query: str) -> dict[str, Hit]:
        """Return document id → the passage that is shown for it, in the order in which they are judged."""
        if query not in self._found:
            rankings = [self._ranking(query, mode) for mode in self._modes]
            shown: dict[str, Hit] = {}
            for ranking in rankings:
                shown = {**ranking, **shown}
            order = pool([list(one) for one in rankings], depth=self._depth, query_id=query, seed=self._seed)
            kept = list(self._found.items())[-1:]
            self._found = {**dict(kept), query: {one: shown[one] for one in order}}
        return self._found[query]

    def _ranking(self, query: str, mode: str) -> dict[str, Hit]:
        """Return the first documents of a search, each with its best passage."""
        k = self._depth
        while True:
            hits = self._chosen.search(self.texts[query], k=k, mode=mode)  # type: ignore[arg-type]  # checked there
            best: dict[str, Hit] = {}
            for hit in hits:
                best.setdefault(hit.id, hit)
            if len(best) >= self._depth or len(hits) < k or k >= CHUNKS_MOST * self._depth:
                return dict(list(best.items())[: self._depth])
            k *= 4


def _judge(pools: _Pools, journal: Journal, key: Callable[[], str], screen: Console) -> bool:
    """Ask for what is not judged yet, until all is or the person quits; return whether all is."""
    place = 0
    while place < len(pools.ids):
        query = pools.ids[place]
        found = pools.of(query)
        left = [one for one in found if (query, one) not in journal]
        if not left:
            place += 1
            continue
        _show(screen, pools, place, found[left[0]], at=len(found) - len(left) + 1, total=len(found))
        pressed = _known(key, screen)
        if pressed == QUIT:
            return False
        if pressed == UNDO:
            place = _undone(pools, journal, screen, place)
            continue
        grade = None if pressed == SKIP else int(pressed)
        journal.add(Judgement(query_id=query, query=pools.texts[query], document=left[0], grade=grade))
        screen.print(f"   [bold]{GRADES.get(pressed, 'skipped')}[/]\n")
    return True


def _undone(pools: _Pools, journal: Journal, screen: Console, place: int) -> int:
    """Take the last judgement back, and return the place of its query."""
    last = journal.last
    if last is None or last.query_id not in pools.texts:
        screen.print("   [yellow]There is nothing to undo.[/]\n")
        return place
    journal.undo()
    screen.print(f"   [yellow]undone:[/] {escape(harmless(last.document))}\n", highlight=False)
    return pools.ids.index(last.query_id)


def _show(screen: Console, pools: _Pools, place: int, hit: Hit, *, at: int, total: int) -> None:
    """Print a query and a passage; no score and no system, which would tell what to think."""
    text = harmless(pools.texts[pools.ids[place]])
    screen.print(
        f"[dim]query {place + 1} of {len(pools.ids)}, document {at} of {total}[/]\n[bold]{escape(text)}[/]",
        highlight=False,
        soft_wrap=True,
    )
    screen.print(f"   [green]{escape(harmless(hit.source or hit.id))}[/]:{hit.line}", highlight=False, soft_wrap=True)
    screen.print(Padding(Text(harmless(hit.text)), (0, 0, 0, 3)))
    keys = "  ".join(f"[cyan]{one}[/] {name}" for one, name in GRADES.items())
    screen.print(
        f"   {keys}  [cyan]{SKIP}[/] skip  [cyan]{UNDO}[/] undo  [cyan]{QUIT}[/] quit", highlight=False, soft_wrap=True
    )


def _known(key: Callable[[], str], screen: Console) -> str:
    """Return the first key that means something."""
    while True:
        pressed = key()
        if pressed in GRADES or pressed in {SKIP, UNDO, QUIT}:
            return pressed
        if pressed:
            screen.print("   [yellow]0 1 2 3 s u q[/]")


def _summary(journal: Journal, *, done: bool) -> dict[str, int | bool]:
    judgements = list(journal)
    graded = [one for one in judgements if one.grade is not None]
    return {
        "judged": len(graded),
        "relevant": sum((one.grade or 0) > 0 for one in graded),
        "skipped": len(judgements) - len(graded),
        "queries": len({one.query_id for one in graded}),
        "complete": done,
    }


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """Give what returns the next key: of the terminal at once, of a pipe the first character of each line.

    The end of the input, and an interrupt, are ``q``. The terminal is given back as it was.
    """
    if not sys.stdin.isatty():
        yield _line_key
        return
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    waiting: list[str] = []

    def key() -> str:
        try:
            while not waiting:
                waiting.extend(_pressed(os.read(handle, KEY_BYTES)))
        except KeyboardInterrupt:
            return QUIT
        return waiting.pop(0)

    tty.setcbreak(handle)
    try:
        yield key
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _line_key() -> str:
    line = sys.stdin.readline()
    return line.strip()[:1].lower() if line else QUIT


def _pressed(content: bytes) -> list[str]:
    """Return the keys of what the terminal gave; an arrow or another key of several bytes is none."""
    if not content or content == b"\x04":
        return [QUIT]
    return [one.lower() for one in SEQUENCE.sub(b"", content).decode(errors="ignore")]
