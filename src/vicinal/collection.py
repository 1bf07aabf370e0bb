"""A collection: a named set of records in one space, and the verbs on it. Here the stages meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vicinal import encode
from vicinal._arrays import one_of, whole_number
from vicinal.bridging import bridged
from vicinal.corpus import Corpus
from vicinal.errors import (
    DtypeError,
    InputError,
    RangeError,
    RecordNotFoundError,
    ShapeError,
)
from vicinal.evaluate.advantage import Advantage
from vicinal.evaluate.judgements import Judged, read_judged
from vicinal.exchange import ExportReport, ImportReport, import_vectors, read_vectors, write_vectors
from vicinal.exchange.source import told_space
from vicinal.index.funnel import checked_recall
from vicinal.lifecycle import fit, project_collection
from vicinal.lifecycle.asking import delete_where
from vicinal.lifecycle.bridge.cascade import CANDIDATES
from vicinal.lifecycle.bridge.pairs import SAMPLE
from vicinal.lifecycle.bridge.rehearsal import MOST_ENCODED
from vicinal.lifecycle.derived import Upkeep, derived_of
from vicinal.lifecycle.doctor import Health, Question, examine
from vicinal.lifecycle.forms import Making, form_of, ready, write
from vicinal.lifecycle.past import history_of, past_store
from vicinal.lifecycle.question import recall_setting
from vicinal.lifecycle.records import changes_of, checked_id, documents_of
from vicinal.migrations import Migration
from vicinal.migrations.migration import DELTA, SOAK_S
from vicinal.opened import following
from vicinal.past import CollectionAt
from vicinal.questioning import MAX_K
from vicinal.search import compile_filter
from vicinal.space import Encoder, Space, Vectors, mapping_of
from vicinal.store import BESIDE, Form
from vicinal.transfer import batches_of, take_in
from vicinal.trials import Asked, Trials
from vicinal.types import (
    Document,
    History,
    Progress,
    Record,
    Where,
)
from vicinal.watch import Watch

__all__ = ["PROJECTIONS", "Collection", "Health"]

PROJECTIONS = ("pca", "rotation", "common")


class Collection(Corpus, Trials, Watch):
    """A named set of records, each with its text, its fields, and the vectors of its chunks in one space.

    Made by ``Database.collection``. Safe for many threads; writes are one at a time.
    """

    def keep_recall(self, recall: float) -> None:
        """Set the recall of searches that say none, for all who open this collection from now on.

        Raises
        ------
        DtypeError, RangeError
            It is no number above 0 and at most 1.
        ReadOnlyError
            The database was opened for reading.
        """
        checked = checked_recall(recall)
        with self._store.write() as transaction:
            transaction.put_setting(recall_setting(transaction.lane(self.name).collection), repr(checked))
        self.recall = checked

    def __repr__(self) -> str:
        """Tell name and space."""
        return f"Collection({self.name!r}, space {self.space.id})"

    def add(
        self, records: Iterable[Mapping[str, Any]], *, vectors: Vectors | None = None, progress: Progress | None = None
    ) -> int:
        """Store new records; durable when it returns.

        Parameters
        ----------
        records : iterable of mapping
            ``{"id": …, "text": …}``; ``source`` may be there; every other entry is a field that filters know.
        vectors : Vectors, optional
            One for each record, made elsewhere in this collection's space; then nothing is chunked or encoded.
        progress : callable, optional
            Called with (chunks encoded, chunks in all).

        Returns
        -------
        int
            How many records were stored.

        Raises
        ------
        AlreadyExistsError
            An id is already stored. Nothing is written.
        InputError
            A record is wrong, or the vectors are of another space or number. Nothing is written.
        """
        return self._write(records, vectors, progress, replace_existing=False)

    def upsert(
        self, records: Iterable[Mapping[str, Any]], *, vectors: Vectors | None = None, progress: Progress | None = None
    ) -> int:
        """Store records, in place of those of the same ids; otherwise as ``add``."""
        return self._write(records, vectors, progress, replace_existing=True)

    @following
    def _write(
        self,
        records: Iterable[Mapping[str, Any]],
        vectors: Vectors | None,
        progress: Progress | None,
        *,
        replace_existing: bool,
    ) -> int:
        documents = documents_of(records)
        if vectors is not None:
            if not isinstance(vectors, Vectors):
                raise DtypeError(
                    "vectors must be Vectors, which carry their space; a bare array has none.",
                    expected="Vectors",
                    got=type(vectors).__name__,
                    where="vectors",
                )
            self.space.require(vectors.space, what="the vectors to be stored")
            self._require_unmoved()
            if len(vectors) != len(documents):
                raise ShapeError(
                    f"{len(documents)} records came with {len(vectors)} vectors.",
                    expected=len(documents),
                    got=len(vectors),
                    where="vectors",
                )
        if documents:
            first = None if vectors is None else ready(documents, vectors)
            write(
                self._store,
                self.name,
                lambda making, told: _form(documents, making, told),
                self._making,
                replace_existing=replace_existing,
                first=first,
                progress=progress,
            )
        return len(documents)

    def delete(self, ids: Iterable[str] | None = None, *, where: Where | None = None) -> int:
        """Delete records, and return how many were there.

        Parameters
        ----------
        ids : iterable of str, optional
            An id that is not stored is no error.
        where : mapping, optional
            In place of ids: all records that a filter lets through, as of the commit that deletes them.

        Raises
        ------
        InputError
            Neither or both were given, or one of them is wrong. Nothing is deleted.
        """
        if (ids is None) == (where is None):
            raise InputError("Say which records: ids, or a filter by where; one of the two.", where="ids")
        if where is not None:
            return delete_where(self._store, self.name, compile_filter(where))
        if isinstance(ids, str) or not isinstance(ids, Iterable):
            raise DtypeError(
                f"ids must be a list of strings, got one {type(ids).__name__}; put it in a list.",
                expected="list[str]",
                got=type(ids).__name__,
                where="ids",
            )
        wanted = [checked_id(one, f"ids[{place}]") for place, one in enumerate(ids)]
        with self._store.write() as transaction:
            return transaction.delete(transaction.lane(self.name), wanted)

    def update(self, fields: Mapping[str, Mapping[str, Any]], *, replace: bool = False) -> int:
        """Give records other fields; texts and vectors stay, and nothing is encoded. Visible and durable at once.

        Parameters
        ----------
        fields : mapping of str to mapping
            Id → fields.
        replace : bool
            Whether fields that are not named go. Otherwise they stay.

        Returns
        -------
        int
            How many records there were.

        Raises
        ------
        RecordNotFoundError
            An id is not stored. Nothing is changed.
        InputError
            A field is wrong. Nothing is changed.
        """
        changes = changes_of(fields)
        with self._store.write() as transaction:
            lane = transaction.lane(self.name)
            missing = [one for one in changes if not transaction.has(lane, one)]
            if missing:
                raise RecordNotFoundError(
                    f"{len(missing)} of the ids are not stored, {missing[0]!r} first; nothing was changed.",
                    got=missing[0],
                    where=self.name,
                )
            return transaction.set_fields(lane, changes, merge=not replace)

    def get(self, record_id: str) -> Record:
        """Return a record: its text, source, fields and the spans of its chunks.

        Raises
        ------
        RecordNotFoundError
            There is none of that id.
        """
        wanted = checked_id(record_id, "id")
        with self._store.snapshot() as snapshot:
            found = snapshot.record(snapshot.lane(self._named), wanted)
        if found is None:
            raise RecordNotFoundError(
                f"Collection {self.name!r} has no record {wanted!r}.", got=wanted, where=self.name
            )
        return found

    def at(self, sequence: int | None = None, *, time: datetime | float | None = None) -> CollectionAt:
        """Return the collection as it stood after a commit, for reading: search, get, ids, facets, export.

        Parameters
        ----------
        sequence : int, optional
            The number of the commit, of this collection or of another one in the database.
        time : datetime or float, optional
            In its place: when, as a ``datetime`` (without a zone it is this machine's) or in seconds since 1970.

        Raises
        ------
        CommitNotFoundError
            What the collection held then is not kept; the message says since when it is, and how to have more.
        InputError
            Neither or both were given, or one of them is wrong.

        Notes
        -----
        ``history`` tells how far back that goes, ``Database.keep_history`` makes it go further. What is returned can be
        used as long as the commit is within the window. Opened by an alias, it stays with the collection that the alias
        stands for now. Cost: what changed since; searches compare every vector.
        """
        self._follow()
        return CollectionAt.of(self, past_store(self._store, self.name, sequence=sequence, time=time))

    def history(self) -> History:
        """Return how far back the collection can be told, and the commits since then that changed it.

        Where no history is kept (``Database.keep_history``) that is back to the last commit that took or changed
        anything: records that only came can be left out again.
        """
        return history_of(self._store, self.name)

    def import_vectors(
        self,
        path: str | Path,
        *,
        space: Space | Encoder | None = None,
        format: str | None = None,  # noqa: A002 - the word of users
        ids: Sequence[str] | Path | None = None,
        start: int = 0,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Store the vectors of a file as records, in place of those of the same ids.

        Parameters
        ----------
        path : path
            A file of NumPy (.npy, .npz), Parquet, TEXMEX (.fvecs, .bvecs, .ivecs) or FAISS (.faiss, .index), or a folder
            that ``export`` made.
        space : Space or Encoder
            What made the vectors. It must be told, unless the folder says it, and must be this collection's space.
        format : str, optional
            Where the ending does not say it.
        ids : list of str, or path of a file with one a line, optional
            Default: those in the file, else the rows' numbers.
        start : int, 0 <= start
            The row to go on at after an interruption: what was committed stays.
        progress : callable, optional
            Called with (rows done, rows).

        Raises
        ------
        SpaceMismatchError
            The vectors are of another space than the collection. Nothing is written.
        InputError
            The file is damaged, or a vector is not finite or has not the length that the space says.
            What was committed before stays; the message names the row.
        """
        self._follow()
        source = read_vectors(path, format=format, ids=ids)
        if space is None:
            space = source.space
        if space is None:
            raise InputError(
                "The space of the vectors must be told: a file of numbers does not say which model made them. "
                "Pass the encoder that did, or its space.",
                where="space",
            )
        told = told_space(space)
        self.space.require(told, what=f"the vectors of {Path(path).name}")
        self._require_unmoved()
        return import_vectors(
            source,
            told,
            lambda batch: take_in(self._store, self.name, batch, told, makers=self._making),
            first_row=start,
            progress=progress,
        )

    def export(
        self,
        path: str | Path,
        *,
        format: str = "npy",  # noqa: A002 - the word of users
        progress: Progress | None = None,
    ) -> ExportReport:
        """Write all chunks with their vectors to a new folder, as of one commit, and the space beside them.

        Parameters
        ----------
        path : path
            The folder; it must not be there yet. It appears whole, or not at all.
        format : {"npy", "parquet", "fvecs", "faiss"}
        progress : callable, optional
            Called with (chunks done, chunks).

        Raises
        ------
        AlreadyExistsError
            There is something at the path.
        StoreError
            The disk refused; nothing is left behind.
        """
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._named)
            batches = batches_of(snapshot, lane)
            return write_vectors(path, batches, lane.space, format, progress=progress, total=lane.rows)

    @following
    def project(
        self, target: str, *, dim: int | None = None, kind: str = "pca", seed: int = 0, progress: Progress | None = None
    ) -> Collection:
        """Return a new collection with these records and their vectors projected; no record is encoded.

        Parameters
        ----------
        target : str
            The name of the new collection.
        dim : int, optional, 1 <= dim <= D
            Dimensions of the new one. Default: D.
        kind : {"pca", "rotation", "common"}
            Keep the directions in which the collection's own vectors vary most, or random ones; or keep all but the one
            that they have in common, which helps word vectors (Arora, Liang, Ma 2017).
        seed : int
            Of the random directions.
        progress : callable, optional
            Called with (records done, records).

        Raises
        ------
        AlreadyExistsError
            There is a collection of the target's name.
        RangeError
            ``dim`` is beyond D, or there are too few vectors to fit it on.

        Notes
        -----
        The projection is kept in the database and is a part of the new space: queries go through it by themselves.
        """
        target = checked_id(target, "target")
        if target.startswith(BESIDE):
            raise RangeError(
                f"target must not begin with the control character {BESIDE!r}.", got=target, where="target"
            )
        one_of(kind, "kind", PROJECTIONS)
        projection = fit(self._store, self.name, dim=self.space.dim if dim is None else dim, kind=kind, seed=seed)
        encoder = encode.project(encode.uncached(self.encoder), projection)
        project_collection(self._store, self.name, target, projection, encoder=encoder, progress=progress)
        return Collection(self._store, target, base=self._base, encoder=encoder, runtime=self._runtime, proven=True)

    def migrate(  # noqa: PLR0913 - what is to change, and how it goes
        self,
        to: str | Encoder | None = None,
        *,
        dim: int | None = None,
        precision: str | None = None,
        chunker: str | None = None,
        runtime: str | None = None,
        delta: float = DELTA,
        soak_s: float = SOAK_S,
        rate: float | None = None,
        share: float = 1.0,
    ) -> Migration:
        """Return the way to another model, dimension or chunker; nothing is written before ``begin`` or ``run``.

        Parameters
        ----------
        to : str or Encoder, optional
            The new model's name, or an encoder of your own, which other processes must then be given as well:
            ``collection(name, model=encoder)``. Default: the collection's.
        dim : int, optional
            Fewer dimensions: with ``to`` the first so many of a model that was trained for it; alone the principal
            directions of the collection's own vectors, for which nothing is encoded.
        precision : {"float32"}, optional
            The only precision that vectors have at rest.
        chunker : str, optional
            The id of a chunker, ``window`` for the one that fits the model, or ``whole`` for none. Default: the
            collection's, where its chunks fit the new window.
        runtime : str, optional
            What runs the new network; see ``vicinal.load``.
        delta : float, 0 <= delta
            The loss of quality that the gate takes for none.
        soak_s : float, 0 <= soak_s
            How long, in seconds, the old lane is kept and written to after the cutover. 0: ``run`` retires it at once.
        rate : float, optional, 0 < rate
            The backfill's records a second at most.
        share : float, 0 < share <= 1
            The share of the time that the backfill works.

        Raises
        ------
        InputError
            Nothing is to change, or a number is wrong.
        UnsupportedError
            The precision is none that exists.
        ModelNotFoundError, CanaryMismatchError
            The model cannot be had.

        Examples
        --------
        >>> notes.migrate("wordllama").run(judged="questions.tsv").stage
        'soak'
        """
        self._follow()
        return Migration.planned(
            self,
            to,
            dim=dim,
            precision=precision,
            chunker=chunker,
            runtime=runtime,
            delta=delta,
            soak_s=soak_s,
            rate=rate,
            share=share,
        )

    def migration(self) -> Migration | None:
        """Return the migration that is under way, or the last one; None where there never was one."""
        found = Migration(self, settings={})
        return None if found.status() is None else found

    def bridge(  # noqa: PLR0913 - what is measured, and how much of it
        self,
        to: str | Encoder,
        *,
        judged: Asked | None = None,
        queries: int = 100,
        candidates: int = CANDIDATES,
        pairs: int = SAMPLE,
        most_encoded: int = MOST_ENCODED,
        metric: str = "ndcg@10",
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Advantage:
        """Return what it is worth to answer by a bridge to another model until all is encoded anew. Nothing is written.

        A bridge carries a question of the new model over to the old vectors, lets their index fetch candidates, and ranks
        these by the new model; what is encoded for it is kept.

        Parameters
        ----------
        to : str or Encoder
            The new model.
        judged : Judged, or path, optional
            As ``evaluate``. Default: ``known_queries``, each of which asks for the record that it was made of.
        queries : int, 2 <= queries
            How many of those are made, where none are given.
        candidates : int, 1 <= candidates <= 10,000
            Chunks that the old index fetches.
        pairs : int, 2 <= pairs
            Chunks that the bridge is fitted on, drawn at random.
        most_encoded : int, 1 <= most_encoded
            Chunks that are encoded for questions at most; questions that are left then are not asked, and counted.
        metric : str
            See ``evaluate.metrics``; of 100 documents at most.
        seed : int, 0 <= seed
            Of every draw.
        progress : callable, optional
            Called with (pairs encoded, pairs), then with (questions asked, questions).

        Returns
        -------
        Advantage
            ``advantage.value`` is the bridge's metric over that of the old vectors; ``act`` and ``reason`` say what to do.
            ``cost`` says what a question takes.

        Raises
        ------
        InputError
            The model is the collection's own, the judgements cannot be read, or a number is out of its range.
        ModelNotFoundError, EncodeError
            The model cannot be had, or failed.

        Notes
        -----
        Searches by vectors are compared, not those by words as well. Cost: the encoding of ``pairs`` and of what the
        questions fetch, which is kept in the cache, so that a migration does not pay for it again.
        """
        self._follow()
        if judged is None:
            asked = self._known_queries(queries, seed)
        else:
            asked = judged if isinstance(judged, Judged) else read_judged(judged)
        return bridged(
            self,
            to,
            asked,
            names=self._names(asked),
            candidates=candidates,
            pairs=pairs,
            most_encoded=most_encoded,
            metric=metric,
            seed=seed,
            progress=progress,
        )

    def _known_queries(self, queries: int, seed: int) -> Judged:
        """Return questions made of the records: their first sentences, or telling words where a record is one sentence."""
        try:
            return self.known_queries(queries, seed=seed)
        except InputError:
            return self.known_queries(queries, seed=seed, kind="keywords")

    def compact(self, *, only_due: bool = False, progress: Progress | None = None) -> Upkeep:
        """Give back the room of what was deleted, build the index anew, measure it, and save it for the next process.

        The program does this by itself, in the background, when it pays. Readers and writers go on meanwhile;
        interrupted at any time, nothing is lost.

        Parameters
        ----------
        only_due : bool
            Do nothing where the program itself would not.
        progress : callable, optional
            Called with (steps done, steps to do) of each stage.

        Raises
        ------
        ReadOnlyError, NoSpaceLeftError, StoreError
            The disk refused.
        """
        with self._store.snapshot() as snapshot:
            derived = derived_of(self._store, snapshot.lane(self.name))
        return Upkeep() if only_due and not derived.is_due() else derived.upkeep(progress=progress)

    def doctor(
        self, *, samples: int = 200, recall: float | None = None, seed: int = 0, progress: Progress | None = None
    ) -> Health:
        """Examine the collection, and say what is wrong and what should be done first.

        Checksums and ledger, space, canary, vectors, index, texts, duplicates, languages, hubs, geometry, codes, disk.

        Parameters
        ----------
        samples : int, 1 <= samples <= 100,000
            How many questions measure the recall; they are made of stored vectors. Cost: one exact search each.
        recall : float, optional
            As in ``search``.
        seed : int
            Of the sample: at most 20,000 chunks are looked at, drawn at random.
        progress : callable, optional
            Called with (checks done, checks to do).

        Returns
        -------
        Health
            ``health.alarms`` must be looked at, ``health.notices`` are worth a look, ``health.advice`` stands in order of
            worth. Damage is an alarm, no error.

        Warns
        -----
        RecallWarning
            Less is found than was asked for, beyond what the sampling explains.

        Notes
        -----
        Nothing is changed. The model encodes the probe texts and 60 stored ones; a provider only the probe texts.
        """
        question = Question(
            encoder=self._uncached_encoder,
            asked=checked_recall(self.recall if recall is None else recall),
            samples=whole_number(samples, "samples", low=1, high=MAX_K),
            seed=whole_number(seed, "seed", low=0),
        )
        return examine(self._store, self.name, question, progress=progress)

    def _uncached_encoder(self) -> Encoder:
        """Return the encoder of the space that the name leads to now: the one that calls its model."""
        self._follow()
        return encode.uncached(self.encoder)

    def info(self) -> dict[str, Any]:
        """Return what the collection is: model, space, counts, bytes, its index, and its last commit."""
        self._follow()
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(self._named)
            counts = snapshot.counts(lane)
            stored_bytes = sum(segment.committed_bytes for segment in snapshot.segments(lane))
            free_bytes = snapshot.free_bytes()
            index = derived_of(self._store, lane).index(snapshot, lane, self._store.view(snapshot, lane)).info()
        return {
            "name": lane.name,
            "model": self.model,
            "space": mapping_of(self.space),
            "chunker": self._chunker_id,
            **counts,
            "vector_bytes": stored_bytes,
            "free_bytes": free_bytes,
            "recall": self.recall,
            "index": index,
            "sequence": snapshot.sequence,
        }


def _form(documents: Sequence[Document], making: Making, progress: Progress | None) -> Form:
    """Return records ready for a lane; one without any chunk could never be found, so it is refused."""
    made = form_of(documents, [""] * len(documents), making, progress)
    for document, record in zip(documents, made.records, strict=True):
        if not record.spans:
            raise RangeError(
                f"The record {document.id!r} has no text but white space, so no search could find it.",
                where=document.id,
            )
    return made
