"""Word vectors in the cache: parsed once, then mapped. What is damaged there is made anew out of the source.

::

    words/<digest of the source>-<kind>/
      vectors.f32   V × D float32, little-endian, row after row      (not for fastText's own files: mapped where they lie)
      words         UTF-8, a zero byte between two words
      counts.i64    V × int64                                        (where the source has counts)
      about.json    the numbers of it all, the digests of the files, and its own: moved in last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from vicinal import config
from vicinal._arrays import one_of
from vicinal._files import disk_errors, sha256_of, sync_folder
from vicinal.errors import ModelLoadError
from vicinal.models.digests import digest_of
from vicinal.models.words.binary import read_binary
from vicinal.models.words.fasttext import read_fasttext
from vicinal.models.words.kinds import KINDS, is_word_vectors
from vicinal.models.words.lexicon import WordVectors
from vicinal.models.words.ngrams import Ngrams
from vicinal.models.words.text import read_text

FORM = 1
"""Counts the forms of what is kept; another form is made anew."""
ABOUT, VECTORS, WORDS, COUNTS = "about.json", "vectors.f32", "words", "counts.i64"
MAX_ABOUT_BYTES = 65_536


def open_words(path: Path, *, kind: str | None = None) -> WordVectors:
    """Return the words of a file with their vectors, from the cache where they were read before.

    Parameters
    ----------
    path : Path
        A file of word vectors.
    kind : str, optional
        One of ``KINDS``. Default: what ``is_word_vectors`` sees.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is none of word vectors, or is damaged; the message has the line or the byte.
    UnsupportedError
        The file is a quantised or pruned one of fastText.
    UnknownNameError
        ``kind`` is no such name.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The cache cannot be written.

    Notes
    -----
    Cost: the first time 0.2 µs for each number of a text file (GloVe 400,000 x 300: half a minute); after that the words are read and the vectors
    mapped, and the digest of neither is computed again as long as nothing wrote to the files.
    """
    kind = one_of(kind, "kind", KINDS) if kind else is_word_vectors(path)
    if not kind:
        raise ModelLoadError(
            f"{path} is no file of word vectors. Files that load are those of GloVe, word2vec and fastText.",
            expected=", ".join(KINDS),
            where=str(path),
        )
    digest = digest_of(path)
    folder = config.cache_folder() / "words" / f"{digest[:32]}-{kind}"
    about = _about(folder, digest, kind)
    if about is None:
        with disk_errors(folder):
            _make(path, digest, kind, folder)
        about = _about(folder, digest, kind)
    if about is None:
        raise ModelLoadError(f"{folder} was written and cannot be read back. Check the disk.", where=str(folder))
    return _opened(path, folder, about)


def _about(folder: Path, digest: str, kind: str) -> dict[str, Any] | None:
    """Return what is kept of a source, None where anything of it is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelLoadError):
        if (folder / ABOUT).stat().st_size > MAX_ABOUT_BYTES:
            return None
        told = json.loads((folder / ABOUT).read_bytes())
        about: dict[str, Any] = told["about"]
        sealed = told["sha256"] == _seal(about) and (about["form"], about["source"]) == (FORM, digest)
        if sealed and about["kind"] == kind and _whole(folder, about):
            return about
    return None


def _whole(folder: Path, about: dict[str, Any]) -> bool:
    """Return whether the files are those that were written."""
    return all(digest_of(folder / name) == digest for name, digest in about["files"].items())


def _seal(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _opened(path: Path, folder: Path, about: dict[str, Any]) -> WordVectors:
    """Return what is kept, the vectors mapped."""
    rows, dim, ngrams = about["rows"], about["dim"], about["ngrams"]
    source, offset = (folder / VECTORS, 0) if about["offset"] is None else (path, about["offset"])
    try:
        table = np.asarray(np.memmap(source, dtype="<f4", mode="r", offset=offset, shape=(rows, dim)))
        words = (folder / WORDS).read_bytes().decode().split("\0")
        counts = np.fromfile(folder / COUNTS, dtype="<i8") if COUNTS in about["files"] else None
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{source} cannot be mapped: {error}. Load the model again.", where=str(source)) from error
    return WordVectors(
        kind=about["kind"],
        digest=about["source"],
        words=tuple(words),
        table=table,
        counts=counts,
        total=about["total"],
        ngrams=Ngrams(**ngrams) if ngrams else None,
    )


def _make(path: Path, digest: str, kind: str, folder: Path) -> None:
    """Read the source and move what it became into the cache, ``about.json`` last."""
    with _workplace(folder) as place:
        about: dict[str, Any] = {
            "form": FORM,
            "source": digest,
            "kind": kind,
            "total": 0,
            "offset": None,
            "ngrams": None,
        }
        about |= _fasttext(path, place) if kind == "fasttext-binary" else _table(path, kind, place)
        about["files"] = {file.name: sha256_of(file) for file in sorted(place.iterdir())}
        (place / ABOUT).write_text(json.dumps({"about": about, "sha256": _seal(about)}), encoding="ascii")
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*about["files"], ABOUT):
            with (place / name).open("rb") as file:
                os.fsync(file.fileno())
            (place / name).replace(folder / name)
        sync_folder(folder)


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """Lend a folder on the cache's own disk; what is left in it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _table(path: Path, kind: str, place: Path) -> dict[str, Any]:
    """Write the words and vectors of a file whose rows are read one by one."""
    blocks = read_binary(path) if kind == "word2vec-binary" else read_text(path, header=kind != "glove")
    rows = dim = 0
    with (place / VECTORS).open("wb") as vectors, (place / WORDS).open("wb") as words:
        for block in blocks:
            words.write(b"\0" * (rows > 0) + "\0".join(block.words).encode())
            vectors.write(block.vectors.tobytes())
            rows, dim = rows + len(block.words), block.vectors.shape[1]
    return {"rows": rows, "dim": dim}


def _fasttext(path: Path, place: Path) -> dict[str, Any]:
    """Write the vocabulary of a fastText file; its matrix stays where it lies."""
    parts = read_fasttext(path)
    (place / WORDS).write_bytes("\0".join(parts.words).encode())
    (place / COUNTS).write_bytes(parts.counts.astype("<i8").tobytes())
    rows, dim = parts.shape
    ngrams = asdict(parts.ngrams) if parts.ngrams else None
    return {"rows": rows, "dim": dim, "total": parts.total, "offset": parts.offset, "ngrams": ngrams}
