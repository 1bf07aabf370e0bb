"""Two systems in one list, so that the clicks of real users say which they prefer.

Each user sees one list to which both contributed in turn. A click is credit for the system that contributed the
document. Since both stand in the same list at the same time, far fewer sessions are needed than to compare two groups
of users.

References
----------
Radlinski, Kurup, Joachims 2008, "How does clickthrough data reflect retrieval quality?", algorithm 2 (team draft).
Chapelle, Joachims, Radlinski, Yue 2012, "Large-scale validation and analysis of interleaved search evaluation",
equation 1 (the preference of sessions).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from vicinal._arrays import whole_number
from vicinal.errors import InputError, RangeError
from vicinal.evaluate.significance import bootstrap_interval

Team: TypeAlias = Literal["one", "other", ""]
MOST_SESSIONS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleaved:
    """A list that two systems made together: its documents, and which of the two gave each.

    A document of no team (``""``) came after the first of the systems had no more to give: a click on it says nothing.
    """

    ids: tuple[str, ...]
    teams: tuple[Team, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Which system users preferred.

    Parameters
    ----------
    delta : float, -0.5 <= delta <= 0.5
        (wins of one + half of the ties) / sessions - 0.5. Above 0: ``one`` is preferred.
    low, high : float
        Its interval, a bootstrap over sessions.
    p_value : float
        How often fair coins in place of the sessions with a winner would be so far apart (two-sided, exact).
    wins, losses, ties : int
        Sessions that ``one`` won and lost, and those without a winner, a click or not.
    """

    delta: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    ties: int


def team_draft(one: Sequence[str], other: Sequence[str], *, k: int = 10, seed: int | str = 0) -> Interleaved:
    """Return one list that two rankings made in turn.

    Parameters
    ----------
    one, other : sequence of str
        Documents, best first, each once.
    k : int, 1 <= k
        How many documents the list has; fewer where both have fewer.
    seed : int or str
        What fixes the coins. Each impression needs its own: the id of the session with the query, so that the user who
        loads the page again sees the same list.

    Returns
    -------
    Interleaved
        In each round a coin says who picks first; each system adds its best document that is not there yet.

    Raises
    ------
    DtypeError, RangeError
        ``k`` is no whole number or out of range; a document comes twice in a ranking.
    """
    k = whole_number(k, "k", low=1)
    for listed in (one, other):
        if len(set(listed)) != len(listed):
            raise RangeError("A document comes twice in a ranking.", where="ranking")
    coins = np.random.default_rng(_whole_seed(seed))
    chosen: dict[str, Team] = {}
    while len(chosen) < k:
        first: tuple[Team, Team] = ("one", "other") if coins.integers(2) else ("other", "one")
        for team in first:
            mine, theirs = (one, other) if team == "one" else (other, one)
            best = _best_new(mine, chosen)
            if best is None or _best_new(theirs, chosen) is None:
                return _filled(chosen, one, other, k)
            if len(chosen) < k:
                chosen[best] = team
    return Interleaved(ids=tuple(chosen), teams=tuple(chosen.values()))


def _best_new(listed: Sequence[str], chosen: dict[str, Team]) -> str | None:
    return next((document for document in listed if document not in chosen), None)


def _filled(chosen: dict[str, Team], one: Sequence[str], other: Sequence[str], k: int) -> Interleaved:
    """Return the list with what is left of the longer ranking, for which nobody gets credit."""
    for document in (*one, *other):
        if len(chosen) < k:
            chosen.setdefault(document, "")
    return Interleaved(ids=tuple(chosen), teams=tuple(chosen.values()))


def _whole_seed(seed: int | str) -> int:
    if isinstance(seed, str):
        return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return whole_number(seed, "seed", low=0)


def credit(shown: Interleaved, clicked: Iterable[str]) -> tuple[int, int]:
    """Return how many of the documents that a user clicked each system gave: (of one, of the other).

    A document that was clicked twice counts once; one that was not shown counts for nobody.
    """
    teams = dict(zip(shown.ids, shown.teams, strict=True))
    found = [teams.get(document) for document in set(clicked)]
    return found.count("one"), found.count("other")


def preference(sessions: Iterable[tuple[int, int]], *, confidence: float = 0.95, seed: int = 0) -> Preference:
    """Return which system users preferred.

    Parameters
    ----------
    sessions : iterable of (int, int)
        The credit of both in each session: sum that of all its impressions first, since the queries of one user are
        not independent. Sessions without a click belong to them.
    confidence : float, 0 < confidence < 1
        Of the interval.
    seed : int, 0 <= seed
        Of its draws.

    Raises
    ------
    InputError
        There are fewer than two sessions.
    RangeError, DtypeError
        A credit is no whole number or below 0.
    """
    told = [(whole_number(one, "a credit", low=0), whole_number(other, "a credit", low=0)) for one, other in sessions]
    if not 2 <= len(told) <= MOST_SESSIONS:  # noqa: PLR2004 - one has no spread
        raise InputError(
            f"A preference needs 2 to {MOST_SESSIONS} sessions, got {len(told)}.",
            expected=f"2 to {MOST_SESSIONS}",
            got=len(told),
            where="sessions",
        )
    values = np.array([0.5 + 0.5 * ((one > other) - (one < other)) for one, other in told])
    wins, losses = int((values == 1).sum()), int((values == 0).sum())
    low, high = bootstrap_interval(values, confidence=confidence, seed=seed)
    return Preference(
        delta=float(values.mean()) - 0.5,
        low=low - 0.5,
        high=high - 0.5,
        p_value=sign_test(wins, losses),
        wins=wins,
        losses=losses,
        ties=len(values) - wins - losses,
    )


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided exact p-value of the binomial test against one half; 1 for no wins and no losses.

    Notes
    -----
    The sum is over logarithms, so a million sessions are no trouble; the error of a p-value is below 1e-9 of it.
    """
    sessions, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    places = np.arange(1, fewer + 1, dtype=np.float64)
    ways = np.concatenate(([0.0], np.cumsum(np.log((sessions - places + 1) / places))))  # log of binomials
    logs = ways - sessions * math.log(2)
    most = float(logs.max())
    return min(1.0, 2.0 * math.exp(most) * float(np.exp(logs - most).sum()))
