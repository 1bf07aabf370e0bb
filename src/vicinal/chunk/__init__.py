"""Cut documents into chunks that fit the encoder's window, along the structure of the text.

Step: 2 of 11, after read.
Takes: documents, and the encoder's own tokenizer as a function that gives token spans.
Gives: chunks with exact spans into the original, in code points; none is longer than the target.
Never: changes a character, drops one that is not white space, or loads a tokenizer.
"""

from vicinal.chunk.chunker import Chunker
from vicinal.chunk.context import contexts, with_context
from vicinal.chunk.late import late_vectors
from vicinal.chunk.parent import parents
from vicinal.chunk.semantic import breakpoints, semantic_chunks
from vicinal.chunk.sentence import sentences

__all__ = [
    "Chunker",
    "breakpoints",
    "contexts",
    "late_vectors",
    "parents",
    "semantic_chunks",
    "sentences",
    "with_context",
]
