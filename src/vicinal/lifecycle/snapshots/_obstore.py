"""obstore: object stores (S3, Google Cloud Storage, Azure, memory) as places of snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import from_url

from vicinal.errors import RemoteError
from vicinal.lifecycle.snapshots.place import Placed

LIST_AT_ONCE = 1000
ABSENT = (NotFoundError, FileNotFoundError)
FAILURES = (BaseError, OSError, ValueError)
"""What the library raises: its own errors, and Python's for paths, hosts and settings."""


def open_url(url: str) -> ObjectPlace:
    """Return the place of a URL; its credentials and endpoint come from the environment (``AWS_…``, ``GOOGLE_…``, ``AZURE_…``).

    Raises
    ------
    RemoteError
        The settings do not add up to a store.
    """
    with _failures(url, "opening it"):
        return ObjectPlace(from_url(url), url)


class ObjectPlace:
    """A bucket, or what lies below a prefix of it.

    Parameters
    ----------
    store : obstore.store.ObjectStore
        Its own retries and time limits hold.
    url : str
        What messages call it.
    """

    def __init__(self, store: Any, url: str) -> None:  # noqa: ANN401 - the library's union of classes
        self._store = store
        self.url = url

    def put(self, name: str, content: bytes) -> None:
        """Write an object; a store shows it whole or not at all.

        Raises
        ------
        RemoteError
            The store refused or did not answer.
        """
        with _failures(self.url, f"writing {name}"):
            obstore.put(self._store, name, content)

    def get(self, name: str, *, most_bytes: int) -> bytes | None:
        """Return an object, its first bytes if it has more than asked for, or None where there is none."""
        with _failures(self.url, f"reading {name}"):
            try:
                found = obstore.get(self._store, name)
                if found.meta["size"] <= most_bytes:
                    return bytes(found.bytes())
                return bytes(obstore.get_range(self._store, name, start=0, end=most_bytes))
            except ABSENT:
                return None

    def names(self, folder: str) -> Iterator[Placed]:
        """Go through the objects below a folder, a thousand with each request."""
        with _failures(self.url, f"listing {folder}"):
            for batch in obstore.list(self._store, prefix=folder, chunk_size=LIST_AT_ONCE):
                for one in batch:
                    name = str(one["path"])
                    if name.startswith(f"{folder}/") and name.count("/") == 1:
                        yield Placed(name=name, size_bytes=one["size"], written_at=one["last_modified"].timestamp())

    def delete(self, name: str) -> None:
        """Remove an object."""
        with _failures(self.url, f"deleting {name}"):
            try:
                obstore.delete(self._store, name)
            except ABSENT:
                return

    def settle(self) -> None:
        """Return at once: what an object store has taken is durable."""

    def clean(self, *, older_than_s: float) -> None:
        """Do nothing: an object that was not finished is not there."""

    def work_folder(self) -> Path | None:
        """Return None: temporary files are kept where the system keeps them."""
        return None


@contextmanager
def _failures(url: str, doing: str) -> Iterator[None]:
    """Turn the library's errors into ours; its text is left out, as it may quote a signed request."""
    try:
        yield
    except FAILURES as error:
        raise RemoteError(
            f"{url} failed at {doing} ({type(error).__name__}). Check the address, the credentials in the environment "
            "and the network, and run it again: what is there already is not sent twice.",
            got=type(error).__name__,
            where=url,
        ) from error
