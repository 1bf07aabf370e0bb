"""Candidates in a better order, by a dearer look at question and text together; and why a text matched.

Step: 8 of 11, after search.
Takes: a question, hits with their texts, and a reranker by name or as an object.
Gives: the same hits, the best of the looked at first, and how many of them were looked at.
Never: finds what search did not, drops a hit, reads the store, or mixes two kinds of score in silence.
"""

from vicinal.rerank.cross import CrossEncoder
from vicinal.rerank.function import CallableReranker
from vicinal.rerank.heat import HeatMap, explain_match, heat_map
from vicinal.rerank.late import LateInteraction
from vicinal.rerank.names import by_name
from vicinal.rerank.protocol import Reranker
from vicinal.rerank.ranking import Reranked, rerank
from vicinal.rerank.remote import HttpReranker

__all__ = [
    "CallableReranker",
    "CrossEncoder",
    "HeatMap",
    "HttpReranker",
    "LateInteraction",
    "Reranked",
    "Reranker",
    "by_name",
    "explain_match",
    "heat_map",
    "rerank",
]
