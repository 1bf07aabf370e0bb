"""Pairs of texts → the token ids that a classifier reads: each text's own, and what stands around and between them."""

from __future__ import annotations

from pathlib import Path

from vicinal.encode._tokenizers import TextTokenizer
from vicinal.encode.windows import Ids
from vicinal.errors import ModelLoadError

PROBE = ("a", "b")
PANIC = "PanicException"
"""What the library raises for rules that contradict each other; it is no Exception, and can be caught by name only."""


class PairTokenizer(TextTokenizer):
    """The rules of one tokenizer.json for two texts. Safe for many threads.

    Attributes
    ----------
    head, middle, tail : tuple of int
        The special tokens before the first text, between the two, and behind the second.
    types : tuple of int
        The token type of head, first text, middle, second text and tail; the middle one of each of its tokens.

    Raises
    ------
    ModelLoadError
        The file is no tokenizer, or says nothing of pairs.
    """

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path)
            first, second = (self._tokenizer.encode(text, add_special_tokens=False).ids for text in PROBE)
            whole = self._tokenizer.encode(*PROBE, add_special_tokens=True)
        except BaseException as error:
            if type(error).__name__ != PANIC:
                raise
            raise ModelLoadError(
                f"{path} is no tokenizer that can be used: its rules name what is not there. Fetch the model again.",
                where=str(path),
            ) from error
        places = _places(whole.ids, first, second)
        if places is None:
            raise ModelLoadError(
                f"{path} does not say how two texts stand together, or puts special tokens into a text; it is of no "
                "cross-encoder.",
                where=str(path),
            )
        start, other = places
        self.head = tuple(whole.ids[:start])
        self.middle = tuple(whole.ids[start + len(first) : other])
        self.tail = tuple(whole.ids[other + len(second) :])
        self._head_types = tuple(whole.type_ids[:start])
        self._middle_types = tuple(whole.type_ids[start + len(first) : other])
        self._tail_types = tuple(whole.type_ids[other + len(second) :])
        self._text_types = (whole.type_ids[start], whole.type_ids[other])

    @property
    def pair_count(self) -> int:
        """How many special tokens a pair has."""
        return len(self.head) + len(self.middle) + len(self.tail)

    def joined(self, first: Ids, second: Ids) -> tuple[list[int], list[int]]:
        """Return the ids of a pair and the token type of each."""
        ids = [*self.head, *first.tolist(), *self.middle, *second.tolist(), *self.tail]
        types = [
            *self._head_types,
            *[self._text_types[0]] * len(first),
            *self._middle_types,
            *[self._text_types[1]] * len(second),
            *self._tail_types,
        ]
        return ids, types


def _places(whole: list[int], first: list[int], second: list[int]) -> tuple[int, int] | None:
    """Return where the tokens of each text begin in those of the pair."""
    start = _find(whole, first, 0)
    other = None if start is None else _find(whole, second, start + len(first))
    return None if start is None or other is None else (start, other)


def _find(whole: list[int], part: list[int], at: int) -> int | None:
    ends = range(at, len(whole) - len(part) + 1)
    return next((place for place in ends if part and whole[place : place + len(part)] == part), None)
