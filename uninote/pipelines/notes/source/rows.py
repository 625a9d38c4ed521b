"""Notes out of any source: its rows as they are, the notes among them, and what is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import LongType, StringType

from udfs.arrow import counting
from udfs.notes.source_rows import Reading, make_contents, make_rows, make_table_contents, make_table_rows
from uninote.config.sections.sources import IngestConfig
from uninote.failures.explaining import explained
from uninote.lake.schemas import IMAGE_BYTES, notes_table
from uninote.notes.ingest.column_types import NUMBER, check_types, has_bytes
from uninote.notes.ingest.columns import ENTRY_GUESSES, GUESSES, map_columns
from uninote.notes.ingest.formats.text_files import TextSource
from uninote.notes.ingest.known_columns import KnownColumns, check_kinds, follow, kind_of, new_names
from uninote.notes.ingest.note_rows import FILE, LINES, MESSAGE, REASON, TIME_UNREADABLE, rows_schema
from uninote.notes.ingest.sources import Source, SourceError
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.images.media_roots import s3_options
from uninote.pipelines.notes.source.expected import Inspection
from uninote.pipelines.notes.source.inspection import inspect_files, inspect_table, over_pieces
from uninote.pipelines.runtime.compilation import compile_for
from uninote.pipelines.runtime.progress import say, watched

EXAMPLES = 3
ENTRIES = "match"  # the stage whose source is a gallery: its columns have names of their own
_WITH_SCHEMA = ("parquet", "delta", "csv")


@dataclass(frozen=True)
class Account:
    """How many `rows` were read, and how many of them are `rejects`; of `times_unreadable` notes the time could not be read.

    `characters` of text are in the notes.
    """

    rows: int
    rejects: int
    times_unreadable: int
    characters: int


@dataclass(frozen=True)
class InspectedSource:
    """What is known of a source before a row of it is read, and how its rows become notes.

    `columns` are null where the source has no schema: keys of JSON come and go with their values.
    """

    inspection: Inspection
    mapping: Mapping[str, str]
    reading: Reading
    columns: KnownColumns | None = None


@dataclass(frozen=True)
class SourceRows:
    """What a source holds. Each of `rows`, persisted, is one of `notes` or of `rejects` (reason, message).

    `images` are (uri, content) of those that the source has as bytes, null where it has none that way.
    """

    rows: DataFrame
    notes: DataFrame
    rejects: DataFrame
    images: DataFrame | None
    account: Account


def read_source(run: Run, source: Source, settings: IngestConfig, stage: str) -> SourceRows:
    """Read a source by the columns and the encoding of `settings`.

    Raises SourceError when it has no rows, when none of them is a note, or when rows were lost on the way.
    """
    return read_inspected(run, inspect_source(run, source, settings, stage), stage)


def inspect_source(
    run: Run, source: Source, settings: IngestConfig, stage: str, known: KnownColumns | None = None
) -> InspectedSource:
    """Look at what a source holds; its columns are those that are `known`. Raises SourceError when none of it can be read."""
    say(f"{stage}: reading {source.uri}")
    text = TextSource(settings.encoding, s3_options(run.config))
    with _explaining():
        inspection = inspect_table(run, source) if source.kind == "delta" else inspect_files(run, source, text, stage)
    # A gallery's entries have other names for the same fields.
    guesses = ENTRY_GUESSES if stage == ENTRIES else GUESSES
    mapping = map_columns(inspection.columns, settings.columns, guesses)
    columns = _columns_of(inspection, mapping)
    has_schema = source.kind in _WITH_SCHEMA
    if known is not None and has_schema and not settings.accept_columns:
        mapping = follow(known, columns, settings.columns)
        _say_new(stage, known, columns, mapping)
        columns = _columns_of(inspection, mapping)
        check_kinds(known, columns)
    _say_columns(stage, inspection.columns, mapping)
    for field, column in mapping.items():
        for kind in inspection.types_of(column):
            check_types({field: kind})
    reading = _reading(source, mapping, inspection.id_kind(mapping["note_id"]), text)
    return InspectedSource(inspection, mapping, reading, columns if has_schema else None)


def read_inspected(run: Run, inspected: InspectedSource, stage: str) -> SourceRows:
    """Read the rows of a source with Spark. Raises SourceError as `read_source` does."""
    inspection = inspected.inspection
    compile_for(run.spark, inspection.num_expected)
    images = _images(run, inspection, inspected.mapping.get("images"), inspected.reading.text)
    with _explaining(), watched(run.spark.sparkContext, f"{stage}: rows read", inspection.num_expected) as done:
        rows = _rows(run, inspection, inspected.reading, done.add).persist()
        notes = rows.where(F.col(REASON).isNull()).select(*notes_table(StringType()).columns)
        rejects = rows.where(F.col(REASON).isNotNull())
        rejects = rejects.select(F.col(REASON).alias("reason"), F.col(MESSAGE).alias("message"))
        account = _account(rows, rejects, inspection)
    return SourceRows(rows, notes, rejects, images, account)


@contextmanager
def _explaining() -> Iterator[None]:
    """Make an error of ours in a task, which comes within a page of Spark's text, the SourceError that it is."""
    try:
        yield
    except PySparkException as error:
        if (why := explained(error)) is None:
            raise
        raise SourceError(why) from error


