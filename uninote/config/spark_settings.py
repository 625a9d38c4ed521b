"""Spark's settings: those that every session gets, and those that results depend on, which nobody may change.

One place, so that who writes code that relies on a setting adds it here. Every session is given the fixed values, whatever
spark-defaults.conf says; a configuration that asks for another is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SETTINGS = {
    # PySpark would tell the JVM the line of code of each column that is built, in several calls each, for traces that are not
    # shown: an embed of a handful of notes made 9,600 calls in all.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # A reused worker still has its model in memory; without reuse every task would load it again.
    "spark.python.worker.reuse": "true",
    # Names of files are UTF-8 on every host, whatever locale its services were started with.
    "spark.executorEnv.PYTHONUTF8": "1",
    # Threads that wait for each other sleep, as in the driver: see uninote/pipelines/__init__.py.
    "spark.executorEnv.OMP_WAIT_POLICY": "PASSIVE",
    # Rows with long texts and wide vectors: a batch is bounded by bytes too, or one batch could fill a worker's memory.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
    # Rows are decoded so many at once, whatever they weigh: of a table of images 4096 would be a gigabyte.
    "spark.sql.parquet.columnarReaderBatchSize": "512",
    # Pages have checksums, and nobody looks at them by default: flipped bytes would be other vectors.
    "spark.hadoop.parquet.page.verify-checksum.enabled": "true",
    # Statistics on vectors cost time on write and never prune anything; the key columns come first in every table.
    "spark.databricks.delta.properties.defaults.dataSkippingNumIndexedCols": "4",
    # A float vector has hardly two equal values; dictionaries are tried, dropped, and cost a pass.
    "parquet.enable.dictionary#vector.list.element": "false",
}


@dataclass(frozen=True)
class Fixed:
    """The one value of a setting that results are right with, and what goes wrong with another.

    Where it is not `given` to sessions it is refused alone: Delta would write it into every new table.
    """

    value: str
    otherwise: str
    given: bool = True


_NULLS = "a value that does not fit would become null in silence"
_LOST = "notes in files that cannot be read would be missing in silence"
_KINDS = "columns would be read as another type than their file says"
_READERS = "readers of the tables' files would refuse them, or see rows that are deleted"

FIXED: Mapping[str, Fixed] = {
    "spark.sql.session.timeZone": Fixed("UTC", "times would move by the zone's offset"),
    "spark.sql.timestampType": Fixed("TIMESTAMP_LTZ", "times would be of a type that no table has"),
    "spark.sql.ansi.enabled": Fixed("true", _NULLS),
    "spark.sql.storeAssignmentPolicy": Fixed("ANSI", _NULLS),
    "spark.sql.caseSensitive": Fixed("false", "columns named alike but for case would be taken for different ones"),
    "spark.sql.sources.partitionOverwriteMode": Fixed(
        "static", "an overwrite would leave rows of an earlier one, and they would stand twice"
    ),
    "spark.sql.files.ignoreCorruptFiles": Fixed("false", _LOST),
    "spark.sql.files.ignoreMissingFiles": Fixed("false", _LOST),
    "spark.sql.parquet.binaryAsString": Fixed("false", _KINDS),
    "spark.sql.parquet.int96AsTimestamp": Fixed("true", _KINDS),
    "spark.sql.parquet.writeLegacyFormat": Fixed("false", "readers of the tables would find lists of another shape"),
    "spark.sql.parquet.outputTimestampType": Fixed(
        "TIMESTAMP_MICROS", "Delta's readers would refuse the tables' times"
    ),
    "spark.databricks.delta.schema.autoMerge.enabled": Fixed(
        "false", "a wrong column would be added to a table in silence"
    ),
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": Fixed("false", _READERS),
    "spark.databricks.delta.properties.defaults.columnMapping.mode": Fixed("none", _READERS, given=False),
    "spark.databricks.delta.properties.defaults.appendOnly": Fixed(
        "false", "no update could replace or delete a row", given=False
    ),
}
FIXED_PREFIXES: Mapping[str, str] = {
    "spark.sql.legacy.": "casts, dates and files would be read by the rules of earlier versions",
}


def given_settings() -> dict[str, str]:
    """Return the fixed settings that every session is given."""
    return {name: fixed.value for name, fixed in FIXED.items() if fixed.given}


def find_conflicts(settings: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each of `settings` that would make results wrong."""
    known = {name.casefold(): name for name in FIXED}
    for name, value in settings.items():
        fixed = FIXED.get(known.get(name.casefold(), ""))
        if fixed is not None and value.strip().casefold() != fixed.value.casefold():
            yield f"{name} must stay {fixed.value}, not {value}: {fixed.otherwise}"
        for prefix, otherwise in FIXED_PREFIXES.items():
            if name.casefold().startswith(prefix):
                yield f"{name} must not be set: {otherwise}"
