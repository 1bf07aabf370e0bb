"""What ``load`` is given: settings that mean nothing for a model are refused, and so is what is no setting."""

from __future__ import annotations

import pytest

import vicinal
from model_worlds import write_model
from vicinal.errors import DtypeError, InputError, ModelNotFoundError


@pytest.mark.parametrize("said", [{"folder": "x"}, {"runtime": "onnxruntime"}, {"weighting": "sif"}])
def test_a_server_has_no_files_and_no_runtime(said):
    """What would be left out in silence is refused, by its name."""
    with pytest.raises(InputError, match=f"{next(iter(said))} means nothing"):
        vicinal.load("openai:text-embedding-3-small", **said)


def test_a_network_has_no_weighting_of_words(tmp_path):
    """Only tables of tokens and words are weighted."""
    with pytest.raises(InputError, match="weighting means nothing"):
        vicinal.load(str(write_model(tmp_path / "m")), weighting="sif")


@pytest.mark.parametrize("folder", [3, b"x", ["x"]])
def test_a_folder_is_a_path(folder):
    """Anything else is told apart from a folder that is not there."""
    with pytest.raises(DtypeError, match="folder must be a path"):
        vicinal.load("minilm", folder=folder)


@pytest.mark.parametrize("folder", ["~nosuchuser/x", "nowhere"])
def test_a_folder_that_is_not_there_has_no_model(folder):
    """Also one that would be the home of a user that there is not."""
    with pytest.raises(ModelNotFoundError):
        vicinal.load("minilm", folder=folder)


@pytest.mark.parametrize("prompts", ["abc", ["q"], 3])
def test_prompts_are_a_mapping(prompts):
    """A bare string has no role."""
    with pytest.raises(DtypeError, match="prompts must be a mapping"):
        vicinal.load("minilm", prompts=prompts)
