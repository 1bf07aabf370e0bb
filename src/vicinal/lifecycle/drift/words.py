"""Which words tell some texts from all others: class-based TF-IDF."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

from vicinal.lexical.words import normalized, unit_of

TERMS = 8
LEAST_CHARS = 2
OVER = 1.5
"""How much more frequent than everywhere a word must be to tell a class."""
COMMON = 0.05
FAR_OVER = 2.5
"""A word that more than so many of the other texts have tells nothing, in any language ("what", "is"), unless it is that
much more frequent here."""
MOST_CHARS = 20_000
"""Of one text that are looked at."""


def terms(texts: Sequence[str], classes: Sequence[Hashable], *, k: int = TERMS) -> Mapping[Hashable, tuple[str, ...]]:
    """Return the words that tell each class of texts from the others, the best first.

    Parameters
    ----------
    texts : sequence of str
    classes : sequence of hashable
        One for each text.
    k : int, 1 <= k
        Words of each class at most.

    Returns
    -------
    mapping of class to tuple of str
        A word that two texts of the class have, and more often than texts in general. Empty where there is none.

    Notes
    -----
    ``w(t, c) = share of t in c * log(1 + A / f(t))`` with A the words of a class on average and f(t) how often t occurs
    in all of them. Each text counts a word once. No list of stop words: they are frequent everywhere.

    References
    ----------
    Grootendorst 2022, "BERTopic: neural topic modeling with a class-based TF-IDF procedure", equation 2.
    """
    counts: dict[Hashable, Counter[str]] = {}
    sizes = Counter(classes)
    for text, one in zip(texts, classes, strict=True):
        counts.setdefault(one, Counter()).update(words_of(text))
    every: Counter[str] = Counter()
    for each in counts.values():
        every.update(each)
    total = sum(every.values())
    average = total / max(len(counts), 1)
    found = {}
    for one, each in counts.items():
        others = max(len(classes) - sizes[one], 1)
        most = {word: max(COMMON, count / sizes[one] / FAR_OVER) * others for word, count in each.items()}
        rare = Counter({word: count for word, count in each.items() if every[word] - count <= most[word]})
        found[one] = _best(rare, every, sum(each.values()), total, average, k)
    return found


def words_of(text: str) -> set[str]:
    """Return the different words of a text, in small letters; numbers and single signs are left out."""
    found = (word for unit in normalized(text[:MOST_CHARS]).split() for word in unit_of(unit).words)
    return {word for word in found if len(word) >= LEAST_CHARS and not word.isnumeric()}


def _best(mine: Counter[str], every: Counter[str], size: int, total: int, average: float, k: int) -> tuple[str, ...]:
    """Return the heaviest words of a class."""
    weights = {
        word: count / size * math.log(1 + average / every[word])
        for word, count in mine.items()
        if count > 1 and count / size >= OVER * every[word] / total
    }
    return tuple(sorted(weights, key=lambda word: (-weights[word], word))[:k])
