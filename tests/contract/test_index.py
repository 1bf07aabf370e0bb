"""Every index keeps the contract of ``vicinal.testing.check_index``."""

from __future__ import annotations

import pytest

from vicinal.index import ExactIndex, FunnelIndex
from vicinal.testing import INDEX_CHECKS

by_check = pytest.mark.parametrize("check", INDEX_CHECKS, ids=lambda check: check.__name__)


@by_check
def test_the_exact_index_keeps_the_contract(check):
    """The oracle, whose answers are also those in float64."""
    check(ExactIndex)


@pytest.mark.parametrize("cells", [0, 24])
@by_check
def test_the_funnel_keeps_the_contract(check, cells):
    """Codes of all rows, and codes in cells."""
    check(lambda parts, space: FunnelIndex.build(parts, space, cells=cells))


@pytest.mark.parametrize("factory", ["HNSW16", "IVF16,PQ10x4fs", "PQ10x4fs"])
@by_check
def test_kinds_of_faiss_keep_the_contract(check, factory):
    """A graph, cells with packed codes, and packed codes alone, which cannot filter by themselves."""
    pytest.importorskip("faiss", reason="faiss-cpu is not installed")
    from vicinal.index.faiss import FaissIndex  # noqa: PLC0415 - an extra

    check(lambda parts, space: FaissIndex.build(parts, space, factory=factory))
