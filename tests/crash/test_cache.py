"""Death of a process at any moment while it reads, writes and makes room: the cache opens, and every vector is right."""

from __future__ import annotations

import gc
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np

from vicinal.encode.cache import EncodingCache, cached
from vicinal.encode.function import FunctionEncoder
from vicinal.testing import ToyEncoder

RUNS = 40
LIMIT = 1 << 20
DIM = 300


def encoder() -> FunctionEncoder:
    """Return an encoder whose vectors have 300 numbers, so that a few hundred texts fill the cache."""

    def wide(texts: list[str]) -> np.ndarray:
        chances = (random.Random(text) for text in texts)
        return np.array([[chance.random() for _ in range(DIM)] for chance in chances])

    return FunctionEncoder(wide, name="wide", version="1", dim=DIM)


def texts_of(chance: random.Random) -> list[str]:
    """Return some texts: a part of them comes in many runs, a part in this one only."""
    return [f"text {chance.randrange(400)}" for _ in range(60)] + [f"once {chance.random()}" for _ in range(20)]


def work(path: Path, seed: int, tell: int) -> None:
    """Encode for ever, and say so after each call."""
    chance = random.Random(seed)
    with EncodingCache(path, limit_bytes=LIMIT) as cache:
        quick = cached(encoder(), cache)
        while True:
            quick.encode_documents(texts_of(chance))
            os.write(tell, b".")


def killed_run(path: Path, seed: int, count: int, then_s: float) -> None:
    """Start processes that share the cache, and kill them all some time after their first calls."""
    reading, writing = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if not child:
            try:
                gc.disable()  # what the parent's libraries left behind is not this process's to collect
                os.close(reading)
                work(path, seed * 10 + number, writing)
            finally:
                os._exit(1)
        children.append(child)
    os.close(writing)
    told = os.read(reading, count)
    time.sleep(then_s)
    for child in children:
        os.kill(child, signal.SIGKILL)
    ends = [os.waitpid(child, 0)[1] for child in children]
    os.close(reading)
    assert told, "no process ever encoded"
    assert ends == [signal.SIGKILL] * count, "a process ended by itself"


def test_killed_at_any_moment_the_cache_gives_right_vectors(tmp_path: Path) -> None:
    """40 kills of one to three processes on one file that they fill several times over; it is whole after each."""
    path = tmp_path / "encodings"
    chance = random.Random(5)
    plain = encoder()
    hits = 0
    for turn in range(RUNS):
        killed_run(path, turn, 1 + turn % 3, chance.random() * 0.05)
        with EncodingCache(path, limit_bytes=LIMIT) as cache:
            texts = texts_of(chance)
            got = np.asarray(cached(plain, cache).encode_documents(texts))
            assert np.array_equal(got, np.asarray(plain.encode_documents(texts)))
            about = cache.info()
            hits += about.hits
            assert (about.dropped, about.rebuilt, about.passed) == (0, 0, 0)
            assert about.bytes <= LIMIT * 1.25  # a log that a killed reader held up is longer for one write
        check(path)
    assert hits > RUNS * 10, "the kills came too early to mean anything"


def check(path: Path) -> None:
    """Require that SQLite finds the file sound, and that the tables lead to one another."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    counts = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("keys", "vectors")]
    joined = db.execute("SELECT count(*) FROM keys JOIN vectors USING (row)").fetchone()[0]
    assert counts == [joined] * 2
    assert db.execute("SELECT count(*) FROM uses WHERE row NOT IN (SELECT row FROM keys)").fetchone() == (0,)
    db.close()


def test_killed_while_it_begins_anew(tmp_path: Path) -> None:
    """A process that is killed between the removal of a damaged file and the new one leaves what can be used."""
    for left in ([], ["-wal"], ["-wal", "-shm"], ["-wal", "-shm", ""]):
        path = tmp_path / f"cache{len(left)}"
        toy = ToyEncoder()
        cache = EncodingCache(path, limit_bytes=LIMIT)
        cached(toy, cache).encode_documents(["a", "b"])
        copies = {end: Path(f"{path}{end}").read_bytes() for end in ("", "-wal", "-shm")}
        cache.close()
        for end, content in copies.items():
            if end not in left:
                Path(f"{path}{end}").write_bytes(content)
            else:
                Path(f"{path}{end}").unlink(missing_ok=True)
        with EncodingCache(path, limit_bytes=LIMIT) as again:
            for _ in range(2):
                got = np.asarray(cached(toy, again).encode_documents(["a", "b"]))
                assert np.array_equal(got, np.asarray(ToyEncoder().encode_documents(["a", "b"])))
            assert again.info().vectors == 2
