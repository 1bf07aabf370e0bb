"""A folder edited at random against a plain model: after each sync exactly the changed chunks were encoded.

``LONG_STEPS=1000 LONG_FILES=5000`` asks for the long history, ``LONG_KILLS=200`` for as many deaths; ``LONG_SEED`` says
which, so that several runs can share them.
"""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import vicinal
from vicinal.lifecycle.sync import run as sync_run
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import SyncReport

STEPS = int(os.environ.get("LONG_STEPS", "40"))
FILES = int(os.environ.get("LONG_FILES", "150"))
KILLS = int(os.environ.get("LONG_KILLS", "8"))
SEED = int(os.environ.get("LONG_SEED", "11"))
FOLDERS = ("a", "a/deep", "b", "c")
EDITS = ("add", "change", "move", "delete", "touch", "replace", "copy")
VERIFY_EVERY = max(1, STEPS // 25)


class Counting(ToyEncoder):
    """The toy encoder, which keeps what it was asked to encode."""

    def __init__(self) -> None:
        super().__init__(max_tokens=24)
        self.texts: list[str] = []

    def encode_documents(self, texts: Sequence[str], **options: object) -> Vectors:
        """Return the vectors of texts, and keep the texts."""
        self.texts += texts
        return super().encode_documents(texts, **options)

    def encoded(self) -> list[str]:
        """Return what was asked for since the last call, sorted."""
        texts, self.texts = sorted(self.texts), []
        return texts


@dataclass
class Model:
    """The folder as a dictionary, and the collection as it was after the last sync."""

    folder: Path
    chance: random.Random
    files: dict[str, str] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    made: int = 0
    edits: int = 0

    def text(self) -> str:
        """Return a text that was never there, of one to four chunks."""
        self.made += 1
        parts = [
            f"{'word ' * self.chance.randrange(3, 20)}{self.made} part {part}." for part in range(1 + self.made % 4)
        ]
        return "\n\n".join(parts)

    def name(self) -> str:
        """Return a name that is free."""
        while True:
            name = f"{self.chance.choice(FOLDERS)}/{self.chance.randrange(10 * FILES)}.txt"
            if name not in self.files:
                return name

    def any_name(self) -> str:
        """Return the name of a file that is there, in an order that is always the same."""
        return next(itertools.islice(self.files, self.chance.randrange(len(self.files)), None))

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.files[name] = text

    def edit(self) -> None:
        """Make one edit of any kind."""
        self.edits += 1
        what = self.chance.choice(EDITS) if len(self.files) > 5 else "add"
        name = self.any_name() if self.files else ""
        if what == "add":
            self.write(self.name(), self.text())
        elif what == "change":
            self.write(name, self.text())
        elif what == "copy":
            self.write(self.name(), self.files[name])
        elif what == "touch":
            os.utime(self.folder / name)
        elif what == "delete":
            (self.folder / name).unlink()
            del self.files[name]
        elif what in {"move", "replace"}:
            other = self.name() if what == "move" else self.any_name()
            if other != name:
                (self.folder / other).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).rename(self.folder / other)
                self.files[other] = self.files.pop(name)

    def to_encode(self) -> list[str]:
        """Return the texts that a sync must encode: those that the collection did not hold, at their new places."""
        held = set(self.stored.values())
        return [text for name, text in self.files.items() if self.stored.get(name) != text and text not in held]

    def of_another_text(self) -> list[str]:
        """Return the texts of files that are new, or have another text than at the last sync that ended."""
        return [text for name, text in self.files.items() if self.stored.get(name) != text]

    def synced(self) -> None:
        """Note that a sync has ended."""
        self.stored = dict(self.files)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def counts(report: SyncReport) -> dict[str, int]:
    """Return what a report counts."""
    return {name: getattr(report, name) for name in ("new", "changed", "moved", "removed", "unchanged")}


def expected(model: Model) -> dict[str, int]:
    """Return what a report must count, by comparing two dictionaries."""
    new = [name for name in model.files if name not in model.stored]
    gone = [name for name in model.stored if name not in model.files]
    changed = sum(name in model.stored and model.stored[name] != text for name, text in model.files.items())
    left = {model.stored[name] for name in gone}
    texts = {model.files[name] for name in new}
    kept = {text for name, text in model.stored.items() if name not in gone}
    sure = len({text for text in left & texts if text not in kept})
    return {
        "new": len(new), "changed": changed, "gone": len(gone), "moved": sure,
        "unchanged": len(model.files) - len(new) - changed,
    }  # fmt: skip


