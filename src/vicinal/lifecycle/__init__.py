"""A corpus that stays true: what is new, changed or gone in the sources becomes so in the store.

Step: 9 of 11, around read, chunk, encode and store.
Takes: documents, an encoder, a chunker, a store.
Gives: committed records, and a report that cannot hide a hole.
Never: answers a question, or prints.
"""

from vicinal.lifecycle.ingest import WHOLE, Prepared, digest_of_fields, digest_of_text, prepare
from vicinal.lifecycle.project import fit, project_collection, projection_of
from vicinal.lifecycle.sync import Sources, sync

__all__ = [
    "WHOLE",
    "Prepared",
    "Sources",
    "digest_of_fields",
    "digest_of_text",
    "fit",
    "prepare",
    "project_collection",
    "projection_of",
    "sync",
]
