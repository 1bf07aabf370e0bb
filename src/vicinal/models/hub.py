"""A repository on the hub that is not built in: fetched once, pinned by what came, and the same ever after.

The first fetch trusts the hub for what belongs to the name; its digests, its revision and its settings are written
into a lock in the cache, and every later load asks for exactly these. To take a newer revision, name it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vicinal import config
from vicinal._files import disk_errors, sha256_of, write_atomically
from vicinal.errors import ModelLoadError, ModelNotFoundError, PinMismatchError
from vicinal.models import sources
from vicinal.models.layout import ONNX_FILES, pin_of
from vicinal.models.pins import CONFIG, TOKENIZER, WEIGHTS, Pin
from vicinal.models.recipes import recipe_of
from vicinal.types import Progress

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(?:@[A-Za-z0-9][\w./-]{0,99})?")
LISTED_AT_MOST = 10_000
SETTINGS_MAX_BYTES = 64 * 1024 * 1024
MODULE_FILE = re.compile(r"\d+_\w+/(config\.json|model\.safetensors|tokenizer\.json)")
SETTINGS_FILE = re.compile(r"[\w.-]+\.(json|txt)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a repository: its path, bytes, and SHA-256 where the hub tells it (for large files), else ``""``."""

    name: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the hub says of a repository at one revision; ``revision`` is the git hash."""

    revision: str
    licence: str
    files: tuple[RemoteFile, ...]


def is_repo(name: str) -> bool:
    """Return whether a name has the form ``owner/name`` or ``owner/name@revision``."""
    return REPO.fullmatch(name) is not None and ".." not in name


def locked(name: str) -> Pin | None:
    """Return the pin of a repository that was fetched before; None without one, or where the lock is damaged."""
    pin = _read(_lock_of(name))
    return pin if pin is not None and pin.name == name else None


def all_locked() -> list[Pin]:
    """Return the pins of all repositories that were fetched before, by name."""
    found = (_read(path) for path in (config.cache_folder() / "pins").glob("*.json"))
    return sorted((pin for pin in found if pin is not None), key=lambda pin: pin.name)


def _read(path: Path) -> Pin | None:
    """Return the pin that a lock holds, None if it is damaged."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        said = json.loads(path.read_bytes())
        known = {field.name for field in fields(Pin)}
        told = {key: tuple(value) if isinstance(value, list) else value for key, value in said["pin"].items()}
        if said["digest"] == _digest(said["pin"]) and set(told) <= known:
            return Pin(**told)  # type: ignore[arg-type]  # the fields that a pin of this program had when it was written
    return None


def fetch(name: str, *, progress: Progress | None = None) -> Pin:
    """Fetch a repository into the cache, pin what came, and return the pin.

    Raises
    ------
    ModelNotFoundError
        The network is switched off, or the hub has no such repository.
    ModelLoadError
        What it holds cannot be loaded; nothing of it is kept.
    PinMismatchError
        A file is not what the hub itself says it is.
    """
    repo, _, revision = name.partition("@")
    if config.offline():
        raise _not_there(name, f"the network is switched off by {sources.NETWORK_SETTINGS}")
    from vicinal.models import _huggingface_hub  # noqa: PLC0415 - heavy, and only here needed

    listing = _huggingface_hub.list_files(repo, revision)
    if isinstance(listing, str):
        raise _not_there(name, listing)
    chosen = choose(listing.files, name)
    with sources.workplace(hashlib.sha256(name.encode()).hexdigest()[:16]) as folder:
        _download(repo, listing.revision, chosen, folder, progress)
        pin = _named(pin_of(folder), name, repo, listing)
        sources.move_in(pin, folder)
    _write_lock(name, pin)
    return pin


