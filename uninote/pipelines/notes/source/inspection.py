"""The inspection of a source before its rows are read: its files and pieces, its columns, and how many rows it must have.

Text is read once more for it, by all executors, since no reader can be its own witness: rows that a reader loses are missing
in its count as well. Tables' footers and logs know their rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

import pyarrow as pa
from pyspark.errors import PySparkNotImplementedError, PySparkTypeError
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_type

from udfs.notes.inspection import make_inspection
from udfs.notes.source_rows import Piece, read_records
from uninote.lake.delta_files import rows_in_log
from uninote.notes.ingest.formats.csv_files import read_header
from uninote.notes.ingest.formats.files import SourceFile, list_files
from uninote.notes.ingest.formats.json_files import is_by_line
from uninote.notes.ingest.formats.line_counts import LineCount
from uninote.notes.ingest.formats.parquet_files import Footer, pieces_of, read_footer
from uninote.notes.ingest.formats.text_files import Span, TextSource, encoding_of, is_wide
from uninote.notes.ingest.sources import Source, SourceError, format_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.source.expected import Expected, Inspection, Types
from uninote.pipelines.runtime.progress import say

SPAN_BYTES = 64 << 20
THREADS = 16
Given = TypeVar("Given")
Made = TypeVar("Made")


def over_pieces(run: Run, pieces: Sequence[Piece]) -> DataFrame:
    """Return (id), the numbers of `pieces`, a few to a task."""
    tasks = min(len(pieces), max(4 * run.spark.sparkContext.defaultParallelism, len(pieces) // 8))
    return run.spark.range(0, len(pieces), 1, max(tasks, 1))


def inspect_table(run: Run, source: Source) -> Inspection:
    """Inspect a Delta table."""
    table = tables.read_table(run.spark, source.uri)
    types: dict[str, Mapping[pa.DataType, str]] = {}
    for name in table.columns:
        # A column of a type that no worker can be given is not used.
        with suppress(PySparkTypeError, PySparkNotImplementedError):
            types[name] = {to_arrow_type(table.schema[name].dataType, timezone="UTC"): source.uri}
    return Inspection([*types], [Expected(source.uri, rows_in_log(source.uri))], types=types, table=table)


def inspect_files(run: Run, source: Source, text: TextSource, stage: str) -> Inspection:
    """Inspect the files of a source. Raises SourceError where none can be read."""
    files, hidden = list_files(source.uri, text.s3)
    files, others = _of_format(source, files)
    known = [name for name in hidden if format_of(name)]
    if known:
        say(f"{stage}: skipped, as hidden files are: {', '.join(known[:20])}")
    if others:
        say(f"{stage}: not read, since the source is {source.kind}: {', '.join(others[:20])}")
    if not files:
        raise SourceError(
            f"ingest.source {source.uri} holds no file that can be read; skipped: {', '.join(hidden) or 'none'}"
        )
    if source.kind == "parquet":
        return _inspect_parquet(files, text)
    return _inspect_text(run, source, files, text)


def _of_format(source: Source, files: Sequence[SourceFile]) -> tuple[list[SourceFile], list[str]]:
    """Return the files to read, and the names of others that look like rows. A table's files may have any name."""
    if len(files) == 1 and files[0].uri == source.uri:
        return list(files), []
    is_table = format_of(source.uri) == source.kind
    mine = []
    others = []
    for file in files:
        found = format_of(file.uri)
        if found == source.kind or (is_table and found is None):
            mine.append(file)
        elif found is not None:
            others.append(file.uri)
    return mine, others


def _inspect_parquet(files: Sequence[SourceFile], text: TextSource) -> Inspection:
    footers = _in_threads(lambda file: read_footer(file, text.s3), files)
    pieces = []
    expected = []
    # Dictionaries, since they keep the order in which names come.
    names: dict[str, None] = {}
    of_folders: dict[str, None] = {}
    repeated: dict[str, None] = {}
    for number, footer in enumerate(footers):
        for groups in pieces_of(footer):
            pieces.append(Piece(number, groups=groups))
        expected.append(Expected(footer.file.uri, sum(footer.group_rows)))
        names |= dict.fromkeys(footer.schema.names)
        of_folders |= dict.fromkeys(dict(footer.file.partition))
        for name, count in Counter(footer.schema.names).items():
            if count > 1:
                repeated[name] = None
    return Inspection([*(names | of_folders), *repeated], expected, pieces, _types(footers))


