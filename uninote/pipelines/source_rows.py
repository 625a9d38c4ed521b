"""Notes out of any source: its rows as they are, the notes among them, and what is none."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from uninote.ingest.columns import map_columns
from uninote.ingest.sources import Source, SourceError
from uninote.pipelines import tables
from uninote.pipelines.image_bytes import images_of, without_bytes
from uninote.pipelines.normalise import normalise
from uninote.pipelines.progress import say
from uninote.pipelines.run import Run

CORRUPT = "_corrupt_record"


@dataclass(frozen=True)
class SourceRows:
    """What a source holds. Each of `rows`, persisted, is one of `notes` or of `rejects` (reason, message).

    `images` are (uri, content) of those that the source has as bytes, null where it has none that way.
    """

    rows: DataFrame
    notes: DataFrame
    rejects: DataFrame
    images: DataFrame | None


def read_source(run: Run, source: Source, stage: str) -> SourceRows:
    """Read a source by the configured columns. Raises SourceError when it has no rows."""
    say(f"{stage}: reading {source.uri}")
    raw = _read(run, source)
    if not _columns(raw) or raw.isEmpty():
        raise SourceError("the source has no rows that can be read")
    mapping = map_columns(_columns(raw), run.config.ingest.columns)
    column = mapping.get("images")
    rows = without_bytes(raw, column).persist()
    notes, rejects = _notes_and_rejects(rows, mapping, stage)
    return SourceRows(rows, notes, rejects, images_of(raw, column))


def _read(run: Run, source: Source) -> DataFrame:
    reader = run.spark.read
    if source.kind == "delta":
        return tables.read_table(run.spark, source.uri)
    if source.kind == "parquet":
        return reader.parquet(source.uri)
    if source.kind == "csv":
        return reader.csv(source.uri, header=True, multiLine=True, escape='"')
    return reader.json(source.uri, multiLine=source.kind == "json", columnNameOfCorruptRecord=CORRUPT)


def _columns(rows: DataFrame) -> list[str]:
    return [column for column in rows.columns if column != CORRUPT]


def _notes_and_rejects(rows: DataFrame, mapping: dict[str, str], stage: str) -> tuple[DataFrame, DataFrame]:
    """Split into notes and rows that are none: lines that do not parse, and rows without an id."""
    columns = _columns(rows)
    ignored = [column for column in columns if column not in mapping.values()]
    say(f"{stage}: " + ", ".join(f"{field} from {column}" for field, column in mapping.items()))
    if ignored:
        say(f"{stage}: not used: {', '.join(ignored)}")
    corrupt = F.col(CORRUPT).isNotNull() if CORRUPT in rows.columns else F.lit(False)
    nameless = F.col(f"`{mapping['note_id']}`").isNull() | (
        F.trim(F.col(f"`{mapping['note_id']}`").cast("string")) == ""
    )
    content = F.to_json(F.struct(*(F.col(f"`{column}`") for column in columns)))
    rejects = rows.where(corrupt | nameless).select(
        F.when(corrupt, "row_unreadable").otherwise("note_id_missing").alias("reason"),
        F.coalesce(F.col(CORRUPT) if CORRUPT in rows.columns else F.lit(None), content).alias("message"),
    )
    return normalise(rows.where(~corrupt & ~nameless), mapping), rejects
