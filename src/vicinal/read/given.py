"""A source as a user declares it: which reader it goes to, under which name the ledger keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from vicinal._arrays import whole_number
from vicinal.errors import DtypeError, InputError
from vicinal.read._pathspec import ignore_rules
from vicinal.read.place import id_of
from vicinal.read.source import MAX_BYTES, PYDOC, STANDARD_INPUT, read
from vicinal.read.sql import read_postgres, read_sqlite, sql_place
from vicinal.read.sql.place import POSTGRES, SQLITE, is_sql
from vicinal.read.sql.sqlite import existing
from vicinal.read.table import Columns
from vicinal.read.web import SITEMAP, WEB, read_page, read_sitemap, web_origin
from vicinal.read.web.pages import Known
from vicinal.types import Document, Skipped, Source, Unmodified


def origin_of_source(source: Source, base: Path | None) -> str:
    """Return the name under which the ledger keeps a source, never with a password in it.

    A file or folder is its path relative to the base where it lies inside; all else ends with a colon.

    Raises
    ------
    InputError
        The source says what cannot be.
    DtypeError, RangeError
        One of its values is of another type, or beyond its bounds.
    """
    _require_values(source)
    if is_sql(source.place):
        return sql_place(source, base).origin
    if source.place.startswith((*WEB, SITEMAP)):
        return web_origin(source)
    if source.place in {STANDARD_INPUT, PYDOC}:
        return source.place
    return id_of(Path(source.place), base)


def is_watched(source: Source) -> bool:
    """Return whether a source lies in files that can be looked at again and again."""
    return source.place.startswith(SQLITE) or not (
        is_sql(source.place) or source.place.startswith((*WEB, SITEMAP)) or source.place in {STANDARD_INPUT, PYDOC}
    )


def read_source(
    source: Source, *, base: Path | None = None, known: Known = lambda _: None, max_bytes: int = MAX_BYTES
) -> Iterator[Document | Skipped | Unmodified]:
    """Give the documents of a source one by one, and for all else why it gave none.

    Parameters
    ----------
    source : Source
        What is read.
    base : Path, optional
        Ids of files are relative to it.
    known : callable, optional
        Gives the fields of a document that is stored and current, by its id. A page whose server says that it is what
        it was then is ``Unmodified``.
    max_bytes : int
        As in ``read``.

    Raises
    ------
    NotFoundError
        There is no such file or folder. Raised at once.
    InputError
        The source says what cannot be, or what its database refuses.
    MissingExtraError
        A reader needs a library that is not installed.
    """
    _require_sense(source)
    columns = Columns(text=source.text_field, id=source.id_field)
    if source.place.startswith(SQLITE):
        _ = existing(sql_place(source, base))
        return _distinct(read_sqlite(sql_place(source, base), columns, max_bytes))
    if source.place.startswith(POSTGRES):
        return _distinct(read_postgres(sql_place(source, base), columns, max_bytes))
    if source.place.startswith(WEB):
        _ = web_origin(source)
        return read_page(source, known)
    if source.place.startswith(SITEMAP):
        _ = web_origin(source)
        return read_sitemap(source, known)
    return read(
        source.place,
        base=base,
        text_field=source.text_field,
        id_field=source.id_field,
        max_bytes=max_bytes,
        lets_through=_chosen(source) if source.include or source.exclude else None,
    )


def _distinct(found: Iterator[Document | Skipped]) -> Iterator[Document | Skipped]:
    """Give what comes, and of two rows with the same id the first."""
    seen: set[str] = set()
    for item in found:
        if isinstance(item, Document):
            if item.id in seen:
                yield Skipped(source=item.source, reason="duplicate id", detail=item.id, failed=True)
                continue
            seen.add(item.id)
        yield item


def _chosen(source: Source) -> Callable[[str], bool]:
    """Return what says of a path, relative to the folder, whether it is read."""
    included, excluded = (ignore_rules("\n".join(one)) for one in (source.include, source.exclude))

    def lets_through(path: str) -> bool:
        return (not source.include or bool(included(path))) and not excluded(path)

    return lets_through


def _require_values(source: Source) -> None:
    """Refuse values of another type, and a place that is none: the path of no name would be the folder of now."""
    for name in ("place", "text_field", "id_field", "table", "query"):
        value = getattr(source, name)
        if not isinstance(value, str) and (value is not None or name == "place"):
            raise DtypeError(
                f"{name} must be a string, got {type(value).__name__}.",
                expected="str",
                got=type(value).__name__,
                where=name,
            )
    for name in ("include", "exclude"):
        value = getattr(source, name)
        if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
            raise DtypeError(
                f"{name} must be a tuple of strings, such as ('*.md',), got {type(value).__name__}.",
                expected="tuple[str, ...]",
                got=type(value).__name__,
                where=name,
            )
    if not source.place.strip():
        raise InputError("A source needs a place; the folder of now is called '.'.", where="place")
    whole_number(source.most_pages, "most_pages", low=1)


def _require_sense(source: Source) -> None:
    """Refuse what a source of this kind cannot have."""
    if (source.table or source.query) and not is_sql(source.place):
        raise InputError("A table or a query is for a database: sqlite:PATH or postgresql://….", where="query")
    if (source.include or source.exclude) and not Path(source.place).is_dir():
        raise InputError("Patterns (include, exclude) are for a folder.", where="include")
