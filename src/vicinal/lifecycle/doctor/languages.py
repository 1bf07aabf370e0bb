"""Which languages the texts are in, and which of them the model cannot tell apart."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from vicinal.lexical.languages import NAMES
from vicinal.lifecycle.doctor.check import Check, Limits, judged, skipped
from vicinal.lifecycle.doctor.geometry import mean_cosine
from vicinal.types import Floats

SCRIPT_CHARS = 400
"""Characters of a text from which its script is told."""
SCRIPTS = {
    "CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean", "LATIN": "Latin", "GREEK": "Greek",
    "CYRILLIC": "Cyrillic", "ARABIC": "Arabic", "HEBREW": "Hebrew", "DEVANAGARI": "Devanagari", "THAI": "Thai",
}  # fmt: skip
LEAST_GROUP = 50
"""Texts of a language below which nothing is said of it."""
HOME_SHARE = 0.05
"""The language that the model knows best is looked for among those that have such a share of the texts."""
CROWDED_BY = 0.25
"""How much higher the mean cosine within a language is than within the best known one, where the model does not know it."""
FOREIGN = Limits(notice=0.0, alarm=0.05)
MIX = Limits()
SHOWN = 12

ACCENTED, ACCENTS = "accented Latin", 0.05
"""Latin with more than this share of letters beyond ASCII: a language such as Vietnamese, which has no list of words."""
UNTOLD = "no language told"
"""Latin without accents and without the commonest words of any language: code, tables, names."""
_ASCII_LETTERS = re.compile("[A-Za-z]+")
_KNOWN: dict[str, str] = {}


def script_of(text: str) -> str:
    """Return the script that most letters among the first ones of a text are in, ``""`` where there are no letters.

    Latin with many accents is told apart; Han beside Japanese letters is Japanese.
    """
    head = text[:SCRIPT_CHARS]
    rest = _ASCII_LETTERS.sub("", head)
    plain = len(head) - len(rest)
    if rest.isascii():
        return "Latin" if plain else ""
    counts = Counter(_script(letter) for letter in rest if letter.isalpha())
    counts["Latin"] += plain
    if counts["Japanese"]:  # written with Han beside its own letters
        counts["Japanese"] += counts.pop("Han", 0)
    best = max(counts, key=lambda one: (counts[one], one)) if counts.total() else ""
    return ACCENTED if best == "Latin" and counts[best] - plain > ACCENTS * counts[best] else best


def _script(letter: str) -> str:
    """Return the script of a letter, by the first word of its name in Unicode."""
    found = _KNOWN.get(letter)
    if found is None:
        name = unicodedata.name(letter, "OTHER").split(" ", 1)[0]
        found = _KNOWN[letter] = SCRIPTS.get(name, name.capitalize())
    return found


def groups_of(languages: Sequence[str], scripts: Sequence[str]) -> list[str]:
    """Return for each text its language, or its script where no language was told, ``""`` for a text without letters."""
    named = {"": "", "Latin": UNTOLD}
    return [
        NAMES[language] if language else named.get(script, f"{script} script")
        for language, script in zip(languages, scripts, strict=True)
    ]


def crowding(unit: Floats, groups: Sequence[str]) -> Mapping[str, tuple[int, float]]:
    """Return for each group of enough texts how many there are, and the mean cosine within it; the largest group first.

    Parameters
    ----------
    unit : float32 array of shape (N, D)
        At unit length.
    groups : sequence of str
        The group of each; ``""`` and ``UNTOLD`` are none.
    """
    array = np.asarray(groups, dtype=object)
    counts = Counter(one for one in groups if one not in {"", UNTOLD})
    return {
        name: (count, mean_cosine(unit[array == name])) for name, count in counts.most_common() if count >= LEAST_GROUP
    }


def check_languages(unit: Floats, groups: Sequence[str]) -> list[Check]:
    """Return the mix of languages, and what of it the model does not know."""
    told = Counter(one for one in groups if one)
    if not told:
        return [skipped("languages", "languages", "No text has letters.")]
    total = sum(told.values())
    shares = {name: count / total for name, count in told.most_common(SHOWN)}
    mix = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.005)  # noqa: PLR2004 - what is shown as 1 %
    found = [
        judged(
            "languages",
            "languages",
            1 - next(iter(shares.values())),
            MIX,
            unit="share besides the commonest",
            told=f"The texts are {mix}.",
            details={"shares": shares},
        )
    ]
    crowded = crowding(unit, groups)
    large = {name: mean for name, (count, mean) in crowded.items() if count >= HOME_SHARE * total}
    if not large:
        why = f"No language has {LEAST_GROUP} texts and {HOME_SHARE:.0%} of all."
        return [*found, skipped("foreign languages", "languages", why)]
    best = min(large, key=lambda name: large[name])
    home = large[best]
    foreign = {name: (count, mean) for name, (count, mean) in crowded.items() if mean - home > CROWDED_BY}
    names = ", ".join(f"{name} (mean cosine {mean:.2f})" for name, (_, mean) in foreign.items())
    return [
        *found,
        judged(
            "foreign languages",
            "languages",
            sum(count for count, _ in foreign.values()) / total,
            FOREIGN,
            told=f"The model hardly tells texts apart in {names}; within {best} it is {home:.2f}."
            if foreign
            else f"No language lies crowded; the least mean cosine within one is {home:.2f}.",
            advice="These texts cannot be found by meaning: use a multilingual model, or search them by words.",
            details={name: {"texts": count, "mean_cosine": mean} for name, (count, mean) in crowded.items()},
        ),
    ]
