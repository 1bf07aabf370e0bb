"""Texts → rows of a table, each piece between plain white space looked up once and remembered.

A tokenizer that works word by word gives a text the tokens of its pieces, one after the other. So most of a text
costs one look into a dictionary for each word; only pieces that were not met before reach the tokenizer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.types import Floats, Rows

Ids = NDArray[np.int32]

MAX_PIECES = 200_000
MAX_PIECE_CHARS = 16_000_000
"""What is remembered, about 60 MB; beyond it the memory begins anew."""
PLAIN_SPACE = "\t\n\r"
"""What is white space to every tokenizer, beside the space itself; what else may be is left within a piece."""
END = "\0"
"""Stands behind each text. Texts that hold it are not taken apart."""
WORD_BY_WORD = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
CHARACTER_BY_CHARACTER = {"BertNormalizer", "Lowercase", "StripAccents", "NFC", "NFD", "NFKC", "NFKD"}
"""Rules that look across no plain white space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The rows of some texts, for ``kernels.mean_rows``.

    ``rows`` int32 (R,); text i has those from ``offsets[i]`` to ``offsets[i + 1]``, int64 (N + 1,).
    ``weights`` float32 (R,) or None. ``words`` int64 (N,): of how many words the rows are, which is as many as rows
    unless words have several.
    """

    rows: Ids
    offsets: Rows
    weights: Floats | None
    words: Rows


Pick = Callable[[list[str]], Picked]


def is_word_by_word(rules: Mapping[str, Any]) -> bool:
    """Return whether a tokenizer.json gives a text the tokens of its pieces between plain white space.

    So it is where it splits at white space before anything else, where its normalizer looks at single characters
    (or at those that combine, which white space never does), and where no added token holds white space.
    """
    before, normalizer = rules.get("pre_tokenizer"), rules.get("normalizer")
    if not isinstance(before, dict) or before.get("type") not in WORD_BY_WORD or rules.get("model") is None:
        return False
    if normalizer is not None and not all(_is(step, *CHARACTER_BY_CHARACTER) for step in _steps(normalizer)):
        return False
    added = rules.get("added_tokens") or []
    return all(isinstance(token, dict) and not _has_space(token.get("content")) for token in added)


def _steps(normalizer: Any) -> list[Any]:  # noqa: ANN401 - a value of JSON
    listed = normalizer.get("normalizers") if _is(normalizer, "Sequence") else [normalizer]
    return listed if isinstance(listed, list) else [None]


def _is(rule: Any, *kinds: str) -> bool:  # noqa: ANN401 - a value of JSON
    return isinstance(rule, dict) and rule.get("type") in kinds


def _has_space(content: object) -> bool:
    return not isinstance(content, str) or any(character.isspace() for character in content)


class PieceMemory:
    """Remembers the rows of pieces. Safe for many threads.

    Parameters
    ----------
    pick : callable
        Returns the rows of texts that have not been met; a piece has the same rows alone as within any text.
    """

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self._known = _Known()

    def __call__(self, texts: list[str]) -> Picked:
        """Return the rows of some texts."""
        if any(END in text for text in texts):
            return self._pick(texts)
        known = self._known
        numbers = known.numbers(_split(texts), self._pick)
        picked = known.picked(numbers, len(texts))
        if known.is_full:
            self._known = _Known()
        return picked


class _Numbers(dict[str, int]):
    """Numbers of pieces, -1 for one that is not there."""

    def __missing__(self, piece: str) -> int:
        return -1


class _Known:
    """The pieces that were met, by number: 0 is the end of a text, which has no rows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = _Numbers({END: 0})
        self._chars = 0
        none, two = np.zeros(0, dtype=np.int32), np.zeros(2, dtype=np.int64)
        self._all = Picked(rows=none, offsets=two, weights=None, words=two[:1]), two[:1]

    @property
    def is_full(self) -> bool:
        return len(self._number) > MAX_PIECES or self._chars > MAX_PIECE_CHARS

    def numbers(self, pieces: list[str], pick: Pick) -> NDArray[np.int32]:
        """Return the number of each piece; those that are new are learnt."""
        found = self._look_up(pieces)
        new = {pieces[place] for place in np.flatnonzero(found < 0).tolist()}
        if not new:
            return found
        with self._lock:
            self._learn([piece for piece in new if piece not in self._number], pick)
        return self._look_up(pieces)

    def _look_up(self, pieces: list[str]) -> NDArray[np.int32]:
        if len(pieces) < 2:  # noqa: PLR2004 - itemgetter gives one value bare
            return np.array([self._number[piece] for piece in pieces], dtype=np.int32)
        return np.fromiter(itemgetter(*pieces)(self._number), np.int32, len(pieces))  # a third faster than map over get

    def _learn(self, new: list[str], pick: Pick) -> None:
        """Add pieces: first their rows, then their numbers, so that a number is never ahead of its rows."""
        if not new:
            return
        (known, _), more, first = self._all, pick(new), len(self._number)
        weights = None if more.weights is None else _joined([known.weights, more.weights], np.float32)
        joined = Picked(
            rows=_joined([known.rows, more.rows], np.int32),
            offsets=_joined([known.offsets, more.offsets[1:] + len(known.rows)], np.int64),
            weights=weights,
            words=_joined([known.words, more.words], np.int64),
        )
        self._all = joined, np.diff(joined.offsets)
        self._chars += sum(map(len, new))
        self._number.update(zip(new, range(first, first + len(new)), strict=True))

    def picked(self, numbers: NDArray[np.int32], count: int) -> Picked:
        """Return the rows of the pieces with these numbers, text by text."""
        known, all_sizes = self._all
        sizes = all_sizes[numbers]
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(known.offsets[:-1][numbers] - (ends - sizes), sizes) + np.arange(total)
        last = np.flatnonzero(numbers == 0)
        words = np.cumsum(known.words[numbers])[last]
        offsets = np.zeros(count + 1, dtype=np.int64)
        offsets[1:] = ends[last]
        return Picked(
            rows=known.rows[places],
            offsets=offsets,
            weights=None if known.weights is None else known.weights[places],
            words=np.diff(words, prepend=0),
        )


def _joined(parts: Iterable[NDArray[Any] | None], kind: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([part for part in parts if part is not None], dtype=kind)


def _split(texts: list[str]) -> list[str]:
    """Return the pieces of all texts between plain white space, and an end behind each text."""
    joined = f" {END} ".join([*texts, ""])
    for space in PLAIN_SPACE:
        joined = joined.replace(space, " ")
    return joined.split(" ")[:-1]
