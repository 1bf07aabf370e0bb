"""Questions with judgements, and runs: read from the files of the field, written to them, each with a digest.

Step: 10 of 11, evaluate: what is asked, and what would be right.
Takes: a BEIR folder, TREC topics with qrels, a table (CSV, TSV, JSON lines), a run file.
Gives: ``Judged``, qrels and runs, in an order that does not depend on the file's.
Never: searches, computes a metric, or reads a text of a document.
"""

from vicinal.evaluate.judgements.judged import Judged, digest_of_run
from vicinal.evaluate.judgements.qrels import read_qrels, write_qrels
from vicinal.evaluate.judgements.queries import read_queries
from vicinal.evaluate.judgements.reading import read_judged
from vicinal.evaluate.judgements.runs import read_run, write_run

__all__ = [
    "Judged",
    "digest_of_run",
    "read_judged",
    "read_qrels",
    "read_queries",
    "read_run",
    "write_qrels",
    "write_run",
]
