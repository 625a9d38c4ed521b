"""Codes of all notes, by Spark: what a codebook's first run does, and whenever nobody knows what changed."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from udfs.codes.encode import make_encode
from uninote.codes.codebook import Codebook
from uninote.lake.schemas import codes_table
from uninote.lake.takedowns.watch import taken_down
from uninote.pipelines.codes.changed import encoded_schema
from uninote.pipelines.codes.frames import packed_rows, unpacked_rows
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.pipelines.lake.run import Run
from uninote.pipelines.runtime.progress import step

_STAGED = "codes"


def code_all(vectors: StoredVectors, codebook: Codebook) -> dict[str, float]:
    """Code all notes and commit what is new or changed of it; returns counts, and `error`, the mean that codes leave."""
    run = vectors.run
    uri = run.staging(_STAGED)
    schema = encoded_schema(run)
    shared = run.spark.sparkContext.broadcast(codebook)
    try:
        with step(f"codes: {vectors.count:,} notes"):
            encode = make_encode(lambda: shared.value, to_arrow_schema(schema, timezone="UTC"))
            # Stored once: what follows reads it several times, and would code all notes again each time.
            vectors.scan(encode, schema, ("note_id", "vector")).write.mode("overwrite").parquet(uri)
        with step("codes: ids"):
            return _write(run, run.spark.read.schema(schema).parquet(uri), codebook)
    finally:
        shared.destroy()
        tables.remove(uri)


def _write(run: Run, staged: DataFrame, codebook: Codebook) -> dict[str, float]:
    names = taken_down(run.lake.root).names
    coded = staged.where(~F.col("note_id").cast("string").isin(*names)) if names else staged
    spec = codes_table(run.note_id)
    uri = run.generation.uri(spec.name)
    old = packed_rows(tables.read_or_empty(run.spark, spec, uri), codebook)
    about = coded.agg(F.count("*").alias("notes"), F.avg("error").alias("error")).first()
    assert about is not None
    if old.isEmpty():
        fresh = unpacked_rows(run, _numbered(coded.select("note_id", "prefix"), None), codebook)
        # In order of note_id: who looks for a note reads one group of rows, and a night with few changes rewrites one file.
        tables.append(fresh.sort("note_id"), spec, uri)
        counts = {"opened": int(about["notes"]), "closed": 0}
    else:
        counts = _update(run, coded, old, codebook)
    return {**counts, "notes": int(about["notes"]), "error": float(about["error"] or 0)}


def _numbered(fresh: DataFrame, old: DataFrame | None) -> DataFrame:
    """Return (note_id, prefix, last, present) of notes (note_id, prefix) that had no such codes, after those that are known."""
    first = F.lit(0)
    if old is not None:
        tops = old.groupBy("prefix").agg((F.max("last") + 1).alias("next"))
        fresh, first = fresh.join(tops, "prefix", "left"), F.coalesce("next", F.lit(0))
    order = F.row_number().over(Window.partitionBy("prefix").orderBy("note_id"))
    return fresh.select("note_id", "prefix", (first + order - 1).alias("last"), F.lit(True).alias("present"))


def _update(run: Run, coded: DataFrame, old: DataFrame, codebook: Codebook) -> dict[str, int]:
    spec = codes_table(run.note_id)
    uri = run.generation.uri(spec.name)
    pair = ["note_id", "prefix"]
    found = coded.select(*pair).join(old, pair, "left")
    fresh = _numbered(found.where("last IS NULL").select(*pair), old)
    opened = found.where("NOT present").withColumn("present", F.lit(True))
    closed = old.where("present").join(coded, pair, "left_anti").withColumn("present", F.lit(False))
    changes = fresh.unionByName(opened).unionByName(closed).persist()
    by_kind = {row["present"]: int(row["count"]) for row in changes.groupBy("present").count().collect()}
    rows = sum(by_kind.values())
    if rows:
        made = unpacked_rows(run, changes, codebook).withColumn(tables.DELETED, F.lit(False))
        tables.apply_changes(made, spec, uri, rows=rows)
    changes.unpersist()
    return {"opened": by_kind.get(True, 0), "closed": by_kind.get(False, 0)}
