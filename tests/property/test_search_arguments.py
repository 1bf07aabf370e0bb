"""Questions with any arguments, right and wrong: each has an answer or an error of ours, and nothing is written."""

from __future__ import annotations

import inspect
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

import vicinal
from vicinal.answer import Answer
from vicinal.errors import VicinalError
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Hits

ENCODER = ToyEncoder()
RECORDS = [
    {"id": "bill", "text": "Stop the bill. Cancel the subscription!", "n": 1, "kind": "a", "tags": ["x", "y"]},
    {"id": "code", "text": "error XJ-4821 tells that the pump is dry", "n": 2.5, "kind": "b", "tags": []},
    {"id": "rome", "text": "the weather in rome is mild 東京", "n": -3, "flag": True, "when": "2020-01-02"},
    {"id": "é\0", "text": "+must -not \"phrase* mis~ title:x ( ) [ ] : \\ '", "kind": None},
]
KEPT: list[tuple[vicinal.Database, vicinal.Collection]] = []

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**63, -(2**63), 10**400, 0.5, -0.0, float("nan"), float("inf"), 1j),
    *("", " ", "a", "\0", "\ud800", "x" * 9000, "no/where", b"bytes", bytearray(b"x"), Ellipsis, int, object()),
    *([], [1], ["a"], [None], ["\ud800"], (), ("a", "b"), {}, {1: 2}, {"$": 1}, {"n": object()}, {1, 2}, range(3)),
    *(np.int64(3), np.float32(0.5), np.arange(2) > 0, np.zeros(8), np.zeros((1, 8), np.float32), np.array(["a"])),
    *(len, lambda: None),
)
"""What nobody should pass, and what happens to be right somewhere."""
VERBS = tuple(
    verb
    for verb in ("search", "search_many", "ask", "explain", "recommend", "pages", "facets")
    if hasattr(vicinal.Collection, verb)
)
RIGHT: Mapping[str, Any] = {"query": "the pump", "queries": ["the pump"], "record_id": "code", "like": "code"}
FAULTS: dict[str, str] = {}
"""Parameters that let an error of Python through, or one that is too long; the strict mark tells when one is mended."""
NUMBERS = st.one_of(st.integers(-3, 200), st.integers(), st.floats(), st.sampled_from([2**63, -(2**63), 10**400]))
ANYTHING = st.one_of(st.sampled_from(STRANGE), NUMBERS, st.text(max_size=20))
OPERATORS = (
    *("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists", "$prefix", "$match"),
    *("$and", "$or", "$not", "$nor", "$", "$regex"),
)
NAMES = st.sampled_from(["n", "kind", "tags", "flag", "when", "nobody", "", "id", "a.b", *OPERATORS])
VALUES = st.one_of(ANYTHING, st.sampled_from(["a", "b", "x", 1, 2.5, True, None, "2020-01-02", ["a"], [1, 2.5]]))
WHERES = st.one_of(
    st.sampled_from(
        [
            {"kind": "a"},
            {"n": {"$gte": 0}},
            {"tags": {"$contains": "x"}},
            {"$or": [{"kind": "a"}, {"n": -3}]},
            {"$not": {"flag": True}},
            {},
        ]
    ),
    st.recursive(
        st.dictionaries(NAMES, VALUES, max_size=3),
        lambda inner: st.one_of(
            st.dictionaries(NAMES, inner, min_size=1, max_size=2),
            st.dictionaries(st.sampled_from(["$and", "$or"]), st.lists(inner, max_size=3), min_size=1, max_size=1),
        ),
        max_leaves=6,
    ),
)
TEXTS = st.one_of(
    st.sampled_from(["the pump", "XJ-4821", '"stop the" bill', "+rome -mild", "ro*", "bil~1", "東京", "?!", ""]),
    st.text(max_size=30),
    st.text(alphabet='ab "+-*~:()\\\t', max_size=20),
)


def vectors(count: int, *, other: bool = False) -> Vectors:
    """Return questions as vectors, of this space or of another."""
    space = replace(ENCODER.space, pooling="another") if other else ENCODER.space
    return Vectors(np.asarray(ENCODER.encode_queries(["pump"] * count)), space)


VECTORS = st.sampled_from([vectors(1), vectors(2), vectors(0), vectors(1, other=True)])
RERANKERS: list[Callable[..., Any]] = [
    lambda _, texts: [float(len(text)) for text in texts],
    lambda _, texts: np.zeros(len(texts)),
    lambda _, texts: [1.0],
    lambda _, texts: [float("nan")] * len(texts),
    lambda _, texts: None,
    lambda _, texts: ["high"] * len(texts),
]
KNOWN: Mapping[str, st.SearchStrategy[Any]] = {
    "query": st.one_of(TEXTS, VECTORS, st.lists(TEXTS, max_size=3)),
    "unlike": st.one_of(TEXTS, st.lists(TEXTS, max_size=2)),
    "queries": st.one_of(st.lists(TEXTS, max_size=3), st.just(["the pump", "rome"]), VECTORS),
    "record_id": st.one_of(st.sampled_from(["bill", "code", "é\0", "nobody"]), st.text(max_size=5)),
    "k": st.one_of(st.integers(1, 20), st.just(100_000)),
    "where": WHERES,
    "recall": st.floats(0.01, 1),
    "mode": st.sampled_from(["dense", "lexical", "hybrid"]),
    "fusion": st.sampled_from(["convex", "dbsf", "min_max", "rrf"]),
    "weight": st.floats(0, 1),
    "rerank": st.sampled_from([*RERANKERS, "late-interaction", "nonsense", "", "no/where"]),
    "candidates": st.integers(1, 10),
    "per_record": st.integers(1, 3),
    "most_similarity": st.floats(0, 1),
    "diversity": st.floats(0, 1),
    "most_unrelated": st.floats(0, 1),
    "budget_tokens": st.integers(1, 100),
    "least_score": st.floats(-1, 1),
    "neighbors": st.integers(0, 3),
    "endpoint": st.sampled_from([None, "", "no url", "ftp://x", "http://", "file:///etc/passwd", "http://[", 7, b"x"]),
    "on_text": st.sampled_from([print, None]),
}
"""What is right for a parameter, or nearly; one that is not named here gets anything."""


