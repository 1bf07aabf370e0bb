"""Text to postings, and words to rows: BM25.

Step: 6 of 11, beside the vector index.
Takes: the texts of a lane's rows, in parts, and questions in words.
Gives: rows and scores of the best, what each word contributed; and derived files, published whole.
Never: touches vectors or models, or holds anything that cannot be made again from the texts.
"""

from vicinal.lexical.analysis import Tokens, analysed
from vicinal.lexical.index import LexicalHits, LexicalIndex, LexicalText
from vicinal.lexical.scoring import Contribution

__all__ = ["Contribution", "LexicalHits", "LexicalIndex", "LexicalText", "Tokens", "analysed"]
