"""What a user gives as records, checked and made into documents. Nothing is written when any of them is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vicinal.errors import AlreadyExistsError, DtypeError, NonFiniteError, RangeError
from vicinal.types import Document, FieldValue

RESERVED = ("id", "text", "source")
"""Names in a record that are no fields."""
MAX_ID_CHARS = 4096
MAX_TEXT_CHARS = 1 << 26
"""64 million characters: a library's shelf, and what one record may hold."""
MAX_FIELDS = 1024
MAX_WHOLE = 2**63 - 1


def documents_of(records: object, *, first: int = 0) -> list[Document]:
    """Return records as documents.

    Parameters
    ----------
    records : iterable of mapping
        ``id`` and ``text`` are strings; ``source`` may be one; every other entry is a field.
    first : int
        The place of the first of them in what the user gave: errors count from it.

    Raises
    ------
    InputError
        The first record that is wrong, by its place; or two of the same id.
    """
    if isinstance(records, str | bytes | Mapping) or not isinstance(records, Iterable):
        raise DtypeError(
            f"records must be a list of mappings such as {{'id': 'a', 'text': '…'}}, got one {type(records).__name__}.",
            expected="list of mappings",
            got=type(records).__name__,
            where="records",
        )
    documents = [_plain_document(record) or _document(place, record) for place, record in enumerate(records, first)]
    _require_distinct([document.id for document in documents], first)
    return documents


def changes_of(fields: object) -> dict[str, dict[str, FieldValue]]:
    """Return id → fields, checked as those of records are.

    Raises
    ------
    InputError
        The first entry that is wrong, by its id.
    """
    if not isinstance(fields, Mapping):
        raise DtypeError(
            f"fields must be a mapping of ids to mappings of fields, got {type(fields).__name__}.",
            expected="mapping",
            got=type(fields).__name__,
            where="fields",
        )
    changes = {}
    for one, told in fields.items():
        record_id = checked_id(one, "an id of fields")
        if not isinstance(told, Mapping) or any(name in RESERVED for name in told):
            raise DtypeError(
                f"fields[{record_id!r}] must be a mapping of fields, without {', '.join(RESERVED)}.",
                expected="mapping",
                got=type(told).__name__,
                where=record_id,
            )
        changes[record_id] = _fields(told, f"fields[{record_id!r}]")
    return changes


def _require_distinct(ids: Sequence[str], first: int) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for place, one in enumerate(ids, first):
        if one in seen:
            raise AlreadyExistsError(
                f"records[{place}] has the id {one!r} of one before it; ids are unique.", got=one, where=place
            )
        seen.add(one)


def _plain_document(record: object) -> Document | None:
    """Return a record as a document if nothing about it needs a second look, else None: ``_document`` looks and tells.

    Half of the time of ``add`` with ready vectors went into checks that hardly any record fails.
    """
    if type(record) is not dict:
        return None
    fields = dict(record)
    record_id, text, source = fields.pop("id", None), fields.pop("text", None), fields.pop("source", "")
    if (
        _is_plain(record_id, MAX_ID_CHARS)
        and record_id
        and _is_plain(text, MAX_TEXT_CHARS)
        and _is_plain(source, MAX_ID_CHARS)
        and len(fields) <= MAX_FIELDS
        and _are_plain(fields)
    ):
        return Document(id=record_id, text=text, source=source, fields=fields)
    return None


def _is_plain(value: object, most: int) -> bool:
    """Return whether a value is a string without anything beyond ASCII, not too long."""
    return type(value) is str and value.isascii() and len(value) <= most


def _are_plain(fields: dict[object, object]) -> bool:
    """Return whether all names are plain strings, and all values too, or booleans, whole numbers of 64 bits, or None."""
    for name, value in fields.items():
        if type(name) is not str or not name.isascii() or not 0 < len(name) <= MAX_ID_CHARS or name[0] == "$":
            return False
        if type(value) is str:
            if not value.isascii() or len(value) > MAX_TEXT_CHARS:
                return False
        elif type(value) is int:
            if not -MAX_WHOLE <= value <= MAX_WHOLE:
                return False
        elif type(value) is not bool and value is not None:
            return False
    return True


def _document(place: int, record: object) -> Document:
    if not isinstance(record, Mapping):
        raise DtypeError(
            f"records[{place}] must be a mapping, got {type(record).__name__}.",
            expected="mapping",
            got=type(record).__name__,
            where=place,
        )
    fields = {name: value for name, value in record.items() if name not in RESERVED}
    return Document(
        id=checked_id(record.get("id"), f"records[{place}]['id']"),
        text=_text(record.get("text"), f"records[{place}]['text']", MAX_TEXT_CHARS),
        source=_text(record.get("source", ""), f"records[{place}]['source']", MAX_ID_CHARS),
        fields=_fields(fields, f"records[{place}]"),
    )


def checked_id(value: object, where: str) -> str:
    """Return an id, or say why it is none.

    Raises
    ------
    DtypeError, RangeError
        It is no string, empty, too long, or holds half of a surrogate pair.
    """
    text = _text(value, where, MAX_ID_CHARS)
    if not text:
        raise RangeError(f"{where} is empty; an id has at least one character.", where=where)
    return text


def _text(value: object, where: str, most: int) -> str:
    if not isinstance(value, str):
        raise DtypeError(
            f"{where} must be a string, got {type(value).__name__}.",
            expected="str",
            got=type(value).__name__,
            where=where,
        )
    if len(value) > most:
        raise RangeError(
            f"{where} has {len(value)} characters; the most is {most}.",
            expected=f"<= {most}",
            got=len(value),
            where=where,
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RangeError(
            f"{where} holds a lone surrogate at {error.start}, which is no character.", where=where
        ) from None
    return value


def _fields(fields: Mapping[Any, Any], where: str) -> dict[str, FieldValue]:
    if len(fields) > MAX_FIELDS:
        raise RangeError(
            f"{where} has {len(fields)} fields; the most is {MAX_FIELDS}.",
            expected=f"<= {MAX_FIELDS}",
            got=len(fields),
            where=where,
        )
    return {_field_name(name, where): _field_value(value, f"{where}[{name!r}]") for name, value in fields.items()}


def _field_name(name: object, where: str) -> str:
    text = checked_id(name, f"the name of a field of {where}")
    if text.startswith("$"):
        raise RangeError(
            f"{where} has a field {text!r}; names that begin with $ are operators of filters.", got=text, where=where
        )
    return text


def _field_value(value: object, where: str) -> FieldValue:
    if isinstance(value, list | tuple):
        return [_scalar(element, where) for element in value]  # type: ignore[return-value]  # lists may mix kinds
    return _scalar(value, where)


def _scalar(value: object, where: str) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if abs(value) > MAX_WHOLE:
            raise RangeError(f"{where} is beyond 64 bits.", expected=f"<= {MAX_WHOLE}", where=where)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise NonFiniteError(
                f"{where} is {value}; a field holds finite numbers, or None.", got=str(value), where=where
            )
        return value
    if isinstance(value, str):
        return _text(value, where, MAX_TEXT_CHARS)
    raise DtypeError(
        f"{where} must be a string, number, boolean, None or a list of them, got {type(value).__name__}.",
        expected="str | int | float | bool | None | list",
        got=type(value).__name__,
        where=where,
    )
