"""Answers that were given before, by question: bounded, of one state, one space, one filter, one set of parameters.

What tells one question from another beside its words is its ``Binding``. An answer is found again only under an equal
one, so a commit, another filter or another model makes every answer of before unreachable, and the next that is put
drops it.

Letters: E entries of a binding, D dimensions.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

import numpy as np

from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from vicinal.types import Floats, Hits

CACHE_BYTES = 64 << 20
"""Bytes of answers, questions and vectors that are kept."""
ENTRY_BYTES = 1024
"""What an entry takes beside its answer, its words and its vector."""
SHARE = 4
"""An answer of more than the room divided by this is not kept: it would drive out too many others."""
EDGE = 1e-6
"""What a cosine in float32 may be off: one that is nearer to the threshold reaches it."""
MOST_DEPTH = 100
"""Levels of lists and mappings of a parameter."""
FIRST_ROWS = 8
MOST_COLLECTIONS = 1024
"""Collections whose newest commit is remembered."""
HIT_BYTES = 400
"""What a hit takes beside its texts and fields."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What an answer depends on beside the words of its question.

    Parameters
    ----------
    space : str
        The id of the space.
    collection : str
        What no other collection is or was called: database, and number or name with what tells its history.
    sequence : int
        The last commit that changed the collection.
    parameters : mapping
        All else that changes the answer: the filter, k, the mode, the recall … Texts, numbers, booleans, None, dates,
        and lists, sets and mappings of them.

    Raises
    ------
    DtypeError
        A parameter is of a kind whose equality is not known here.
    """

    space: str
    collection: str
    sequence: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out the digest once."""
        told = [self.space, self.collection, self.sequence, _canonical(self.parameters, MOST_DEPTH)]
        said = json.dumps(told, ensure_ascii=True, separators=(",", ":"))
        object.__setattr__(self, "digest", hashlib.blake2b(said.encode(), digest_size=16).hexdigest())