def arguments_of(verb: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return arguments for a verb: what must be given, some of the others, and now and then one that is wrong."""
    taken: dict[str, st.SearchStrategy[Any]] = {}
    left: dict[str, st.SearchStrategy[Any]] = {}
    for name, parameter in inspect.signature(getattr(vicinal.Collection, verb)).parameters.items():
        if name == "self":
            continue
        right = KNOWN.get(name, st.booleans())
        is_flag = isinstance(parameter.default, bool)
        careful = is_flag or name == "endpoint" or name in FAULTS  # any other text might be the name of a server
        wrong = KNOWN.get(name, st.booleans()) if careful else ANYTHING
        value = st.integers(0, 9).flatmap(lambda draw, right=right, wrong=wrong: wrong if draw == 0 else right)
        (taken if parameter.default is inspect.Parameter.empty else left)[name] = value
    return st.fixed_dictionaries(taken, optional=left)


@pytest.fixture(scope="module", autouse=True)
def _collection():
    """Make the collection that all questions go to, and drop it at the end."""
    folder = Path(tempfile.mkdtemp())
    with vicinal.open(folder / "db") as db:
        notes = db.collection("notes", model=ENCODER)
        notes.add(RECORDS)
        KEPT.append((db, notes))
        yield
        KEPT.clear()
    shutil.rmtree(folder)


def outcome(verb: str, arguments: Mapping[str, Any]) -> Any:
    """Return what a verb answers, or None where it refuses; require that nothing was written."""
    _, notes = KEPT[0]
    before = written(notes)
    try:
        found = getattr(notes, verb)(**arguments)
        return list(islice(found, 3)) if inspect.isgenerator(found) else found
    except VicinalError as error:
        assert error.message
        assert len(error.message) < 2_000
        return None
    finally:
        assert written(notes) == before


def written(notes: vicinal.Collection) -> tuple[int, int]:
    """Return the number of the last commit, and of the records."""
    with notes._store.snapshot() as reads:
        return reads.sequence, reads.lane(notes.name).records


def require_sound(hits: Hits, arguments: Mapping[str, Any]) -> None:
    """Require hits in order, no more than asked for, each of a record and within its text."""
    k = arguments.get("k", 10)
    assert len(hits) <= k
    scores = [hit.score for hit in hits]
    assert np.isfinite(scores).all()
    assert scores == sorted(scores, reverse=True) or {"rerank", "diversity"} & set(arguments)
    texts = {one["id"]: one["text"] for one in RECORDS}
    for hit in hits:
        assert hit.text == texts[hit.id][hit.start : hit.end]


def _parameters() -> Iterator[Any]:
    """Go through the verbs with each of their parameters."""
    for verb in VERBS:
        for name in inspect.signature(getattr(vicinal.Collection, verb)).parameters:
            if name not in {"self", "endpoint", "names"}:  # any text might be the name of a server
                reason = FAULTS.get(name)
                marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
                yield pytest.param(verb, name, marks=marks, id=f"{verb}-{name}")


@pytest.mark.parametrize(("verb", "name"), list(_parameters()))
def test_each_parameter_takes_or_refuses_anything(verb: str, name: str) -> None:
    """Whatever a parameter is given, where all others are right, is taken or refused by an error of ours."""
    parameters = inspect.signature(getattr(vicinal.Collection, verb)).parameters
    right = {one: value for one, value in RIGHT.items() if one in parameters}
    failed = []
    for value in STRANGE:
        if isinstance(value, np.ndarray) and isinstance(parameters[name].default, bool):
            continue  # a flag is what Python takes for true, and Python takes no array
        try:
            outcome(verb, {**right, name: value})
        except Exception as error:  # noqa: BLE001 - it is what this test looks for
            failed.append(f"{value!r:.30}: {type(error).__name__}: {error!s:.60}")
    assert failed == []


@settings(max_examples=60)
@given(arguments=arguments_of("search"))
def test_any_search_has_hits_or_an_error(arguments: dict[str, Any]) -> None:
    """One question: hits in order, or what is wrong with it."""
    found = outcome("search", arguments)
    if found is not None:
        require_sound(found, arguments)


@settings(max_examples=40)
@given(arguments=arguments_of("search_many"))
def test_any_searches_have_hits_or_an_error(arguments: dict[str, Any]) -> None:
    """Several questions: hits for each, or what is wrong with one of them."""
    found = outcome("search_many", arguments)
    if found is not None:
        assert len(found) == len(arguments["queries"])
        for hits in found:
            require_sound(hits, arguments)


@settings(max_examples=30)
@given(arguments=arguments_of("ask"))
def test_anything_asked_has_an_answer_or_an_error(arguments: dict[str, Any]) -> None:
    """A question without an endpoint: an answer with its sources, or what is wrong with it."""
    found = outcome("ask", arguments)
    assert found is None or isinstance(found, Answer)


@settings(max_examples=25)
@given(arguments=arguments_of("explain"))
def test_anything_explained_is_explained_or_an_error(arguments: dict[str, Any]) -> None:
    """An explanation, or what is wrong with the question; this encoder shows no tokens, so most are refused."""
    outcome("explain", arguments)
