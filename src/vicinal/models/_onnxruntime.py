"""The runtime of networks: one session, float32, on the processor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from vicinal.errors import EncodeError, ModelLoadError
from vicinal.types import Floats

ERRORS: tuple[type[Exception], ...] = (
    RuntimeError,
    *(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
"""The runtime's own errors share no parent."""
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"
QUIET = 3
"""Log errors only: they are raised as well, and warnings are about the graph, not about the user."""


class Session:
    """A network that is ready to run; safe for many threads.

    Parameters
    ----------
    model : bytes
        An ONNX model with inputs ``ids`` and ``mask``.
    weights_folder : Path
        Where the file lies that the model names for its weights; it is mapped, not copied.

    Raises
    ------
    ModelLoadError
        The runtime refuses the model.
    """

    def __init__(self, model: bytes, weights_folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry(WEIGHTS_FOLDER, str(weights_folder))
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except ERRORS as error:
            raise ModelLoadError(
                f"onnxruntime {onnxruntime.__version__} cannot load the network in {weights_folder}: {_first_line(error)}",
                where=str(weights_folder),
            ) from error

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """Return the token vectors float32 (B, T, D) of a batch.

        Raises
        ------
        EncodeError
            The runtime failed.
        """
        try:
            (tokens,) = self._session.run(None, {"ids": ids, "mask": mask})
        except ERRORS as error:
            raise EncodeError(f"onnxruntime failed on a batch of shape {ids.shape}: {_first_line(error)}") from error
        return np.asarray(tokens, dtype=np.float32)


def _first_line(error: Exception) -> str:
    """Return what the runtime says, without its stack."""
    return (str(error).splitlines() or [type(error).__name__])[0]
