"""Text to tokens: the same for texts that are indexed and for questions.

A token is a word without accents, stemmed by its language. Beside it are kept: the word with its accents, and whatever
was written together (codes, identifiers, numbers, addresses), as it stands. ``words`` holds what they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TypeAlias

from vicinal._arrays import one_of
from vicinal.errors import MissingExtraError
from vicinal.lexical import languages
from vicinal.lexical.words import Unit, folded, normalized, unit_of

Language: TypeAlias = str
"""``auto``, or a code of ``languages.NAMES``."""
MEMO_UNITS = 100_000
"""Units whose tokens are remembered for each language; then they are forgotten, and worked out anew."""
MEMO_CHARS = 64
BREAK = "\u241e"
"""Stands between the words of a text and what is kept beside them, so that no phrase spans both."""
PROBE = "Running cafés l'été Häuser niños città XJ-4821 getUserNames 東京都 книги данных évaluations 3.14 e-mail"
"""A text whose tokens, in every language, tell whether an index was analysed as this program analyses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a text in one language.

    ``words`` stand in their order, one place each; ``kept`` are the tokens beside them; ``forms`` are all words as they
    were written, unstemmed, each once: what a prefix and a misspelt word are compared with.
    """

    words: tuple[str, ...]
    kept: tuple[str, ...]
    forms: tuple[str, ...]
    language: str

    @property
    def indexed(self) -> str:
        """All tokens of the text, with spaces between them."""
        if not self.kept:
            return " ".join(self.words)
        return " ".join((*self.words, BREAK, *self.kept))


_Taken: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
_units: dict[str, Unit] = {}
_taken: dict[str, dict[str, _Taken]] = {}
_stemmers: dict[str, Callable[[list[str]], list[str]]] = {}


def checked_language(language: str) -> str:
    """Return the language if there is such a one.

    Raises
    ------
    UnknownNameError
        It is neither ``auto`` nor a code of ``languages.NAMES``.
    """
    return one_of(language, "language", ("auto", *languages.NAMES))


def analysed(text: str, language: Language = "auto") -> Tokens:
    """Return the tokens of a text.

    Parameters
    ----------
    text : str
        Any. Signs that UTF-8 cannot hold are read as question marks.
    language : str
        ``auto`` guesses it from the text; English where nothing speaks for another.

    Returns
    -------
    Tokens

    Raises
    ------
    MissingExtraError
        tantivy, whose stemmers are used, is not installed.

    Notes
    -----
    The same text always gives the same tokens. Cost: about a microsecond a word that was seen before.
    """
    text = normalized(text)
    spoken = language_of(text) if language == "auto" else language
    words: list[str] = []
    kept: list[str] = []
    forms: list[str] = []
    memo = _taken.setdefault(spoken, {})
    for unit in text.split():
        found = memo.get(unit)
        if found is None:
            found = _remembered(memo, unit, spoken)
        words += found[0]
        kept += found[1]
        forms += found[2]
    return Tokens(words=tuple(words), kept=tuple(kept), forms=tuple(dict.fromkeys(forms)), language=spoken)


def language_of(text: str) -> str:
    """Return the code of the language in which a text is analysed: the one that is guessed, or English."""
    return languages.guessed(text) or languages.DEFAULT


def units_of(text: str) -> list[Unit]:
    """Return the units of a normalized text in their order."""
    return [_unit(unit) for unit in text.split()]


def stemmed(words: Iterable[str], language: Language) -> list[str]:
    """Return the token of each word (in small letters): without accents, without endings."""
    return _stemmer(language)([folded(word) for word in words])


def tokens_of(unit: Unit, language: Language) -> _Taken:
    """Return the tokens, the kept tokens and the forms of a unit."""
    words = stemmed(unit.words, language)
    kept: dict[str, None] = {}
    for word, token, accented in zip(unit.words, words, _stemmer(language)(list(unit.words)), strict=True):
        if not word.isascii() and accented != token and folded(word) != word:
            kept[accented] = None
    for whole in unit.wholes:
        kept[whole] = None
        kept[folded(whole)] = None
        if whole.isalpha():  # someone may look for getUserName as getusername, which is stemmed as any word is
            kept[stemmed((whole,), language)[0]] = None
    forms = (*(folded(word) for word in unit.words), *unit.ends, *(folded(whole) for whole in unit.wholes))
    return tuple(words), tuple(kept), forms


def fingerprint() -> list[str]:
    """Return what the tokens of an index depend on: those of a probe text in every language."""
    return [analysed(PROBE, code).indexed for code in languages.NAMES]


@cache
def library() -> ModuleType:
    """Return the module that knows tantivy.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        from vicinal.lexical import _tantivy  # noqa: PLC0415 - heavy, and not needed before the first text
    except ImportError as error:
        raise MissingExtraError(
            "tantivy is not installed. Run: pip install tantivy", expected="tantivy", where="lexical"
        ) from error
    return _tantivy


def _unit(unit: str) -> Unit:
    """Return a unit, remembered."""
    found = _units.get(unit)
    if found is None:
        found = unit_of(unit)
        if len(unit) <= MEMO_CHARS:
            if len(_units) >= MEMO_UNITS:
                _units.clear()
            _units[unit] = found
    return found


def _remembered(memo: dict[str, _Taken], unit: str, language: Language) -> _Taken:
    """Return the tokens of a unit, and remember them."""
    found = tokens_of(_unit(unit), language)
    if len(unit) <= MEMO_CHARS:
        if len(memo) >= MEMO_UNITS:
            memo.clear()
        memo[unit] = found
    return found


def _stemmer(language: Language) -> Callable[[list[str]], list[str]]:
    """Return what takes the endings off words of a language."""
    found = _stemmers.get(language)
    if found is None:
        made: Callable[[list[str]], list[str]] = library().stemmer(languages.NAMES[language])
        found = _stemmers.setdefault(language, made)
    return found
