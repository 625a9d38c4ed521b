"""Queries of a source as items that the model embeds: each as a note, or also its parts."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import LongType

from udfs.notes.fingerprints import MODEL_COLUMNS
from uninote.pipelines.lake.run import Run
from uninote.pipelines.notes.items import items_of

ALONE = ("note",)  # a query as the note that all its parts make


def query_items(run: Run, notes: DataFrame, kinds: Sequence[str] = ALONE) -> DataFrame:
    """Return the items of these kinds of queries that were read as notes are; item_id is a query's own id."""
    items = items_of(notes, kinds)
    content = F.sha2(F.to_json(F.struct(*MODEL_COLUMNS)), 256)
    # Their own ids become item_id: they need not be of the type of the lake's note_id.
    return items.withColumns(
        {
            "item_id": F.col("note_id").cast("string"),
            "note_id": F.lit(None).cast(run.note_id),
            "item_key": F.lit(None).cast(LongType()),
            "content_hash": content,
            "meta_hash": F.lit(""),
        }
    )
