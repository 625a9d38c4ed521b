"""Rows of a source in tasks: each reads some of its pieces, as `uninote.notes.ingest` says how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import pyarrow as pa

from udfs.arrow import ArrowMap, numbers_in
from uninote.media.fetching import inline_uri
from uninote.notes.ingest.formats.csv_files import Header
from uninote.notes.ingest.formats.csv_files import records as csv_records
from uninote.notes.ingest.formats.json_files import records_by_line, records_by_value, repeated_keys
from uninote.notes.ingest.formats.parquet_files import Groups, plain_times, read_groups
from uninote.notes.ingest.formats.records import Record
from uninote.notes.ingest.formats.text_files import Span, TextSource
from uninote.notes.ingest.image_fields import contents_of
from uninote.notes.ingest.list_text import file_in
from uninote.notes.ingest.note_rows import UNREADABLE, FieldRules, RowBatch
from uninote.notes.ingest.times import Micros

ROWS = 1000  # of a batch that is made of text: a few megabytes


@dataclass(frozen=True)
class Piece:
    """What one call reads: lines of a text file (of JSON values where `by_value`), a CSV file, or Parquet row groups.

    `file` is the number of its file within the source.
    """

    file: int
    span: Span = field(default_factory=lambda: Span(""))
    header: Header | None = None
    by_value: bool = False
    groups: Groups | None = None


@dataclass(frozen=True)
class Reading:
    """How the rows of a source become notes. `schema` is that of the rows, the account included."""

    mapping: Mapping[str, str]
    id_kind: str
    media_root: str | None
    text: TextSource
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    def rules(self) -> FieldRules:
        """Return the rules for fields; the source's folder is looked into where tasks run."""
        return FieldRules(self.mapping, self.id_kind, file_in(self.media_root))


def make_rows(pieces: Sequence[Piece], reading: Reading) -> ArrowMap:
    """Map (id) to the rows of the pieces of these numbers."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in numbers_in(batches):
            piece = pieces[number]
            if piece.groups is not None:
                yield from _table_rows(_groups(piece.groups, reading), reading, piece)
            else:
                yield from _text_rows(read_records(piece, reading.text), reading, piece)

    return run


def make_table_rows(reading: Reading, columns: Sequence[str]) -> ArrowMap:
    """Map rows of a table, whose columns are `columns` in order, to rows as those of other sources."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _table_rows(_named(batches, columns), reading, Piece(0))

    return run


def make_contents(pieces: Sequence[Piece], column: str, text: TextSource) -> ArrowMap:
    """Map (id) to (uri, content) of the images of `column` that are bytes."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in numbers_in(batches):
            groups = pieces[number].groups
            for batch in read_groups(groups, [column], text.s3) if groups is not None else ():
                yield _contents(batch.column(0) if column in batch.schema.names else pa.nulls(0))

    return run


def make_table_contents() -> ArrowMap:
    """Map rows of one column of images to (uri, content) of those that are bytes."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield _contents(batch.column(0))

    return run


def _named(batches: Iterable[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield pa.RecordBatch.from_arrays(batch.columns, list(columns))


def read_records(piece: Piece, text: TextSource) -> Iterator[Record]:
    """Return the records of a piece of a text file."""
    if piece.header is not None:
        return csv_records(piece.span.uri, piece.header, text)
    return records_by_value(piece.span.uri, text) if piece.by_value else records_by_line(piece.span, text)


def _text_rows(records: Iterable[Record], reading: Reading, piece: Piece) -> Iterator[pa.RecordBatch]:
    rules = reading.rules()
    batch = RowBatch(rules, reading.schema, piece.file)
    used = set(reading.mapping.values())
    for record in records:
        place = f"{piece.span.uri}, line {record.line}"
        repeated = used.intersection(repeated_keys(record.values)) if record.values is not None else ()
        if record.values is None:
            batch.add_fault(UNREADABLE, f"{place} {record.fault}: {record.text}", record.lines)
        elif repeated:
            batch.add_fault(
                UNREADABLE, f"{place} gives {', '.join(sorted(repeated))} twice: {record.text}", record.lines
            )
        else:
            batch.add(rules.values_of(record.values), place, record.text, record.lines)
        # Batches of bounded size: however large the file, a task holds some megabytes of it.
        if len(batch) == ROWS:
            yield batch.to_arrow()
            batch = RowBatch(rules, reading.schema, piece.file)
    yield batch.to_arrow()


def _groups(groups: Groups, reading: Reading) -> Iterator[pa.RecordBatch]:
    return read_groups(groups, list(reading.mapping.values()), reading.text.s3)


def _table_rows(batches: Iterable[pa.RecordBatch], reading: Reading, piece: Piece) -> Iterator[pa.RecordBatch]:
    rules = reading.rules()
    groups = piece.groups
    row = groups.first_row if groups is not None else 0
    uri = groups.uri if groups is not None else "the table"
    for found in batches:
        batch = RowBatch(rules, reading.schema, piece.file)
        for values in _values(found, reading.mapping):
            row += 1
            batch.add(values, f"{uri}, row {row}")
        yield batch.to_arrow()


def _values(batch: pa.RecordBatch, mapping: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield field -> value of each row, of the columns that a batch has."""
    columns = {}
    for name, column in mapping.items():
        if column in batch.schema.names:
            values = batch.column(batch.schema.get_field_index(column))
            columns[name] = _times(values) if name == "updated_at" else values.to_pylist()
    # A batch without any of the columns still has rows, which are counted and refused.
    if not columns:
        yield from repeat({}, batch.num_rows)
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _times(values: pa.Array) -> list[Any]:
    plain = plain_times(values)
    if plain is values:
        return values.to_pylist()  # type: ignore[no-any-return]
    return [None if value is None else Micros(value) for value in plain.to_pylist()]


def _contents(images: pa.Array) -> pa.RecordBatch:
    contents: list[bytes] = []
    for value in images.to_pylist():
        if value is not None:
            contents += contents_of(value)
    uris = list(map(inline_uri, contents))
    return pa.RecordBatch.from_arrays(
        [pa.array(uris, pa.string()), pa.array(contents, pa.binary())], ["uri", "content"]
    )
