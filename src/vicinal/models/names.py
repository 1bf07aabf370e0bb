"""What a user types → a pin: a built-in name, a folder, a file of word vectors, or a repository on the hub."""

from __future__ import annotations

from pathlib import Path

from vicinal.errors import ModelNotFoundError
from vicinal.models import hub, pins, words
from vicinal.models.digests import digest_of
from vicinal.models.layout import MAX_WINDOW, pin_of
from vicinal.models.pins import Pin
from vicinal.types import Progress


def get(name: str, *, fetch: bool = True, progress: Progress | None = None) -> Pin:
    """Return the pin of a name.

    Parameters
    ----------
    name : str
        A built-in name or an alias, in any case of letters; the path of a folder in the hub's layout or of a file
        of word vectors; or a repository on the hub, ``owner/name`` or ``owner/name@revision``.
    fetch : bool
        Whether a repository that was never used before may be asked for; what it holds then is pinned from now on.
    progress : callable, optional
        Called with (bytes ready, bytes in all) while fetching.

    Raises
    ------
    ModelNotFoundError
        It is none of these, or it is not pinned yet and may not or cannot be fetched.
    ModelLoadError
        The folder lacks a file, or its settings ask for what is not supported.
    """
    found = pins.built_in(name)
    if found is not None:
        return found
    path = Path(name).expanduser() if name and "\0" not in name else None
    if path is not None and path.is_dir():
        return pin_of(path)
    if path is not None and path.is_file():
        return _pin_of_file(path)
    if not hub.is_repo(name):
        raise pins.unknown(name)
    locked = hub.locked(name)
    if locked is not None:
        return locked
    if not fetch:
        raise ModelNotFoundError(
            f"{name} was never fetched, so nothing is known of it. Run: vicinal models pull {name}",
            got=name,
            where="model",
        )
    return hub.fetch(name, progress=progress)


def _pin_of_file(path: Path) -> Pin:
    """Return the pin of a file of word vectors."""
    kind = words.is_word_vectors(path)
    if not kind:
        raise ModelNotFoundError(
            f"{path} is a file, but none of word vectors. Files that load are those of GloVe, word2vec and fastText.",
            got=path.name,
            where=str(path),
        )
    return Pin(
        name=str(path),
        files={path.name: digest_of(path)},
        size_bytes=path.stat().st_size,
        max_tokens=MAX_WINDOW,
        dim=0,
        kind="words",
        pooling="mean",
        folder=str(path.parent),
    )
