"""Every kind of network keeps the contract of encoders."""

from __future__ import annotations

import pytest

import vicinal
from family_worlds import FAMILY_NAMES, write_family
from vicinal.testing import ENCODER_CHECKS


@pytest.fixture(scope="module", params=FAMILY_NAMES)
def encoder(request, tmp_path_factory):
    """A small random model of one kind."""
    return vicinal.load(str(write_family(tmp_path_factory.mktemp("family") / request.param, request.param)))


@pytest.mark.parametrize("check", ENCODER_CHECKS, ids=lambda check: check.__name__)
def test_every_kind_keeps_the_contract(encoder, check):
    """Shapes, lengths, roles, threads, strange texts, spans, progress."""
    check(encoder)
