"""Runtimes: what each can, and that the same network gives the same vectors in each."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from family_worlds import FAMILY_NAMES, write_family
from model_worlds import CONFIG, pin_for, random_weights, write_model, write_safetensors
from vicinal.errors import EncodeError, MissingExtraError, ModelLoadError, UnknownNameError, UnsupportedError
from vicinal.models import network as module
from vicinal.models import runtimes
from vicinal.models.network import Network
from vicinal.models.sources import Found

IDS = np.array([[2, 30, 31, 3], [2, 31, 3, 0]])
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0]])
ROUNDING = 2e-5
"""Float32 of another order of sums, at token vectors of size 4."""


@pytest.fixture
def found(model, pin):
    """Return the small model as found in a folder."""
    return Found(pin=pin, folder=model, source="folder")


@pytest.fixture
def openvino():
    """Skip the test where OpenVINO is not installed; it is never imported but by its adapter."""
    if not runtimes.is_installed("openvino"):
        pytest.skip("needs the extra openvino")


def _cosine(a, b):
    """Return the cosine of each token vector of ``a`` with that of ``b``, padding left out."""
    a, b = a[MASK == 1].astype(np.float64), b[MASK == 1].astype(np.float64)
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_every_runtime_is_listed_with_what_it_needs():
    """What is not available says why, and which command changes that."""
    listed = {status.name: status for status in runtimes.known()}
    assert list(listed) == ["onnxruntime", "cuda", "openvino", "sentence-transformers"]
    assert listed["onnxruntime"].available
    assert all(bool(status.reason) == bool(status.install) == (not status.available) for status in listed.values())


def test_what_is_not_installed_is_listed_with_its_command(monkeypatch):
    """Nothing of it is imported."""
    monkeypatch.setattr(runtimes, "version_of", lambda package: "")
    listed = {status.name: status for status in runtimes.known()}
    assert listed["openvino"].reason == "openvino is not installed"
    assert listed["openvino"].install == "pip install 'vicinal[openvino]'"
    assert listed["sentence-transformers"].install == "pip install 'vicinal[train]'"


@pytest.mark.parametrize(
    ("runtime", "precision", "expected"),
    [
        ("onnxruntime", "fp32", ("onnxruntime", "fp32")),
        ("openvino", "bf16", ("openvino", "bf16")),
        ("openvino-bf16", "fp32", ("openvino", "bf16")),
        ("sentence-transformers", "fp32", ("sentence-transformers", "fp32")),
    ],
)
def test_a_precision_may_stand_behind_the_name(runtime, precision, expected):
    """``openvino-bf16`` is openvino in bf16."""
    assert runtimes.settle(runtime, precision) == expected


@pytest.mark.parametrize(("runtime", "precision"), [("onnx", "fp32"), ("openvino", "int8"), ("", "fp32")])
def test_an_unknown_runtime_or_precision_is_named(found, runtime, precision):
    """The message lists what is known."""
    with pytest.raises(UnknownNameError, match=r"onnxruntime, cuda, openvino|fp32, bf16"):
        Network(found, threads=1, runtime=runtime, precision=precision)


@pytest.mark.parametrize("runtime", ["onnxruntime", "cuda", "sentence-transformers"])
def test_a_precision_that_a_runtime_lacks_is_refused(found, runtime):
    """Only OpenVINO has bf16."""
    with pytest.raises(UnsupportedError, match="not in bf16"):
        Network(found, threads=1, runtime=runtime, precision="bf16")


@pytest.mark.parametrize(("runtime", "extra"), [("openvino", "openvino"), ("sentence-transformers", "train")])
def test_a_missing_library_has_its_command(found, monkeypatch, runtime, extra):
    """The extra is named."""
    monkeypatch.setattr(runtimes, "version_of", lambda package: "")
    with pytest.raises(MissingExtraError, match=rf"pip install 'vicinal\[{extra}\]'"):
        Network(found, threads=1, runtime=runtime)


def test_a_kind_that_nothing_here_knows_asks_for_the_other_library(tmp_path, monkeypatch):
    """The default runtime says why it is needed, and the command."""
    folder = write_model(tmp_path / "other", model_type="squeezebert")
    monkeypatch.setattr(runtimes, "version_of", lambda package: "")
    with pytest.raises(MissingExtraError, match=r"'squeezebert'.*vicinal\[train\]"):
        Network(Found(pin=pin_for(folder), folder=folder, source="folder"), threads=1)


def test_a_kind_that_nothing_here_knows_is_refused_by_a_runtime_that_was_asked_for(tmp_path, openvino):
    """Who names a runtime gets it, or an error that names the one that can."""
    folder = write_model(tmp_path / "other", model_type="squeezebert")
    with pytest.raises(UnsupportedError, match="Use the runtime sentence-transformers"):
        Network(Found(pin=pin_for(folder), folder=folder, source="folder"), threads=1, runtime="openvino")


def test_a_model_of_other_modules_is_foreign_too(found, monkeypatch):
    """What the pin says only another library can run is not run here."""
    monkeypatch.setattr(runtimes, "version_of", lambda package: "")
    foreign = replace(found, pin=replace(found.pin, foreign="it has the module Dropout"))
    with pytest.raises(MissingExtraError, match="it has the module Dropout"):
        Network(foreign, threads=1)


def test_cuda_is_refused_where_the_runtime_has_none(found):
    """The message has the command that changes that."""
    from vicinal.models import _onnxruntime  # noqa: PLC0415 - heavy

    if not _onnxruntime.why_no_cuda():
        pytest.skip("onnxruntime has CUDA here")
    with pytest.raises(UnsupportedError, match="onnxruntime-gpu"):
        Network(found, threads=1, runtime="cuda")


def test_cuda_never_falls_back_in_silence(found, monkeypatch):
    """onnxruntime itself takes the processor where it finds no accelerator, and logs a line."""
    from vicinal.models import _onnxruntime  # noqa: PLC0415 - heavy

    monkeypatch.setattr(_onnxruntime, "why_no_cuda", lambda: "")
    monkeypatch.setitem(_onnxruntime.PROVIDERS, "cuda", ["CPUExecutionProvider"])
    with pytest.raises(UnsupportedError, match="found no CUDA"):
        Network(found, threads=1, runtime="cuda")


@pytest.mark.gpu
def test_cuda_gives_the_vectors_of_the_processor(found):
    """Cosine 0.999999: float32 without TF32."""
    try:
        network = Network(found, threads=1, runtime="cuda")
    except UnsupportedError as error:
        pytest.skip(str(error))
    assert network.runtime.endswith(" cuda fp32")
    assert _cosine(network(IDS, MASK), Network(found, threads=1)(IDS, MASK)).min() >= 0.999999


def test_openvino_gives_the_vectors_of_onnxruntime(found, openvino):
    """The same graph over the same weights: the same numbers to float32's rounding, and the same space."""
    ours, theirs = Network(found, threads=1), Network(found, threads=1, runtime="openvino")
    got = theirs(IDS, MASK)
    assert got.dtype == np.float32
    assert np.abs(got - ours(IDS, MASK))[MASK == 1].max() < ROUNDING
    assert _cosine(got, ours(IDS, MASK)).min() >= 0.999999
    assert (theirs.architecture, theirs.dim, theirs.positions, theirs.gives) == (
        ours.architecture,
        ours.dim,
        ours.positions,
        "tokens",
    )
    assert theirs.runtime.startswith("openvino 20")
    assert theirs.runtime.endswith(" cpu fp32")


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_openvino_runs_every_family(tmp_path, openvino, family):
    """Whatever operations a network is made of; padding that OpenVINO adds changes nothing."""
    folder = write_family(tmp_path / family, family)
    found = Found(pin=pin_for(folder), folder=folder, source="folder")
    ours, theirs = Network(found, threads=1), Network(found, threads=1, runtime="openvino")
    assert np.abs(ours(IDS, MASK) - theirs(IDS, MASK))[MASK == 1].max() < ROUNDING
    assert theirs.architecture == ours.architecture


