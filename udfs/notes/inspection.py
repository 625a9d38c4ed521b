"""What the pieces of a text source hold, before any row is made of them: counts that no reader made, and keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap, numbers_in
from udfs.notes.source_rows import Piece, read_records
from uninote.notes.ingest.formats.json_counts import count_values
from uninote.notes.ingest.formats.line_counts import count_lines
from uninote.notes.ingest.formats.records import Record
from uninote.notes.ingest.formats.text_files import TextSource

MOST_KEYS = 100_000


def make_inspection(pieces: Sequence[Piece], text: TextSource, with_keys: bool) -> ArrowMap:
    """Map (id) to (id, found): JSON of how much a piece holds, counted by no reader, and of the keys of its objects."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in numbers_in(batches):
            found = json.dumps(_inspected(pieces[number], text, with_keys))
            yield pa.RecordBatch.from_pydict({"id": [number], "found": [found]})

    return run


def _inspected(piece: Piece, text: TextSource, with_keys: bool) -> dict[str, Any]:
    if piece.by_value:
        found: dict[str, Any] = {"values": count_values(piece.span.uri, text)}
    else:
        count = count_lines(piece.span, text)
        found = {"filled": count.filled, "breaks": count.breaks, "first": count.first, "last": count.last}
    if with_keys:
        found["keys"] = _keys(read_records(piece, text))
    return found


def _keys(records: Iterable[Record]) -> dict[str, list[str]]:
    """Return the keys of objects, and of which kinds their values are."""
    kinds: dict[str, set[str]] = {}
    for record in records:
        for key, value in (record.values or {}).items():
            kinds.setdefault(key, set()).add(_kind(value))
        if len(kinds) > MOST_KEYS:
            break
    return {key: sorted(found) for key, found in kinds.items()}


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "other"
    # An id that no bigint holds makes the column text: numbers would be cut.
    if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        return "number"
    if isinstance(value, float):
        return "number" if value.is_integer() else "other"
    return "text" if isinstance(value, str | int) else "other"
