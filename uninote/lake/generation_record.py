"""What a generation was made with, in `generation.json` in its folder: readers without Spark find its model there too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from uninote.errors import UninoteError

RECORD = "generation.json"


def read_record(lake: str, generation: str) -> dict[str, Any] | None:
    """Return what a generation was made with: weights, layout, and as a rule kind and checkpoint; null where it has no record.

    Raises UninoteError where the record is damaged.
    """
    path = Path(lake) / generation / RECORD
    return read_file(path) if path.exists() else None


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a record. Raises UninoteError where it is damaged."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values["weights"], str) and isinstance(values["layout"], int):
            return values
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UninoteError(
        f"{path}: not the record of a generation (weights and layout); remove the file, and run jobs/embed.py, which writes it"
    )
