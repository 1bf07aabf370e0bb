"""Questions with judgements: plain data, checked, and named by a digest of its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from vicinal._arrays import is_encodable, whole_number
from vicinal.errors import DtypeError, InputError, NonFiniteError, RangeError
from vicinal.evaluate.ranking import Qrels, Run

MOST_ID_CHARS = 4096
"""As long as an id of a collection may be."""
MOST_QUERY_CHARS = 1_000_000
MOST_MARKS = 8
"""Signs # of a stored id behind which the row's own id may begin: a path may hold some, and a row's id as well."""
MOST_GRADE = 1_000_000
"""Beyond, a gain would swallow all others; in practice a grade is 0 to 3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Questions, and which documents answer them.

    Made by ``Judged.of`` or ``read_judged``, which check it.

    Parameters
    ----------
    name : str
        What a report calls it.
    queries : mapping of str to str
        Query id → text, by ascending id: each has a judgement.
    qrels : mapping of str to mapping of str to int
        Query id → document id → grade. Above 0: relevant. 0 or less: judged, and not relevant.
    digest : str
        SHA-256 of queries and qrels in their canonical form. The name and the source are no part of it.
    source : str
        The path that it was read from, ``""`` for none.
    unjudged : int
        Queries that were left out, since nothing is judged for them.
    """

    name: str
    queries: Mapping[str, str]
    qrels: Qrels
    digest: str
    source: str = ""
    unjudged: int = 0

    @classmethod
    def of(cls, queries: Mapping[str, str], qrels: Qrels, *, name: str = "judged", source: str = "") -> Self:
        """Return checked questions with judgements; queries that nothing is judged for are left out and counted.

        Raises
        ------
        DtypeError, RangeError
            An id, a text or a grade is none.
        InputError
            Nothing is judged, or a judged query has no text: what it asks would have to be guessed.
        """
        known = {checked_id(one, "a query id"): _checked_query(text) for one, text in queries.items()}
        grades = {one: _checked_grades(one, judged) for one, judged in sorted(qrels.items()) if judged}
        if not grades:
            raise InputError("Nothing is judged: there is no query with a document and a grade.", where=source or name)
        textless = [one for one in grades if one not in known]
        if textless:
            raise InputError(
                f"{len(textless)} of the {len(grades)} judged queries have no text, the first is {textless[0]!r}. "
                "Give the queries that the judgements are of.",
                got=textless[0],
                where=source or name,
            )
        asked = {one: known[one] for one in grades}
        return cls(
            name=name,
            queries=asked,
            qrels=grades,
            digest=_digest(asked, grades),
            source=source,
            unjudged=len(known) - len(asked),
        )

    def __len__(self) -> int:
        """Return how many queries there are."""
        return len(self.queries)

    def relevant(self) -> frozenset[str]:
        """Return the ids of all documents that are relevant to any query."""
        return frozenset(one for judged in self.qrels.values() for one, grade in judged.items() if grade > 0)

    def only(self, query_ids: Iterable[str]) -> Judged:
        """Return those of the queries that are named, such as one half for choosing and one for confirming.

        Raises
        ------
        InputError
            None of the queries is named.
        """
        wanted = set(query_ids)
        kept = {one: judged for one, judged in self.qrels.items() if one in wanted}
        return Judged.of({one: self.queries[one] for one in kept}, kept, name=self.name, source=self.source)

    def renamed(self, names: Mapping[str, str]) -> Judged:
        """Return the same judgements of documents under other ids; those that are not named keep theirs.

        Two ids that become one keep the higher grade.
        """
        qrels: dict[str, dict[str, int]] = {}
        for query, judged in self.qrels.items():
            grades = qrels.setdefault(query, {})
            for one, grade in judged.items():
                other = names.get(one, one)
                grades[other] = max(grade, grades.get(other, grade))
        made = Judged.of(self.queries, qrels, name=self.name, source=self.source)
        return replace(made, unjudged=self.unjudged)

    def names_among(self, stored: Iterable[str]) -> dict[str, str]:
        """Return judged id → stored id, where a collection calls a document ``file#id`` and the judgements ``id``.

        Parameters
        ----------
        stored : iterable of str
            The ids of a collection. A row of a table is stored under the table's path, ``#`` and the row's own id.

        Returns
        -------
        dict
            For ``renamed``. Ids that are stored as they are, and those that several stored ids end in, are not in it.
        """
        judged = {one for grades in self.qrels.values() for one in grades}
        found: dict[str, set[str]] = defaultdict(set)
        whole: set[str] = set()
        for one in stored:
            if one in judged:
                whole.add(one)
            _, *endings = one.split("#", MOST_MARKS)
            for place in range(len(endings)):
                ending = "#".join(endings[place:])
                if ending in judged:
                    found[ending].add(one)
        return {one: next(iter(names)) for one, names in found.items() if one not in whole and len(names) == 1}


def checked_id(value: object, what: str) -> str:
    """Return an id, or say why it is none.

    Raises
    ------
    DtypeError, RangeError
        It is no string, empty, longer than 4096 characters, or holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise DtypeError(f"{what} must be a string, got {type(value).__name__}.", expected="str", where=what)
    if not 0 < len(value) <= MOST_ID_CHARS:
        raise RangeError(
            f"{what} must have 1 to {MOST_ID_CHARS} characters, got {len(value)}.",
            expected=f"1 to {MOST_ID_CHARS}",
            got=len(value),
            where=what,
        )
    if not value.isascii() and not is_encodable(value):
        raise RangeError(f"{what} holds a lone surrogate, which is no character.", where=what)
    return value


def _checked_query(text: object) -> str:
    if not isinstance(text, str):
        raise DtypeError(f"A query must be a string, got {type(text).__name__}.", expected="str", where="queries")
    if len(text) > MOST_QUERY_CHARS or not is_encodable(text) or not text.strip():
        raise RangeError(
            f"A query must have 1 to {MOST_QUERY_CHARS} characters, not only white space, and no lone surrogates.",
            expected=f"1 to {MOST_QUERY_CHARS}",
            got=len(text),
            where="queries",
        )
    return text


def _checked_grades(query: object, judged: Mapping[str, int]) -> dict[str, int]:
    checked_id(query, "a query id")
    return {
        checked_id(one, "a document id"): whole_number(grade, "a grade", low=-MOST_GRADE, high=MOST_GRADE)
        for one, grade in sorted(judged.items())
    }


def _digest(queries: Mapping[str, str], qrels: Qrels) -> str:
    """Return the SHA-256 of one line of JSON a query: its id, its text, its documents with grades, all ascending."""
    found = hashlib.sha256()
    for one in sorted(qrels):
        found.update(_line([one, queries[one], sorted(qrels[one].items())]))
    return found.hexdigest()


def digest_of_run(run: Run) -> str:
    """Return the SHA-256 of a run: of a line of JSON a query that has a document, its documents with scores, all by id.

    Raises
    ------
    NonFiniteError
        A score is NaN or infinite.
    """
    found = hashlib.sha256()
    for one in sorted(query for query, results in run.items() if results):
        scores = {document: float(score) for document, score in run[one].items()}
        if not all(map(math.isfinite, scores.values())):
            raise NonFiniteError(f"A score of query {one!r} is NaN or infinite.", expected="finite", where=one)
        found.update(_line([one, sorted(scores.items())]))
    return found.hexdigest()


def _line(told: object) -> bytes:
    return json.dumps(told, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
