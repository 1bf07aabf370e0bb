"""Vicinal: neighbouring. Things go in, vectors come out, neighbours answer.

>>> import vicinal
>>> with vicinal.open("notes.vicinal") as db:
...     notes = db.collection("notes", model="minilm")
...     notes.add([{"id": "a", "text": "How do I cancel my subscription?"}])
...     notes.search("stop the bill")[0].id
1
'a'
"""

import importlib

__version__ = "0.1.0"

_HOMES = {
    "Collection": "collection",
    "Database": "database",
    "Document": "types",
    "Encoder": "space",
    "FunctionEncoder": "encode",
    "Hit": "types",
    "Hits": "types",
    "Projection": "encode",
    "Record": "types",
    "Source": "types",
    "Space": "space",
    "SyncReport": "types",
    "Vectors": "space",
    "VicinalError": "errors",
    "declared_sources": "corpus",
    "load": "encode",
    "open": "database",
    "quantize": "encode",
}
"""Public name → the module that defines it. It is loaded with the first use, so that importing costs nothing.

For type checkers the same stands in ``__init__.pyi``; a test holds the two together.
"""
_MODULES = ("errors", "evaluate", "identity", "models", "replica", "snapshots", "testing", "train")
"""Modules that are public as such."""

__all__ = [  # noqa: PLE0604 - the names of the table above
    *_HOMES,
    *_MODULES,
]


def __getattr__(name: str) -> object:
    """Load a public name with its first use (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"vicinal.{name}")
    if name not in _HOMES:
        message = f"module 'vicinal' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"vicinal.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