@pytest.mark.parametrize("length", [1, 15, 16, 17, 24])
def test_openvino_takes_every_length_up_to_the_positions(found, openvino, length):
    """Lengths are padded to multiples of 16 and never beyond the 24 positions."""
    ids = np.full((2, length), 30)
    mask = np.ones((2, length), dtype=np.int64)
    ours, theirs = Network(found, threads=1)(ids, mask), Network(found, threads=1, runtime="openvino")(ids, mask)
    assert theirs.shape == (2, length, 16)
    assert np.abs(ours - theirs).max() < ROUNDING


@pytest.mark.parametrize("stored", ["float16", "bfloat16"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_weights_of_half_the_size_are_read_in_place(tmp_path, openvino, stored, runtime):
    """F16 and BF16 hold the same numbers in fewer bits: the network is that of the rounded weights."""
    halves = {
        name: array.astype(np.float16) if stored == "float16" else (array.view(np.uint32) >> 16).astype(np.uint16)
        for name, array in random_weights(CONFIG).items()
    }
    wide = {
        name: array.astype(np.float32) if stored == "float16" else (array.astype(np.uint32) << 16).view(np.float32)
        for name, array in halves.items()
    }
    results = []
    for name, weights in (("half", halves), ("wide", wide)):
        folder = write_model(tmp_path / name)
        write_safetensors(folder / "model.safetensors", weights)
        network = Network(Found(pin=pin_for(folder), folder=folder, source="folder"), threads=1, runtime=runtime)
        results.append(network(IDS, MASK))
    assert np.abs(results[0] - results[1])[MASK == 1].max() < ROUNDING


@pytest.mark.parametrize("shift", range(4))
def test_weights_at_any_place_of_the_file_are_read(found, model, openvino, shift):
    """A header may have any length, so that a number may begin at any byte."""
    content = (model / "model.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size] + b" " * shift
    (model / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    shifted = Found(pin=pin_for(model), folder=model, source="folder")
    ours, theirs = Network(shifted, threads=1), Network(shifted, threads=1, runtime="openvino")
    assert np.abs(ours(IDS, MASK) - theirs(IDS, MASK))[MASK == 1].max() < ROUNDING


def test_openvino_reads_a_folder_of_links(found, model, pin, tmp_path, openvino):
    """The hub's own cache holds links into another folder, which OpenVINO's own reader refuses."""
    snapshot, blobs = tmp_path / "snapshots" / "a", tmp_path / "blobs"
    for folder in (snapshot, blobs):
        folder.mkdir(parents=True)
    for name, digest in pin.files.items():
        (blobs / digest).write_bytes((model / name).read_bytes())
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    linked = Network(Found(pin=pin, folder=snapshot, source="folder"), threads=1, runtime="openvino")
    assert np.abs(linked(IDS, MASK) - Network(found, threads=1)(IDS, MASK))[MASK == 1].max() < ROUNDING


def test_a_row_does_not_depend_on_its_batch_in_openvino(found, openvino):
    """Alone or beside a longer text: the same token vectors to float32's rounding."""
    network = Network(found, threads=1, runtime="openvino")
    together = network(IDS, MASK)
    assert np.abs(network(IDS[1:, :3], MASK[1:, :3]) - together[1:, :3]).max() < ROUNDING
    assert np.abs(network(IDS[::-1], MASK[::-1])[::-1] - together)[MASK == 1].max() < ROUNDING


def test_many_threads_get_their_own_results_in_openvino(found, openvino):
    """Eight threads on a network made for two: each batch has the numbers that it has alone."""
    network = Network(found, threads=2, runtime="openvino")
    jobs = [(np.full((1 + number % 3, 2 + number % 20), 4 + number % 50), number) for number in range(60)]
    alone = [network(ids, np.ones_like(ids)) for ids, _ in jobs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda job: network(job[0], np.ones_like(job[0])), jobs))
    assert all(np.abs(one - other).max() < ROUNDING for one, other in zip(alone, together, strict=True))
    assert threading.active_count() < 20


def test_a_result_stays_what_it_was_in_openvino(found, openvino):
    """The next call writes into memory of its own."""
    network = Network(found, threads=1, runtime="openvino")
    first = network(IDS, MASK)
    kept = first.copy()
    network(IDS + 1, MASK)
    assert np.array_equal(first, kept)


@pytest.mark.parametrize("bad", [len(random_weights(CONFIG)["embeddings.word_embeddings.weight"]), -1, 10_000])
def test_an_unknown_id_is_an_error_in_openvino_too(found, openvino, bad):
    """OpenVINO itself would read zeros."""
    with pytest.raises(EncodeError, match="outside"):
        Network(found, threads=1, runtime="openvino")(np.array([[2, bad]]), np.ones((1, 2), np.int64))


def test_bf16_is_refused_without_the_processor_and_near_with_it(found, openvino):
    """Cosine 0.999 to float32 on random weights, whose sums cancel more than those of a trained model."""
    from vicinal.models import _openvino  # noqa: PLC0415 - an extra

    if "bf16" not in _openvino.precisions():
        with pytest.raises(UnsupportedError, match=r"has no bf16 .*Use fp32"):
            Network(found, threads=1, runtime="openvino-bf16")
        return
    network = Network(found, threads=1, runtime="openvino", precision="bf16")
    assert network.runtime.endswith(" cpu bf16")
    assert _cosine(network(IDS, MASK), Network(found, threads=1)(IDS, MASK)).min() >= 0.999


def test_an_openvino_that_crashes_is_refused(found, openvino, monkeypatch):
    """A crash is no error that one can catch; the version before which it happens was measured."""
    from vicinal.models import _openvino  # noqa: PLC0415 - an extra

    for version in ("2025.1.0", "2026.2.1"):
        monkeypatch.setattr(_openvino, "VERSION", version)
        with pytest.raises(UnsupportedError, match=r"older than 2026\.3\.1 .*--upgrade"):
            Network(found, threads=1, runtime="openvino")
        assert next(status for status in runtimes.known() if status.name == "openvino").reason
    for version in ("2026.3.1", "2026.10.0", "2027.0.0"):
        monkeypatch.setattr(_openvino, "VERSION", version)
        assert not _openvino.why_not()


def test_a_graph_that_openvino_refuses_is_an_error_with_a_name(found, openvino, monkeypatch):
    """What the library says stands in the message, without its places in the source."""
    graph = module.families.write

    def broken(*words):
        return graph(*words).replace(b"LayerNormalization", b"LayerMormalization")

    monkeypatch.setattr(module.families, "write", broken)
    with pytest.raises(ModelLoadError, match=r"OpenVINO .* cannot load"):
        Network(found, threads=1, runtime="openvino")


def test_openvino_reports_nothing_to_its_makers(tmp_path, openvino):
    """P10: its telemetry is neither imported nor asked, and leaves no file in the home folder."""
    code = (
        "import socket, sys\n"
        "def refuse(*words): raise SystemExit('a connection was tried')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from vicinal.models import _openvino\n"
        "assert _openvino.precisions()\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)
    assert not list(tmp_path.iterdir())
