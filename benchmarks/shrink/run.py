"""SciFact with fewer numbers and fewer bits: nDCG@10 beside the first ten that stay, through an exact search.

python benchmarks/shrink/run.py [--overflow cut] [--vectors FOLDER] [--rounds 5]

Texts are encoded once (title and abstract, cut at the window as the reference does) and kept in the folder for another run.
Projections are fitted to the corpus alone. ``agreement`` is the mean share of the first ten that are the same as in float32;
``kept`` is nDCG@10 over that of float32, whose 95 % interval is drawn over the queries (paired bootstrap, seed 0).
"rescored x4": the best 40 by the codes, ordered by their float32 vectors.
The encoding cache is measured beside: vectors a second read and written, and what misses cost of an encoding.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import record
from vicinal import encode
from vicinal.encode.cache import EncodingCache, cached
from vicinal.encode.shrink import apply, cut_vectors, fit_common, fit_pca, quantize, random_rotation
from vicinal.space import Encoder, Space, Vectors

K = 10
TIMES = 4
DRAWN = 2000


def texts_of(data: Path) -> tuple[list[str], list[str], list[dict[int, int]]]:
    """Return the documents, the judged questions, and for each question document row → grade."""
    documents = [json.loads(line) for line in (data / "corpus.jsonl").read_text().splitlines()]
    rows = {one["_id"]: row for row, one in enumerate(documents)}
    grades: dict[str, dict[int, int]] = defaultdict(dict)
    for line in (data / "qrels/test.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][rows[document]] = int(grade)
    asked = {one["_id"]: one["text"] for one in map(json.loads, (data / "queries.jsonl").read_text().splitlines())}
    corpus = [f"{one['title']} {one['text']}".strip() for one in documents]
    return corpus, [asked[query] for query in grades], list(grades.values())


def encoded(encoder: Encoder, folder: Path, role: str, texts: list[str], overflow: str) -> Vectors:
    """Return the vectors of the texts, from the folder if they were encoded in an earlier run."""
    path = folder / f"{encoder.space.id}-{role}-{len(texts)}-{overflow}.npy"
    if not path.exists():
        np.save(path, np.asarray(getattr(encoder, f"encode_{role}")(texts)))
    return Vectors(np.load(path), encoder.space)


def ndcg(rows: np.ndarray, grades: dict[int, int]) -> float:
    """Return DCG of the first ten rows over that of the best order; linear gain, log2 discount."""
    gains = [grades.get(int(row), 0) for row in rows[:K]]
    best = sorted(grades.values(), reverse=True)[:K]
    discounts = [1 / math.log2(place + 2) for place in range(K)]
    return float(np.dot(gains, discounts[: len(gains)]) / np.dot(best, discounts[: len(best)]))


def first(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the rows of the k largest scores for each question, equal ones by row."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def rescored(scores: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the first ten by the exact scores among the best 40 by others."""
    best = np.sort(first(scores, K * TIMES), axis=1)
    order = first(np.take_along_axis(exact, best, axis=1), K)
    return np.take_along_axis(best, order, axis=1)


def rows_of(documents: Vectors, queries: Vectors) -> dict[str, tuple[np.ndarray, float]]:
    """Return for each form the first ten rows of each question, and the bytes of a stored vector."""
    exact = queries.similarity(documents)
    centre = np.asarray(documents).mean(axis=0)
    turned, asked = (apply(random_rotation(documents.dim, documents.dim, 0), one) for one in (documents, queries))
    found: dict[str, tuple[np.ndarray, float]] = {"float32": (first(exact, K), 4.0 * documents.dim)}

    def code(name: str, documents: Vectors, queries: Vectors, precision: str, **how: Any) -> None:
        codes = quantize(documents, precision, **how)
        scores = codes.similarity(queries).T
        each = codes.codes.shape[1] + 4.0
        found[name] = (first(scores, K), each)
        found[f"{name}, rescored x4"] = (rescored(scores, exact), each)

    code("int8", documents, queries, "int8")
    found["int8, questions too"] = (
        first(quantize(documents, "int8").similarity(quantize(queries, "int8")).T, K),
        documents.dim + 4.0,
    )
    code("1 bit", documents, queries, "bit")
    code("1 bit, centred", documents, queries, "bit", centre=centre)
    code("1 bit, centred and rotated", turned, asked, "bit", centre=np.asarray(turned).mean(axis=0))
    bits = quantize(documents, "bit", centre=centre)
    hamming = bits.similarity(quantize(queries, "bit", centre=centre)).T
    found["1 bit, questions too"] = (first(hamming, K), documents.dim / 8)
    found["1 bit, questions too, rescored x4"] = (rescored(hamming, exact), documents.dim / 8)

    def project(name: str, make: Callable[[Vectors], Vectors]) -> tuple[Vectors, Vectors]:
        small, asked = make(documents), make(queries)
        found[name] = (first(asked.similarity(small), K), 4.0 * small.dim)
        return small, asked

    for dim in (256, 192, 128, 64):
        for centred in (True, False):
            pca = fit_pca(documents, dim, centred=centred)
            both = project(f"PCA {dim}{', centred' if centred else ''}", lambda one, pca=pca: apply(pca, one))
            if dim == 192 and not centred:  # noqa: PLR2004 - the one that is shown
                code("PCA 192 and int8", *both, "int8")
        drawn = random_rotation(documents.dim, dim, 0)
        project(f"random projection {dim}", lambda one, drawn=drawn: apply(drawn, one))
        project(f"first {dim}", lambda one, dim=dim: cut_vectors(one, dim))
    project("rotation", lambda one: apply(random_rotation(one.dim, one.dim, 0), one))
    project("mean and 3 directions taken out", lambda one: apply(fit_common(documents, 3), one))
    return found


