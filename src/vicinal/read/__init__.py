"""Read files, folders, tables, databases, web pages, standard input and Python's own documentation into documents.

Step: 1 of 11, the first.
Takes: a path, "-" for standard input, "pydoc:", a database, a web page, or a sitemap.
Gives: documents one by one in a fixed order, and for everything that gave none a word of why.
Never: changes or follows a file out of the folder it was given, keeps a corpus in memory, or skips in silence what failed.
"""

from vicinal.read.given import is_watched, origin_of_source, read_source
from vicinal.read.source import MAX_BYTES, read

__all__ = ["MAX_BYTES", "is_watched", "origin_of_source", "read", "read_source"]
