"""A question in words: what a person typed, taken apart into leaves that an index can score.

====================  ====================================================================
``stop the bill``     any of the words; rows with more and rarer ones are better
``"stop the bill"``   the words one behind the other
``oper*``             words with that beginning
``recieve~1``         words at most so many edits away (1 or 2; ``~`` alone is 1)
``+must``             only rows with it
``-not``              only rows without it
``title:bill``        in the title; ``title:"stop the bill"`` too
====================  ====================================================================

Signs stand at the beginning or the end of a word. ``-`` or ``+`` before a digit is part of a number. Whatever does not
parse is words: no question is refused. Where nothing is asked for but what must not be there, that is words too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from vicinal.lexical import languages
from vicinal.lexical.analysis import MEMO_CHARS, stemmed, tokens_of, units_of
from vicinal.lexical.words import Unit, folded, is_lone, normalized

QUERY_CHARS = 16_384
"""What stands behind is not read."""
OPERATED = 64
"""Clauses with ``+``, ``-``, quotes, ``*`` or ``~``; further ones are words."""
LEAST_FUZZY_CHARS = 3
LEAST_PREFIX_CHARS = 2
MOST_FUZZY_CHARS = 40
MOST_PREFIX_CHARS = 80

Kind: TypeAlias = Literal["term", "phrase", "prefix", "fuzzy"]
Occur: TypeAlias = Literal["should", "must", "not"]
_CLAUSE = re.compile(r'(?P<sign>(?<!\S)[+-])?(?P<field>title:)?"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+)')
_FUZZY = re.compile(r"(?P<word>.+)~(?P<edits>[12]?)")
MEMO_CLAUSES = 50_000
"""Words whose clauses are remembered; then they are forgotten, and worked out anew."""
_memo: dict[tuple[_Raw, tuple[str, ...], str], Clause | None] = {}
_SIGNS = re.compile(r'["+\-*~:]')
_SIGNED = re.compile(r"[+-](?=[^\W\d_]|\.\w)")


class Leaf(NamedTuple):
    """One thing that is scored: tokens in a field. ``edits`` is for fuzzy ones."""

    kind: Kind
    field: str
    tokens: tuple[str, ...]
    edits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A part of a question.

    ``leaves`` add up to its score; ``gate`` says which rows have it: one leaf at least of every group.
    """

    occur: Occur
    leaves: tuple[Leaf, ...]
    gate: tuple[tuple[Leaf, ...], ...]


class _Raw(NamedTuple):
    """A part of a question as it was typed."""

    occur: Occur
    kind: Kind
    text: str
    field: str = "body"
    edits: int = 0


def clauses_of(question: str, spoken: Sequence[str]) -> tuple[Clause, ...]:
    """Return the parts of a question.

    Parameters
    ----------
    question : str
        Any text; read up to ``QUERY_CHARS``.
    spoken : sequence of str
        Codes of the languages whose endings are taken off; the first one's stop words are left out, unless there
        is nothing else.

    Returns
    -------
    tuple of Clause
        Empty where the question has no word.
    """
    text = normalized(question[:QUERY_CHARS])
    raws = _raw(text)
    if raws and all(one.occur == "not" for one in raws):
        raws = [_Raw(occur="should", kind="term", text=part) for part in text.split()]
    tongues = tuple(spoken)
    clauses = _compiled(raws, tongues, tongues[0] if tongues else "")
    if not any(clause.occur != "not" for clause in clauses):
        clauses = _compiled(raws, tongues, "")
    return tuple(clauses)


def _raw(text: str) -> list[_Raw]:
    """Return the parts of a question, as they were typed."""
    if not _SIGNS.search(text):
        return [_Raw("should", "term", part) for part in text.split()]
    raws: list[_Raw] = []
    operated = 0
    for found in _CLAUSE.finditer(text):
        sign, word, phrase = found["sign"], found["word"], found["phrase"]
        if operated >= OPERATED:
            raws += [_Raw(occur="should", kind="term", text=part) for part in (word or phrase).split()]
        elif word is None:
            raws.append(
                _Raw(occur=_occur(sign), kind="phrase", text=phrase, field="title" if found["field"] else "body")
            )
            operated += 1
        elif word.isalnum():
            raws.append(_Raw(occur="should", kind="term", text=word))
        else:
            at_start = found.start() == 0 or text[found.start() - 1].isspace()
            raws.append(_word(word, at_start=at_start))
            operated += raws[-1].occur != "should" or raws[-1].kind != "term"
    return raws


