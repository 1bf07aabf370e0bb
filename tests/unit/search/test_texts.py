"""Texts in one array: found in order, and by pieces and words, as Python finds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.search import texts as module
from vicinal.search.meaning import instant_of, words_of
from vicinal.search.texts import NO_DATE, Texts, encoded

LETTERS = st.text(alphabet="aAb_1 .ßẞéİſﬁ\x00\ud800\udcff日", max_size=6)
LISTS = st.lists(LETTERS, max_size=12, unique=True)


def made(texts: list[str]) -> tuple[Texts, list[str]]:
    """Return texts in the order of code points, and as strings."""
    ascending = sorted(texts)
    return Texts.of([encoded(text) for text in ascending]), ascending


@given(LISTS, LETTERS)
def test_texts_are_found_as_python_finds_them(texts: list[str], asked: str) -> None:
    """Order, place, beginning and piece are those of the strings."""
    found, ascending = made(texts)
    assert [found.text(place) for place in range(len(found))] == ascending
    assert found.place_of(encoded(asked)) == (ascending.index(asked) if asked in texts else -1)
    assert found.first_at_least(encoded(asked)) == sum(text < asked for text in texts)
    several = [asked, *texts[::2]]
    told = found.places_of([encoded(text) for text in several])
    assert sorted(told) == sorted(ascending.index(text) for text in several if text in texts)
    low, high = found.beginning(encoded(asked))
    assert [text.startswith(asked) for text in ascending] == [low <= place < high for place in range(len(texts))]
    assert found.holding(encoded(asked)).tolist() == [place for place, text in enumerate(ascending) if asked in text]


@given(LISTS, LETTERS.filter(words_of))
def test_words_are_found_as_python_finds_them(texts: list[str], asked: str) -> None:
    """A text holds the words whose runs of letters it has, whatever their case."""
    found, ascending = made(texts)
    words = sorted(set(words_of(asked)))
    expected = [place for place, text in enumerate(ascending) if set(words) <= set(words_of(text))]
    assert found.with_words(words).tolist() == expected


@given(LISTS, LISTS, st.randoms())
def test_merging_keeps_the_order(texts: list[str], others: list[str], chance: object) -> None:
    """Old and new texts are where the answer says, those not kept are gone."""
    found, ascending = made(texts)
    keep = np.array([chance.random() < 0.7 for _ in texts], dtype=np.bool_)
    new = sorted(set(others) - set(texts))
    both, old, added = found.merged(keep, [encoded(text) for text in new])
    kept = [text for text, stays in zip(ascending, keep, strict=True) if stays]
    assert [both.text(place) for place in range(len(both))] == sorted(kept + new)
    assert [both.text(old[place]) for place in np.flatnonzero(keep)] == kept
    assert [both.text(place) for place in added] == new


def test_a_piece_is_found_across_the_blocks_of_a_scan(monkeypatch: pytest.MonkeyPatch):
    """Wherever a piece lies to the borders of blocks of 16 bytes, it is found once, and none reaches over two texts."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 16)
    for shift in range(40):
        found, ascending = made(["x" * shift + "needle", "y" * shift, "nee", "zdle"])
        assert [ascending[place] for place in found.holding(b"needle")] == ["x" * shift + "needle"]
        assert [ascending[place] for place in found.with_words(["nee"])] == ["nee"]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01 01:00:00.5+01:00", 500_000),
        ("1970-01-02T00:00Z", 86_400_000_000),
        ("1969-12-31T23:59:59,999999", -1),
        ("1970-02-30", None),
        ("19700101", None),
        ("1970", None),
        ("1970-01-01x", None),
        ("１９７０-01-01", None),
        ("", None),
    ],
)
def test_dates_are_instants(text: str, instant: int | None):
    """Long forms of ISO 8601 only, UTC where no zone is named, to the microsecond."""
    assert instant_of(text) == instant
    assert Texts.of([text.encode()]).instants().tolist() == [NO_DATE if instant is None else instant]
