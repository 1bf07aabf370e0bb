"""Citations are found where they stand, and each is checked against the sources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.answer import citations_of

CASES = [
    ("It rains [1].", [1], [], []),
    ("It rains. [1] It pours. [2]", [1, 2], [], []),
    ("It rains [1][2]. It pours [1, 3].", [1, 2, 1], [3], []),
    ("It rains [7].", [], [7], ["It rains [7]."]),
    ("It rains [0]. It pours [-1] [x] [].", [], [0], ["It rains [0].", "It pours [-1] [x] []."]),
    ("It rains. It pours [1].", [1], [], ["It rains."]),
    ("It rains.\n\n[1] says that it pours.", [1], [], ["It rains."]),
    ("# Weather\n\nIt rains [1].\n\n- It pours [2].\n- It is dry.", [1, 2], [], ["- It is dry."]),
    ("See [1](https://example.org/x) for it.", [], [], ["See [1](https://example.org/x) for it."]),
    ("Call `a[1]` first [2].\n\n```\nb[1]\n```", [2], [], []),
    ("It rains [ 1 ; 2 ].", [1, 2], [], []),
    ("[1]", [1], [], []),
    ("…", [], [], []),
    ("", [], [], []),
    ("雨が降る[1]。風が吹く。", [1], [], ["風が吹く。"]),
    ("Es regnet [1, 99999].", [], [], ["Es regnet [1, 99999]."]),
]


@pytest.mark.parametrize(("text", "known", "unknown", "uncited"), CASES)
def test_citations_by_hand(text, known, unknown, uncited):
    """Known ones, unknown ones, and the sentences without."""
    found = citations_of(text, 2)
    assert [one.number for one in found.known] == known
    assert [one.number for one in found.unknown] == unknown
    assert [text[start:end] for start, end in found.uncited] == uncited
    assert found.numbers == tuple(sorted(set(known)))


@given(st.text("ab. [12],;0`#\n(", max_size=60), st.integers(0, 3))
def test_any_text(text, count):
    """Every citation is in brackets in the text; the known ones are those within the sources."""
    found = citations_of(text, count)
    for one in (*found.known, *found.unknown):
        piece = text[one.start : one.end]
        assert piece[0] == "["
        assert piece[-1] == "]"
        assert str(one.number) in piece or f"0{one.number}" in piece
    assert all(1 <= one.number <= count for one in found.known)
    assert not any(1 <= one.number <= count for one in found.unknown)
