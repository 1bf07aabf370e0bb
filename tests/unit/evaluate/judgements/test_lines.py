"""Lines of others' files are bounded and numbered."""

from __future__ import annotations

import pytest

from vicinal.errors import InputError
from vicinal.evaluate.judgements import lines


@pytest.fixture
def path(tmp_path):
    """A file of three lines, one of them blank."""
    found = tmp_path / "x"
    found.write_bytes(b"\xef\xbb\xbfone\r\n \t\ntwo")
    return found


def test_lines_are_numbered(path):
    """Blank ones are left out and count; line ends and the mark of byte order are taken off."""
    assert list(lines.numbered_lines(path)) == [(1, b"one"), (3, b"two")]


def test_files_lines_and_their_number_are_bounded(path, monkeypatch):
    """What is too long is an error with its place, before it is in memory."""
    for name, most in (("MOST_LINE_BYTES", 3), ("MOST_LINES", 2), ("MOST_BYTES", 8)):
        with monkeypatch.context() as patch:
            patch.setattr(lines, name, most)
            with pytest.raises(InputError, match=str(most)):
                list(lines.numbered_lines(path))
    monkeypatch.setattr(lines, "MOST_LINE_BYTES", 3)
    with pytest.raises(InputError, match="more than 3 bytes"):
        lines.whole_text(path)


@pytest.mark.parametrize(("value", "grade"), [("1", 1), (" -2 ", -2), ("3.00", 3), (True, 1), (2, 2), (2.0, 2)])
def test_grades(path, value, grade):
    """Whole numbers in any writing."""
    assert lines.parsed_grade(value, path, 1) == grade


@pytest.mark.parametrize("value", ["", "1.5", "x", "1e2", "١", None, [1], float("nan"), float("inf"), 10**30, "1_0"])
def test_what_is_no_grade(path, value):
    """Anything else is refused."""
    with pytest.raises(InputError, match="a grade is a whole number"):
        lines.parsed_grade(value, path, 1)
