"""Laws of metrics on rankings with ties: bounds, the best order, equal documents, tails, better answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.evaluate.metrics import scored
from vicinal.evaluate.ranking import graded, ranking

IDS = [f"d{number:02}" for number in range(14)]
WITH_K = ["ndcg", "recall", "capped_recall", "precision", "success", "reciprocal_rank", "average_precision"]
METRICS = [*WITH_K, *(f"{name}@{k}" for name in WITH_K for k in (1, 3, 10)), "r_precision"]
PERFECT_IS_ONE = [
    name for name in METRICS if name.startswith(("ndcg", "capped", "success", "reciprocal", "r_precision"))
]
DOCUMENTS = st.dictionaries(st.sampled_from(IDS), st.integers(-3, 3).map(float), max_size=12)
GRADES = st.dictionaries(st.sampled_from(IDS), st.integers(-1, 3), min_size=1, max_size=12).filter(
    lambda grades: max(grades.values()) > 0
)


def values(documents, grades, metrics=METRICS):
    """Return one query's values by name."""
    return scored({"q": documents}, {"q": grades}, metrics).mean()


@settings(max_examples=40)
@given(DOCUMENTS, GRADES)
def test_bounds(documents, grades):
    """Every metric of every answer is within [0, 1]."""
    assert all(0 <= value <= 1 + 1e-12 for value in values(documents, grades).values())


@settings(max_examples=40)
@given(GRADES, st.integers(0, 5))
def test_the_best_order_is_perfect(grades, tail):
    """All relevant documents first, by grade: 1 for what can be 1, and recall is what k allows."""
    best = {document: float(grade) for document, grade in grades.items() if grade > 0}
    best |= {f"tail{number}": -1.0 - number for number in range(tail)}
    found = values(best, grades)
    assert [found[name] for name in PERFECT_IS_ONE] == pytest.approx([1.0] * len(PERFECT_IS_ONE))
    relevant = sum(grade > 0 for grade in grades.values())
    for k in (1, 3, 10):
        assert found[f"recall@{k}"] == found[f"average_precision@{k}"] == pytest.approx(min(k, relevant) / relevant)
        assert found[f"precision@{k}"] == pytest.approx(min(k, relevant) / k)


@settings(max_examples=40)
@given(DOCUMENTS, GRADES, st.data())
def test_exchanging_equal_documents_changes_nothing(documents, grades, data):
    """Two documents of one grade (none counts as 0) may change places in the ranking."""
    order = ranking(documents)
    known = [max(0, grades.get(one, 0)) for one in order]
    pairs = [(a, b) for a in range(len(order)) for b in range(a) if known[a] == known[b]]
    if not pairs:
        return
    one, other = data.draw(st.sampled_from(pairs))
    exchanged = order.copy()
    exchanged[one], exchanged[other] = order[other], order[one]
    first, second = ({document: -float(place) for place, document in enumerate(ids)} for ids in (order, exchanged))
    assert values(first, grades) == values(second, grades) == values(documents, grades)


@settings(max_examples=40)
@given(DOCUMENTS, GRADES, st.integers(1, 30))
def test_a_tail_changes_nothing_at_k(documents, grades, tail):
    """What is behind the tenth place, or is worth nothing behind all, does not count for @10; without k only precision falls."""
    longer = documents | {f"tail{number}": -99.0 - number for number in range(tail)}
    before, after = values(documents, grades), values(longer, grades)
    for name in METRICS:
        assert before[name] == after[name] or (name == "precision" and after[name] < before[name])
    cut = {one: documents[one] for one in ranking(documents)[:10]}
    at_k = [name for name in METRICS if "@" in name]
    assert values(cut, grades, at_k) == values(documents, grades, at_k)


@settings(max_examples=40)
@given(DOCUMENTS, GRADES)
def test_a_relevant_document_at_the_top_harms_nothing(documents, grades):
    """Putting the best missing document first never lowers what sees all places, and success and recall at no k."""
    missing = [
        document for document, grade in grades.items() if grade == max(grades.values()) and document not in documents
    ]
    if not missing:
        return
    before, after = values(documents, grades), values({**documents, missing[0]: 99.0}, grades)
    for name in ("ndcg", "recall", "success@1", "success@10", "reciprocal_rank", "average_precision", "ndcg@1"):
        assert after[name] >= before[name] - 1e-12


@settings(max_examples=40)
@given(DOCUMENTS, GRADES, st.randoms(use_true_random=False))
def test_the_order_of_writing_does_not_count(documents, grades, chance):
    """Ties are decided by ids, so a shuffled mapping has the same values."""
    shuffled = list(documents.items())
    chance.shuffle(shuffled)
    assert values(dict(shuffled), grades) == values(documents, grades)


@settings(max_examples=40)
@given(DOCUMENTS, GRADES)
def test_places_are_those_of_the_ranking(documents, grades):
    """The fast way to the grades gives what the whole order gives."""
    expected = [max(0, grades.get(one, 0)) for one in ranking(documents)]
    assert graded(documents, grades).ranked.tolist() == expected


@settings(max_examples=40)
@given(DOCUMENTS, GRADES)
def test_relations_between_metrics(documents, grades):
    """Capped recall is at least recall; MRR is at least success@1; R-precision is precision at R; MAP is at most recall."""
    relevant = sum(grade > 0 for grade in grades.values())
    found = values(documents, grades, [*METRICS, f"precision@{relevant}", f"recall@{relevant}"])
    for k in (1, 3, 10):
        assert found[f"capped_recall@{k}"] >= found[f"recall@{k}"]
        assert found[f"success@{k}"] >= found[f"reciprocal_rank@{k}"] >= found["success@1"]
        assert found[f"average_precision@{k}"] <= found[f"recall@{k}"] + 1e-12
    assert found["r_precision"] == found[f"precision@{relevant}"] == found[f"recall@{relevant}"]
