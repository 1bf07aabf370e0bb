"""Answers that were given before come again under the same binding only, and what is held is bounded."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.search.cache import ENTRY_BYTES, SHARE, Answers, Binding, bytes_of
from vicinal.types import Hit, Hits


def bound(sequence=1, *, space="s", collection="c", **parameters):
    """Return a binding."""
    return Binding(space=space, collection=collection, sequence=sequence, parameters=parameters)


VECTORS = [np.array(one, dtype=np.float32) for one in ([1, 0], [2, 0], [0.96, 0.28], [0, 1], [0, -3], [0.6, 0.8])]
"""Cosines between them: 1 and 0.96, 0.28, 0.6 … — none within 1e-6 of the thresholds below but those equal to them."""
ENTRY = 49 + 1 + ENTRY_BYTES + 2 * 2 * 4
"""The bytes of an entry of one letter and a vector of two components, without its answer."""


class Model:
    """The cache as one would write it on paper: a list of entries, the longest unused first."""

    def __init__(self, most_bytes, least):
        self.most, self.least = most_bytes, least
        self.entries = OrderedDict()
        self.newest = {}
        self.made = 0

    def get(self, binding, query, vector):
        """Return (answer, exact) or None."""
        same = (binding.digest, query)
        if same not in self.entries and vector is not None and self.least is not None:
            units = {
                key: float(np.dot(one["vector"], vector) / np.linalg.norm(one["vector"]) / np.linalg.norm(vector))
                for key, one in self.entries.items()
                if key[0] == binding.digest and one["vector"] is not None
            }
            near = [
                (-round(cosine, 5), self.entries[key]["made"], key)
                for key, cosine in units.items()
                if cosine >= self.least - 1e-6
            ]
            same = min(near)[2] if near else None
        if same not in self.entries:
            return None
        self.entries.move_to_end(same)
        return self.entries[same]["answer"]

    def put(self, binding, query, vector, answer, size):
        """Keep an answer."""
        where = (binding.space, binding.collection)
        if binding.sequence < self.newest.get(where, -1):
            return
        if binding.sequence > self.newest.get(where, -1):
            self.entries = OrderedDict((key, one) for key, one in self.entries.items() if one["where"] != where)
            self.newest[where] = binding.sequence
        size += ENTRY - (16 if vector is None or self.least is None else 0)
        if size * SHARE > self.most:
            return
        self.made += 1
        self.entries.pop((binding.digest, query), None)
        self.entries[binding.digest, query] = {
            "answer": answer,
            "vector": vector,
            "size": size,
            "where": where,
            "made": self.made,
        }
        while sum(one["size"] for one in self.entries.values()) > self.most:
            self.entries.popitem(last=False)


STEPS = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(["s", "s", "s", "t"]),
        st.sampled_from([1, 1, 1, 1, 1, 2]),
        st.sampled_from([1, 1, 1, True]),
        st.sampled_from("abc"),
        st.none() | st.integers(0, len(VECTORS) - 1),
        st.integers(0, 900),
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=100)
@given(STEPS, st.sampled_from([None, 0.5, 0.96, 1.0]), st.integers(0, 12_000))
def test_it_is_its_model(steps, least, most_bytes):
    """Whatever is put and asked in whatever order: the same answers, the same bytes, never beyond the bound."""
    cache, model = Answers(most_bytes=most_bytes, least_similarity=least), Model(most_bytes, least)
    for number, (is_put, space, sequence, k, query, which, size) in enumerate(steps):
        binding = bound(sequence, space=space, k=k)
        vector = None if which is None else VECTORS[which]
        if is_put:
            answer = (space, sequence, k, number)
            cache.put(binding, query, vector, answer, byte_count=size)
            model.put(binding, query, vector, answer, size)
        else:
            found = cache.get(binding, query, vector)
            assert (found and found.answer) == model.get(binding, query, vector)
            if found is not None:
                assert found.answer[:3] == (space, sequence, k)
                assert type(found.answer[2]) is type(k)
        held = cache.statistics()
        assert held.byte_count == sum(one["size"] for one in model.entries.values()) <= most_bytes
        assert held.entries == len(model.entries)


def test_near_questions_by_hand():
    """The nearest that is near enough, the edge included, and only where near ones are wanted."""
    cache = Answers(least_similarity=0.96)
    cache.put(bound(), "north", VECTORS[3], "up", byte_count=2)
    cache.put(bound(), "east", VECTORS[0], "right", byte_count=5)
    found = cache.get(bound(), "nearly east", VECTORS[2])
    assert (found.answer, found.query) == ("right", "east")
    assert found.similarity == pytest.approx(0.96, abs=1e-6)
    assert cache.get(bound(), "between", VECTORS[5]) is None
    assert cache.get(bound(), "east").similarity == 1.0
    assert cache.get(bound(2), "east", VECTORS[0]) is None
    assert cache.get(bound(space="other"), "east", VECTORS[0]) is None
    assert cache.get(bound(where={"a": 1}), "east", VECTORS[0]) is None
    said = cache.statistics()
    assert (said.exact, said.near, said.misses) == (1, 1, 4)
    exact = Answers()
    exact.put(bound(), "east", VECTORS[0], "right", byte_count=5)
    assert exact.get(bound(), "east ", VECTORS[0]) is None
    assert exact.get(bound(), "east", VECTORS[3]).answer == "right"


def test_a_commit_makes_all_before_it_unreachable():
    """An answer of the new commit drops those of the old; one that comes late, of the old, is not kept."""
    cache = Answers()
    for name in ("a", "b"):
        cache.put(bound(1), name, None, name, byte_count=1)
    cache.put(bound(1, collection="other"), "a", None, "stays", byte_count=1)
    assert cache.put(bound(2), "a", None, "new", byte_count=1) is True
    assert cache.put(bound(1), "c", None, "late", byte_count=1) is False
    said = cache.statistics()
    assert (said.outdated, said.entries) == (2, 2)
    assert cache.get(bound(2), "a").answer == "new"
    assert cache.get(bound(1, collection="other"), "a").answer == "stays"
    cache.clear()
    assert cache.statistics().entries == cache.statistics().byte_count == 0


EQUAL = [
    ({"a": 1, "b": [1, 2]}, {"b": (1, 2), "a": 1}),
    ({"a": {1, 2}}, {"a": {2, 1}}),
    ({"a": date(2020, 1, 2)}, {"a": date(2020, 1, 2)}),
]
DIFFERENT = [1, True, 1.0, "1", None, [1], {1}, {"1": 1}, [["int", "1"]], ["int", "1"], "int", date(2020, 1, 2)]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_parameters_have_one_digest(one, other):
    """The order of names does not count, that of a list does."""
    assert bound(**one).digest == bound(**other).digest


def test_different_parameters_have_different_digests():
    """Numbers, booleans, texts and lists are never taken for one another; neither are the parts of a binding."""
    digests = {bound(x=value).digest for value in DIFFERENT}
    digests |= {bound(x=[1, 2]).digest, bound(x=[2, 1]).digest, bound(y=1).digest, bound(2, x=1).digest}
    digests |= {bound(space="sc", collection="").digest, bound(space="", collection="sc").digest}
    assert len(digests) == len(DIFFERENT) + 6
    with pytest.raises(DtypeError):
        bound(x=object())
    with pytest.raises(DtypeError):
        bound(x={1: 2})
    deep = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(RangeError):
        bound(x=deep)


def test_what_is_refused():
    """Thresholds out of range, and vectors that are none."""
    for least in (0, -0.5, 1.01, float("nan")):
        with pytest.raises(RangeError):
            Answers(least_similarity=least)
    cache = Answers(least_similarity=0.9)
    with pytest.raises(NonFiniteError):
        cache.get(bound(), "a", np.array([1, np.nan], dtype=np.float32))
    with pytest.raises(ShapeError):
        cache.put(bound(), "a", np.zeros((1, 2), dtype=np.float32), "", byte_count=1)
    cache.put(bound(2), "one", np.ones(3, dtype=np.float32), "", byte_count=1)
    with pytest.raises(ShapeError):
        cache.get(bound(2), "two", np.ones(2, dtype=np.float32))
    cache = Answers(least_similarity=0.9)
    cache.put(bound(), "zero", np.zeros(2, dtype=np.float32), "", byte_count=1)
    assert cache.get(bound(), "other", np.zeros(2, dtype=np.float32)) is None


def test_many_threads():
    """Each thread finds only what was put under its own binding, and the bound holds throughout."""
    cache = Answers(most_bytes=40_000, least_similarity=0.99)
    wrong = []

    def work(number):
        random = np.random.default_rng(number)
        binding = bound(1, collection=f"c{number % 3}")
        for step in range(300):
            vector = VECTORS[random.integers(len(VECTORS))]
            found = cache.get(binding, f"q{step % 7}", vector)
            if found is not None and found.answer != binding.collection:
                wrong.append(found)
            cache.put(
                binding, f"q{random.integers(7)}", vector, binding.collection, byte_count=int(random.integers(2000))
            )
            if cache.statistics().byte_count > 40_000:
                wrong.append("bytes")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []
    assert cache.statistics().entries > 0


def test_bytes_of_hits_grow_with_what_they_hold():
    """At least the bytes of the texts and of the fields."""
    hit = Hit(id="a", score=1, text="x" * 1000, source="a", start=0, end=1000, line=1, fields={"tags": ["y" * 500]})
    hits = Hits(items=(hit, hit), complete=True, recall_estimate=1, work=0, space="s", took_ms=0)
    assert 3000 < bytes_of(hits) < 6000
