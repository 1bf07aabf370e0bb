"""What a difference is worth: a paired test, intervals, a correction for many, and what can be found before a run.

All chance is drawn from a seed, so the same numbers give the same verdict.
"""

from vicinal.evaluate.significance.bootstrap import bootstrap_interval
from vicinal.evaluate.significance.difference import Paired, paired
from vicinal.evaluate.significance.holm import holm
from vicinal.evaluate.significance.power import SPREAD, queries_needed, smallest_detectable_gain
from vicinal.evaluate.significance.randomization import randomization_test, randomization_tests
from vicinal.evaluate.significance.split import halves

__all__ = [
    "SPREAD",
    "Paired",
    "bootstrap_interval",
    "halves",
    "holm",
    "paired",
    "queries_needed",
    "randomization_test",
    "randomization_tests",
    "smallest_detectable_gain",
]
