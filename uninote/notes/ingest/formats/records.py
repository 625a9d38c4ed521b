"""What readers of every format give: rows by column, each with its place, and rows that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """A row: `values` by column, or null where it cannot be read for the reason `fault`; `text` is the row as it stands.

    `line` is where it begins, `lines` how many lines that hold anything it takes: none are left over. One
    that stands for all the rest of a JSON file takes none.
    """

    line: int
    values: dict[str, Any] | None
    fault: str = ""
    text: str = ""
    lines: int = 1
