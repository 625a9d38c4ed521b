"""The answers of one person, a line of JSON each, in a file that is written after every answer.

Asking goes on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uninote.confidence.judged_pairs import Pair
from uninote.judgments.drawing import DrawnPair
from uninote.judgments.stored import JudgmentError

Line = dict[str, Any]


@dataclass(frozen=True)
class Draw:
    """Which pairs are asked for: of a `table` in a `release` of a `generation`, and who answers. A judge may be null."""

    table: str
    release: int
    generation: str
    source: str
    judge: str | None

    def line(self, pair: DrawnPair, relevant: bool | None) -> Line:
        """Return an answer, as files of judgments have it; `relevant` null: skipped."""
        return {
            "a": pair.a,
            "b": pair.b,
            "relevant": relevant,
            "source": self.source,
            "release": self.release,
            "generation": self.generation,
            "table": self.table,
            "rank": pair.rank,
            "probability": pair.probability,
            "judge": self.judge,
            "judged_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }


@dataclass
class AnswerFile:
    """The answers so far, in order. Raises JudgmentError where the file is of other pairs, or no file of answers."""

    path: Path
    draw: Draw
    lines: list[Line] = field(default_factory=list)
    kept: int = 0  # lines of earlier times, which may be in the lake already and are not taken back

    def __post_init__(self) -> None:
        if self.path.exists():
            try:
                lines = self.path.read_text(encoding="utf-8").split("\n")
                self.lines = [json.loads(line) for line in lines if line.strip()]
            except ValueError as error:
                raise JudgmentError(
                    f"{self.path} holds no answers ({error}); name another file with --answers"
                ) from error
        if any(not self._is_ours(line) for line in self.lines):
            raise JudgmentError(
                f"{self.path} has lines that are no answers to pairs of this table, release and source; import them with "
                "`uninote judge --import`, and name another file with --answers"
            )
        self.kept = len(self.lines)

    def _is_ours(self, line: Any) -> bool:
        if not isinstance(line, Mapping) or not all(isinstance(line.get(side), (str, int)) for side in ("a", "b")):
            return False
        ours = {"table": self.draw.table, "release": self.draw.release, "source": self.draw.source}
        return all(line.get(name) == value for name, value in ours.items())

    def pairs(self) -> set[Pair]:
        """Return the pairs that were answered or skipped."""
        return {(line["a"], line["b"]) for line in self.lines}

    def add(self, pair: DrawnPair, relevant: bool | None) -> None:
        """Write an answer down; null: skipped."""
        self.lines.append(self.draw.line(pair, relevant))
        self._write()

    def undo(self) -> Line | None:
        """Take the last answer of this time back and return it, null where there is none."""
        if len(self.lines) == self.kept:
            return None
        last = self.lines.pop()
        self._write()
        return last

    def _write(self) -> None:
        # Replaced as a whole: a process that is killed leaves the answers of before, or these.
        beside = self.path.with_name(f".{self.path.name}.new")
        beside.write_text("".join(f"{json.dumps(line)}\n" for line in self.lines), encoding="utf-8")
        os.replace(beside, self.path)
