"""Every way of cutting beside the others: how much of the answers its five nearest chunks hold, and what it costs.

Run it as ``python benchmarks/chunking/run.py [--set NAME] [--only NAME,NAME] [--documents N] [--cache FOLDER] [--dry]``.

A contestant gives for each document its chunks, the texts that are encoded for them, or vectors of its own, and what is
handed out for each; ``judge.py`` says what is counted. The model is MiniLM, so windows hold 254 tokens of text.
Encoding is the cost: about 100,000 tokens a minute on one core, a contestant encodes 0.3 to 1 million on chunking_eval.
Vectors are kept in ``--cache`` by the digest of what was encoded, so that a second run costs nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import judge
import numpy as np

import record
import vicinal
from vicinal.chunk import Chunker, late_vectors, parents, semantic_chunks
from vicinal.encode.tokens import token_vectors
from vicinal.types import Chunk, Document

Chunks = list[list[Chunk]]
CONTEXT_TOKENS = 32
PARENT_CHARS = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a contestant made of some documents: chunks, what is encoded, and what is handed out."""

    chunks: Chunks
    texts: list[list[str]] | None = None
    vectors: np.ndarray | None = None
    parents: list[list[tuple[int, int]]] | None = None


Contestant = Callable[[list[Document], Any, judge.Vectors], Cut]


def structure(target: int, overlap: int, version: int) -> Contestant:
    """Return the program's own chunker."""
    chunker = Chunker(target=target, overlap=overlap, version=version)
    return lambda documents, encoder, _: Cut(chunks=chunker.split_all(documents, encoder.token_spans))


def windows(size: int, overlap: int) -> Contestant:
    """Return the plain twin: windows of ``size`` tokens, each ``size - overlap`` after the one before."""

    def cut(documents: list[Document], encoder: Any, _: judge.Vectors) -> Cut:
        found = []
        for document, spans in zip(documents, encoder.token_spans([one.text for one in documents]), strict=True):
            firsts = range(0, max(len(spans) - overlap, 1), size - overlap)
            ends = [(int(spans[first, 0]), int(spans[min(first + size, len(spans)) - 1, 1])) for first in firsts]
            found.append([Chunk(text=document.text[low:high], start=low, end=high) for low, high in ends])
        return Cut(chunks=found)

    return cut


def titled(target: int, overlap: int) -> Contestant:
    """Return the program's chunker with title and headings before each text, within the same budget."""
    chunker = Chunker(target=target, overlap=overlap, context=CONTEXT_TOKENS)

    def cut(documents: list[Document], encoder: Any, _: judge.Vectors) -> Cut:
        chunks = chunker.split_all(documents, encoder.token_spans)
        return Cut(chunks=chunks, texts=chunker.encoded(documents, chunks, encoder.token_spans))

    return cut


def with_parents(target: int, overlap: int) -> Contestant:
    """Return small chunks, found by themselves and handed out with what stands around them."""
    chunker = Chunker(target=target, overlap=overlap)

    def cut(documents: list[Document], encoder: Any, _: judge.Vectors) -> Cut:
        chunks = chunker.split_all(documents, encoder.token_spans)
        spans = [[(one.start, one.end) for one in part] for part in chunks]
        around = [
            parents(document, part, most_chars=PARENT_CHARS) for document, part in zip(documents, spans, strict=True)
        ]
        return Cut(chunks=chunks, parents=around)

    return cut


def semantic(target: int, percentile: float) -> Contestant:
    """Return cuts where the subject changes."""

    def cut(documents: list[Document], encoder: Any, vectors: judge.Vectors) -> Cut:
        chunker = Chunker(target=target, overlap=0)
        made = semantic_chunks(
            documents, encoder.token_spans, vectors.of_documents, chunker=chunker, percentile=percentile
        )
        return Cut(chunks=made)

    return cut


