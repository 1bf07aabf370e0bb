"""What the rows of the table stand for: the teacher's own tokens, without those that mean nothing, and words of the user's.

::

    a network with token ids   its tokenizer.json; WordPiece is made smaller, and may be given whole words
    any other encoder          words, split and made small as BERT does: a word is one token or unknown
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal.encode import TextEncoder
from vicinal.encode.shrink.length import unit_or_zero
from vicinal.errors import InputError, RangeError, UnsupportedError
from vicinal.models import TOKENIZER, read_json
from vicinal.space import Encoder
from vicinal.train._tokenizers import Rules
from vicinal.types import Floats

UNKNOWN = "[UNK]"
UNUSED = re.compile(r"\[unused[0-9]+\]")
WORDS = 30_000
"""How many words of the corpus stand for an encoder without token ids, unless the caller says how many."""
MAX_WORD_CHARS = 100
TOKENS_AT_ONCE = 4096
PLAIN_RULES: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": True,
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {UNKNOWN: 0}, "unk_token": UNKNOWN},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The tokens of the table.

    ``rules`` is the tokenizer.json; ``tokens`` the text of each row's token, ``""`` for a row that stays zero;
    ``ids`` what the teacher is given for each, None where it is given texts; ``unknown`` the id for what is unknown.
    """

    rules: Mapping[str, Any]
    tokens: list[str]
    ids: list[tuple[int, ...]] | None
    unknown: int | None
    words: int

    def __len__(self) -> int:
        """Return V."""
        return len(self.tokens)

    @property
    def known(self) -> int:
        """How many rows do not stay zero."""
        return sum(map(bool, self.tokens))


def vocabulary_of(
    teacher: Encoder, corpus: Sequence[str], *, vocabulary: Sequence[str] | None, words: int | None
) -> Vocabulary:
    """Return the vocabulary for a student of a teacher.

    Parameters
    ----------
    teacher : Encoder
        Whose tokens are taken, if it can be given token ids.
    corpus : sequence of str
        Where frequent words are looked for.
    vocabulary : sequence of str, optional
        Words to be tokens of their own.
    words : int, optional
        How many words of the corpus become tokens besides, the frequent ones first.

    Raises
    ------
    InputError
        There are no tokens: the teacher has none, and neither words nor texts came.
    RangeError
        Something in ``vocabulary`` is not one word.
    UnsupportedError
        Words were asked for, and the teacher's tokenizer cannot be given any.
    """
    own = _own_rules(teacher)
    if own is None:
        return _of_words(corpus, vocabulary or (), WORDS if words is None else words)
    if own["model"].get("type") != "WordPiece":
        if vocabulary or words:
            raise UnsupportedError(
                f"Words can be added to a WordPiece tokenizer; the teacher's is {own['model'].get('type')}. Leave "
                "vocabulary and words out.",
                expected="WordPiece",
                got=own["model"].get("type"),
                where="vocabulary" if vocabulary else "words",
            )
        return _as_it_is(own)
    return _of_pieces(own, corpus, vocabulary or (), words or 0)


def token_vectors(teacher: Encoder, found: Vocabulary, *, told: Callable[[int], None] | None = None) -> Floats:
    """Return what the teacher says of each token alone: float32 (V, F), unit length, zero where a row stays zero.

    With token ids its special tokens stand around each; without, each is a document.
    ``told`` is called with the number of tokens after each part.
    """
    array: Floats | None = None
    rows = [row for row, token in enumerate(found.tokens) if token]
    for start in range(0, len(rows), TOKENS_AT_ONCE):
        part = rows[start : start + TOKENS_AT_ONCE]
        said = unit_or_zero(_said(teacher, found, part))
        array = np.zeros((len(found), said.shape[1]), dtype=np.float32) if array is None else array
        array[part] = said
        if told is not None:
            told(len(part))
    return np.zeros((len(found), teacher.space.dim), dtype=np.float32) if array is None else array


def _said(teacher: Encoder, found: Vocabulary, rows: list[int]) -> Floats:
    """Return the teacher's vectors of some tokens."""
    if found.ids is not None and isinstance(teacher, TextEncoder):
        return teacher.encode_ids([np.array(found.ids[row], dtype=np.int32) for row in rows])
    return np.asarray(teacher.encode_documents([found.tokens[row] for row in rows]))


