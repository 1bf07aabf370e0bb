"""Real vectors for the search benchmarks: lines of text of this machine, encoded by a static model and by MiniLM.

python benchmarks/ann/vectors.py OUT --lines --static 1000000 --minilm 100000 [--spans 10000000] [--folders FOLDER ...]

What is there already is not made again. In OUT:

::

    lines.txt queries.txt       distinct lines in a shuffled order, and 1,000 held out (texts.py says which)
    model/                      a static model: MiniLM's vector of each of its tokens, centred, weighted a / (a + p)
    <name>-<n>.f32.npy          float32 (N, 384) of unit length: static-1m, static-100k, static-20k, minilm-100k, minilm-20k
    <name>-queries.f32.npy      float32 (1000, 384)
    <name>-<n>-truth.npz        the 10 nearest rows (1000, 10) and their scores

A smaller set is the beginning of a larger one. ``--spans`` enlarges the static set with the first and last 60 % of the
words of the lines, and further parts, until there are so many: a mapped file, of which no more than a block is in memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import measure
import texts as real

from vicinal import encode
from vicinal.space import Encoder
from vicinal.train.bags import Bags
from vicinal.train.folder import write_model

FOLDERS = ("/usr/share/doc", "/usr/share/man", "/usr/lib/python3", "/usr/share/dictd", "/usr/share/perl")
QUERIES = 1000
K = 10
BLOCK = 8192
SIF_A = 1e-3
SAMPLE = 200_000
"""Lines whose tokens are counted for the weights."""
SMALLER = (1_000_000, 100_000, 20_000)
SPANS = ((0.0, 1.0), (0.0, 0.6), (0.4, 1.0), (0.2, 0.8), (0.0, 0.45), (0.55, 1.0), (0.3, 0.7), (0.1, 0.55), (0.45, 0.9))
"""Which part of a line's words each copy has, the whole line first."""


def make_lines(out: Path, folders: Sequence[Path], count: int) -> None:
    """Write the lines and the questions."""
    found = real.gather(folders, count + QUERIES)
    (out / "queries.txt").write_text("\n".join(found[:QUERIES]) + "\n", encoding="utf-8")
    (out / "lines.txt").write_text("\n".join(found[QUERIES:]) + "\n", encoding="utf-8")


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\n")


def make_model(out: Path) -> None:
    """Write the static model: what MiniLM says of each token, without the mean, times a / (a + p) of the lines.

    References
    ----------
    Arora, Liang, Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings"; Minish Lab 2024, Model2Vec.
    """
    from vicinal.train._tokenizers import Rules  # noqa: PLC0415 - heavy: the tokenizers library
    from vicinal.train.vocabulary import token_vectors, vocabulary_of  # noqa: PLC0415 - the same

    teacher = encode.load("minilm", threads=1)
    found = vocabulary_of(teacher, [], vocabulary=None, words=None)
    rows = token_vectors(teacher, found)
    known = rows.any(axis=1)
    rows[known] -= rows[known].mean(axis=0)
    bags = Bags.of(Rules(found.rules).ids(islice(lines(out / "lines.txt"), SAMPLE), without=found.unknown), len(found))
    shares = bags.column_sums() / bags.column_sums().sum()
    rows *= (SIF_A / (SIF_A + shares)).astype(np.float32)[:, None]
    (out / "model").mkdir()
    write_model(out / "model", rows, found.rules, teacher="minilm", trained=True)


def write_vectors(path: Path, encoder: Encoder, found: Iterator[str], count: int) -> None:
    """Write the vectors of so many texts into a mapped file, which gets its name when it is whole."""
    part = path.with_suffix(".part")
    array = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(count, encoder.space.dim))
    begun = time.monotonic()
    for start in range(0, count, BLOCK):
        block = list(islice(found, min(BLOCK, count - start)))
        if not block:
            raise SystemExit(f"{path.name}: the lines end at {start}, {count} were asked for.")
        array[start : start + len(block)] = np.asarray(encoder.encode_documents(block))
        print(
            f"{path.name}: {start + len(block)} of {count}, {time.monotonic() - begun:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    array.flush()
    part.rename(path)


def size_name(count: int) -> str:
    """Return a count as file names have it: 20k, 100k, 1m."""
    return f"{count // 1_000_000}m" if count % 1_000_000 == 0 else f"{count // 1000}k"


def make_sets(out: Path, name: str, encoder: Encoder, found: Iterator[str], count: int) -> None:
    """Write the largest set, its beginnings, the questions, and what is nearest to each of them."""
    questions = out / f"{name}-queries.f32.npy"
    if not questions.exists():
        np.save(questions, np.asarray(encoder.encode_queries(list(lines(out / "queries.txt")))))
    largest = out / f"{name}-{size_name(count)}.f32.npy"
    if not largest.exists():
        write_vectors(largest, encoder, found, count)
    for size in (count, *(size for size in SMALLER if size < count)):
        path = out / f"{name}-{size_name(size)}.f32.npy"
        if not path.exists():
            np.save(path, np.load(largest, mmap_mode="r")[:size])
        truth = out / f"{name}-{size_name(size)}-truth.npz"
        if not truth.exists():
            rows, scores = measure.nearest(np.load(path, mmap_mode="r"), np.load(questions), K)
            np.savez(truth, rows=rows, scores=scores)
            print(f"{truth.name} is there", file=sys.stderr, flush=True)


def spans(path: Path) -> Iterator[str]:
    """Yield all lines, then a part of each, then another part: overlapping texts, as chunks of documents overlap."""
    for low, high in SPANS:
        for line in lines(path):
            words = line.split(" ")
            yield " ".join(words[int(low * len(words)) : max(int(high * len(words)), int(low * len(words)) + 1)])


def main() -> None:
    """Make what was asked for and is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lines", type=int, default=3_600_000, help="at most so many")
    parser.add_argument("--folders", type=Path, nargs="+", default=[Path(one) for one in FOLDERS])
    parser.add_argument("--static", type=int, default=0)
    parser.add_argument("--minilm", type=int, default=0)
    parser.add_argument("--spans", type=int, default=0)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if not (given.out / "lines.txt").exists():
        make_lines(given.out, given.folders, given.lines)
    if (given.static or given.spans) and not (given.out / "model").exists():
        make_model(given.out)
    plain = lines(given.out / "lines.txt")
    if given.static:
        make_sets(given.out, "static", encode.load(str(given.out / "model"), threads=1), plain, given.static)
    if given.minilm:
        make_sets(given.out, "minilm", encode.load("minilm", threads=1), lines(given.out / "lines.txt"), given.minilm)
    if given.spans:
        encoder = encode.load(str(given.out / "model"), threads=1)
        make_sets(given.out, "static", encoder, spans(given.out / "lines.txt"), given.spans)


if __name__ == "__main__":
    main()
