r"""Words of a text: what a person would look for, in parts and whole.

A text is cut at white space, and each unit is taken apart level by level. ``log.XJ-4821`` gives the words ``log``, ``xj``
and ``4821``, and the wholes ``log.xj-4821`` and ``xj-4821``: nothing that was written together is lost.

====================  ==========================  ==================================
unit                  words                       wholes
====================  ==========================  ==================================
``getUserName()``     get user name               getusername
``snake_case``        snake case                  snake_case
``v2.3.1``            v 2 3 1                     v2.3.1, v2
``foo@bar.org``       foo bar org                 foo@bar.org, bar.org
``1,000``             1 000                       1,000, 1000
``C++``               c                           c++
``東京都``            東京 京都                   –
====================  ==========================  ==================================
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

TOKEN_CHARS = 120
"""A longer token keeps its beginning and gets a digest of the rest: it is found whole, and only so."""
PREFIX_CHARS = 96
CODE_DIGITS = 3

_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0980-\u09e3\u0a00-\u0ddf\u0e31\u0e34-\u0e3a"
    "\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\u200d"
)
"""Signs that belong to the letter before them: vowels and viramas of Indic scripts, points, accents."""
_UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Scripts without spaces between words (and Hangul, whose words carry particles): Thai, Lao, Burmese, Khmer, CJK."""
_GLUE = re.compile("[\u00ad\u200b\u200c\u2060\ufeff]+")
_APOSTROPHES = re.compile("[‘’ʼ′]")
_HYPHENS = re.compile("[‐‑‒–−]")
_DASHES = re.compile("[—―]")
_OUTER = re.compile(r"[;=()\[\]{}<>\"|!?`“”«»„•·¿¡。、「」『』【】《》〈〉…]+|,(?!\d)|(?<!\d),")
_HELD = re.compile(rf"[\w{_MARKS}]")
_LEVELS = (
    re.compile(rf"[^\w{_MARKS}.'_-]+"),
    re.compile(r"\.+"),
    re.compile(r"-+"),
    re.compile(r"'+"),
    re.compile(r"_+"),
    re.compile(
        r"(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s(?![a-z]))"
        r"|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])"
    ),
)
_APOSTROPHE_LEVEL = 3
_CONTRACTION = re.compile(r"[^\W\d_]+'(?:t|ll|re|ve|d|m)", re.IGNORECASE)
_POSSESSIVE = re.compile(r"(?<=\w)'s?$", re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+")
_SIGNED = re.compile(r"[^\W_]{1,3}(?:\+{1,2}|#)")
_MARKED = re.compile(rf"[.@#$€£][\w{_MARKS}]")
_RUNS = re.compile(rf"([{_UNSPACED}]+)")
_HAS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_FOLDED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŋ": "n", "ŧ": "t"}
)
_FOLDABLE = re.compile(r"[\u00c0-\u024f\u0370-\u03ff\u1e00-\u1fff\u0451\u05d0-\u05ea\u0620-\u064a]")
_ACCENTS = re.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0640]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What stands between two spaces: its words in order, and what was written together, the longest first.

    ``ends`` are the last signs of runs in scripts without spaces: with the pairs they make every sign findable alone.
    """

    words: tuple[str, ...]
    wholes: tuple[str, ...]
    ends: tuple[str, ...] = ()


def normalized(text: str) -> str:
    """Return a text in compatibility form (NFKC) with one apostrophe and one hyphen, fit for UTF-8."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    text = unicodedata.normalize("NFKC", _GLUE.sub("", text))
    return _DASHES.sub(" ", _HYPHENS.sub("-", _APOSTROPHES.sub("'", text)))


def unit_of(unit: str) -> Unit:
    """Return the words and the wholes of a unit: normalized text without white space.

    Notes
    -----
    Case is folded; accents stay. Cost: linear in the length, times six levels.
    """
    words: list[str] = []
    wholes: dict[str, None] = {}
    ends: dict[str, None] = {}
    for piece in _OUTER.split(unit):
        if piece:
            _take(piece, words, wholes, ends)
    return Unit(words=tuple(map(_bounded, words)), wholes=tuple(map(_bounded, wholes)), ends=tuple(ends))


