"""The time after which a refresh begins nothing more that readers would see."""

from __future__ import annotations

import time

from uninote.errors import UninoteError
from uninote.pipelines.lake.run import Run


class OutOfTimeError(UninoteError):
    """A refresh reached refresh.max_hours before its release was complete."""


def check_deadline(run: Run, left: str) -> None:
    """Raise OutOfTimeError where the run's deadline has passed; `left` says what was not done."""
    if run.deadline is None or time.time() <= run.deadline:
        return
    raise OutOfTimeError(
        f"refresh.max_hours={run.config.refresh.max_hours} are over, and {left}: nothing was published, and readers go on "
        "seeing what they saw. What was done is kept; the next refresh goes on from it"
    )
