"""A cache of the test's own, and encoders of a small model."""

from __future__ import annotations

import pytest

from model_worlds import write_model
from vicinal import encode


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path):
    """Return the folder of a small model: a window of 12 tokens, two of them special."""
    return write_model(tmp_path / "model")


@pytest.fixture
def load(model):
    """Return a function that loads the small model with the given settings, in one thread."""
    return lambda **settings: encode.load(str(model), **({"threads": 1} | settings))
