"""A path to its vectors: the format by its ending or by name, the folder of an export by its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from vicinal._arrays import one_of
from vicinal._files import disk_errors
from vicinal.errors import DtypeError, MissingExtraError, NotFoundError, UnknownNameError
from vicinal.exchange import faiss_files, manifest, numpy_files, texmex
from vicinal.exchange.records import listed_ids, records_of
from vicinal.exchange.source import Block, VectorSource, damaged

FORMATS = ("npy", "npz", "parquet", "fvecs", "bvecs", "ivecs", "faiss")
ENDINGS = {**{f".{name}": name for name in FORMATS}, ".index": "faiss", ".faissindex": "faiss", ".pq": "parquet"}


def read_vectors(
    path: Path | str,
    *,
    format: str | None = None,  # noqa: A002 - the word of users
    ids: Sequence[str] | Path | None = None,
) -> VectorSource:
    """Open a file of vectors, or a folder that ``write_vectors`` made; only its header is read.

    Parameters
    ----------
    path : path
        A file of NumPy (.npy, .npz), Parquet, TEXMEX (.fvecs, .bvecs, .ivecs) or FAISS (.faiss, .index), or a folder.
    format : str, optional
        One of ``FORMATS``, where the ending does not say it.
    ids : sequence of str, or path of a file with one a line, optional
        The ids of the rows. Without them those in the file count, else the rows' numbers.

    Returns
    -------
    VectorSource
        Its ``batches(space)`` gives the rows; the space must be told.

    Raises
    ------
    NotFoundError
        There is nothing at the path.
    UnknownNameError
        The format is none that is known, or cannot be told from the ending.
    InputError
        The header is damaged or does not fit the size of the file.
    UnsupportedError
        An index of FAISS keeps codes, not vectors.
    MissingExtraError
        Parquet needs pyarrow.

    Notes
    -----
    Nothing in a file is executed, no pickle is read, and an index file of FAISS is not handed to FAISS.
    Memory: one batch, whatever the file says of itself.
    """
    place = Path(path)
    with disk_errors(place):
        if not place.exists():
            raise NotFoundError(f"There is no file {place}.", where=str(place))
        source = _export(place) if place.is_dir() else _file(place, format)
    if ids is None:
        return source
    listed = ids
    if isinstance(ids, str | Path):
        beside = Path(ids)
        with disk_errors(beside):
            if not beside.exists():
                raise NotFoundError(f"There is no file of ids {beside}.", where=str(beside))
            listed = listed_ids(beside)
    if not isinstance(listed, Sequence):
        raise DtypeError(f"ids must be a list of strings, got {type(listed).__name__}.", expected="list", where="ids")
    return source.with_ids(listed)


def _file(path: Path, named: str | None) -> VectorSource:
    """Return one file's vectors."""
    kind = one_of(named, "format", FORMATS) if named is not None else ENDINGS.get(path.suffix.lower(), "")
    size_bytes = path.stat().st_size
    if kind == "npy":
        return numpy_files.read_npy(path, size_bytes)
    if kind == "npz":
        return numpy_files.read_npz(path)
    if kind in texmex.KINDS:
        return texmex.read(path, kind, size_bytes)
    if kind == "faiss":
        return faiss_files.read(path, size_bytes)
    if kind == "parquet":
        found: VectorSource = parquet().read(path)
        return found
    raise UnknownNameError(
        f"The ending of {path.name} says no format; name one of {', '.join(FORMATS)}.",
        expected=", ".join(FORMATS),
        got=path.suffix,
        where="format",
    )


def parquet() -> ModuleType:
    """Return what reads and writes Parquet.

    Raises
    ------
    MissingExtraError
        pyarrow is not installed.
    """
    try:
        from vicinal.exchange import _pyarrow  # noqa: PLC0415 - heavy, and an extra
    except ImportError as error:
        raise MissingExtraError(
            "Parquet needs pyarrow. Run: pip install 'vicinal[parquet]'", expected="pyarrow", where="parquet"
        ) from error
    return _pyarrow


def _export(folder: Path) -> VectorSource:
    """Return the vectors of an export, with the space that it says, its files compared with their digests."""
    told = manifest.read(folder)
    source = _file(folder / manifest.FILES[told.kind], told.kind)
    if source.count != told.rows or (told.rows and source.dim != told.space.dim):
        raise damaged(folder, f"its vectors are not the {told.rows} rows that its manifest says")
    found = replace(source, path=folder, dim=told.space.dim, space=told.space)
    return found if told.kind == "parquet" else _beside(found, folder)


def _beside(source: VectorSource, folder: Path) -> VectorSource:
    """Return vectors with the records that stand in a file beside them."""

    def blocks(first_row: int, most: int) -> Iterator[Block]:
        records = iter(one for batch in records_of(folder / manifest.RECORDS, first_row, most) for one in batch)
        for block in source.blocks(first_row, most):
            told = [one for _, one in zip(range(len(block.vectors)), records, strict=False)]
            if len(told) < len(block.vectors):
                raise damaged(folder / manifest.RECORDS, "it has fewer lines than there are vectors")
            yield Block(
                vectors=block.vectors,
                ids=[one[0] for one in told],
                texts=[one[1] for one in told],
                fields=[one[2] for one in told],
            )

    return replace(source, blocks=blocks)
