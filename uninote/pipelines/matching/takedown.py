"""Matches of notes that are taken down: the list's keyed hash stands for the note, and its item and contents go."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StringType

from udfs.arrow import ArrowMap
from uninote.lake.schemas import matches_table, struct_of
from uninote.lake.takedowns.held import held
from uninote.lake.takedowns.orders import digest_of
from uninote.lake.takedowns.watch import Taken, taken_down
from uninote.pipelines.lake import tables
from uninote.pipelines.lake.run import Run

WHY = "note_taken_down"
_DROPPED = ("note_id", "kind", "position", "content_hash")


def hide_taken_down(run: Run) -> int:
    """Close the open matches of notes that are taken down, and forget of all their matches what they were; returns how many."""
    spec = matches_table(run.note_id)
    uri = run.lake.uri(spec.name)
    taken = taken_down(run.lake.root)
    if not tables.has_table(uri) or not held(uri, taken.names):
        return 0
    rows = tables.read_table(run.spark, uri)
    ids = rows.select("note_id").where("note_id IS NOT NULL").distinct()
    schema = struct_of(note_id=run.note_id, taken_hash=StringType())
    hidden = ids.mapInArrow(_make_hashes(taken, to_arrow_schema(schema)), schema)
    marked = rows.join(F.broadcast(hidden), "note_id", "left")
    is_hidden = F.col("taken_hash").isNotNull()
    closes = is_hidden & F.col("until_run").isNull()
    made = {name: F.when(~is_hidden, F.col(name)) for name in _DROPPED}
    made |= {
        "note_hash": F.coalesce("note_hash", "taken_hash"),
        "closed_why": F.when(closes, WHY).otherwise(F.col("closed_why")),
        "until_at": F.when(closes, F.current_timestamp()).otherwise(F.col("until_at")),
        "until_run": F.when(closes, F.lit(run.run_id)).otherwise(F.col("until_run")),
    }
    columns = [made.get(name, F.col(name)).alias(name) for name in spec.columns]
    # Kept before the table is written that it is read from.
    kept = marked.select(*columns, is_hidden.alias("is_hidden")).persist()
    count = kept.where("is_hidden").count()
    tables.overwrite(kept.drop("is_hidden"), spec, uri)
    kept.unpersist()
    return count


def _make_hashes(taken: Taken, schema: pa.Schema) -> ArrowMap:
    """Map (note_id) to those that are taken down, each with its keyed hash."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = [one for one in batch.column("note_id").to_pylist() if taken.hides(one)]
            hashes = [digest_of(taken.key, one) for one in found]
            yield pa.RecordBatch.from_pydict({"note_id": found, "taken_hash": hashes}, schema)

    return run
