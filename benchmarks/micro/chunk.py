"""Splitting: its speed without the tokenizer.

Run it as ``python benchmarks/micro/chunk.py [--rounds R] [--dry]``. What chunks hold is ``benchmarks/chunking``.

Outline, cut and the making of chunks, in bytes of UTF-8 a second, for each form of text; the tokenizer's own speed beside
it. The median and the spread of the rounds are told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


import record
import vicinal
from vicinal.chunk import chunker, cut, outline
from vicinal.types import Chunk, Document

SIZES = cut.Sizes(target=250, overlap=150)
Chunks = list[list[Chunk]]


def texts() -> dict[str, list[Document]]:
    """Return what is split, by form; each set repeats nothing."""
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[:100]
    found = {"python": [Document(id=str(path), text=path.read_text("utf-8"), form="python") for path in library]}
    found["code"] = [Document(id=one.id, text=one.text, form="code") for one in found["python"]]
    corpora = sorted((record.DATA / "chunking_eval" / "corpora").glob("*.md"))
    for form in ("text", "markdown"):
        documents = [Document(id=path.stem, text=path.read_bytes().decode(), form=form) for path in corpora]
        found |= {form: documents} if documents else {}
    return found


def split_once(documents: list[Document], starts: list[Any]) -> int:
    """Split without tokenizing; return the number of chunks."""
    made = 0
    for document, tokens in zip(documents, starts, strict=True):
        prose = document.form in chunker.PROSE
        spans = cut.cut(document.text, outline.outline(document.text, document.form), tokens, SIZES, prose=prose)
        made += len([Chunk(text=document.text[low:high], start=low, end=high) for low, high in spans])
    return made


def speed(encoder: Any, rounds: int) -> dict[str, Any]:
    """Return megabytes a second for each form."""
    figures = {}
    for form, documents in texts().items():
        megabytes = sum(len(document.text.encode()) for document in documents) / 1e6
        begun = time.perf_counter()
        starts = [spans[:, 0] for spans in encoder.token_spans([document.text for document in documents])]
        tokenized_s = time.perf_counter() - begun
        chunks = split_once(documents, starts)
        taken = sorted(timed(lambda d=documents, s=starts: split_once(d, s)) for _ in range(rounds))
        figures[form] = {
            "megabytes": round(megabytes, 2),
            "chunks": chunks,
            "split_mb_per_s": round(megabytes / statistics.median(taken), 1),
            "spread": [round(megabytes / taken[-1], 1), round(megabytes / taken[0], 1)],
            "tokenize_mb_per_s": round(megabytes / tokenized_s, 2),
        }
    return figures


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def windows(size: int, overlap: int) -> Callable[[list[Document], Any], Chunks]:
    """Return the plain twin: windows of ``size`` tokens, each ``size - overlap`` after the one before."""

    def split(documents: list[Document], token_spans: Any) -> Chunks:
        found = []
        for document, spans in zip(documents, token_spans([one.text for one in documents]), strict=True):
            firsts = range(0, max(len(spans) - overlap, 1), size - overlap)
            ends = [(int(spans[first, 0]), int(spans[min(first + size, len(spans)) - 1, 1])) for first in firsts]
            found.append([Chunk(text=document.text[low:high], start=low, end=high) for low, high in ends])
        return found

    return split


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    encoder = vicinal.load("minilm")
    figures: dict[str, Any] = {"rounds": chosen.rounds, "speed": speed(encoder, chosen.rounds)}
    if chosen.dry:
        print(json.dumps(figures, indent=1))
    else:
        record.write("chunk", **figures)


if __name__ == "__main__":
    main()