def _canonical(value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return plain JSON that is equal for equal values, and for no others: the kind of each is in it."""
    if depth == 0:
        raise RangeError(f"A parameter is nested deeper than {MOST_DEPTH} levels.", where="parameters")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float | date):
        return [type(value).__name__, value.isoformat() if isinstance(value, date) else repr(value)]
    if isinstance(value, Mapping):
        named = sorted((str(name), _canonical(one, depth - 1)) for name, one in _checked_names(value).items())
        return ["map", *map(list, named)]
    if isinstance(value, AbstractSet):
        return ["set", *sorted((_canonical(one, depth - 1) for one in value), key=json.dumps)]
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return ["list", *(_canonical(one, depth - 1) for one in value)]
    raise DtypeError(
        f"A parameter of an answer must be plain data, got {type(value).__name__}.",
        expected="text, number, boolean, None, date, list, set or mapping",
        got=type(value).__name__,
        where="parameters",
    )


def _checked_names(value: Mapping[Any, Any]) -> Mapping[str, Any]:
    if not all(isinstance(name, str) for name in value):
        raise DtypeError("The names of parameters must be strings.", expected="str", where="parameters")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Generic[T]):
    """An answer that was given before, the words that it was given to, and how near they are: 1.0 for the same."""

    answer: T
    query: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStatistics:
    """What the cache did so far, and what it holds.

    ``exact`` and ``near`` count the questions that were answered, ``misses`` those that were not. ``dropped`` counts
    answers that went for want of room, ``outdated`` those that went because a later commit was seen.
    """

    exact: int = 0
    near: int = 0
    misses: int = 0
    dropped: int = 0
    outdated: int = 0
    entries: int = 0
    byte_count: int = 0


class Answers(Generic[T]):
    """A cache of answers. Safe for many threads; the longest unused go first.

    Parameters
    ----------
    most_bytes : int, 0 <= most_bytes
        What it may hold, by what ``put`` is told; 0 keeps nothing.
    least_similarity : float, 0 < least_similarity <= 1, optional
        The cosine from which a question counts as the same as another (within 1e-6). None: only the same words do.
        A near question has other words, and may mean the opposite: "with" and "without" are at 0.95 in many models.
        So it is told by whoever has measured it.

    Notes
    -----
    Cost: about 2 µs for the same words; for near ones one product of the vector with those of the binding, E · D.
    """

    def __init__(self, *, most_bytes: int = CACHE_BYTES, least_similarity: float | None = None) -> None:
        if least_similarity is not None and not 0 < least_similarity <= 1:
            raise RangeError(
                f"least_similarity must be above 0 and at most 1, got {least_similarity}.",
                expected="0 < least_similarity <= 1",
                got=least_similarity,
                where="least_similarity",
            )
        self.most_bytes = whole_number(most_bytes, "most_bytes", low=0)
        self.least_similarity = least_similarity
        self._guard = threading.Lock()
        self._entries: OrderedDict[tuple[str, str], _Entry[T]] = OrderedDict()
        self._groups: dict[str, _Group[T]] = {}
        self._of: dict[tuple[str, str], dict[tuple[str, str], None]] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self._serial = 0
        self._bytes = 0
        self._counts = dict.fromkeys(("exact", "near", "misses", "dropped", "outdated"), 0)

    def get(self, binding: Binding, query: str, vector: Floats | None = None) -> Known[T] | None:
        """Return an answer of before, None if there is none.

        Parameters
        ----------
        binding : Binding
            As of now.
        query : str
            The words. A question that is a vector has none: give what tells it from others, such as a digest.
        vector : float32 array of shape (D,), optional
            Of the question. Without it only the same words are found: ask so before the question is encoded, and with
            it afterwards. The first of the two counts no miss where near ones are looked for.

        Raises
        ------
        ShapeError, NonFiniteError
            The vector is no line of finite numbers.
        """
        unit = None if vector is None or self.least_similarity is None else _unit(vector)
        with self._guard:
            entry = self._entries.get((binding.digest, query))
            similarity, counted = 1.0, "exact"
            if entry is None and unit is not None:
                entry, similarity = self._near(binding, unit)
                counted = "near"
            if entry is None:
                if vector is not None or self.least_similarity is None:
                    self._counts["misses"] += 1
                return None
            self._counts[counted] += 1
            self._entries.move_to_end((entry.digest, entry.query))
            return Known(answer=entry.answer, query=entry.query, similarity=similarity)

    def put(self, binding: Binding, query: str, vector: Floats | None, answer: T, *, byte_count: int) -> bool:
        """Keep an answer, in place of the one to the same words; return whether it was kept.

        Parameters
        ----------
        binding : Binding
            As of the commit that the answer is of: read before the answer was worked out.
        query, vector
            As ``get``. Without a vector it is found by the same words only.
        answer : object
            Not changed afterwards.
        byte_count : int, 0 <= byte_count
            What it takes; see ``bytes_of``.
        """
        unit = None if vector is None or self.least_similarity is None else _unit(vector)
        byte_count = whole_number(byte_count, "byte_count", low=0)
        byte_count += ENTRY_BYTES + sys.getsizeof(query) + (0 if unit is None else 2 * unit.nbytes)
        with self._guard:
            if not self._is_newest(binding) or byte_count * SHARE > self.most_bytes:
                return False
            self._drop((binding.digest, query))
            self._serial += 1
            where = (binding.space, binding.collection)
            entry = _Entry(binding.digest, query, answer, byte_count, self._serial, where)
            self._entries[binding.digest, query] = entry
            self._of.setdefault(where, {})[binding.digest, query] = None
            self._bytes += byte_count
            if unit is not None:
                self._groups.setdefault(binding.digest, _Group()).add(entry, unit)
            while self._bytes > self.most_bytes:
                self._counts["dropped"] += 1
                self._drop(next(iter(self._entries)))
            return True

    def clear(self) -> None:
        """Forget every answer; the counts stay."""
        with self._guard:
            self._entries.clear()
            self._groups.clear()
            self._of.clear()
            self._newest.clear()
            self._bytes = 0

    def statistics(self) -> AnswerStatistics:
        """Return what was counted so far, and what is held."""
        with self._guard:
            return AnswerStatistics(**self._counts, entries=len(self._entries), byte_count=self._bytes)

    def _near(self, binding: Binding, unit: Floats) -> tuple[_Entry[T] | None, float]:
        """Return the nearest entry of a binding that is near enough, equal ones by age, and its cosine."""
        group = self._groups.get(binding.digest)
        if group is None or self.least_similarity is None:
            return None, 0.0
        entry, similarity = group.nearest(unit)
        return (entry, min(similarity, 1.0)) if similarity >= self.least_similarity - EDGE else (None, 0.0)

    def _is_newest(self, binding: Binding) -> bool:
        """Return whether no later commit of the collection was seen; drop what is of an earlier one."""
        where = (binding.space, binding.collection)
        newest = self._newest.get(where, -1)
        if binding.sequence > newest:
            outdated = list(self._of.get(where, ()))
            self._counts["outdated"] += len(outdated)
            for key in outdated:
                self._drop(key)
            if len(self._newest) >= MOST_COLLECTIONS:
                self._newest.clear()  # what is older is kept for nothing then, until it goes; it is not found
            self._newest[where] = binding.sequence
        return binding.sequence >= newest

    def _drop(self, key: tuple[str, str]) -> None:
        """Forget one entry, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= entry.byte_count
        keys = self._of[entry.where]
        del keys[key]
        if not keys:
            del self._of[entry.where]
        group = self._groups.get(entry.digest)
        if group is not None and group.remove(entry) == 0:
            del self._groups[entry.digest]


@dataclass(frozen=True, slots=True, eq=False)
class _Entry(Generic[T]):
    """An answer that is kept. ``serial`` rises with each."""

    digest: str
    query: str
    answer: T
    byte_count: int
    serial: int
    where: tuple[str, str]


class _Group(Generic[T]):
    """The entries of one binding that have a vector: entry i has row i, at unit length."""

    __slots__ = ("_places", "_rows", "entries")

    def __init__(self) -> None:
        self.entries: list[_Entry[T]] = []
        self._places: dict[int, int] = {}
        self._rows: Floats = np.zeros((0, 0), dtype=np.float32)

    def add(self, entry: _Entry[T], unit: Floats) -> None:
        """Take an entry with its vector."""
        count = len(self.entries)
        self._require_dim(unit)
        if count == len(self._rows):
            grown = np.zeros((max(FIRST_ROWS, 2 * count), len(unit)), dtype=np.float32)
            grown[:count] = self._rows[:count] if count else 0
            self._rows = grown
        self._rows[count] = unit
        self._places[entry.serial] = count
        self.entries.append(entry)

    def remove(self, entry: _Entry[T]) -> int:
        """Forget an entry, if it is here, and return how many are left: the last takes its place."""
        place = self._places.pop(entry.serial, None)
        if place is not None:
            last = self.entries.pop()
            if last is not entry:
                self.entries[place] = last
                self._places[last.serial] = place
                self._rows[place] = self._rows[len(self.entries)]
            if 4 * len(self.entries) < len(self._rows) and len(self._rows) > FIRST_ROWS:
                self._rows = self._rows[: max(FIRST_ROWS, 2 * len(self.entries))].copy()
        return len(self.entries)

    def nearest(self, unit: Floats) -> tuple[_Entry[T], float]:
        """Return the entry with the largest cosine, the oldest of equal ones."""
        self._require_dim(unit)
        cosines = self._rows[: len(self.entries)] @ unit
        best = np.flatnonzero(cosines == cosines.max())
        return min((self.entries[place] for place in best.tolist()), key=lambda one: one.serial), float(cosines.max())

    def _require_dim(self, unit: Floats) -> None:
        if self.entries and len(unit) != self._rows.shape[1]:
            raise ShapeError(
                f"vector must have {self._rows.shape[1]} dimensions as the others of its space, got {len(unit)}.",
                expected=self._rows.shape[1],
                got=len(unit),
                where="vector",
            )


def _unit(vector: Floats) -> Floats:
    """Return a vector at unit length."""
    line = np.asarray(vector, dtype=np.float64)
    if line.ndim != 1:
        raise ShapeError(f"vector must have the shape (D,), got {line.shape}.", expected="(D,)", got=line.shape)
    length = float(np.linalg.norm(line))
    if not math.isfinite(length):
        raise NonFiniteError("The vector of the question holds NaN or infinity.", expected="finite", where="vector")
    return np.asarray(line / (length or 1.0), dtype=np.float32)


def bytes_of(hits: Hits) -> int:
    """Return about how many bytes hits take: their texts and fields; for ``Answers.put``."""
    return sum(
        HIT_BYTES
        + sum(map(sys.getsizeof, (hit.id, hit.text, hit.source)))
        + sum(sys.getsizeof(name) + _value_bytes(value) for name, value in hit.fields.items())
        for hit in hits
    )


def _value_bytes(value: object) -> int:
    """Return about how many bytes the value of a field takes."""
    return sys.getsizeof(value) + (sum(map(sys.getsizeof, value)) if isinstance(value, list) else 0)
