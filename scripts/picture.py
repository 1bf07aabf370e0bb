"""Draw the README's picture anew: a real search through this project's documents, as the terminal shows it."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from rich.console import Console

import vicinal
from vicinal.cli import output, search

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "what happens when the power fails in the middle of a write"
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""They would be fetched from elsewhere; every reader has a font of equal widths."""


def main() -> None:
    """Index docs/ into a temporary database, search it, and write the picture."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    for module in (output, search):
        vars(module).update(console=console, errors=console)
    console.print(f'[bold]$[/] vicinal search -k 3 "{QUESTION}"\n', highlight=False)
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".picture-") as folder, vicinal.open(folder) as db:
        documents = db.collection("main")
        documents.sync(*sorted((ROOT / "docs").rglob("*.md")))
        search.show(documents.search(QUESTION, k=3, highlight=True))
    picture = FONTS.sub("", console.export_svg(title="vicinal"))
    (ROOT / "docs" / "images" / "search.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
