"""One JSON line for each logged step, in a file that a resumed run continues."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Log:
    """Appends lines to `path`; those of steps past `step`, which a resumed run takes again, are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        earlier = []
        for line in path.read_text().splitlines() if path.exists() else []:
            # What comes after the step that training goes on from will be written again.
            if _step_of(line) <= step:
                earlier.append(f"{line}\n")
        path.write_text("".join(earlier))

    def write(self, values: Mapping[str, Any]) -> None:
        """Append one line."""
        with self._path.open("a") as lines:
            lines.write(json.dumps(values) + "\n")


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        # A line that was cut short by a kill is of no step.
        return float("inf")
