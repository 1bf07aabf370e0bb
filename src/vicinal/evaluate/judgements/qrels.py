"""Judgements in files: TREC's four columns, BEIR's three with a header, and the file that judging writes."""

from __future__ import annotations

from pathlib import Path

from vicinal._arrays import one_of
from vicinal._files import write_atomically
from vicinal.errors import InputError
from vicinal.evaluate.judgements.columns import DOCUMENT, GRADE, QUERY_ID, column_of, folded
from vicinal.evaluate.judgements.judged import MOST_ID_CHARS, checked_id
from vicinal.evaluate.judgements.lines import GRADE as GRADE_FORM
from vicinal.evaluate.judgements.lines import cells_of, decoded, faulty, numbered_lines, parsed_grade, parsed_text
from vicinal.evaluate.ranking import Qrels

FORMS = {"trec": "{query}\t0\t{document}\t{grade}\n", "beir": "{query}\t{document}\t{grade}\n"}
BEIR_HEAD = "query-id\tcorpus-id\tscore\n"
PLACES = {3: (0, 1, 2), 4: (0, 2, 3)}
"""Number of columns → where query, document and grade are, without a header."""


def read_qrels(path: str | Path) -> dict[str, dict[str, int]]:
    """Return the judgements of a file.

    Parameters
    ----------
    path : str or Path
        TREC: ``query iteration document grade``, divided by blanks or tabs. BEIR: ``query document grade`` by tabs. A
        header of names says which column is which, and may name more. A row without a grade is no judgement.

    Returns
    -------
    dict of str to dict of str to int
        In the order of the file; empty for an empty one.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        A line is no judgement, or one contradicts another. The message has the line's number.
    """
    path = Path(path)
    found: dict[str, dict[str, int]] = {}
    places: tuple[int, int, int] | None = None
    width: tuple[int, ...] = (3, 4)
    for place, (number, line) in enumerate(numbered_lines(path)):
        if place == 0 and (named := _header(line, path, number)):
            places, width = named
            continue
        cells = cells_of(line, width, path, number)
        query, document, grade = (cells[one] for one in places or PLACES[len(cells)])
        if places is not None and not grade.strip():
            continue
        put_grade(found, (query, document, parsed_grade(grade, path, number)), path, number)
    return found


def put_grade(found: dict[str, dict[str, int]], one: tuple[str, str, int], path: Path, number: int) -> None:
    """Add a judgement (query, document, grade) of a line.

    Raises
    ------
    InputError
        An id is none, or the document was judged otherwise before.
    """
    query = parsed_text(one[0], "a query id", path, number, most=MOST_ID_CHARS)
    document = parsed_text(one[1], "a document id", path, number, most=MOST_ID_CHARS)
    before = found.setdefault(query, {}).setdefault(document, one[2])
    if before != one[2]:
        raise faulty(path, number, f"the document has grade {one[2]} here and {before} before, for the same query")


def _header(line: bytes, path: Path, number: int) -> tuple[tuple[int, int, int], tuple[int, ...]] | None:
    """Return where a header says that query, document and grade are, and how many columns; None for no header."""
    cells = [cell.strip() for cell in decoded(line, path, number).split("\t")]
    cells = cells if len(cells) > 1 else decoded(line, path, number).split()
    if len(cells) in PLACES and GRADE_FORM.fullmatch(cells[-1]):
        return None
    names = [folded(cell) for cell in cells]
    found = tuple(column_of(names, wanted) for wanted in (QUERY_ID, DOCUMENT, GRADE))
    if None not in found:
        query, document, grade = (place for place in found if place is not None)
        return (query, document, grade), (len(cells),)
    if len(cells) not in PLACES:
        raise faulty(path, number, "a judgement has a query, a document and a grade; name the columns in a header")
    return PLACES[len(cells)], (len(cells),)


def write_qrels(qrels: Qrels, path: str | Path, *, form: str | None = None) -> None:
    """Write judgements, by ascending ids; whole, or not at all.

    Parameters
    ----------
    qrels : mapping
        Query id → document id → grade.
    path : str or Path
        Replaced where it is there.
    form : {"trec", "beir"}, optional
        Default: ``beir`` for a file ending in ``.tsv``, else ``trec``. Both have tabs, so that ids may hold blanks.

    Raises
    ------
    UnknownNameError
        There is no such form.
    InputError
        An id holds a tab or a line's end, which no such file can hold.
    StoreError
        The disk refused; the old file is untouched.
    """
    chosen = chosen_form(form, Path(path))
    lines = [BEIR_HEAD] if chosen == "beir" else []
    for query, judged in sorted(qrels.items()):
        written_id(query, "a query id")
        for document, grade in sorted(judged.items()):
            lines.append(FORMS[chosen].format(query=query, document=written_id(document, "a document id"), grade=grade))
    write_atomically(Path(path), "".join(lines).encode())


def chosen_form(form: str | None, path: Path) -> str:
    """Return the form of a file: the one that was asked for, else by its ending.

    Raises
    ------
    UnknownNameError
        There is no such form.
    """
    if form is None:
        return "beir" if path.suffix.lower() == ".tsv" else "trec"
    return one_of(form, "form", tuple(FORMS))


def written_id(value: object, what: str) -> str:
    """Return an id that a file with tabs can hold and that is read back as it is.

    Raises
    ------
    InputError
        It is no id, holds a tab or a line's end, or is white space only.
    """
    text = checked_id(value, what)
    if "\t" in text or "\n" in text or "\r" in text or not text.strip():
        raise InputError(f"{what} holds a tab or a line's end, or nothing else than white space: {text!r}.", got=text)
    return text
