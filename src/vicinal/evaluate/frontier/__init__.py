"""What vectors cost and what they are worth: fewer dimensions, fewer bits, measured on the vectors themselves.

Step: 10 of 11, inside evaluate.
Takes: document vectors in batches, query vectors or none, judgements if there are any, and their space.
Gives: bytes, neighbour recall, nDCG@10 and time of each way to store them, and the cheapest that loses no more than allowed.
Never: changes a stored vector, or promises what was chosen and measured on the same queries.
"""

from vicinal.evaluate.frontier.advice import Frontier, Recommendation
from vicinal.evaluate.frontier.measuring import measure
from vicinal.evaluate.frontier.options import Estimate, Option
from vicinal.evaluate.frontier.storage import CUTS, PRECISIONS, Storage, storages

__all__ = [
    "CUTS",
    "PRECISIONS",
    "Estimate",
    "Frontier",
    "Option",
    "Recommendation",
    "Storage",
    "measure",
    "storages",
]
