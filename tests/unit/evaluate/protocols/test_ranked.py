"""Retrieval and reranking rank by exact cosine, and say what they ranked."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import EncodeError, InputError, RangeError, UnknownNameError
from vicinal.evaluate.protocols import reranking, retrieval, titled
from vicinal.evaluate.protocols.retrieval import _best
from vicinal.evaluate.protocols.score import Encoding, digest_of, normalized
from vicinal.testing import ToyEncoder

DOCUMENTS = {"a": "cat", "b": "1 2 3 4", "c": "CAT CAT", "d": "a e i o u"}
QUERIES = {"q1": "cat", "q2": "5 6 7 8", "q3": "nobody judged this"}
QRELS = {"q1": {"c": 1}, "q2": {"b": 2, "a": 0}, "q4": {"a": 0}}


def test_retrieval_is_the_ranking_by_cosine():
    """nDCG@10 is what the ranks of the relevant documents give: q1's stands behind "cat" itself, q2's first."""
    vectors = {name: np.asarray(ToyEncoder().encode_documents([text]))[0] for name, text in DOCUMENTS.items()}
    asked = np.asarray(ToyEncoder().encode_queries(["cat"]))[0]
    rank = sorted(vectors, key=lambda one: -float(vectors[one] @ asked)).index("c") + 1
    score = retrieval(ToyEncoder(), DOCUMENTS, QUERIES, QRELS)
    assert score.metric == "ndcg@10"
    assert score.runs == pytest.approx((1 / math.log2(rank + 1), 1.0))
    assert score.main == pytest.approx(sum(score.runs) / 2)
    assert score.metrics["recall@100"] == 1.0
    assert score.environment["queries"] == 2


def test_an_identical_id_is_dropped_after_the_cut():
    """A query among the documents takes a place of the k and is then left out, as BEIR's runs have it."""
    documents = {"q1": "cat", "x": "cat cat", "y": "1"}
    kept = retrieval(ToyEncoder(), documents, {"q1": "cat"}, {"q1": {"x": 1}}, k=2)
    dropped = retrieval(ToyEncoder(), documents, {"q1": "cat"}, {"q1": {"x": 1}}, k=2, drop_identical=True)
    nothing = retrieval(ToyEncoder(), documents, {"q1": "cat"}, {"q1": {"x": 1}}, k=1, drop_identical=True)
    assert kept.main == pytest.approx(1 / math.log2(3))
    assert (dropped.main, nothing.main) == (1.0, 0.0)


def test_reranking_looks_at_the_candidates_only():
    """A better document that is no candidate changes nothing; average precision is that of the candidates' order."""
    score = reranking(ToyEncoder(), DOCUMENTS, QUERIES, {"q1": {"b": 1}}, {"q1": ["b", "c"]})
    assert (score.metric, score.main) == ("average_precision@1000", 1.0)
    behind = reranking(ToyEncoder(), DOCUMENTS, QUERIES, {"q1": {"b": 1}}, {"q1": ["b", "c", "a"]})
    assert behind.main == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"documents": {}}, "no documents"),
        ({"queries": {"q1": "cat"}}, "have no text, 'q2'"),
        ({"qrels": {"q1": {"c": 0}}}, "no queries with a relevant document"),
    ],
)
def test_what_cannot_be_measured_is_refused(change, match):
    """Nothing to search, a judged query without text, nothing relevant: each is an error that names it."""
    given_data = {"documents": DOCUMENTS, "queries": QUERIES, "qrels": QRELS, **change}
    with pytest.raises(InputError, match=match):
        retrieval(ToyEncoder(), **given_data)


@pytest.mark.parametrize(
    ("candidates", "match"),
    [({}, "1 judged queries have no candidates"), ({"q1": ["a", "zz"]}, "1 candidates are no documents, 'zz'")],
)
def test_candidates_must_be_there(candidates, match):
    """A judged query needs candidates, and each is a document."""
    with pytest.raises(InputError, match=match):
        reranking(ToyEncoder(), DOCUMENTS, QUERIES, {"q1": {"c": 1}}, candidates)