def _columns_of(inspection: Inspection, mapping: Mapping[str, str]) -> KnownColumns:
    fields = {field: (column, kind_of(inspection.types_of(column))) for field, column in mapping.items()}
    return KnownColumns(fields, inspection.columns)


def _say_new(stage: str, known: KnownColumns, now: KnownColumns, mapping: Mapping[str, str]) -> None:
    for field, (column, _) in now.fields.items():
        if column in new_names(known, now) and mapping.get(field) != column:
            say(
                f"{stage}: the source's column {column} is new and could be the {field} of notes; it is not read. Name it to "
                f"take it: --set ingest.columns.{field}={column}"
            )


def _say_columns(stage: str, columns: Sequence[str], mapping: Mapping[str, str]) -> None:
    say(f"{stage}: " + ", ".join(f"{field} from {column}" for field, column in mapping.items()))
    ignored = [column for column in columns if column not in mapping.values()]
    if ignored:
        more = f" and {len(ignored) - 50} more" if len(ignored) > 50 else ""
        say(f"{stage}: not used: {', '.join(ignored[:50])}{more}")


def _reading(source: Source, mapping: Mapping[str, str], id_kind: str, text: TextSource) -> Reading:
    note_id = LongType() if id_kind == NUMBER else StringType()
    schema = rows_schema(to_arrow_schema(notes_table(note_id).schema, timezone="UTC"))
    return Reading(mapping, id_kind, source.media_root, text, schema)


def _rows(run: Run, inspection: Inspection, reading: Reading, count: Callable[[int], None]) -> DataFrame:
    schema = from_arrow_schema(reading.schema)
    if inspection.table is None:
        made = counting(make_rows(inspection.pieces, reading), count)
        return over_pieces(run, inspection.pieces).mapInArrow(made, schema)
    used = list(dict.fromkeys(reading.mapping.values()))
    return _columns(inspection.table, used).mapInArrow(counting(make_table_rows(reading, used), count), schema)


def _images(run: Run, inspection: Inspection, column: str | None, text: TextSource) -> DataFrame | None:
    """Return (uri, content) once each. They are read again, so that no row of notes is ever kept with its images."""
    if column is None or not any(map(has_bytes, inspection.types_of(column))):
        return None
    if inspection.table is not None:
        found = _columns(inspection.table, [column]).mapInArrow(make_table_contents(), IMAGE_BYTES.schema)
    else:
        found = over_pieces(run, inspection.pieces).mapInArrow(
            make_contents(inspection.pieces, column, text), IMAGE_BYTES.schema
        )
    return found.dropDuplicates(["uri"])


def _columns(table: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return some columns by place: names may hold dots and backticks, which mean something to Spark."""
    numbered = table.toDF(*map("c{}".format, range(len(table.columns))))
    return numbered.select(*map("c{}".format, map(table.columns.index, names)))


def _account(rows: DataFrame, rejects: DataFrame, inspection: Inspection) -> Account:
    """Count all rows in one pass.

    Raises SourceError where none is a note, or where a file gave another number of rows than the inspection counted.
    """
    is_note = F.col(REASON).isNull()
    texts = F.length(F.concat_ws("", "title", "body", "caption", F.to_json("topics"), F.to_json("images")))
    counts = {
        "rows": F.count("*"),
        "lines": F.sum(LINES),
        "notes": F.count_if(is_note),
        "rejects": F.count_if(~is_note),
        "times": F.count_if(F.col(TIME_UNREADABLE)),
        "characters": F.sum(F.when(is_note, texts).otherwise(0)),
    }
    found = {}
    total: Counter[str] = Counter()
    for row in rows.groupBy(FILE).agg(*(column.alias(name) for name, column in counts.items())).collect():
        found[row[FILE]] = (row["rows"], row["lines"])
        for name in counts:
            total[name] += row[name]
    if not total["rows"]:
        raise SourceError("the source has no rows that can be read")
    if not total["notes"]:
        examples = "; ".join(row["message"][:300] for row in rejects.limit(EXAMPLES).collect())
        raise SourceError(f"none of the source's {total['rows']:,} rows is a note: {examples}. Nothing was written")
    inspection.check(found)
    return Account(total["rows"], total["rejects"], total["times"], total["characters"])
