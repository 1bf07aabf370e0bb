"""Classification, nearest labels and clustering: the benchmark's samples, and figures worked by hand."""

from __future__ import annotations

import random
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import InputError, MissingExtraError, RangeError
from vicinal.evaluate import protocols
from vicinal.evaluate.protocols import classification, clustering, fast_clustering, nearest_labels
from vicinal.evaluate.protocols.classification import samples
from vicinal.evaluate.protocols.nearest import voted
from vicinal.testing import ToyEncoder

WORDS = ["cat", "dog on mat", "the small bird"]
DIGITS = ["12 345", "9 9 9", "1234567 8"]
CAPITALS = ["ABC DEF", "XYZ", "QRS TUV WXZ"]
TEXTS = [*WORDS, *DIGITS, *CAPITALS]
LABELS = ["words"] * 3 + ["digits"] * 3 + ["capitals"] * 3
ASKED = ["a bird", "77 88", "HGT"]
ASKED_LABELS = ["words", "digits", "capitals"]


@pytest.fixture(autouse=True)
def _sklearn():
    pytest.importorskip("sklearn")


def test_samples_are_those_of_the_benchmark():
    """A list that is shuffled on and on, each time by a new generator of the same seed; the first of each label."""
    labels = list("aabbbc") * 5
    order = list(range(len(labels)))
    for rows in samples(labels, runs=3, per_label=4, seed=42):
        np.random.RandomState(42).shuffle(order)
        expected = [
            row for place, row in enumerate(order) if [labels[one] for one in order[:place]].count(labels[row]) < 4
        ]
        assert rows == expected


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_samples_hold_as_many_of_each_label_as_there_are(labels, per_label, seed):
    """min(per_label, how often it occurs), no row twice, in every run; the same seed gives the same."""
    drawn = list(samples(labels, runs=2, per_label=per_label, seed=seed))
    for rows in drawn:
        assert len(set(rows)) == len(rows)
        assert Counter(labels[row] for row in rows) == {
            label: min(per_label, count) for label, count in Counter(labels).items()
        }
    assert drawn == list(samples(labels, runs=2, per_label=per_label, seed=seed))


def test_classification_of_what_is_easy_is_right():
    """Labels that the toy's counts tell apart are all found; ten runs, mean 1, no spread."""
    score = classification(ToyEncoder(), TEXTS, LABELS, ASKED, ASKED_LABELS)
    assert score.metrics == {"accuracy": 1.0, "f1": 1.0, "accuracy_std": 0.0}
    assert score.runs == (1.0,) * 10
    assert score.environment["settings"]["per_label"] == 8
    assert score.environment["texts"] == 12
    assert score.environment["machine"]["scikit-learn"]


def test_classification_is_scikit_learn_on_the_samples():
    """Each run is a logistic regression of 100 iterations with the seed; its accuracy is the run's."""
    from sklearn.linear_model import LogisticRegression

    chance = random.Random(1)
    train = [" ".join(chance.choices(["cat", "a", "7", "XY"], k=chance.randint(1, 6))) for _ in range(60)]
    labels = [chance.choice("ab") for _ in train]
    score = classification(ToyEncoder(), train[:40], labels[:40], train[40:], labels[40:], runs=4, per_label=5, seed=3)
    vectors = np.asarray(ToyEncoder().encode_documents(train))
    for rows, found in zip(samples(labels[:40], runs=4, per_label=5, seed=3), score.runs, strict=True):
        model = LogisticRegression(max_iter=100, random_state=3).fit(vectors[rows], [labels[row] for row in rows])
        assert found == pytest.approx(model.score(vectors[40:], labels[40:]))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"train_labels": LABELS[:-1]}, "training texts and labels must be as many"),
        ({"test_labels": []}, "test texts and labels must be as many"),
        ({"test": [], "test_labels": []}, "no test texts"),
        ({"train_labels": ["one"] * 9}, "no training labels to tell apart"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change, match):
    """Different lengths, nothing to ask, one label only."""
    columns = {"train": TEXTS, "train_labels": LABELS, "test": ASKED, "test_labels": ASKED_LABELS, **change}
    with pytest.raises(InputError, match=match):
        classification(ToyEncoder(), **columns)


@pytest.mark.parametrize("change", [{"runs": 0}, {"per_label": 0}, {"seed": -1}, {"seed": 2**32}])
def test_numbers_out_of_range_are_refused(change):
    """No runs, no texts of a label, a seed that no generator takes."""
    with pytest.raises(RangeError):
        classification(ToyEncoder(), TEXTS, LABELS, ASKED, ASKED_LABELS, **change)


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    """The command that installs it stands in the message; nothing was encoded before."""
    monkeypatch.setitem(sys.modules, "vicinal.evaluate.protocols._sklearn", None)
    monkeypatch.delattr(protocols, "_sklearn", raising=False)
    encoder = ToyEncoder()
    for call in (
        lambda: classification(encoder, TEXTS, LABELS, ASKED, ASKED_LABELS),
        lambda: clustering(encoder, [(TEXTS, LABELS)]),
        lambda: fast_clustering(encoder, TEXTS, LABELS),
    ):
        with pytest.raises(MissingExtraError, match=r"pip install 'vicinal\[eval\]'"):
            call()
    assert encoder.batches == 0


