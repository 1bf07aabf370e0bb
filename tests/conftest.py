"""What every test gets: a clean environment, no network but this machine, a seed that is printed, few fixtures."""

from __future__ import annotations

import os
import random
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from vicinal.errors import ModelNotFoundError
from vicinal.space import Encoder

ROOT = Path(__file__).resolve().parent.parent
SEED = 20_210
KEPT = {"VICINAL_CACHE", "VICINAL_DATA"}

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_configure(config: pytest.Config) -> None:
    """Leave only the order to chance: pytest-randomly would seed each test anew with its own seed.

    A shell starts what it runs in the background with interrupts ignored, and children inherit that: tests that send
    one would wait for ever.
    """
    config.option.randomly_reset_seed = False
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for OpenVINO, so that it can be chosen where that is installed."""
    for item in items:
        if "openvino" in getattr(item, "fixturenames", ()):
            item.add_marker("openvino")


def pytest_report_header() -> str:
    """Print the seed, so that a failure can be repeated."""
    return f"vicinal: seed {SEED} for random and numpy.random; hypothesis profile {settings.get_current_profile_name()}"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of the person who runs the tests out of them, and forbid the network."""
    for name in os.environ:
        if name.startswith("VICINAL_") and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("VICINAL_OFFLINE", "1")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Start each test with the old global generators in the same state."""
    random.seed(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - it is this generator that a test might use by accident


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Make a connection to another machine an error, at once and by name."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


def _guarded(connect):
    def to_this_machine_only(self, address):
        if self.family != socket.AF_UNIX and not _is_loopback(address[0]):
            message = f"a test tried to reach {address[0]}"
            raise PermissionError(message)
        return connect(self, address)

    return to_this_machine_only


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of public data sets; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("VICINAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no data folder: set VICINAL_DATA to one")
    return folder


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    """Return the folder of reference vectors; a test that asks for it is skipped where there is none."""
    folder = ROOT.parent / "shared" / "golden"
    if not folder.is_dir():
        pytest.skip("no folder of reference vectors beside the repository")
    return folder


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    """Return the MiniLM encoder; a test that asks for it is skipped where the model is not in the cache."""
    from vicinal import encode  # noqa: PLC0415 - most runs of a few tests need no runtime

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VICINAL_OFFLINE", "1")
        try:
            return encode.load("minilm")
        except ModelNotFoundError as error:
            pytest.skip(str(error))
