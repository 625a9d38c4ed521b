"""Parquet files read by Arrow: each by its own columns and types, and only the columns that are used.

Spark's reader takes one schema for all files, of which it refuses types (nanoseconds, UUID, half floats) even where nobody
uses the column, and drops the columns that the first file lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from uninote.errors import UninoteError
from uninote.notes.ingest.formats.files import SourceFile, open_binary
from uninote.storage.types import S3Options

PIECE_BYTES = 128 << 20  # decoded: what a task reads
BATCH_ROWS = 256  # images may lie in a row: of more rows a batch could be a gigabyte
READ_AHEAD = 8 << 20


class ParquetError(UninoteError):
    """A file is no Parquet, or damaged, or cannot be read together with the others."""


@dataclass(frozen=True)
class Footer:
    """What a file's footer says: its columns with their types, and rows and decoded bytes of each of its row groups."""

    file: SourceFile
    schema: pa.Schema
    group_rows: tuple[int, ...]
    group_bytes: tuple[int, ...]


@dataclass(frozen=True)
class Groups:
    """Some row groups of a file, which one task reads; `rows` in them, `first_row` before them."""

    uri: str
    groups: tuple[int, ...]
    rows: int
    first_row: int
    partition: tuple[tuple[str, str | None], ...] = ()


def read_footer(file: SourceFile, options: S3Options) -> Footer:
    """Return what the footer of `file` says. Raises ParquetError."""
    with _explained(file.uri), open_binary(file.uri, options) as opened:
        parquet = pq.ParquetFile(opened)
        rows = []
        sizes = []
        for number in range(parquet.metadata.num_row_groups):
            group = parquet.metadata.row_group(number)
            rows.append(group.num_rows)
            sizes.append(group.total_byte_size)
        return Footer(file, parquet.schema_arrow.remove_metadata(), tuple(rows), tuple(sizes))


def pieces_of(footer: Footer) -> list[Groups]:
    """Cut a file into runs of row groups of about PIECE_BYTES."""
    found: list[Groups] = []
    run: list[int] = []
    size = rows = first_row = 0
    for number, group_bytes in enumerate(footer.group_bytes):
        # Row groups are not cut: a reader has to decode each from its beginning.
        run.append(number)
        size += group_bytes
        rows += footer.group_rows[number]
        if size >= PIECE_BYTES or number == len(footer.group_bytes) - 1:
            found.append(Groups(footer.file.uri, tuple(run), rows, first_row, footer.file.partition))
            first_row += rows
            run = []
            size = rows = 0
    return found


def read_groups(piece: Groups, columns: Sequence[str], options: S3Options) -> Iterator[pa.RecordBatch]:
    """Yield batches of those of `columns` that the file has, or that its folders' names give. Raises ParquetError."""
    partition = dict(piece.partition)
    with _explained(piece.uri), open_binary(piece.uri, options) as opened:
        # int96 are nanoseconds to Arrow, which only reach from 1677 to 2262.
        file = pq.ParquetFile(opened, buffer_size=READ_AHEAD, coerce_int96_timestamp_unit="us")
        names = file.schema_arrow.names
        wanted = [name for name in dict.fromkeys(columns) if name in names]
        for batch in file.iter_batches(BATCH_ROWS, row_groups=list(piece.groups), columns=_paths(file, wanted)):
            found = {}
            for name in wanted:
                # By its place: a name with a dot would mean a part of a struct.
                found[name] = batch.column(batch.schema.get_field_index(name))
            for name in set(columns) & set(partition) - set(wanted):
                found[name] = pa.array([partition[name]] * batch.num_rows, pa.string())
            yield _batch(found, batch.num_rows)


def plain_times(column: pa.Array) -> pa.Array:
    """Return timestamps and dates as microseconds since 1970 in int64, other columns as they are.

    Python's datetime holds no year past 9999 and no nanoseconds; Arrow's does.
    """
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).view(pa.int64())
    if pa.types.is_date(column.type):
        days = column.cast(pa.date32()).view(pa.int32()).cast(pa.int64())
        return pc.multiply(days, pa.scalar(86_400_000_000, pa.int64()))
    return column


def _paths(file: pq.ParquetFile, wanted: Sequence[str]) -> list[str]:
    """Return the paths of the leaves of some columns."""
    schema = file.metadata.schema
    # A column's own path, or what leads to a part of it.
    exact = set(wanted)
    inside = tuple(f"{name}." for name in wanted)
    found = []
    for number in range(len(schema)):
        path = schema.column(number).path
        if path in exact or path.startswith(inside):
            found.append(path)
    return found


def _batch(columns: dict[str, pa.Array], rows: int) -> pa.RecordBatch:
    # A batch without columns would lose its number of rows.
    if not columns:
        columns = {"": pa.nulls(rows)}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ParquetError(f"{uri} cannot be read as Parquet: {first}; write the file anew, or take it out") from error
