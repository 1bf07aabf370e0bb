"""The hub, through its own client."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

from vicinal.config import hub_endpoint
from vicinal.models.hub import Listing, RemoteFile

CLIENT_ERRORS: tuple[type[Exception], ...] = (OSError, ValueError, EntryNotFoundError, *HfHubHTTPError.__bases__)
"""What the client raises for a bad answer or none: its own errors, and those of the HTTP library below it."""


def list_files(repo: str, revision: str) -> Listing | str:
    """Return what a repository holds at a revision, or the reason why that is not known."""
    try:
        info = HfApi(endpoint=hub_endpoint()).model_info(repo, revision=revision or None, files_metadata=True)
    except CLIENT_ERRORS as error:
        return _first_line(error)
    licence = getattr(info.card_data, "license", None)
    files = tuple(
        RemoteFile(name=file.rfilename, size_bytes=file.size or 0, sha256=file.lfs.sha256 if file.lfs else "")
        for file in info.siblings or ()
    )
    return Listing(revision=info.sha or "", licence=licence if isinstance(licence, str) else "", files=files)


def download(repo: str, revision: str, file: str, folder: Path) -> str:
    """Put one file of a repository under a folder; return ``""``, or the reason why there is none."""
    try:
        hf_hub_download(repo, file, revision=revision or None, local_dir=folder, endpoint=hub_endpoint())
    except CLIENT_ERRORS as error:
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
