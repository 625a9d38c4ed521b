"""Work done ahead in threads, in order and within bounds, so that fetching and computing overlap."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_END = object()


def map_ahead(pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    """Yield work(item) in order, with at most `ahead` items begun or done but not yet taken. Errors of `work` are raised."""
    begun: deque[Future[Result]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def run_ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield `items`, made in a thread of their own, one item ahead. What making them raises is raised here.

    When this generator is closed early, the thread ends after the item it is making.
    """
    # One made and one waiting: more would hold the images of another window in memory.
    made: queue.Queue[object] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def put(value: object) -> bool:
        while not stop.is_set():
            try:
                # Not for ever: a reader that stopped takes nothing more, and the thread has to end.
                made.put(value, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            if all(put(item) for item in items):
                put(_END)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
