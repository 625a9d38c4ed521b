"""How much memory and computing the processes of a run take together, watched while it runs."""

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

    Pages that several processes share are divided among them (Linux' Pss), so the sum counts each once. `cpu_s` is what all
    have computed so far, those that have ended too, but for their last PERIOD_S: Spark ends idle workers without waiting for
    them, and whatever is asked at the end alone misses their part.
    """

    def __init__(self) -> None:
        self.all_mib = 0.0
        self.driver_mib = 0.0
        self.jvm_mib = 0.0
        self.worker_mib = 0.0
        self._ticks: dict[tuple[int, str], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        # What processes computed before is counted from the start, or the first stage would seem to have done it.
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """CPU-seconds, of user and system."""
        return sum(list(self._ticks.values())) / os.sysconf("SC_CLK_TCK")

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self._look()

    def _look(self) -> None:
        self._count(os.getpid())
        driver = shared_mib(os.getpid())
        self.driver_mib = max(self.driver_mib, driver)
        total = driver
        for pid, command in descendants(os.getpid()):
            self._count(pid)
            used = shared_mib(pid)
            total += used
            if "udfs.daemon" in command:
                self.worker_mib = max(self.worker_mib, used)
            elif "java" in command:
                self.jvm_mib = max(self.jvm_mib, used)
        self.all_mib = max(self.all_mib, total)

    def _count(self, pid: int) -> None:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return
        # With the time of its start: a number may be given to another process.
        self._ticks[pid, fields[19]] = int(fields[11]) + int(fields[12])


def shared_mib(pid: int) -> float:
    """Return the memory of a process, shared pages divided among those that share them; 0 once it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
