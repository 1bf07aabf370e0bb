"""Verified files → a network that runs: by which runtime, and its graph written once, kept, and checked at each load."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal import config
from vicinal._arrays import whole_number
from vicinal._files import write_atomically
from vicinal.errors import EncodeError, FallbackWarning, ModelLoadError, StoreError, UnsupportedError
from vicinal.models import exported, families, runtimes
from vicinal.models.pins import CONFIG, WEIGHTS
from vicinal.models.runtimes import Gives, Running
from vicinal.models.safetensors import read_header
from vicinal.models.settings import read_json
from vicinal.models.sources import Found
from vicinal.types import Floats

WRITER_VERSION = 1
"""Counts the forms of the written graph; a graph of another form is not looked at."""
MAX_THREADS = 1024


class Network:
    """Token ids → token vectors, or the vectors of texts where the runtime pools itself. Safe for many threads.

    Parameters
    ----------
    found : Found
        Verified files.
    threads : int, optional, 1 <= threads
        How many calls are worth making at once; one call runs in one thread. Default: the setting ``VICINAL_THREADS``.
    runtime : str
        What runs it, one of ``runtimes.NAMES``. The default runs a model that no network here knows by
        sentence-transformers, and warns of it.
    precision : {"fp32", "bf16"}
        What it computes in, where the runtime's name does not say it.

    Raises
    ------
    ModelLoadError
        No network can be made of the files.
    UnsupportedError
        The runtime cannot run this model, or not in this precision, or not on this machine.
    MissingExtraError
        The library that is needed is not installed; the message has the command.
    UnknownNameError, DtypeError, RangeError
        A parameter is none of what is allowed.
    """

    def __init__(
        self,
        found: Found,
        *,
        threads: int | None = None,
        runtime: str = runtimes.DEFAULT,
        precision: str = "fp32",
    ) -> None:
        self.threads = (
            config.threads() if threads is None else whole_number(threads, "threads", low=1, high=MAX_THREADS)
        )
        name, precision = runtimes.settle(runtime, precision)
        self._running = _started(found, name, precision, self.threads)
        if found.pin.max_tokens > self.positions:
            raise ModelLoadError(
                f"The window of {found.pin.name} is {found.pin.max_tokens} tokens, but the network knows "
                f"{self.positions} positions. Its settings contradict each other.",
                expected=f"<= {self.positions}",
                got=found.pin.max_tokens,
                where="max_tokens",
            )

    @property
    def dim(self) -> int:
        """D of what it gives."""
        return self._running.dim

    @property
    def positions(self) -> int:
        """The longest T."""
        return self._running.positions

    @property
    def architecture(self) -> str:
        """One line that says everything of the network but its weights; the same in every runtime that knows it."""
        return self._running.architecture

    @property
    def gives(self) -> Gives:
        """``tokens``: (B, T, D), to be pooled; ``vectors``: (B, D), pooled by the runtime."""
        return self._running.gives

    @property
    def runtime(self) -> str:
        """One line to record beside a space: library, version, device, precision."""
        return self._running.runtime

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """Return what the network gives for a batch.

        Parameters
        ----------
        ids, mask : int64 arrays of shape (B, T)
            The mask is 1 where a token is and 0 where padding is, which stands behind the tokens.

        Returns
        -------
        float32 array of shape (B, T, D) or (B, D), as ``gives`` says
            Rows of padding hold numbers without meaning.

        Raises
        ------
        EncodeError
            T is beyond the network's positions, an id is unknown to it, or the runtime failed.
        """
        if ids.shape[1] > self.positions:
            raise EncodeError(
                f"A batch of {ids.shape[1]} tokens is longer than the network's {self.positions} positions.",
                expected=f"<= {self.positions}",
                got=ids.shape[1],
            )
        return self._running.run(ids, mask)


def _started(found: Found, runtime: str, precision: str, threads: int) -> Running:
    """Return the network in the runtime that was asked for, or in the one that can run it."""
    if exported.file_of(found):
        return _exported(found, runtime)
    settings = read_json(found.folder / CONFIG)
    if runtime == runtimes.FOREIGN:
        return _foreign(found, settings)
    why = _why_foreign(found, settings)
    if why and runtime != runtimes.DEFAULT:
        raise UnsupportedError(
            f"{found.pin.name} cannot be run by {runtime}: {why}. Use the runtime {runtimes.FOREIGN}.",
            expected=runtimes.FOREIGN,
            got=runtime,
            where="runtime",
        )
    if why:
        return _fallen_back(found, settings, why)
    return _native(found, settings, runtime, precision, threads)


def _exported(found: Found, runtime: str) -> Running:
    if runtime not in {"onnxruntime", "cuda"}:
        raise UnsupportedError(
            f"{found.pin.name} is an exported network ({exported.file_of(found)}), which onnxruntime or cuda runs, "
            f"not {runtime}.",
            expected="onnxruntime, cuda",
            got=runtime,
            where="runtime",
        )
    return exported.start(found, device="cuda" if runtime == "cuda" else "cpu")


def _native(found: Found, settings: Mapping[str, Any], runtime: str, precision: str, threads: int) -> Running:
    """Return a network that is written here."""
    weights = (found.folder / WEIGHTS).resolve()  # the runtime follows no link out of the folder it is given
    tensors = read_header(weights)
    description = families.describe(settings, tensors)
    graph = _graph(found, f"{description!r}", weights.name, lambda: families.write(description, tensors, weights.name))
    if runtime == "openvino":
        if not runtimes.is_installed(runtime):
            raise runtimes.missing(runtime)
        from vicinal.models import _openvino  # noqa: PLC0415 - heavy, and an extra

        vino = _openvino.Session(
            graph, weights, tensors, threads=threads, precision=precision, positions=description.positions
        )
        return _described(description, _KnownIds(vino.run, settings), vino.name)
    from vicinal.models._onnxruntime import Session  # noqa: PLC0415 - heavy: loaded with the first network

    session = Session(graph, weights.parent, device="cuda" if runtime == "cuda" else "cpu")
    return _described(description, session.run, session.name)


def _described(description: families.Description, run: runtimes.Run, runtime: str) -> Running:
    return Running(
        run=run,
        gives="tokens",
        dim=description.dim,
        positions=description.positions,
        architecture=description.architecture,
        runtime=runtime,
    )


class _KnownIds:
    """Refuses ids beyond the vocabulary for a runtime that would read zeros there."""

    def __init__(self, run: runtimes.Run, settings: Mapping[str, Any]) -> None:
        self._run = run
        self._count = int(settings.get("vocab_size", 0))

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        if ids.size and self._count and not 0 <= ids.min() <= ids.max() < self._count:
            raise EncodeError(
                f"An id of the batch lies outside of the network's {self._count}.",
                expected=f"0 to {self._count - 1}",
                got=int(ids.max()),
            )
        return self._run(ids, mask)


def _why_foreign(found: Found, settings: Mapping[str, Any]) -> str:
    """Return why no network here is the model, ``""`` if one is."""
    if found.pin.foreign:
        return found.pin.foreign
    kind = settings.get("model_type")
    return "" if isinstance(kind, str) and kind in families.KNOWN else f"no network here is of the kind {kind!r}"


def _fallen_back(found: Found, settings: Mapping[str, Any], why: str) -> Running:
    """Return the model in the other library, and say so."""
    running = _foreign(found, settings, why=why)
    warnings.warn(
        f"{found.pin.name} is run by sentence-transformers, slower, because {why}.", FallbackWarning, stacklevel=6
    )
    return running


def _foreign(found: Found, settings: Mapping[str, Any], *, why: str = "") -> Running:
    """Return a model in sentence-transformers: in its own space where a network here is the same."""
    if not runtimes.is_installed(runtimes.FOREIGN):
        told = f"{found.pin.name} needs sentence-transformers, because {why}." if why else ""
        raise runtimes.missing(runtimes.FOREIGN, why=told)
    from vicinal.models import _sentence_transformers  # noqa: PLC0415 - heavy, and an extra

    architecture = ""
    if not _why_foreign(found, settings) and WEIGHTS in found.pin.files:
        with suppress(ModelLoadError):  # settings beyond what is written here
            architecture = families.describe(settings, read_header(found.folder / WEIGHTS)).architecture
    return _sentence_transformers.start(found, architecture=architecture, tokens=not found.pin.foreign)


def _graph(found: Found, description: str, weights_file: str, write: Callable[[], bytes]) -> bytes:
    """Return the graph, from where an earlier load kept it or written anew and kept."""
    identity = f"{WRITER_VERSION} {description} {found.pin.files[WEIGHTS]} {weights_file}"
    stem = f"vicinal-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    folders = _graph_folders(found)
    kept = next((graph for folder in folders if (graph := _kept(folder, stem)) is not None), None)
    if kept is not None:
        return kept
    written = write()
    _keep(folders, stem, written)
    return written


def _graph_folders(found: Found) -> list[Path]:
    """Return where a graph may be kept: with a model that this program put into its cache, else beside those.

    Never in a folder that came from elsewhere: a graph that lay there already would be run under the model's name.
    """
    graphs = config.cache_folder() / "graphs"
    return [found.folder, graphs] if found.source in {"cache", "wheel", "hub"} else [graphs]


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
