"""Runs in files: TREC's six columns, and three with a header."""

from __future__ import annotations

import math
import re
from pathlib import Path

from vicinal._files import write_atomically
from vicinal.evaluate.judgements.judged import MOST_ID_CHARS
from vicinal.evaluate.judgements.lines import cells_of, faulty, numbered_lines, parsed_text
from vicinal.evaluate.judgements.qrels import BEIR_HEAD, chosen_form, written_id
from vicinal.evaluate.ranking import Run, ranking

PLACES = {3: (0, 1, 2), 6: (0, 2, 4)}
"""Number of columns → where query, document and score are."""
SCORE = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,3})?")
TAG = "vicinal"


def read_run(path: str | Path) -> dict[str, dict[str, float]]:
    """Return the run of a file.

    Parameters
    ----------
    path : str or Path
        TREC: ``query Q0 document rank score tag``, divided by blanks or tabs; or ``query document score`` by tabs, with
        a header or without. As trec_eval does, the rank is not looked at: the score orders.

    Returns
    -------
    dict of str to dict of str to float
        In the order of the file; empty for an empty one.

    Raises
    ------
    NotFoundError
        There is no such file.
    InputError
        A line is no result, or a document comes twice for a query. The message has the line's number.
    """
    path = Path(path)
    found: dict[str, dict[str, float]] = {}
    for place, (number, line) in enumerate(numbered_lines(path)):
        cells = cells_of(line, tuple(PLACES), path, number)
        query, document, score = (cells[one] for one in PLACES[len(cells)])
        if place == 0 and len(cells) == 3 and not SCORE.fullmatch(score.strip()):  # noqa: PLR2004 - a header
            continue
        query = parsed_text(query, "a query id", path, number, most=MOST_ID_CHARS)
        document = parsed_text(document, "a document id", path, number, most=MOST_ID_CHARS)
        results = found.setdefault(query, {})
        if document in results:
            raise faulty(path, number, "the document comes twice for the same query")
        results[document] = _score(score.strip(), path, number)
    return found


def _score(text: str, path: Path, number: int) -> float:
    score = float(text) if text.isascii() and SCORE.fullmatch(text) else math.nan
    if not math.isfinite(score):
        raise faulty(path, number, f"a score is a finite number, got {text[:20]!r}")
    return score


def write_run(run: Run, path: str | Path, *, tag: str = TAG, form: str | None = None) -> None:
    """Write a run: queries by ascending id, documents as trec_eval ranks them; whole, or not at all.

    Parameters
    ----------
    run : mapping
        Query id → document id → score. A query without documents has no line.
    path : str or Path
        Replaced where it is there.
    tag : str
        The name of the system, in TREC's last column.
    form : {"trec", "beir"}, optional
        Default: ``beir`` (query, document, score) for a file ending in ``.tsv``, else ``trec``.

    Raises
    ------
    UnknownNameError
        There is no such form.
    InputError
        An id or the tag holds a tab or a line's end, or a score is NaN, infinite or beyond float32.
    StoreError
        The disk refused; the old file is untouched.

    Notes
    -----
    Scores are written with all their digits, so that reading gives the same run. Columns are divided by tabs, which
    trec_eval takes as well; an id with a blank is read back here, and not by trec_eval.
    """
    chosen = chosen_form(form, Path(path))
    written_id(tag, "the tag")
    lines = [BEIR_HEAD] if chosen == "beir" else []
    for query, results in sorted(run.items()):
        written_id(query, "a query id")
        for rank, document in enumerate(ranking(results, query_id=query), 1):
            score = float(results[document])
            written_id(document, "a document id")
            lines.append(
                f"{query}\t{document}\t{score!r}\n"
                if chosen == "beir"
                else f"{query}\tQ0\t{document}\t{rank}\t{score!r}\t{tag}\n"
            )
    write_atomically(Path(path), "".join(lines).encode())
