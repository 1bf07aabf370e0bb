"""A question against an index: filters, exact ties, candidates in order.

Step: 7 of 11, after store and index.
Takes: query vectors, an index, a filter over fields.
Gives: rows with scores, best first, of those rows that the filter lets through.
Never: encodes text, reads files, or opens a store.
"""

from vicinal.search.columns import Columns
from vicinal.search.dense import Candidate, Candidates, nearest
from vicinal.search.filter import OPERATORS, Filter, compile_filter

__all__ = ["OPERATORS", "Candidate", "Candidates", "Columns", "Filter", "compile_filter", "nearest"]
