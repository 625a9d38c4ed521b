"""What happens below a lake while a job runs: new paths, commits and new tables, as they appear."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

PERIOD_S = 0.005
COMMIT = re.compile(r"/_delta_log/\d{20}\.json$")
KINDS = ("path", "commit", "table")


def kinds_of(path: str) -> Iterator[str]:
    """Yield what the appearance of a path is: always a path; a commit, of any table and of that one; a new table."""
    yield "path"
    if COMMIT.search(path):
        yield "commit"
        yield f"commit of {table_of(path)}"
    if path.endswith("/_delta_log"):
        yield "table"


def table_of(path: str) -> str:
    """Return the last name of the table that a path of a log belongs to."""
    return Path(path.partition("/_delta_log")[0]).name


class Watcher:
    """Counts, by kind, what appears below `root`, and tells `seen` of every new path in the thread that found it."""

    def __init__(self, root: Path, seen: Callable[[Counter[str]], None] = lambda counts: None) -> None:
        self._root = root
        self._seen = seen
        self._known = set(_paths(root))
        self._counts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def counts(self) -> dict[str, int]:
        """Return how many there were of each kind."""
        return dict(self._counts)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._look()
            time.sleep(PERIOD_S)
        self._look()

    def _look(self) -> None:
        for path in sorted(set(_paths(self._root)) - self._known):
            self._known.add(path)
            self._counts.update(kinds_of(path))
            self._seen(self._counts)


def _paths(root: Path) -> Iterator[str]:
    """Yield every path below `root`, checksum files apart; what vanishes meanwhile is left out."""
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if not entry.name.endswith(".crc"):
                    yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        yield from _paths(Path(entry.path))
    except OSError:
        return
