"""The header of a safetensors file: names, types, shapes and places of its tensors, and nothing executed.

::

    0        8                    8 + H                        end of file
    ├────────┼──────────────────────┼───────────────────────────┤
    │ H, u64 │ JSON: name → tensor  │ the tensors, back to back │
    └────────┴──────────────────────┴───────────────────────────┘
    little-endian; offsets in the JSON count from 8 + H
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import ModelLoadError

MAX_HEADER_BYTES = 100_000_000
"""What the format itself allows; a header of a real model is under a megabyte."""
MAX_AXES = 8
SIZE_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
FLOATING = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The types that a float32 is made of without loss → how NumPy reads their bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Where one tensor lies: ``offset`` counts from the start of the file, ``length`` is in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def read_header(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by name, every number checked against the file.

    Parameters
    ----------
    path : Path
        A safetensors file. Only its header is read.

    Raises
    ------
    ModelLoadError
        The file cannot be read, or its header is damaged: too long, no JSON, an unknown type,
        a shape that does not fit its bytes, bytes outside of the file or in two tensors.
    """
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            header_bytes = _header_bytes(file.read(8), size_bytes, path)
            header = file.read(header_bytes)
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    start = 8 + header_bytes
    tensors = {
        name: _tensor(name, told, start, size_bytes, path)
        for name, told in _entries(header, path).items()
        if name != "__metadata__"
    }
    _require_disjoint(tensors, path)
    return tensors


def read_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the floating tensors of a file: float32 ones memory-mapped, F16 and BF16 ones converted.

    Raises
    ------
    ModelLoadError
        The header is damaged.
    """
    return {
        name: read_array(path, tensor)
        for name, tensor in read_header(path).items()
        if tensor.dtype in FLOATING and tensor.length > 0
    }


def read_array(path: Path, tensor: Tensor) -> NDArray[np.float32]:
    """Return one floating tensor as float32: mapped where it lies so in the file, else converted (exactly)."""
    raw = np.memmap(path, dtype=FLOATING[tensor.dtype], mode="r", offset=tensor.offset, shape=tensor.shape)
    if tensor.dtype == "BF16":  # the upper half of a float32
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw if tensor.dtype == "F32" else np.asarray(raw, dtype=np.float32)


def _header_bytes(prefix: bytes, size_bytes: int, path: Path) -> int:
    """Return H, if the file can hold it."""
    header_bytes = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or header_bytes > min(size_bytes - 8, MAX_HEADER_BYTES):  # noqa: PLR2004 - the u64
        raise _damaged(path, f"its header claims {header_bytes} bytes in a file of {size_bytes}")
    return header_bytes


def _entries(header: bytes, path: Path) -> Mapping[str, Any]:
    """Return the JSON of the header, each name once."""
    try:
        entries = json.loads(header.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its header is no JSON ({type(error).__name__})") from error
    if not isinstance(entries, dict):
        raise _damaged(path, "its header is no object")
    return entries


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a mapping; a name that comes twice would mean two things."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name comes twice")
    return entries


def _tensor(name: str, told: object, start: int, size_bytes: int, path: Path) -> Tensor:
    """Return one entry of the header, checked."""
    if not isinstance(told, dict):
        raise _damaged(path, f"the entry of {name!r} is no object")
    dtype, shape, place = told.get("dtype"), told.get("shape"), told.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in SIZE_BYTES:
        raise _damaged(path, f"{name!r} has the unknown type {dtype!r}")
    if not _counts(shape) or len(shape) > MAX_AXES:
        raise _damaged(path, f"{name!r} has no valid shape")
    if not _counts(place) or len(place) != 2 or not place[0] <= place[1] <= size_bytes - start:  # noqa: PLR2004 - a pair
        raise _damaged(path, f"{name!r} lies outside of the file")
    length = place[1] - place[0]
    if math.prod(shape) * SIZE_BYTES[dtype] != length:
        raise _damaged(path, f"{name!r} has {length} bytes, which is not its shape and type")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), offset=start + place[0], length=length)


def _counts(value: object) -> TypeGuard[list[int]]:
    """Return whether the value is a list of whole numbers from 0."""
    return isinstance(value, list) and all(type(number) is int and number >= 0 for number in value)


def _require_disjoint(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that share bytes."""
    end = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.offset, tensor.length)):
        if tensor.offset < end:
            raise _damaged(path, f"{tensor.name!r} overlaps another tensor")
        end = tensor.offset + tensor.length


def _damaged(path: Path, what: str) -> ModelLoadError:
    """Return the error of a damaged weights file."""
    return ModelLoadError(f"{path} is no valid safetensors file: {what}. Fetch the model again.", where=str(path))
