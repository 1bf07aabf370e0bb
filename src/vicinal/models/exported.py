"""A network as somebody exported it: an ``.onnx`` file, looked through before anything loads it, and run as it is.

What a file may hold: operations of ONNX and of onnxruntime, and weights in the file itself or in other files of the
model whose digests are pinned too. What its inputs and outputs mean is read from their names.
"""

from __future__ import annotations

import mmap
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import ModelLoadError, VicinalError
from vicinal.models.pins import WEIGHT_SUFFIXES, WEIGHTS
from vicinal.models.protobuf import Field, fields
from vicinal.models.runtimes import Gives, Running
from vicinal.models.sources import Found
from vicinal.types import Floats

MAX_BYTES = 2 * 1024**3
"""What Protocol Buffers allow; more weights lie in a file beside."""
MAX_FIELDS = 5_000_000
"""A large network has a few hundred thousand."""
MAX_DEPTH = 16
"""Graphs within graphs (branches and loops); real ones have two or three."""
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Whose operations onnxruntime brings along; any other would be somebody's library."""
BATCH_DEPENDENT = frozenset({"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
"""They scale by the largest number of the whole batch: a row would depend on its neighbours, so each runs alone."""
IDS, MASK = "input_ids", "attention_mask"
INPUTS = (IDS, MASK, "token_type_ids", "position_ids")
OUTPUTS: dict[str, tuple[Gives, int]] = {
    # name: (what it gives, its axes), the first that is there is taken
    "last_hidden_state": ("tokens", 3),
    "token_embeddings": ("tokens", 3),
    "sentence_embedding": ("vectors", 2),
}
INTEGERS: dict[str, type[np.integer[Any]]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
FLOATS = frozenset({"tensor(float)", "tensor(float16)", "tensor(double)"})
# The numbers of the fields that are looked at, from onnx.proto.
MODEL_GRAPH, MODEL_TRAINING, MODEL_FUNCTION = 7, 20, 25
GRAPH_PARTS = {1: "node", 5: "tensor", 15: "sparse"}
FUNCTION_NODE, FUNCTION_DOMAIN = 7, 10
NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_PARTS = {5: "tensor", 10: "tensor", 6: "graph", 11: "graph", 22: "sparse", 23: "sparse"}
SPARSE_PARTS = {1: "tensor", 2: "tensor"}
TENSOR_EXTERNAL = 13


@dataclass(slots=True)
class Contents:
    """What a file names: the domains and kinds of its operations, the domains that it defines, the files it needs."""

    domains: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    operations: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    left: int = MAX_FIELDS


def file_of(found: Found) -> str:
    """Return the exported network of a model that has no weights of its own, ``""`` for none."""
    if WEIGHTS in found.pin.files:
        return ""
    return next((name for name in sorted(found.pin.files) if name.endswith(".onnx")), "")


def start(found: Found, *, device: str = "cpu") -> Running:
    """Return the exported network of a model, ready to run.

    Parameters
    ----------
    found : Found
        Verified files, one of them an ``.onnx``.
    device : {"cpu", "cuda"}
        Where it runs.

    Raises
    ------
    ModelLoadError
        The file is damaged or too large, needs operations or files that are none of its own, takes an input or lacks
        an output whose meaning is known here, or was exported for batches of one shape.
    UnsupportedError
        There is no accelerator that the runtime can use.
    """
    path = found.folder / file_of(found)
    contents = read_contents(path)
    _require_known(contents, path, found)
    from vicinal.models._onnxruntime import Session  # noqa: PLC0415 - heavy: loaded with the first network

    session = Session(path, path.parent, device=device)
    inputs = _inputs(session.inputs, path)
    output, gives = _output(session.outputs, path)
    run = _Run(session, inputs, output, alone=bool(contents.operations & BATCH_DEPENDENT))
    dim = _dim(run, gives, path)
    return Running(
        run=run,
        gives=gives,
        dim=dim,
        positions=found.pin.max_tokens,
        architecture=f"onnx inputs={','.join(sorted(inputs))} output={output} dim={dim}",
        runtime=session.name,
    )


def read_contents(path: Path) -> Contents:
    """Return what an ``.onnx`` file names; its weights are passed over.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is larger than 2 GiB, or is no ONNX model.
    """
    try:
        size_bytes = path.stat().st_size
        if not 0 < size_bytes <= MAX_BYTES:
            raise _refused(path, f"it has {size_bytes} bytes; 1 to {MAX_BYTES} are possible")
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # closed when its last view is gone
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    try:
        return _model(memoryview(mapped))
    except ModelLoadError as error:
        raise _refused(path, error.message) from None


def _model(message: memoryview) -> Contents:
    contents = Contents()
    graphs = 0
    for part in _counted(message, contents):
        if part.number == MODEL_GRAPH:
            graphs += 1
            _graph(part.content, contents, 0)
        elif part.number == MODEL_FUNCTION:
            _function(part.content, contents)
        elif part.number == MODEL_TRAINING:
            raise ModelLoadError("it holds a training graph")
    if graphs != 1:
        raise ModelLoadError(f"it holds {graphs} graphs")
    return contents


def _counted(message: memoryview, contents: Contents) -> Iterator[Field]:
    """Go through the fields of a message, so many in a file at most."""
    for part in fields(message):
        contents.left -= 1
        if contents.left < 0:
            raise ModelLoadError(f"it has more than {MAX_FIELDS} fields")
        yield part


def _graph(message: memoryview, contents: Contents, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ModelLoadError(f"its graphs are nested deeper than {MAX_DEPTH}")
    for part in _counted(message, contents):
        kind = GRAPH_PARTS.get(part.number)
        if kind == "node":
            _node(part.content, contents, depth)
        elif kind is not None:
            _weights(kind, part.content, contents)


def _function(message: memoryview, contents: Contents) -> None:
    """Look through a function: it is made of nodes, and its domain is the file's own."""
    domain = ""
    for part in _counted(message, contents):
        if part.number == FUNCTION_NODE:
            _node(part.content, contents, 0)
        elif part.number == FUNCTION_DOMAIN:
            domain = part.text
    contents.defined.add(domain)


def _node(message: memoryview, contents: Contents, depth: int) -> None:
    domain = ""
    for part in _counted(message, contents):
        if part.number == NODE_DOMAIN:
            domain = part.text
        elif part.number == NODE_OP:
            contents.operations.add(part.text)
        elif part.number == NODE_ATTRIBUTE:
            _attribute(part.content, contents, depth)
    contents.domains.add(domain)


def _attribute(message: memoryview, contents: Contents, depth: int) -> None:
    for part in _counted(message, contents):
        kind = ATTRIBUTE_PARTS.get(part.number)
        if kind == "graph":
            _graph(part.content, contents, depth + 1)
        elif kind is not None:
            _weights(kind, part.content, contents)


def _weights(kind: str, message: memoryview, contents: Contents) -> None:
    """Note the file that a tensor names for its numbers."""
    for part in _counted(message, contents):
        if kind == "sparse" and part.number in SPARSE_PARTS:
            _weights("tensor", part.content, contents)
        elif kind == "tensor" and part.number == TENSOR_EXTERNAL:
            entry = {inner.number: inner.text for inner in _counted(part.content, contents)}
            if entry.get(1) == "location":
                contents.files.add(entry.get(2, ""))


def _require_known(contents: Contents, path: Path, found: Found) -> None:
    """Refuse operations and files that are none of the model's own."""
    foreign = sorted(contents.domains - contents.defined - DOMAINS)
    if foreign:
        raise _refused(path, f"it needs operations of {', '.join(foreign)}, which no file of a model may bring along")
    place = file_of(found).rpartition("/")[0]
    for name in sorted(contents.files):
        if (
            posixpath.isabs(name)
            or "\\" in name
            or posixpath.normpath(posixpath.join(place, name)) not in found.pin.files
            or not name.endswith(WEIGHT_SUFFIXES)  # what the space's digest of the weights covers
        ):
            raise _refused(path, f"its weights are said to be in {name!r}, which is no pinned file of the model")


def _inputs(told: Mapping[str, tuple[str, list[Any]]], path: Path) -> dict[str, type[np.integer[Any]]]:
    """Return the type of each input by its name."""
    unknown = sorted(set(told) - set(INPUTS))
    if unknown or not {IDS, MASK} <= set(told):
        came = f"takes {', '.join(unknown)}" if unknown else f"does not take both {IDS} and {MASK}"
        raise _refused(path, f"it {came}; known inputs are {', '.join(INPUTS)}")
    for name, (kind, axes) in told.items():
        if kind not in INTEGERS:
            raise _refused(path, f"its input {name} is a {kind}")
        if any(isinstance(axis, int) for axis in axes):
            raise _refused(path, f"it was exported for batches of one shape, {axes}; export it with free axes")
    return {name: INTEGERS[kind] for name, (kind, _) in told.items()}


def _output(told: Mapping[str, tuple[str, list[Any]]], path: Path) -> tuple[str, Gives]:
    """Return the output that is taken, and what it gives."""
    for name, (gives, axes) in OUTPUTS.items():
        if name in told and len(told[name][1]) == axes and told[name][0] in FLOATS:
            return name, gives
    raise _refused(path, f"it gives {', '.join(told)}; known outputs are {', '.join(OUTPUTS)}")


class _Run:
    """Feeds a session by the names of its inputs."""

    def __init__(self, session: Any, inputs: dict[str, type[np.integer[Any]]], output: str, *, alone: bool) -> None:  # noqa: ANN401 - its module is heavy
        self._session = session
        self._inputs = inputs
        self._output = output
        self._alone = alone

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        if not self._alone:
            return self._take(ids, mask)
        rows = []
        for row, tokens in enumerate(mask.sum(axis=1)):
            own = self._take(ids[row : row + 1, :tokens], mask[row : row + 1, :tokens])
            room = ids.shape[1] - int(tokens) if own.ndim == 3 else 0  # noqa: PLR2004 - (B, T, D)
            rows.append(np.pad(own, [(0, 0), (0, room), (0, 0)]) if room else own)
        return np.concatenate(rows)

    def _take(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Floats:
        whole = {
            IDS: ids,
            MASK: mask,
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        feeds = {name: np.ascontiguousarray(whole[name], dtype=kind) for name, kind in self._inputs.items()}
        found: Floats = self._session.take(self._output, feeds)
        return found


def _dim(run: _Run, gives: Gives, path: Path) -> int:
    """Return D, by running the network once: an output that is not what its name says is found here."""
    probe = np.ones((2, 3), dtype=np.int64)
    try:
        found = run(probe, probe)
    except VicinalError as error:
        raise _refused(path, error.message) from error
    expected = (2, 3) if gives == "tokens" else (2,)
    if found.shape[:-1] != expected or not np.isfinite(found).all():
        raise _refused(
            path, f"its output for 2 texts of 3 tokens has the shape {found.shape}, or numbers that are none"
        )
    return int(found.shape[-1])


def _refused(path: Path, why: str) -> ModelLoadError:
    return ModelLoadError(f"{path} cannot be run: {why}.", got=why, where=str(path))
