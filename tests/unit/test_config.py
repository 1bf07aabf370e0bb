"""Settings: what each value of each variable means, from one table, and nothing else reads the environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vicinal import config
from vicinal.errors import RangeError


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Begin with none of the settings."""
    for name in (*config.SETTINGS, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_cache_folder_is_the_named_one_before_any_other(monkeypatch):
    """VICINAL_CACHE wins over XDG_CACHE_HOME, which wins over the home; ``~`` is the home."""
    monkeypatch.setenv("HOME", "/home/someone")
    assert config.cache_folder() == Path("/home/someone/.cache/vicinal")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert config.cache_folder() == Path("/caches/vicinal")
    monkeypatch.setenv("VICINAL_CACHE", "~/models")
    assert config.cache_folder() == Path("/home/someone/models")


def test_an_empty_cache_setting_counts_as_none(monkeypatch):
    """A variable that is set to nothing is as good as not set."""
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("VICINAL_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert config.cache_folder() == Path("/home/someone/.cache/vicinal")


@pytest.mark.parametrize("name", ["VICINAL_OFFLINE", "HF_HUB_OFFLINE"])
@pytest.mark.parametrize(
    ("value", "meant"),
    [("1", True), ("true", True), (" YES ", True), ("On", True), ("0", False), ("", False), ("no", False)],
)
def test_offline_is_what_the_words_say(monkeypatch, name, value, meant):
    """Either variable is enough, and only words of assent count."""
    monkeypatch.setenv(name, value)
    assert config.offline() is meant


def test_online_by_default():
    """Without the settings the network may be asked for what is missing."""
    assert config.offline() is False


def test_database_path(monkeypatch):
    """VICINAL_DB names a path, ``~`` is the home, and nothing is named by default."""
    assert config.database_path() is None
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("VICINAL_DB", "~/notes.vicinal")
    assert config.database_path() == Path("/home/someone/notes.vicinal")


@pytest.mark.parametrize(("value", "native"), [(None, True), ("", True), ("native", True), (" NumPy ", False)])
def test_kernels(monkeypatch, value, native):
    """Only the word numpy turns the native kernels off."""
    if value is not None:
        monkeypatch.setenv("VICINAL_KERNELS", value)
    assert config.native_kernels() is native


def test_threads_are_the_named_number(monkeypatch):
    """A whole number of at least 1 is taken, blanks around it left out."""
    monkeypatch.setenv("VICINAL_THREADS", " 3 ")
    assert config.threads() == 3


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "²", "9" * 5000])
def test_threads_refuse_what_is_no_number(monkeypatch, value):
    """Anything else is an error that names the variable and the value."""
    monkeypatch.setenv("VICINAL_THREADS", value)
    with pytest.raises(RangeError, match="VICINAL_THREADS must be a whole number") as raised:
        config.threads()
    assert (raised.value.where, raised.value.got) == ("VICINAL_THREADS", value)


def test_threads_are_those_the_process_may_use(monkeypatch):
    """By default the affinity of the process counts, not the number of processors of the machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5, 7}, raising=False)
    assert config.threads() == 3


@pytest.mark.parametrize(("counted", "threads"), [(6, 6), (None, 1)])
def test_threads_without_affinity(monkeypatch, counted, threads):
    """Where the system tells no affinity the processors count; where it tells nothing there is one."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert config.threads() == threads