def test_votes_are_counted_then_weighed_then_named():
    """Most votes; of equal votes the larger sum of cosines; of equal sums the smaller label."""
    known = np.asarray([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    asked = np.asarray([[1, 0]], dtype=np.float32)
    assert voted(known, ["x", "y", "y"], asked, k=1) == ["x"]
    assert voted(known, ["x", "y", "y"], asked, k=2) == ["x"]
    assert voted(known, ["x", "y", "y"], asked, k=3) == ["y"]
    assert voted(known[[0, 0]], ["b", "a"], asked, k=2) == ["a"]
    assert voted(known, [3, 1, 1], asked, k=99) == [1]


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.integers(1, 7))
def test_votes_are_those_of_scikit_learn(seed, k):
    """Where no votes are equal, the label is that of KNeighborsClassifier by cosine."""
    from sklearn.neighbors import KNeighborsClassifier

    chance = np.random.default_rng(seed)
    known, asked = (chance.standard_normal((count, 4)).astype(np.float32) for count in (30, 10))
    known, asked = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (known, asked))
    labels = chance.choice(["a", "b"], 30).tolist()
    model = KNeighborsClassifier(k, metric="cosine", algorithm="brute").fit(known, labels)
    shares = model.predict_proba(asked)
    clear = [row for row, votes in enumerate(shares) if len(votes) == 1 or votes[0] != votes[1]]
    found = voted(known, labels, asked, k=k)
    assert [found[row] for row in clear] == [model.predict(asked)[row] for row in clear]


def test_nearest_labels_of_what_is_easy_are_right():
    """All nine known texts vote; digits are nearest to digits."""
    score = nearest_labels(ToyEncoder(), TEXTS, LABELS, ASKED, ASKED_LABELS, k=3)
    assert (score.metric, score.main, score.metrics["f1"]) == ("accuracy", 1.0, 1.0)


def test_clusters_of_what_is_easy_are_the_labels():
    """v-measure 1 for a set that k-means divides as its labels do, and for a set with one label; the mean of both."""
    score = clustering(ToyEncoder(), [(TEXTS * 4, LABELS * 4), (["x", "y"], ["same", "same"])])
    assert score.runs == (pytest.approx(1.0), 1.0)
    assert score.metrics["v_measure_std"] == pytest.approx(0.0)


def test_fast_clustering_draws_as_the_benchmark():
    """One generator for sample and draws: the sample first, then for each level ten draws with replacement."""
    chance = random.Random(42)
    texts, labels = TEXTS * 20, LABELS * 20
    rows = chance.sample(range(180), k=90)
    score = fast_clustering(ToyEncoder(), texts, labels, sampled=0.5, draws=3, draw_texts=50)
    assert score.environment["settings"]["sampled"] == 90
    vectors = np.asarray(ToyEncoder().encode_documents([texts[row] for row in rows]))
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    model = MiniBatchKMeans(n_clusters=3, batch_size=512, init="k-means++", n_init=1, random_state=42)
    for found in score.runs:
        drawn = chance.choices(range(90), k=50)
        expected = v_measure_score([labels[rows[one]] for one in drawn], model.fit_predict(vectors[drawn]))
        assert found == pytest.approx(expected, abs=1e-9)


def test_levels_are_measured_one_by_one():
    """A path of labels gives a figure a level; texts without the finer one are left out of it."""
    labels = [
        ("x", "words") if label == "words" else ("x", "digits") if label == "digits" else ("y",) for label in LABELS
    ]
    score = fast_clustering(ToyEncoder(), TEXTS, labels, sampled=None, draws=2, draw_texts=40)
    assert set(score.metrics) == {"v_measure", "v_measure_std", "v_measure_level_0", "v_measure_level_1"}
    assert score.metrics["v_measure_level_1"] == pytest.approx(1.0)
    assert len(score.runs) == 4


def test_a_sample_of_nothing_is_refused():
    """4 % of nine texts is none; the message says what to do."""
    with pytest.raises(InputError, match="take a larger share"):
        fast_clustering(ToyEncoder(), TEXTS, LABELS)
    assert fast_clustering(ToyEncoder(), TEXTS, LABELS, most_texts=1000, draws=1, draw_texts=30).main > 0.5


@pytest.mark.parametrize("change", [{"sampled": 1.5}, {"most_texts": 0}, {"draws": 0}, {"draw_texts": 0}, {"seed": -1}])
def test_numbers_of_fast_clustering_are_checked(change):
    """A share beyond all, and numbers below one."""
    with pytest.raises(RangeError):
        fast_clustering(ToyEncoder(), TEXTS, LABELS, **change)


@pytest.mark.parametrize("sets", [[], [([], [])], [(["a"], [])]])
def test_sets_must_hold_texts_with_labels(sets):
    """No set, an empty one, one whose columns differ."""
    with pytest.raises(InputError):
        clustering(ToyEncoder(), sets)
