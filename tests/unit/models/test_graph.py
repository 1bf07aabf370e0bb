"""The writer of ONNX models: the bytes that its rules ask for, and models that the runtime takes."""

from __future__ import annotations

import numpy as np
import pytest

from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models._onnxruntime import Session
from vicinal.models.graph import FLOAT, INT64, Graph, _number, _text, _varint
from vicinal.models.safetensors import Tensor, read_header


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**64 - 1, "ff" * 9 + "01")],
)
def test_varints_are_those_of_the_specification(value, expected):
    """Seven bits a byte, the lowest first: 300 is ac 02, the example of the format's own documentation."""
    assert _varint(value).hex() == expected


def test_fields_are_those_of_the_specification():
    """Field 1 = 150 is 08 96 01 and field 2 = "testing" is 12 07 …, the documentation's examples; -1 takes ten bytes."""
    assert _number(1, 150).hex() == "089601"
    assert _text(2, "testing").hex() == "120774657374696e67"
    assert _number(1, -1) == b"\x08" + b"\xff" * 9 + b"\x01"


def _last_of(graph, value):
    """Give a (1, 1, D) value as the tokens of a model that also names both inputs."""
    ids = graph.take("ids", INT64, ["B", "T"])
    mask = graph.take("mask", INT64, ["B", "T"])
    zero = graph.node(
        "Mul", graph.node("Cast", graph.node("Sub", ids, mask), to=FLOAT), graph.constant(np.float32([0]))
    )
    summed = graph.node("Add", graph.node("Unsqueeze", zero, graph.constant(np.int64([2]))), value)
    graph.give("tokens", summed, FLOAT, ["B", "T", "D"])
    return graph.to_bytes()


ONE = np.ones((1, 1), dtype=np.int64)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_weights_are_read_in_place_as_float32(tmp_path, kind):
    """Each type of weights arrives as the same float32 numbers; the graph does not hold them."""
    numbers = np.float32([1, -2.5, 0.125, 3])
    stored = {
        "F32": numbers,
        "F16": numbers.astype(np.float16),
        "BF16": (numbers.view(np.uint32) >> 16).astype(np.uint16),
    }[kind]
    write_safetensors(tmp_path / "w.bin", {"first": np.zeros(5, np.float32), "a": stored})
    graph = Graph("w.bin")
    model = _last_of(graph, graph.weight(read_header(tmp_path / "w.bin")["a"]))
    assert stored.tobytes() not in model
    assert Session(model, tmp_path).run(ONE, ONE).ravel().tolist() == numbers.tolist()


def test_weights_of_another_type_are_refused():
    """Whole numbers are no weights of the networks here."""
    tensor = Tensor(name="a", dtype="I64", shape=(1,), offset=8, length=8)
    with pytest.raises(ModelLoadError, match="I64"):
        Graph("w").weight(tensor)


def test_equal_constants_are_written_once():
    """A number that is used in each layer stands in the graph once; its type and shape tell it apart."""
    graph = Graph("w")
    assert graph.constant(np.int64([1])) == graph.constant(np.int64([1]))
    names = {graph.constant(array) for array in (np.int64([1]), np.int64(1), np.float32([1]), np.int64([2]))}
    assert len(names) == 4


def test_attributes_of_every_kind_reach_the_runtime(tmp_path):
    """Whole, real, text and list attributes: each changes this result."""
    graph = Graph("w")
    value = graph.constant(np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    value = graph.node("Transpose", value, perm=(0, 2, 1))
    value = graph.node("LeakyRelu", graph.node("Neg", value), alpha=0.5)
    value = graph.node("ReduceSum", value, graph.constant(np.int64([1])), keepdims=1)
    value = graph.node("Gelu", value, approximate="tanh")
    got = Session(_last_of(graph, value), tmp_path).run(ONE, ONE)
    x = np.float64([-(0 + 1 + 2) / 2, -(3 + 4 + 5) / 2])
    expected = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    assert np.abs(got.ravel() - expected).max() < 1e-6


def test_a_model_that_is_none_is_refused_by_name(tmp_path):
    """The runtime's own error becomes ours, and names the folder."""
    with pytest.raises(ModelLoadError, match="cannot load the network"):
        Session(b"no model", tmp_path)


def test_a_model_whose_weights_are_gone_is_refused_by_name(tmp_path):
    """A weights file that is not there is told at load, not at the first text."""
    graph = Graph("gone.bin")
    tensor = Tensor(name="a", dtype="F32", shape=(4,), offset=8, length=16)
    with pytest.raises(ModelLoadError):
        Session(_last_of(graph, graph.weight(tensor)), tmp_path)
