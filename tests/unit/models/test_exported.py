"""A network as somebody exported it: looked through first, fed by the names of its inputs, and run as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_worlds import write_model
from vicinal.errors import ModelLoadError, UnsupportedError, VicinalError
from vicinal.models import exported
from vicinal.models.digests import digest_of
from vicinal.models.graph import FLOAT, INT64, Graph
from vicinal.models.network import Network
from vicinal.models.pins import Pin
from vicinal.models.protobuf import fields, joined
from vicinal.models.safetensors import Tensor
from vicinal.models.sources import Found

FREE = ["B", "T"]
TABLE = np.arange(30, dtype=np.float32).reshape(10, 3)
IDS = np.array([[2, 5, 3], [2, 3, 0]])
MASK = np.array([[1, 1, 1], [1, 1, 0]])
NODE, OPERATION, DOMAIN, GRAPH = 1, 4, 7, 7


def _inputs(graph, names, kind=INT64, shape=FREE):
    return {name: graph.take(name, kind, shape) for name in names}


def _tokens(graph, ids, mask):
    """The row of the table for each id, where the mask is 1."""
    wide = graph.node("Unsqueeze", graph.node("Cast", mask, to=FLOAT), graph.constant(np.array([2])))
    return graph.node("Mul", graph.node("Gather", graph.constant(TABLE), ids), wide)


def _plain_model(output="last_hidden_state", axes=(*FREE, 3)):
    graph = Graph("")
    taken = _inputs(graph, ["input_ids", "attention_mask"])
    graph.give(output, _tokens(graph, *taken.values()), FLOAT, axes)
    return graph


def _found(tmp_path, model, name="model.onnx", **files):
    """The folder of an exported network, pinned as layout pins it."""
    folder = write_model(tmp_path / "exported")
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(model if isinstance(model, bytes) else model.to_bytes())
    for file, content in files.items():
        (folder / file).write_bytes(content)
    names = ["config.json", "tokenizer.json", name, *files]
    pin = Pin(
        name="exported",
        kind="onnx",
        files={file: digest_of(folder / file) for file in names},
        size_bytes=1,
        max_tokens=12,
        dim=0,
        pooling="mean",
    )
    return Found(pin=pin, folder=folder, source="folder")


def test_token_vectors_are_those_of_the_file(tmp_path):
    """Float32 (B, T, D): here the row of the table for each id, zero for padding."""
    network = Network(_found(tmp_path, _plain_model()), threads=1)
    got = network(IDS, MASK)
    assert got.dtype == np.float32
    assert got.tolist() == (TABLE[IDS] * MASK[:, :, None]).tolist()
    assert (network.gives, network.dim, network.positions) == ("tokens", 3, 12)


def test_the_line_of_the_architecture_says_inputs_output_and_dimension(tmp_path):
    """The weights and operations are in the file's digest; the runtime is told beside."""
    found = _found(tmp_path, _plain_model(), name="onnx/model.onnx")
    network = Network(found, threads=1)
    assert network.architecture == "onnx inputs=attention_mask,input_ids output=last_hidden_state dim=3"
    assert network.runtime.startswith("onnxruntime ")
    assert network.runtime.endswith(" cpu fp32")
    assert found.pin.weights == digest_of(found.folder / "onnx/model.onnx")


def test_vectors_are_taken_where_there_are_no_token_vectors(tmp_path):
    """``sentence_embedding``, (B, D): here the sum of the rows."""
    graph = Graph("")
    taken = _inputs(graph, ["input_ids", "attention_mask"])
    summed = graph.node("ReduceSum", _tokens(graph, *taken.values()), graph.constant(np.array([1])), keepdims=0)
    graph.give("sentence_embedding", summed, FLOAT, ["B", 3])
    network = Network(_found(tmp_path, graph), threads=1)
    assert network.gives == "vectors"
    assert network(IDS, MASK).tolist() == (TABLE[IDS] * MASK[:, :, None]).sum(axis=1).tolist()


def test_types_are_zero_and_positions_count_from_zero(tmp_path):
    """What the file asks for beside ids and mask is given: 100 for each type, 1000 for each position."""
    graph = Graph("")
    taken = _inputs(graph, exported.INPUTS)
    weighted = [
        graph.node("Mul", graph.node("Cast", taken[name], to=FLOAT), graph.constant(np.array(factor, dtype=np.float32)))
        for name, factor in (("token_type_ids", 100), ("position_ids", 1000), ("input_ids", 1), ("attention_mask", 0))
    ]
    total = weighted[0]
    for one in weighted[1:]:
        total = graph.node("Add", total, one)
    graph.give("token_embeddings", graph.node("Unsqueeze", total, graph.constant(np.array([2]))), FLOAT, [*FREE, 1])
    got = Network(_found(tmp_path, graph), threads=1)(IDS, MASK)
    assert got[:, :, 0].tolist() == [[2, 1005, 2003], [2, 1003, 2000]]


