"""What searches are corrected by."""

from __future__ import annotations

from pyspark.sql.types import BinaryType, IntegerType, LongType, StringType, TimestampType

from uninote.lake.schemas.specs import TableSpec, struct_of

QUERY_BANKS = TableSpec(
    "query_banks",
    struct_of(
        version=IntegerType(),
        fingerprint=StringType(),
        generation=StringType(),
        width=IntegerType(),
        queries=LongType(),
        vectors=BinaryType(),
        made_at=TimestampType(),
        run_id=StringType(),
    ),
    ("version",),
)
"""Banks of queries, one for each time that somebody made one of other queries; the greatest `version` counts.

`vectors` are those of the queries, float32 as bytes, `width` numbers each, in no order that says which query was whose:
neither texts nor ids are stored. `fingerprint` is theirs and of the generation.
"""
