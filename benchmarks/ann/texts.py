"""Distinct lines of real text from what lies on a machine: documentation, manual pages, docstrings, package descriptions, dictionaries.

A line is a sentence or a paragraph's beginning of 40 to 300 characters with five words or more, mostly letters. Two lines
that are the same but for case, digits and punctuation are one. The order is shuffled by a fixed seed.
"""

from __future__ import annotations

import ast
import csv
import gzip
import html
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np

LOW_CHARS, HIGH_CHARS = 40, 300
LOW_WORDS = 5
LETTERS = 0.72
"""The least share of letters and spaces: code and tables of numbers stay out."""
MAX_FILE_BYTES = 4_000_000
SEED = 0

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
BLANK_LINE = re.compile(r"\n\s*\n")
SPACES = re.compile(r"\s+")
SIGNS = re.compile(r"[^a-z]+")
TAGS = re.compile(r"<(script|style|pre|head)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
BLOCK_END = re.compile(r"</?(?:p|li|td|th|dd|dt|h[1-6]|div|br|tr|blockquote)\b[^>]*>", re.IGNORECASE)
TROFF_LINE = re.compile(r"^[.'].*$", re.MULTILINE)
TROFF_MARK = re.compile(r"\\f[A-Z(]{1,3}|\\[&/|^,]|\\s[-+]?\d")
COMMENT = re.compile(r"/\*+(.*?)\*/", re.DOTALL)
COMMENT_STAR = re.compile(r"^\s*\*+", re.MULTILINE)
DESCRIPTION = re.compile(r"^Description(?:-en)?: (.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def from_html(content: str) -> str:
    """Return the text of a page, its blocks as paragraphs."""
    return html.unescape(TAGS.sub(" ", BLOCK_END.sub("\n\n", content)))


def from_manual(content: str) -> str:
    """Return the text of a manual page without the commands of troff."""
    plain = TROFF_MARK.sub("", TROFF_LINE.sub("\n", content))
    return plain.replace("\\-", "-").replace("\\(aq", "'").replace("\\e", "\\")


def from_python(content: str) -> str:
    """Return the docstrings of a module."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return "\n\n".join(ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds))


def from_header(content: str) -> str:
    """Return the comments of a C file."""
    return "\n\n".join(COMMENT_STAR.sub("", one) for one in COMMENT.findall(content))


def from_json_lines(content: str) -> str:
    """Return the longer strings of the objects, one a line."""
    objects = [json.loads(line) for line in content.splitlines() if line.startswith("{")]
    return "\n\n".join(value for one in objects for value in one.values() if isinstance(value, str))


def from_table(content: str) -> str:
    """Return the cells of a table with commas."""
    csv.field_size_limit(MAX_FILE_BYTES)
    return "\n\n".join(cell for row in csv.reader(content.splitlines()) for cell in row)


def from_dictionary(content: str) -> str:
    """Return a dictionary's articles; an indented line that begins with a number begins a sense."""
    return re.sub(r"\n(?=\s*\d+[.:] |\S)", "\n\n", content)


READERS: dict[str, Callable[[str], str]] = {
    ".html": from_html, ".htm": from_html, ".py": from_python, ".h": from_header, ".c": from_header,
    ".hpp": from_header, ".rst": str, ".md": str, ".txt": str, ".pod": str, ".jsonl": from_json_lines,
    ".csv": from_table, ".dz": from_dictionary,
}  # fmt: skip
MANUAL = re.compile(r"\.[1-8][a-z]*\.gz$")


def lines_of(text: str) -> Iterator[str]:
    """Return the lines of a text: its sentences, long ones cut at a word."""
    for paragraph in BLANK_LINE.split(text):
        for sentence in SENTENCE_END.split(SPACES.sub(" ", paragraph).strip()):
            line = sentence if len(sentence) <= HIGH_CHARS else sentence[:HIGH_CHARS].rsplit(" ", 1)[0]
            if len(line) >= LOW_CHARS and line.count(" ") >= LOW_WORDS - 1 and _is_prose(line):
                yield line


def _is_prose(line: str) -> bool:
    """Return whether a line is mostly letters."""
    return sum(map(str.isalpha, line)) + line.count(" ") >= LETTERS * len(line)


def read(path: Path) -> str:
    """Return the text of a file, empty where it is of no known kind."""
    reader = from_manual if MANUAL.search(path.name) else READERS.get(path.suffix.lower())
    if reader is None or not 0 < path.stat().st_size <= MAX_FILE_BYTES * (8 if path.suffix == ".dz" else 1):
        return ""
    raw = path.read_bytes()
    if path.suffix in {".gz", ".dz"}:
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError):
            return ""
    try:
        return reader(raw.decode("utf-8", errors="ignore"))
    except (ValueError, csv.Error):
        return ""


def files(folders: Iterable[Path]) -> Iterator[Path]:
    """Return the files of folders in the order of their names, links left out, a folder that is inside another once."""
    for top in folders:
        for folder, below, names in os.walk(top):
            below[:] = sorted(name for name in below if not name.startswith((".", "__pycache__")))
            yield from (Path(folder, name) for name in sorted(names) if not Path(folder, name).is_symlink())


def descriptions() -> str:
    """Return the descriptions of the packages that Debian's package manager knows; empty where it is not."""
    try:
        said = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout.decode(
            "utf-8", "ignore"
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return "\n\n".join(one.replace("\n .", "\n\n") for one in DESCRIPTION.findall(said))


def gather(folders: Iterable[Path], count: int) -> list[str]:
    """Return so many distinct lines, fewer where the folders have fewer, in a shuffled order.

    The folders are read to the end, so that the lines are of all kinds.
    """
    seen: set[bytes] = set()
    found: list[str] = []
    for number, text in enumerate(_texts(folders)):
        for line in lines_of(text):
            digest = blake2b(SIGNS.sub("", line.lower()).encode(), digest_size=8).digest()
            if digest not in seen:
                seen.add(digest)
                found.append(line)
        if number % 20_000 == 0:
            print(f"{number} texts, {len(found)} lines", file=sys.stderr, flush=True)
    order = np.random.default_rng(SEED).permutation(len(found))[:count]
    return [found[place] for place in order]


def _texts(folders: Iterable[Path]) -> Iterator[str]:
    yield descriptions()
    yield from map(read, files(folders))
