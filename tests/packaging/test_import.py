"""What ``import vicinal`` loads and leaves behind: little, and nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STATE = """
import json, logging, os, signal, sys, threading, time, warnings
import numpy

def state():
    loggers = {name: one.level for name, one in logging.root.manager.loggerDict.items() if isinstance(one, logging.Logger)}
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": sys.path[:],
        "warnings": [repr(one) for one in warnings.filters],
        "logging": [logging.root.level, len(logging.root.handlers), logging.root.manager.disable],
        "loggers": {name: level for name, level in loggers.items() if level},
        "threads": [one.name for one in threading.enumerate()],
        "kernel threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0,
        "signals": [repr(signal.getsignal(one)) for one in sorted(signal.valid_signals())],
        "hooks": [repr(sys.excepthook), repr(sys.displayhook), repr(threading.excepthook)],
        "numpy errors": numpy.geterr(),
        "numpy random": repr(numpy.random.get_state()[1][:4]),
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
    }

before, loaded = state(), set(sys.modules)
import vicinal
print(json.dumps({"before": before, "after": state(), "loaded": sorted(set(sys.modules) - loaded)}))
"""

HEAVY_STANDARD = {"asyncio", "http", "multiprocessing", "tkinter", "unittest", "xml", "ssl", "distutils", "pydoc"}
"""Parts of the standard library that take long to load and that nothing at the import needs."""


@pytest.fixture(scope="module")
def seen() -> dict:
    """Return the state of a fresh process before and after the import, and what was loaded in between."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", STATE], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_import_loads_the_standard_library_and_numpy_only(seen: dict) -> None:
    """Beyond NumPy, only the standard library and the package itself are loaded: no runtime, no command line."""
    roots = {name.partition(".")[0] for name in seen["loaded"]}
    assert roots - set(sys.stdlib_module_names) - {"vicinal", "numpy"} == set()


def test_import_loads_no_heavy_part_of_the_standard_library(seen: dict) -> None:
    """What is slow to load is loaded by the call that needs it."""
    assert HEAVY_STANDARD.isdisjoint(seen["loaded"])


def test_import_does_not_load_the_faces(seen: dict) -> None:
    """The command line and the test helpers are not part of the import."""
    assert {"vicinal.cli", "vicinal.testing", "vicinal.__main__"}.isdisjoint(seen["loaded"])


def test_import_has_no_effect(seen: dict) -> None:
    """Environment, paths, warnings, logging, threads, signals, hooks and NumPy's state are what they were."""
    assert seen["after"] == seen["before"]
