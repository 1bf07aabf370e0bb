"""Vectors from files of other programs, and into them, with their space beside them.

Step: 9 of 11, beside lifecycle, around store.
Takes: a file of NumPy, Parquet, TEXMEX or FAISS and the space that its vectors are in; or records with their vectors.
Gives: batches of ids, texts, fields and float32 vectors, checked; or a folder that can be taken in again.
Never: guesses a space, runs what a file holds, or hands a file of others to FAISS.
"""

from vicinal.exchange.export import EXPORT_FORMATS, ExportReport, write_vectors
from vicinal.exchange.intake import ImportReport, import_vectors
from vicinal.exchange.read import FORMATS, read_vectors
from vicinal.exchange.source import VectorBatch, VectorSource

__all__ = [
    "EXPORT_FORMATS",
    "FORMATS",
    "ExportReport",
    "ImportReport",
    "VectorBatch",
    "VectorSource",
    "import_vectors",
    "read_vectors",
    "write_vectors",
]
