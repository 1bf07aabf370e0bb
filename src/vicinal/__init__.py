"""Vicinal: neighbouring. Things go in, vectors come out, neighbours answer.

>>> import vicinal
>>> with vicinal.open("notes.vicinal") as db:
...     notes = db.collection("notes", model="minilm")
...     notes.add([{"id": "a", "text": "How do I cancel my subscription?"}])
...     notes.search("stop the bill")[0].id
1
'a'
"""

from vicinal.collection import Collection
from vicinal.database import Database, open  # noqa: A004 - vicinal.open is the fixed public name
from vicinal.encode import load
from vicinal.errors import VicinalError
from vicinal.space import Encoder, Space, Vectors
from vicinal.types import Document, Hit, Hits, Record, SyncReport

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Database",
    "Document",
    "Encoder",
    "Hit",
    "Hits",
    "Record",
    "Space",
    "SyncReport",
    "Vectors",
    "VicinalError",
    "load",
    "open",
]
