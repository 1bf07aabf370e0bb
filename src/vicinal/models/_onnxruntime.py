"""onnxruntime: a network in float32, on the processor or on an NVIDIA accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from vicinal.errors import EncodeError, ModelLoadError, UnsupportedError
from vicinal.models import runtimes
from vicinal.types import Floats

ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
"""The runtime's own errors share no parent."""
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
QUIET = 3
"""Log errors only: they are raised as well, and warnings are about the graph, not about the user."""
CUDA = "CUDAExecutionProvider"
PROVIDERS: dict[str, list[Any]] = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": [(CUDA, {"use_tf32": "0"}), "CPUExecutionProvider"],  # TF32 rounds to 10 bits: no float32 any more
}


def why_no_cuda() -> str:
    """Return why no accelerator can be used, ``""`` if one can."""
    if CUDA in onnxruntime.get_available_providers():
        return ""
    return f"the installed onnxruntime {onnxruntime.__version__} runs on the processor only"


class Session:
    """A network that is ready to run; safe for many threads.

    Parameters
    ----------
    model : bytes or Path
        An ONNX model, one written here with inputs ``ids`` and ``mask``, or a file.
    weights_folder : Path
        Where the file lies that the model names for its weights; it is mapped, not copied.
    device : {"cpu", "cuda"}
        Where it runs.

    Raises
    ------
    ModelLoadError
        The runtime refuses the model.
    UnsupportedError
        There is no accelerator that the runtime can use.
    """

    def __init__(self, model: bytes | Path, weights_folder: Path, *, device: str = "cpu") -> None:
        if device == "cuda" and why_no_cuda():
            raise _no_cuda(why_no_cuda())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        if isinstance(model, bytes):
            options.add_session_config_entry(WEIGHTS_FOLDER, str(weights_folder))
        source = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=PROVIDERS[device])
        except ERRORS as error:
            raise ModelLoadError(
                f"onnxruntime {onnxruntime.__version__} cannot load the network in {weights_folder}: {_first_line(error)}",
                where=str(weights_folder),
            ) from error
        if device == "cuda" and self._session.get_providers()[0] != CUDA:  # it falls back without an error
            raise _no_cuda("onnxruntime found no CUDA that it can load")
        self.name = f"onnxruntime {onnxruntime.__version__} {device} fp32"

    @property
    def inputs(self) -> dict[str, tuple[str, list[Any]]]:
        """Name → type and axes of each input; an axis that is free is no number."""
        return {value.name: (value.type, value.shape) for value in self._session.get_inputs()}

    @property
    def outputs(self) -> dict[str, tuple[str, list[Any]]]:
        """Name → type and axes of each output."""
        return {value.name: (value.type, value.shape) for value in self._session.get_outputs()}

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """Return the token vectors float32 (B, T, D) of a batch.

        Raises
        ------
        EncodeError
            The runtime failed.
        """
        return self.take(None, {"ids": ids, "mask": mask})

    def take(self, output: str | None, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return one output as float32; without a name it is the only one.

        Raises
        ------
        EncodeError
            The runtime failed.
        """
        try:
            (found,) = self._session.run(None if output is None else [output], dict(feeds))
        except ERRORS as error:
            shape = next(iter(feeds.values())).shape
            raise EncodeError(f"onnxruntime failed on a batch of shape {shape}: {_first_line(error)}") from error
        return np.asarray(found, dtype=np.float32)


def _no_cuda(reason: str) -> UnsupportedError:
    return UnsupportedError(
        f"The runtime cuda cannot be used: {reason}. With an NVIDIA accelerator, run: {runtimes.install_command('cuda')}",
        expected=CUDA,
        got=", ".join(onnxruntime.get_available_providers()),
        where="runtime",
    )


def _first_line(error: Exception) -> str:
    """Return what the runtime says, without its stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]