def test_integers_of_32_bits_are_given_where_they_are_asked_for(tmp_path):
    """Some exports take int32."""
    graph = Graph("")
    taken = _inputs(graph, ["input_ids", "attention_mask"], kind=6)
    graph.give("last_hidden_state", _tokens(graph, *taken.values()), FLOAT, [*FREE, 3])
    assert Network(_found(tmp_path, graph), threads=1)(IDS, MASK).shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["input_ids", "attention_mask", "past_key_values.0.key"], "takes past_key_values"),
        (["input_ids", "position_ids"], "does not take both"),
    ],
)
def test_inputs_whose_meaning_is_unknown_are_refused(tmp_path, names, reason):
    """Nothing is fed by guess, and nothing runs without a mask: a row would depend on its padding."""
    graph = Graph("")
    taken = _inputs(graph, names)
    graph.give("last_hidden_state", _tokens(graph, taken[names[0]], taken[names[1]]), FLOAT, [*FREE, 3])
    with pytest.raises(ModelLoadError, match=reason):
        Network(_found(tmp_path, graph), threads=1)


@pytest.mark.parametrize(("output", "axes"), [("logits", (*FREE, 3)), ("sentence_embedding", (*FREE, 3))])
def test_outputs_whose_meaning_is_unknown_are_refused(tmp_path, output, axes):
    """A name that is not known, or one with another number of axes."""
    with pytest.raises(ModelLoadError, match="known outputs are last_hidden_state"):
        Network(_found(tmp_path, _plain_model(output, axes)), threads=1)


def test_a_network_of_one_shape_is_refused(tmp_path):
    """Batches have many shapes."""
    graph = Graph("")
    taken = _inputs(graph, ["input_ids", "attention_mask"], shape=[1, 128])
    graph.give("last_hidden_state", _tokens(graph, *taken.values()), FLOAT, [1, 128, 3])
    with pytest.raises(ModelLoadError, match="one shape"):
        Network(_found(tmp_path, graph), threads=1)


def test_a_runtime_that_is_not_onnxruntime_is_refused(tmp_path):
    """An exported network has no weights that another runtime could take."""
    for runtime in ("openvino", "sentence-transformers"):
        with pytest.raises(UnsupportedError, match=r"model\.onnx"):
            Network(_found(tmp_path, _plain_model()), threads=1, runtime=runtime)


def _external(location):
    """A model whose table lies in another file."""
    graph = Graph(location)
    taken = _inputs(graph, ["input_ids", "attention_mask"])
    table = graph.weight(Tensor(name="table", dtype="F32", shape=TABLE.shape, offset=0, length=TABLE.nbytes))
    wide = graph.node("Unsqueeze", graph.node("Cast", taken["attention_mask"], to=FLOAT), graph.constant(np.array([2])))
    gathered = graph.node("Gather", table, taken["input_ids"])
    graph.give("last_hidden_state", graph.node("Mul", gathered, wide), FLOAT, [*FREE, 3])
    return graph


def test_weights_in_a_pinned_file_beside_the_model_are_read(tmp_path):
    """ONNX external data, as exports of more than 2 GiB have it."""
    found = _found(tmp_path, _external("model.onnx_data"), **{"model.onnx_data": TABLE.tobytes()})
    assert Network(found, threads=1)(IDS, MASK).tolist() == (TABLE[IDS] * MASK[:, :, None]).tolist()


@pytest.mark.parametrize(
    "location",
    ["../outside", "/etc/passwd", "model.onnx_data", "a/../../outside", "*/_ORT_MEM_ADDR_/*", "..\\outside", ""],
)
def test_weights_elsewhere_are_refused(tmp_path, location):
    """No file that no digest vouches for, none outside of the folder, and no place in memory."""
    (tmp_path / "outside").write_bytes(TABLE.tobytes())
    found = _found(tmp_path, _external(location))
    (found.folder / "model.onnx_data").write_bytes(TABLE.tobytes())
    with pytest.raises(ModelLoadError, match="no pinned file"):
        Network(found, threads=1)


def _within(model: bytes, addition: bytes) -> bytes:
    """The model with a field more in its graph."""
    return b"".join(
        joined(GRAPH, bytes(part.content) + addition) if part.number == GRAPH else bytes(part.raw)
        for part in fields(memoryview(model))
    )


def _node(operation, domain, attribute=b""):
    return joined(NODE, joined(OPERATION, operation) + joined(DOMAIN, domain) + attribute)


