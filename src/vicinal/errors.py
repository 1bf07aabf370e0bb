"""Every error and warning of Vicinal, and the one table of their codes.

::

    VicinalError
    ├─ InputError (ValueError)          the caller can fix the call
    │   ├─ ShapeError   DtypeError   NonFiniteError   RangeError   UnknownNameError
    │   ├─ SpaceMismatchError           two spaces met
    │   └─ TooLongError                 text beyond the model's window, and the caller chose "error"
    ├─ NotFoundError (LookupError)
    │   └─ CollectionNotFoundError   RecordNotFoundError   ModelNotFoundError   DatabaseNotFoundError   SnapshotNotFoundError
    │      CommitNotFoundError           outside of what is kept of the past
    ├─ ConflictError
    │   └─ AlreadyExistsError   LockedError   ReplicaError   MigrationError
    ├─ ModelError
    │   └─ PinMismatchError   ModelLoadError   EncodeError   CanaryMismatchError
    ├─ StoreError
    │   └─ CorruptStoreError   CorruptSnapshotError   FormatVersionError   NoSpaceLeftError   ReadOnlyError
    ├─ UnsupportedError                 a declared capability is missing
    ├─ MissingExtraError (ImportError)  names the extra and the install command
    └─ RemoteError                      a server that was asked did not answer as it should
        └─ RemoteTimeoutError
    VicinalWarning (UserWarning)
    └─ TruncationWarning   FallbackWarning   DimensionWarning   UnknownTextWarning   DamagedIndexWarning   IndexBehindWarning   RecallWarning

An error says what is wrong, what came, and what to do, and carries the same as typed fields.
``TABLE`` maps each code to an HTTP status and an exit status; nothing else in the program does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar


class VicinalError(Exception):
    """The root: every error that Vicinal raises on purpose is one of these.

    Parameters
    ----------
    message : str
        One sentence: what is wrong, what came, what to do.
    expected, got : object, optional
        What was allowed and what came. Never the text of a document and never a secret.
    where : object, optional
        The parameter, file, row or id that the error is about.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        expected: object = None,
        got: object = None,
        where: object = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got
        self.where = where

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain data, as ``--json`` and HTTP print it."""
        fields = {"expected": self.expected, "got": self.got, "where": self.where}
        said = {name: _plain(value) for name, value in fields.items() if value is not None}
        return {"code": self.code, "message": self.message, **said}


def _plain(value: object) -> object:
    """Return the value if JSON knows it, else its text."""
    return value if isinstance(value, bool | int | float | str) else str(value)


class InputError(VicinalError, ValueError):
    """The call is wrong and the caller can fix it."""

    code = "input"


class ShapeError(InputError):
    """An array has the wrong number of axes or the wrong length along one."""

    code = "shape"


class DtypeError(InputError):
    """A value or an array has the wrong type."""

    code = "dtype"


class NonFiniteError(InputError):
    """A vector holds NaN or infinity."""

    code = "non_finite"


class RangeError(InputError):
    """A number lies outside of its range."""

    code = "range"


class UnknownNameError(InputError):
    """A name is none of those that are known; the message lists them."""

    code = "unknown_name"


class SpaceMismatchError(InputError):
    """Vectors of two spaces met. ``fields`` names what differs between them."""

    code = "space_mismatch"

    def __init__(
        self,
        message: str,
        *,
        fields: tuple[str, ...] = (),
        expected: object = None,
        got: object = None,
        where: object = None,
    ) -> None:
        super().__init__(message, expected=expected, got=got, where=where)
        self.fields = fields

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain data, the differing fields included."""
        return {**super().as_dict(), "fields": list(self.fields)}


class TooLongError(InputError):
    """A text is longer than the model's window and the overflow rule is ``error``."""

    code = "too_long"


class NotFoundError(VicinalError, LookupError):
    """What was asked for is not there."""

    code = "not_found"


class CollectionNotFoundError(NotFoundError):
    """The database has no collection of that name."""

    code = "collection_not_found"


class RecordNotFoundError(NotFoundError):
    """The collection has no record of that id."""

    code = "record_not_found"


class ModelNotFoundError(NotFoundError):
    """No source that may be asked has the model."""

    code = "model_not_found"


class DatabaseNotFoundError(NotFoundError):
    """There is no database at the path, or none was found above this folder."""

    code = "database_not_found"


class SnapshotNotFoundError(NotFoundError):
    """There is no snapshot of that sequence at that place; the message lists those that are."""

    code = "snapshot_not_found"


class CommitNotFoundError(NotFoundError):
    """A collection cannot be told as of that commit: its past is kept for some time only; the message says since when."""

    code = "commit_not_found"


class ConflictError(VicinalError):
    """The call is sound, but what is there stands against it."""

    code = "conflict"


class AlreadyExistsError(ConflictError):
    """A record of that id is already stored."""

    code = "already_exists"


class LockedError(ConflictError):
    """Another process is writing to the database."""

    code = "locked"


class ReplicaError(ConflictError):
    """A replica was asked for what only a primary may do, or was pointed at another primary."""

    code = "replica"


class MigrationError(ConflictError):
    """A migration is not at the stage that the call needs, was stopped by its gate, or another is under way."""

    code = "migration"


