"""What was used and what it costs."""

from __future__ import annotations

from vicinal.encode.providers.accounting import Account, Usage


def test_the_total_by_hand():
    """Three requests, one of them again; 1,500 tokens told and 500 estimated, at 0.02 a million."""
    account = Account(0.02)
    for again in (False, True, False):
        account.sent(again=again)
    account.answered(1500, 9)
    account.answered(None, 500)
    assert account.usage() == Usage(requests=3, retries=1, tokens=2000, estimated_tokens=500, cost=2000 * 0.02 / 1e6)


def test_without_a_price_there_is_no_cost():
    """None, not 0: nothing is said to be free."""
    assert Account().usage() == Usage(cost=None)
