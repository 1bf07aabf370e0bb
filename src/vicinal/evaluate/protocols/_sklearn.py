"""What scikit-learn does for the protocols: a logistic regression, and k-means in small batches."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from vicinal.types import Floats, Rows


def regressed(known: Floats, labels: Sequence[Any], asked: Floats, *, iterations: int, seed: int) -> list[Any]:
    """Return the label of each asked vector (M,) by a logistic regression on known ones (N, D).

    A regression that is not done after its iterations is taken as it is: the benchmark fixes their number.
    """
    model = LogisticRegression(max_iter=iterations, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(known, np.asarray(labels))
    said: list[Any] = model.predict(asked).tolist()
    return said


def clustered(vectors: Floats, count: int, *, batch: int, seed: int) -> Rows:
    """Return the cluster of each vector, int64 (N,), by k-means in batches that starts once by k-means++."""
    model = MiniBatchKMeans(
        n_clusters=count, batch_size=batch, init="k-means++", n_init=1, compute_labels=True, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different vectors than labels
        model.fit(vectors)
    return np.asarray(model.labels_, dtype=np.int64)
