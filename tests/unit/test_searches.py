"""What can be asked of a collection beside its nearest chunks: shapes, pages, examples, several queries, facets, memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import vicinal
from vicinal.chunk import Chunker
from vicinal.errors import (
    IndexBehindWarning,
    InputError,
    RangeError,
    RecordNotFoundError,
    SpaceMismatchError,
    UnsupportedError,
)
from vicinal.lifecycle import asking
from vicinal.lifecycle import ranking as ranking_module
from vicinal.lifecycle.derived import Derived
from vicinal.search.fuse import reciprocal_rank
from vicinal.space import Space, Vectors
from vicinal.testing import ToyEncoder
from vicinal.types import Hits

WORDS = ("stop", "bill", "XJ-4821", "rome", "weather", "pump", "cat", "sat", "mat", "aeiou", "12", "345")


def text_of(number: int) -> str:
    """Return another short text for each number."""
    return " ".join(WORDS[(number * step) % len(WORDS)] for step in range(1, 2 + number % 5))


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[vicinal.Collection]:
    """Sixty short records, and one long one whose chunks overlap."""
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("notes", model=ToyEncoder(max_tokens=16))
        made.add([{"id": f"{number:02}", "text": text_of(number), "group": number % 3} for number in range(60)])
        made.add([{"id": "long", "text": "The weather in rome is mild. " * 12, "group": 9}])
        yield made


class _Distances(ToyEncoder):
    """The toy encoder in a space of distances."""

    @property
    def space(self) -> Space:
        return replace(super().space, metric="l2")

    def encode_queries(self, texts, *, progress=None):
        return Vectors(np.asarray(super().encode_queries(texts, progress=progress)), self.space)

    def encode_documents(self, texts, *, progress=None):
        return Vectors(np.asarray(super().encode_documents(texts, progress=progress)), self.space)


def places(hits: Hits) -> list[tuple[str, int]]:
    """Return which chunks they are."""
    return [(hit.id, hit.start) for hit in hits]


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
@pytest.mark.parametrize("k", [1, 4, 7, 100])
def test_pages_are_the_ranking(notes: vicinal.Collection, mode, k) -> None:
    """All pages together are one long search, in its order; each hit comes once; the last page has no cursor."""
    pages = list(notes.pages("the weather in rome", k=k, mode=mode, exact=True))
    whole = notes.search("the weather in rome", k=1000, mode=mode, exact=True)
    deep = max(50, k)
    assert [one for page in notes.pages("the weather in rome", k=k, mode=mode, depth=deep) for one in places(page)] == (
        places(notes.search("the weather in rome", k=deep, mode=mode))
    )
    assert [one for page in pages for one in places(page)] == places(whole)
    assert [len(page) for page in pages[:-1]] == [k] * (len(pages) - 1)
    assert [page.cursor is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert whole.cursor is None


def test_pages_with_many_equal_scores_and_several_queries(tmp_path: Path) -> None:
    """More ties than are told apart by id, and rankings fused of several: the walk still is the one long search."""
    with vicinal.open(tmp_path / "many") as db:
        many = db.collection("many", model=ToyEncoder())
        many.add(
            [{"id": f"{(number * 7919) % 900:03}", "text": f"invoice {'abc'[number % 3]}"} for number in range(900)]
        )
        for asked, mode in (("invoice", "lexical"), ("invoice", "hybrid"), (["invoice a", "b"], "dense")):
            walked = [one for page in many.pages(asked, k=70, mode=mode) for one in places(page)]  # type: ignore[arg-type]
            assert walked == places(many.search(asked, k=1000, mode=mode))  # type: ignore[arg-type]  # one of the names
            assert len(walked) == len(set(walked)) == 900


def test_an_answer_without_words_is_not_kept(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keyword index was too far behind to be asked, the next question asks it."""
    notes.keep_answers()
    monkeypatch.setattr(asking, "MOST_BEHIND", -1)
    with pytest.warns(IndexBehindWarning):
        assert notes.search("XJ-4821").score_kind == "cosine"
    monkeypatch.setattr(asking, "MOST_BEHIND", 20_000)
    assert notes.search("XJ-4821").score_kind == "convex"
    hit = notes.search("XJ-4821")[0]
    hit.fields["group"] = -1  # type: ignore[index]  # what a caller does with its own copy
    assert notes.search("XJ-4821")[0].fields["group"] != -1
    assert notes.kept_answers.exact == 2


