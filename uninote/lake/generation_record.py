"""What a generation was made with, in `generation.json` in its folder: readers without Spark find its model there too."""

from __future__ import annotations

import json
import re
from typing import Any

from uninote.errors import UninoteError
from uninote.storage import lake_files

RECORD = "generation.json"
LIMITS = "limits"  # in the record: what was set in the place of the model's own limits
ITEMS = "items"
BESIDE = "beside"  # in the record: a further set of vectors, which is no model of the lake
_GENERATION = re.compile("[0-9a-f]{16}")


def read_record(lake: str, generation: str) -> dict[str, Any] | None:
    """Return what a generation was made with: weights, layout, and as a rule kind and checkpoint; null where it has no record.

    Raises UninoteError where the record is damaged.
    """
    path = record_of(lake, generation)
    try:
        text = lake_files.read_or_none(path)
        if text is None:
            return None
        values: dict[str, Any] = json.loads(text)
        if isinstance(values["weights"], str) and isinstance(values["layout"], int):
            return values
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UninoteError(
        f"{path}: not the record of a generation (weights and layout); remove the file, and run jobs/embed.py, which writes it"
    )


def record_of(lake: str, generation: str) -> str:
    """Return where the record of a generation lies."""
    return lake_files.join(lake, generation, RECORD)


def find_generations(lake: str) -> list[str]:
    """Return the generations that hold anything, sorted by name."""
    found = []
    for name in lake_files.folders_in(lake):
        # A layout that was asked for once, by a run that made nothing of it, is not the lake's.
        if _GENERATION.fullmatch(name) and ITEMS in lake_files.folders_in(lake_files.join(lake, name)):
            found.append(name)
    return found


def find_beside(lake: str) -> list[str]:
    """Return the generations that hold further sets of vectors, beside those of the lake's models; sorted by name."""
    return [name for name in find_generations(lake) if (read_record(lake, name) or {}).get(BESIDE)]
