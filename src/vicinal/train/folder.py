"""A table and its tokenizer → a folder in Model2Vec's layout, which is there whole or not at all.

::

    model.safetensors   embeddings F32 (V, D), the weights multiplied in
    tokenizer.json      rules and vocabulary; id t has row t
    config.json         model2vec's settings
    modules.json        the same for sentence-transformers: a table, then unit length
    README.md           the card
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vicinal._files import disk_errors, sync_folder
from vicinal.errors import AlreadyExistsError
from vicinal.models import CONFIG, TOKENIZER, WEIGHTS
from vicinal.train.report import DistillReport
from vicinal.train.table import SIF_A
from vicinal.types import Floats

CARD = "README.md"
MODULES = (
    {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"},
    {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
)


def require_free(folder: Path) -> None:
    """Refuse a place where something is.

    Raises
    ------
    AlreadyExistsError
        There is a file, or a folder that holds something.
    """
    with disk_errors(folder):
        taken = folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
    if taken:
        raise AlreadyExistsError(f"{folder} is already there. Name another folder, or remove it.", where=str(folder))


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Give a hidden folder beside the wanted one; it gets the wanted name when the block ends well, else it is removed.

    Raises
    ------
    AlreadyExistsError
        Something came to lie there in the meantime.
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused.
    """
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.part")
    try:
        with disk_errors(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            part.mkdir()
        yield part
        require_free(folder)
        with disk_errors(folder):
            sync_folder(part)
            part.rename(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_model(folder: Path, table: Floats, rules: Mapping[str, Any], *, teacher: str, trained: bool) -> None:
    """Write everything but the card.

    Parameters
    ----------
    folder : Path
        An empty folder.
    table : float32 array of shape (V, D)
        One row for each token id.
    rules : mapping
        The tokenizer.json.
    teacher : str
        What the teacher is called.
    trained : bool
        Whether texts were learnt from; without them frequencies are by Zipf's law.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused.
    """
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "tokenizer_name": teacher,
        "apply_pca": table.shape[1],
        "apply_zipf": not trained,
        "sif_coefficient": SIF_A,
        "hidden_dim": table.shape[1],
        "seq_length": 1_000_000,
        "max_length": None,
        "normalize": True,
        "embedding_dtype": "float32",
    }
    write(folder / WEIGHTS, _safetensors("embeddings", table))
    write(folder / TOKENIZER, json.dumps(rules, ensure_ascii=False, separators=(",", ":")).encode())
    write(folder / CONFIG, json.dumps(config, indent=1).encode())
    write(folder / "modules.json", json.dumps(MODULES, indent=1).encode())
    with disk_errors(folder):
        (folder / "1_Normalize").mkdir()


def write(path: Path, content: bytes) -> None:
    """Write a new file and make its content durable.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused.
    """
    with disk_errors(path), path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def card(report: DistillReport, *, teacher: str, licence: str) -> str:
    """Return the text of the model's card: what it was made of, what was measured, and what is not known."""
    told = licence or "unknown"
    learnt = (
        f"It was fitted to the teacher's vectors of {report.texts} texts and {report.sentences} of their sentences, "
        "which are not named here; whoever publishes the model says which they were, and under which licence."
        if report.texts
        else "No texts were used: its rows are the teacher's vectors of single tokens, weighted by rank."
    )
    rows = "\n".join(f"| {name} | {value} |" for name, value in _figures(report))
    return (
        f"---\nlibrary_name: model2vec\nlicense: {licence.lower() or 'other'}\ntags:\n- static-embeddings\n---\n\n"
        f"# A static model distilled from {teacher}\n\n"
        f"Each token has a vector of {report.dim} numbers; a text's vector is their sum at unit length.\n"
        f"{learnt}\n"
        f"The teacher's licence: {told}. A model made of another one's output may be bound by its terms.\n\n"
        f"| Measured when it was made | |\n| --- | --- |\n{rows}\n\n"
        "Texts of another kind than those it learnt from are found worse; measure it on your own before you rely on it.\n"
    )


def _figures(report: DistillReport) -> list[tuple[str, str]]:
    """Return names and values of what the card shows."""
    found = [("tokens × dimensions", f"{report.tokens} × {report.dim}"), ("seconds to make", f"{report.took_s:.0f}")]
    if report.spearman is not None and report.overlap_at_10 is not None:
        found += [
            (f"Spearman of similarities with the teacher, {report.held_out} held-out texts", f"{report.spearman:.3f}"),
            ("overlap of the 10 nearest with the teacher's", f"{report.overlap_at_10:.3f}"),
        ]
    return [
        *found,
        ("texts a second, teacher", f"{report.teacher_texts_per_s:.0f}"),
        ("texts a second, this model", f"{report.student_texts_per_s:.0f}"),
    ]


def _safetensors(name: str, table: Floats) -> bytes:
    """Return a file of one float32 tensor; its data begins at a multiple of 8 bytes."""
    length = table.size * 4
    said = json.dumps({name: {"dtype": "F32", "shape": list(table.shape), "data_offsets": [0, length]}}).encode()
    said += b" " * (-len(said) % 8)
    return len(said).to_bytes(8, "little") + said + np.ascontiguousarray(table, dtype="<f4").tobytes()
