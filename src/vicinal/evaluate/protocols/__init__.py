"""The benchmark protocols of the field on local files, for any encoder: MTEB's rules, without its downloads.

Step: 10 of 11, evaluate: one encoder, before there is a collection.
Takes: an encoder, and texts with judgements, labels or pairs.
Gives: a ``ProtocolScore``: the main figure, the others, and what they depend on.
Never: downloads anything, searches an index, or chooses a threshold for the user.
"""

from vicinal.evaluate.protocols.bitext import bitext_mining
from vicinal.evaluate.protocols.classification import classification
from vicinal.evaluate.protocols.clustering import clustering, fast_clustering
from vicinal.evaluate.protocols.folders import TASKS, benchmark
from vicinal.evaluate.protocols.nearest import nearest_labels
from vicinal.evaluate.protocols.pairs import pair_classification, sts
from vicinal.evaluate.protocols.retrieval import reranking, retrieval, titled
from vicinal.evaluate.protocols.score import ProtocolScore
from vicinal.evaluate.protocols.summarization import Summarized, summarization

__all__ = [
    "TASKS",
    "ProtocolScore",
    "Summarized",
    "benchmark",
    "bitext_mining",
    "classification",
    "clustering",
    "fast_clustering",
    "nearest_labels",
    "pair_classification",
    "reranking",
    "retrieval",
    "sts",
    "summarization",
    "titled",
]
