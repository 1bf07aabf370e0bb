"""Several searches on the same questions: which is worth it, in plain words and with its reasons.

Step: 10 of 11, evaluate: several at once.
Takes: settings, what makes a searcher of each, judged questions.
Gives: a plan before the run; a ``Comparison`` with tests, intervals and a verdict; a page, plots and run files.
Never: makes a collection, searches, or claims a difference that its test does not carry.
"""

from vicinal.evaluate.comparison.comparison import Comparison, compare
from vicinal.evaluate.comparison.findings import Failure, Findings
from vicinal.evaluate.comparison.pairs import Pair, Standing
from vicinal.evaluate.comparison.plan import Plan, plan
from vicinal.evaluate.comparison.settings import Setting, matrix
from vicinal.evaluate.comparison.settings_file import read_settings
from vicinal.evaluate.comparison.verdict import Choice, Statement, Verdict, verdict

__all__ = [
    "Choice",
    "Comparison",
    "Failure",
    "Findings",
    "Pair",
    "Plan",
    "Setting",
    "Standing",
    "Statement",
    "Verdict",
    "compare",
    "matrix",
    "plan",
    "read_settings",
    "verdict",
]
