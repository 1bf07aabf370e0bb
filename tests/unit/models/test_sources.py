"""Sources are tried in their order, only verified files are used, and what is wrong is named and put aside."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model_worlds import pin_for, write_model, write_wheel
from vicinal.errors import FallbackWarning, ModelNotFoundError, PinMismatchError
from vicinal.models import _huggingface_hub, sources


@pytest.fixture
def online(monkeypatch):
    """Allow the sources that need a network; pip looks in one folder and the hub has nothing."""
    for name in ("VICINAL_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(_huggingface_hub, "download", lambda *_: "nobody answers")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Return the folder that pip looks in."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def _fill(folder, source, pin, **changed):
    folder.mkdir(parents=True)
    for name in pin.files:
        (folder / name).write_bytes(changed.get(name.partition(".")[0], (source / name).read_bytes()))


def test_the_folder_that_the_caller_names_is_asked_alone(model, pin, cache):
    """It is taken if it holds the model; the cache is not touched."""
    found = sources.find(pin, folder=model)
    assert (found.folder, found.source) == (model, "folder")
    assert not (cache / "models").exists()


def test_a_wrong_file_in_a_named_folder_is_an_error_and_stays(model, pin):
    """The file, the expected and the found digest are named; the user's file is left alone."""
    (model / "config.json").write_text("{}")
    with pytest.raises(PinMismatchError, match=r"config\.json is not the file") as caught:
        sources.find(pin, folder=model)
    assert caught.value.expected == pin.files["config.json"]
    assert caught.value.where == str(model / "config.json")
    assert str(caught.value.got) in caught.value.message
    assert (model / "config.json").read_text() == "{}"


def test_a_named_folder_without_the_model_is_an_error(pin, tmp_path):
    """No other source stands in for a folder that was named."""
    with pytest.raises(ModelNotFoundError, match=r"model\.safetensors is missing"):
        sources.find(pin, folder=tmp_path)


def test_the_cache_is_asked_before_anything_else(model, pin):
    """A complete model in the cache needs no network."""
    _fill(sources.cache_of(pin), model, pin)
    assert sources.find(pin).source == "cache"


def test_without_a_network_the_missing_is_said_with_the_command(pin):
    """The message names the setting that forbids the network and the command that gets the model."""
    with pytest.raises(ModelNotFoundError, match=r"VICINAL_OFFLINE.*vicinal models pull small"):
        sources.find(pin)


def test_a_wrong_file_in_the_cache_is_put_aside_and_never_used(model, pin, cache):
    """It is moved to the quarantine with its content; the error names it and both digests."""
    _fill(sources.cache_of(pin), model, pin, model=b"other weights")
    with pytest.raises(PinMismatchError) as caught:
        sources.find(pin)
    assert caught.value.expected == pin.files["model.safetensors"]
    assert not (sources.cache_of(pin) / "model.safetensors").exists()
    (aside,) = (cache / "quarantine").iterdir()
    assert aside.read_bytes() == b"other weights"
    assert str(aside) in caught.value.message


def test_a_wrong_file_in_the_cache_does_not_stop_the_next_source(model, pin, online, wheels):
    """The wheel is fetched, its files take the place, and a warning tells of the wrong one."""
    _fill(sources.cache_of(pin), model, pin, model=b"other weights")
    write_wheel(wheels, model)
    with pytest.warns(FallbackWarning, match=r"model\.safetensors is not the file.*The wheel is used"):
        found = sources.find(pin)
    assert found.source == "wheel"
    assert sources.find(pin).source == "cache"


def test_a_wrong_note_condemns_no_file(model, pin, monkeypatch):
    """A remembered digest that differs from the pin is checked against the content before anything is put aside."""
    _fill(sources.cache_of(pin), model, pin)
    whole = sources.digest_of
    monkeypatch.setattr(
        sources, "digest_of", lambda path, *, recompute: whole(path, recompute=True) if recompute else "0" * 64
    )
    assert sources.find(pin).source == "cache"


