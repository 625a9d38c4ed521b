"""How much memory the processes of a run take together, watched while it runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from processes import descendants

PERIOD_S = 0.5


class Watch:
    """The most memory seen, in MiB: of all processes together, of this one, of the JVM, and of one Python worker.

    Pages that several processes share are divided among them (Linux' Pss), so the sum counts each once.
    """

    def __init__(self) -> None:
        self.all_mib = 0.0
        self.driver_mib = 0.0
        self.jvm_mib = 0.0
        self.worker_mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._look()

    def _look(self) -> None:
        driver = shared_mib(os.getpid())
        self.driver_mib = max(self.driver_mib, driver)
        total = driver
        for pid, command in descendants(os.getpid()):
            used = shared_mib(pid)
            total += used
            if "pyspark.daemon" in command:
                self.worker_mib = max(self.worker_mib, used)
            elif "java" in command:
                self.jvm_mib = max(self.jvm_mib, used)
        self.all_mib = max(self.all_mib, total)


def shared_mib(pid: int) -> float:
    """Return the memory of a process, shared pages divided among those that share them; 0 once it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
