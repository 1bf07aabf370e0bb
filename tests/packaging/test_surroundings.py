"""The surroundings of every test, and the scripts that measure the code."""

from __future__ import annotations

import ast
import importlib.util
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_no_test_reaches_another_machine() -> None:
    """A connection beyond this machine fails by name, at once; one within it is tried."""
    with socket.socket() as one, pytest.raises(PermissionError, match=r"tried to reach 192\.0\.2\.1"):
        one.connect(("192.0.2.1", 80))  # an address kept for documents, of no machine
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())


def test_settings_do_not_reach_a_test() -> None:
    """Only the places of data and models come in from outside, and the network is forbidden."""
    given = {name for name in os.environ if name.startswith("VICINAL_")}
    assert given <= {"VICINAL_CACHE", "VICINAL_DATA", "VICINAL_OFFLINE"}
    assert os.environ["VICINAL_OFFLINE"] == "1"


@pytest.mark.parametrize("turn", [1, 2])
def test_chance_is_the_same_each_time(turn: int) -> None:
    """The global generators start each test in the same state, whatever ran before."""
    drawn = random.random(), float(np.random.random())  # noqa: NPY002 - it is this generator that is seeded
    again = random.Random(20_210).random(), float(np.random.RandomState(20_210).random_sample())
    assert drawn == again


def shape():
    """Return scripts/shape.py as a module."""
    spec = importlib.util.spec_from_file_location("shape", ROOT / "scripts" / "shape.py")
    module = sys.modules["shape"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "lines", "parameters"),
    [
        ("def f(): return 1", 1, 0),
        ('def f(a, /, b, *c, d=1, **e):\n    """Say.\n\n    More.\n    """\n    x = 1\n\n    return x', 3, 5),
        ('def f(self, a):\n    """Say."""', 0, 1),
    ],
)
def test_shape_counts_by_hand(text: str, lines: int, parameters: int) -> None:
    """A body is counted without its docstring, parameters without self."""
    measured = shape()
    function = ast.parse(text).body[0]
    assert measured.body_lines(function) == lines
    assert measured.parameter_count(function) == parameters


def test_shape_prints_each_kind() -> None:
    """The report has the three kinds and never fails."""
    command = [sys.executable, str(ROOT / "scripts" / "shape.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert all(kind in printed for kind in ("module lines", "body lines", "parameters", "bodies above 60 lines"))
