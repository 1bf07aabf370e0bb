"""OpenVINO: the same graph as onnxruntime's over the same weights, in float32 or bfloat16, on the processor.

The weights stay where they are: the graph's external tensors become inputs, and each input a constant over the mapped
file. OpenVINO's own reader follows no link to a weights file, and the graph need not lie beside it.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import EncodeError, ModelLoadError, UnsupportedError
from vicinal.models import runtimes
from vicinal.models.graph import ONNX_TYPES, Graph
from vicinal.models.protobuf import fields, joined
from vicinal.models.safetensors import Tensor
from vicinal.types import Floats

TELEMETRY = "openvino_telemetry"
_IMPORTING = threading.Lock()


def _quiet_import() -> Any:  # noqa: ANN401 - the library has no types
    """Import OpenVINO without the part of it that reports each import to its makers."""
    with _IMPORTING:
        told = sys.modules.get(TELEMETRY)
        sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # what makes an import fail, and the library go on
        try:
            import openvino  # noqa: PLC0415 - as above
        finally:
            if told is None:
                del sys.modules[TELEMETRY]
            else:
                sys.modules[TELEMETRY] = told
    return openvino


openvino = _quiet_import()
VERSION = str(openvino.__version__).partition("-")[0]
OLDEST = (2026, 3, 1)
"""Up to 2026.2.1 the graph of Qwen3 makes the library crash, with its own reader too."""
TYPES = {"F32": openvino.Type.f32, "F16": openvino.Type.f16, "BF16": openvino.Type.bf16}
STORED = {"F32": "<f4", "F16": "<f2", "BF16": "<i2"}
"""How NumPy reads the bytes of each type; it knows no bfloat16."""
HINTS = {"fp32": openvino.Type.f32, "bf16": openvino.Type.bf16}
STEP = 16
"""Lengths are padded up to its multiples: each new shape costs OpenVINO a search for kernels (2.9 → 2.0 ms a query)."""
GRAPH, INITIALIZER, INPUT = 7, 5, 11
TENSOR_NAME = 8
"""Numbers of fields in onnx.proto."""


def why_not() -> str:
    """Return why the installed library is not used, ``""`` if it is."""
    if tuple(int(part) for part in VERSION.split(".")[:3] if part.isdecimal()) >= OLDEST:
        return ""
    return f"OpenVINO {VERSION} is older than {'.'.join(map(str, OLDEST))} and crashes on some networks"


def precisions() -> tuple[str, ...]:
    """Return what this processor computes in without emulation."""
    able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("fp32", "bf16") if "BF16" in able else ("fp32",)


class Session:
    """A network that is ready to run; safe for many threads.

    Parameters
    ----------
    model : bytes
        An ONNX model with inputs ``ids`` and ``mask`` whose weights are external tensors.
    weights : Path
        The file of the weights; it is mapped, not copied.
    tensors : mapping of str to Tensor
        Where each lies in it.
    threads : int
        How many calls may run at once, each in one thread.
    precision : {"fp32", "bf16"}
        What the matrix products are computed in.
    positions : int
        The longest T.

    Raises
    ------
    ModelLoadError
        The library refuses the model.
    UnsupportedError
        The processor does not have the precision, or the library is too old.

    Notes
    -----
    One stream for each thread, with one thread each: calls beyond their number wait for one another.
    """

    def __init__(
        self,
        model: bytes,
        weights: Path,
        tensors: Mapping[str, Tensor],
        *,
        threads: int,
        precision: str,
        positions: int,
    ) -> None:
        if why_not():
            raise UnsupportedError(
                f"{why_not()}. Run: {runtimes.install_command('openvino')} --upgrade",
                expected=f">= {'.'.join(map(str, OLDEST))}",
                got=VERSION,
                where="runtime",
            )
        if precision not in precisions():
            raise UnsupportedError(
                f"This processor has no {precision} (AVX-512 BF16 or AMX): {_core().get_property('CPU', 'FULL_DEVICE_NAME')}. "
                "Use fp32.",
                expected=", ".join(precisions()),
                got=precision,
                where="precision",
            )
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        try:
            network, self._lent = _filled(model, weights, tensors)
            self._compiled = _core().compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise ModelLoadError(
                f"OpenVINO {VERSION} cannot load the network in {weights.parent}: {_said(error)}", where=str(weights)
            ) from error
        self._idle: deque[Any] = deque()
        self._positions = positions
        self.name = f"openvino {VERSION} cpu {precision}"

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        """Return the token vectors float32 (B, T, D) of a batch.

        Raises
        ------
        EncodeError
            The runtime failed.
        """
        length = ids.shape[1]
        room = max(min(-(-length // STEP) * STEP, self._positions) - length, 0)
        feeds = {name: np.pad(array, ((0, 0), (0, room))) for name, array in (("ids", ids), ("mask", mask))}
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        try:
            found = request.infer(feeds, share_inputs=True, share_outputs=True)[0]
            tokens = np.array(found[:, :length], dtype=np.float32)  # a copy: the next call writes over the original
        except RuntimeError as error:
            raise EncodeError(f"OpenVINO failed on a batch of shape {ids.shape}: {_said(error)}") from error
        self._idle.append(request)
        return tokens


@functools.cache
def _core() -> Any:  # noqa: ANN401 - the library has no types
    return openvino.Core()


def _filled(model: bytes, weights: Path, tensors: Mapping[str, Tensor]) -> tuple[Any, list[Any]]:
    """Return the network with its weights as constants over the mapped file, and what must live as long as it."""
    network = _core().read_model(_weights_as_inputs(model, tensors))
    mapped = np.memmap(weights, dtype=np.uint8, mode="c")  # OpenVINO shares no memory that it could not write to
    lent: list[Any] = []
    for parameter in network.get_parameters():
        name = parameter.get_friendly_name()
        if name in tensors:
            array = _array(mapped, tensors[name])
            tensor = openvino.Tensor(array, tensors[name].shape, TYPES[tensors[name].dtype])
            parameter.output(0).replace(openvino.op.Constant(tensor, shared_memory=True).output(0))
            network.remove_parameter(parameter)
            lent += [array, tensor]  # the library counts no reference to them
    return network, lent


def _array(mapped: NDArray[np.uint8], tensor: Tensor) -> NDArray[Any]:
    """Return a tensor of the file; one that does not begin at a multiple of its numbers' size is copied."""
    stored = np.dtype(STORED[tensor.dtype])
    raw = mapped[tensor.offset : tensor.offset + tensor.length]
    if tensor.offset % stored.itemsize:
        raw = raw.copy()
    return raw.view(stored).reshape(tensor.shape)


def _weights_as_inputs(model: bytes, tensors: Mapping[str, Tensor]) -> bytes:
    """Return the model with its external weights taken as inputs: all else is as it was."""
    return b"".join(
        joined(GRAPH, _graph(part.content, tensors)) if part.number == GRAPH else bytes(part.raw)
        for part in fields(memoryview(model))
    )


def _graph(graph: memoryview, tensors: Mapping[str, Tensor]) -> bytes:
    parts, inputs = [], Graph("")
    for part in fields(graph):
        name = ""
        if part.number == INITIALIZER:
            name = next(inner.text for inner in fields(part.content) if inner.number == TENSOR_NAME)
        if name in tensors:
            inputs.take(name, ONNX_TYPES[tensors[name].dtype], tensors[name].shape)
        else:
            parts.append(bytes(part.raw))
    written = next(part.content for part in fields(memoryview(inputs.to_bytes())) if part.number == GRAPH)
    return b"".join([*parts, *(bytes(part.raw) for part in fields(written) if part.number == INPUT)])


def _said(error: Exception) -> str:
    """Return the last line of what the library says: the reason stands behind its places in the source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
