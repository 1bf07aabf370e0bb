"""No judgements? Questions made of documents, how far two systems agree, live traffic, and judging by hand.

Step: 10 of 11, evaluate: what can be said without labels, and how to come by some.
Takes: documents, runs, clicks, or a person's grades.
Gives: ``Judged`` of known items, agreement, preferences with intervals, and a file of judgements.
Never: searches; nor says that two systems that agree are right.
"""

from vicinal.evaluate.unlabelled.agreement import Agreement, agreement, kendall_tau, overlap_at_k, rank_biased_overlap
from vicinal.evaluate.unlabelled.interleaving import Interleaved, Preference, credit, preference, team_draft
from vicinal.evaluate.unlabelled.journal import Journal, Judgement
from vicinal.evaluate.unlabelled.judging import pool
from vicinal.evaluate.unlabelled.known_item import KINDS, KnownItems, known_items

__all__ = [
    "KINDS",
    "Agreement",
    "Interleaved",
    "Journal",
    "Judgement",
    "KnownItems",
    "Preference",
    "agreement",
    "credit",
    "kendall_tau",
    "known_items",
    "overlap_at_k",
    "pool",
    "preference",
    "rank_biased_overlap",
    "team_draft",
]
