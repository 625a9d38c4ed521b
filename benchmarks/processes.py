"""What processes take: memory of Python workers, CPU-seconds of all, and peers run in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def run_apart(script: Path, *arguments: str, threads: int, python: str = sys.executable) -> dict[str, Any]:
    """Run a script with its arithmetic on `threads`, and return the JSON object on its last line."""
    environment = os.environ | dict.fromkeys(POOLS, str(threads))
    done = subprocess.run([python, str(script), *arguments], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script.name} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


class Peak:
    """The largest resident memory seen, in MiB: of one worker, and of the JVM."""

    worker_mib = 0.0
    jvm_mib = 0.0


@contextmanager
def memory_watched(period_s: float = 0.25) -> Iterator[Peak]:
    """Watch the processes below this one."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(period_s):
            for pid, command in descendants(os.getpid()):
                # Workers are forks of one daemon and keep its command line; each is looked at by itself.
                if "udfs.daemon" in command:
                    peak.worker_mib = max(peak.worker_mib, _resident_mib(pid))
                elif "java" in command:
                    peak.jvm_mib = max(peak.jvm_mib, _resident_mib(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


def descendants(root: int) -> Iterator[tuple[int, str]]:
    """Yield (pid, command line) of the processes that `root` began, directly or not."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name of the command, in brackets, may hold blanks: fields are counted after it.
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
    for pid, command in commands.items():
        above = parents[pid]
        while above not in (0, root) and above in parents:
            above = parents[above]
        if above == root:
            yield pid, command


def cpu_seconds() -> float:
    """Return what this process and all below it have computed so far, those that have ended too."""
    ticks = 0
    for pid in [os.getpid(), *(pid for pid, _ in descendants(os.getpid()))]:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # Of user and system, and the same of children that have ended and been waited for.
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def touch_memory(gib: int) -> None:
    """Write to so much memory, and give it back: a virtual machine may have to ask for it first, a second or more for each GiB.

    Who happens to touch it first would pay, whatever is compared.
    """
    script = f"import numpy; numpy.empty({gib} << 30, numpy.uint8)[::4096] = 1"
    subprocess.run([sys.executable, "-c", script], check=True)


@contextmanager
def phases_counted(phases: Mapping[str, tuple[ModuleType, str]]) -> Iterator[dict[str, float]]:
    """Count the CPU-seconds of some functions, a module and a name each, by the phase that they are."""
    spent: dict[str, float] = defaultdict(float)
    before = {phase: getattr(module, name) for phase, (module, name) in phases.items()}

    def counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            started = cpu_seconds()
            try:
                return work(*arguments, **named)
            finally:
                spent[name] += cpu_seconds() - started

        return run

    for phase, (module, name) in phases.items():
        # Put in the place of the function: the job calls it as it always does.
        setattr(module, name, counted(phase, before[phase]))
    try:
        yield spent
    finally:
        for phase, (module, name) in phases.items():
            setattr(module, name, before[phase])
