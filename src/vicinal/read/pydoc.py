"""The documentation of this Python as documents: what its modules, classes and functions say of themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vicinal.config import kept_environment
from vicinal.errors import UnsupportedError
from vicinal.types import Document, Skipped

WALK = Path(__file__).with_name("pydoc_walk.py")
KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "HOME", "PYTHONHOME")
"""What the child sees of the environment: no display, so no window can open, and no other setting of Python."""


def read_pydoc() -> Iterator[Document | Skipped]:
    """Give one document for each documented object of the standard library, and for each topic of the reference.

    The modules are imported in a child process that has no display, no input, and whose output goes nowhere:
    what an import does there is gone with it. On the same Python the documents are always the same.

    Raises
    ------
    UnsupportedError
        There is no interpreter to run, or it did not come to the end.
    """
    if not sys.executable:
        raise UnsupportedError("pydoc: needs a Python interpreter to run, and this program was built without one.")
    command = [sys.executable, "-P", "-S", "-B", "-W", "ignore", "-X", "utf8", str(WALK)]
    environment = {**kept_environment(KEPT), "PYTHONHASHSEED": "0"}
    with subprocess.Popen(  # noqa: S603 - this interpreter and a file of this package
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as child:
        try:
            for line in child.stdout or ():
                yield _item(json.loads(line))
        except BaseException:  # whoever reads may stop early: the child has nobody to tell the rest
            child.kill()
            raise
    if child.returncode:
        raise UnsupportedError(
            f"pydoc: the documentation was not read to its end; the interpreter ended with {child.returncode}."
        )


def _item(told: dict[str, Any]) -> Document | Skipped:
    """Return what a line of the child says."""
    name = told["name"]
    if "fault" in told:
        return Skipped(source=f"pydoc:{name}", reason="not importable", detail=told["fault"])
    fields = {"module": told["module"], "object": told["object"]}
    return Document(id=f"pydoc:{name}", text=told["text"], source=name, form="rst", fields=fields)
