"""How far a join of rows in memory has come, reported to whoever watches: it may take minutes, and ends all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watch = Callable[[float], None]  # gets the share that is done, 0 to 1
_watches: list[Watch] = []


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Let `watch` know how far the joins have come that this process runs within."""
    _watches.append(watch)
    try:
        yield
    finally:
        _watches.remove(watch)


def came_to(share: float) -> None:
    """Report how much of a join is done, of the most that it may take: it may end sooner."""
    for watch in _watches:
        watch(share)


def ignore(share: float) -> None:
    """Report nothing: for what is a small part of a join."""


def part_of_join(number: int, parts: int) -> Watch:
    """Return what reports the share of one of a join's parts, numbered from 0, as a share of the join."""
    return lambda share: came_to((number + share) / parts)


class RowsDone:
    """Counts the `rows` of a cell, each once, as its tables are made; `count` gets the rows that are new."""

    def __init__(self, rows: int, tables: int, count: Callable[[int], None]) -> None:
        self._rows = rows
        self._tables = tables
        self._count = count
        self._counted = 0

    def reach(self, tables: float) -> None:
        """Count up to so many tables, the last one in part; never back."""
        rows = int(self._rows * min(1.0, tables / self._tables) + 1e-9)
        if rows > self._counted:
            self._count(rows - self._counted)
            self._counted = rows

    def within(self, table: int) -> Watch:
        """Return what counts a join of the table of that number, from 0 on."""
        return lambda share: self.reach(table + share)
