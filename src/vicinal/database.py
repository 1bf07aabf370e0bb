"""A database: one directory with collections in it. The outermost of what a program needs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vicinal import encode
from vicinal._arrays import one_of, real_number
from vicinal.chunk import Chunker
from vicinal.collection import Collection
from vicinal.config import database_path
from vicinal.errors import (
    CollectionNotFoundError,
    ConflictError,
    DatabaseNotFoundError,
    InputError,
    RangeError,
    SpaceMismatchError,
)
from vicinal.index.funnel import checked_recall
from vicinal.lifecycle import WHOLE, canary, projection_of
from vicinal.lifecycle.derived import forget, stop_upkeep
from vicinal.lifecycle.ingest import WINDOW, chunker_for, chunker_id_of
from vicinal.lifecycle.records import checked_id
from vicinal.lifecycle.snapshots import Taken, take
from vicinal.space import Encoder, Space
from vicinal.spaces import Spaces
from vicinal.store import BESIDE, Store
from vicinal.types import Overflow, Progress

FOLDER_NAME = ".vicinal"
DEFAULT_MODEL = "minilm"
DEFAULT_OVERFLOW: Overflow = "chunk"
OVERFLOWS = ("chunk", "error", "cut")
MOST_DAYS = 36_500


def open(path: str | Path, *, create: bool = True, read_only: bool = False) -> Database:  # noqa: A001 - vicinal.open is the fixed public name
    """Return the database in a folder, checked; it is made where there is none.

    Parameters
    ----------
    path : str or Path
        The folder.
    create : bool
        Whether to make it when it is not there.
    read_only : bool
        Refuse every write; also for a folder that cannot be written.

    Raises
    ------
    DatabaseNotFoundError
        It is not there, and ``create`` or ``read_only`` says not to make it.
    StoreError
        A file of it is damaged, of another format, or cannot be opened; the message names the file.
    """
    return Database(Store.open(Path(path), create=create, read_only=read_only))


def find(start: str | Path = ".") -> Path:
    """Return the folder of the database that serves a place: the one that VICINAL_DB names, or ``.vicinal`` there or above.

    Raises
    ------
    DatabaseNotFoundError
        There is none up to the root.
    """
    named = database_path()
    if named is not None:
        return named
    here = Path(start).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER_NAME).is_dir():
            return folder / FOLDER_NAME
    raise DatabaseNotFoundError(
        f"There is no {FOLDER_NAME} in {here} or above it. Make one with: vicinal index PATH", where=str(here)
    )


class Database(Spaces):
    """A folder of collections, open. Made by ``vicinal.open``; a context manager."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def path(self) -> Path:
        """The folder."""
        return self._store.folder

    def __enter__(self) -> Self:
        """Return the database itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Tell the folder."""
        return f"Database({str(self.path)!r})"

    def collections(self) -> list[str]:
        """Return the names of the collections, sorted."""
        with self._store.snapshot() as snapshot:
            return snapshot.visible_names()

    def alias(self, name: str, target: str) -> str | None:
        """Let a name stand for a collection, in one commit: every reader sees the one before, or this one.

        Parameters
        ----------
        name : str
            Not that of a collection. One that is an alias already stands for the target from then on.
        target : str
            A collection, and no alias.

        Returns
        -------
        str or None
            The collection that the name stood for before; None where it is new.

        Raises
        ------
        AlreadyExistsError
            There is a collection of that name.
        CollectionNotFoundError
            The target is not there.
        ConflictError
            The target is an alias itself.

        Notes
        -----
        A collection that was opened by the name follows it with its next call. A call that is under way stays with the
        collection that it began with.
        """
        name, target = _checked_name(name), _checked_name(target)
        with self._store.write() as transaction:
            return transaction.put_alias(name, target)

    def aliases(self) -> dict[str, str]:
        """Return each alias with the name of the collection that it stands for, sorted."""
        with self._store.snapshot() as snapshot:
            return snapshot.aliases()

    def drop_alias(self, name: str) -> str:
        """Forget an alias; return the collection that it stood for, which stays.

        Raises
        ------
        CollectionNotFoundError
            There is no alias of that name; the message lists those that are.
        """
        name = checked_id(name, "name")
        with self._store.write() as transaction:
            return transaction.drop_alias(name)

    def keep_history(self, *, days: float) -> None:
        """Keep what the collections held, for so many days from now on: ``Collection.at`` shows it.

        Parameters
        ----------
        days : float, 0 <= days <= 36,500
            0 keeps nothing, and forgets at once what was kept.

        Raises
        ------
        RangeError, DtypeError
            It is no such number.
        ReadOnlyError, ReplicaError
            The database cannot be written. Replicas keep no history; commits there are their own.

        Notes
        -----
        Deleted and replaced records keep their room on disk until ``compact`` finds them older than that. Each commit
        notes some 100 bytes; deleting and compacting become slower by what they note.
        """
        days = real_number(days, "days")
        if not 0 <= days <= MOST_DAYS:
            raise RangeError(
                f"days must be from 0 to {MOST_DAYS}, got {days}.", expected=f"0 to {MOST_DAYS}", got=days, where="days"
            )
        with self._store.write() as transaction:
            transaction.keep_history(days)

    @property
    def history_days(self) -> float | None:
        """For how many days what the collections held is kept, None where it is not."""
        with self._store.snapshot() as snapshot:
            return snapshot.kept_days()

    def collection(
        self,
        name: str,
        *,
        model: str | Encoder | None = None,
        overflow: Overflow | None = None,
        chunker: Chunker | str | None = None,
        runtime: str | None = None,
        recall: float | None = None,
        create: bool = True,
    ) -> Collection:
        """Return a collection; it is made on first use, its space pinned from then on.

        Parameters
        ----------
        name : str
            Not empty. By an alias the collection that it stands for is meant, and with each call the one that it then
            stands for.
        model : str or Encoder, optional
            A model's name, or an encoder: one of ``vicinal.load``, whose settings the collection then keeps, or one of
            your own, which must be given again each time. For a new collection ``minilm`` by default.
            For one that exists it must be in the collection's space, or in the other one of a migration under way.
        overflow : {"chunk", "error", "cut"}, optional
            What happens to text beyond the model's window: it is stored as several chunks (default for a new collection),
            refused, or cut and counted. For one that exists it must be the collection's.
        chunker : Chunker or str, optional
            How long texts are cut up, where the rule is ``chunk``: a ``chunk.Chunker``, the id of one such as
            ``structure-100-0-v2``, or ``window``, the default for a new collection: the one that fits the model. For one
            that exists it must be the collection's; ``Collection.migrate`` changes it. Of a context, the headings of a
            text stand before its chunks, and no field: fields may change without a text being encoded anew.
        runtime : str, optional
            What runs the network when the collection loads its model by name; see ``vicinal.load``.
        recall : float, 0 < recall <= 1, optional
            The share of the true nearest that searches are to find when they do not say, kept in the database;
            ``Collection.keep_recall`` changes it. 0.98 for a new collection by default; 1 compares every vector.
        create : bool
            Whether to make it when it is not there.

        Raises
        ------
        CollectionNotFoundError
            It is not there, and ``create`` is false.
        SpaceMismatchError
            The collection is in another space than the model; the message names the differing fields.
        ConflictError
            The collection cuts texts up with another chunker.
        RangeError, UnknownNameError
            The chunks would not fit the model's window, or no chunker has that id.
        CanaryMismatchError
            A model that is new here says that it is in a space that the database knows, but gives other vectors.
        ModelNotFoundError, PinMismatchError
            The model cannot be had.
        """
        name = _checked_name(name)
        recall = None if recall is None else checked_recall(recall)
        if overflow is not None:
            one_of(overflow, "overflow", OVERFLOWS)
        if model is not None and not isinstance(model, str):
            model = encode.uncached(model)  # its canary asks the model, not the cache
        with self._store.snapshot() as snapshot:
            is_there = snapshot.knows(name)
        if create and not is_there:
            found = self._create(name, model, overflow, chunker, runtime)
        else:
            found = self._existing(name, model, overflow, runtime)
            _require_chunker(found, chunker)
        if recall is not None and recall != found.recall:
            found.keep_recall(recall)
        return found

    def _existing(
        self, name: str, model: str | Encoder | None, overflow: Overflow | None, runtime: str | None
    ) -> Collection:
        with self._store.snapshot() as snapshot:
            lane = snapshot.lane(name)
            twin = snapshot.twin(lane)
        if overflow is not None and overflow != lane.space.overflow:
            raise SpaceMismatchError(
                f"Collection {name!r} has the overflow rule {lane.space.overflow!r}, and {overflow!r} was asked for. "
                "Leave it out, or make a new collection.",
                fields=("overflow",),
                expected=lane.space.overflow,
                got=overflow,
                where=name,
            )
        encoder = self._load_into(lane.space, model, runtime) if isinstance(model, str) else model
        if isinstance(model, str) and encoder is not None and encoder.space != lane.space and twin is not None:
            encoder = self._load_into(twin.space, model, runtime)  # the other model of a migration under way
        if encoder is not None and lane.space.projection and not encoder.space.projection:
            with self._store.snapshot() as snapshot:
                projection = projection_of(snapshot, lane.space)
            encoder = encoder if projection is None else encode.project(encoder, projection)
        return Collection(self._store, name, base=self._base, encoder=encoder, runtime=runtime)

    def _load_into(self, space: Space, model: str, runtime: str | None) -> Encoder:
        """Return the encoder of a model's name in the settings and the projection of a space."""
        with self._store.snapshot() as snapshot:
            projection = projection_of(snapshot, space)
        return encode.load_for(model, space, projection=projection, runtime=runtime, named_by_user=True)

    @property
    def _base(self) -> Path:
        """The folder that ids of files are relative to: the one in which the database lies."""
        return self.path.parent

    def _create(
        self,
        name: str,
        model: str | Encoder | None,
        overflow: Overflow | None,
        chunker: Chunker | str | None,
        runtime: str | None,
    ) -> Collection:
        model = DEFAULT_MODEL if model is None else model
        encoder = (
            encode.load(model, overflow=overflow or DEFAULT_OVERFLOW, runtime=runtime)
            if isinstance(model, str)
            else model
        )
        space = encoder.space
        if overflow is not None and space.overflow != overflow:
            raise SpaceMismatchError(
                f"The encoder has the overflow rule {space.overflow!r}, and {overflow!r} was asked for.",
                fields=("overflow",),
                expected=overflow,
                got=space.overflow,
                where=name,
            )
        if chunker is not None and space.overflow != "chunk":
            raise InputError(
                f"Nothing is cut up where the overflow rule is {space.overflow!r}: leave the chunker out, or take chunk.",
                expected="overflow='chunk'",
                got=space.overflow,
                where="chunker",
            )
        chunker_id = chunker_for(encoder, chunker).id if space.overflow == "chunk" else WHOLE
        probes = canary.settle(self._store, encoder, collection=name)
        with self._store.write() as transaction:
            made = name not in transaction.collection_names()  # another process may have been faster
            if made:
                transaction.create_collection(name, model=encode.name_of(encoder), space=space, chunker=chunker_id)
                transaction.put_canary(space, probes)
                for projection in encode.projections_of(encoder):
                    transaction.put_projection(projection.digest, projection.to_bytes())
        return Collection(self._store, name, base=self._base, encoder=encoder, runtime=runtime, proven=made)

    def drop(self, name: str, *, with_aliases: bool = False) -> int:
        """Delete a collection with all that is in it; return how many records that were.

        Parameters
        ----------
        name : str
            Its own name, no alias.
        with_aliases : bool
            Whether the aliases that stand for it go too. Otherwise they forbid it.

        Raises
        ------
        CollectionNotFoundError
            It is not there.
        ConflictError
            Aliases stand for it, or the name is an alias itself. Nothing is changed.
        """
        name = _checked_name(name)
        with self._store.write() as transaction:
            lane = transaction.lane(name)
            twin = transaction.twin(lane)
            if with_aliases and lane.name == name:
                for alias in [one for one, target in transaction.aliases().items() if target == name]:
                    transaction.drop_alias(alias)
            count = transaction.drop_collection(name)
        for one in (lane, twin):
            if one is not None:
                forget(self._store, one)
        return count

    def snapshot(self, place: str | Path, *, progress: Progress | None = None) -> Taken:
        """Write a snapshot of the database to a place; readers and writers go on meanwhile.

        Parameters
        ----------
        place : str or Path
            A folder, or the URL of an object store: ``s3://``, ``gs://``, ``az://``. One place holds one database.
            What it has already is not written again.
        progress : callable, optional
            Called with (bytes done, bytes of the snapshot).

        Raises
        ------
        ConflictError
            The place holds another database, or another history of this one.
        StoreError, RemoteError
            The disk or the object store refused. There is no snapshot then, and nothing is harmed.
        """
        return take(self._store, place, progress=progress)

    def info(self) -> dict[str, Any]:
        """Return what the database holds: its path, its bytes on disk, and what each collection is."""
        disk_bytes = 0
        for file in self.path.rglob("*"):
            with suppress(FileNotFoundError):  # what is written meanwhile may go
                disk_bytes += file.stat().st_size if file.is_file() else 0
        collections = [Collection(self._store, name, base=self._base).info() for name in self.collections()]
        return {
            "path": str(self.path),
            "disk_bytes": disk_bytes,
            "collections": collections,
            "aliases": self.aliases(),
            "history_days": self.history_days,
        }

    def default_collection(self) -> str:
        """Return the name that is meant when none is said: ``main``, or the only one there is.

        Raises
        ------
        CollectionNotFoundError
            There are none, or several without a ``main``.
        """
        names = self.collections()
        if "main" in names or "main" in self.aliases():
            return "main"
        if len(names) == 1:
            return names[0]
        told = f"It has {', '.join(names)}; say which." if names else "Fill it with: vicinal index PATH"
        raise CollectionNotFoundError(f"{self.path} has no collection 'main'. {told}", where=str(self.path))

    def check(self) -> None:
        """Read everything and compare it with its checksums.

        Raises
        ------
        CorruptStoreError
            Something is damaged; the message names the file.
        """
        self._store.check()

    def close(self) -> None:
        """Close the database; what was written is durable already. Closing twice is no error."""
        stop_upkeep(self._store)
        self._store.close()


def _require_chunker(found: Collection, chunker: Chunker | str | None) -> None:
    """Refuse another chunker than a collection has; ``window`` is that of its model."""
    if chunker is None:
        return
    wanted = chunker_for(found.encoder).id if chunker == WINDOW else chunker_id_of(chunker)
    if wanted != found._chunker_id:  # noqa: SLF001 - of this facade
        raise ConflictError(
            f"Collection {found.name!r} cuts texts up by {found._chunker_id!r}, and {wanted!r} was asked for. "  # noqa: SLF001 - the same
            f"Leave it out, or change it: vicinal migrate {found.name} --chunker {wanted}",
            expected=found._chunker_id,  # noqa: SLF001 - the same
            got=wanted,
            where="chunker",
        )


def _checked_name(name: str) -> str:
    """Return the name of a collection, or say why it is none.

    Raises
    ------
    DtypeError, RangeError
        It is no string, empty, too long, or begins with what is kept for the lanes of migrations.
    """
    name = checked_id(name, "name")
    if name.startswith(BESIDE):
        raise RangeError(f"name must not begin with the control character {BESIDE!r}.", got=name, where="name")
    return name
