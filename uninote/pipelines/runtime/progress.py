"""Progress on stderr while a stage runs: what it is doing, rows done of all, rate, time left; the same in `progress.json`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import SparkContext

from udfs.row_reports import RowCount
from uninote.pipelines.runtime.pace import Pace
from uninote.pipelines.runtime.progress_file import publish, publish_nothing
from uninote.pipelines.runtime.row_listener import RowListener, host_of
from uninote.terminal import say as say

PERIOD_S = 5.0
# How often counts are looked at between two lines, so that steps are seen when they come.
LOOK_S = 0.5
SLOW_S = 2.0  # a step that takes longer is announced
DESCRIPTION = "spark.job.description"


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
def step(label: str) -> Iterator[None]:
    """Say how long something without rows took; one that takes longer than a moment is announced as well."""
    started = time.monotonic()
    # Said at once only of a step that takes long: of the others one line, with their time, is enough.
    announced = threading.Timer(SLOW_S, say, (f"{label} …",))
    announced.daemon = True
    announced.start()
    publish(doing=label)
    try:
        yield
    finally:
        announced.cancel()
        publish_nothing()
    say(f"{label}: {time.monotonic() - started:,.1f} s")


@contextmanager
def watched(context: SparkContext, label: str, total: int) -> Iterator[RowCount]:
    """Yield a counter that executors add finished rows to, and print its state every few seconds.

    Tasks report rows while they run; what is lost of that is in Spark's own counter once a task ends. A task that is repeated
    counts again there: progress, not accounting. `label` is also the description of the Spark jobs, so that the web UI says
    what runs.
    """
    counter = context.accumulator(0)
    stop = threading.Event()
    started = time.monotonic()
    pace = Pace(total, started)

    def look() -> None:
        # Spark's counter comes when a task ends, the listener's while it runs: the larger is the newer.
        pace.saw(max(counter.value, listener.rows), time.monotonic())

    def report() -> None:
        spoken = started
        while not stop.wait(LOOK_S):
            look()
            now = time.monotonic()
            if now - spoken >= PERIOD_S:
                spoken = now
                say(line(label, pace, now - started, pace.seconds_left(now)))
                _publish(label, pace, now)

    thread = threading.Thread(target=report, daemon=True)
    with RowListener(host_of(context)) as listener, described(context, label):
        _publish(label, pace, started)
        thread.start()
        try:
            yield RowCount(counter.add, listener.address, listener.token)
        finally:
            stop.set()
            thread.join()
            publish_nothing()
    look()
    say(line(label, pace, time.monotonic() - started, None))


def line(label: str, pace: Pace, seconds: float, left: float | None) -> str:
    """Return the line that says where a stage stands after so many seconds; `left` null leaves that out."""
    rest = f", about {left:,.0f} s left" if left is not None and pace.done < pace.total else ""
    of_all = f" / {pace.total:,} ({pace.done / pace.total:.0%})" if pace.total else ""
    rate = pace.done / seconds if seconds else 0.0
    return f"{label}: {pace.done:,}{of_all} in {seconds:,.0f} s, {rate:,.1f}/s{rest}"


def _publish(label: str, pace: Pace, now: float) -> None:
    left = pace.seconds_left(now)
    publish(
        doing=label,
        done=pace.done,
        total=pace.total or None,
        rows_per_s=round(pace.rate, 2),
        seconds_left=None if left is None else round(left, 1),
    )