def _own_rules(teacher: Encoder) -> dict[str, Any] | None:
    """Return the teacher's tokenizer.json, or None where it cannot be asked for the vector of a token id.

    A network with a head behind its pooling cannot: what stands before the head lies in another space.
    """
    if not isinstance(teacher, TextEncoder) or teacher.pin.heads or not (teacher.folder / TOKENIZER).is_file():
        return None
    rules = read_json(teacher.folder / TOKENIZER)
    return rules if isinstance(rules.get("model"), dict) else None


def _of_pieces(own: Mapping[str, Any], corpus: Sequence[str], vocabulary: Sequence[str], words: int) -> Vocabulary:
    """Return a WordPiece vocabulary without special and unused tokens, whole words behind it."""
    rules = _bare(own)
    unknown = rules["model"].get("unk_token")
    special = {token["content"] for token in own.get("added_tokens") or [] if token.get("special")}
    old: dict[str, int] = own["model"]["vocab"]
    kept = [
        token
        for token in sorted(old, key=lambda token: old[token])
        if token == unknown or not (token in special or UNUSED.fullmatch(token))
    ]
    before = Rules(own)
    added = _checked_words(vocabulary, before)
    added += before.frequent(corpus, words, without={**old, **dict.fromkeys(added, 0)}) if words else []
    added = [word for word in dict.fromkeys(added) if word not in old and len(word) <= MAX_WORD_CHARS]
    tokens = [*kept, *added]
    rules["model"]["vocab"] = {token: row for row, token in enumerate(tokens)}
    rules["added_tokens"] = [_added(row, token) for row, token in enumerate(tokens) if token == unknown]
    ids = [(old[token],) for token in kept] + [tuple(ids.tolist()) for ids in before.ids(added)]
    return Vocabulary(
        rules=rules,
        tokens=["" if token == unknown else token for token in tokens],
        ids=ids,
        unknown=rules["model"]["vocab"].get(unknown),
        words=len(added),
    )


def _as_it_is(own: Mapping[str, Any]) -> Vocabulary:
    """Return a vocabulary of another kind: the ids stay as they are, special tokens stay zero."""
    model, added = own["model"], own.get("added_tokens") or []
    listed = model.get("vocab")
    by_id = (
        {row: piece[0] for row, piece in enumerate(listed)}
        if isinstance(listed, list)
        else {row: token for token, row in dict(listed or {}).items()}
    )
    by_id |= {token["id"]: "" if token.get("special") else token["content"] for token in added}
    unknown = model.get("unk_id")
    unknown = dict(listed or {}).get(model.get("unk_token")) if isinstance(listed, dict) else unknown
    tokens = ["" if row == unknown else by_id.get(row, "") for row in range(max(by_id, default=-1) + 1)]
    return Vocabulary(
        rules=_bare(own), tokens=tokens, ids=[(row,) for row in range(len(tokens))], unknown=unknown, words=0
    )


def _of_words(corpus: Sequence[str], vocabulary: Sequence[str], words: int) -> Vocabulary:
    """Return a vocabulary of whole words."""
    before = Rules(PLAIN_RULES)
    given = _checked_words(vocabulary, before)
    found = [*given, *before.frequent(corpus, words, without=given)]
    found = [word for word in dict.fromkeys(found) if word != UNKNOWN and len(word) <= MAX_WORD_CHARS]
    if not found:
        raise InputError(
            "The teacher has no tokens of its own, so the student needs words: give a corpus, or words as vocabulary.",
            where="vocabulary",
        )
    rules = copy.deepcopy(PLAIN_RULES)
    rules["model"] = {**PLAIN_RULES["model"], "vocab": {token: row for row, token in enumerate([UNKNOWN, *found])}}
    rules["added_tokens"] = [_added(0, UNKNOWN)]
    return Vocabulary(rules=rules, tokens=["", *found], ids=None, unknown=0, words=len(found))


def _bare(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return rules without cutting, padding and special tokens around a text."""
    return {**copy.deepcopy(dict(own)), "truncation": None, "padding": None, "post_processor": None}


def _added(row: int, token: str) -> dict[str, Any]:
    """Return the entry of a special token."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": row, "content": token, **flags, "special": True}


def _checked_words(vocabulary: Iterable[str], rules: Rules) -> list[str]:
    """Return the words as the tokenizer sees them; refuse what it would split."""
    found = []
    for place, text in enumerate(vocabulary):
        words = rules.words(text)
        if len(words) != 1:
            raise RangeError(
                f"vocabulary[{place}] must be one word for the tokenizer, which makes {len(words)} of it.",
                expected=1,
                got=len(words),
                where=place,
            )
        found += words
    return found
