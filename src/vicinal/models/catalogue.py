"""What the command line asks of models: which there are, fetch one, verify one, tell of one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vicinal.errors import ModelNotFoundError
from vicinal.models import hub, sources
from vicinal.models.names import get
from vicinal.models.pins import BUILT_IN, Pin
from vicinal.models.sources import FileCheck, Found
from vicinal.types import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """A known model and whether it is on this machine.

    ``source`` is ``cache`` or ``installed``, ``""`` when it is not here; ``path`` is its folder then.
    """

    name: str
    dim: int
    max_tokens: int
    licence: str
    size_bytes: int
    source: str
    path: str


def known() -> list[ModelStatus]:
    """Return every built-in model, and those of the hub that were fetched before, and where each is found.

    Nothing is fetched.

    Raises
    ------
    ModelLoadError
        A file is there and cannot be read.
    """
    return [_status(pin) for pin in (*BUILT_IN, *hub.all_locked())]


def pull(name: str, progress: Progress | None = None) -> Found:
    """Fetch a model into the cache, unless this machine has it already.

    Parameters
    ----------
    name : str
        A known name or the path of a folder.
    progress : callable, optional
        Called with (bytes ready, bytes of the model).

    Raises
    ------
    ModelNotFoundError
        The name is unknown, or no source that may be asked has the model.
    PinMismatchError
        What came is not the pinned model.
    """
    return sources.find(get(name, progress=progress), progress=progress)


def verify(name: str) -> list[FileCheck]:
    """Return each file of a model with its expected digest and the digest of its content, read in full now.

    Nothing is moved or fetched: a wrong file is only reported.

    Raises
    ------
    ModelNotFoundError
        The name is unknown, or no file of the model is on this machine.
    ModelLoadError
        A file cannot be read.
    """
    pin = get(name, fetch=False)
    return sources.check(pin, _folder(pin), recompute=True)


def info(name: str) -> dict[str, Any]:
    """Return the pin of a model as plain data, with its digest, and ``source`` and ``path`` if it is here.

    Raises
    ------
    ModelNotFoundError
        The name is unknown.
    ModelLoadError
        A file is there and cannot be read.
    """
    pin = get(name, fetch=False)
    found = _status(pin)
    told = {**asdict(pin), "files": dict(pin.files), "aliases": list(pin.aliases)}
    return {**told, "digest": pin.digest, "source": found.source, "path": found.path}


def _status(pin: Pin) -> ModelStatus:
    found = sources.local(pin)
    return ModelStatus(
        name=pin.name,
        dim=pin.dim,
        max_tokens=pin.max_tokens,
        licence=pin.licence,
        size_bytes=pin.size_bytes,
        source=found.source if found else "",
        path=str(found.folder) if found else "",
    )


def _folder(pin: Pin) -> Path:
    """Return the folder whose files are to be verified: the first that has any."""
    for folder in sources.places(pin):
        if any((folder / name).is_file() for name in pin.files):
            return folder
    raise ModelNotFoundError(
        f"No file of {pin.name} is on this machine. Run: {sources.command_for(pin)}", where=str(sources.cache_of(pin))
    )
