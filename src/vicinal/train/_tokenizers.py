"""Tokenizer rules at work while a vocabulary is made, through the tokenizers library: words of texts, and their ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vicinal.errors import ModelLoadError

GROUP_TEXTS = 1024


class Rules:
    """The rules of one tokenizer.json, without cutting, padding and special tokens.

    Raises
    ------
    ModelLoadError
        The rules are none that the library knows.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(told))
        except MemoryError:
            raise
        except Exception as error:  # the library has no errors of its own: it raises this very class
            raise ModelLoadError(
                f"The rules of the tokenizer cannot be used: {error}.", where="tokenizer.json"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def ids(self, texts: Iterable[str], *, without: int | None = None) -> list[NDArray[np.int32]]:
        """Return the token ids of each text, without one of them: the one for what is unknown."""
        found = []
        for group in _groups(texts):
            for encoding in self._tokenizer.encode_batch_fast(group, add_special_tokens=False):
                ids = np.array(encoding.ids, dtype=np.int32)
                found.append(ids if without is None else ids[ids != without])
        return found

    def words(self, text: str) -> list[str]:
        """Return what the model of the tokenizer is given: the words of a text, normalized."""
        normalizer, before = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        normal = text if normalizer is None else normalizer.normalize_str(text)
        return [normal] if before is None else [word for word, _ in before.pre_tokenize_str(normal)]

    def frequent(self, texts: Iterable[str], count: int, *, without: Sequence[str] | Mapping[str, int]) -> list[str]:
        """Return the words that come most often and at least twice, equal ones by the alphabet, at most ``count``."""
        counts = Counter(word for text in texts for word in self.words(text))
        known = set(without)
        new = [(-often, word) for word, often in counts.items() if often > 1 and word not in known]
        return [word for _, word in sorted(new)[:count]]


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Go through the texts in groups of bounded size."""
    left = iter(texts)
    while group := list(islice(left, GROUP_TEXTS)):
        yield group
