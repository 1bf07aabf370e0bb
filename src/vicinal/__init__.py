"""Vicinal: neighbouring. Things go in, vectors come out, neighbours answer."""

__version__ = "0.1.0"
