"""Read files, folders, tables, standard input and Python's own documentation into documents.

Step: 1 of 11, the first.
Takes: a path, "-" for standard input, or "pydoc:".
Gives: documents one by one in a fixed order, and for everything that gave none a word of why.
Never: changes or follows a file out of the folder it was given, keeps a corpus in memory, or skips in silence what failed.
"""

from vicinal.read.source import MAX_BYTES, read

__all__ = ["MAX_BYTES", "read"]
