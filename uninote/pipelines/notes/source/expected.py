"""What is known of a source before a row of it is read, and the check of what was then read against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import DataFrame

from udfs.notes.source_rows import Piece
from uninote.notes.ingest.column_types import NUMBER, TEXT, ColumnTypeError, id_kind
from uninote.notes.ingest.sources import SourceError


@dataclass(frozen=True)
class Expected:
    """What a file must give: so many rows, or rows of so many lines; null where nothing but the reader knows.

    A value of a JSON file that is not by line counts as a line.
    """

    name: str
    rows: int | None = None
    lines: int | None = None

    @property
    def unit(self) -> str:
        """What is counted, for people."""
        return "rows" if self.rows is not None else "lines or values"


Types = Mapping[str, Mapping[pa.DataType, str]]  # column -> each type that it has -> a file in which it has that


@dataclass(frozen=True)
class Inspection:
    """What a source holds, before a row of it is read: `types` of typed columns, `kinds` of the values of others.

    A Delta table has no pieces: Spark reads `table` itself.
    """

    columns: Sequence[str]
    expected: Sequence[Expected]
    pieces: Sequence[Piece] = ()
    types: Types = field(default_factory=dict)
    kinds: Mapping[str, set[str]] = field(default_factory=dict)
    table: DataFrame | None = None

    @property
    def num_expected(self) -> int:
        """Rows that the source must have, or lines or values where nothing but the reader knows its rows; 0 if unknown."""
        total = 0
        for file in self.expected:
            total += file.rows if file.rows is not None else file.lines or 0
        return total

    def types_of(self, column: str) -> list[pa.DataType]:
        """Return the types of a column, but for Arrow's null, which is the type of a column without values."""
        return [kind for kind in self.types.get(column, {}) if not pa.types.is_null(kind)]

    def id_kind(self, column: str) -> str:
        """Return whether the ids in `column` are NUMBER or TEXT: numbers where all are integers of 64 bits.

        Raises ColumnTypeError where they are numbers in one file and text in another: 7 and "007" would be one, or two.
        """
        if not self.types:
            return NUMBER if self.kinds.get(column, {TEXT}) - {"other"} == {NUMBER} else TEXT
        seen: dict[str, str] = {}
        for kind in self.types_of(column):
            seen.setdefault(id_kind(kind), f"{kind} in {self.types[column][kind]}")
        if len(seen) > 1:
            raise ColumnTypeError(
                f"note_id, from the column {column}, is {' and '.join(seen.values())}; write the files with one type"
            )
        return next(iter(seen), TEXT)

    def check(self, found: Mapping[int, tuple[int, int]]) -> None:
        """Raise SourceError unless each file gave the rows, or lines, that it must: file -> (rows, lines)."""
        for number, expected in enumerate(self.expected):
            rows, lines = found.get(number, (0, 0))
            is_by_rows = expected.rows is not None
            wanted = expected.rows if is_by_rows else expected.lines
            got = rows if is_by_rows else lines
            if wanted is None or wanted == got or (not is_by_rows and rows > lines):
                # A row without a line stands for all that follows it in a JSON file and does not parse.
                continue
            raise SourceError(
                f"{expected.name} holds {wanted:,} {expected.unit}, and {got:,} were read. Nothing was written; was the file "
                f"changed meanwhile? Then run again"
            )
