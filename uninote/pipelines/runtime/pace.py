"""How fast rows are finished, and how long the rest will take."""

from __future__ import annotations


class Pace:
    """The pace of `total` rows, from counts seen at times in seconds of one clock.

    Rows come in steps: a task reports a batch when it is done. The rate is that between the first and the last step, so that
    neither the start of workers, nor loading a model, nor the wait for the next step counts as work.
    """

    def __init__(self, total: int, started: float) -> None:
        self.total = total
        self.done = 0
        self._started = started
        self._first = (started, 0)
        self._last = started

    def saw(self, done: int, now: float) -> None:
        """Note how many rows are done, `total` at most."""
        done = min(done, self.total)
        if done > self.done:
            if self.done == 0:
                self._first = (now, done)
            self.done = done
            self._last = now

    @property
    def rate(self) -> float:
        """Rows a second; 0 before the first are done."""
        time, rows = self._first
        if self.done > rows:
            return (self.done - rows) / max(self._last - time, 1e-9)
        return self.done / max(self._last - self._started, 1e-9) if self.done else 0.0

    def seconds_left(self, now: float) -> float | None:
        """Return how long the rest takes at that rate; null before the first rows are done."""
        if not self.done:
            return None
        return max(0.0, (self.total - self.done) / self.rate - (now - self._last))
