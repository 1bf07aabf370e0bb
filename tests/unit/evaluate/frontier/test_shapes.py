"""What each precision gives back to a query, and how far it is from the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import kernels
from vicinal.evaluate.frontier.shapes import Asked, Coder, Shape

ALL = frozenset({"float32", "float16", "int8", "4bit", "1bit"})


def world(seed, count=200, dim=64, queries=9):
    """Return vectors around a center and queries beside some of them, at unit length."""
    chance = np.random.default_rng(seed)
    vectors = (chance.standard_normal((count, dim)) + chance.standard_normal(dim)).astype(np.float32)
    asked = vectors[:queries] + 0.5 * chance.standard_normal((queries, dim)).astype(np.float32)
    units = [one / np.linalg.norm(one, axis=1, keepdims=True) for one in (vectors, asked)]
    return units[0].astype(np.float32), units[1].astype(np.float32)


def true_scores(vectors, queries, metric):
    """Return what orders as the metric does, (Q, n)."""
    dots = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    return 2 * dots - (vectors.astype(np.float64) ** 2).sum(axis=1) if metric == "l2" else dots


@pytest.mark.parametrize("metric", ["cosine", "dot", "l2"])
def test_finer_precisions_are_nearer_to_the_truth(metric):
    """The mean error falls from 1 bit to float32; float32 errs by rounding alone."""
    vectors, queries = world(1)
    coder = Coder(center=vectors.mean(axis=0), metric=metric)
    found = Asked(queries, coder).scores(vectors, ALL)
    truth = true_scores(vectors, queries, metric)
    errors = [np.abs(found[one] - truth).mean() for one in ("1bit", "4bit", "int8", "float16", "float32")]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6
    assert errors[0] < 0.15


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 70))
def test_a_code_stands_for_its_own_vector_exactly(seed, dim):
    """The factor is made so that the product of a code with what it was made of is the square of its length."""
    chance = np.random.default_rng(seed)
    vectors = chance.standard_normal((20, dim)).astype(np.float32)
    coder = Coder(center=np.zeros(dim, dtype=np.float32), metric="dot", seed=seed)
    turned = coder.turned(vectors)
    for precision in ("1bit", "4bit"):
        steps, factors = coder.grid(turned, precision)
        np.testing.assert_allclose((steps * turned).sum(axis=1) * factors, (vectors**2).sum(axis=1), rtol=1e-4)
        assert np.isin(np.abs(steps), [0.5] if precision == "1bit" else np.arange(0.5, 8)).all()


def test_one_bit_orders_as_the_kernel_does():
    """The ten best estimates are those that the funnel of the index lets through, but for near ties."""
    vectors, queries = world(2, count=2000)
    coder = Coder(center=vectors.mean(axis=0), metric="dot")
    scores = Asked(queries, coder).scores(vectors, frozenset({"1bit"}))["1bit"]
    turned = coder.turned(vectors)
    codes, factors = kernels.encode_codes(turned, np.zeros(turned.shape[1], dtype=np.float32))
    run = kernels.Run(codes=codes, factors=factors, count=len(vectors))
    funnel = kernels.Funnel(64, "dot", coder.center, coder.rotation, runs=[run], float_parts=[(0, vectors)])
    rows, *_ = funnel.search(queries, k=10, candidates=10, rescored=10)
    ours = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    same = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(rows, ours, strict=True)])
    assert same > 0.95


def test_zero_vectors_are_kept():
    """A vector of zeros, and one that is the center, have codes that say so."""
    vectors = np.zeros((3, 8), dtype=np.float32)
    vectors[1] = 0.5
    coder = Coder(center=np.full(8, 0.5, dtype=np.float32), metric="dot")
    found = Asked(np.eye(1, 8, dtype=np.float32), coder).scores(vectors, ALL)
    for precision, scores in found.items():
        assert np.isfinite(scores).all()
        assert abs(scores[0, 1] - 0.5) < 1e-6, precision


def test_cuts_are_first_components_or_products_at_unit_length():
    """(3, 4, 12) cut to two is (0.6, 0.8); projected on its last component alone it is 1; without units it stays 12."""
    vectors = np.array([[3, 4, 12]], dtype=np.float32)
    last = np.array([[0], [0], [1]], dtype=np.float32)
    first = Shape(cut="first", dim=2, matrix=None, has_units=True).of(vectors)
    np.testing.assert_allclose(first, [[0.6, 0.8]], rtol=1e-6)
    assert Shape(cut="pca", dim=1, matrix=last, has_units=True).of(vectors).tolist() == [[1]]
    assert Shape(cut="pca", dim=1, matrix=last, has_units=False).of(vectors).tolist() == [[12]]
    assert first.flags.c_contiguous


def test_no_queries_give_no_scores():
    """Empty in, empty out."""
    coder = Coder(center=np.zeros(4, dtype=np.float32), metric="dot")
    found = Asked(np.empty((0, 4), dtype=np.float32), coder).scores(np.ones((3, 4), dtype=np.float32), ALL)
    assert {one.shape for one in found.values()} == {(0, 3)}
