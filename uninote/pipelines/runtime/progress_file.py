"""`progress.json` in a lake: what its newest job is doing, for programs that watch it.

The file is replaced as a whole, every five seconds and whenever something begins or ends. docs/operations.md says what is in
it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from uninote.storage import lake_files

FILE = "progress.json"
PERIOD_S = 5.0

_NOTHING = {"doing": "", "done": None, "total": None, "rows_per_s": None, "seconds_left": None}
_open: ProgressFile | None = None  # of the job that this process runs


class ProgressFile:
    """The values of the file of one job. Methods may be called from any thread."""

    def __init__(self, path: str, job: str, run_id: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._started = time.time()
        self._values: dict[str, Any] = {
            "run_id": run_id,
            "job": job,
            "state": "running",
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": _now(),
            "stage": "",
            "stages": {},
            **_NOTHING,
        }

    def update(self, **values: Any) -> None:
        """Change some values, and write the file. A file that cannot be written is not worth failing for."""
        with self._lock:
            self._values.update(values)
            self._values |= {"updated_at": _now(), "seconds": round(time.time() - self._started, 1)}
            text = json.dumps(self._values, indent=1) + "\n"
            with suppress(OSError):
                if lake_files.is_folder(lake_files.parent(self._path)):
                    lake_files.write(self._path, text.encode(), synced=False)

    def end_stage(self, stage: str, seconds: float) -> None:
        """Note what a stage took."""
        self.update(stage="", stages={**self._values["stages"], stage: round(seconds, 1)}, **_NOTHING)


@contextmanager
def progress_file(lake: str, job: str, run_id: str) -> Iterator[None]:
    """Keep the file of a job up to date while it runs; at its end `state` is done or failed.

    A job that was killed leaves "running", and an `updated_at` that grows old. A lake that is not there yet gets its file when
    its folder is made.
    """
    global _open
    _open = opened = ProgressFile(lake_files.join(lake, FILE), job, run_id)
    stop = threading.Event()

    def beat() -> None:
        # Written again although nothing changed: by its time a reader sees that the job is alive.
        while not stop.wait(PERIOD_S):
            opened.update()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    state = "failed"
    try:
        opened.update()
        yield
        state = "done"
    finally:
        stop.set()
        thread.join()
        _open = None
        opened.update(state=state, stage="", **_NOTHING)


def unended(lake: str) -> dict[str, Any] | None:
    """Return the values of a lake's newest job where that has not said that it ended; null where it has, or there is none."""
    try:
        values = dict(json.loads(lake_files.read_or_none(lake_files.join(lake, FILE)) or b"{}"))
    except ValueError:
        return None
    return values if values.get("state") == "running" else None


def publish(**values: Any) -> None:
    """Change values of the file of the job that this process runs, if it runs one."""
    if _open is not None:
        _open.update(**values)


def publish_stage(stage: str, seconds: float) -> None:
    """Note what a stage took, if this process runs a job."""
    if _open is not None:
        _open.end_stage(stage, seconds)


def publish_nothing() -> None:
    """Say that what was being done has ended."""
    publish(**_NOTHING)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
