"""A model of your own out of one that is there, on this machine's processor and without torch.

Step: 11 of 11, around encode.
Takes: an encoder to learn from, and texts of yours without labels.
Gives: a folder with a model, and a report that measures it against its teacher.
Never: leaves half a folder, reads a label, or calls itself as good as its teacher without having compared.
"""

from vicinal.train.distill import distill
from vicinal.train.passages import passages
from vicinal.train.report import DistillReport

__all__ = ["DistillReport", "distill", "passages"]
