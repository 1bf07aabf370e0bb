"""The hub, through its own client."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

CLIENT_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, EntryNotFoundError, *HfHubHTTPError.__bases__)
"""What the client raises for a bad answer or none: its own errors, and those of the HTTP library below it."""


def download(repo: str, revision: str, file: str, folder: Path) -> str:
    """Put one file of a repository under a folder; return ``""``, or the reason why there is none."""
    try:
        hf_hub_download(repo, file, revision=revision or None, local_dir=folder)
    except CLIENT_ERRORS as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        return told[0]
    return ""
