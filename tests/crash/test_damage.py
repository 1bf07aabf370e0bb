"""Damage of any file in any place is an error with the file's name: no other error, no crash, no wrong answer."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from crash.faults import KINDS, files
from store_worlds import contents, make, put, records
from vicinal.errors import VicinalError
from vicinal.store import Store, rows_of

DAMAGES = 500
DAMAGES_WHILE_OPEN = 150


def _use(folder: Path) -> None:
    """Open and read everything that an answer is made of, without the full check."""
    store = Store.open(folder)
    try:
        with store.snapshot() as snapshot:
            lane = snapshot.lane("main")
            view = store.view(snapshot, lane)
            snapshot.chunks_at(lane, rows_of(view.alive).tolist())
    finally:
        store.close()


def test_every_damage_of_a_closed_database_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """500 random damages of random files: each is refused at opening, with the name of the damaged file."""
    chance = random.Random(7)
    whole = tmp_path / "whole"
    make(whole)
    names = [path.relative_to(whole) for path in files(whole)]
    assert {name.suffix for name in names} == {".sqlite", ".seal", ".vec"}
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
    names = [path.relative_to(whole) for path in files(whole)]
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
