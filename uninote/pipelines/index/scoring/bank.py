"""Scores less how near each note is to a bank of queries, of the notes alone that an index found."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql.types import FloatType, StructField

from udfs.index.search import make_corrected
from uninote.pipelines.index.scoring.stored import pair_schema
from uninote.pipelines.lake.reading.stored_vectors import StoredVectors
from uninote.search.stored_banks import QueryBank


def by_bank(stored: StoredVectors, bank: QueryBank, found: DataFrame) -> DataFrame:
    """Return (item_id, note_id, score, corrected) of what was `found`; see `uninote.search.hubness`."""
    run = stored.run
    shared = run.spark.sparkContext.broadcast(bank.vectors)
    # One pass: what an index finds would be searched again for a list of its notes.
    pairs = found.select("item_id", "note_id", "score").join(stored.rows(("note_id", "vector")), "note_id")
    make = make_corrected(lambda: shared.value, stored.width, run.config.search.hubness_temperature)
    schema = pair_schema(run, StructField("score", FloatType()), StructField("corrected", FloatType()))
    return pairs.select("item_id", "note_id", "score", "vector").mapInArrow(make, schema)
