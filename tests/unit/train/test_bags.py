"""Bags of tokens: the products are those of the dense matrix, whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.train.bags import Bags

COLUMNS = 5
TEXTS = st.lists(st.lists(st.integers(0, COLUMNS - 1), max_size=9), max_size=8)


def _bags(texts):
    return Bags.of([np.array(ids, dtype=np.int32) for ids in texts], COLUMNS)


def _dense(texts):
    counts = [np.bincount(np.array(ids, dtype=np.int64), minlength=COLUMNS) for ids in texts]
    return np.array(counts, dtype=np.float64).reshape(-1, COLUMNS)


@given(texts=TEXTS)
@settings(max_examples=50)
def test_the_products_are_those_of_the_dense_matrix(texts):
    """A·X, Aᵀ·Y, the sums of rows and columns and the scaled matrix agree with NumPy's, empty rows and all."""
    bags, dense = _bags(texts), _dense(texts)
    chance = np.random.default_rng(1)
    table = chance.standard_normal((COLUMNS, 3)).astype(np.float32)
    targets = chance.standard_normal((len(texts), 3)).astype(np.float32)
    factors = chance.random(len(texts))
    assert bags.times(table) == pytest.approx(dense @ table, abs=1e-5)
    assert bags.transposed().times(targets) == pytest.approx(dense.T @ targets, abs=1e-5)
    assert bags.scaled(factors).times(table) == pytest.approx(factors[:, None] * dense @ table, abs=1e-5)
    assert bags.row_sums().tolist() == dense.sum(axis=1).tolist()
    assert bags.column_sums(2).tolist() == (dense**2).sum(axis=0).tolist()
    assert len(bags) == len(texts)


def test_threads_change_no_bit(monkeypatch):
    """Rows are divided among the threads, and each sum has one order."""
    chance = np.random.default_rng(2)
    bags = _bags([chance.integers(0, COLUMNS, size=size) for size in chance.integers(0, 40, size=50)])
    table = chance.standard_normal((COLUMNS, 4)).astype(np.float32)
    found = []
    for threads in ("1", "2", "7"):
        monkeypatch.setenv("VICINAL_THREADS", threads)
        found.append(bags.times(table).tobytes())
    assert len(set(found)) == 1


def test_the_native_kernel_and_its_twin_agree(monkeypatch):
    """Without a compiler the same product comes out."""
    bags = _bags([[0, 1, 1], [], [4, 4, 4, 2]])
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    native = bags.times(table)
    monkeypatch.setenv("VICINAL_KERNELS", "numpy")
    assert np.array_equal(native, bags.times(table))
    assert native.tolist() == [[0 + 2 + 2, 1 + 3 + 3], [0, 0], [3 * 8 + 4, 3 * 9 + 5]]
