"""Judged questions are checked, sorted, and have one digest whatever the order they came in."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError
from vicinal.evaluate.judgements import Judged, digest_of_run

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)
QRELS = st.dictionaries(IDS, st.dictionaries(IDS, st.integers(-2, 3), min_size=1, max_size=4), min_size=1, max_size=5)


@given(QRELS, st.randoms())
def test_order_changes_nothing(qrels, random):
    """Whatever the order, ids are ascending and the digest is that of one line of JSON a query."""
    queries = {one: f"text of {one}" for one in qrels}
    shuffled = list(qrels.items())
    random.shuffle(shuffled)
    one, other = Judged.of(queries, qrels), Judged.of(dict(reversed(queries.items())), dict(shuffled))
    assert one == other
    assert list(one.queries) == list(one.qrels) == sorted(qrels)
    lines = [
        json.dumps([name, queries[name], sorted(qrels[name].items())], separators=(",", ":")) for name in sorted(qrels)
    ]
    assert one.digest == hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def test_what_differs_changes_the_digest():
    """A text, a grade and a document are in the digest; the name and the source are not."""
    first = Judged.of({"a": "x"}, {"a": {"d": 1}})
    assert first.digest == Judged.of({"a": "x"}, {"a": {"d": 1}}, name="other", source="there").digest
    others = [
        Judged.of({"a": "y"}, {"a": {"d": 1}}),
        Judged.of({"a": "x"}, {"a": {"d": 2}}),
        Judged.of({"a": "x"}, {"a": {"e": 1}}),
    ]
    assert first.digest not in {one.digest for one in others}


def test_queries_without_judgement_are_counted():
    """They are left out, also those with an empty mapping, and told by number."""
    judged = Judged.of({"a": "x", "b": "y", "c": "z"}, {"a": {"d": 1}, "b": {}})
    assert (dict(judged.queries), judged.unjudged, len(judged)) == ({"a": "x"}, 2, 1)


def test_relevant_is_above_zero():
    """Grades of 0 and below are judged, and not relevant."""
    judged = Judged.of({"a": "x"}, {"a": {"d": 1, "e": 0, "f": -1, "g": 3}})
    assert judged.relevant() == {"d", "g"}


def test_only_keeps_what_is_named():
    """A half of the queries has its own digest; none of them is refused."""
    judged = Judged.of({"a": "x", "b": "y"}, {"a": {"d": 1}, "b": {"e": 1}})
    assert judged.only(["b", "z"]).qrels == {"b": {"e": 1}}
    assert judged.only(["b"]).digest == Judged.of({"b": "y"}, {"b": {"e": 1}}).digest
    with pytest.raises(InputError, match="Nothing is judged"):
        judged.only(["z"])


def test_rows_of_a_table_are_found_by_their_ending():
    """A judged id is the stored one that ends in it behind #, unless it is stored itself or is not the only one."""
    judged = Judged.of({"a": "x"}, {"a": {"1": 1, "2": 1, "3": 0, "4": 1}})
    assert Judged.of({"a": "x"}, {"a": {"1#2": 1}}).names_among(["c#.jsonl#1#2", "c#2"]) == {"1#2": "c#.jsonl#1#2"}
    names = judged.names_among(["corpus.jsonl#1", "2", "corpus.jsonl#2", "a.csv#3", "b.csv#3", "c.md", "c#9"])
    assert names == {"1": "corpus.jsonl#1"}
    assert judged.renamed(names).qrels == {"a": {"corpus.jsonl#1": 1, "2": 1, "3": 0, "4": 1}}


def test_two_ids_that_become_one_keep_the_higher_grade():
    """Renaming never loses that a document is relevant."""
    judged = Judged.of({"a": "x", "b": "y"}, {"a": {"d": 0, "e": 2, "f": 1}})
    renamed = judged.renamed({"d": "one", "e": "one", "f": "one"})
    assert (renamed.qrels, renamed.unjudged) == ({"a": {"one": 2}}, 1)


@pytest.mark.parametrize(
    ("queries", "qrels", "error"),
    [
        ({}, {}, InputError),
        ({"a": "x"}, {"a": {}}, InputError),
        ({"a": "x"}, {"a": {"d": 1}, "b": {"d": 1}}, InputError),
        ({"a": " "}, {"a": {"d": 1}}, RangeError),
        ({"a": "x" * 1_000_001}, {"a": {"d": 1}}, RangeError),
        ({"a": "\ud800"}, {"a": {"d": 1}}, RangeError),
        ({"a": 1}, {"a": {"d": 1}}, DtypeError),
        ({"": "x"}, {"": {"d": 1}}, RangeError),
        ({1: "x"}, {1: {"d": 1}}, DtypeError),
        ({"a": "x"}, {"a": {"d" * 5000: 1}}, RangeError),
        ({"a": "x"}, {"a": {"\ud800": 1}}, RangeError),
        ({"a": "x"}, {"a": {"d": 1.5}}, DtypeError),
        ({"a": "x"}, {"a": {"d": 1_000_001}}, RangeError),
    ],
)
def test_what_is_none_is_refused(queries, qrels, error):
    """Ids, texts and grades are checked; a judged query without a text is an error, and nothing judged too."""
    with pytest.raises(error):
        Judged.of(queries, qrels)


def test_digest_of_a_run():
    """Neither the order of writing nor a query without an answer changes it, any score does, and NaN has no digest."""
    one = digest_of_run({"a": {"d": 1.0, "e": 0.5}, "b": {}})
    assert one == digest_of_run({"a": {"e": 0.5, "d": 1}})
    assert one != digest_of_run({"a": {"d": 1.0, "e": 0.25}, "b": {}})
    with pytest.raises(NonFiniteError):
        digest_of_run({"a": {"d": float("nan")}})
