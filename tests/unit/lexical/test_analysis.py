"""Tokens of texts, by hand."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal.errors import MissingExtraError, UnknownNameError
from vicinal.lexical import analysed
from vicinal.lexical.analysis import BREAK, checked_language, fingerprint, library
from vicinal.lexical.languages import NAMES, STOPS, guessed


def test_words_are_stemmed_and_wholes_kept() -> None:
    """English endings go; what was written together stays as it was, and behind the words."""
    found = analysed("The runs of getUserNames at XJ-4821")
    assert found.words == ("the", "run", "of", "get", "user", "name", "at", "xj", "4821")
    assert found.kept == ("getusernames", "getusernam", "xj-4821")
    assert found.indexed == f"the run of get user name at xj 4821 {BREAK} getusernames getusernam xj-4821"
    assert "runs" in found.forms


def test_accents_are_folded_and_kept() -> None:
    """The word without accents is in its place, the one with them beside it."""
    found = analysed("café", "en")
    assert (found.words, found.kept, found.forms) == (("cafe",), ("café",), ("cafe",))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the cat is on the mat", "en"),
        ("der Hund ist nicht im Haus", "de"),
        ("le chat est dans la maison", "fr"),
        ("el perro está en la casa", "es"),
        ("il gatto è nella casa", "it"),
        ("Собака лает", "ru"),
        ("Ο σκύλος είναι στο σπίτι", "el"),
        ("apolipoprotein E in foam cells e e", None),
        ("foo bar", None),
        ("", None),
        ("東京都", None),
    ],
)
def test_languages_by_hand(text: str, language: str | None) -> None:
    """Stop words tell the language, or the script does; where nothing does, none is told."""
    assert guessed(text) == language


def test_each_language_stems() -> None:
    """There is a stemmer for each language, and each but Tamil has stop words in small letters."""
    assert len(fingerprint()) == len(NAMES)
    assert [code for code in NAMES if not STOPS[code]] == ["ta"]
    assert all(word == word.lower() for words in STOPS.values() for word in words)


def test_each_language_takes_its_own_endings() -> None:
    """The same text has other tokens in another language."""
    assert analysed("Häuser", "de").words == ("haus",)
    assert analysed("Häuser", "en").words == ("hauser",)


def test_no_such_language() -> None:
    """A language without a stemmer is refused by name."""
    with pytest.raises(UnknownNameError, match="language must be one of auto, en"):
        checked_language("xx")


def test_empty_in_empty_out() -> None:
    """A text without words has no tokens."""
    assert analysed("").indexed == ""
    assert analysed(" — *** ").indexed == ""


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tantivy the error says how to get it."""
    library.cache_clear()
    monkeypatch.setitem(sys.modules, "tantivy", None)
    monkeypatch.delitem(sys.modules, "vicinal.lexical._tantivy", raising=False)
    monkeypatch.delattr("vicinal.lexical._tantivy", raising=False)
    with pytest.raises(MissingExtraError, match="pip install tantivy"):
        library()
    library.cache_clear()
