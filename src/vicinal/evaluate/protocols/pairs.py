"""Pairs of texts: whether similarity follows what people see (STS), and whether it tells equal pairs from others.

Cer et al. 2017, "SemEval-2017 Task 1"; Muennighoff et al. 2023, "MTEB". The similarities are the cosine, the dot product
and the negated Euclidean and Manhattan distances; the caller chooses no threshold.

Letters: P pairs, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import RangeError
from vicinal.evaluate.metrics import auroc, best_accuracy, best_f1, pair_average_precision, pearson, spearman
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, Role, normalized, require_equal, require_some
from vicinal.space import Encoder
from vicinal.types import Progress

Similarities = dict[str, NDArray[np.float64]]


def sts(
    encoder: Encoder,
    first: Sequence[str],
    second: Sequence[str],
    gold: Sequence[float],
    *,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how well similarities follow those that people gave; main figure: Spearman's correlation of the cosine.

    Parameters
    ----------
    first, second : sequence of str
        The texts of each pair.
    gold : sequence of float
        What people said, larger when more alike; any scale.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Raises
    ------
    InputError
        There are no pairs, or columns of different lengths.
    NonFiniteError
        A gold value is no number.
    """
    require_equal(len(first), len(second), "texts of pairs")
    require_equal(len(first), len(gold), "gold values of pairs")
    require_some(len(first), "pairs")
    encoding = Encoding(encoder, progress)
    similarities = _similarities(encoding, first, second, role)
    wanted = np.asarray(gold, dtype=np.float64)
    metrics = {
        f"{name}_{kind}": correlation(values, wanted)
        for kind, correlation in (("spearman", spearman), ("pearson", pearson))
        for name, values in similarities.items()
    }
    data = [list(first), list(second), wanted.tolist()]
    return ProtocolScore(
        protocol="sts", metric="cosine_spearman", metrics=metrics, environment=encoding.environment(data, role=role)
    )


def pair_classification(
    encoder: Encoder,
    first: Sequence[str],
    second: Sequence[str],
    labels: Sequence[int],
    *,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return how well similarity tells equal pairs from others; main figure: the best average precision, ``max_ap``.

    Parameters
    ----------
    first, second : sequence of str
        The texts of each pair.
    labels : sequence of int
        1 for pairs that belong together, 0 for the others; both occur.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Returns
    -------
    ProtocolScore
        For each similarity its average precision ``…_ap``, its area under the ROC curve ``…_auroc``, and accuracy and
        F1 at the threshold that is best for each, never between equal scores; ``max_ap`` is the best of the four.

    Raises
    ------
    InputError
        There are no pairs, columns of different lengths, or labels other than 0 and 1, or only one of them.
    """
    require_equal(len(first), len(second), "texts of pairs")
    require_equal(len(first), len(labels), "labels of pairs")
    require_some(len(first), "pairs")
    wanted = _checked_labels(labels)
    encoding = Encoding(encoder, progress)
    metrics: dict[str, float] = {}
    for name, values in _similarities(encoding, first, second, role).items():
        metrics[f"{name}_ap"] = pair_average_precision(values, wanted)
        metrics[f"{name}_auroc"] = auroc(values, wanted)
        metrics[f"{name}_accuracy"] = best_accuracy(values, wanted).value
        metrics[f"{name}_f1"] = best_f1(values, wanted).value
    metrics["max_ap"] = max(value for name, value in metrics.items() if name.endswith("_ap"))
    data = [list(first), list(second), wanted.tolist()]
    return ProtocolScore(
        protocol="pair_classification",
        metric="max_ap",
        metrics=metrics,
        environment=encoding.environment(data, role=role),
    )


def _similarities(encoding: Encoding, first: Sequence[str], second: Sequence[str], role: Role) -> Similarities:
    """Return float64 (P,) similarities of the pairs, larger when nearer."""
    both = encoding([*first, *second], role)
    one, other = both[: len(first)], both[len(first) :]
    products = np.einsum("pd,pd->p", normalized(one), normalized(other), dtype=np.float64)
    apart = one.astype(np.float64) - other
    return {
        "cosine": products,
        "dot": np.einsum("pd,pd->p", one, other, dtype=np.float64),
        "euclidean": -np.sqrt((apart**2).sum(axis=1)),
        "manhattan": -np.abs(apart).sum(axis=1),
    }


def _checked_labels(labels: Sequence[int]) -> NDArray[np.int64]:
    wanted = np.asarray(labels)
    if wanted.dtype.kind not in "biu" or set(wanted.tolist()) != {0, 1}:
        raise RangeError("Labels of pairs must be 0 and 1, and both must occur.", expected="0 and 1", where="labels")
    return wanted.astype(np.int64)
