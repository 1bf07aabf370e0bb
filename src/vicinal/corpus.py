"""The verbs of a collection that keep it what its sources are."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vicinal import config, encode
from vicinal._arrays import real_number, whole_number
from vicinal.encode.providers import is_provider
from vicinal.errors import DtypeError, InputError, RangeError, VicinalError
from vicinal.lifecycle.sync import (
    Aside,
    Declared,
    Sources,
    SyncPlan,
    asides,
    declared_sources,
    forget_sources,
    origin_of,
    plan,
    remembered,
    sync,
    watch,
)
from vicinal.lifecycle.sync.sources import Rows, checked_name
from vicinal.lifecycle.verify import MOST_SAMPLED, Finding, Sampled, Verification, verify
from vicinal.opened import Opened
from vicinal.types import Progress, Source, SyncProgress, SyncReport

__all__ = ["Aside", "Corpus", "Declared", "Finding", "SyncPlan", "Verification", "declared_sources", "find_declared"]

EVERY_S = 1.0
"""How often watched files are looked at."""
LEAST_EVERY_S = 0.05
SAMPLE = 16
"""Passages that a verification encodes again where nobody says how many."""
Given = str | Path | Source
FILE_NAME = "vicinal.toml"


def find_declared(start: str | Path = ".") -> Path | None:
    """Return the ``vicinal.toml`` of a folder or of one above it, None without one."""
    here = Path(start).resolve()
    return next((folder / FILE_NAME for folder in (here, *here.parents) if (folder / FILE_NAME).is_file()), None)


class Corpus(Opened):
    """A collection and its sources."""

    def sync(
        self,
        *sources: Given,
        text_field: str | None = None,
        id_field: str | None = None,
        documents: Iterable[Mapping[str, Any]] | None = None,
        name: str | None = None,
        strict: bool = True,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncReport:
        """Make the collection what its sources are: encode what is new or changed, remove what is gone.

        Parameters
        ----------
        *sources : path, str or Source
            Files and folders; ``-`` for standard input, ``pydoc:`` for the documentation of this Python, databases and
            web pages as ``Source`` says. None: those that the collection was made of before.
        text_field, id_field : str, optional
            The column of tables that holds the text, the id; of sources that are no ``Source``.
        documents : iterable of mapping, optional
            Documents that the program gives itself, as ``add`` takes them; together they are all there are.
        name : str, optional
            What these are called in the ledger, ``documents`` by default: those of the same name that do not come again
            are removed.
        strict : bool
            Whether a file or folder that is not there is an error, or a hole that stops nothing else. What the collection
            remembers is never an error.
        progress : callable, optional
            Called with a ``SyncProgress``.

        Returns
        -------
        SyncReport
            ``report.complete`` is false if anything could not be read or encoded; what it was before stays, and the
            next run tries it again.

        Raises
        ------
        NotFoundError
            A source does not exist.
        InputError
            A source says what cannot be, or there is none.
        VicinalError
            The encoder itself does not work. What was committed stays.

        Notes
        -----
        Interrupted anywhere, what was committed stays, and the next call goes on from there. Texts that only moved keep
        their vectors. Cost: reading all sources, and encoding what is stale: its text, its chunker or its space changed.
        """
        given = self._sources(sources, text_field, id_field, documents, name, strict=strict)
        return self._synced(given, progress)

    def plan_sync(
        self,
        *sources: Given,
        text_field: str | None = None,
        id_field: str | None = None,
        documents: Iterable[Mapping[str, Any]] | None = None,
        name: str | None = None,
        strict: bool = True,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> SyncPlan:
        """Return what ``sync`` would do, with its time and its cost. Nothing is written.

        The model is timed with a sample of what it would encode; a provider is not asked, only its cost is told, where
        the price is known (``VICINAL_PRICE_PER_MILLION``).

        Raises
        ------
        NotFoundError, InputError
            As ``sync``.
        """
        self._follow()
        is_remote = self._is_remote()
        return plan(
            self._store,
            self.name,
            self._sources(sources, text_field, id_field, documents, name, strict=strict),
            encoder=self.encoder,
            chunker=self.chunker,
            measured=None if is_remote else encode.uncached(self.encoder),
            price_per_million=config.price_per_million() if is_remote else None,
            progress=progress,
        )

    def watch(
        self,
        *sources: Given,
        text_field: str | None = None,
        id_field: str | None = None,
        every_s: float = EVERY_S,
        strict: bool = True,
        stop: threading.Event | None = None,
        progress: Callable[[SyncProgress], None] | None = None,
    ) -> Generator[SyncReport, None, None]:
        """Sync, and again whenever files of the sources have changed and come to rest; give the report of each time.

        Parameters
        ----------
        *sources, text_field, id_field, strict, progress
            As ``sync``. What lies in no files is read again each time that a file changes. What goes away after the first
            run is a hole, and the watch goes on.
        every_s : float, 0.05 <= every_s
            How long between two looks at the files.
        stop : threading.Event, optional
            Ends it when it is set; closing the iterator does as well.

        Raises
        ------
        InputError
            None of the sources lies in files.
        """
        every_s = real_number(every_s, "every_s")
        if every_s < LEAST_EVERY_S:
            raise RangeError(
                f"every_s must be at least {LEAST_EVERY_S}, got {every_s}.", expected=f">= {LEAST_EVERY_S}", got=every_s
            )
        given = self._sources(sources, text_field, id_field, None, None, strict=strict)
        watched = given.watched()
        if not watched:
            raise InputError("Only files and folders can be watched, and none of the sources is one.", where="sources")
        stopped = stop or threading.Event()
        return self._watched(given, watched, every_s, stopped, progress)

    def _watched(
        self,
        given: Sources,
        watched: Sequence[Source],
        every_s: float,
        stopped: threading.Event,
        progress: Callable[[SyncProgress], None] | None,
    ) -> Generator[SyncReport, None, None]:
        for turn in watch(watched, every_s=every_s, stopped=stopped.is_set, pause=stopped.wait):
            yield self._synced(replace(given, strict=False) if turn else given, progress)

    def _synced(self, given: Sources, progress: Callable[[SyncProgress], None] | None) -> SyncReport:
        self._follow()
        encoder = self.encoder
        return sync(
            self._store,
            self.name,
            given,
            encoder=encoder,
            chunker=self.chunker,
            makers=self._making,
            progress=progress,
        )

    def sources(self) -> tuple[Source, ...]:
        """Return the sources that the collection was made of, without passwords."""
        with self._store.snapshot() as snapshot:
            return tuple(one for ones in remembered(snapshot, snapshot.lane(self.name)).values() for one in ones)

    def forget(self, *sources: Given, name: str | None = None) -> int:
        """Delete the records that only some sources gave, and forget these; return how many records there were.

        For a source that is no longer one: a folder that only moved is synced under its new name first, so that its texts
        keep their vectors.

        Parameters
        ----------
        *sources : path, str or Source
            As they were given to ``sync``. One that is not known is no error.
        name : str, optional
            Of documents that a program gave.
        """
        origins = [origin_of(self._source(one, None, None), self._base) for one in sources]
        if name is not None:
            origins.append(f"{checked_name(name)}:")
        return forget_sources(self._store, self.name, origins)

    def aside(self) -> tuple[Aside, ...]:
        """Return what the last runs could not read, cut up or encode, with the error of each; at most 1,000."""
        with self._store.snapshot() as snapshot:
            return tuple(asides(snapshot, snapshot.lane(self.name))[0])

    def verify(
        self,
        *sources: Given,
        repair: bool = False,
        samples: int | None = None,
        progress: Progress | None = None,
    ) -> Verification:
        """Compare sources, ledger, records, vectors and indexes with one another, both ways.

        Parameters
        ----------
        *sources : path, str or Source
            Beside those that the collection was made of.
        repair : bool
            Whether what can be mended is: texts are encoded again, records without a source deleted, indexes built anew.
        samples : int, 0 <= samples <= 100,000, optional
            How many passages, drawn anew each time, the model encodes again, to be compared with their vectors. Default:
            16 where a model of this machine can be had, else none. Any number is asked for in earnest: of a provider, too.
        progress : callable, optional
            Called with (steps done, steps to do).

        Returns
        -------
        Verification
            ``findings`` names what does not agree, ``mended`` what was done about it, ``left`` what is still wrong.

        Notes
        -----
        Cost: one pass over the database and all sources; beside the sample nothing is encoded unless something is mended.
        """
        given = [self._source(one, None, None) for one in sources]
        return verify(
            self._store,
            self.name,
            Sources(places=tuple(given), base=self._base, strict=False),
            makers=self._making,
            repair=repair,
            sampled=self._sampled(samples),
            progress=progress,
        )

    def _sampled(self, samples: int | None) -> Sampled | None:
        """Return what a verification encodes again; None for nothing."""
        if samples is not None:
            count = whole_number(samples, "samples", low=0, high=MOST_SAMPLED)
        elif is_provider(self.model):
            return None
        else:
            count = SAMPLE
        if not count:
            return None
        try:
            encoder = encode.uncached(self.encoder)
        except VicinalError:
            if samples is not None:
                raise
            return None
        if samples is None and encode.usage_of(encoder) is not None:
            return None
        return Sampled(encoder=encoder, count=count, seed=secrets.randbits(32), is_wanted=samples is not None)

    def _is_remote(self) -> bool:
        """Return whether a provider encodes."""
        return encode.usage_of(self.encoder) is not None

    def _sources(
        self,
        sources: Sequence[Given],
        text_field: str | None,
        id_field: str | None,
        documents: Iterable[Mapping[str, Any]] | None,
        name: str | None,
        *,
        strict: bool,
    ) -> Sources:
        """Return what a run reads, checked."""
        if documents is not None and (
            isinstance(documents, str | bytes | Mapping) or not isinstance(documents, Iterable)
        ):
            raise DtypeError(
                f"documents must be an iterable of mappings, got one {type(documents).__name__}.",
                expected="iterable of mappings",
                got=type(documents).__name__,
                where="documents",
            )
        if name is not None and documents is None:
            raise InputError("A name is for documents that are given with it.", where="name")
        places = tuple(self._source(one, text_field, id_field) for one in sources)
        if not places and documents is None:
            places, strict = self.sources(), False
            if not places:
                raise InputError(
                    "There is no source: name one, such as a folder; the collection remembers it.", where="sources"
                )
        rows = None if documents is None else Rows(name=checked_name(name or "documents"), records=documents)
        return Sources(places=places, base=self._base, rows=rows, strict=strict)

    def _source(self, given: Given, text_field: str | None, id_field: str | None) -> Source:
        """Return a source; a path or a string is one by itself."""
        if isinstance(given, Source):
            return given
        if not isinstance(given, str | Path):
            raise DtypeError(
                f"A source must be a path, a string or a Source, got {type(given).__name__}.",
                expected="str | Path | Source",
                got=type(given).__name__,
                where="sources",
            )
        return Source(place=str(given), text_field=text_field, id_field=id_field)
