"""Models without a network: a text's vector is the mean of its tokens' rows in a table.

Model2Vec and POTION folders, static models of sentence-transformers, and word vectors of GloVe, word2vec and fastText.
"""

from vicinal.encode.static.encoder import StaticEncoder
from vicinal.encode.static.loading import load_folder, load_words, sif_weights

__all__ = ["StaticEncoder", "load_folder", "load_words", "sif_weights"]
