"""Progress on stderr while a stage runs: rows done of all, rate, time left."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import Accumulator, SparkContext

from uninote.redaction import redact
from uninote.terminal import write

PERIOD_S = 5.0
DESCRIPTION = "spark.job.description"


def say(text: str) -> None:
    """Write one line for people, without secrets and control characters; stdout is kept for the summary."""
    write(sys.stderr, f"{redact(text)}\n")


@contextmanager
def described(context: SparkContext, label: str) -> Iterator[None]:
    """Let the web UI say what runs: the description of all Spark jobs begun within, unless a narrower one is set."""
    before = context.getLocalProperty(DESCRIPTION)
    context.setLocalProperty(DESCRIPTION, label)
    try:
        yield
    finally:
        context.setLocalProperty(DESCRIPTION, before)  # type: ignore[arg-type]


@contextmanager
def watched(context: SparkContext, label: str, total: int) -> Iterator[Accumulator[int]]:
    """Yield a counter that executors add finished rows to, and print its state every few seconds.

    Spark reports counters when a task ends, and again for a task that is repeated: progress, not accounting. `label` is
    also the description of the Spark jobs, so that the web UI says what runs.
    """
    done = context.accumulator(0)
    stop = threading.Event()
    started = time.monotonic()

    def report() -> None:
        while not stop.wait(PERIOD_S):
            say(_line(label, min(done.value, total), total, time.monotonic() - started))

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        with described(context, label):
            yield done
    finally:
        stop.set()
        thread.join()
    say(_line(label, min(done.value, total), total, time.monotonic() - started))


def _line(label: str, done: int, total: int, seconds: float) -> str:
    rate = done / seconds if seconds else 0.0
    left = f", {(total - done) / rate:,.0f} s left" if 0 < done < total and rate else ""
    return f"{label}: {done:,} / {total:,} in {seconds:,.0f} s ({rate:,.1f}/s{left})"
