"""The contestants of run.py: each builds an index over the same rows, keeps it in a folder, and answers queries.

All search by inner product of unit vectors, with one thread. Each library is set as its documentation advises, and
has a grid of the parameters that trade time for recall; what is compared is a contestant's best at an equal recall.
This file runs on the interpreter of each library, so libraries are imported where they are used.
"""

# ruff: noqa: PLC0415 - the library of a contestant is loaded in its own process and nowhere else

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

Found = Callable[[Any], Any]
Grid = list[dict[str, Any]]


class Kind:
    """What every contestant can do. A query is made ready, and an answer is read, outside the clock."""

    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    modules: ClassVar[tuple[str, ...]] = ()
    """What is imported before any clock runs."""
    kept: ClassVar[bool] = True
    """Whether an index of the same versions and settings is the same index; not so for the program that is developed here."""
    filters: ClassVar[bool] = True
    batches: ClassVar[bool] = True

    def __init__(self, rows: np.ndarray, folder: Path) -> None:
        self.rows, self.folder = rows, folder

    @property
    def grid(self) -> Grid:
        """The parameters to be tried, the quick ones first."""
        return [{}]

    def build(self) -> None:
        """Build from the rows and keep it in the folder."""
        raise NotImplementedError

    def open(self) -> None:
        """Open what was kept."""
        raise NotImplementedError

    def shut(self) -> None:
        """Let go of what is open, so that nothing of it is mapped."""
        self.index: Any = None

    def ready(self, queries: np.ndarray) -> Any:
        """Return queries (Q, D) in the form that the contestant takes."""
        return queries

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return what takes ready queries and returns an answer; ``mask`` (N,) says which rows may be one."""
        raise NotImplementedError

    def answered(self, found: Any) -> np.ndarray:
        """Return the rows of an answer, (Q, K); what is no row counts as missed."""
        return np.asarray(found)

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages it is made of."""
        return {name: version(name) for name in self.packages}


class FunnelKind(Kind):
    """The index of this program alone, with the recall asked for as its only parameter."""

    modules = ("vicinal", "vicinal.encode", "vicinal.index", "vicinal.collection")
    kept = False
    space: Any

    @property
    def grid(self) -> Grid:
        """Recalls."""
        return [{"recall": recall} for recall in (0.9, 0.95, 0.98, 0.99, 0.995, 0.999)]

    def _made(self) -> Any:
        from vicinal.encode import FunctionEncoder

        return FunctionEncoder(_letters, name="benchmark", version="1", dim=self.rows.shape[1])

    def build(self) -> None:
        """Build, calibrate, save."""
        from vicinal.index import FunnelIndex

        space = self._made().space
        index = FunnelIndex.build([(0, self.rows)], space)
        index = index.with_calibration(index.calibrate())
        index.save(self.folder, {})

    def open(self) -> None:
        """Map the files of the generation."""
        from vicinal.index import FunnelIndex

        self.space = self._made().space
        self.index = FunnelIndex.open(self.folder, [(0, self.rows)], self.space, lambda meta: True)  # noqa: ARG005 - the only one
        if self.index is None:
            raise RuntimeError("there is no index in the folder")

    def ready(self, queries: np.ndarray) -> Any:
        """Give the queries their space."""
        from vicinal.space import Vectors

        return Vectors(queries, self.space)

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return the index's own search."""
        search = self.index.search
        return lambda queries: search(queries, k=k, mask=mask, **parameters)

    def answered(self, found: Any) -> np.ndarray:
        """Return the rows."""
        return np.asarray(found.rows)


