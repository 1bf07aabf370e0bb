"""Every way is timed, and it is said where no kernel was."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import kernels
from vicinal.evaluate.frontier import storages
from vicinal.evaluate.frontier.shapes import Coder
from vicinal.evaluate.frontier.timing import _prototype, latencies


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
@pytest.mark.parametrize("dim", [1, 7, 33])
def test_every_way_has_a_time(metric, dim):
    """In the order of the ways, above zero; 4 bits by NumPy, the others by what serves here."""
    chance = np.random.default_rng(dim)
    vectors = chance.standard_normal((300, dim)).astype(np.float32)
    ways = list(storages(dim, dims=[], metric=metric))
    coder = Coder(center=vectors.mean(axis=0), metric=metric)
    found = list(latencies(ways, vectors, vectors[:4], coder, k=3, candidates=30))
    assert [way for way, _, _ in found] == ways
    assert all(ms > 0 for _, ms, _ in found)
    native = kernels.implementation() == "native"
    assert all(is_native == (native and way.precision != "4bit") for way, _, is_native in found)


@pytest.mark.parametrize("dim", [16, 17])
def test_the_prototype_finds_what_its_codes_say(dim):
    """Two components a byte are read back as they were written: the same ten as the grid's own products."""
    chance = np.random.default_rng(1)
    vectors = chance.standard_normal((500, dim)).astype(np.float32)
    coder = Coder(center=vectors.mean(axis=0), metric="dot")
    steps, factors = coder.grid(coder.turned(vectors), "4bit")
    for query in vectors[:5]:
        asked = kernels.turned(query[None], coder.rotation)[0]
        expected = np.argsort(-(steps @ asked) * factors, kind="stable")[:10]
        assert set(_prototype(vectors, coder, 10)(query[None])) == set(expected)
