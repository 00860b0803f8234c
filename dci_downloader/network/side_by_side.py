"""Several requests at once: on a line with long round trips, the number of waits in turn decides how long all takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

_MOST_THREADS = 8

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Call a function for several items, each in a thread, at most eight at a time.

    An interruption ends the wait at once: the threads are daemons, and their results are dropped.

    Args:
        work: may be called by any thread.
        items: what to call it with; a single one is done in the caller's own thread.

    Returns:
        What each call returned, in the order of the items. Where calls raise, the first error in that order is raised,
        after all have ended.
    """
    items = list(items)
    if len(items) < 2:
        return [work(item) for item in items]
    waiting: SimpleQueue[tuple[Future[_Result], _Item]] = SimpleQueue()
    futures = [Future[_Result]() for _ in items]
    for pair in zip(futures, items):
        waiting.put(pair)

    def do_waiting() -> None:
        while True:
            try:
                future, item = waiting.get_nowait()
            except Empty:
                return
            try:
                future.set_result(work(item))
            except BaseException as error:  # raised anew in the thread that waits
                future.set_exception(error)

    for _ in range(min(len(items), _MOST_THREADS)):
        threading.Thread(target=do_waiting, name="side-by-side", daemon=True).start()
    for future in futures:
        future.exception()  # waits
    return [future.result() for future in futures]
