"""Interleaving is fair, gives credit where it is due, and says a preference with its doubt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.errors import DtypeError, InputError, RangeError
from vicinal.evaluate.unlabelled import Interleaved, credit, preference, team_draft
from vicinal.evaluate.unlabelled.interleaving import sign_test

LISTS = st.lists(st.sampled_from("abcdefghij"), max_size=8, unique=True)


@given(LISTS, LISTS, st.integers(1, 12), st.integers(0, 1000))
def test_a_draft_is_fair(one, other, k, seed):
    """No document twice; each pick is the best that its system had left; the teams differ by at most one."""
    shown = team_draft(one, other, k=k, seed=seed)
    assert len(shown.ids) == len(set(shown.ids)) == len(shown.teams) == min(k, len({*one, *other}))
    lists = {"one": one, "other": other}
    for place, (document, team) in enumerate(zip(shown.ids, shown.teams, strict=True)):
        before = set(shown.ids[:place])
        if team:
            assert document == next(name for name in lists[team] if name not in before)
            assert any(name not in before for name in lists["other" if team == "one" else "one"])
    assert abs(shown.teams.count("one") - shown.teams.count("other")) <= 1
    marked = [team == "" for team in shown.teams]
    assert marked == sorted(marked)
    assert shown == team_draft(one, other, k=k, seed=seed)


def test_equal_rankings_stay_as_they_are():
    """Whatever the coins, the list is the ranking, and both have half of it."""
    shown = team_draft(list("abcdef"), list("abcdef"), k=6, seed=5)
    assert "".join(shown.ids) == "abcdef"
    assert shown.teams.count("one") == 3


def test_each_system_is_first_half_of_the_time():
    """Over 4,000 seeds, within four standard deviations of a fair coin; a text is a seed as well."""
    firsts = [team_draft(["a"], ["b"], k=1, seed=f"session {number}").ids[0] for number in range(4000)]
    assert abs(firsts.count("a") - 2000) < 4 * math.sqrt(1000)


def test_credit_goes_to_the_team():
    """A document counts once; one of no team, or not shown, for nobody."""
    shown = Interleaved(ids=("a", "b", "c", "d"), teams=("one", "other", "one", ""))
    assert credit(shown, ["a", "a", "c", "b", "d", "z"]) == (2, 1)
    assert credit(shown, []) == (0, 0)


def test_preference_by_hand():
    """Three wins, one loss, two ties of six: (3 + 1)/6 - 1/2; the sign test of 3 to 1 is 2·(1 + 4)/16."""
    found = preference([(1, 0), (2, 1), (3, 0), (0, 1), (0, 0), (2, 2)])
    assert (found.wins, found.losses, found.ties) == (3, 1, 2)
    assert found.delta == pytest.approx(4 / 6 - 0.5)
    assert found.p_value == pytest.approx(10 / 16)
    assert -0.5 <= found.low <= found.delta <= found.high <= 0.5
    assert preference([(0, 1)] * 3 + [(1, 0)] * 3).p_value == 1


def test_preference_turns_around():
    """The other way round it is the same with the other sign."""
    sessions = [(1, 0)] * 30 + [(0, 1)] * 10 + [(0, 0)] * 20
    one, other = preference(sessions), preference([(b, a) for a, b in sessions])
    assert one.delta == pytest.approx(-other.delta)
    assert one.p_value == other.p_value
    assert one.low > 0 > other.high


def test_the_sign_test_is_exact():
    """The sum of binomials for small numbers; close to the normal for large ones; never above 1."""
    for wins in range(9):
        for losses in range(9):
            sessions = wins + losses
            fewer = min(wins, losses)
            expected = 2 * sum(math.comb(sessions, one) for one in range(fewer + 1)) / 2**sessions
            assert sign_test(wins, losses) == pytest.approx(min(1, expected), rel=1e-9)
    z = (1000 - 1) / math.sqrt(1_000_000)
    assert sign_test(500_500, 499_500) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)
    assert sign_test(10_000, 0) == 0


def test_no_difference_is_seldom_found():
    """Fair coins in 400 experiments of 50 sessions are significant at 5 % in less than 7 % (the exact test is careful)."""
    chance = np.random.default_rng(1)
    wins = chance.binomial(50, 0.5, 400)
    alarms = sum(sign_test(int(one), 50 - int(one)) < 0.05 for one in wins)
    assert alarms / 400 < 0.07


def test_what_is_none_is_refused():
    """Too few sessions, a credit below zero, a document twice, a k of zero."""
    with pytest.raises(InputError):
        preference([(1, 0)])
    with pytest.raises(RangeError):
        preference([(1, 0), (-1, 0)])
    with pytest.raises(DtypeError):
        preference([(1, 0), (0.5, 0)])
    with pytest.raises(RangeError, match="twice"):
        team_draft(["a", "a"], ["b"])
    with pytest.raises(RangeError):
        team_draft(["a"], ["b"], k=0)