def test_a_threshold_that_nothing_reaches_ends_the_search(
    notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a score that is too low nothing is looked at."""
    asked: list[int] = []
    ranking = ranking_module.Asking.ranking
    monkeypatch.setattr(
        ranking_module.Asking,
        "ranking",
        lambda self, vectors, texts, k, first=None: asked.append(k) or ranking(self, vectors, texts, k, first),
    )
    assert len(notes.search("cat", mode="dense", least_score=2.0)) == 0
    assert len(asked) == 1


def test_a_cursor_goes_on_in_another_call(notes: vicinal.Collection) -> None:
    """A word is all that travels; another question, another filter or a write makes it worthless, in words that say so."""
    pages = list(notes.pages("cat", k=5, per_record=1))
    cursor = pages[0].cursor
    assert cursor is not None
    assert places(next(notes.pages("cat", k=5, after=cursor, per_record=1))) == places(pages[1])
    assert len(next(notes.pages("cat", k=9, after=cursor, per_record=1))) == 9
    for other in (
        {"where": {"group": 1}},
        {"mode": "dense"},
        {"exact": True},
        {"unlike": "XJ-4821"},
        {"per_record": 2},
    ):
        with pytest.raises(InputError, match="another question"):
            notes.pages("cat", after=cursor, **{"per_record": 1, **other})
    with pytest.raises(InputError, match="another question"):
        notes.pages("dog", after=cursor, per_record=1)
    with pytest.raises(InputError, match="no cursor"):
        notes.pages("cat", after="x")
    notes.delete(["01"])
    with pytest.raises(InputError, match="last changed in"):
        notes.pages("cat", after=cursor, per_record=1)


def test_pages_of_a_vector(notes: vicinal.Collection) -> None:
    """A vector is its own question: another one's cursor is refused."""
    vectors = notes.encoder.encode_queries(["cat sat", "weather 12"])
    first = next(notes.pages(vectors[:1], k=3))
    assert len(next(notes.pages(vectors[:1], k=3, after=first.cursor))) == 3
    with pytest.raises(InputError, match="another question"):
        notes.pages(vectors[1:], k=3, after=first.cursor)


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_one_chunk_of_each_record(notes: vicinal.Collection, mode) -> None:
    """``per_record`` gives as many hits as are asked for, though the best chunks are all of one record."""
    best = notes.search("the weather in rome is mild", k=5, mode=mode)
    assert [hit.id for hit in best].count("long") >= 4
    hits = notes.search("the weather in rome is mild", k=5, mode=mode, per_record=1)
    assert len({hit.id for hit in hits}) == 5
    assert places(hits)[0] == places(best)[0]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert [
        places(one) for one in notes.search_many(["the weather in rome is mild"], k=5, mode=mode, per_record=1)
    ] == [places(hits)]


def test_hits_apart(notes: vicinal.Collection) -> None:
    """Without overlaps no two hits of a record share text; with them some do."""

    def overlaps(hits: Hits) -> int:
        spans = [(hit.start, hit.end) for hit in hits if hit.id == "long"]
        return sum(one[0] < other[1] and other[0] < one[1] for one, other in itertools.combinations(spans, 2))

    assert overlaps(notes.search("weather in rome", k=12)) > 0
    hits = notes.search("weather in rome", k=12, overlapping=False)
    assert overlaps(hits) == 0
    assert len(hits) == 12


def test_copies_and_diversity(notes: vicinal.Collection) -> None:
    """Equal texts come once; with diversity the first stays, and the list is less alike than without."""
    notes.add([{"id": f"copy{number}", "text": "Cat sat on 12 mats"} for number in range(5)])
    assert [hit.id for hit in notes.search("Cat sat on 12 mats", k=5)] == [f"copy{number}" for number in range(5)]
    hits = notes.search("Cat sat on 12 mats", k=5, most_similarity=1.0)
    assert [hit.id for hit in hits if hit.id.startswith("copy")] == ["copy0"]
    assert len(hits) == 5

    def likeness(found: Hits) -> float:
        vectors = notes.encoder.encode_documents([hit.text for hit in found])
        return float(np.triu(vectors.similarity(vectors), 1).sum())

    query = "the weather in rome is mild"
    plain, diverse = notes.search(query, k=8, mode="dense"), notes.search(query, k=8, mode="dense", diversity=0.8)
    assert diverse[0] == plain[0]
    assert likeness(diverse) < likeness(plain)
    with pytest.raises(InputError, match="diversity"):
        notes.search("cat", diversity=0.5, rerank=lambda _, texts: [0.0] * len(texts))


def test_thresholds(notes: vicinal.Collection) -> None:
    """The edge is included. A share of unrelated pairs is a score of the background, for the mode dense alone."""
    whole = notes.search("cat sat mat", k=20, mode="dense")
    edge = whole[7].score
    assert places(notes.search("cat sat mat", k=20, mode="dense", least_score=edge)) == [
        (hit.id, hit.start) for hit in whole if hit.score >= edge
    ]
    assert len(notes.search("cat sat mat", k=20, mode="dense", least_score=1.1)) == 0
    background = notes.background(samples=30, seed=1)
    assert notes.background(samples=30, seed=1) is background
    assert 0 <= background.share(0.9) <= background.share(0.1) <= 1
    least = notes.background().threshold(0.05)
    hits = notes.search("cat sat mat", k=20, mode="dense", most_unrelated=0.05)
    assert all(hit.score >= least for hit in hits)
    assert len(hits) < 20
    with pytest.raises(InputError, match="most_unrelated"):
        notes.search("cat", most_unrelated=0.05)
    with pytest.raises(InputError, match="most_unrelated"):
        notes.search(["cat", "dog"], mode="dense", most_unrelated=0.05)
    with pytest.raises(InputError, match="most_unrelated"):
        notes.search("cat", mode="dense", most_unrelated=0.05, least_score=0.1)


def test_several_queries_are_fused_by_rank(notes: vicinal.Collection) -> None:
    """Scores are the sums of 1/(60 + rank) of the single searches (Cormack 2009, with k = 60)."""
    queries = ["cat sat", "weather in rome"]
    lists = []
    every = sorted(
        {place for query in queries for place in places(notes.search(query, k=200, mode="dense", exact=True))}
    )
    for query in queries:
        hits = notes.search(query, k=100, mode="dense", exact=True)
        lists.append((np.array([every.index(one) for one in places(hits)]), np.array([hit.score for hit in hits])))
    expected = reciprocal_rank(lists)
    hits = notes.search(queries, k=20, mode="dense", exact=True)
    assert hits.score_kind == "rrf"
    assert [hit.score for hit in hits] == pytest.approx(expected.scores[:20].tolist())
    assert {hit.score: hit.id for hit in hits}.keys() == set(expected.scores[:20].tolist())
    assert places(notes.search(notes.encoder.encode_queries(queries), k=20, exact=True)) == places(hits)
    assert notes.search(["rome"], k=3).items == notes.search("rome", k=3).items
    assert len({hit.id for hit in notes.search(queries, k=9, per_record=1)}) == 9
    for mode in ("lexical", "hybrid"):
        assert len(notes.search(queries, k=5, mode=mode)) == 5  # type: ignore[arg-type]  # one of the names


def test_unlike_takes_a_direction_out(notes: vicinal.Collection) -> None:
    """The scores are cosines with the question less its part along what is not meant."""
    encoder = notes.encoder
    query, negative = np.asarray(encoder.encode_queries(["cat sat"])), np.asarray(encoder.encode_queries(["XJ-4821"]))
    moved = query - (query @ negative.T) * negative
    moved /= np.linalg.norm(moved)
    hits = notes.search("cat sat", unlike="XJ-4821", mode="dense", k=5, exact=True)
    own = encoder.encode_documents([hit.text for hit in hits])
    assert [hit.score for hit in hits] == pytest.approx((np.asarray(own) @ moved[0]).tolist(), abs=1e-5)
    assert len(notes.search("cat sat", unlike=["XJ-4821", "rome"], k=5)) == 5
    with pytest.raises(RangeError, match="Nothing is left"):
        notes.search("cat sat", unlike="cat sat")
    with pytest.raises(UnsupportedError, match="lexical"):
        notes.search("cat", unlike="dog", mode="lexical")
    with pytest.raises(RangeError):
        notes.search("cat", unlike=" ")


def test_records_like_these(notes: vicinal.Collection) -> None:
    """By one id, by the mean of several, less what others have; those that were named are no answers."""
    own = notes.encoder.encode_documents([text_of(7)])
    by_vector = notes.search(own, k=6, per_record=1, exact=True)
    assert by_vector[0].score == pytest.approx(1)
    hits = notes.recommend("07", k=5, exact=True)
    assert "07" not in [hit.id for hit in hits]
    assert [hit.id for hit in by_vector if hit.id != "07"][:4] == [hit.id for hit in hits][:4]
    several = notes.recommend(["01", "02"], unlike=["04"], k=10, where={"group": 1}, exact=True)
    assert {hit.fields["group"] for hit in several} == {1}
    assert not {"01", "02", "04"} & {hit.id for hit in several}
    units = np.asarray(notes.encoder.encode_documents([text_of(1), text_of(2), text_of(4)]))
    middle = units[:2].mean(axis=0)
    left = middle - (middle @ units[2]) * units[2]
    left /= np.linalg.norm(left)
    best = notes.encoder.encode_documents([several[0].text])
    assert several[0].score == pytest.approx(float(np.asarray(best)[0] @ left), abs=1e-5)
    with pytest.raises(RecordNotFoundError, match="nobody"):
        notes.recommend(["01", "nobody"])
    with pytest.raises(InputError, match="at least one"):
        notes.recommend([])
    with pytest.raises(RangeError, match="Nothing is left"):
        notes.recommend("01", unlike=["01"])


def test_a_space_of_distances_has_no_directions(tmp_path: Path) -> None:
    """There the mean of examples is asked, and ``unlike`` and backgrounds are refused."""
    with vicinal.open(tmp_path / "db") as db:
        made = db.collection("points", model=_Distances())
        made.add([{"id": "a", "text": "one"}, {"id": "b", "text": "one two three"}, {"id": "c", "text": "one two"}])
        made.add([{"id": "far", "text": "1 2 3 4 5 6 7 8 9"}])
        assert [hit.id for hit in made.recommend(["a", "b"])] == ["c", "far"]
        with pytest.raises(UnsupportedError):
            made.recommend("a", unlike="b")
        with pytest.raises(UnsupportedError):
            made.background()


def test_facets_count_records(notes: vicinal.Collection) -> None:
    """Records, not chunks; of those that a filter lets through; as of now."""
    counted = notes.facets("group", k=2)["group"]
    assert [(one.value, one.count) for one in counted.values] == [(0, 20), (1, 20)]
    assert (counted.others, counted.missing, counted.records) == (21, 0, 61)
    assert notes.facets("group", where={"group": 9})["group"].values[0].count == 1
    assert notes.facets("colour")["colour"].missing == 61
    ranged = notes.facets(bounds={"group": [(None, 2), (2, None)]})["group"]
    assert [one.count for one in ranged.ranges] == [40, 21]
    notes.delete(["long"])
    notes.update({"00": {"group": 7}})
    after = notes.facets("group")["group"]
    assert {one.value: one.count for one in after.values} == {0: 19, 1: 20, 2: 20, 7: 1}


def test_answers_are_kept_until_something_is_written(notes: vicinal.Collection) -> None:
    """The same question is answered from memory, with the same hits; a write, a filter or a setting makes it another."""
    notes.keep_answers()
    first = notes.search("cat sat", k=3)
    assert notes.search("cat sat", k=3).items == first.items
    assert (notes.kept_answers.exact, notes.kept_answers.misses) == (1, 1)
    for other in ({"k": 4}, {"where": {"group": 1}}, {"mode": "dense"}, {"per_record": 1}, {"highlight": True}):
        notes.search("cat sat", **{"k": 3, **other})  # type: ignore[arg-type]  # of several kinds
    assert notes.kept_answers.exact == 1
    notes.add([{"id": "new", "text": "cat sat"}])
    assert notes.search("cat sat", k=3)[0].id == "new"
    notes.delete(["new"])
    assert "new" not in [hit.id for hit in notes.search("cat sat", k=3)]
    notes.keep_answers(most_bytes=0)
    notes.search("cat sat")
    assert notes.kept_answers.entries == 0


def test_near_questions_share_an_answer_but_codes_do_not(notes: vicinal.Collection) -> None:
    """Other words at the same place are the same question; other digits or signs are another, however near."""
    notes.keep_answers(least_similarity=0.999)
    first = notes.search("cat sat")
    assert notes.search("sat cat").items == first.items
    assert notes.kept_answers.near == 1
    notes.search("error XJ-4821")
    notes.search("error XJ-4812")
    notes.search("error -XJ 4821")
    assert notes.kept_answers.near == 1


def test_other_spaces_are_refused(notes: vicinal.Collection) -> None:
    """Pages and several vectors ask for the space as a search does."""
    other = ToyEncoder(max_tokens=99).encode_queries(["a"])
    for ask in (notes.search, notes.pages, notes.search_many):
        with pytest.raises(SpaceMismatchError):
            ask(other)


def test_a_vector_never_asks_for_words(notes: vicinal.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search by vectors leaves the keyword index alone: it is neither opened nor warned about."""
    monkeypatch.setattr(asking, "MOST_BEHIND", -1)
    vectors = notes.encoder.encode_queries(["cat sat", "rome"])
    assert notes.search(vectors[:1]).score_kind == "cosine"
    assert len(notes.search_many(vectors)) == 2
    assert notes.recommend("01").score_kind == "cosine"
    kept = [one for one in notes._store.kept.values() if isinstance(one, Derived)]
    assert not any(one._words.asked for one in kept)


def test_an_option_without_effect_is_refused(notes: vicinal.Collection) -> None:
    """Fusion and weight mean something where two sides are fused, and nothing elsewhere."""
    for mode in ("dense", "lexical"):
        for name, value in (("fusion", "rrf"), ("weight", 0.5)):
            for ask in (notes.search, notes.pages):
                with pytest.raises(InputError, match=f"{name} says how .* the mode is {mode}"):
                    ask("cat", mode=mode, **{name: value})
    assert notes.search("cat", fusion="rrf", weight=0.5).score_kind == "rrf"


def test_a_field_is_counted_by_values_or_by_ranges(notes: vicinal.Collection) -> None:
    """Both at once would be two answers under one name."""
    with pytest.raises(InputError, match="'year' is asked for its values and for its ranges"):
        notes.facets("year", bounds={"year": [(0, 1)]})


def test_parents_are_handed_out(notes: vicinal.Collection) -> None:
    """Each hit is the section of a chunk that is found without, at its score; no chunk lies within a better hit."""
    plain = notes.search("the weather in rome", k=100, mode="dense", exact=True)
    most = 200
    found = notes.search("the weather in rome", k=100, mode="dense", exact=True, parent_chars=most)
    scores = {(hit.id, hit.start, hit.end): hit.score for hit in plain}
    texts = {hit.id: notes.get(hit.id).text for hit in plain}
    given: dict[str, list[tuple[int, int]]] = {}
    for hit in found:
        assert hit.text == texts[hit.id][hit.start : hit.end]
        assert hit.text == hit.text.strip()
        within = [
            score
            for (one, start, end), score in scores.items()
            if one == hit.id and hit.start <= start and end <= hit.end
        ]
        assert hit.score in within
        given.setdefault(hit.id, []).append((hit.start, hit.end))
    left = [hit for hit in plain if not any(a <= hit.start and hit.end <= b for a, b in given.get(hit.id, []))]
    assert all(hit.score <= found[-1].score for hit in left)
    assert len(given["long"]) < sum(hit.id == "long" for hit in plain)
    pages = list(notes.pages("the weather in rome", k=7, depth=100, mode="dense", exact=True, parent_chars=most))
    assert [hit for page in pages for hit in page] == list(found)


def test_a_parent_ends_at_its_section(tmp_path: Path) -> None:
    """Of a Markdown file the heading above a chunk begins its parent, and the next one ends it: the digest tells the form."""
    (tmp_path / "house.md").write_text(
        "# Doors\n\nThe front door opens inwards. It has one lock.\n\n# Windows\n\nEvery window tilts. None has a lock.\n"
    )
    with vicinal.open(tmp_path / "db") as db:
        house = db.collection("house", model=ToyEncoder(), chunker=Chunker(target=8, overlap=0))
        assert house.sync(tmp_path / "house.md").complete
        found = house.search("tilts", k=9, mode="lexical", parent_chars=60)
        assert [hit.text for hit in found] == ["# Windows\n\nEvery window tilts. None has a lock."]
