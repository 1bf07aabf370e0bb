"""Verified files → a network that runs: the graph written once, kept, and checked at each load."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vicinal import config
from vicinal._arrays import whole_number
from vicinal._files import write_atomically
from vicinal.errors import EncodeError, ModelLoadError, StoreError
from vicinal.models import families
from vicinal.models.pins import CONFIG, WEIGHTS, read_json
from vicinal.models.safetensors import Tensor, read_header
from vicinal.models.sources import Found
from vicinal.types import Floats

WRITER_VERSION = 1
"""Counts the forms of the written graph; a graph of another form is not looked at."""
MAX_THREADS = 1024


class Network:
    """Token ids → token vectors. Safe for many threads.

    Parameters
    ----------
    found : Found
        Verified files.
    threads : int, optional, 1 <= threads
        How many calls are worth making at once; one call runs in one thread. Default: the setting ``VICINAL_THREADS``.

    Raises
    ------
    ModelLoadError
        No network can be made of the files.
    DtypeError, RangeError
        ``threads`` is no such number.
    """

    def __init__(self, found: Found, *, threads: int | None = None) -> None:
        self.threads = (
            config.threads() if threads is None else whole_number(threads, "threads", low=1, high=MAX_THREADS)
        )
        tensors = read_header(found.folder / WEIGHTS)
        self.description = families.describe(read_json(found.folder / CONFIG), tensors)
        if found.pin.max_tokens > self.description.positions:
            raise ModelLoadError(
                f"The window of {found.pin.name} is {found.pin.max_tokens} tokens, but the network knows "
                f"{self.description.positions} positions. Its settings contradict each other.",
                expected=f"<= {self.description.positions}",
                got=found.pin.max_tokens,
                where="max_tokens",
            )
        from vicinal.models._onnxruntime import Session  # noqa: PLC0415 - heavy: loaded with the first network

        weights = (found.folder / WEIGHTS).resolve()  # the runtime follows no link out of the folder it is given
        self._session = Session(_graph(found, self.description, tensors, weights.name), weights.parent)

    @property
    def dim(self) -> int:
        """D of a token vector."""
        return self.description.dim

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights."""
        return self.description.architecture

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """Return the token vectors of a batch.

        Parameters
        ----------
        ids, mask : int64 arrays of shape (B, T)
            The mask is 1 where a token is and 0 where padding is.

        Returns
        -------
        float32 array of shape (B, T, D)
            Rows of padding hold numbers without meaning.

        Raises
        ------
        EncodeError
            T is beyond the network's positions, an id is unknown to it, or the runtime failed.
        """
        if ids.shape[1] > self.description.positions:
            raise EncodeError(
                f"A batch of {ids.shape[1]} tokens is longer than the network's {self.description.positions} positions.",
                expected=f"<= {self.description.positions}",
                got=ids.shape[1],
            )
        return self._session.run(ids, mask)


def _graph(found: Found, description: families.Bert, tensors: dict[str, Tensor], weights_file: str) -> bytes:
    """Return the graph, from where an earlier load kept it or written anew and kept."""
    identity = f"{WRITER_VERSION} {description!r} {found.pin.files[WEIGHTS]} {weights_file}"
    stem = f"vicinal-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    folders = _graph_folders(found)
    kept = next((graph for folder in folders if (graph := _kept(folder, stem)) is not None), None)
    if kept is not None:
        return kept
    written = families.write(description, tensors, weights_file)
    _keep(folders, stem, written)
    return written


def _graph_folders(found: Found) -> list[Path]:
    """Return where a graph may be kept: beside the model, else in the cache; an installed wheel is not added to."""
    cached = config.cache_folder() / "graphs"
    return [cached] if found.source == "installed" else [found.folder, cached]


def _kept(folder: Path, stem: str) -> bytes | None:
    """Return a kept graph whose content has the digest in its name; a damaged one is removed."""
    for path in sorted(folder.glob(f"{stem}-*.onnx")):
        with suppress(OSError):
            content = path.read_bytes()
            if path.name == _name(stem, content):
                return content
            path.unlink()
    return None


def _keep(folders: list[Path], stem: str, content: bytes) -> None:
    """Write the graph into the first folder that takes it; without one it is written anew at each load."""
    for folder in folders:
        with suppress(OSError, StoreError):
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / _name(stem, content), content)
            return


def _name(stem: str, content: bytes) -> str:
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:32]}.onnx"
