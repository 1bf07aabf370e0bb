"""Small static models for tests: files of word vectors of every kind, and folders of token tables, all worked by hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from model_worlds import VOCABULARY, tokenizer_rules, write_safetensors
from vicinal.models.digests import digest_of
from vicinal.models.pins import Pin
from vicinal.models.sources import Found

WORDS = {"the": (4, 0, 0), "cat": (0, 3, 0), "dog": (0, 0, 2), "köln": (1, 1, 0), ".": (0, -1, 1), "Paris": (1, 0, 1)}
"""Words and vectors whose means one can do in the head."""
FASTTEXT_BUCKETS = 5


def write_glove(path: Path, words=WORDS) -> Path:
    """Write words in GloVe's form: no header, a line for each word."""
    path.write_bytes(b"".join(_line(word, vector) for word, vector in words.items()))
    return path


def write_word2vec(path: Path, words=WORDS, *, count=None, end="") -> Path:
    """Write words in word2vec's form of text; fastText puts a space at the end of each line."""
    dim = len(next(iter(words.values())))
    lines = (_line(word, vector).replace(b"\n", end.encode() + b"\n") for word, vector in words.items())
    path.write_bytes(f"{len(words) if count is None else count} {dim}\n".encode() + b"".join(lines))
    return path


def _line(word, vector):
    return f"{word} {' '.join(f'{number:g}' for number in vector)}\n".encode()


def write_word2vec_binary(path: Path, words=WORDS, *, between=b"\n") -> Path:
    """Write words in word2vec's binary form; the original tool ends each with a line's end, gensim does not."""
    dim = len(next(iter(words.values())))
    rows = (word.encode() + b" " + np.float32(vector).tobytes() + between for word, vector in words.items())
    path.write_bytes(f"{len(words)} {dim}\n".encode() + b"".join(rows))
    return path


def write_fasttext(path: Path, words=WORDS, **changes) -> Path:
    """Write a fastText file: word i has its vector, bucket b the vector (b, 0, 1), and counts fall from 100."""
    dim = len(next(iter(words.values())))
    told = {
        "magic": 793_712_314, "version": 12, "low": 2, "high": 3, "buckets": FASTTEXT_BUCKETS, "model": 2,
        "labels": (), "tokens": 1000, "pruned": -1, "quantised": 0, "dim": dim, "tail": b"", "rows": None,
    } | changes  # fmt: skip
    grams = np.array([[bucket, 0, 1, *[0] * dim][:dim] for bucket in range(told["buckets"])], np.float32)
    matrix = np.concatenate([np.float32(list(words.values())), grams.reshape(-1, dim)])
    numbers = [told["dim"], 5, 5, 1, 5, 1, 2, told["model"], told["buckets"], told["low"], told["high"], 100]
    content = struct.pack("<iI12id", told["magic"], told["version"], *numbers, 1e-4)
    content += struct.pack("<3i2q", len(words) + len(told["labels"]), len(words), len(told["labels"]), told["tokens"], told["pruned"])  # fmt: skip
    for place, word in enumerate([*words, *told["labels"]]):
        content += word.encode() + b"\0" + struct.pack("<qB", 100 - place, place >= len(words))
    content += struct.pack("<B2q", told["quantised"], told["rows"] or len(matrix), told["dim"]) + matrix.tobytes()
    content += struct.pack("<B2q", 0, 2, dim) + np.zeros((2, dim), np.float32).tobytes() + told["tail"]
    path.write_bytes(content)
    return path


WRITERS = {
    "glove": write_glove,
    "word2vec": write_word2vec,
    "word2vec-binary": write_word2vec_binary,
    "fasttext-binary": write_fasttext,
}


def table(dim: int = 4, *, seed: int = 0):
    """Return random rows for the tokenizer of letters."""
    return np.random.default_rng(seed).standard_normal((len(VOCABULARY), dim)).astype(np.float32)


def write_model2vec(folder: Path, arrays=None, *, rules=None, **config) -> Path:
    """Write a folder in Model2Vec's layout and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"model_type": "model2vec", "normalize": True, "apply_zipf": False} | config
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "tokenizer.json").write_text(json.dumps(rules or tokenizer_rules()))
    write_safetensors(folder / "model.safetensors", arrays or {"embeddings": table()})
    return folder


def write_static_module(folder: Path, *, rows=None, modules=("StaticEmbedding", "Normalize")) -> Path:
    """Write a static model as older versions of sentence-transformers do, in a folder of its module."""
    inner = folder / "0_StaticEmbedding"
    inner.mkdir(parents=True, exist_ok=True)
    steps = [
        {"idx": place, "name": str(place), "path": f"{place}_{kind}", "type": f"sentence_transformers.models.{kind}"}
        for place, kind in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    (inner / "tokenizer.json").write_text(json.dumps(tokenizer_rules()))
    write_safetensors(inner / "model.safetensors", {"embedding.weight": table() if rows is None else rows})
    return folder


def found_of(folder: Path, **changes) -> Found:
    """Return the files of a folder as verified ones, the pin made without its settings."""
    names = [path for path in sorted(folder.rglob("*")) if path.suffix in {".json", ".safetensors"}]
    told = {
        "name": "small-static",
        "files": {str(path.relative_to(folder)): digest_of(path) for path in names},
        "size_bytes": sum(path.stat().st_size for path in names),
        "max_tokens": 1_000_000,
        "dim": 0,
        "pooling": "mean",
        "folder": str(folder),
    }
    return Found(pin=Pin(**(told | changes)), folder=folder, source="folder")