def _types(footers: Sequence[Footer]) -> Types:
    found: dict[str, dict[pa.DataType, str]] = {}
    for footer in footers:
        for column in footer.schema:
            found.setdefault(column.name, {}).setdefault(column.type, footer.file.uri)
        for name, _ in footer.file.partition:
            if name not in footer.schema.names:
                found.setdefault(name, {}).setdefault(pa.string(), footer.file.uri)
    return found


def _inspect_text(run: Run, source: Source, files: Sequence[SourceFile], text: TextSource) -> Inspection:
    cut = _in_threads(lambda pair: _text_pieces(*pair, source.kind, text), [*enumerate(files)])
    pieces = list(chain.from_iterable(cut))
    is_csv = source.kind == "csv"
    rows = over_pieces(run, pieces).mapInArrow(make_inspection(pieces, text, not is_csv), "id bigint, found string")
    inspected = {row["id"]: json.loads(row["found"]) for row in rows.collect()}
    kinds: dict[str, set[str]] = {}
    for found_in_piece in inspected.values():
        for key, found in found_in_piece.get("keys", {}).items():
            kinds.setdefault(key, set()).update(found)
    columns = _header_names(pieces) if is_csv else sorted(kinds)
    if not columns:
        raise SourceError(_why_no_columns(pieces, text))
    numbered, expected = _numbered(files, pieces, inspected)
    return Inspection(columns, expected, numbered, kinds=kinds)


def _header_names(pieces: Sequence[Piece]) -> list[str]:
    """Return the columns that the headers of CSV files name, each once; one without a name is not used."""
    names: dict[str, None] = {}
    for piece in pieces:
        if piece.header is not None:
            names |= dict.fromkeys(filter(None, piece.header.columns))
    return list(names)


def _why_no_columns(pieces: Sequence[Piece], text: TextSource) -> str:
    for piece in pieces:
        first = next(read_records(piece, text), None) if piece.header is None else None
        if first is not None:
            return f"the source has no rows that can be read: line {first.line} {first.fault}: {first.text[:200]}"
    return "the source has no rows that can be read"


def _text_pieces(number: int, file: SourceFile, kind: str, text: TextSource) -> list[Piece]:
    """Cut a text file into what tasks can read each on its own: CSV rows may span lines, and so is one piece."""
    if kind == "csv":
        header = read_header(file.uri, text)
        return [] if header is None else [Piece(number, Span(file.uri), header)]
    if not is_by_line(file.uri, text, kind == "jsonl"):
        return [Piece(number, Span(file.uri), by_value=True)]
    if file.is_compressed or file.size <= SPAN_BYTES or is_wide(encoding_of(file.uri, text)[0]):
        return [Piece(number, Span(file.uri))]
    pieces = []
    for start in range(0, file.size, SPAN_BYTES):
        pieces.append(Piece(number, Span(file.uri, start, min(start + SPAN_BYTES, file.size))))
    return pieces


def _numbered(
    files: Sequence[SourceFile], pieces: Sequence[Piece], inspected: Mapping[int, dict[str, Any]]
) -> tuple[list[Piece], list[Expected]]:
    """Return the pieces with the numbers of their first lines, and what each file must give."""
    counts = dict.fromkeys(range(len(files)), LineCount())
    values: dict[int, int] = {}
    numbered = []
    for place, piece in enumerate(pieces):
        found = inspected[place]
        if piece.by_value:
            values[piece.file] = found["values"]
            numbered.append(piece)
            continue
        numbered.append(replace(piece, span=replace(piece.span, line=1 + counts[piece.file].breaks)))
        header = piece.header.lines if piece.header is not None else 0
        count = LineCount(found["filled"] - header, found["breaks"], found["first"], found["last"])
        counts[piece.file] += count
    expected = []
    for number, file in enumerate(files):
        expected.append(Expected(file.uri, None, values.get(number, counts[number].filled)))
    return numbered, expected


def _in_threads(make: Callable[[Given], Made], values: Sequence[Given]) -> list[Made]:
    """Open many files at once: a store takes its time to answer."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(make, values))
