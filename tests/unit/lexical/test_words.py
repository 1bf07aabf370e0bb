"""Words and wholes of units, by hand."""

from __future__ import annotations

import time

import pytest

from vicinal.lexical.words import TOKEN_CHARS, folded, is_code, is_lone, normalized, unit_of

CASES = [
    ("getUserName()", "get user name", "getusername"),
    ("snake_case", "snake case", "snake_case"),
    ("__init__", "init", "__init__"),
    ("v2.3.1", "v 2 3 1", "v2.3.1 v2"),
    ("foo@bar.org", "foo bar org", "foo@bar.org bar.org"),
    ("127.0.0.1:8080", "127 0 0 1 8080", "127.0.0.1:8080 127.0.0.1"),
    ("(XJ-4821).", "xj 4821", "xj-4821"),
    ("log.XJ-4821", "log xj 4821", "log.xj-4821 xj-4821"),
    ("error=XJ-4821;retry", "error xj 4821 retry", "xj-4821"),
    ("E1234", "e 1234", "e1234"),
    ("1,000", "1 000", "1,000 1000"),
    ("a,b", "a b", ""),
    ("C++", "c", "c++"),
    ("F#", "f", "f#"),
    (".NET", "net", ".net"),
    ("@someone", "someone", "@someone"),
    ("mRNAs", "m rnas", "mrnas"),
    ("HTTPServerError", "http server error", "httpservererror"),
    ("don't", "don't", ""),
    ("patient’s", "patient", ""),
    ("l'avion", "l avion", "l'avion"),
    ("x/y/z.py", "x y z py", "x/y/z.py z.py"),
    ("🎉", "🎉", ""),
    ("—", "", ""),
    ("***", "", ""),
    ("हिन्दी", "हिन्दी", ""),
]


@pytest.mark.parametrize(("unit", "words", "wholes"), CASES, ids=[case[0] for case in CASES])
def test_a_unit_by_hand(unit: str, words: str, wholes: str) -> None:
    """A unit gives its words in order, and what was written together, the longest first."""
    found = unit_of(normalized(unit).strip())
    assert (found.words, found.wholes) == (tuple(words.split()), tuple(wholes.split()))


def test_scripts_without_spaces_give_pairs() -> None:
    """Neighbouring signs are pairs; the last sign is an end, so that each sign begins something."""
    found = unit_of("東京都")
    assert (found.words, found.ends) == (("東京", "京都"), ("都",))
    assert unit_of("猫").words == ("猫",)
    assert unit_of("iPhone用").words == ("i", "phone", "用")
    assert is_lone("猫")
    assert not is_lone("a")
    assert not is_lone("東京")


def test_long_tokens_are_bounded_and_still_differ() -> None:
    """Two long units that differ at their end have two tokens of bounded length."""
    one, other = (unit_of("a" * 5000 + last).words[0] for last in "bc")
    assert one != other
    assert max(len(one), len(other)) <= TOKEN_CHARS


def test_accents_are_folded() -> None:
    """Latin and Greek letters lose their accents; scripts whose signs are more than accents keep them."""
    assert [folded(word) for word in ("café", "łódź", "ελλάδα", "søren", "हिन्दी", "й", "plain")] == [
        "cafe",
        "lodz",
        "ελλαδα",
        "soren",
        "हिन्दी",
        "й",
        "plain",
    ]


def test_normalized_is_fit_for_utf8() -> None:
    """Lone surrogates become question marks; full width, soft hyphens and curly apostrophes become plain."""
    assert normalized("a\ud800b") == "a?b"
    assert normalized("ＸＪ‐４８") == "XJ-48"
    assert normalized("co\u00adop ’s") == "coop 's"


@pytest.mark.parametrize("token", ["4821", "xj-4821", "v2.3.1", "a@b", "/srv/log", "127.0.0.1", "e12345"])
def test_codes(token: str) -> None:
    """Numbers of three digits, versions, addresses and paths are codes."""
    assert is_code(token)


@pytest.mark.parametrize("token", ["word", "il-6", "p53", "and/or", "e.g", "12", "don't", "東京"])
def test_no_codes(token: str) -> None:
    """Words and short numbers are none."""
    assert not is_code(token)


def test_a_long_run_of_punctuation_takes_no_longer_than_its_length() -> None:
    """Half a million signs between two letters are read in a moment: one pass, not one for each sign."""
    begun = time.process_time()
    assert unit_of("a" + "/" * 500_000 + "b").words == ("a", "b")
    assert unit_of("Chapter" + "." * 500_000).words == ("chapter",)
    assert time.process_time() - begun < 20
