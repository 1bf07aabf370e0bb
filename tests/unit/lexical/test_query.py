"""Questions taken apart, by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("tantivy", reason="the keyword index needs tantivy")

from vicinal.lexical.query import QUERY_CHARS, Clause, clauses_of


def shape(question: str, *spoken: str) -> list[tuple[str, list[str]]]:
    """Return what each clause asks: its sign, and its leaves as kind:field:tokens."""
    return [
        (one.occur, [f"{leaf.kind}:{leaf.field}:{' '.join(leaf.tokens)}" for leaf in one.leaves])
        for one in clauses_of(question, spoken or ("en",))
    ]


CASES = [
    ("stop the bills", [("should", ["term:body:stop"]), ("should", ["term:body:bill"])]),
    ("to be or not to be", [("should", [f"term:body:{word}"]) for word in ("to", "be", "or", "not", "to", "be")]),
    ('"stop the bill"', [("should", ["phrase:body:stop the bill"])]),
    ('+"stop bills"', [("must", ["phrase:body:stop bill"])]),
    ('title:"stop bills"', [("should", ["phrase:title:stop bill"])]),
    ("title:bills", [("should", ["term:title:bill"])]),
    ("+must -not", [("must", ["term:body:must"]), ("not", ["term:body:not"])]),
    ("oper*", [("should", ["prefix:forms:oper"])]),
    ("XJ-48*", [("should", ["prefix:forms:xj-48"])]),
    ("recieve~", [("should", ["fuzzy:forms:recieve"])]),
    ("recieve~2", [("should", ["fuzzy:forms:recieve"])]),
    ("XJ-48", [("should", ["term:body:xj", "term:body:48", "term:body:xj-48"])]),
    ("-40 degrees", [("should", ["term:body:40"]), ("should", ["term:body:degre"])]),
    ("+49 123", [("should", ["term:body:49"]), ("should", ["term:body:123"])]),
    ("-v", [("should", ["term:body:v"])]),
    ("a-b", [("should", ["term:body:a", "term:body:b", "term:body:a-b"])]),
    ("ab~3", [("should", ["term:body:ab", "term:body:3", "term:body:ab~3"])]),
    ("都", [("should", ["prefix:forms:都"])]),
    ("東京", [("should", ["term:body:東京"])]),
    ('"', []),
    ('"" + - * ~ ^ :', []),
    ('un"closed', [("should", ["term:body:un"]), ("should", ["term:body:close"])]),
    ("", []),
]


@pytest.mark.parametrize(("question", "wanted"), CASES, ids=[case[0] or "empty" for case in CASES])
def test_a_question_by_hand(question: str, wanted: list[tuple[str, list[str]]]) -> None:
    """Each sign means what the table says; what does not parse is words."""
    assert shape(question) == wanted


def test_edits_are_told() -> None:
    """A misspelt word has one edit unless two are asked for."""
    assert [one.leaves[0].edits for one in clauses_of("first~ secnd~1 thrid~2", ("en",))] == [1, 1, 2]


def test_several_languages_are_alternatives() -> None:
    """A word is looked for with the endings of each language taken off; either is enough where it must be there."""
    (clause,) = clauses_of("+Häuser", ("de", "en"))
    assert [leaf.tokens[0] for leaf in clause.leaves] == ["haus", "hauser", "häuser"]
    assert [[leaf.tokens[0] for leaf in group] for group in clause.gate] == [["haus", "hauser"]]


def test_what_must_be_there_whole_must_be_whole() -> None:
    """The gate of a code is the code, not its parts; the gate of a word is the word."""
    (code,) = clauses_of("+XJ-48", ("en",))
    assert [[leaf.tokens[0] for leaf in group] for group in code.gate] == [["xj-48"]]


def test_a_long_question_is_bounded() -> None:
    """What stands behind the bound is not read; signs beyond the bound are words."""
    assert len(clauses_of("word " * 100_000, ("en",))) <= QUERY_CHARS // 5 + 1
    found: tuple[Clause, ...] = clauses_of("+word " * 100, ("en",))
    assert [one.occur for one in found].count("must") == 64
    assert len(found) == 100
