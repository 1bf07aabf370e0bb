"""Pairs, translations and summaries: correlations and shares worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.errors import InputError, RangeError
from vicinal.evaluate.protocols import Summarized, bitext_mining, pair_classification, sts, summarization
from vicinal.evaluate.protocols.bitext import nearest
from vicinal.testing import ToyEncoder

FIRST = ["cat", "cat", "cat", "cat"]
SECOND = ["cat", "a cat", "cat 1", "1 2 3 4 5"]


def cosines():
    """The cosines of the four pairs, by the toy's vectors of unit length."""
    one, other = (np.asarray(ToyEncoder().encode_documents(part)) for part in (FIRST, SECOND))
    return (one * other).sum(axis=1)


def test_sts_is_the_correlation_of_cosine_and_gold():
    """1 where gold falls as the cosine does, -1 where it rises; unit vectors give all similarities but one the same order."""
    assert (np.diff(cosines()) < 0).all()
    score = sts(ToyEncoder(), FIRST, SECOND, [5, 4, 2.5, 0])
    assert (score.metric, score.main) == ("cosine_spearman", pytest.approx(1.0))
    assert score.metrics["euclidean_spearman"] == score.metrics["dot_spearman"] == pytest.approx(1.0)
    assert score.metrics["cosine_pearson"] == pytest.approx(np.corrcoef(cosines(), [5, 4, 2.5, 0])[0, 1], abs=1e-6)
    assert sts(ToyEncoder(), FIRST, SECOND, [0, 1, 2, 3]).main == pytest.approx(-1.0)


def test_pair_classification_is_the_average_precision():
    """Positives at ranks 1 and 3 of four: (1/1 + 2/3) / 2; one of the four areas is missed; best accuracy 3 of 4."""
    score = pair_classification(ToyEncoder(), FIRST, SECOND, [1, 0, 1, 0])
    assert score.metric == "max_ap"
    assert score.metrics["cosine_ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert score.metrics["cosine_auroc"] == pytest.approx(3 / 4)
    assert score.metrics["cosine_accuracy"] == pytest.approx(3 / 4)
    assert score.metrics["cosine_f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert score.main == max(score.metrics[f"{one}_ap"] for one in ("cosine", "dot", "euclidean", "manhattan"))


@pytest.mark.parametrize("labels", [[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 2, 1], [0.5, 1, 0, 1], ["1", "0", "1", "0"]])
def test_labels_of_pairs_are_both_of_two(labels):
    """Neither one label alone, nor a third, nor something else."""
    with pytest.raises(RangeError, match="Labels of pairs must be 0 and 1"):
        pair_classification(ToyEncoder(), FIRST, SECOND, labels)


@pytest.mark.parametrize("protocol", [sts, pair_classification])
@pytest.mark.parametrize("columns", [([], [], []), (["a"], [], [1]), (["a"], ["b"], [1, 0])])
def test_columns_of_pairs_must_fit(protocol, columns):
    """Nothing, or columns of different lengths."""
    with pytest.raises(InputError):
        protocol(ToyEncoder(), *columns)


def test_a_translation_is_the_nearest_sentence():
    """Three sentences, of which the third finds the second's translation: accuracy 2/3, F1 (1 + 2/3 + 0) / 3."""
    first = ["cat", "1 2 3 4", "7 8 9 1"]
    second = ["dog", "5 6 7 8", "UNLIKE"]
    score = bitext_mining(ToyEncoder(), first, second)
    assert score.metrics == {"f1": pytest.approx((1 + 2 / 3 + 0) / 3), "accuracy": pytest.approx(2 / 3)}
    assert score.metric == "f1"


def test_translations_may_stand_anywhere():
    """Given their places, they are sought there, among more sentences than are asked."""
    score = bitext_mining(ToyEncoder(), ["cat"], ["1 2 3", "XX YY", "dog"], translations=[2])
    assert score.metrics == {"f1": 1.0, "accuracy": 1.0}


@pytest.mark.parametrize(
    ("second", "translations"), [([], None), (["a", "b"], None), (["a"], [1]), (["a"], [-1]), (["a"], [0, 0])]
)
def test_translations_must_be_there(second, translations):
    """No second language, another number of sentences, a place beyond them."""
    with pytest.raises(InputError):
        bitext_mining(ToyEncoder(), ["cat"], second, translations=translations)


def test_of_equally_near_sentences_the_first_is_taken():
    """By place, so that the figure does not depend on chance."""
    stored = np.asarray([[0, 1], [1, 0], [1, 0]], dtype=np.float32)
    assert nearest(stored[[1, 0]], stored).tolist() == [1, 0]


def test_summaries_are_ranked_by_the_nearest_of_a_persons():
    """The liked one is the near one: correlation 1 in the first text, -1 in the second; a constant text is left out."""
    texts = [
        Summarized(human=("cat", "1 2"), machine=("cat", "XX YY ZZ"), liked=(5, 1)),
        Summarized(human=("cat",), machine=("cat", "1 2 3"), liked=(1, 5)),
        Summarized(human=("cat",), machine=("cat", "dog"), liked=(3, 3)),
    ]
    score = summarization(ToyEncoder(), texts)
    assert score.runs == (pytest.approx(1.0), pytest.approx(-1.0))
    assert score.main == pytest.approx(0.0)
    assert score.environment["settings"]["left_out"] == 1


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [Summarized(human=(), machine=("a",), liked=(1,))],
        [Summarized(human=("a",), machine=("a", "b"), liked=(1,))],
        [Summarized(human=("a",), machine=("b",), liked=(1,))],
        [Summarized(human=("a",), machine=(), liked=())],
    ],
)
def test_summaries_without_anything_to_compare_are_refused(texts):
    """No text, no person's summary, no liking, one summary alone, or none."""
    with pytest.raises(InputError):
        summarization(ToyEncoder(), texts)
