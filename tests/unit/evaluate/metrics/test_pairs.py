"""Scored pairs: scikit-learn as oracle, thresholds by trying all, and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.evaluate.metrics import auroc, average_precision, best_accuracy, best_f1, pair_average_precision
from vicinal.evaluate.ranking import graded

METRICS = [auroc, pair_average_precision, best_f1, best_accuracy]


def random_pairs(count=300):
    """Go through columns of scores, with and without ties, and labels of which both kinds occur."""
    chance = np.random.default_rng(3)
    for number in range(count):
        size = int(chance.integers(2, 40))
        labels = chance.integers(0, 2, size)
        labels[:2] = 0, 1
        scores = chance.standard_normal(size) if number % 2 else chance.integers(0, 5, size).astype(float)
        yield scores, labels


def test_auroc_and_average_precision_are_those_of_scikit_learn():
    """With ties and without."""
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    for scores, labels in random_pairs(100):
        assert auroc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-9)
        expected = oracle.average_precision_score(labels, scores)
        assert pair_average_precision(scores, labels) == pytest.approx(expected, abs=1e-9)


def test_auroc_is_the_chance_of_the_right_order():
    """Over all pairs of a positive and a negative, equal scores count half."""
    for scores, labels in random_pairs(100):
        higher = scores[labels == 1][:, None] - scores[labels == 0]
        assert auroc(scores, labels) == pytest.approx(((higher > 0) + 0.5 * (higher == 0)).mean())


def test_average_precision_of_pairs_is_that_of_one_ranking():
    """Without ties, the pairs are the documents of one query."""
    for scores, labels in list(random_pairs(100))[1::2]:
        documents = {f"d{place}": score for place, score in enumerate(scores.tolist())}
        grades = {f"d{place}": label for place, label in enumerate(labels.tolist())}
        expected = average_precision(graded(documents, grades))
        assert pair_average_precision(scores, labels) == pytest.approx(expected)


def f1_at(found, labels):
    """2 · precision · recall / (precision + recall), of the positives."""
    right = (found & (labels == 1)).sum()
    return 2 * right / (found.sum() + labels.sum())


@pytest.mark.parametrize(
    ("metric", "value_at"), [(best_f1, f1_at), (best_accuracy, lambda found, labels: (found == (labels == 1)).mean())]
)
def test_no_threshold_is_better(metric, value_at):
    """The value is the best of all thresholds, the threshold gives it, and the highest of equally good ones is taken."""
    for scores, labels in random_pairs():
        best = metric(scores, labels)
        edges = [*np.unique(scores), np.inf]
        values = [value_at(scores >= edge, labels) for edge in edges]
        assert best.value == pytest.approx(max(values))
        assert value_at(scores >= best.threshold, labels) == pytest.approx(best.value)
        highest = max(edge for edge, value in zip(edges, values, strict=True) if value == pytest.approx(best.value))
        assert ((scores >= best.threshold) == (scores >= highest)).all()


def test_thresholds_by_hand():
    """Halfway between two scores; the lowest score where all are let through; above all where none should be."""
    scores = [0.9, 0.8, 0.4, 0.3]
    assert best_f1(scores, [1, 1, 0, 0]).threshold == pytest.approx(0.6)
    assert best_f1(scores, [1, 0, 0, 1]) == best_f1(scores, np.array([True, False, False, True]))
    assert best_f1(scores, [0, 0, 0, 1]).threshold == 0.3
    none = best_accuracy(scores, [0, 0, 0, 1])
    assert (none.value, none.threshold) == (3 / 4, math.nextafter(0.9, math.inf))


def test_a_threshold_divides_neighbouring_numbers():
    """Where no number lies between two scores, the upper one is the threshold."""
    low, high = 1.0, math.nextafter(1.0, 2)
    assert best_accuracy([low, high], [0, 1]).threshold == high
    assert best_accuracy([-1.7e308, 1.7e308], [0, 1]).threshold == 0


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_no_pairs_is_refused(metric):
    """Other lengths, other labels, no positive, NaN, texts, nothing."""
    with pytest.raises(ShapeError, match=r"labels must have the shape \(2,\), got \(3,\)"):
        metric([1, 2], [0, 1, 1])
    with pytest.raises(ShapeError, match="scores must have the shape"):
        metric([[1, 2]], [0, 1])
    for labels in ([0, 0], [1, 2], [0.5, 1]):
        with pytest.raises(RangeError, match="labels must be 0 or 1"):
            metric([1, 2], labels)
    with pytest.raises(NonFiniteError, match="scores holds NaN"):
        metric([1, math.nan], [0, 1])
    with pytest.raises(DtypeError, match="scores must hold numbers"):
        metric(["a", "b"], [0, 1])
    with pytest.raises(RangeError, match="scores must hold at least 1"):
        metric([], [])


def test_auroc_needs_both_labels():
    """With positives only there is nothing to be above."""
    with pytest.raises(RangeError, match="both 0 and 1, got 2 of 2 positive"):
        auroc([1, 2], [1, 1])
