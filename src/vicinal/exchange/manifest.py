"""The folder of an export: what it holds, in which space, and the digest of each file.

::

    notes.export/
      space.json       the canonical form of the space
      vectors.npy      or .parquet, .fvecs, .faiss
      records.jsonl    {"id", "text", "fields"} a line; Parquet holds them itself
      manifest.json    the kind, rows, and of each file its bytes and SHA-256
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal._files import sha256_of, write_atomically
from vicinal.errors import FormatVersionError
from vicinal.exchange.source import damaged
from vicinal.space import Space

FORMAT_VERSION = 1
MANIFEST, SPACE, RECORDS = "manifest.json", "space.json", "records.jsonl"
FILES = {"npy": "vectors.npy", "parquet": "vectors.parquet", "fvecs": "vectors.fvecs", "faiss": "vectors.faiss"}
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export says of itself, proven."""

    kind: str
    rows: int
    space: Space


def names_of(kind: str) -> tuple[str, ...]:
    """Return the files of an export but its manifest."""
    return (SPACE, FILES[kind]) if kind == "parquet" else (SPACE, FILES[kind], RECORDS)


def write(folder: Path, kind: str, rows: int, space: Space) -> None:
    """Write the manifest of a folder whose other files are there."""
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)} for name in names_of(kind)
    }
    told = {"format_version": FORMAT_VERSION, "kind": kind, "rows": rows, "space": space.id, "files": files}
    write_atomically(folder / MANIFEST, json.dumps(told, indent=1).encode() + b"\n")


def read(folder: Path) -> Manifest:
    """Return what an export says, each of its files compared with its digest.

    Raises
    ------
    InputError
        A file is missing, cut or changed, or there is no manifest.
    FormatVersionError
        A newer program wrote it.
    """
    if not (folder / MANIFEST).is_file():
        raise damaged(folder, f"it is a folder without {MANIFEST}, so no export; name a file in it")
    told = _json(folder / MANIFEST)
    if told.get("format_version") != FORMAT_VERSION:
        raise FormatVersionError(
            f"{folder} was exported in format {told.get('format_version')!r}; this program reads {FORMAT_VERSION}. Update it.",
            expected=FORMAT_VERSION,
            got=told.get("format_version"),
            where=str(folder),
        )
    kind, rows, files = told.get("kind"), told.get("rows"), told.get("files")
    if kind not in FILES or not isinstance(rows, int) or rows < 0 or not isinstance(files, dict):
        raise damaged(folder / MANIFEST, "it describes no export")
    for name in names_of(kind):
        said, path = files.get(name), folder / name
        if not isinstance(said, dict) or not path.is_file() or path.stat().st_size != said.get("bytes"):
            raise damaged(path, "it is missing, or has another length than its manifest says")
        if sha256_of(path) != said.get("sha256"):
            raise damaged(path, "its SHA-256 is not the one in its manifest")
    return Manifest(kind=kind, rows=rows, space=_space(folder / SPACE))


def _space(path: Path) -> Space:
    if path.stat().st_size > MOST_BYTES:
        raise damaged(path, "it is too long for a space")
    return Space.from_canonical(path.read_bytes().decode(errors="replace"))


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MOST_BYTES:
        raise damaged(path, "it is too long for a manifest")
    try:
        told = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, "it is no JSON") from error
    if not isinstance(told, dict):
        raise damaged(path, "it is no JSON object")
    return told