def interval(one: np.ndarray, base: np.ndarray) -> list[float]:
    """Return the 95 % interval of the ratio of two means over the same questions."""
    drawn = np.random.default_rng(0).integers(0, len(one), (DRAWN, len(one)))
    ratios = one[drawn].mean(axis=1) / base[drawn].mean(axis=1)
    return [round(float(edge), 4) for edge in np.quantile(ratios, [0.025, 0.975])]


class Silent:
    """An encoder that costs nothing: what is left of the time is the cache's."""

    def __init__(self, encoder: Encoder) -> None:
        self.space: Space = encoder.space
        self.max_tokens = encoder.max_tokens
        self._vectors = np.eye(1, self.space.dim, dtype=np.float32)

    def encode_documents(self, texts: list[str], *, progress: object = None) -> Vectors:
        """Return one vector for all."""
        del progress
        return Vectors(np.repeat(self._vectors, len(texts), axis=0), self.space)


def cache_figures(encoder: Encoder, texts: list[str], rounds: int, encode_s: float) -> dict[str, Any]:
    """Return what the cache reads and writes in a second, and what misses cost of an encoding."""
    many = [f"{text[:200]} {number}" for number in range(20) for text in texts]
    silent = Silent(encoder)
    read, write, miss = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            with EncodingCache(Path(folder) / f"{number}", limit_bytes=1 << 30) as cache:
                quick = cached(silent, cache)  # type: ignore[arg-type]  # it has what is asked of it here
                begun = time.perf_counter()
                quick.encode_documents(many)
                between = time.perf_counter()
                quick.encode_documents(many)
                read.append(len(many) / (time.perf_counter() - between))
                write.append(len(many) / (between - begun))
                miss.append((between - begun) / len(many))
            (Path(folder) / f"{number}").unlink()
    return {
        "vectors": len(many),
        "read_per_s": spread(read),
        "encoded_new_per_s_without_a_model": spread(write),
        "share_of_an_encoding_that_misses_cost": round(statistics.median(miss) / encode_s, 5),
    }


def spread(values: list[float]) -> dict[str, int]:
    """Return median, smallest and largest."""
    return {"median": round(statistics.median(values)), "min": round(min(values)), "max": round(max(values))}


def main() -> None:
    """Measure and write the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overflow", default="cut", choices=["cut", "chunk"])
    parser.add_argument("--vectors", type=Path, default=Path(tempfile.gettempdir()) / "vicinal-shrink")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    chosen.vectors.mkdir(exist_ok=True)
    data = record.DATA / "scifact"
    corpus, asked, judged = texts_of(data)
    encoder = encode.load("minilm", overflow=chosen.overflow, threads=1)
    documents = encoded(encoder, chosen.vectors, "documents", corpus, chosen.overflow)
    queries = encoded(encoder, chosen.vectors, "queries", asked, chosen.overflow)
    begun = time.perf_counter()
    encoder.encode_queries(asked)
    encode_s = (time.perf_counter() - begun) / len(asked)
    lists = rows_of(documents, queries)
    exact = lists["float32"][0]
    scores = {
        name: np.array([ndcg(one, grades) for one, grades in zip(rows, judged, strict=True)])
        for name, (rows, _) in lists.items()
    }
    digest = record.digest(data / "corpus.jsonl")
    forms: dict[str, dict[str, Any]] = {}
    for name, (rows, each) in lists.items():
        same = (rows[:, :, None] == exact[:, None, :]).any(axis=2).mean()
        forms[name] = {
            "bytes": each,
            "ndcg_at_10": round(float(scores[name].mean()), 4),
            "kept": round(float(scores[name].mean() / scores["float32"].mean()), 4),
            "kept_95": interval(scores[name], scores["float32"]),
            "agreement": round(float(same), 4),
        }
    record.write(
        "shrink",
        parameters={"dataset": "scifact", "digest": digest, "overflow": chosen.overflow, "k": K},
        space=encoder.space.id,
        **forms,
    )
    record.write(
        "encoding_cache",
        parameters={"dim": encoder.space.dim, "threads": 1, "rounds": chosen.rounds},
        encode_ms_per_question=round(encode_s * 1000, 3),
        **cache_figures(encoder, corpus, chosen.rounds, encode_s),
    )


if __name__ == "__main__":
    main()