def compare(notes: vicinal.Collection, model: Model) -> None:
    """Require that the collection holds what the model has, text for text."""
    assert list(notes.ids()) == sorted(f"docs/{name}" for name in model.files)
    for name in model.chance.sample(sorted(model.files), min(20, len(model.files))):
        assert notes.get(f"docs/{name}").text == model.files[name]


def require_sound(notes: vicinal.Collection, encoder: Counting) -> None:
    """Require that a verification finds nothing, and that it encodes its sample and no more."""
    found = notes.verify()
    assert found.findings == ()
    assert len(encoder.encoded()) == found.sampled == 16


def chunks_of(notes: vicinal.Collection, texts: Sequence[str]) -> list[str]:
    """Return the chunks of some texts, sorted."""
    documents = [vicinal.Document(id=str(place), text=text) for place, text in enumerate(texts)]
    assert notes.chunker is not None
    return sorted(
        chunk.text for part in notes.chunker.split_all(documents, notes.encoder.token_spans) for chunk in part
    )


def told(far: str) -> None:
    """Write how far a long history is, where it is asked for."""
    if "LONG_LOG" in os.environ:
        Path(os.environ["LONG_LOG"]).write_text(far)


@pytest.mark.slow
def test_exactly_what_changed_is_encoded(memory: Path) -> None:
    """After each of many edits a sync encodes the chunks of texts that were not held, counts true, and verify is silent."""
    model = Model(memory / "docs", random.Random(7))
    for _ in range(FILES):
        model.write(model.name(), model.text())
    encoder = Counting()
    with vicinal.open(memory / "notes.vicinal") as db:
        notes = db.collection("main", model=encoder)
        encoder.encoded()
        for step in range(STEPS + 1):
            for _ in range(model.chance.choice((1, 1, 1, 2, 3, 8)) if step else 0):
                model.edit()
            wanted, want = chunks_of(notes, model.to_encode()), expected(model)
            report = notes.sync(memory / "docs")
            found = counts(report)
            assert encoder.encoded() == wanted, step
            assert report.complete
            assert report.chunks == len(wanted)
            assert (found["changed"], found["unchanged"]) == (want["changed"], want["unchanged"])
            assert found["new"] + found["moved"] == want["new"]
            assert found["removed"] + found["moved"] == want["gone"]
            assert found["moved"] >= want["moved"]
            model.synced()
            told(f"{step} syncs, {model.edits} edits")
            if step % VERIFY_EVERY == 0:
                compare(notes, model)
                require_sound(notes, encoder)
        compare(notes, model)
        require_sound(notes, encoder)
        assert encoder.encoded() == []


def _killed(memory: Path, after_s: float) -> bool:
    """Sync in a process that is killed after some time; return whether it was still at work."""
    child = os.fork()
    if not child:
        gc.disable()  # what waits to be collected may belong to threads that only the parent has
        status = 1
        try:
            with vicinal.open(memory / "notes.vicinal") as db:
                db.collection("main", model=Counting()).sync(memory / "docs")
            status = 0
        finally:
            os._exit(status)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_ends_it(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the midst of a sync, the next encodes at most what was changed, ends where the model is, and all agrees."""
    monkeypatch.setattr(sync_run, "COMMIT_CHUNKS", 8)
    monkeypatch.setattr(sync_run, "LOOKED_UP_AT_ONCE", 20)
    model = Model(memory / "docs", random.Random(SEED))
    for _ in range(FILES):
        model.write(model.name(), model.text())
    interrupted = 0
    whole_s = 0.0
    for turn in range(KILLS + 1):
        if turn:
            for _ in range(max(10, FILES // 4)):
                model.edit()
            interrupted += _killed(memory, model.chance.uniform(0.2, 1.1) * whole_s)
        encoder = Counting()
        begun = time.perf_counter()
        with vicinal.open(memory / "notes.vicinal") as db:
            notes = db.collection("main", model=encoder)
            assert notes.encoder.encode_documents([]).shape[0] == 0  # its canary is asked here
            encoder.encoded()
            wanted = chunks_of(notes, model.of_another_text())
            report = notes.sync(memory / "docs")
            whole_s = time.perf_counter() - begun if turn < 2 else whole_s
            assert report.complete
            done = encoder.encoded()
            assert not set(done) - set(wanted)
            model.synced()
            compare(notes, model)
            require_sound(notes, encoder)
            told(f"{turn} kills, {interrupted} at work")
            assert notes.sync(memory / "docs").chunks == 0
            assert encoder.encoded() == []
    assert interrupted >= KILLS // 3
