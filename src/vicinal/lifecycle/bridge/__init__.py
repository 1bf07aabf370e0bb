"""The bridge: questions are answered in a new model's space while most records have vectors of the old one only.

Step: 9 of 11, between search and the store.
Takes: two collections of one database, old and new, the new model's encoder, and a map between their spaces.
Gives: answers that lie wholly in the new space, the records that they needed encoded and kept, and what that is worth.
Never: compares a vector of one space with one of the other, answers from a record that is gone or was changed, or replaces one.
"""

from vicinal.lifecycle.bridge.cascade import Cascade, Crossed, cascade_of
from vicinal.lifecycle.bridge.fitting import Fitted, fit, procrustes
from vicinal.lifecycle.bridge.keeping import keep, kept
from vicinal.lifecycle.bridge.pairs import Pairs, fit_pairs, sample_pairs
from vicinal.lifecycle.bridge.rehearsal import Rehearsal, rehearse

__all__ = [
    "Cascade",
    "Crossed",
    "Fitted",
    "Pairs",
    "Rehearsal",
    "cascade_of",
    "fit",
    "fit_pairs",
    "keep",
    "kept",
    "procrustes",
    "rehearse",
    "sample_pairs",
]