def _word(word: str, *, at_start: bool) -> _Raw:
    """Return one word with its signs."""
    occur: Occur = "should"
    rest = word
    if at_start and _SIGNED.match(word):
        occur, rest = _occur(word[0]), word[1:]
    if rest.startswith("title:") and _letters(rest[6:]):
        return _Raw(occur=occur, kind="term", text=rest[6:], field="title")
    if rest.endswith("*") and len(rest) <= MOST_PREFIX_CHARS and _letters(rest) >= LEAST_PREFIX_CHARS:
        return _Raw(occur=occur, kind="prefix", text=rest.rstrip("*"))
    fuzzy = _FUZZY.fullmatch(rest)
    if fuzzy and LEAST_FUZZY_CHARS <= len(fuzzy["word"]) <= MOST_FUZZY_CHARS and fuzzy["word"].isalnum():
        return _Raw(occur=occur, kind="fuzzy", text=fuzzy["word"], edits=int(fuzzy["edits"] or 1))
    return _Raw(occur=occur, kind="term", text=rest)


def _letters(text: str) -> int:
    """Return how many letters and digits a text has."""
    return sum(sign.isalnum() for sign in text)


def _occur(sign: str | None) -> Occur:
    """Return what a sign before a word means."""
    return "must" if sign == "+" else "not" if sign == "-" else "should"


def _compiled(raws: Sequence[_Raw], spoken: tuple[str, ...], stopped: str) -> list[Clause]:
    """Return the clauses of all parts that hold a word, less the stop words of a language."""
    clauses = []
    for raw in raws:
        asked = (raw, spoken, stopped)
        try:
            found = _memo[asked]
        except KeyError:
            found = _clause(raw, spoken, stopped)
            if len(raw.text) <= MEMO_CHARS:
                if len(_memo) >= MEMO_CLAUSES:
                    _memo.clear()
                _memo[asked] = found
        if found is not None:
            clauses.append(found)
    return clauses


def _clause(raw: _Raw, spoken: tuple[str, ...], stopped: str) -> Clause | None:
    """Return the clause of one part, None where it holds no word."""
    if raw.kind in {"prefix", "fuzzy"}:
        return _by_form(raw)
    if raw.kind == "phrase":
        return _phrase(raw, spoken)
    return _words(raw, spoken, languages.STOPS[stopped] if stopped and raw.occur == "should" else frozenset())


def _by_form(raw: _Raw) -> Clause | None:
    """Return the clause of a beginning or a misspelt word: it is compared with words as they are written."""
    form = folded(raw.text.casefold()).lstrip("'\"([{<")
    if not _letters(form):
        return None
    leaf = Leaf(kind=raw.kind, field="forms", tokens=(form,), edits=raw.edits)
    return Clause(occur=raw.occur, leaves=(leaf,), gate=((leaf,),))


def _phrase(raw: _Raw, spoken: Sequence[str]) -> Clause | None:
    """Return the clause of words that stand one behind the other."""
    words = [word for unit in units_of(raw.text) for word in unit.words]
    if not words:
        return None
    if len(words) == 1:
        return _words(raw, spoken, frozenset())
    found = dict.fromkeys(tuple(stemmed(words, language)) for language in spoken)
    leaves = tuple(Leaf(kind="phrase", field=raw.field, tokens=tokens) for tokens in found)
    return Clause(occur=raw.occur, leaves=leaves, gate=(leaves,))


def _words(raw: _Raw, spoken: Sequence[str], stops: frozenset[str]) -> Clause | None:
    """Return the clause of one word, which may have several parts and be kept whole beside them."""
    leaves: dict[Leaf, None] = {}
    gate: list[tuple[Leaf, ...]] = []
    for unit in units_of(raw.text):
        taken = [tokens_of(unit, language) for language in spoken]
        groups = []
        for place, word in enumerate(unit.words):
            if word in stops and not unit.wholes:
                continue
            tokens = dict.fromkeys(words[place] for words, _, _ in taken)
            groups.append(tuple(_term(raw.field, word, token) for token in tokens))
        for group in groups:
            leaves.update(dict.fromkeys(group))
        for _, kept, _ in taken:
            leaves.update((_term(raw.field, "", token), None) for token in kept)
        gate += _gate(unit, raw.field, groups)
    return Clause(occur=raw.occur, leaves=tuple(leaves), gate=tuple(gate)) if leaves else None


def _term(field: str, word: str, token: str) -> Leaf:
    """Return the leaf of a token; a lone sign of a script without spaces begins many pairs."""
    if is_lone(word) and field == "body":
        return Leaf(kind="prefix", field="forms", tokens=(word,))
    return Leaf(kind="term", field=field, tokens=(token,))


def _gate(unit: Unit, field: str, groups: Sequence[tuple[Leaf, ...]]) -> list[tuple[Leaf, ...]]:
    """Return what a row must have to have the unit: the whole where there is one, or else every word."""
    if unit.wholes:
        return [(Leaf(kind="term", field=field, tokens=(unit.wholes[0],)),)]
    return list(groups)
