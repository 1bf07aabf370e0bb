"""The same work on many items in a few threads, which Ctrl-C and the first error end at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
JOIN_S = 2.0
"""How long the threads are waited for once they were told to stop; what still waits for a name to be looked up is left."""


class StoppedError(Exception):
    """Work was given up because another part of it failed. Never leaves this package."""


def run(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    take: Callable[[Result], None],
    *,
    threads: int,
    stop: Callable[[], None],
) -> None:
    """Do the work on each item and hand each result to ``take``, in the order in which they are ready.

    Parameters
    ----------
    work : callable
        Called in up to ``threads`` threads, with one item each.
    items : iterable
        Gone through by whichever thread is free, under a lock, no faster than the work is done.
    take : callable
        Called in the calling thread.
    threads : int, 1 <= threads
        One item alone is worked on in the calling thread.
    stop : callable
        Called in the calling thread once an error, ``take``'s included, or Ctrl-C ends it early: it must make ``work``
        return soon.

    Raises
    ------
    Exception
        The first that ``work`` or ``items`` raised. Nothing is taken afterwards.
    """
    source = iter(items)
    first = list(islice(source, 2))
    if len(first) < 2 or threads == 1:  # noqa: PLR2004 - nothing to do at once
        for item in chain(first, source):
            take(work(item))
        return
    crew = _Crew(work, chain(first, source), threads)
    try:
        for result in crew.results():
            take(result)
    except BaseException:
        crew.stopped.set()
        stop()
        crew.join(JOIN_S)
        raise


class _Crew(Generic[Item, Result]):
    """Threads that take items from one source. They are daemons: none can hold up the end of the program."""

    def __init__(self, work: Callable[[Item], Result], source: Iterator[Item], threads: int) -> None:
        self.stopped = threading.Event()
        self._work = work
        self._source = source
        self._guard = threading.Lock()
        self._ready: queue.SimpleQueue[tuple[Result] | BaseException | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._labour, name=f"vicinal-provider-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[Result]:
        """Go through the results as they come."""
        left = len(self._threads)
        while left:
            got = self._ready.get()
            if got is None:
                left -= 1
            elif isinstance(got, BaseException):
                raise got
            else:
                yield got[0]

    def join(self, seconds: float) -> None:
        """Wait for the threads, all of them together so long at most."""
        for thread in self._threads:
            thread.join(seconds / len(self._threads))

    def _labour(self) -> None:
        """Work until there is no item left, or an error."""
        try:
            while not self.stopped.is_set():
                with self._guard:
                    taken = list(islice(self._source, 1))
                if not taken:
                    break
                self._ready.put((self._work(taken[0]),))
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            self._ready.put(error)
        self._ready.put(None)
