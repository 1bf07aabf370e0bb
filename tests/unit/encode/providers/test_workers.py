"""The same work in a few threads: all of it done, or given up at once."""

from __future__ import annotations

import threading

import pytest

from vicinal.encode.providers import workers


def _threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("vicinal-provider")]


def test_every_item_is_worked_on_once_and_taken_here():
    """Whatever the order, and in no more threads than allowed."""
    taken, at_work, most, guard = [], 0, 0, threading.Lock()
    together = threading.Barrier(3, timeout=5)

    def work(item):
        nonlocal at_work, most
        with guard:
            at_work += 1
            most = max(most, at_work)
        together.wait()
        with guard:
            at_work -= 1
        return item, threading.current_thread()

    workers.run(work, range(30), taken.append, threads=3, stop=lambda: None)
    assert sorted(item for item, _ in taken) == list(range(30))
    assert most == 3
    assert threading.current_thread() not in {thread for _, thread in taken}


def test_one_item_is_worked_on_here():
    """No thread is started for it."""
    taken = []
    workers.run(lambda _: threading.current_thread(), [1], taken.append, threads=4, stop=lambda: None)
    assert taken == [threading.current_thread()]


@pytest.mark.parametrize("guilty", ["work", "items", "take"])
def test_the_first_error_ends_it(guilty):
    """Wherever it is raised: the rest is told to stop, the threads end, and the error arrives here."""
    released = threading.Event()

    def items():
        yield from range(4)
        if guilty == "items":
            raise KeyError(guilty)
        yield from range(4, 100)

    def work(item):
        if item == 3 and guilty == "work":
            raise KeyError(guilty)
        if item > 5:
            released.wait(10)
        return item

    def take(_):
        if guilty == "take":
            raise KeyError(guilty)

    with pytest.raises(KeyError, match=guilty):
        workers.run(work, items(), take, threads=3, stop=released.set)
    assert released.is_set()
    assert not [thread for thread in _threads() if thread.is_alive()]


def test_work_that_was_given_up_raises_nothing_more():
    """StoppedError of a thread that saw the end is no error of the call."""

    def work(item):
        if item:
            raise workers.StoppedError
        return item

    taken = []
    workers.run(work, [0, 1, 1], taken.append, threads=2, stop=lambda: None)
    assert taken in ([0], [])
