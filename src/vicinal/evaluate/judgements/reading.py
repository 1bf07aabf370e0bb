"""Any of the ways in which questions with judgements lie on a disk, told apart by what is there."""

from __future__ import annotations

from pathlib import Path

from vicinal._files import disk_errors
from vicinal.errors import InputError, NotFoundError
from vicinal.evaluate.judgements.judged import Judged
from vicinal.evaluate.judgements.qrels import read_qrels
from vicinal.evaluate.judgements.queries import files_of, read_queries
from vicinal.evaluate.judgements.table import read_table

QRELS = "qrels"
USUAL_SPLIT = "test"


def read_judged(path: str | Path, *, split: str | None = None, qrels: str | Path | None = None) -> Judged:
    """Return the questions with judgements that lie at a place.

    Parameters
    ----------
    path : str or Path
        A folder in BEIR's layout (``queries.jsonl``, ``qrels/test.tsv``), a folder with TREC's topics or queries and
        qrels (``topics.txt``, ``qrels.txt``), or one file with both: a CSV, TSV or JSON-lines table with the columns
        ``query`` and ``document`` (an id a row, maybe with ``grade`` and ``query_id``) or ``relevant`` (a list of ids).
        With ``qrels``: a file of queries only.
    split : str, optional
        Which qrels of a folder: ``qrels/<split>.tsv`` or ``qrels.<split>.txt``. Default: ``test`` where it is there,
        else the only one.
    qrels : str or Path, optional
        The judgements, where they lie apart: TREC's four columns or BEIR's three.

    Returns
    -------
    Judged
        Its name is the folder's or the file's, with the split. Queries without a judgement are left out and counted.

    Raises
    ------
    NotFoundError
        There is no such place, file or split; the message says which there are.
    InputError
        A line is wrong (the message has its number), nothing is judged, or a judged query has no text.

    Notes
    -----
    Memory: all queries and judgements; a million judgements take some 200 MB. Texts of documents are not looked at.
    """
    path = Path(path)
    with disk_errors(path):
        is_folder = path.is_dir()
    if is_folder:
        return _of_folder(path, split, None if qrels is None else Path(qrels))
    if qrels is not None:
        return Judged.of(read_queries(path), read_qrels(qrels), name=path.stem, source=str(path))
    if split is not None:
        raise InputError(
            f"{path} is one file, which has no splits; leave the split out, or name a folder.", where="split"
        )
    return Judged.of(*read_table(path), name=path.stem, source=str(path))


def _of_folder(folder: Path, split: str | None, qrels: Path | None) -> Judged:
    queries, name = read_queries(folder), folder.resolve().name or str(folder)
    if qrels is None:
        chosen, qrels = _split_of(folder, split)
        name = f"{name}/{chosen}" if chosen else name
    return Judged.of(queries, read_qrels(qrels), name=name, source=str(folder))


def _split_of(folder: Path, split: str | None) -> tuple[str, Path]:
    """Return the name and the file of the judgements that are meant."""
    with disk_errors(folder):
        inner = folder / QRELS
        if inner.is_dir():
            found = {one.stem: one for one in files_of(inner)}
        else:
            found = {_part(one): one for one in files_of(folder) if QRELS in one.name.split(".")}
    listed = ", ".join(sorted(found)) or "none"
    if not found:
        raise NotFoundError(f"{folder} has no judgements: qrels/test.tsv as in BEIR, or qrels.txt.", where=str(folder))
    if split is None:
        split = USUAL_SPLIT if USUAL_SPLIT in found else next(iter(found)) if len(found) == 1 else None
    if split is None:
        raise InputError(f"{folder} has several splits: {listed}. Say which one.", expected=listed, where="split")
    if split not in found:
        raise NotFoundError(f"{folder} has no split {split!r}; it has {listed}.", expected=listed, where="split")
    return split, found[split]


def _part(path: Path) -> str:
    """Return what a name such as ``qrels.test.txt`` says beside being judgements, ``""`` for nothing."""
    return ".".join(one for one in path.name.removesuffix(path.suffix).split(".") if one != QRELS)