def test_k_is_at_least_one():
    """k = 0 would find nothing and is refused."""
    with pytest.raises(RangeError, match="k must be >= 1"):
        retrieval(ToyEncoder(), DOCUMENTS, QUERIES, QRELS, k=0)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(1, 50))
def test_the_best_are_those_of_a_full_sort(values, k):
    """The first k of a stable sort, whatever is equal at the cut."""
    row = np.asarray(values, dtype=np.float32)
    expected = sorted(range(len(values)), key=lambda place: -values[place])[:k]
    assert _best(row, k).tolist() == expected[:k]


def test_equal_cosines_are_ordered_by_id_descending_also_at_the_cut():
    """As trec_eval orders them: of equal documents the highest id is kept."""
    documents = dict.fromkeys(("a", "b", "c"), "same")
    first = retrieval(ToyEncoder(), documents, {"q": "same"}, {"q": {"c": 1}}, k=1)
    last = retrieval(ToyEncoder(), documents, {"q": "same"}, {"q": {"a": 1}}, k=1)
    assert (first.main, last.main) == (1.0, 0.0)


def test_a_title_stands_before_its_text():
    """Title, one space, text, nothing around; no title, no space."""
    assert titled("T", " x ") == "T  x"
    assert titled("", " x ") == "x"
    assert titled("T", "") == "T"


def test_equal_texts_are_encoded_once_and_cut_ones_counted():
    """The order and the number of rows are those of the texts; the counts are those of different texts."""
    encoder = ToyEncoder(max_tokens=2, overflow="cut")
    encoding = Encoding(encoder)
    with pytest.warns(match="cut"):
        vectors = encoding(["a b c", "a", "a b c"])
    assert vectors.shape == (3, 8)
    assert np.array_equal(vectors[0], vectors[2])
    assert (encoding.texts, encoding.cut) == (2, 1)
    assert encoding([]).shape == (0, 8)


def test_a_role_is_one_of_two():
    """There is no third role."""
    with pytest.raises(UnknownNameError, match="role must be one of document, query"):
        Encoding(ToyEncoder())(["a"], "both")


def test_an_encoder_that_loses_texts_is_caught():
    """Rows that belong to no text would be figures of nothing."""

    class Losing(ToyEncoder):
        def encode_documents(self, texts, *, progress=None):
            return super().encode_documents(texts[1:], progress=progress)

    with pytest.raises(EncodeError, match="gave 1 vectors for 2 texts"):
        Encoding(Losing())(["a", "b"])


def test_progress_counts_over_both_roles():
    """What is done never falls, and ends at all different texts."""
    told = []
    retrieval(ToyEncoder(), DOCUMENTS, QUERIES, QRELS, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (6, 6)


def test_the_environment_is_json_and_names_what_matters():
    """Space, data digest, settings and versions; other data, other digest; the same call, the same mapping."""
    one = retrieval(ToyEncoder(), DOCUMENTS, QUERIES, QRELS)
    again = retrieval(ToyEncoder(), DOCUMENTS, QUERIES, QRELS)
    other = retrieval(ToyEncoder(), {**DOCUMENTS, "e": "x"}, QUERIES, QRELS)
    assert json.loads(json.dumps(one.to_mapping())) == again.to_mapping()
    assert one.environment["space"] == ToyEncoder().space.id
    assert one.environment["settings"] == {"k": 1000, "drop_identical": False}
    assert set(one.environment["machine"]) >= {"processor", "cores", "python", "vicinal", "numpy"}
    assert one.environment["data_digest"] != other.environment["data_digest"]
    assert one.to_mapping()["main"] == one.main


def test_a_digest_does_not_depend_on_the_order_of_a_mapping():
    """Sorted keys; 16 digits of SHA-256."""
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert len(digest_of([])) == 16


def test_rows_of_zeros_stay_zero():
    """A text of which the model knows no word has no direction, and no NaN."""
    rows = normalized(np.asarray([[3, 4], [0, 0]], dtype=np.float32))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]
