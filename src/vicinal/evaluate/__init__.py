"""Is it any good? Judged questions, what a search answers to them, and what the difference between two searches is worth.

Step: 10 of 11, after answer.
Takes: questions with judgements, and something that searches.
Gives: metrics as trec_eval defines them, intervals and tests, comparisons with a verdict, and what vectors may cost.
Never: searches, encodes or stores by itself.
"""

from vicinal.evaluate.comparison import Comparison, Setting, matrix, read_settings
from vicinal.evaluate.evaluation import DEFAULT_METRICS, Evaluation, evaluate_run
from vicinal.evaluate.frontier import Frontier
from vicinal.evaluate.judgements import Judged, read_judged, read_run, write_run
from vicinal.evaluate.metrics import scored
from vicinal.evaluate.significance import paired

__all__ = [
    "DEFAULT_METRICS",
    "Comparison",
    "Evaluation",
    "Frontier",
    "Judged",
    "Setting",
    "evaluate_run",
    "matrix",
    "paired",
    "read_judged",
    "read_run",
    "read_settings",
    "scored",
    "write_run",
]
