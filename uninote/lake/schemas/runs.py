"""The ledger's table."""

from __future__ import annotations

from pyspark.sql.types import ArrayType, DoubleType, LongType, MapType, StringType, TimestampType

from uninote.lake.schemas.specs import COUNTS, TableSpec, struct_of

RUNS = TableSpec(
    "runs",
    struct_of(
        sequence=LongType(),
        run_id=StringType(),
        stage=StringType(),
        unit=StringType(),
        state=StringType(),
        generation=StringType(),
        fingerprint=StringType(),
        started_at=TimestampType(),
        seconds=DoubleType(),
        config_hash=StringType(),
        overrides=ArrayType(StringType()),
        inputs=COUNTS,
        outputs=COUNTS,
        counts=COUNTS,
        metrics=MapType(StringType(), DoubleType()),
        next_key=LongType(),
        as_of=TimestampType(),
        cores=LongType(),
    ),
    ("run_id", "stage", "unit"),
)
"""The ledger: what ran on what, and what came of it (`inputs`, `outputs`: table name to Delta version).

`sequence` is the order of entries; `started_at` is what some host's clock said, for people. `next_key`: the first item_key
that embed had not committed; `as_of`: the time that neighbours counted ages from. Both are null in entries of other stages.
`cores`: those of all executors when the entry was written, null where that is not known.
"""
