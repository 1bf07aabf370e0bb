"""Death at any moment of an index run: the database opens, holds what was acknowledged, and the next run completes it."""

from __future__ import annotations

import gc
import importlib
import os
import random
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vicinal
from vicinal.store.format import SEAL_NAME, SLOT_BYTES
from vicinal.store.seal import Head
from vicinal.testing import ToyEncoder
from vicinal.types import SyncProgress

RUNS = int(os.environ.get("LONG_KILLS", "100"))
FILES = 16
ACK = struct.Struct("<qqq")
"""(records committed, bytes of SQLite's log, number of the commit in the head) at that moment"""


def corpus(folder: Path, version: int = 0) -> dict[str, str]:
    """Write texts of several passages each; return id → text."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {}
    for number in range(FILES):
        text = "\n\n".join(f"Passage {place} of text {number} in version {version}." for place in range(1 + number % 3))
        (folder / f"{number}.txt").write_text(text)
        texts[f"docs/{number}.txt"] = text
    return texts


def index(world: Path, tell: int | None = None) -> None:
    """Run index, one commit for every few texts; report each commit to a pipe when it is acknowledged."""
    log = world / "notes.vicinal/vicinal.sqlite-wal"
    told = 0

    def acknowledge(far: SyncProgress) -> None:
        nonlocal told
        if tell is not None and far.committed > told:
            told = far.committed
            os.write(tell, ACK.pack(told, log.stat().st_size, Head(log.parent).sequence()))

    with vicinal.open(world / "notes.vicinal") as db:
        db.collection("main", model=ToyEncoder()).sync(world / "docs", progress=acknowledge)


def killed_run(world: Path, commits: int, then_s: float) -> list[tuple[int, int, int]]:
    """Start index in a process, kill it some time after a number of its commits, and return what it had acknowledged."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        gc.disable()  # what waits to be collected may belong to threads that only the parent has
        try:
            os.close(reading)
            index(world, writing)
        finally:
            os._exit(0)
    os.close(writing)
    raw = b""
    while len(raw) < commits * ACK.size and (part := os.read(reading, ACK.size)):
        raw += part
    time.sleep(then_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 1 << 16):
        raw += part
    os.close(reading)
    return [ACK.unpack_from(raw, place) for place in range(0, len(raw) - len(raw) % ACK.size, ACK.size)]


def tear(world: Path, acknowledged: list[tuple[int, int, int]], chance: random.Random) -> None:
    """Leave of unsynced writes what a power cut may leave: any part of what was not yet acknowledged."""
    folder = world / "notes.vicinal"
    head = folder / "vicinal.head"
    if not head.exists():
        return  # closed or not yet opened for writing: nothing is under way
    log = folder / "vicinal.sqlite-wal"
    size = log.stat().st_size if log.exists() else 0
    if acknowledged and acknowledged[-1][2] == Head(folder).sequence() and size > acknowledged[-1][1]:
        os.truncate(log, chance.randint(acknowledged[-1][1], size))  # a commit that the head knows of was synced
    for path in folder.rglob("*.vec"):
        with path.open("ab") as file:
            file.write(chance.randbytes(chance.randrange(200)))
    if not (folder / SEAL_NAME).exists() and chance.random() < 0.5:
        _tear_a_slot(head, chance)
    for path in (folder / ".vicinal.seal.abc.part", folder / ".vicinal.sqlite.1.part"):
        path.write_bytes(chance.randbytes(50))


def _tear_a_slot(head: Path, chance: random.Random) -> None:
    """Overwrite part of the slot that the commit after the last acknowledged one would be noted in."""
    content = bytearray(head.read_bytes())
    sequences = [int.from_bytes(content[place + 8 : place + 16], "little") for place in (0, SLOT_BYTES)]
    slot = sequences.index(min(sequences))
    content[slot * SLOT_BYTES + 8 : (slot + 1) * SLOT_BYTES] = chance.randbytes(SLOT_BYTES - 8)
    head.write_bytes(content)


def stored(world: Path) -> dict[str, str]:
    """Return id → text of what is stored, everything checked, each chunk found once."""
    with vicinal.open(world / "notes.vicinal") as db:
        db.check()
        if "main" not in db.collections():
            return {}
        notes = db.collection("main", model=ToyEncoder())
        texts = {record_id: notes.get(record_id).text for record_id in notes.ids()}
        about = notes.info()
        assert about["records"] == len(notes) == len(texts)
        spans = [(record_id, *span) for record_id in texts for span in notes.get(record_id).spans]
        hits = notes.search("passage", k=1000) if texts else []
        assert sorted((hit.id, hit.start, hit.end) for hit in hits) == sorted(spans)
        assert about["chunks"] == len(spans)
        return texts


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses the same there, and a sync costs nothing."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_killed_at_any_moment_nothing_is_lost_or_doubled(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 runs of index over new, changed and partly stored folders, each killed at a random moment, half of them torn."""
    monkeypatch.setattr(importlib.import_module("vicinal.lifecycle.sync.run"), "COMMIT_CHUNKS", 3)
    chance = random.Random(3)
    for trial in ("first", "second"):  # the first one also loads what the later ones have
        corpus(memory / trial / "docs")
        begun = time.perf_counter()
        index(memory / trial)
        whole_s = time.perf_counter() - begun
    commits = FILES * 2 // 3
    interrupted = 0
    for turn in range(RUNS):
        world = memory / f"turn{turn}"
        before = corpus(world / "docs") if turn % 2 else {}
        if turn % 2:
            index(world)
        texts = corpus(world / "docs", version=turn)
        acknowledged = killed_run(world, chance.randrange(commits), chance.random() * whole_s / commits)
        if turn % 4 >= 2:
            tear(world, acknowledged, chance)
        least = acknowledged[-1][0] if acknowledged else 0
        if (world / "notes.vicinal/vicinal.sqlite").exists():
            found = stored(world)
            new = {record_id for record_id, text in found.items() if text == texts[record_id]}
            old = {record_id for record_id, text in found.items() if text == before.get(record_id) != texts[record_id]}
            assert new | old == set(found), "a text that nobody gave"
            assert not before or set(found) == set(texts), "a text was lost"
            assert least <= len(new) <= least + 3, f"{least} acknowledged, {len(new)} stored"
            interrupted += 0 < len(new) < FILES
        index(world)
        assert stored(world) == texts
        shutil.rmtree(world)
    assert interrupted > RUNS / 10, "the kills came too early or too late to mean anything"
