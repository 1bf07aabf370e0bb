"""A cache of the test's own, and a small model that stands among the built-in ones."""

from __future__ import annotations

import pytest

from model_worlds import pin_for, write_model
from vicinal.models import catalogue, pins


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return the folder of a cache that is empty."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VICINAL_CACHE", str(folder))
    return folder


@pytest.fixture
def model(tmp_path):
    """Return the folder of a small model in the hub's layout."""
    return write_model(tmp_path / "model")


@pytest.fixture
def pin(model, monkeypatch):
    """Return the pin of the small model, known by the name ``small``."""
    small = pin_for(model)
    for module in (pins, catalogue):
        monkeypatch.setattr(module, "BUILT_IN", (small,))
    return small
