"""A first look at a source: its files and pieces, its columns, and how many rows it must have.

Text is read once more for it, by all executors, since no reader can be its own witness: rows that a reader loses are missing
in its count as well. Tables' footers and logs know their rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import deltalake
import pyarrow as pa
from pyspark.errors import PySparkNotImplementedError, PySparkTypeError
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import to_arrow_type

from udfs.notes.source_rows import Piece, make_survey, read_records
from uninote.notes.ingest.column_types import NUMBER, TEXT, ColumnTypeError, id_kind
from uninote.notes.ingest.formats.csv_files import read_header
from uninote.notes.ingest.formats.files import SourceFile, list_files
from uninote.notes.ingest.formats.json_files import is_by_line
from uninote.notes.ingest.formats.parquet_files import Footer, pieces_of, read_footer
from uninote.notes.ingest.formats.text_files import LineCount, Span, TextSource, encoding_of, is_wide
from uninote.notes.ingest.sources import Source, SourceError, format_of
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import say

SPAN_BYTES = 64 << 20
THREADS = 16
Given = TypeVar("Given")
Made = TypeVar("Made")


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
class Survey:
    """What a source holds, before a row of it is read: `types` of typed columns, `kinds` of the values of others.

    A table has no pieces: `table` is read as a whole.
    """

    columns: Sequence[str]
    expected: Sequence[Expected]
    pieces: Sequence[Piece] = ()
    types: Types = field(default_factory=dict)
    kinds: Mapping[str, set[str]] = field(default_factory=dict)
    table: DataFrame | None = None

    def types_of(self, column: str) -> list[pa.DataType]:
        """Return the types of a column, but for Arrow's null, which is the type of a column without values."""
        return [kind for kind in self.types.get(column, {}) if not pa.types.is_null(kind)]

    def id_kind(self, column: str) -> str:
        """Return whether the ids in `column` are NUMBER or TEXT: numbers where all are whole ones of 64 bits.

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
                continue  # a row without a line stands for all that follows it in a JSON file and does not parse
            raise SourceError(
                f"{expected.name} holds {wanted:,} {expected.unit}, and {got:,} were read. Nothing was written; was the file "
                f"changed meanwhile? Then run again"
            )


def over_pieces(run: Run, pieces: Sequence[Piece]) -> DataFrame:
    """Return (id), the numbers of `pieces`, a few to a task."""
    tasks = min(len(pieces), max(4 * run.spark.sparkContext.defaultParallelism, len(pieces) // 8))
    return run.spark.range(0, len(pieces), 1, max(tasks, 1))


def survey_table(run: Run, source: Source) -> Survey:
    """Look at a Delta table."""
    table = tables.read_table(run.spark, source.uri)
    types: dict[str, Mapping[pa.DataType, str]] = {}
    for name in table.columns:
        with suppress(PySparkTypeError, PySparkNotImplementedError):  # a type that no worker can be given is not used
            types[name] = {to_arrow_type(table.schema[name].dataType, timezone="UTC"): source.uri}
    return Survey([*types], [Expected(source.uri, _rows_in_log(source.uri))], types=types, table=table)


def _rows_in_log(uri: str) -> int | None:
    """Return the rows that a table's log names; None where it does not say, or says which are deleted elsewhere."""
    table = deltalake.DeltaTable(uri)
    if table.metadata().configuration.get("delta.enableDeletionVectors") == "true":
        return None
    rows = pa.table(table.get_add_actions(flatten=True))
    if "num_records" not in rows.column_names or rows["num_records"].null_count:
        return None
    return int(sum(rows["num_records"].to_pylist()))


def survey_files(run: Run, source: Source, text: TextSource, stage: str) -> Survey:
    """Look at the files of a source."""
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
        return _survey_parquet(files, text)
    return _survey_text(run, source, files, text)


def _of_format(source: Source, files: Sequence[SourceFile]) -> tuple[list[SourceFile], list[str]]:
    """Return the files to read, and the names of others that look like rows. A table's files may have any name."""
    if len(files) == 1 and files[0].uri == source.uri:
        return list(files), []
    is_table = format_of(source.uri) == source.kind
    mine = [file for file in files if format_of(file.uri) == source.kind or (is_table and format_of(file.uri) is None)]
    others = [file.uri for file in files if file not in mine and format_of(file.uri)]
    return mine, others


