"""Digests of files, remembered as long as nothing wrote to the file.

Hashing 90 MB takes about half a second, longer than everything else that a first vector needs.
So a full digest is kept in the cache folder together with the stamp that the file system gives the file;
an equal stamp means an equal digest. ``recompute`` hashes in any case.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vicinal import config
from vicinal._files import sha256_of, stamp_of, write_atomically
from vicinal.errors import ModelLoadError, StoreError

RACY_S = 2.0
"""A file changed this recently may change again within one tick of its clock, unseen (git calls it racily clean)."""
SHA256_DIGITS = 64


def digest_of(path: Path, *, recompute: bool = False) -> str:
    """Return the SHA-256 of a file, from memory where its stamp is unchanged.

    Parameters
    ----------
    path : Path
        The file.
    recompute : bool
        Hash the content even if a digest is remembered.

    Raises
    ------
    ModelLoadError
        The file cannot be read.
    """
    try:
        stamp = stamp_of(path)
        remembered = None if recompute else _recall(path, stamp)
        if remembered is not None:
            return remembered
        digest = sha256_of(path)
        if stamp_of(path) == stamp and _settled(path):
            _remember(path, stamp, digest)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    return digest


def derived_digest(purpose: str, of: str, compute: Callable[[], str]) -> str:
    """Return a digest that follows from the content of one file, computed once for each content.

    Parameters
    ----------
    purpose : str
        What it is a digest of, with the version of the rule: a part of a file's name.
    of : str
        The SHA-256 of the file's content.
    compute : callable
        Returns the digest as 64 hexadecimal digits.
    """
    note = config.cache_folder() / "digests" / f"{purpose}-{of}"
    with suppress(OSError):
        kept = note.read_bytes()
        digest = kept[:SHA256_DIGITS].decode("ascii", "replace")
        if kept == _sealed(digest):
            return digest
    digest = compute()
    with suppress(OSError, StoreError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, _sealed(digest))
    return digest


def _sealed(digest: str) -> bytes:
    """Return a digest with the digest of itself, so that a damaged note is seen."""
    return f"{digest} {hashlib.sha256(digest.encode()).hexdigest()}".encode()


def _settled(path: Path) -> bool:
    """Return whether the file's last change is long enough ago for its stamp to tell of the next one."""
    found = path.stat()
    return time.time() - max(found.st_mtime, found.st_ctime) > RACY_S


def _note_of(path: Path) -> Path:
    """Return the file that remembers the digest of a path."""
    name = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return config.cache_folder() / "digests" / f"{name}.json"


def _recall(path: Path, stamp: str) -> str | None:
    """Return the remembered digest if it was taken of a file with this stamp; a damaged note is no note."""
    try:
        note = json.loads(_note_of(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    digest = note.get("sha256") if isinstance(note, dict) and note.get("stamp") == stamp else None
    return digest if isinstance(digest, str) and len(digest) == SHA256_DIGITS else None


def _remember(path: Path, stamp: str, digest: str) -> None:
    """Keep the digest; where the cache cannot be written, the file is hashed again next time."""
    note = _note_of(path)
    with suppress(OSError, StoreError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, json.dumps({"path": str(path), "stamp": stamp, "sha256": digest}).encode())
