"""The runtimes of networks: what each is called, what it can, whether it is here, and what a started one gives.

A runtime is no part of a space: the same network gives the same vectors in each, to the rounding of its precision.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vicinal._arrays import one_of
from vicinal.errors import MissingExtraError, UnsupportedError
from vicinal.types import Floats

Gives = Literal["tokens", "vectors"]
Run = Callable[[NDArray[np.int64], NDArray[np.int64]], Floats]

DEFAULT = "onnxruntime"
FOREIGN = "sentence-transformers"
PRECISIONS = ("fp32", "bf16")
TABLE = {
    # runtime: (the package that it is, the extra that installs it, its precisions, what it is for)
    "onnxruntime": ("onnxruntime", "", ("fp32",), "the default: on the processor, installed with the program"),
    "cuda": ("onnxruntime-gpu", "", ("fp32",), "onnxruntime on an NVIDIA accelerator"),
    "openvino": ("openvino", "openvino", ("fp32", "bf16"), "on the processor; faster in bf16 where it has it"),
    FOREIGN: (FOREIGN, "train", ("fp32",), "PyTorch on the processor: models that no network here knows"),
}
NAMES = (*TABLE, "openvino-bf16")
"""What a user may write; a precision may stand behind the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A network that was started; safe for many threads.

    Parameters
    ----------
    run : callable
        Takes ids and mask, int64 (B, T), and returns float32: (B, T, D), or (B, D) where it pools itself.
    gives : {"tokens", "vectors"}
        Which of the two.
    dim : int
        D.
    positions : int
        The longest T.
    architecture : str
        One line that says everything of the network but its weights.
    runtime : str
        One line that is recorded beside a space: library, version, device, precision.
    """

    run: Run
    gives: Gives
    dim: int
    positions: int
    architecture: str
    runtime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """A runtime as it is on this machine.

    ``version`` is ``""`` where the library is not installed; ``precisions`` are those that this processor has;
    ``reason`` says why it is not available, ``install`` how that is changed, both ``""`` where it is.
    """

    name: str
    does: str
    available: bool
    version: str
    precisions: tuple[str, ...]
    reason: str
    install: str


def known() -> list[RuntimeStatus]:
    """Return every runtime, and whether it can be used here. Loads onnxruntime, and OpenVINO where it is installed."""
    return [_status(name) for name in TABLE]


def settle(runtime: str, precision: str = "fp32") -> tuple[str, str]:
    """Return the runtime and the precision that are meant, checked to go together.

    Parameters
    ----------
    runtime : str
        One of ``NAMES``.
    precision : {"fp32", "bf16"}
        What it computes in, where the name does not say it.

    Raises
    ------
    UnknownNameError
        A name is none of those that are known.
    UnsupportedError
        The runtime does not have the precision.
    """
    one_of(runtime, "runtime", NAMES)
    one_of(precision, "precision", PRECISIONS)
    name = runtime.removesuffix("-bf16")
    precision = "bf16" if name != runtime else precision
    if precision not in TABLE[name][2]:
        raise UnsupportedError(
            f"The runtime {name} computes in {', '.join(TABLE[name][2])}, not in {precision}; openvino has bf16.",
            expected=", ".join(TABLE[name][2]),
            got=precision,
            where="precision",
        )
    return name, precision


def missing(runtime: str, *, why: str = "") -> MissingExtraError:
    """Return the error of a runtime whose library is not installed."""
    return MissingExtraError(
        f"{why or f'The runtime {runtime} is not installed.'} Run: {install_command(runtime)}",
        expected=TABLE[runtime][0],
        where=runtime,
    )


def install_command(runtime: str) -> str:
    """Return the command that installs a runtime."""
    package, extra, _, _ = TABLE[runtime]
    if runtime == "cuda":  # the two packages hold the same modules, and the later one wins
        return "pip uninstall onnxruntime; pip install 'onnxruntime-gpu[cuda,cudnn]'"
    return f"pip install 'vicinal[{extra}]'" if extra else f"pip install {package}"


def version_of(package: str) -> str:
    """Return the version of an installed package, ``""`` without one; nothing is imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def is_installed(runtime: str) -> bool:
    """Return whether the library of a runtime is installed; nothing is imported."""
    return bool(version_of(TABLE[runtime][0]))


def _status(name: str) -> RuntimeStatus:
    package, _, precisions, does = TABLE[name]
    version, reason = version_of(package), ""
    if name == "cuda":
        from vicinal.models import _onnxruntime  # noqa: PLC0415 - heavy: loaded where it is asked

        reason = _onnxruntime.why_no_cuda()
    elif not version:
        reason = f"{package} is not installed"
    elif name == "openvino":
        from vicinal.models import _openvino  # noqa: PLC0415 - as above, and an extra

        precisions, reason = _openvino.precisions(), _openvino.why_not()
    return RuntimeStatus(
        name=name,
        does=does,
        available=not reason,
        version=version,
        precisions=precisions,
        reason=reason,
        install=install_command(name) if reason else "",
    )
