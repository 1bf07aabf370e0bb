"""The header parser believes nothing: what is not exactly right is refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_worlds import write_safetensors
from vicinal.errors import ModelLoadError
from vicinal.models.safetensors import read_arrays, read_header

GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def _write(path, header, blob=b"\0" * 8, claimed=None):
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(said) if claimed is None else claimed).to_bytes(8, "little") + said + blob)
    return path


def test_a_header_says_where_each_tensor_lies(tmp_path):
    """Names, types, shapes and file offsets come back; the bytes there are the array's."""
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.float16([1, 2]),
        "empty": np.zeros((0, 4), np.float32),
    }
    path = tmp_path / "w.safetensors"
    write_safetensors(path, arrays)
    tensors = read_header(path)
    assert {name: (t.dtype, t.shape, t.length) for name, t in tensors.items()} == {
        "a": ("F32", (2, 3), 24),
        "b": ("F16", (2,), 4),
        "empty": ("F32", (0, 4), 0),
    }
    content = path.read_bytes()
    for name, tensor in tensors.items():
        assert content[tensor.offset : tensor.offset + tensor.length] == arrays[name].tobytes()
    assert np.array_equal(read_arrays(path)["a"], arrays["a"])


def test_metadata_is_no_tensor(tmp_path):
    """The one reserved name is left out."""
    path = _write(tmp_path / "w", {"__metadata__": {"format": "pt"}, "a": GOOD})
    assert set(read_header(path)) == {"a"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}, "unknown type"),
        ({"dtype": ["F32"], "shape": [2], "data_offsets": [0, 8]}, "unknown type"),
        ({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}, "not its shape"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "no valid shape"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "no valid shape"),
        ({"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}, "no valid shape"),
        ({"dtype": "F32", "shape": [1] * 9, "data_offsets": [0, 4]}, "no valid shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}, "outside"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}, "outside"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [0]}, "outside"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [-4, 4]}, "outside"),
        ({"dtype": "F32", "shape": [2**40, 2**40, 0], "data_offsets": [0, 8]}, "not its shape"),
        (7, "no object"),
        ({}, "unknown type"),
    ],
)
def test_each_lie_of_an_entry_is_named(tmp_path, entry, said):
    """A type, shape or place that cannot be is refused, and the message says which."""
    with pytest.raises(ModelLoadError, match=said):
        read_header(_write(tmp_path / "w", {"a": entry}))


@pytest.mark.parametrize(
    ("header", "claimed", "said"),
    [
        (b"", 2**63, "claims"),
        (b"{}", 11, "claims"),
        (b"{nonsense}", None, "no JSON"),
        (b"\xff\xff", None, "no JSON"),
        (b"[" * 100_000, None, "no JSON"),
        (b"[]", None, "no object"),
        (b'{"a": 1, "a": 1}', None, "no JSON"),
    ],
)
def test_each_lie_of_the_header_is_named(tmp_path, header, claimed, said):
    """A length beyond the file, broken or doubled JSON, or no object at all is refused."""
    with pytest.raises(ModelLoadError, match=said):
        read_header(_write(tmp_path / "w", header, claimed=claimed))


def test_a_file_shorter_than_the_prefix_is_refused(tmp_path):
    """Seven bytes hold no header."""
    (tmp_path / "w").write_bytes(b"\0" * 7)
    with pytest.raises(ModelLoadError, match="claims"):
        read_header(tmp_path / "w")


def test_tensors_that_share_bytes_are_refused(tmp_path):
    """No byte belongs to two tensors."""
    header = {"a": GOOD, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}
    with pytest.raises(ModelLoadError, match="overlaps"):
        read_header(_write(tmp_path / "w", header))


def test_a_missing_file_is_named(tmp_path):
    """The path stands in the message and in ``where``."""
    with pytest.raises(ModelLoadError) as caught:
        read_header(tmp_path / "none")
    assert caught.value.where == str(tmp_path / "none")


@given(content=st.binary(max_size=200))
def test_random_bytes_are_refused_by_name_or_are_sound(tmp_path_factory, content):
    """No bytes whatever raise another kind of error."""
    path = tmp_path_factory.mktemp("fuzz") / "w"
    path.write_bytes(content)
    _sound_or_refused(path)


@given(place=st.integers(0, 120), value=st.integers(0, 255), cut=st.integers(0, 140))
def test_a_damaged_file_is_refused_by_name_or_is_sound(tmp_path_factory, place, value, cut):
    """One changed byte and a cut anywhere never give a tensor outside of the file."""
    path = tmp_path_factory.mktemp("fuzz") / "w"
    write_safetensors(path, {"a": np.zeros(4, np.float32), "b": np.zeros((2, 2), np.float16)})
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(bytes(content[: len(content) - cut % len(content)]))
    _sound_or_refused(path)


def _sound_or_refused(path):
    try:
        tensors = read_header(path)
    except ModelLoadError:
        return
    size_bytes = path.stat().st_size
    assert all(8 <= t.offset <= t.offset + t.length <= size_bytes for t in tensors.values())