def late(target: int, window: int) -> Contestant:
    """Return small chunks whose vectors are means of the tokens of a window that holds several of them."""

    def cut(documents: list[Document], encoder: Any, _: judge.Vectors) -> Cut:
        whole = Chunker(target=window, overlap=0).split_all(documents, encoder.token_spans)
        inside = Chunker(target=target, overlap=0)
        chunks: Chunks = []
        rows = []
        for document, part in zip(documents, whole, strict=True):
            pieces = inside.split_all([replace(document, text=one.text) for one in part], encoder.token_spans)
            tokens = token_vectors(encoder, [one.text for one in part], role="document")
            for piece, seen in zip(pieces, tokens, strict=True):
                rows.append(late_vectors(seen.vectors, seen.spans, [(one.start, one.end) for one in piece]))
            shifted = [
                Chunk(text=one.text, start=one.start + around.start, end=one.end + around.start)
                for around, piece in zip(part, pieces, strict=True)
                for one in piece
            ]
            chunks.append(shifted)
        return Cut(chunks=chunks, vectors=np.concatenate(rows))

    return cut


CONTESTANTS: dict[str, Contestant] = {
    "structure-220-60-v1": structure(220, 60, 1),
    "structure-250-125-v1": structure(250, 125, 1),
    "windows-250-0": windows(250, 0),
    "windows-250-125": windows(250, 125),
    "structure-250-0-v2": structure(250, 0, 2),
    "structure-250-37-v2": structure(250, 37, 2),
    "structure-250-125-v2": structure(250, 125, 2),
    "structure-250-150-v2": structure(250, 150, 2),
    "titled-250-140-c32-v2": titled(250, 140),
    "parents-100-0-v2": with_parents(100, 0),
    "semantic-250-p95": semantic(250, 95.0),
    "structure-120-0-v2": structure(120, 0, 2),
    "late-120-in-250-v2": late(120, 250),
}


def measured(name: str, task: judge.Task, encoder: Any, vectors: judge.Vectors) -> dict[str, Any]:
    """Return the figures of one contestant on one set."""
    begun = time.perf_counter()
    made = CONTESTANTS[name](task.documents, encoder, vectors)
    split_s = time.perf_counter() - begun
    owners = [one.id for one, part in zip(task.documents, made.chunks, strict=True) for _ in part]
    chunks = [one for part in made.chunks for one in part]
    texts = [one for part in made.texts for one in part] if made.texts else [one.text for one in chunks]
    rows = made.vectors if made.vectors is not None else vectors.of_documents(texts)
    spans = [one for part in made.parents for one in part] if made.parents else None
    asked = vectors.of_queries([one.text for one in task.questions])
    tokens = encoder.count_tokens(texts)
    return {
        "contestant": name,
        "chunks": len(chunks),
        "tokens_encoded": int(tokens.sum()),
        "tokens_mean": round(float(tokens.mean()), 1),
        "beyond_the_window": int((tokens > encoder.max_tokens).sum()),
        **judge.judged(task, owners, chunks, rows, asked, parents=spans),
        "split_s": round(split_s, 2),
    }


def part_of(task: judge.Task, chosen: str) -> judge.Task:
    """Return the set with its first so many documents alone, or those of some ids, and their questions."""
    names = chosen.split(",")
    kept = task.documents[: int(chosen)] if chosen.isdigit() else [one for one in task.documents if one.id in names]
    ids = {one.id for one in kept}
    return replace(task, documents=kept, questions=[one for one in task.questions if one.document in ids])


def main() -> None:
    """Measure and write a line for each contestant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=sorted(judge.TASKS), default="chunking_eval")
    parser.add_argument("--only", default="", help="names of contestants with commas between; all without")
    parser.add_argument("--documents", default="", help="only so many, or these ids with commas between")
    parser.add_argument("--cache", type=Path, help="where vectors are kept for the next run")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    encoder = vicinal.load("minilm")
    vectors = judge.Vectors(encoder, chosen.cache)
    task = judge.TASKS[chosen.set]()
    task = part_of(task, chosen.documents) if chosen.documents else task
    for name in chosen.only.split(",") if chosen.only else CONTESTANTS:
        figures = measured(name, task, encoder, vectors)
        if chosen.dry:
            print(json.dumps(figures))
        else:
            parameters = {
                "dataset": task.name,
                "digest": task.digest,
                "documents": len(task.documents),
                "questions": len(task.questions),
                "k": judge.NEAREST,
            }
            record.write("chunking", parameters=parameters, space=encoder.space.id, **figures)


if __name__ == "__main__":
    main()
