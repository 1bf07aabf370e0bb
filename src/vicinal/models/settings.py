"""The JSON files of a model, read with care: bounded, checked, and named in every error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vicinal.errors import ModelLoadError

MAX_JSON_BYTES = 64 * 1024 * 1024
"""A configuration is kilobytes; a large vocabulary some tens of megabytes."""


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a model's file.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is far too large, or holds no JSON object.
    """
    found = read_json_value(path)
    if not isinstance(found, dict):
        raise ModelLoadError(f"{path} must hold a JSON object. Fetch the model again.", where=str(path))
    return found


def read_json_if_there(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file, empty without one.

    Raises
    ------
    ModelLoadError
        As ``read_json``, for a file that is there.
    """
    return read_json(path) if path.is_file() else {}


def read_json_value(path: Path) -> object:
    """Return the JSON of a model's file, whatever its form.

    Raises
    ------
    ModelLoadError
        The file cannot be read, is far too large, or is no JSON.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ModelLoadError(f"{path} is too large for a settings file. Fetch the model again.", where=str(path))
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLoadError(f"{path} cannot be read: {error.strerror}. Check its mode.", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{path} is no valid JSON. Fetch the model again.", where=str(path)) from error


def count_of(value: object, name: str, folder: Path) -> int:
    """Return a whole number of at least 1 out of the settings.

    Raises
    ------
    ModelLoadError
        It is none.
    """
    if type(value) is not int or value < 1:
        raise ModelLoadError(
            f"{folder}: {name} must be a whole number of at least 1, got {value!r}.",
            expected=">= 1",
            got=value,
            where=name,
        )
    return value
