"""The words that tell some texts from others: rare elsewhere, frequent here, never those that everyone uses."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal.lifecycle.drift.words import terms, words_of

MONEY = ["what is the rate of the bank", "is the bank open", "the bank has my account", "open the account"]
FLIGHTS = ["what is the gate of the flight", "is the flight late", "the flight has my bag", "book the flight"]


def test_the_words_of_a_class_are_its_own():
    """Bank and account here, flight there; ``the`` and ``is`` nowhere."""
    found = terms([*MONEY, *FLIGHTS], ["money"] * 4 + ["flights"] * 4)
    assert found["money"][:2] == ("bank", "account") or set(found["money"][:2]) == {"bank", "account"}
    assert found["flights"] == ("flight",)
    assert not {"the", "is", "what"} & {*found["money"], *found["flights"]}


def test_a_word_of_one_text_names_nothing():
    """It may be a name, or a slip."""
    assert (
        terms(["a zyzzyva sleeps", "a cat sleeps"], [0, 0]) == {0: ()}
        or "zyzzyva" not in terms(["a zyzzyva sleeps", "a cat sleeps"], [0, 0])[0]
    )


def test_numbers_and_single_signs_are_no_words():
    """A year names no topic, and neither does a letter."""
    assert words_of("In 2024 I saw 3 x Cats!") == {"in", "saw", "cats"}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text(max_size=30), st.integers(0, 2)), max_size=20), st.integers(1, 4))
def test_any_texts_give_at_most_k_words_of_their_class(told, k):
    """Each class that is there, its own words only, none twice."""
    texts, classes = [text for text, _ in told], [one for _, one in told]
    found = terms(texts, classes, k=k)
    assert set(found) == set(classes)
    for one, words in found.items():
        assert len(words) == len(set(words)) <= k
        own = set().union(*(words_of(text) for text, other in told if other == one))
        assert set(words) <= own
