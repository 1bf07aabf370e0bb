"""Every encoder keeps the contract of ``vicinal.space.Encoder``."""

from __future__ import annotations

import pytest

from vicinal.testing import ENCODER_CHECKS, ToyEncoder


@pytest.mark.parametrize("check", ENCODER_CHECKS, ids=lambda check: check.__name__)
def test_the_toy_encoder_keeps_the_contract(check):
    """What the tests of other stages rely on behaves as a real encoder does."""
    check(ToyEncoder())


@pytest.mark.parametrize("check", ENCODER_CHECKS, ids=lambda check: check.__name__)
def test_minilm_keeps_the_contract(check, minilm):
    """The default model, through the whole pipeline."""
    check(minilm)
