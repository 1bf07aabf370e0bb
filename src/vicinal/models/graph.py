"""Operations → the bytes of an ONNX model: a graph, and the few rules of Protocol Buffers that it needs.

Weights are named by file, offset and length (ONNX external data) and stay where they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import ModelLoadError
from vicinal.models.safetensors import Tensor

IR_VERSION = 9
OPSETS = {"": 20, "com.microsoft": 1}
ONNX_TYPES = {"F32": 1, "I64": 7, "F16": 10, "BF16": 16}
FLOAT, INT64 = ONNX_TYPES["F32"], ONNX_TYPES["I64"]

Attribute = int | float | str | Sequence[int]
Axis = int | str


class Graph:
    """A graph that grows node by node; the name of a node's output is returned.

    Parameters
    ----------
    weights_file : str
        The name of the file that holds the weights, beside the model or in the folder given to the runtime.
    """

    def __init__(self, weights_file: str) -> None:
        self._weights_file = weights_file
        self._nodes: list[bytes] = []
        self._initializers: dict[str, bytes] = {}
        self._constants: dict[tuple[int, tuple[int, ...], bytes], str] = {}
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def take(self, name: str, dtype: int, shape: Sequence[Axis]) -> str:
        """Declare an input; an axis with a name is free."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def give(self, name: str, value: str, dtype: int, shape: Sequence[Axis]) -> None:
        """Declare an output and its value."""
        self._nodes.append(_node("Identity", [value], [name], "", {}))
        self._outputs.append(_value(name, dtype, shape))

    def weight(self, tensor: Tensor) -> str:
        """Return the value of a tensor of the weights file as float32, read in place.

        Raises
        ------
        ModelLoadError
            The tensor is of a type that no float32 can be made of.
        """
        if tensor.dtype not in {"F32", "F16", "BF16"}:
            raise ModelLoadError(
                f"The weights {tensor.name!r} are {tensor.dtype}; the networks here take F32, F16 or BF16.",
                expected="F32, F16, BF16",
                got=tensor.dtype,
                where=tensor.name,
            )
        if tensor.name not in self._initializers:
            self._initializers[tensor.name] = _external(tensor, self._weights_file)
        if tensor.dtype == "F32":
            return tensor.name
        return self.node("Cast", tensor.name, to=FLOAT)

    def constant(self, array: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Return the value of a small array that is written into the graph; equal ones are written once."""
        dtype = INT64 if array.dtype == np.int64 else FLOAT
        raw = array.astype("<i8" if dtype == INT64 else "<f4").tobytes()
        name = self._constants.setdefault((dtype, array.shape, raw), f"constant_{len(self._constants)}")
        self._initializers[name] = _inline(name, dtype, array.shape, raw)
        return name

    def node(self, op: str, *inputs: str, domain: str = "", **attributes: Attribute) -> str:
        """Add an operation and return the name of its output."""
        name = f"{op}_{len(self._nodes)}"
        self._nodes.append(_node(op, inputs, [name], domain, attributes))
        return name

    def split(self, value: str, parts: int, *, axis: int = -1) -> list[str]:
        """Return the equal parts of a value along an axis."""
        names = [f"Split_{len(self._nodes)}_{part}" for part in range(parts)]
        self._nodes.append(_node("Split", [value], names, "", {"axis": axis, "num_outputs": parts}))
        return names

    def to_bytes(self) -> bytes:
        """Return the model as onnxruntime reads it; the same operations give the same bytes."""
        graph = b"".join(
            (
                _fields(1, self._nodes),
                _text(2, "vicinal"),
                _fields(5, self._initializers.values()),
                _fields(11, self._inputs),
                _fields(12, self._outputs),
            )
        )
        opsets = (_text(1, domain) + _number(2, version) for domain, version in OPSETS.items())
        return _number(1, IR_VERSION) + _text(2, "vicinal") + _field(7, graph) + _fields(8, opsets)


def _node(
    op: str, inputs: Sequence[str], outputs: Sequence[str], domain: str, attributes: dict[str, Attribute]
) -> bytes:
    """NodeProto, named like its first output."""
    written = (_attribute(name, value) for name, value in attributes.items())
    return b"".join(
        (
            *(_text(1, name) for name in inputs),
            *(_text(2, name) for name in outputs),
            _text(3, outputs[0]),
            _text(4, op),
            _fields(5, written),
            _text(7, domain),
        )
    )


def _attribute(name: str, value: Attribute) -> bytes:
    """AttributeProto; its type number follows from the value."""
    if isinstance(value, int):
        return _text(1, name) + _number(3, value) + _number(20, 2)
    if isinstance(value, float):
        return _text(1, name) + b"\x15" + struct.pack("<f", value) + _number(20, 1)
    if isinstance(value, str):
        return _text(1, name) + _text(4, value) + _number(20, 3)
    return _text(1, name) + b"".join(_number(8, number) for number in value) + _number(20, 7)


def _external(tensor: Tensor, file: str) -> bytes:
    """TensorProto whose bytes lie in another file."""
    place = {"location": file, "offset": str(tensor.offset), "length": str(tensor.length)}
    entries = (_text(1, key) + _text(2, value) for key, value in place.items())
    return _tensor_head(tensor.name, ONNX_TYPES[tensor.dtype], tensor.shape) + _fields(13, entries) + _number(14, 1)


def _inline(name: str, dtype: int, shape: Sequence[int], raw: bytes) -> bytes:
    """TensorProto with its bytes."""
    return _tensor_head(name, dtype, shape) + _field(9, raw)


def _tensor_head(name: str, dtype: int, shape: Sequence[int]) -> bytes:
    """Return what every TensorProto begins with."""
    return b"".join(_number(1, axis) for axis in shape) + _number(2, dtype) + _text(8, name)


def _value(name: str, dtype: int, shape: Sequence[Axis]) -> bytes:
    """ValueInfoProto of a tensor."""
    axes = (_number(1, axis) if isinstance(axis, int) else _text(2, axis) for axis in shape)
    tensor_type = _number(1, dtype) + _field(2, _fields(1, axes))
    return _text(1, name) + _field(2, _field(1, tensor_type))


def _fields(number: int, payloads: Iterable[bytes]) -> bytes:
    """Return a repeated field of length-delimited values."""
    return b"".join(_field(number, payload) for payload in payloads)


def _field(number: int, payload: bytes) -> bytes:
    """Return one length-delimited field (wire type 2)."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _text(number: int, text: str) -> bytes:
    """Return one field of text."""
    return _field(number, text.encode())


def _number(number: int, value: int) -> bytes:
    """Return one field of a whole number (wire type 0); negative ones in two's complement of 64 bits."""
    return _varint(number << 3) + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first, the top bit saying that more follow."""
    groups = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)