class CollectionKind(FunnelKind):
    """The program end to end: ``Collection.search`` with a ready vector, on durable records with one field.

    A mask is the filter over that field, ``{"share": {"$lt": …}}``. Only the first search compiles it: the collection
    remembers its bitmap, so that repeated searches show what a filter costs that is used again.
    """

    per_write = 10_000
    shares: np.ndarray

    @property
    def grid(self) -> Grid:
        """Recalls, and what must be exact."""
        return [*super().grid, {"exact": True}]

    def build(self) -> None:
        """Store the records, and have the index made and saved now, which else happens in the background."""
        import vicinal
        from vicinal.space import Vectors

        encoder = self._made()
        shares = np.load(self.folder.parent / "shares.npy")
        with vicinal.open(self.folder / "db.vicinal") as db:
            collection = db.collection("main", model=encoder)
            for start in range(0, len(self.rows), self.per_write):
                rows = np.ascontiguousarray(self.rows[start : start + self.per_write])
                said = [
                    {"id": str(start + place), "text": f"record {start + place}", "share": int(shares[start + place])}
                    for place in range(len(rows))
                ]
                collection.add(said, vectors=Vectors(rows, encoder.space))
            collection.compact()

    def open(self) -> None:
        """Open the database."""
        import vicinal

        encoder = self._made()
        self.space = encoder.space
        self.shares = np.load(self.folder.parent / "shares.npy")
        self.db = vicinal.open(self.folder / "db.vicinal")
        self.collection = self.db.collection("main", model=encoder)

    def shut(self) -> None:
        """Close the database."""
        self.db.close()
        self.db = self.collection = None

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return the search of the collection."""
        where = None if mask is None else {"share": {"$lt": int(self.shares[mask].max()) + 1}}
        one, many = self.collection.search, self.collection.search_many

        def find(queries: Any) -> Any:
            if len(queries) == 1:
                return [one(queries, k=k, where=where, **parameters)]
            return many(queries, k=k, where=where, **parameters)

        return find

    def answered(self, found: Any) -> np.ndarray:
        """Return the ids as rows, -1 where fewer were found."""
        listed = [[int(hit.id) for hit in hits] for hits in found]
        width = max(map(len, listed), default=0)
        return np.array([row + [-1] * (width - len(row)) for row in listed], dtype=np.int64).reshape(len(listed), width)


class ExactKind(FunnelKind):
    """The exhaustive search of this program, over the stored floats."""

    @property
    def grid(self) -> Grid:
        """Nothing to choose."""
        return [{}]

    def build(self) -> None:
        """There is nothing to build."""

    def open(self) -> None:
        """Take the rows as they are."""
        from vicinal.index import ExactIndex

        self.space = self._made().space
        self.index = ExactIndex([(0, np.ascontiguousarray(self.rows))], self.space)


class FaissKind(Kind):
    """A FAISS index by its factory string. Rows are refined by the floats, as its wiki advises for short codes."""

    packages = ("faiss-cpu", "numpy")
    modules = ("faiss",)
    factory: ClassVar[str] = "Flat"
    cells_per_root: ClassVar[int] = 4
    """nlist = this * √N, to the nearest power of two: the wiki's guideline for up to a million."""

    @property
    def cells(self) -> int:
        """How many cells an IVF index has."""
        return int(2 ** round(np.log2(self.cells_per_root * len(self.rows) ** 0.5)))

    def build(self) -> None:
        """Train, add, write."""
        import faiss

        faiss.omp_set_num_threads(1)
        words = self.factory.format(cells=self.cells)
        index = faiss.index_factory(self.rows.shape[1], words, faiss.METRIC_INNER_PRODUCT)
        self.before(index)
        index.train(np.ascontiguousarray(self.rows[:: max(1, len(self.rows) // 200_000)]))
        for start in range(0, len(self.rows), 50_000):
            index.add(np.ascontiguousarray(self.rows[start : start + 50_000]))
        faiss.write_index(index, str(self.folder / "index.faiss"))

    def before(self, index: Any) -> None:
        """Set what the factory string does not say."""

    def open(self) -> None:
        """Read the file."""
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(self.folder / "index.faiss"))

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return the search with its parameters made ready."""
        import faiss

        chosen: dict[str, Any] = {}
        if mask is not None:
            self._bits = np.packbits(mask, bitorder="little")
            chosen["sel"] = faiss.IDSelectorBitmap(self._bits)
        said, search = self.parameters(chosen, **parameters), self.index.search
        return lambda queries: search(queries, k, params=said)[1]

    def parameters(self, chosen: dict[str, Any], **_: Any) -> Any:
        """Return the library's own parameters; ``chosen`` has the selector."""
        import faiss

        return faiss.SearchParameters(**chosen)


class FaissRefined(FaissKind):
    """Codes, and the best of them scored by the floats."""

    @property
    def grid(self) -> Grid:
        """How many times k are refined."""
        return [{"k_factor": factor} for factor in (3, 5, 10, 20, 40, 80)]

    def parameters(self, chosen: dict[str, Any], **given: Any) -> Any:
        """Return parameters of two stages."""
        import faiss

        inner = self.inner(chosen, given)
        said = {} if inner is None else {"base_index_params": inner}
        return faiss.IndexRefineSearchParameters(k_factor=given["k_factor"], **said)

    def inner(self, chosen: dict[str, Any], given: Mapping[str, Any]) -> Any:
        """Return the parameters of the first stage; a flat fast scan takes none."""
        del chosen, given


class FaissRabitq(FaissRefined):
    """RaBitQ, one bit a component, by the fast scan. It takes no selector, so it has no filters."""

    factory, filters = "RaBitQfs,RFlat", False


class FaissIvf(FaissRefined):
    """Cells with 8-bit rows, refined."""

    factory = "IVF{cells},SQ8,RFlat"
    factors: ClassVar[tuple[int, ...]] = (2,)

    @property
    def grid(self) -> Grid:
        """Cells visited."""
        probes = [count for count in (4, 8, 16, 32, 64, 128, 256, 512) if count <= self.cells]
        return [{"nprobe": count, "k_factor": factor} for count in probes for factor in self.factors]

    def inner(self, chosen: dict[str, Any], given: Mapping[str, Any]) -> Any:
        """Return the parameters of the cells."""
        import faiss

        return faiss.SearchParametersIVF(nprobe=given["nprobe"], **chosen)


class FaissIvfPq(FaissIvf):
    """Cells with 4-bit product quantisation of four components by the fast scan, of residuals, refined."""

    factory = "IVF{cells},PQ96x4fsr,RFlat"
    factors = (10, 40, 100)


class FaissHnsw(FaissKind):
    """HNSW over 8-bit rows."""

    factory = "HNSW16_SQ8"
    ef_construction = 200

    @property
    def grid(self) -> Grid:
        """Widths of the list of candidates."""
        return [{"efSearch": width} for width in (16, 32, 64, 128, 256, 512)]

    def before(self, index: Any) -> None:
        """Set the width while building."""
        index.hnsw.efConstruction = self.ef_construction

    def parameters(self, chosen: dict[str, Any], **given: Any) -> Any:
        """Return the parameters of the graph."""
        import faiss

        return faiss.SearchParametersHNSW(**given, **chosen)


class HnswlibKind(Kind):
    """HNSW as hnswlib has it, floats. Its filter is a function of Python, called for each node."""

    packages = ("hnswlib", "numpy")
    modules = ("hnswlib",)
    ef_construction, m = 200, 16

    @property
    def grid(self) -> Grid:
        """Widths of the list of candidates."""
        return [{"ef": width} for width in (16, 32, 64, 128, 256, 512)]

    def build(self) -> None:
        """Add one after the other."""
        import hnswlib

        index = hnswlib.Index(space="ip", dim=self.rows.shape[1])
        index.init_index(max_elements=len(self.rows), ef_construction=self.ef_construction, M=self.m)
        index.set_num_threads(1)
        for start in range(0, len(self.rows), 50_000):
            part = np.ascontiguousarray(self.rows[start : start + 50_000])
            index.add_items(part, np.arange(start, start + len(part)), num_threads=1)
        index.save_index(str(self.folder / "index.hnsw"))

    def open(self) -> None:
        """Load the file."""
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=self.rows.shape[1])
        self.index.load_index(str(self.folder / "index.hnsw"))
        self.index.set_num_threads(1)

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return the query."""
        self.index.set_ef(parameters["ef"])
        search = self.index.knn_query
        if mask is None:
            return lambda queries: search(queries, k=k, num_threads=1)[0]
        allowed = mask.tolist()
        return lambda queries: search(queries, k=k, num_threads=1, filter=allowed.__getitem__)[0]


class UsearchKind(Kind):
    """HNSW as usearch has it, in the precision that it chooses for the processor. Its Python interface has no filter."""

    packages = ("usearch", "numpy")
    modules = ("usearch.index",)
    filters = False

    @property
    def grid(self) -> Grid:
        """Widths of the list of candidates."""
        return [{"expansion_search": width} for width in (16, 32, 64, 128, 256, 512)]

    def _made(self) -> Any:
        from usearch.index import Index

        return Index(ndim=self.rows.shape[1], metric="ip", connectivity=16, expansion_add=128)

    def build(self) -> None:
        """Add one after the other."""
        index = self._made()
        for start in range(0, len(self.rows), 50_000):
            part = np.ascontiguousarray(self.rows[start : start + 50_000])
            index.add(np.arange(start, start + len(part)), part, threads=1)
        index.save(str(self.folder / "index.usearch"))

    def open(self) -> None:
        """Load the file."""
        self.index = self._made()
        self.index.load(str(self.folder / "index.usearch"))

    def searcher(self, k: int, mask: np.ndarray | None, **parameters: Any) -> Found:
        """Return the search."""
        del mask
        self.index.expansion_search = parameters["expansion_search"]
        search = self.index.search
        return lambda queries: search(queries, k, threads=1)

    def answered(self, found: Any) -> np.ndarray:
        """Return the keys."""
        return np.atleast_2d(found.keys).astype(np.int64)


def _letters(texts: list[str]) -> Any:
    """Encode a text for the probes of a space whose vectors come from elsewhere."""
    counts = np.zeros((len(texts), 384), dtype=np.float32)
    for row, text in enumerate(texts):
        np.add.at(counts[row], [ord(letter) % 384 for letter in text], 1)
    return counts


KINDS: dict[str, type[Kind]] = {
    "vicinal-index": FunnelKind,
    "vicinal": CollectionKind,
    "vicinal-exact": ExactKind,
    "faiss-flat": FaissKind,
    "faiss-rabitq": FaissRabitq,
    "faiss-ivf": FaissIvf,
    "faiss-ivfpq": FaissIvfPq,
    "faiss-hnsw": FaissHnsw,
    "hnswlib": HnswlibKind,
    "usearch": UsearchKind,
}
"""The name of each, which begins with that of its environment."""


def about(kind: Kind) -> str:
    """Return what decides whether a kept index can be used again."""
    own = {name: getattr(kind, name) for name in ("factory", "ef_construction", "m") if hasattr(kind, name)}
    return json.dumps({"versions": kind.versions(), **own}, sort_keys=True)