def test_the_installed_wheel_is_used_where_it_lies(model, pin, tmp_path, monkeypatch):
    """Nothing is copied or fetched."""
    with zipfile.ZipFile(write_wheel(tmp_path / "w", model)) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    found = sources.find(pin)
    assert (found.source, found.folder) == ("installed", tmp_path / "site/small_model/data")
    assert sources.local(pin) == found


def test_a_wrong_installed_wheel_is_left_and_told(model, pin, tmp_path, monkeypatch):
    """What a package manager put there is not ours to move."""
    with zipfile.ZipFile(write_wheel(tmp_path / "w", model, replaced={"config.json": b"{}"})) as archive:
        archive.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(PinMismatchError, match="left there"):
        sources.find(pin)
    assert (tmp_path / "site/small_model/data/config.json").read_bytes() == b"{}"


def test_a_wrong_wheel_is_put_aside_and_the_hub_is_asked(model, pin, online, wheels, cache, monkeypatch):
    """Sources of the same digests are interchangeable; one that differs is passed over with a warning."""
    write_wheel(wheels, model, replaced={"config.json": b"{}"})
    asked = []

    def download(repo, revision, file, folder):
        asked.append((repo, revision, file))
        (folder / file).write_bytes((model / file).read_bytes())
        return ""

    monkeypatch.setattr(_huggingface_hub, "download", download)
    told = []
    with pytest.warns(FallbackWarning, match=r"config\.json of the wheel.*The hub is used"):
        found = sources.find(pin_for(model, repo="them/small", revision="abc"), progress=lambda *s: told.append(s))
    assert found.source == "hub"
    assert asked == [("them/small", "abc", name) for name in pin.files]
    assert told[-1] == (pin.size_bytes, pin.size_bytes)
    assert [aside.read_bytes() for aside in (cache / "quarantine").iterdir()] == [b"{}"]
    assert not [path for path in (cache / "models").iterdir() if path.name.startswith(".")]


def test_when_no_source_has_it_every_reason_is_told(model, online, wheels):
    """What pip and the hub said stands in the message, with the command."""
    with pytest.raises(ModelNotFoundError, match=r"wheel: .*hub: nobody answers.*vicinal models pull") as caught:
        sources.find(pin_for(model, repo="them/small"))
    assert "small" in caught.value.message


def test_when_the_only_source_is_wrong_it_is_a_mismatch(model, pin, online, wheels):
    """A model that came and is another one is not called missing."""
    write_wheel(wheels, model, replaced={"tokenizer.json": b"{}"})
    with pytest.raises(PinMismatchError, match=r"tokenizer\.json of the wheel"):
        sources.find(pin)
    assert not sources.cache_of(pin).exists()


def test_only_verified_files_ever_stand_in_the_cache(model, pin, online, wheels):
    """After a fetch the model's folder holds the pinned files and nothing else."""
    write_wheel(wheels, model)
    found = sources.find(pin)
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(pin.files)
    assert all(check.ok for check in sources.check(pin, found.folder, recompute=True))


PULL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from model_worlds import pin_for
from vicinal.models import sources
print(sources.find(pin_for(Path(sys.argv[2]))).folder)
"""


def test_two_processes_that_fetch_at_once_both_end_well(model, pin, online, wheels, cache):
    """Both have the model, and the cache holds it whole."""
    write_wheel(wheels, model)
    tests = Path(__file__).parents[2]
    command = [sys.executable, "-c", PULL, str(tests), str(model)]
    running = [
        subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [(out.strip(), code) for out, _, code in ended] == [(str(sources.cache_of(pin)), 0)] * 2, ended
    assert sources.find(pin).source == "cache"


def test_another_model_has_another_place(model, pin, tmp_path):
    """The digest of the files is the name of the folder."""
    other = pin_for(write_model(tmp_path / "other", seed=1))
    assert sources.cache_of(other) != sources.cache_of(pin)
    assert sources.cache_of(pin_for(model, name="renamed")) == sources.cache_of(pin)