def folded(word: str) -> str:
    """Return a word without accents: Latin and Greek letters bare, Arabic and Hebrew without points; others as they are."""
    if word.isascii():
        return word
    if _FOLDABLE.search(word):
        bare = unicodedata.normalize("NFD", word.replace("ё", "е"))
        word = unicodedata.normalize("NFC", _ACCENTS.sub("", bare)).translate(_FOLDED)
    return word


def _take(piece: str, words: list[str], wholes: dict[str, None], ends: dict[str, None]) -> None:
    """Add what a piece without outer punctuation holds."""
    core = _core_of(piece)
    if not core:
        if not piece.isascii() and any(unicodedata.category(sign)[0] == "S" for sign in piece):
            words.append(piece)
        return
    _keep_signs(piece, core, wholes)
    inner = core.strip("_")
    if inner != core and inner:
        wholes[core.casefold()] = None
    if inner:
        _descend(inner, 0, words, wholes, ends)


def _core_of(piece: str) -> str:
    """Return a piece without the punctuation around it. Linear: a pattern with an end would begin anew at each sign."""
    first = _HELD.search(piece)
    if first is None:
        return ""
    end = len(piece)
    while not _HELD.match(piece, end - 1):
        end -= 1
    return piece[first.start() : end]


def _keep_signs(piece: str, core: str, wholes: dict[str, None]) -> None:
    """Add a word with the signs that change what it names: ``C++``, ``F#``, ``.NET``, ``@name``, ``$100``."""
    place = piece.index(core)
    signed = _SIGNED.match(piece, place)
    if signed and signed.end() > place + len(core):
        wholes[signed[0].casefold()] = None
    if place and _MARKED.match(piece, place - 1):
        wholes[piece[place - 1 : place + len(core)].casefold()] = None


def _descend(piece: str, level: int, words: list[str], wholes: dict[str, None], ends: dict[str, None]) -> None:
    """Take a piece apart from one level on."""
    while level < len(_LEVELS):
        if level == _APOSTROPHE_LEVEL:
            piece = _POSSESSIVE.sub("", piece)
            if _CONTRACTION.fullmatch(piece):
                words.append(piece.casefold())
                return
        parts = [part for part in _LEVELS[level].split(piece) if part]
        level += 1
        if len(parts) > 1:
            wholes[piece.casefold()] = None
            if _THOUSANDS.fullmatch(piece):
                wholes[piece.replace(",", "")] = None
            for part in parts:
                _descend(part, level, words, wholes, ends)
            return
        if not parts:
            return
        piece = parts[0]
    _leaf(piece, words, ends)


def _leaf(piece: str, words: list[str], ends: dict[str, None]) -> None:
    """Add what cannot be taken apart: a word, or pairs of signs where words have no spaces between them."""
    if not _HAS_UNSPACED.search(piece):
        words.append(piece.casefold())
        return
    for part in _RUNS.split(piece):
        if not part:
            continue
        if not _HAS_UNSPACED.match(part) or len(part) == 1:
            words.append(part.casefold())
        else:
            words.extend(part[place : place + 2] for place in range(len(part) - 1))
            ends[part[-1]] = None


def is_code(token: str) -> bool:
    """Return whether a token names one thing: a number of three digits or more, a version, an address, a path."""
    if token.isalpha():
        return False
    digits = sum(sign.isdigit() for sign in token)
    if digits >= CODE_DIGITS or "@" in token[1:]:
        return True
    return token.count("/") + token.count("\\") > 1 or (digits > 0 and token.count(".") > 1)


def is_lone(word: str) -> bool:
    """Return whether a word is one sign of a script without spaces: only pairs that begin with it can be looked for."""
    return len(word) == 1 and _HAS_UNSPACED.match(word) is not None


def _bounded(token: str) -> str:
    """Return a token of bounded length that still tells two long ones apart."""
    if len(token) <= TOKEN_CHARS:
        return token
    rest = hashlib.blake2b(token.encode(), digest_size=8).hexdigest()
    return f"{token[:PREFIX_CHARS]}\u241f{rest}"
