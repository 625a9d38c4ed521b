"""What happens below a lake while a job runs: new paths, commits, new tables, and paths that go, as they do."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

PERIOD_S = 0.005
COMMIT = re.compile(r"/_delta_log/\d{20}\.json$")
PROGRESS = "progress.json"


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


def stage_in(lake: Path) -> str:
    """Return the stage that the newest job of a lake is in, as its progress file says; empty between stages."""
    try:
        found: str = json.loads((lake / PROGRESS).read_bytes())["stage"]
    except (OSError, ValueError):
        return ""
    return found


class Watcher:
    """Counts, by kind, what appears below `root` or goes from there ("removal"), and tells `seen` of each, in its own thread.

    Each kind is counted as a whole and by stage, as "commit in embed"; "begin in embed" is that stage itself.
    """

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
        stage = stage_in(self._root)
        if stage and not self._counts[f"begin in {stage}"]:
            self._count(("begin",), stage)
        found = set(_paths(self._root))
        for path in sorted(found - self._known):
            self._count(kinds_of(path), stage)
        for _ in self._known - found:
            self._count(("removal",), stage)
        self._known = found

    def _count(self, kinds: Iterable[str], stage: str) -> None:
        for kind in kinds:
            self._counts.update((kind, f"{kind} in {stage}"))
        self._seen(self._counts)


def _paths(root: Path) -> Iterator[str]:
    """Yield every path below `root`, checksum files and the progress file apart; what vanishes meanwhile is left out."""
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if not entry.name.endswith(".crc") and PROGRESS not in entry.name:
                    yield entry.path
                    if entry.is_dir(follow_symlinks=False):
                        yield from _paths(Path(entry.path))
    except OSError:
        return
