"""What readers ask before they show a note: is it taken down? The list is looked at again once a second at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from uninote.lake.takedowns.orders import FOLDER, KEY, PREFIX, Orders, TakedownError, digest_of, key_in, orders_of
from uninote.storage import lake_files
from uninote.storage.lake_files import join

_PERIOD_S = 1.0
_ATTEMPTS = 10


class Files(Protocol):
    """The files of a lake's folder of takedowns."""

    def names(self) -> list[str]:
        """Return the names that are there, in any order."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content, null where it is not there any more."""


@dataclass(frozen=True)
class InLake:
    """The folder of takedowns of the lake at `lake`."""

    lake: str

    def names(self) -> list[str]:
        """Return the names that are there."""
        return lake_files.names_in(join(self.lake, FOLDER))

    def read(self, name: str) -> bytes | None:
        """Return a file's content, null where it is not there any more."""
        return lake_files.read_or_none(join(self.lake, FOLDER, name))


@dataclass(frozen=True)
class Taken:
    """The notes that are taken down: `names` by their ids as texts, `erased` by keyed hashes of such."""

    names: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    key: bytes = field(default=b"", repr=False)

    @classmethod
    def of(cls, orders: Orders, key: bytes) -> Taken:
        """Return what a list says."""
        names = frozenset(one.note_id for one in orders if one.note_id is not None)
        return cls(names, frozenset(one.digest for one in orders if one.note_id is None), key)

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self.names or self.erased)

    def hides(self, note_id: object) -> bool:
        """Say whether a note is taken down."""
        if str(note_id) in self.names:
            return True
        return bool(self.erased) and digest_of(self.key, note_id) in self.erased


class Watch:
    """The list as readers see it, for use by several threads.

    `on_erased` is called where notes were erased since the reader opened what it reads: it raises an error where that held
    them. Null: nobody can say, so a TakedownError is raised.
    """

    def __init__(self, files: Files, on_erased: Callable[[], None] | None = None) -> None:
        self._files = files
        self._on_erased = on_erased
        self._lock = Lock()
        self._newest = ""
        self._looked = float("-inf")
        self._taken = Taken()
        self._erased_before = self._look().erased

    def now(self) -> Taken:
        """Return the notes that are taken down, as they were a second ago or later. Raises TakedownError."""
        with self._lock:
            taken = self._look()
            if not taken.erased <= self._erased_before:
                self._check_erased()
                self._erased_before = taken.erased
            return taken

    def check(self) -> None:
        """Raise the error of `on_erased` where what the reader reads is gone: for one that finds files missing."""
        if self._on_erased is not None:
            self._on_erased()

    def _look(self) -> Taken:
        now = time.monotonic()
        if now - self._looked >= _PERIOD_S:
            self._read()
            self._looked = now
        return self._taken

    def _read(self) -> None:
        # Between the listing and the reading the newest may have become an old one, and be gone.
        for _ in range(_ATTEMPTS):
            # Names have numbers of one length: the greatest is the newest.
            newest = max((name for name in self._files.names() if name.startswith(PREFIX)), default="")
            if newest <= self._newest:
                return
            content = self._files.read(newest)
            if content is not None:
                self._taken = Taken.of(orders_of(content), key_in(self._files.read(KEY), KEY))
                self._newest = newest
                return
        raise TakedownError("the list of takedowns changes faster than it can be read; try again")

    def _check_erased(self) -> None:
        if self._on_erased is None:
            raise TakedownError("notes were taken down and erased since this was opened; open it again")
        self._on_erased()


def taken_down(lake: str) -> Taken:
    """Return the notes of the lake at `lake` that are taken down now. Raises TakedownError where the list is damaged."""
    return Watch(InLake(lake)).now()