def test_operations_of_somebody_are_refused(tmp_path):
    """Those of ONNX and of onnxruntime are known; any other would be a library that comes from elsewhere."""
    model = _within(_plain_model().to_bytes(), _node(b"Run", b"somebody"))
    with pytest.raises(ModelLoadError, match="operations of somebody"):
        Network(_found(tmp_path, model), threads=1)


def test_operations_hidden_in_a_branch_are_found(tmp_path):
    """A graph within an attribute of a node within a graph."""
    inner = joined(5, joined(6, _node(b"Run", b"somebody")))  # attribute, its graph, a node
    path = tmp_path / "model.onnx"
    path.write_bytes(_within(_plain_model().to_bytes(), _node(b"If", b"", inner)))
    assert exported.read_contents(path).domains == {"", "somebody"}


def test_operations_that_the_file_defines_itself_are_its_own(tmp_path):
    """A function is made of operations that are looked at too."""
    function = joined(25, joined(10, b"own") + joined(7, joined(OPERATION, b"Relu")))
    path = tmp_path / "model.onnx"
    path.write_bytes(_within(_plain_model().to_bytes(), _node(b"Mine", b"own")) + function)
    contents = exported.read_contents(path)
    assert (contents.defined, "Relu" in contents.operations) == ({"own"}, True)
    assert contents.domains - contents.defined == {""}


def test_graphs_nested_too_deeply_are_refused(tmp_path):
    """The reader does not run out of stack."""
    nested = b""
    for _ in range(exported.MAX_DEPTH + 2):
        nested = joined(NODE, joined(5, joined(6, nested)))
    (tmp_path / "model.onnx").write_bytes(joined(GRAPH, nested))
    with pytest.raises(ModelLoadError, match="nested deeper"):
        exported.read_contents(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "0 bytes"),
        (b"\xff" * 40, "no end"),
        (b"\x3a\xff\x01", "ends within"),
        (b"\x3b", "ends within"),
        (b"\x38\x01", "a number stands"),
        (b"\x08\x08", "0 graphs"),
        (joined(GRAPH, b"") * 2, "2 graphs"),
        (joined(GRAPH, b"") + joined(20, b""), "training"),
        (joined(GRAPH, joined(NODE, joined(OPERATION, b"\xff"))), "no text"),
    ],
)
def test_a_damaged_file_has_a_reason(tmp_path, content, reason):
    """Each kind of damage is named, with the file."""
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelLoadError, match=rf"model\.onnx cannot be run: .*{reason}"):
        exported.read_contents(tmp_path / "model.onnx")


def test_a_file_of_too_many_fields_is_refused():
    """The reader's work is bounded."""
    with pytest.raises(ModelLoadError, match="more than"):
        list(exported._counted(memoryview(b"\x08\x08" * 6), exported.Contents(left=5)))


def test_no_damage_is_more_than_an_error(tmp_path):
    """Every file cut short, and every tenth byte changed: it runs, or an error has a name."""
    whole = _plain_model().to_bytes()
    cut = [whole[:end] for end in range(0, len(whole), 23)]
    changed = [whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :] for place in range(0, len(whole), 29)]
    found = _found(tmp_path, whole)
    for content in cut + changed:
        (found.folder / "model.onnx").write_bytes(content)
        try:
            assert Network(found, threads=1)(IDS, MASK).shape[:2] == (2, 3)
        except VicinalError:
            continue


class _Scaling:
    """A session that scales by the largest id of the batch, as a dynamically quantized network does."""

    def take(self, output, feeds):
        ids = feeds["input_ids"].astype(np.float32)
        return (ids / ids.max())[:, :, None]


def test_a_network_that_scales_by_its_batch_runs_row_by_row():
    """Then a row does not depend on its neighbours, nor on its padding."""
    inputs = {"input_ids": np.int64, "attention_mask": np.int64}
    alone = exported._Run(_Scaling(), inputs, "last_hidden_state", alone=True)
    assert alone(IDS, MASK)[:, :, 0].tolist() == [[np.float32(0.4), 1, np.float32(0.6)], [np.float32(2 / 3), 1, 0]]
    together = exported._Run(_Scaling(), inputs, "last_hidden_state", alone=False)
    assert together(IDS, MASK)[1, 1, 0] == np.float32(0.6)


def test_a_model_with_weights_of_its_own_is_not_an_exported_one(tmp_path):
    """The graph is written anew from the weights; an export beside them is left alone."""
    found = _found(tmp_path, _plain_model())
    both = replace(found, pin=replace(found.pin, files={**found.pin.files, "model.safetensors": "0" * 64}))
    assert (exported.file_of(found), exported.file_of(both)) == ("model.onnx", "")