def choose(files: Sequence[RemoteFile], name: str) -> list[RemoteFile]:
    """Return the files of a repository that loading needs: settings, tokenizer, one form of the weights.

    Raises
    ------
    ModelLoadError
        There are no weights in a form that can be read safely.
    """
    by_name = {file.name: file for file in files[:LISTED_AT_MOST]}
    weights = next((file for file in (WEIGHTS, "0_StaticEmbedding/" + WEIGHTS, *ONNX_FILES) if file in by_name), None)
    if weights is None:
        pickled = [file for file in by_name if file.endswith((".bin", ".pt", ".ckpt", ".h5"))]
        sharded = any("-of-" in file and file.endswith(".safetensors") for file in by_name)
        why = (
            "its weights are split over several files, which is not supported"
            if sharded
            else f"its weights are pickled ({pickled[0]}), which could run code"
            if pickled
            else "it has no weights"
        )
        raise ModelLoadError(
            f"{name} cannot be loaded: {why}. Take a revision or a model with {WEIGHTS}.",
            expected=WEIGHTS,
            got=", ".join(pickled[:3]) or "no weights",
            where=name,
        )
    kept = [weights, *(f"{weights}{suffix}" for suffix in ("_data", ".data"))]
    settings = [
        file.name
        for file in by_name.values()
        if (SETTINGS_FILE.fullmatch(file.name) or MODULE_FILE.fullmatch(file.name))
        and (file.size_bytes <= SETTINGS_MAX_BYTES or file.name.endswith(WEIGHTS))
    ]
    missing = [one for one in (CONFIG, TOKENIZER) if one not in by_name and weights in {WEIGHTS, *ONNX_FILES}]
    if missing:
        raise ModelLoadError(f"{name} cannot be loaded: it has no {', '.join(missing)}.", where=name)
    return [by_name[file] for file in dict.fromkeys([*kept, *settings]) if file in by_name]


def _download(repo: str, revision: str, files: Sequence[RemoteFile], folder: Path, progress: Progress | None) -> None:
    """Put files of a repository into a folder, each compared with what the hub says of it."""
    from vicinal.models import _huggingface_hub  # noqa: PLC0415 - as above

    total, ready = sum(file.size_bytes for file in files), 0
    for file in files:
        reason = _huggingface_hub.download(repo, revision, file.name, folder)
        if reason:
            raise _not_there(f"{repo}@{revision}", f"{file.name}: {reason}")
        got = sha256_of(folder / file.name) if file.sha256 else ""
        if got != file.sha256:
            raise PinMismatchError(
                f"{file.name} of {repo} is not what the hub says it is: expected {file.sha256}, got {got}. "
                "It was not kept; fetch it again.",
                expected=file.sha256,
                got=got,
                where=file.name,
            )
        ready += file.size_bytes
        if progress is not None:
            progress(ready, total)


def _named(pin: Pin, name: str, repo: str, listing: Listing) -> Pin:
    """Return the pin of a folder under its name on the hub, completed by what its authors say in words."""
    recipe = recipe_of(repo)
    silent = not pin.query_prompt and not pin.document_prompt
    return replace(
        pin,
        name=name,
        repo=repo,
        revision=listing.revision,
        licence=listing.licence,
        folder="",
        query_prompt=recipe.query_prompt if silent else pin.query_prompt,
        document_prompt=recipe.document_prompt if silent else pin.document_prompt,
        matryoshka=pin.matryoshka or recipe.matryoshka,
    )


def _lock_of(name: str) -> Path:
    """Return where the lock of a name lies."""
    return config.cache_folder() / "pins" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def _digest(pin: object) -> str:
    return hashlib.sha256(json.dumps(pin, sort_keys=True).encode()).hexdigest()


def _write_lock(name: str, pin: Pin) -> None:
    """Keep a pin under its name."""
    told = json.loads(json.dumps({**asdict(pin), "files": dict(pin.files)}))
    path = _lock_of(name)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"pin": told, "digest": _digest(told)}, indent=1).encode())


def _not_there(name: str, why: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"{name} is not on this machine and was not fetched: {why}. With a network, run: vicinal models pull {name}",
        got=name,
        where="model",
    )
