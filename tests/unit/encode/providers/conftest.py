"""Fakes of each provider, and encoders that ask them without waiting."""

from __future__ import annotations

import pytest

from provider_worlds import FakeClock, FakeCohere, FakeOpenAI, FakeVoyage
from vicinal.encode import providers

FAKES = {"openai": FakeOpenAI, "cohere": FakeCohere, "voyage": FakeVoyage}


@pytest.fixture
def clock():
    """Return a clock on which a pause takes no time."""
    return FakeClock()


@pytest.fixture
def connect(clock):
    """Return a function that connects to a fake; the encoders are closed at the end."""
    made = []

    def connected(fake, **settings):
        settings = {"secret": lambda _: None, "clock": clock.clock(), "timeout_s": 5} | settings
        made.append(providers.connect(getattr(fake, "name", fake), **settings))
        return made[-1]

    yield connected
    for encoder in made:
        encoder.close()


@pytest.fixture
def openai():
    """Return a fake of OpenAI's words."""
    with FakeOpenAI() as fake:
        yield fake


@pytest.fixture(params=FAKES)
def fake(request):
    """Return a fake of each provider's words in turn."""
    with FAKES[request.param]() as made:
        yield made
