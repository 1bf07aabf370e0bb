"""What an answer is worth: metrics of rankings as trec_eval has them, and of pairs, classes, clusters and correlation.

One file, one family. Metrics of rankings take the grades of one query's documents (``Graded``) and give a number in
[0, 1]; ``scored`` computes several of them for all queries of a run, by names such as ``ndcg@10``.
"""

from vicinal.evaluate.metrics.accuracy import accuracy, f1
from vicinal.evaluate.metrics.average_precision import average_precision
from vicinal.evaluate.metrics.correlation import pearson, spearman
from vicinal.evaluate.metrics.nauc import nauc
from vicinal.evaluate.metrics.ndcg import ndcg_at_k
from vicinal.evaluate.metrics.pairs import BestThreshold, auroc, best_accuracy, best_f1, pair_average_precision
from vicinal.evaluate.metrics.precision import precision_at_k
from vicinal.evaluate.metrics.r_precision import r_precision
from vicinal.evaluate.metrics.recall import capped_recall_at_k, recall_at_k
from vicinal.evaluate.metrics.reciprocal_rank import reciprocal_rank
from vicinal.evaluate.metrics.scoring import METRICS, Scores, canonical, scored
from vicinal.evaluate.metrics.success import success_at_k
from vicinal.evaluate.metrics.v_measure import completeness, homogeneity, v_measure

__all__ = [
    "METRICS",
    "BestThreshold",
    "Scores",
    "accuracy",
    "auroc",
    "average_precision",
    "best_accuracy",
    "best_f1",
    "canonical",
    "capped_recall_at_k",
    "completeness",
    "f1",
    "homogeneity",
    "nauc",
    "ndcg_at_k",
    "pair_average_precision",
    "pearson",
    "precision_at_k",
    "r_precision",
    "recall_at_k",
    "reciprocal_rank",
    "scored",
    "spearman",
    "success_at_k",
    "v_measure",
]