def _survey_parquet(files: Sequence[SourceFile], text: TextSource) -> Survey:
    footers = _in_threads(lambda file: read_footer(file, text.s3), files)
    pieces = [Piece(n, groups=groups) for n, footer in enumerate(footers) for groups in pieces_of(footer)]
    names = dict.fromkeys(name for footer in footers for name in footer.schema.names)
    names |= dict.fromkeys(name for footer in footers for name, _ in footer.file.partition)
    repeated = [name for footer in footers for name in footer.schema.names if footer.schema.names.count(name) > 1]
    expected = [Expected(footer.file.uri, sum(footer.group_rows)) for footer in footers]
    return Survey([*names, *dict.fromkeys(repeated)], expected, pieces, _types(footers))


def _types(footers: Sequence[Footer]) -> Types:
    found: dict[str, dict[pa.DataType, str]] = {}
    for footer in footers:
        for column in footer.schema:
            found.setdefault(column.name, {}).setdefault(column.type, footer.file.uri)
        for name, _ in footer.file.partition:
            if name not in footer.schema.names:
                found.setdefault(name, {}).setdefault(pa.string(), footer.file.uri)
    return found


def _survey_text(run: Run, source: Source, files: Sequence[SourceFile], text: TextSource) -> Survey:
    cut = _in_threads(lambda pair: _text_pieces(*pair, source.kind, text), [*enumerate(files)])
    pieces = [piece for found in cut for piece in found]
    is_csv = source.kind == "csv"
    rows = over_pieces(run, pieces).mapInArrow(make_survey(pieces, text, not is_csv), "id bigint, survey string")
    surveys = {row["id"]: json.loads(row["survey"]) for row in rows.collect()}
    kinds: dict[str, set[str]] = {}
    for survey in surveys.values():
        for key, found in survey.get("keys", {}).items():
            kinds.setdefault(key, set()).update(found)
    headers = [piece.header.columns for piece in pieces if piece.header is not None]
    columns = [*dict.fromkeys(name for header in headers for name in header if name)] if is_csv else sorted(kinds)
    if not columns:
        raise SourceError(_why_no_columns(pieces, text))
    numbered, expected = _numbered(files, pieces, surveys)
    return Survey(columns, expected, numbered, kinds=kinds)


def _why_no_columns(pieces: Sequence[Piece], text: TextSource) -> str:
    records = (record for piece in pieces if piece.header is None for record in read_records(piece, text))
    first = next(records, None)
    if first is None:
        return "the source has no rows that can be read"
    return f"the source has no rows that can be read: line {first.line} {first.fault}: {first.text[:200]}"


def _text_pieces(number: int, file: SourceFile, kind: str, text: TextSource) -> list[Piece]:
    """Cut a text file into what tasks can read each on its own: CSV rows may span lines, and so is one piece."""
    if kind == "csv":
        header = read_header(file.uri, text)
        return [] if header is None else [Piece(number, Span(file.uri), header)]
    if not is_by_line(file.uri, text, kind == "jsonl"):
        return [Piece(number, Span(file.uri), by_value=True)]
    if file.is_compressed or file.size <= SPAN_BYTES or is_wide(encoding_of(file.uri, text)[0]):
        return [Piece(number, Span(file.uri))]
    starts = range(0, file.size, SPAN_BYTES)
    return [Piece(number, Span(file.uri, start, min(start + SPAN_BYTES, file.size))) for start in starts]


def _numbered(
    files: Sequence[SourceFile], pieces: Sequence[Piece], surveys: Mapping[int, dict[str, Any]]
) -> tuple[list[Piece], list[Expected]]:
    """Return the pieces with the numbers of their first lines, and what each file must give."""
    counts = dict.fromkeys(range(len(files)), LineCount())
    values: dict[int, int] = {}
    numbered = []
    for place, piece in enumerate(pieces):
        survey = surveys[place]
        if piece.by_value:
            values[piece.file] = survey["values"]
            numbered.append(piece)
            continue
        numbered.append(replace(piece, span=replace(piece.span, line=1 + counts[piece.file].breaks)))
        header = piece.header.lines if piece.header is not None else 0
        count = LineCount(survey["filled"] - header, survey["breaks"], survey["first"], survey["last"])
        counts[piece.file] += count
    expected = [Expected(file.uri, None, values.get(n, counts[n].filled)) for n, file in enumerate(files)]
    return numbered, expected


def _in_threads(make: Callable[[Given], Made], values: Sequence[Given]) -> list[Made]:
    """Open many files at once: a store takes its time to answer."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(make, values))
