"""Kinds of transformer networks: what ``config.json`` says, checked, and the operations written from it.

Each kind has its file: ``describe`` takes the settings and gives a frozen description, ``write`` gives its graph.
"""

from vicinal.models.families.bert import Bert, describe, write

__all__ = ["Bert", "describe", "write"]
