"""What the tests of the command line share: a command that runs in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from vicinal.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; return (exit status, standard output, standard error)."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vicinal", *words])
        monkeypatch.setattr("warnings.showwarning", None)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def parsed(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, Any, str]]:
    """Run a command in this process; return (exit status, its JSON or text, standard error)."""

    def call(*words: str) -> tuple[int, Any, str]:
        status, out, err = run(*words)
        return status, json.loads(out) if "--json" in words else out, err

    return call
