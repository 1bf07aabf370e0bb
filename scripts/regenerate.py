"""Write the generated parts of the documents anew, or with ``--check`` tell which are stale.

Run it as ``python scripts/regenerate.py [--check]``; the exit status is 0 when all is fresh.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parent


def pages() -> list[Path]:
    """Return the documents with a generated part, sorted."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path for path in found if "[[[cog" in path.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Return the exit status of cog over all pages."""
    mode = ["--check", "--diff"] if "--check" in arguments else ["-r"]
    paths = ["-I", str(SCRIPTS), "-I", str(ROOT / "src")]
    command = [sys.executable, "-m", "cogapp", *mode, "--verbosity=1", "-U", "-n", "utf-8", *paths]
    return subprocess.call([*command, *map(str, pages())])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
