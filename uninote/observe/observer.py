"""What an observer is. One that fails may raise anything: whoever calls it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from uninote.observe.records import RunEnd, RunStart, StageEnd


class Observer(Protocol):
    """Is told of a run's start, of each of its stages, and of its end. `key` is the setting that it is configured by."""

    key: str

    def run_started(self, run: RunStart) -> None:
        """A job begins."""

    def run_was_killed(self, run: RunStart, stage: str) -> None:
        """An earlier job was killed, in a stage or, where that is empty, in none, and could tell nobody."""

    def stage_started(self, run: RunStart, stage: str, at: datetime) -> None:
        """A stage begins."""

    def stage_ended(self, run: RunStart, end: StageEnd) -> None:
        """A stage has ended, well or not."""

    def run_ended(self, run: RunStart, end: RunEnd) -> None:
        """A job has ended, well or not."""
