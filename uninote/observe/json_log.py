"""One line of JSON on stderr at the end of each stage and of the run, for whoever collects logs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uninote.observe.records import RunEnd, RunStart, StageEnd, iso, now
from uninote.redaction import redact_value
from uninote.terminal import write


class JsonLog:
    """Writes lines among those for people: each is one object, and begins with `{"event"`."""

    key = "observe.log"

    def run_started(self, run: RunStart) -> None:
        """Write nothing: a line is the end of something."""

    def run_was_killed(self, run: RunStart, stage: str) -> None:
        """Write the line of an earlier run, which had none: nobody knows by which code it ended."""
        _write("run", run, {"state": "killed", "stage": stage or None})

    def stage_started(self, run: RunStart, stage: str, at: datetime) -> None:
        """Write nothing."""

    def stage_ended(self, run: RunStart, end: StageEnd) -> None:
        """Write the line of a stage."""
        values = {"stage": end.stage, "state": end.state, "seconds": round(end.seconds, 3), "counts": end.counts}
        _write("stage", run, values | {"error": end.error})

    def run_ended(self, run: RunStart, end: RunEnd) -> None:
        """Write the line of the run."""
        state = "failed" if end.exit_code else "done"
        values = {"state": state, "seconds": round(end.seconds, 3), "exit_code": end.exit_code, "error": end.error}
        _write("run", run, values)


def _write(event: str, run: RunStart, values: Mapping[str, Any]) -> None:
    whole = {"event": event, "time": iso(now()), "run_id": run.run_id, "job": run.job, "lake": run.lake, **values}
    # Texts are redacted one by one: what is no secret must stay JSON.
    safe = {name: redact_value(name, value) for name, value in whole.items()}
    write(sys.stderr, json.dumps(safe) + "\n")
