"""Damage of any file in any place is an error with the file's name: no other error, no crash, no wrong answer."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from store_worlds import contents, make, put, records
from vicinal.errors import VicinalError
from vicinal.store import Store

DAMAGES = 500
DAMAGES_WHILE_OPEN = 150


def _truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _flip_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _overwrite(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = chance.randrange(len(content))
    end = min(len(content), start + chance.randint(1, 600))
    new = chance.randbytes(end - start)
    while new == content[start:end]:
        new = chance.randbytes(end - start)
    content[start:end] = new
    path.write_bytes(content)


def _zero(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    last = max(place for place, byte in enumerate(content) if byte)
    start = chance.randrange(last + 1)
    path.write_bytes(content[:start] + bytes(len(content) - start))


def _replace(path: Path, chance: random.Random) -> None:
    foreign = chance.choice(
        [b"", b"hello\n", b"SQLite format 3\0" + bytes(4080), chance.randbytes(path.stat().st_size)]
    )
    path.write_bytes(foreign)


def _lengthen(path: Path, chance: random.Random) -> None:
    with path.open("ab") as file:
        file.write(chance.randbytes(chance.randint(1, 5000)))


def _take_away(path: Path, chance: random.Random) -> None:
    if path.name == "vicinal.seal":  # may be deleted, see test_store
        _truncate(path, chance)
    else:
        path.unlink()


KINDS: list[Callable[[Path, random.Random], None]] = [
    _truncate,
    _flip_bit,
    _flip_bit,
    _overwrite,
    _zero,
    _replace,
    _lengthen,
    _take_away,
]


def _use(folder: Path) -> None:
    """Open and read everything that an answer is made of, without the full check."""
    store = Store.open(folder)
    try:
        with store.snapshot() as snapshot:
            lane = snapshot.lane("main")
            view = store.view(snapshot, lane)
            alive = [int(row) for row in view.alive.nonzero()[0]]
            chunks = snapshot.chunks_at(lane, alive)
            snapshot.records_at(sorted({chunk.record for chunk in chunks.values()}))
    finally:
        store.close()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def test_every_damage_of_a_closed_database_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """500 random damages of random files: each is refused at opening, with the name of the damaged file."""
    chance = random.Random(7)
    whole = tmp_path / "whole"
    make(whole)
    names = [path.relative_to(whole) for path in _files(whole)]
    assert {name.name for name in names} == {"vicinal.sqlite", "vicinal.seal", "1.vec"}
    for turn in range(DAMAGES):
        folder = tmp_path / f"turn{turn}"
        shutil.copytree(whole, folder)
        name, kind = chance.choice(names), chance.choice(KINDS)
        kind(folder / name, chance)
        with pytest.raises(VicinalError) as caught:
            _use(folder)
        assert name.name in str(caught.value), f"turn {turn}: {kind.__name__} of {name}: {caught.value}"
        assert str(folder) in str(caught.value.where)
        shutil.rmtree(folder)


def test_damage_of_a_database_whose_writer_died_is_an_error_or_without_effect(tmp_path: Path) -> None:
    """Beside a log and a head, every damage is an error of ours, or what was acknowledged is read unchanged."""
    chance = random.Random(11)
    whole = tmp_path / "whole"
    make(whole, 40)
    child = os.fork()
    if not child:
        store = Store.open(whole)
        put(store, records(range(200, 230)), 5)
        put(store, records(range(225, 240), version=2), 6)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    reference = tmp_path / "reference"
    shutil.copytree(whole, reference)
    expected = contents(reference)
    assert {"r200", "r239"} <= set(expected)
    names = [path.relative_to(whole) for path in _files(whole)]
    assert {"vicinal.head", "vicinal.sqlite-wal"} <= {name.name for name in names}
    refused = 0
    for turn in range(DAMAGES_WHILE_OPEN):
        folder = tmp_path / f"turn{turn}"
        shutil.copytree(whole, folder)
        name, kind = chance.choice(names), chance.choice(KINDS)
        kind(folder / name, chance)
        try:
            found = contents(folder)
        except VicinalError as error:
            refused += 1
            assert str(folder) in str(error), f"turn {turn}: {kind.__name__} of {name}: {error}"
        else:
            assert found == expected, f"turn {turn}: {kind.__name__} of {name} changed the answer in silence"
        shutil.rmtree(folder)
    assert refused > DAMAGES_WHILE_OPEN / 3
