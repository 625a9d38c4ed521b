"""A job as a process of its own, killed in whole or in part the moment something appears in its lake."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from watching import Watcher

ROOT = Path(__file__).parent.parent.parent
AHEAD = Path(__file__).parent / "ahead"  # a sitecustomize.py whose clock is an hour ahead
VICTIMS = ("group", "driver", "jvm", "worker")
NO_WRITES = "no writes of "  # before a victim: it lives, and its files can grow no more
PATIENCE_S = 300


@dataclass(frozen=True)
class Moment:
    """When to kill: once so many things of this kind have appeared, and some seconds later."""

    kind: str
    count: int
    delay_s: float


class Job:
    """A stage's job script, in a session of its own so that all its processes can be found."""

    def __init__(self, stage: str, arguments: list[str], log: Path, is_ahead: bool) -> None:
        path = os.pathsep.join([str(AHEAD)] * is_ahead + [str(ROOT)])
        # Another process writes the log: those of the job may lose the right to.
        self._log = subprocess.Popen(["tee", str(log)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert self._log.stdin is not None
        with self._log.stdin as out:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "jobs" / f"{stage}.py"), *arguments],
                start_new_session=True,
                stdout=out,
                stderr=out,
                env=os.environ | {"PYTHONPATH": path},
            )

    def kill(self, victim: str) -> bool:
        """Kill one part of it, or all, or let its writes fail from now on; says whether there was one to strike."""
        pids = self._pids(victim.removeprefix(NO_WRITES))
        for pid in pids:
            try:
                if victim.startswith(NO_WRITES):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
                else:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return bool(pids)

    def is_running(self) -> bool:
        """Say whether the driver has not ended yet."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Return the exit code once no process of it is left: a JVM without its driver needs a while to notice."""
        code = self._process.wait(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while _session(self._process.pid):
            assert time.monotonic() < deadline, "processes of a job outlive it"
            time.sleep(0.1)
        self._log.wait(PATIENCE_S)
        return code

    def _pids(self, victim: str) -> list[int]:
        commands = _session(self._process.pid)
        if victim == "group":
            return list(commands)
        if victim == "driver":
            return [self._process.pid]
        if victim == "jvm":
            return [pid for pid, command in commands.items() if Path(command.split("\0")[0]).name == "java"]
        workers = [pid for pid, command in commands.items() if "udfs.daemon" in command]
        return workers[-1:]  # the newest: a worker where there is one, else what starts them


def killed_run(job: Job, lake: Path, victim: str, moment: Moment) -> bool:
    """Let the job run until it ends, killing `victim` at `moment`; says whether it was killed."""
    hit = []

    def seen(counts: Counter[str]) -> None:
        if not hit and counts[moment.kind] >= moment.count:
            time.sleep(moment.delay_s)
            deadline = time.monotonic() + PATIENCE_S
            while not job.kill(victim) and job.is_running() and time.monotonic() < deadline:
                time.sleep(0.005)  # a worker starts when the next task does
            hit.append(moment)

    with Watcher(lake, seen):
        code = job.wait()
    return bool(hit) and (victim == "worker" or code != 0)


def _session(leader: int) -> dict[int, str]:
    """Return the command lines, by pid ascending, of the live processes of the session that `leader` began."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == leader and state != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
    return dict(sorted(found.items()))