class ModelError(VicinalError):
    """A model cannot be used."""

    code = "model"


class PinMismatchError(ModelError):
    """A file of the model is not the one that its pin names."""

    code = "pin_mismatch"


class ModelLoadError(ModelError):
    """The files of the model are there, but no network can be made of them."""

    code = "model_load"


class EncodeError(ModelError):
    """The model ran and gave something that is no vector."""

    code = "encode"


class CanaryMismatchError(ModelError):
    """The model that answers now is not the one that made the collection's vectors: its probe texts lie elsewhere."""

    code = "canary_mismatch"


class StoreError(VicinalError):
    """The store cannot do what was asked."""

    code = "store"


class CorruptStoreError(StoreError):
    """A file of the database is damaged. ``where`` is its path."""

    code = "corrupt_store"


class CorruptSnapshotError(StoreError):
    """A snapshot is incomplete, or a part of it does not match its digest; nothing was restored."""

    code = "corrupt_snapshot"


class FormatVersionError(StoreError):
    """The database was written in a format that this program does not know."""

    code = "format_version"


class NoSpaceLeftError(StoreError):
    """The disk is full. Nothing of the write is visible."""

    code = "no_space_left"


class ReadOnlyError(StoreError):
    """The database cannot be written by this process."""

    code = "read_only"


class UnsupportedError(VicinalError):
    """A part does not have the capability that was asked for."""

    code = "unsupported"


class MissingExtraError(VicinalError, ImportError):
    """A library is missing; the message has the command that installs it."""

    code = "missing_extra"


class RemoteError(VicinalError):
    """A server that was asked did not answer as it should. Carries its HTTP status and request id, if it gave them."""

    code = "remote"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str = "",
        expected: object = None,
        got: object = None,
        where: object = None,
    ) -> None:
        super().__init__(message, expected=expected, got=got, where=where)
        self.status = status
        self.request_id = request_id

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain data, with what the server said of itself."""
        said = {"status": self.status, "request_id": self.request_id}
        return {**super().as_dict(), **{name: value for name, value in said.items() if value}}


class RemoteTimeoutError(RemoteError):
    """A server did not answer in the time that it was given."""

    code = "remote_timeout"


class VicinalWarning(UserWarning):
    """The root of what Vicinal warns of."""


class TruncationWarning(VicinalWarning):
    """Texts were cut at the model's window, as the overflow rule ``cut`` says."""


class FallbackWarning(VicinalWarning):
    """A slower way with the same answers is taken."""


class DimensionWarning(VicinalWarning):
    """Vectors are cut to fewer dimensions than their model was trained for; the message says what it costs."""


class UnknownTextWarning(VicinalWarning):
    """Texts hold no word that the model knows: their vectors are zero and near nothing."""


class IndexBehindWarning(VicinalWarning):
    """A derived index lacks so much that a question was answered without it; what is said tells how to build it."""


class DamagedIndexWarning(VicinalWarning):
    """A derived file is damaged and is left aside until it is built again; answers are exact meanwhile, and slower."""


class RecallWarning(VicinalWarning):
    """The index finds fewer of the true neighbours than was asked for, by its own measurement."""


TABLE: dict[str, tuple[int, int]] = {
    # code: (HTTP status, exit status). 2 usage, 3 not there, 4 conflict, 5 model, 6 store, 7 missing part, 8 a server.
    "error": (500, 1),
    "input": (400, 2),
    "shape": (400, 2),
    "dtype": (400, 2),
    "non_finite": (400, 2),
    "range": (400, 2),
    "unknown_name": (400, 2),
    "space_mismatch": (409, 4),
    "too_long": (413, 2),
    "not_found": (404, 3),
    "collection_not_found": (404, 3),
    "record_not_found": (404, 3),
    "model_not_found": (404, 3),
    "database_not_found": (404, 3),
    "snapshot_not_found": (404, 3),
    "commit_not_found": (404, 3),
    "conflict": (409, 4),
    "already_exists": (409, 4),
    "locked": (423, 4),
    "replica": (409, 4),
    "migration": (409, 4),
    "model": (500, 5),
    "pin_mismatch": (500, 5),
    "model_load": (500, 5),
    "encode": (500, 5),
    "canary_mismatch": (409, 5),
    "store": (500, 6),
    "corrupt_store": (500, 6),
    "corrupt_snapshot": (500, 6),
    "format_version": (500, 6),
    "no_space_left": (507, 6),
    "read_only": (403, 6),
    "unsupported": (501, 7),
    "missing_extra": (501, 7),
    "remote": (502, 8),
    "remote_timeout": (504, 8),
}


def http_status(code: str) -> int:
    """Return the HTTP status of an error code."""
    return TABLE[code][0]


def exit_status(code: str) -> int:
    """Return the exit status of an error code."""
    return TABLE[code][1]


def corrupt(path: Path | str, what: str, *, expected: object = None, got: object = None) -> CorruptStoreError:
    """Return the error of a damaged file: its path, what is wrong with it, what to do."""
    message = f"{path} is damaged: {what}. Restore it from a copy, or index the sources again into a new database."
    return CorruptStoreError(message, expected=expected, got=got, where=str(path))
