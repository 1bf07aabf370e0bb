"""Parquet: a document for each row where pyarrow is installed; in a folder without it, a binary file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vicinal.errors import InputError, MissingExtraError
from vicinal.read import read
from vicinal.types import Document, Skipped

pa = pytest.importorskip("pyarrow", reason="Parquet is read through pyarrow")


def write(path: Path, **columns: Any) -> Path:
    """Write a file of some columns."""
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), path, row_group_size=2)
    return path


def test_rows_are_documents(tmp_path: Path) -> None:
    """With typed fields; vectors and bytes are no fields, and times are told as ISO 8601."""
    when = datetime(2020, 2, 3, tzinfo=UTC)
    write(
        tmp_path / "t.parquet",
        id=["a", "b", "c"], text=["one", "two", None], n=[1, None, 3], tags=[["x"], [], None], at=[when, None, None],
        embedding=[[0.5, 0.5]] * 3, raw=[b"z"] * 3,
    )  # fmt: skip
    found = list(read(tmp_path / "t.parquet", base=tmp_path))
    assert [getattr(one, "id", "") for one in found] == ["t.parquet#a", "t.parquet#b", ""]
    first = found[0]
    assert isinstance(first, Document)
    assert first.fields == {"path": "t.parquet", "n": 1, "tags": ["x"], "at": "2020-02-03T00:00:00+00:00"}
    assert isinstance(found[2], Skipped)
    assert found[2].reason == "empty"


def test_a_damaged_file_is_a_hole(tmp_path: Path) -> None:
    """Cut short, it says so and gives no foreign error."""
    path = write(tmp_path / "t.parquet", text=["one", "two"])
    path.write_bytes(path.read_bytes()[:-9])
    (hole,) = read(path, base=tmp_path)
    assert isinstance(hole, Skipped)
    assert (hole.reason, hole.failed) == ("malformed", True)


def test_without_a_text_column(tmp_path: Path) -> None:
    """Named, it is the caller's error; found in a folder, it is passed over."""
    write(tmp_path / "t.parquet", n=[1, 2])
    with pytest.raises(InputError, match="looks like text"):
        list(read(tmp_path / "t.parquet"))
    (skipped,) = read(tmp_path)
    assert isinstance(skipped, Skipped)
    assert not skipped.failed


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command that installs it; in a folder the file is binary, so that what was stored stays."""
    write(tmp_path / "t.parquet", text=["one"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"vicinal\[parquet\]"):
        list(read(tmp_path / "t.parquet"))
    (skipped,) = read(tmp_path)
    assert isinstance(skipped, Skipped)
    assert (skipped.reason, skipped.failed) == ("binary", False)


def test_a_text_that_is_too_long(tmp_path: Path) -> None:
    """One row is a hole, the others come."""
    write(tmp_path / "t.parquet", text=["one", "x" * 50])
    assert [type(one) for one in read(tmp_path / "t.parquet", max_bytes=20)] == [Document, Skipped]
