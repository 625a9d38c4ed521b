"""How fast rows are finished, and how long the rest will take."""

from __future__ import annotations

from collections import deque


class Pace:
    """The pace of `total` rows, 0 where nobody knows how many, from counts seen at times in seconds of one clock.

    Rows come in steps: a task reports a batch when it is done. The rate is that of the later half of what is done, from step
    to step, so that neither the start of workers, nor loading a model, nor tasks that begin one after the other, nor the wait
    for the next step count as work. Of a falling rate it is the later, lower one.
    """

    def __init__(self, total: int, started: float) -> None:
        self.total = total
        self.done = 0
        self._started = started
        # (time, rows): the step at or below half of what is done, and those after it.
        self._steps: deque[tuple[float, int]] = deque()

    def saw(self, done: int, now: float) -> None:
        """Note how many rows are done, `total` at most."""
        done = min(done, self.total) if self.total else done
        if done <= self.done:
            return
        self.done = done
        self._steps.append((now, done))
        # Half of what is done only grows, so what lies before it is never asked for again.
        while len(self._steps) > 2 and 2 * self._steps[1][1] <= done:
            self._steps.popleft()

    @property
    def rate(self) -> float:
        """Rows a second; 0 before the first are done."""
        if not self._steps:
            return 0.0
        first, before = self._steps[0]
        last, done = self._steps[-1]
        if done > before:
            return (done - before) / max(last - first, 1e-9)
        return done / max(last - self._started, 1e-9)

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at that rate; null before two steps, as the first is mostly its start."""
        if not self.total or len(self._steps) < 2:
            return None
        return max(0.0, (self.total - self.done) / self.rate - (now - self._steps[-1][0]))
