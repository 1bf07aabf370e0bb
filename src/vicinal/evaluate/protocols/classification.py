"""Few labels: a logistic regression on some vectors of each label, ten times, and its accuracy on other texts.

Muennighoff et al. 2023, "MTEB", as its program does it: before each run the order of *all* training texts, as the run
before left it, is shuffled by a generator that starts anew with the same seed; the first texts of each label in that
order are learnt from. Runs therefore differ, and the same seed gives the same runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vicinal._arrays import whole_number
from vicinal.evaluate.metrics import accuracy, f1
from vicinal.evaluate.protocols.library import sklearn
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, Role, require_equal, require_some
from vicinal.space import Encoder
from vicinal.types import Progress

RUNS = 10
PER_LABEL = 8
MAX_ITERATIONS = 100
SEED = 42
MAX_SEED = 2**32 - 1


def classification(  # noqa: PLR0913 - two columns of two tables, and what the benchmark fixes
    encoder: Encoder,
    train: Sequence[str],
    train_labels: Sequence[str],
    test: Sequence[str],
    test_labels: Sequence[str],
    *,
    runs: int = RUNS,
    per_label: int = PER_LABEL,
    seed: int = SEED,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return the accuracy of a logistic regression that saw few vectors of each label; mean over the runs.

    Parameters
    ----------
    train, train_labels : sequence of str
        What is learnt from; labels are any hashable values.
    test, test_labels : sequence of str
        What is asked.
    runs : int, 1 <= runs
        How often.
    per_label : int, 1 <= per_label
        Texts of a label in a run; labels with fewer give all. MTEB's own sets have 8, some 16, 32 or 128.
    seed : int, 0 <= seed < 2**32
        Of the order and of the regression.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Returns
    -------
    ProtocolScore
        ``accuracy``, ``f1`` (macro), and ``accuracy_std`` over the runs; ``runs`` has each accuracy.

    Raises
    ------
    InputError
        A column is empty or has another length than its labels, or there is one label only.
    MissingExtraError
        scikit-learn is not installed.
    """
    library = sklearn()
    require_equal(len(train), len(train_labels), "training texts and labels")
    require_equal(len(test), len(test_labels), "test texts and labels")
    require_some(len(test), "test texts")
    require_some(max(0, len(set(train_labels)) - 1), "training labels to tell apart")
    whole_number(seed, "seed", low=0, high=MAX_SEED)
    drawn = list(samples(train_labels, runs=runs, per_label=per_label, seed=seed))
    wanted = sorted(set().union(*drawn))
    places = {row: place for place, row in enumerate(wanted)}
    encoding = Encoding(encoder, progress)
    known = encoding([train[row] for row in wanted], role)
    asked = encoding(test, role)
    found = []
    for rows in drawn:
        learnt = known[[places[row] for row in rows]]
        labels = [train_labels[row] for row in rows]
        said = library.regressed(learnt, labels, asked, iterations=MAX_ITERATIONS, seed=seed)
        found.append((accuracy(test_labels, said), f1(test_labels, said)))
    accuracies, harmonic = np.asarray(found, dtype=np.float64).T
    data = [list(train), list(train_labels), list(test), list(test_labels)]
    return ProtocolScore(
        protocol="classification",
        metric="accuracy",
        metrics={
            "accuracy": float(accuracies.mean()),
            "f1": float(harmonic.mean()),
            "accuracy_std": float(accuracies.std()),
        },
        runs=tuple(accuracies.tolist()),
        environment=encoding.environment(
            data,
            packages=("scikit-learn",),
            runs=runs,
            per_label=per_label,
            max_iterations=MAX_ITERATIONS,
            seed=seed,
            role=role,
        ),
    )


def samples(
    labels: Sequence[Any], *, runs: int = RUNS, per_label: int = PER_LABEL, seed: int = SEED
) -> Iterator[list[int]]:
    """Go through the runs: the rows that each learns from, in the order in which it meets them.

    Raises
    ------
    DtypeError, RangeError
        A number is none, or less than 1.
    """
    whole_number(runs, "runs", low=1)
    whole_number(per_label, "per_label", low=1)
    order = list(range(len(labels)))
    for _ in range(runs):
        np.random.RandomState(seed).shuffle(order)  # the benchmark's own generator
        taken: Counter[Any] = Counter()
        rows = []
        for row in order:
            if taken[labels[row]] < per_label:
                taken[labels[row]] += 1
                rows.append(row)
        yield rows
