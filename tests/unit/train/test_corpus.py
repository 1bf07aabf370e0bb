"""The sample: bounded, different texts, none of the held-out ones in what is learnt, the same for a seed."""

from __future__ import annotations

from collections import Counter

import pytest

from vicinal.errors import DtypeError
from vicinal.train import corpus as module
from vicinal.train.corpus import sample


def test_what_is_held_out_is_not_learnt(corpus):
    """One text in twenty is held out; no held-out text is learnt from, nor a sentence of it that only it has."""
    found = sample(corpus, texts=1000, seed=0)
    assert len(found.held_out) == 400 // module.HELD_OUT_SHARE
    assert sorted(found.texts + found.held_out) == sorted(corpus)
    assert not set(found.held_out) & {*found.texts, *found.sentences}
    assert all(any(piece in text for text in found.texts) for piece in found.sentences)


def test_sentences_are_texts_of_their_own():
    """Two sentences of a text of several, of three words or more; none of a text of one; each once."""
    found = sample(["One word here. No. Two words here. Three words here.", "Alone it stands."], texts=9, seed=0)
    assert len(found.sentences) == module.SENTENCES
    assert set(found.sentences) < {"One word here.", "Two words here.", "Three words here."}


def test_a_seed_fixes_the_sample(corpus):
    """The same seed gives the same sample, another gives another."""
    assert sample(iter(corpus), texts=50, seed=1) == sample(corpus, texts=50, seed=1)
    assert sample(corpus, texts=50, seed=1) != sample(corpus, texts=50, seed=2)


def test_each_text_has_the_same_chance():
    """Of 10 texts 5 are kept: over 400 seeds each comes 200 times, give or take five standard deviations of 10."""
    texts = [f"text {number}" for number in range(10)]
    counts = Counter(text for seed in range(400) for text in sample(texts, texts=5, seed=seed).texts)
    assert sum(counts.values()) == 400 * 5
    assert all(abs(counts[text] - 200) < 50 for text in texts)


def test_what_holds_nothing_does_not_count():
    """Blank texts and halves of surrogate pairs are left out, equal texts come once, long ones are cut."""
    found = sample(["", " \n", "\ud800", "a", "a ", "b" * (module.MAX_CHARS + 5)], texts=9, seed=0)
    assert sorted(map(len, found.texts)) == [1, module.MAX_CHARS]


@pytest.mark.parametrize("wrong", ["one string", b"bytes", ["a", 3]])
def test_what_is_no_text_is_refused(wrong):
    """A bare string and an element that is none are errors, not lists of letters."""
    with pytest.raises(DtypeError):
        sample(wrong, texts=9, seed=0)
