"""Files of word vectors: which kind a file is, and its words with their vectors, each number checked.

Takes: a path.
Gives: the words in the file's order, a float32 table (V, D) mapped from a file, counts and n-grams where there are any.
Never: trusts the name of a file, reads what it cannot bound, or reads a large text twice.
"""

from vicinal.models.words.kept import open_words
from vicinal.models.words.kinds import KINDS, is_word_vectors
from vicinal.models.words.lexicon import WordVectors
from vicinal.models.words.ngrams import Ngrams

__all__ = ["KINDS", "Ngrams", "WordVectors", "is_word_vectors", "open_words"]
