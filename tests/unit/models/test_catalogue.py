"""What the command line shows of models."""

from __future__ import annotations

import pytest

from vicinal import models
from vicinal.errors import ModelNotFoundError
from vicinal.models import sources


def _put(model, pin):
    folder = sources.cache_of(pin)
    folder.mkdir(parents=True)
    for name in pin.files:
        (folder / name).write_bytes((model / name).read_bytes())
    return folder


def test_known_models_say_where_they_are(model, pin):
    """A model that is not here has no source and no path; one in the cache has both."""
    (before,) = models.known()
    assert (before.name, before.dim, before.max_tokens, before.source, before.path) == ("small", 16, 12, "", "")
    folder = _put(model, pin)
    (after,) = models.known()
    assert (after.source, after.path) == ("cache", str(folder))


def test_a_wrong_file_is_shown_as_not_here_and_stays(model, pin):
    """Looking moves nothing."""
    folder = _put(model, pin)
    (folder / "config.json").write_text("{}")
    assert models.known()[0].source == ""
    assert (folder / "config.json").read_text() == "{}"


def test_pull_gives_what_is_here(model, pin):
    """A model in the cache is not fetched again."""
    folder = _put(model, pin)
    assert models.pull("small").folder == folder


def test_verify_tells_of_each_file(model, pin):
    """Right, wrong and missing files are told apart; nothing is moved."""
    folder = _put(model, pin)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").unlink()
    checks = {check.file: check for check in models.verify("small")}
    assert {name: check.ok for name, check in checks.items()} == {
        "config.json": False,
        "model.safetensors": True,
        "tokenizer.json": False,
    }
    assert checks["tokenizer.json"].got == ""
    assert checks["config.json"].expected == pin.files["config.json"] != checks["config.json"].got
    assert (folder / "config.json").exists()


def test_verify_of_a_model_that_is_not_here_says_the_command(pin):
    """There is nothing to verify."""
    with pytest.raises(ModelNotFoundError, match="vicinal models pull small"):
        models.verify("small")


def test_info_is_the_pin_as_plain_data(model, pin):
    """Digests, settings, and the place if there is one."""
    told = models.info("small")
    assert (told["files"], told["digest"], told["source"]) == (dict(pin.files), pin.digest, "")
    folder = _put(model, pin)
    assert models.info("small")["path"] == str(folder)


def test_a_folder_is_a_model_too(model, pin):
    """By its path it is found, told of and verified."""
    assert models.pull(str(model)).source == "folder"
    assert models.info(str(model))["path"] == str(model)
    assert all(check.ok for check in models.verify(str(model)))
