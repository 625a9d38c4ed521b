"""Notes out of the rows of any source, and rows that are none with the reason why: the one place where either is decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from uninote.notes.ingest.column_types import NUMBER, TEXTS
from uninote.notes.ingest.fields import FieldError, id_number, id_text, text_of, topics_of
from uninote.notes.ingest.image_fields import images_of
from uninote.notes.ingest.list_text import Exists
from uninote.notes.ingest.times import TimeError, micros
from uninote.redaction import redact

UNREADABLE = "row_unreadable"
NO_ID = "note_id_missing"
SHOWN = 2000

# What goes with each row beside its note: why it is none, where it came from, and what it holds that is not read.
REASON = "_reason"
MESSAGE = "_message"
FILE = "_file"
LINES = "_lines"
TIME_UNREADABLE = "_time_unreadable"
_ACCOUNT = (
    pa.field(REASON, pa.string()),
    pa.field(MESSAGE, pa.string()),
    pa.field(FILE, pa.int64()),
    pa.field(LINES, pa.int64()),
    pa.field(TIME_UNREADABLE, pa.bool_()),
)


def rows_schema(notes: pa.Schema) -> pa.Schema:
    """Return the columns of the notes table and those of the account."""
    return pa.schema([*notes, *_ACCOUNT])


@dataclass(frozen=True)
class FieldRules:
    """How fields are made: which column each is in, whether ids are numbers, and which image names are files."""

    mapping: Mapping[str, str]
    id_kind: str
    exists: Exists

    def values_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return field -> value of a row by column."""
        return {field: row.get(column) for field, column in self.mapping.items()}


class RowBatch:
    """Rows to be, column by column: some are notes, some are not; `place` says where a row stands, for people."""

    def __init__(self, rules: FieldRules, schema: pa.Schema, file: int) -> None:
        self._rules = rules
        self._schema = schema
        self._file = file
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    def __len__(self) -> int:
        return len(self._columns[FILE])

    def add(self, values: Mapping[str, Any], place: str, text: str | None = None, lines: int = 1) -> None:
        """Add a row of field -> value: a note, or why it is none."""
        try:
            note, time_unreadable = _note(values, self._rules)
        except FieldError as error:
            self.add_fault(UNREADABLE, f"{place}: {error}", lines)
            return
        if note["note_id"] is None:
            shown = text if text is not None else json.dumps(values, default=_brief, ensure_ascii=False)
            self.add_fault(NO_ID, f"{place}: {shown}", lines)
            return
        self._append(note | {FILE: self._file, LINES: lines, TIME_UNREADABLE: time_unreadable})

    def add_fault(self, reason: str, message: str, lines: int = 1) -> None:
        """Add a row that is no note; what its message quotes of the row holds no secret."""
        shown = redact(message[:SHOWN].encode("utf-8", "replace").decode())
        self._append({REASON: reason, MESSAGE: shown, FILE: self._file, LINES: lines, TIME_UNREADABLE: False})

    def to_arrow(self) -> pa.RecordBatch:
        """Return the rows."""
        arrays = []
        for field in self._schema:
            arrays.append(_array(self._columns[field.name], field.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _append(self, row: Mapping[str, Any]) -> None:
        for name, column in self._columns.items():
            column.append(row.get(name))


def _note(values: Mapping[str, Any], rules: FieldRules) -> tuple[dict[str, Any], bool]:
    """Return the fields of a note, and whether it has a time that cannot be read, which costs nothing but the time."""
    note: dict[str, Any] = {}
    for name in TEXTS:
        if values.get(name) is not None:
            note[name] = text_of(name, values[name])
    given = values.get("note_id")
    note["note_id"] = id_number(given) if rules.id_kind == NUMBER else id_text(given)
    note["topics"] = topics_of(values.get("topics"))
    note["images"] = []
    for image in images_of(values.get("images"), values.get("ocr"), values.get("image_captions"), rules.exists):
        note["images"].append(image._asdict())
    try:
        note["updated_at"] = micros(values.get("updated_at"))
    except TimeError:
        return note, True
    return note, False


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


def _brief(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
